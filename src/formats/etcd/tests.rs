//! Databases of real etcds, and each byte of a small one changed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;

use super::*;

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/etcd/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(mut file: &[u8], prefix: &str) -> (Vec<String>, i64) {
    let mut names = Vec::new();
    let mut database = Database::open(&mut file).unwrap();
    let revision = database
        .live(prefix.as_bytes(), &mut |entry| {
            names.push(String::from_utf8(entry.key.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    (names, revision)
}

#[test]
fn three_members() {
    let file = fixture("three-members.db");
    let mut pages = file.as_slice();
    let status = Database::open(&mut pages).unwrap().status().unwrap();
    let member = |id: u64, name: &str, host: u8| Member {
        id: Some(id),
        name: name.to_owned(),
        peer_urls: vec![format!("http://127.0.0.{}:12380", host - 10)],
        client_urls: vec![format!("https://192.168.10.{host}:2379")],
        is_learner: false,
    };
    let expected = Status {
        transaction: 12,
        size: 28_672,
        revision: 9,
        consistent_index: Some(16),
        cluster_version: Some("3.4.0".to_owned()),
        members: vec![
            member(0x3f4e_8b04_c476_b9b3, "cp-3", 13),
            member(0xa595_1ea4_53e3_4a70, "cp-2", 12),
            member(0xd581_1b26_ae26_5d01, "cp-1", 11),
        ],
        ..Status::default()
    };
    assert_eq!(status, expected);
    let expected: Vec<_> = (1..=8).rev().map(|index| format!("/registry/x/{index}")).collect();
    assert_eq!(names(&file, ""), (expected, 9));
    assert_eq!(names(&file, "/registry/x/3"), (vec!["/registry/x/3".to_owned()], 9));
}

#[test]
fn the_figures_of_etcdctl() {
    // testdata/etcd/README.md: etcdctl snapshot status of etcd 3.4.23.
    for (name, hash, revision, records, size) in [
        ("three-members.db", 742_924_947, 9, 14, 28_672),
        ("kubernetes-1.20-snapshot.db", 0xb6b7_4ff5, 1645, 1670, 3_010_560),
    ] {
        let file = fixture(name);
        let mut pages = file.as_slice();
        let totals = Database::open(&mut pages).unwrap().totals().unwrap();
        assert_eq!(totals, Totals { hash, revision, records, size });
    }
}

#[test]
fn pages_in_use() {
    // etcd 3.4.23 started on them says 16384 and 2990080 (dbSizeInUse): one page more, which it has just set free.
    for (name, expected) in [("three-members.db", 12_288), ("kubernetes-1.20-snapshot.db", 2_985_984)] {
        let file = fixture(name);
        let mut pages = file.as_slice();
        assert_eq!(Database::open(&mut pages).unwrap().in_use().unwrap(), expected, "{name}");
    }
}

#[test]
fn keys_by_resource() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let mut pages = file.as_slice();
    let (resources, revision) = Database::open(&mut pages).unwrap().resources(REGISTRY).unwrap();
    assert_eq!((resources.total, revision), (633, 1645));
    let count = |name: &str| resources.counts.get(name).copied();
    assert_eq!(count("apiregistration.k8s.io/apiservices"), Some(35));
    assert_eq!(count("minions"), Some(1));
}

/// The same, read forwards into a map.
fn newest(file: &[u8]) -> BTreeMap<Vec<u8>, (i64, Vec<u8>)> {
    let (mut pages, mut keys) = (file, BTreeMap::new());
    let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
    reader
        .scan(b"key", crate::formats::bolt::Order::From(&[]), usize::MAX, &mut |at, value| {
            let (at, entry) = (Revision::parse(at).unwrap(), KeyValue::parse(value).unwrap());
            if at.is_tombstone {
                keys.remove(entry.key);
            } else {
                assert_eq!(at.main, entry.mod_revision);
                keys.insert(entry.key.to_vec(), (entry.mod_revision, entry.value.to_vec()));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

#[test]
fn each_live_key_once_with_its_newest_value() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let expected = newest(&file);
    assert_eq!(expected.len(), 633);
    for (most, part) in [
        (keys::MOST_HASHES, keys::Part::Whole),
        (64, keys::Part::Whole),
        (8, keys::Part::Whole),
        (64, keys::Part::Head),
    ] {
        let mut pages = file.as_slice();
        let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
        let mut found = BTreeMap::new();
        keys::live_with(&mut reader, b"", (1645, part), most, &mut |entry| {
            let one = (entry.mod_revision, entry.value.to_vec());
            assert_eq!(found.insert(entry.key.to_vec(), one), None, "twice with {most} hashes");
            ControlFlow::Continue(())
        })
        .unwrap();
        if part == keys::Part::Head {
            let names = |of: &BTreeMap<Vec<u8>, (i64, Vec<u8>)>| -> Vec<_> {
                of.iter().map(|(key, (revision, _))| (key.clone(), *revision)).collect()
            };
            assert_eq!(names(&found), names(&expected), "of heads");
            continue;
        }
        assert_eq!(found, expected, "with {most} hashes");
    }
    // As of an older revision.
    let mut pages = file.as_slice();
    let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
    let mut latest = 0;
    keys::live_with(&mut reader, b"", (1000, keys::Part::Whole), 64, &mut |entry| {
        latest = latest.max(entry.mod_revision);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(latest, 1000);
}

/// The object of a key.
fn object(mut file: &[u8], key: &str) -> Object {
    let (value, _) = Database::open(&mut file).unwrap().get(key.as_bytes()).unwrap();
    match Stored::parse(&value.unwrap()) {
        Stored::Object(object) => *object,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn objects_in_kubernetes_protobuf() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let node = object(&file, "/registry/minions/lab-cp1");
    let head = (node.encoding, node.api_version.as_str(), node.kind.as_str(), node.name.as_str());
    assert_eq!(head, ("protobuf", "v1", "Node", "lab-cp1"));
    assert_eq!(node.created, "2026-11-26T23:20:16Z".parse().ok());
    assert_eq!(node.labels["kubernetes.io/hostname"], "lab-cp1");
    let Content::Node { kubelet_version, addresses, conditions } = node.content else { panic!() };
    assert_eq!(kubelet_version, "v1.20.2");
    assert_eq!(addresses[0], ("InternalIP".to_owned(), "10.200.0.4".to_owned()));
    let ready = ("Ready".to_owned(), "True".to_owned(), "2026-11-26T23:43:33Z".parse().ok());
    assert_eq!(conditions[3], ready);

    let lease = object(&file, "/registry/leases/kube-node-lease/lab-cp1");
    let Content::Lease { holder, renewed, duration } = lease.content else { panic!() };
    assert_eq!((lease.namespace.as_str(), holder.as_str(), duration), ("kube-node-lease", "lab-cp1", 40));
    assert_eq!(renewed.unwrap().strftime("%F %T").to_string(), "2026-11-26 23:44:33");

    let secret = object(&file, "/registry/secrets/kube-system/bootstrap-token-zt8r9h");
    let Content::Secret { kind, data } = secret.content else { panic!() };
    assert_eq!(kind, "bootstrap.kubernetes.io/token");
    assert_eq!(data["token-id"], b"zt8r9h");

    let map = object(&file, "/registry/configmaps/kube-system/kubeadm-config");
    let Content::ConfigMap(data) = map.content else { panic!() };
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ClusterConfiguration", "ClusterStatus"]);
    // kube-aggregator stores these as JSON.
    let api = object(&file, "/registry/apiregistration.k8s.io/apiservices/v1.apps");
    assert_eq!(
        (api.encoding, api.kind.as_str(), api.content),
        ("json", "APIService", Content::CaBundles(vec![]))
    );
}

#[test]
fn the_same_objects_as_json() {
    let json = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "eA=="},
        "metadata": {"name": "n", "namespace": "s", "labels": {"l": "v"}, "creationTimestamp": "2026-11-26T23:20:16Z"},
    });
    let Stored::Object(object) = Stored::parse(json.to_string().as_bytes()) else { panic!() };
    let expected = Object {
        encoding: "json",
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        name: "n".to_owned(),
        namespace: "s".to_owned(),
        labels: [("l".to_owned(), "v".to_owned())].into(),
        created: "2026-11-26T23:20:16Z".parse().ok(),
        content: Content::Secret {
            kind: "Opaque".to_owned(),
            data: [("a".to_owned(), b"x".to_vec())].into(),
        },
    };
    assert_eq!(*object, expected);
}

/// As Kubernetes writes CBOR: text as byte strings, bytes in tag 22.
#[test]
fn the_same_objects_as_cbor() {
    fn item(kind: u8, length: usize) -> Vec<u8> {
        match length {
            0..24 => vec![kind << 5 | u8::try_from(length).unwrap()],
            _ => [vec![kind << 5 | 25], u16::try_from(length).unwrap().to_be_bytes().to_vec()].concat(),
        }
    }
    fn cbor(json: &serde_json::Value) -> Vec<u8> {
        match json {
            serde_json::Value::Object(map) => {
                let fields = map
                    .iter()
                    .map(|(key, value)| [item(2, key.len()), key.as_bytes().to_vec(), cbor(value)].concat());
                [item(5, map.len()), fields.collect::<Vec<_>>().concat()].concat()
            }
            serde_json::Value::String(text) => match text.strip_prefix("bytes:") {
                Some(bytes) => [vec![0xd6], item(2, bytes.len()), bytes.as_bytes().to_vec()].concat(),
                None => [item(2, text.len()), text.as_bytes().to_vec()].concat(),
            },
            other => item(0, other.as_u64().unwrap().try_into().unwrap()),
        }
    }
    let stored = |json: &serde_json::Value| Stored::parse(&[b"\xd9\xd9\xf7".to_vec(), cbor(json)].concat());
    let text = "apiVersion: kubeadm.k8s.io/v1beta4\nencryptionAlgorithm: ECDSA-P384\n";
    let map = stored(&serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"ClusterConfiguration": text},
        "metadata": {"name": "kubeadm-config", "creationTimestamp": "2026-11-26T23:20:16Z"},
    }));
    let configuration = ClusterConfiguration::of_stored(&map).unwrap().unwrap();
    assert_eq!(configuration.encryption_algorithm, "ECDSA-P384");
    let Stored::Object(map) = map else { panic!() };
    assert_eq!((map.encoding, map.name.as_str()), ("cbor", "kubeadm-config"));
    assert_eq!(map.created, "2026-11-26T23:20:16Z".parse().ok());
    let Stored::Object(secret) = stored(&serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "bytes:x"},
    })) else {
        panic!()
    };
    let expected =
        Content::Secret { kind: "Opaque".to_owned(), data: [("a".to_owned(), b"x".to_vec())].into() };
    assert_eq!(secret.content, expected);
    let Stored::Object(lease) = stored(&serde_json::json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "spec": {"holderIdentity": "cp-1", "renewTime": "2026-11-26T23:44:33.000000Z", "leaseDurationSeconds": 40},
    })) else {
        panic!()
    };
    let Content::Lease { renewed, duration, .. } = lease.content else { panic!() };
    assert_eq!((renewed, duration), ("2026-11-26T23:44:33Z".parse().ok(), 40));
}

