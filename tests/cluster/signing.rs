//! `verify cluster`: requests for certificates, made by openssl as kubelets make them, and as nobody should.

use serde_json::{Value, json};

use crate::common::{base64, openssl};
use crate::scene::Scene;

const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const SERVING: &str = "kubernetes.io/kubelet-serving";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const NODE: &str = "system:node:lab-cp1";
const AT: &str = "2026-11-23T23:59:00Z";

/// A request in PEM. `names` is a subjectAltName in openssl's words.
fn made(subject: &str, names: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    let names = if names.is_empty() { String::new() } else { format!(" -addext subjectAltName={names}") };
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -new {curve} -keyout {} -subj {subject}{names}", key.display()), b"")
}

struct Asked {
    signer: &'static str,
    user: &'static str,
    usages: Vec<&'static str>,
    pem: String,
}

impl Asked {
    /// What the kubelet of the recorded node would ask.
    fn serving(subject: &str, names: &str) -> Self {
        let usages = vec!["digital signature", "server auth"];
        Self { signer: SERVING, user: NODE, usages, pem: made(subject, names) }
    }

    fn client(subject: &str, names: &str) -> Self {
        let usages = vec!["key encipherment", "digital signature", "client auth"];
        Self { signer: CLIENT, user: NODE, usages, pem: made(subject, names) }
    }

    fn object(&self, name: &str, status: Value) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": "2026-11-23T23:50:00Z"},
            "spec": {"request": base64(self.pem.as_bytes()), "signerName": self.signer, "username": self.user,
                "groups": ["system:nodes", "system:authenticated"], "usages": self.usages},
            "status": status})
    }
}

const GOOD: &str = "/O=system:nodes/CN=system:node:lab-cp1";
const NAMES: &str = "DNS:lab-cp1,IP:10.200.0.4";

/// What is said of requests: the verdict and the words of each, and all that was printed.
fn told(objects: &[Value]) -> (Vec<(String, String)>, String, i32) {
    let scene = Scene::well();
    for object in objects {
        scene.insert(&format!("{PATH}/{}", object["metadata"]["name"].as_str().unwrap()), object.clone());
    }
    let (json, code) = scene.json(&format!("verify cluster --at {AT}"));
    let checks = json["items"].as_array().unwrap().iter().filter(|check| check["part"] == "requests");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = checks.map(|check| (text(&check["result"]), text(&check["what"]))).collect();
    let run = scene.run(&format!("verify cluster --at {AT}"));
    assert_eq!(run.code, code);
    (found, run.out, code)
}

/// The rows of the requests, and the hints.
fn about_requests(out: &str) -> String {
    let rows = out.lines().filter(|line| line.starts_with("requests ") || line.starts_with("hint: "));
    rows.map(|line| format!("{line}\n")).collect()
}

/// The problems of a request that nobody should approve.
fn wrong(asked: &Asked) -> String {
    let (found, out, code) = told(&[asked.object("csr-x", json!({}))]);
    assert_eq!((found.len(), found[0].0.as_str(), code), (1, "csr-suspicious", 1), "{out}");
    assert!(!out.contains("certificate approve"), "{out}");
    let hint = out.lines().last().unwrap();
    insta::allow_duplicates! { insta::assert_snapshot!(hint, @"hint: do not approve before the sender is known: kubectl get csr csr-x -o yaml") };
    let head = format!("request of {} to {}: ", asked.user, asked.signer);
    found[0].1.strip_prefix(&head).unwrap_or_else(|| panic!("{out}")).to_owned()
}

