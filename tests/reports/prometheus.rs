//! `-o prometheus`, read by Prometheus' own parser.

use serde_json::Value;

use crate::common::{Node, kuberescue, run};
use crate::{TREES, diagnose, python, self_signed};

/// Reads the text format and answers with every sample; twice the same series or a family without its type is an error.
const READ: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families
samples, seen = [], set()
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type == 'gauge' and family.documentation, family
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, key
        seen.add(key)
        samples.append([sample.name, sample.labels, sample.value])
print(json.dumps(samples))
";

struct Sample {
    name: String,
    labels: Value,
    value: f64,
}

fn samples(text: &str) -> Option<Vec<Sample>> {
    let answer: Vec<(String, Value, f64)> = serde_json::from_str(&python(READ, &[], text)?).unwrap();
    Some(answer.into_iter().map(|(name, labels, value)| Sample { name, labels, value }).collect())
}

/// The value of the series of this name with these labels among its own.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        sample.name == name && labels.iter().all(|(label, value)| sample.labels[label] == *value)
    };
    let found: Vec<_> = samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}");
    found[0].value
}

#[test]
fn every_tree_is_read() {
    for tree in TREES {
        let node = Node::of(tree);
        let Some(samples) = samples(&diagnose(&node, "-o prometheus")) else { return };
        let json: Value = serde_json::from_str(&diagnose(&node, "-o json")).unwrap();
        let count = |name: &str| samples.iter().filter(|sample| sample.name == name).count();
        let entries = |list: &str| json[list].as_array().unwrap().len();
        assert_eq!(count("x509_cert_not_after"), entries("credentials"), "{tree}");
        assert_eq!(count("x509_cert_error"), entries("credentials") + entries("unreadable"), "{tree}");
        let found: f64 =
            samples.iter().filter(|sample| sample.name == "kuberescue_findings").map(|s| s.value).sum();
        assert!((found - entries("findings") as f64).abs() < 0.5, "{tree}");
        let state = json["verdict"]["state"].as_str().unwrap();
        assert_eq!(value(&samples, "kuberescue_verdict", &[("state", state)]), 1.0, "{tree}");
        assert_eq!(count("kuberescue_verdict"), 4);
    }
}

#[test]
fn several_nodes_are_told_apart() {
    let (here, there) = (Node::of("expired-all"), Node::of("rsa2048"));
    let mut command = kuberescue();
    command.arg("diagnose").args([here.root(), there.root(), std::path::Path::new("/dev/null")]);
    command.args(["--at", crate::common::NOW, "-o", "prometheus"]);
    let run = run(command);
    assert_eq!(run.code, 1, "{run}");
    let Some(samples) = samples(&run.out) else { return };
    for (node, state) in [(&here, "credentials"), (&there, "well")] {
        let labels = [("node", "cp-1"), ("source", node.root().to_str().unwrap()), ("state", state)];
        assert_eq!(value(&samples, "kuberescue_verdict", &labels), 1.0);
        let labels = [("source", node.root().to_str().unwrap()), ("filename", "admin.conf")];
        assert!(value(&samples, "x509_cert_not_after", &labels) > 0.0);
        assert_eq!(value(&samples, "kuberescue_source_error", &labels[..1]), 0.0);
    }
    assert_eq!(value(&samples, "kuberescue_source_error", &[("source", "/dev/null")]), 1.0);
}

#[test]
fn an_expired_node_in_the_exporters_words() {
    let node = Node::of("expired-all");
    let Some(samples) = samples(&diagnose(&node, "-o prometheus")) else { return };
    let labels = [
        ("filename", "admin.conf"),
        ("filepath", "/etc/kubernetes/admin.conf"),
        ("subject_CN", "kubernetes-admin"),
        ("subject_O", "kubeadm:cluster-admins"),
        ("issuer_CN", "kubernetes"),
        ("serial_number", "4008227205666622137"),
    ];
    // 2024-12-31T00:00:00Z, and 2026-11-24T00:00:00Z 693 days later.
    assert_eq!(value(&samples, "x509_cert_not_after", &labels), 1_735_603_200.0);
    assert_eq!(value(&samples, "x509_cert_expires_in_seconds", &labels), -693.0 * 86_400.0);
    assert_eq!(value(&samples, "x509_cert_expired", &labels), 1.0);
    assert_eq!(value(&samples, "x509_cert_error", &labels), 0.0);
    let start = value(&samples, "x509_cert_not_before", &labels);
    assert_eq!(value(&samples, "x509_cert_valid_since_seconds", &labels), 1_795_478_400.0 - start);
    let authority = [("filepath", "/etc/kubernetes/pki/etcd/ca.crt"), ("subject_CN", "etcd-ca")];
    assert_eq!(value(&samples, "x509_cert_expired", &authority), 0.0);
    assert_eq!(value(&samples, "x509_read_errors", &[]), 0.0);
    assert_eq!(value(&samples, "kuberescue_findings", &[("code", "expired"), ("severity", "blocker")]), 9.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&samples, "kuberescue_build_info", &[("version", version)]), 1.0);
}

#[test]
fn foreign_names_stay_inside_of_their_labels() {
    let node = Node::of("rsa2048");
    node.write("/etc/kubernetes/pki/apiserver.crt", "nothing");
    let common_name = "a\"} 1\nx509_read_errors 7 \\ \u{1b}[31m";
    node.write("/etc/kubernetes/pki/etcd/peer.crt", self_signed(common_name));
    let text = diagnose(&node, "-o prometheus");
    assert!(!text.contains('\u{1b}'));
    let Some(samples) = samples(&text) else { return };
    assert_eq!(value(&samples, "x509_read_errors", &[]), 1.0);
    let broken = [("filepath", "/etc/kubernetes/pki/apiserver.crt")];
    assert_eq!(value(&samples, "x509_cert_error", &broken), 1.0);
    let hostile = [
        ("subject_CN", "a\"} 1\\u{a}x509_read_errors 7 \\ \\u{1b}[31m"),
        // int.from_bytes(b'\x7f' * 20, 'big')
        ("serial_number", "727885129180488904360266563744972327436484050815"),
    ];
    assert_eq!(value(&samples, "x509_cert_error", &hostile), 0.0);
}