#[test]
fn what_is_no_object() {
    let encrypted = |value: &[u8]| Stored::parse(value);
    assert_eq!(encrypted(b"k8s:enc:aescbc:v1:key1:\x01\x02"), Stored::Encrypted("aescbc".to_owned()));
    assert_eq!(encrypted(b"k8s:enc:kms:v2:name:\x01"), Stored::Encrypted("kms".to_owned()));
    for (value, why) in [
        (&b"k8s\0\x0a\x05v1"[..], "damaged protobuf"),
        (b"k8s\0\x22\x01x", "an envelope with another encoding than protobuf"),
        (b"{\"kind\":", "damaged JSON"),
        (b"\xd9\xd9\xf7\xa1", "damaged CBOR"),
        (b"1234", "not an object of Kubernetes"),
        (b"", "not an object of Kubernetes"),
    ] {
        assert_eq!(Stored::parse(value), Stored::Other(why), "{value:?}");
    }
}

#[test]
fn the_configuration_of_the_cluster() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let mut pages = file.as_slice();
    let found = cluster_records(&mut Database::open(&mut pages).unwrap(), REGISTRY).unwrap();
    let expected = ClusterConfiguration {
        api_version: "kubeadm.k8s.io/v1beta2".to_owned(),
        kubernetes_version: "v1.20.2".to_owned(),
        cluster_name: "kubernetes".to_owned(),
        certificates_dir: "/etc/kubernetes/pki".to_owned(),
        dns_domain: "cluster.local".to_owned(),
        service_subnet: "10.96.0.0/12".to_owned(),
        etcd: Etcd::Local {
            data_dir: "/var/lib/etcd".to_owned(),
            server_cert_sans: Vec::new(),
            peer_cert_sans: Vec::new(),
        },
        ..ClusterConfiguration::default()
    };
    assert_eq!((found.configuration, found.revision), (Some(Ok(expected)), 1645));
    let file = fixture("three-members.db");
    let mut pages = file.as_slice();
    let found = cluster_records(&mut Database::open(&mut pages).unwrap(), REGISTRY).unwrap();
    assert_eq!(found.configuration, None);
}