#[test]
fn a_kubelet_that_waits_is_shown_with_the_command() {
    let mut said = String::new();
    for asked in [Asked::serving(GOOD, NAMES), Asked::client(GOOD, "")] {
        let (found, out, code) = told(&[asked.object("csr-7", json!({}))]);
        assert_eq!((found.len(), found[0].0.as_str(), code), (1, "csr-pending", 1), "{out}");
        said += &about_requests(&out);
    }
    insta::assert_snapshot!(said, @"
    requests       csr-7                                         !csr-pending   the kubelet of lab-cp1 waits for its serving certificate since 2026-11-23 23:50 UTC; names and usages are those of the node
    hint: kubectl certificate approve csr-7
    requests       csr-7                                         !csr-pending   the kubelet of lab-cp1 waits for its client certificate since 2026-11-23 23:50 UTC; names and usages are those of the node
    hint: kubectl certificate approve csr-7
    ");
}

#[test]
fn of_many_the_newest_is_shown() {
    let asked = Asked::serving(GOOD, NAMES);
    let mut all: Vec<Value> = ["csr-1", "csr-2", "csr-3"].map(|name| asked.object(name, json!({}))).into();
    all[1]["metadata"]["creationTimestamp"] = json!("2026-11-23T23:55:00Z");
    let (found, out, _) = told(&all);
    assert_eq!(found.len(), 1, "{out}");
    insta::assert_snapshot!(about_requests(&out), @"
    requests       csr-2                                         !csr-pending   the kubelet of lab-cp1 waits for its serving certificate since 2026-11-23 23:55 UTC (and 2 older requests, superseded); names and usages are those of the node
    hint: kubectl certificate approve csr-2
    ");
}

#[test]
fn what_is_not_the_nodes_own_is_suspicious() {
    let other = "/O=system:nodes/CN=system:node:lab-cp2";
    let masters = "/O=system:masters/CN=system:node:lab-cp1";
    let suspicious = [
        Asked::serving(other, NAMES),
        Asked::serving(masters, NAMES),
        Asked::client(masters, ""),
        Asked::client(&format!("/O=system:masters{GOOD}"), ""),
        Asked::client(&format!("/OU=x{GOOD}"), ""),
        Asked::serving(GOOD, "DNS:lab-cp1,IP:10.200.0.5"),
        Asked::serving(GOOD, "DNS:kubernetes.default.svc"),
        Asked::serving(GOOD, "DNS:lab-cp1,URI:spiffe://x"),
        Asked::serving(GOOD, ""),
        Asked::client(GOOD, "DNS:lab-cp1"),
        Asked {
            user: "system:node:lab-cp9",
            ..Asked::serving("/O=system:nodes/CN=system:node:lab-cp9", NAMES)
        },
        Asked { user: "alice", ..Asked::client("/O=system:nodes/CN=alice", "") },
        Asked { user: "system:bootstrap:abcdef", ..Asked::client(GOOD, "") },
        Asked { usages: vec!["server auth", "client auth"], ..Asked::serving(GOOD, NAMES) },
        Asked { pem: "x".to_owned(), ..Asked::serving("/CN=x", "") },
    ];
    insta::assert_snapshot!(suspicious.iter().map(wrong).collect::<Vec<_>>().join("\n"), @r#"
    CN is "system:node:lab-cp2"
    subject is "O=system:masters, CN=system:node:lab-cp1", expected O=system:nodes, CN=system:node:lab-cp1
    subject is "O=system:masters, CN=system:node:lab-cp1", expected O=system:nodes, CN=system:node:lab-cp1
    subject is "O=system:masters, O=system:nodes, CN=system:node:lab-cp1", expected O=system:nodes, CN=system:node:lab-cp1
    subject is "OU=x, O=system:nodes, CN=system:node:lab-cp1", expected O=system:nodes, CN=system:node:lab-cp1
    lab-cp1 does not have the address 10.200.0.5
    lab-cp1 does not have the name kubernetes.default.svc
    requests URI:spiffe://x
    no name and no address
    a client certificate with names or addresses
    names not checked: no node "lab-cp9"
    the sender is not a node
    sent with a bootstrap token, not by the node itself (a node that is being joined does that); CN is "system:node:lab-cp1"
    unexpected usage "client auth"
    the request is no PEM
    "#);
}

#[test]
fn a_request_that_another_key_signed_is_suspicious() {
    let mut asked = Asked::serving(GOOD, NAMES);
    let body: String = asked.pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = openssl_base64(&body);
    // The last byte is of the signature.
    *der.last_mut().unwrap() ^= 1;
    asked.pem =
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", base64(&der));
    assert_eq!(wrong(&asked), "not signed with its own key");
}

fn openssl_base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[test]
fn approved_and_not_issued() {
    let approved =
        |at: &str| json!({"conditions": [{"type": "Approved", "status": "True", "lastUpdateTime": at}]});
    let asked = Asked::serving(GOOD, NAMES);
    let (found, out, code) = told(&[asked.object("csr-1", approved("2026-11-23T23:51:00Z"))]);
    assert_eq!((found[0].0.as_str(), code), ("csr-not-issued", 1), "{out}");
    insta::assert_snapshot!(about_requests(&out), @"
    requests       csr-1                                         !csr-not-issued   approved at 2026-11-23 23:51 UTC, no certificate issued: kube-controller-manager does not sign (kubernetes.io/kubelet-serving)
    hint: on a control-plane node: sudo kuberescue diagnose
    ");
    // It takes a moment; and what is issued or denied is done.
    let mut issued = approved("2026-11-23T23:51:00Z");
    issued["certificate"] = json!("LS0t");
    let denied = json!({"conditions": [{"type": "Denied"}]});
    for status in [approved("2026-11-23T23:58:30Z"), issued, denied] {
        let (found, out, code) = told(&[asked.object("csr-1", status)]);
        assert_eq!((found[0].0.as_str(), code), ("ok", 0), "{out}");
    }
    let failed =
        json!({"conditions": [{"type": "Approved"}, {"type": "Failed", "message": "usages\u{1b}[2J"}]});
    let (found, out, _) = told(&[asked.object("csr-1", failed)]);
    assert_eq!(found[0].0, "csr-not-issued", "{out}");
    insta::assert_snapshot!(about_requests(&out), @r"
    requests       csr-1                                         !csr-not-issued   refused by signer kubernetes.io/kubelet-serving: usages\u{1b}[2J
    hint: kubectl -n kube-system logs -l component=kube-controller-manager
    ");
}

#[test]
fn requests_of_others_are_counted() {
    let asked = Asked { signer: "example.com/own", user: "alice", ..Asked::client("/CN=alice", "") };
    let (found, out, code) = told(&[asked.object("csr-1", json!({})), asked.object("csr-2", json!({}))]);
    assert_eq!(code, 0, "{out}");
    let found: Vec<_> = found.iter().map(|(result, what)| (result.as_str(), what.as_str())).collect();
    let expected = [
        ("ok", "no pending requests of kubelets"),
        ("csr-pending", "2 requests for other signers pending: example.com/own"),
    ];
    assert_eq!(found, expected, "{out}");
}
