//! Whatever an API server says, it is judged without a panic, and numbers at their ends are numbers.

use jiff::Timestamp;
use kuberescue::analysis::cluster::pods::trouble;
use kuberescue::analysis::cluster::rollout::{judge, progress};
use kuberescue::analysis::cluster::verify;
use kuberescue::formats::log::Matcher;
use kuberescue::formats::objects::cluster::{ApiService, Node, SigningRequest};
use kuberescue::formats::objects::pods::Pod;
use kuberescue::formats::objects::workloads::{Kind, Workload};
use kuberescue::formats::request::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::apiserver::recorded;
use crate::common::openssl;

/// Everything that is judged.
fn judged(values: &[Value]) {
    fn read<T: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<T> {
        values.iter().filter_map(|value| serde_json::from_value(value.clone()).ok()).collect()
    }
    let (pods, nodes): (Vec<Pod>, Vec<Node>) = (read(values), read(values));
    let requests: Vec<SigningRequest> = read(values);
    let services: Vec<ApiService> = read(values);
    for now in [Timestamp::MIN, "2026-11-24T00:00:00Z".parse().unwrap(), Timestamp::MAX] {
        let _ = pods.iter().filter_map(|pod| trouble(pod, Some(false), now)).count();
        for kind in Kind::ALL {
            for workload in read::<Workload>(values) {
                let _ = (judge(kind, &workload, &pods, Some(now)), progress(kind, &workload));
            }
        }
        let _ = verify::nodes(&nodes);
        let _ = verify::pods(&pods, &nodes, "x", now);
        let _ = verify::api_services(&services);
        let _ = verify::requests(&requests, Some(&nodes), now);
        let matcher = Matcher::new().unwrap();
        for component in verify::control_plane(&pods, &nodes).0 {
            let _ = verify::read_log(
                &component,
                b"9999-12-30T22:00:00Z x509: x\n0001-01-01T00:00:00Z x509: ",
                true,
                &matcher,
                now,
            );
        }
    }
}

/// The recorded objects of all kinds.
fn objects() -> Vec<Value> {
    let mut all = Vec::new();
    for name in ["pods", "nodes", "apiservices"] {
        let list: Value = serde_json::from_str(&recorded(name)).unwrap();
        all.extend(list["items"].as_array().unwrap().iter().take(5).cloned());
    }
    all.extend(["daemonset", "daemonset-after"].map(|name| serde_json::from_str(&recorded(name)).unwrap()));
    all.push(json!({"metadata": {"name": "a", "creationTimestamp": "2026-11-23T23:50:00Z"},
        "spec": {"request": "LS0t", "signerName": "kubernetes.io/kubelet-serving", "username": "system:node:a",
            "groups": ["a"], "usages": ["b"]},
        "status": {"conditions": [{"type": "Approved", "lastUpdateTime": "2026-11-23T23:50:00Z"}]}}));
    all
}

/// How many values are in a value, and the n-th of them replaced.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, n, with)),
        Value::Array(items) => items.iter_mut().for_each(|value| replace(value, n, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_value_anywhere(at in prop::collection::vec((0..20_usize, 0..150_usize, 0..9_usize), 1..4)) {
        let odd = [Value::Null, json!(i64::MIN), json!(i64::MAX), json!(""), json!("\u{1b}[2J\u{0}"), json!([]), json!({}),
            json!("9999-12-30T22:00:00Z"), json!("-009999-01-02T02:00:00Z")];
        let mut all = objects();
        for (object, value, with) in at {
            let number = object % all.len();
            replace(&mut all[number], &mut { value }, &odd[with]);
        }
        judged(&all);
    }

    #[test]
    fn any_bytes_as_a_request(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in any::<prop::sample::Index>()) {
        static MADE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let made = MADE.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let key = directory.path().join("key");
            let pem = openssl(&format!("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -subj /O=system:nodes/CN=a -addext subjectAltName=DNS:a,IP:1.2.3.4", key.display()), b"");
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(body).unwrap()
        });
        let whole = Request::from_der(made).unwrap();
        prop_assert!(whole.is_signed && whole.dns_names == ["a"] && whole.addresses.len() == 1);
        let mut der = made.clone();
        for (index, byte) in at {
            let index = index.index(der.len());
            der[index] = byte;
        }
        if let Ok(read) = Request::from_der(&der) {
            prop_assert!(!read.is_signed || der == *made || read == whole, "a changed request is not signed");
        }
        der.truncate(cut.index(der.len()));
        prop_assert!(Request::from_der(&der).is_err());
    }
}