#[test]
fn objects_below_another_prefix() {
    for (flag, expected) in [
        ("/registry", "/registry/"),
        ("registry/", "/registry/"),
        ("//a/./b/../c", "/a/c/"),
        ("", "/"),
        ("/..", "/"),
    ] {
        assert_eq!(prefix_of(flag), expected, "{flag:?}");
    }
    let there = |file: &[u8], prefix: &str| {
        let mut pages = file;
        let found = cluster_records(&mut Database::open(&mut pages).unwrap(), prefix).unwrap();
        (found.configuration.is_some(), found.copies.len(), found.heartbeats.len())
    };
    let mut file = fixture("kubernetes-1.20-snapshot.db");
    let found = there(&file, REGISTRY);
    assert!(found.0 && found.1 > 0 && found.2 > 0, "{found:?}");
    let places: Vec<_> = memchr::memmem::find_iter(&file, REGISTRY).collect();
    places.into_iter().for_each(|at| file[at..at + 10].copy_from_slice(b"/clusters/"));
    assert_eq!(there(&file, "/clusters/"), found);
    assert_eq!(there(&file, REGISTRY), (false, 0, 0));
}

#[test]
fn names_in_their_order() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let mut expected = names(&file, "/registry/").0;
    expected.sort();
    for most in [20 << 20, 20_000, 2_000] {
        let (mut pages, mut found) = (file.as_slice(), Vec::new());
        let mut database = Database::open(&mut pages).unwrap();
        database
            .names_with(b"/registry/", most, &mut |name| {
                found.push(String::from_utf8(name.to_vec()).unwrap())
            })
            .unwrap();
        assert_eq!(found, expected, "{most} bytes");
    }
}

/// Everything that is read of a database; what fails must say so.
fn read_all(mut file: &[u8]) -> Result<usize, crate::formats::bolt::ReadError> {
    let mut database = Database::open(&mut file)?;
    let status = database.status()?;
    let mut count = status.members.len();
    database.live(b"", &mut |entry| {
        count += entry.value.len();
        ControlFlow::Continue(())
    })?;
    database.totals()?;
    Ok(count)
}

#[test]
fn each_byte_changed() {
    let file = fixture("three-members.db");
    let good = read_all(&file).unwrap();
    let (mut changed, mut refused) = (file.clone(), 0);
    for at in 0..file.len() {
        // Of what is empty one byte in 64 is enough.
        let around = &file[at.saturating_sub(16)..(at + 16).min(file.len())];
        if at % 64 != 0 && around.iter().all(|byte| *byte == 0) {
            continue;
        }
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        refused += usize::from(read_all(&changed).is_err());
        changed[at] = file[at];
    }
    assert_eq!(read_all(&changed).unwrap(), good);
    // Most bytes are free pages or values; the tables and headers are those that count.
    assert!(refused > 300, "{refused}");
}

#[test]
fn cut_at_each_page() {
    for name in ["three-members.db", "kubernetes-1.20-snapshot.db"] {
        let file = fixture(name);
        for end in (0..file.len() / 4096).step_by(file.len() / 4096 / 7) {
            let error = read_all(&file[..end * 4096]).unwrap_err();
            assert!(matches!(error, crate::formats::bolt::ReadError::Head(_)), "{error}");
        }
    }
}

#[test]
fn members_of_the_flag() {
    let members = initial_cluster("a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,a=https://10.1.0.1:2380");
    let names: Vec<_> = members.iter().map(|member| (member.name.as_str(), member.peer_urls.len())).collect();
    assert_eq!(names, [("a", 2), ("b", 1)]);
    assert!(initial_cluster("").is_empty());
}

#[test]
fn members_of_the_gateway() {
    // A real answer of etcd 3.4.23.
    let body = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","raft_term":"2"},"members":[{"ID":"10276657743932975437","name":"default","peerURLs":["http://localhost:2380"],"clientURLs":["http://127.0.0.1:2379"]}]}"#;
    let members = member_list(body).unwrap();
    assert_eq!((members[0].id, members[0].name.as_str()), (Some(10_276_657_743_932_975_437), "default"));
    assert_eq!(members[0].client_urls, ["http://127.0.0.1:2379"]);
    assert!(member_list(b"{}").is_err());
    assert!(member_list(b"<html>").is_err());
}

#[test]
fn health() {
    assert!(is_healthy(br#"{"health":"true"}"#));
    assert!(is_healthy(br#"{"health":"true","reason":""}"#));
    assert!(!is_healthy(br#"{"health":"false","reason":"RAFT NO LEADER"}"#));
    assert!(!is_healthy(b"ok"));
}

#[test]
fn counted_keys() {
    // Real answers of etcd 3.4.23.
    let body = br#"{"header":{"cluster_id":"16504508004226953295","member_id":"6678329523359872433","revision":"3","raft_term":"2"},"count":"2"}"#;
    assert_eq!(super::counted_keys(body), Ok(Keys { count: 2, revision: 3 }));
    let empty = br#"{"header":{"cluster_id":"16504508004226953295","member_id":"6678329523359872433","revision":"1","raft_term":"2"}}"#;
    assert_eq!(super::counted_keys(empty), Ok(Keys { count: 0, revision: 1 }));
    assert!(super::counted_keys(br#"{"error":"etcdserver: no leader","code":14}"#).is_err());
}

#[test]
fn what_a_cluster_says_of_its_cas_and_nodes() {
    insta::assert_snapshot!(cluster_of("kubernetes-1.20-snapshot.db"), @r#"
    ClusterInfo kube-public/cluster-info: CN=kubernetes
    ClientCa kube-system/extension-apiserver-authentication: CN=kubernetes, CN=kubernetes
    RequestHeaderCa kube-system/extension-apiserver-authentication: CN=front-proxy-ca, CN=front-proxy-ca
    RootCa cluster-c1/kube-root-ca.crt: CN=kubernetes
    RootCa default/kube-root-ca.crt: CN=kubernetes
    RootCa kube-node-lease/kube-root-ca.crt: CN=kubernetes
    RootCa kube-public/kube-root-ca.crt: CN=kubernetes
    RootCa kube-system/kube-root-ca.crt: CN=kubernetes
    ClusterKubeconfig { server: "https://10.200.0.4:6443" } cluster-c1/c1-kubeconfig: CN=kubernetes
    ClusterRecords {
        revision: 1645,
        configuration: None,
        copies: [],
        heartbeats: [
            (
                "lab-cp1",
                2026-11-26T23:44:33.197803217Z,
            ),
        ],
        requests: [],
        encrypted: [],
        left_out: 0,
    }
    "#);
    // The first webhook's object lies in pages of its own; the values of Secrets are not among what is kept.
    insta::assert_snapshot!(cluster_of("cluster.db"), @r#"
    ClusterInfo kube-public/cluster-info: CN=kubernetes
    ClientCa kube-system/extension-apiserver-authentication: CN=kubernetes
    RequestHeaderCa kube-system/extension-apiserver-authentication: CN=front-proxy-ca
    RootCa default/kube-root-ca.crt: CN=kubernetes
    RootCa kube-node-lease/kube-root-ca.crt: CN=kubernetes
    RootCa kube-public/kube-root-ca.crt: CN=kubernetes
    RootCa kube-system/kube-root-ca.crt: CN=kubernetes
    ApiService /v1beta1.metrics.k8s.io: CN=kubernetes
    ValidatingWebhook { webhook: "policy.example.com", has_url: true } /elsewhere: CN=kubernetes
    MutatingWebhook { webhook: "injector.example.com", has_url: false } /injector: CN=kubernetes
    MutatingWebhook { webhook: "own.example.com", has_url: false } /injector: O=cert-manager, CN=webhook
    Conversion { has_url: false } /things.example.com: CN=kubernetes
    ClusterCa capi/own-ca: CN=kubernetes
    ClusterCa capi/w2-ca: CN=kubernetes
    ClusterKubeconfig { server: "https://192.168.10.11:6443" } capi/own-kubeconfig: CN=kubernetes
    ClusterKubeconfig { server: "https://203.0.113.7:6443" } capi/w2-kubeconfig: CN=kubernetes
    ClusterRecords {
        revision: 30,
        configuration: None,
        copies: [],
        heartbeats: [
            (
                "cp-1",
                2026-11-24T21:59:58.123456Z,
            ),
            (
                "cp-2",
                2026-11-24T22:00:03.123456Z,
            ),
            (
                "worker-1",
                2026-11-24T09:15:00.123456Z,
            ),
        ],
        requests: [
            PendingRequest {
                name: "csr-4k7xq",
                signer: "kubernetes.io/kubelet-serving",
                username: "system:node:cp-1",
                created: Some(
                    2026-11-24T21:40:00Z,
                ),
            },
            PendingRequest {
                name: "csr-6zw2t",
                signer: "kubernetes.io/kubelet-serving",
                username: "system:node:cp-1",
                created: Some(
                    2026-11-24T21:55:00Z,
                ),
            },
            PendingRequest {
                name: "csr-9b5vd",
                signer: "example.com/signer",
                username: "jane",
                created: Some(
                    2026-11-24T20:00:00Z,
                ),
            },
            PendingRequest {
                name: "csr-old00",
                signer: "kubernetes.io/kubelet-serving",
                username: "system:node:worker-1",
                created: Some(
                    2026-11-22T12:00:00Z,
                ),
            },
        ],
        encrypted: [
            (
                "aescbc",
                "/registry/secrets/vault/sealed-ca",
            ),
        ],
        left_out: 0,
    }
    "#);
}

fn cluster_of(name: &str) -> String {
    let file = fixture(name);
    let mut pages = file.as_slice();
    let records = cluster_records(&mut Database::open(&mut pages).unwrap(), REGISTRY).unwrap();
    let subjects = |pem: &[u8]| {
        let all = crate::formats::certificate::Certificate::all_from_pem(pem).unwrap();
        all.iter().map(|one| one.subject.clone()).collect::<Vec<_>>().join(", ")
    };
    let copies = records
        .copies
        .iter()
        .map(|copy| format!("{:?} {}/{}: {}\n", copy.place, copy.namespace, copy.name, subjects(&copy.pem)));
    let rest = ClusterRecords { copies: Vec::new(), configuration: None, ..records.clone() };
    format!("{}{rest:#?}", copies.collect::<String>())
}
