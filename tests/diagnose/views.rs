//! The other views of a node: who trusts whom, what happened when, and what logs add to the diagnosis.

use std::path::{Path, PathBuf};

use super::common::{NOW, Node, kuberescue, run};
use super::scene::disk;

/// A log of a real control plane whose certificates had ended (testdata/README.md).
fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs").join(name)
}

#[test]
fn who_trusts_whom_in_four_forms() {
    let node = disk("mixed");
    let tree = node.run("diagnose --trust");
    assert_eq!(tree.code, 1, "{tree}");
    assert!(tree.out.starts_with("ca "), "{tree}");
    assert!(tree.out.contains("KEY OF ANOTHER") && tree.out.contains("NOT SIGNED BY"), "{tree}");
    assert!(tree.out.contains("presented by kube-apiserver --tls-cert-file"), "{tree}");
    let json: serde_json::Value = serde_json::from_str(&node.run("diagnose --trust -o json").out).unwrap();
    assert!(json["edges"].as_array().unwrap().iter().any(|edge| edge["fault"]["kind"] == "key-of-another"));
    let dot = node.run("diagnose -o dot").out;
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'), "{dot}");
    let mermaid = node.run("diagnose -o mermaid").out;
    assert!(mermaid.starts_with("flowchart") || mermaid.starts_with("graph"), "{mermaid}");
}

#[test]
fn yaml_says_what_json_says() {
    let node = disk("mixed");
    for view in ["", "--trust ", "--timeline "] {
        let json: serde_json::Value =
            serde_json::from_str(&node.run(&format!("diagnose {view}-o json")).out).unwrap();
        let yaml: serde_json::Value =
            serde_saphyr::from_str(&node.run(&format!("diagnose {view}-o yaml")).out).unwrap();
        assert_eq!(yaml, json, "{view}");
    }
}

#[test]
fn what_happened_when_with_logs_of_the_node_and_of_the_operator() {
    let node = disk("expired-all");
    let pod = "/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log";
    node.write(pod, std::fs::read(log("etcd.log")).unwrap());
    let kubelet = log("kubelet-running-expired.log");
    let timeline = node.run(&format!("diagnose --timeline --log {}", kubelet.display()));
    assert_eq!(timeline.code, 1, "{timeline}");
    assert!(timeline.out.starts_with("first TLS failure 2026-11-23T22:26:5"), "{timeline}");
    for line in [
        "apiserver ends (/etc/kubernetes/pki/apiserver.crt)",
        "--- now ---",
        "[etcd-certificate-refused]",
        "kubelet got a certificate",
    ] {
        assert!(timeline.out.contains(line), "{line}\n{timeline}");
    }
    let json = node.run(&format!("diagnose --timeline -o json --log {}", kubelet.display()));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let counted = json["lines"].as_array().unwrap();
    let refused = counted.iter().find(|line| line["code"] == "etcd-certificate-refused").unwrap();
    assert_eq!((refused["count"].as_u64(), refused["source"].as_str()), (Some(70), Some("etcd")));
    // In a diagnosis the logs are one sentence; without being asked for they aren't read.
    let told = node.run(&format!("diagnose --log {}", kubelet.display()));
    assert!(told.out.contains("\nLogs: first TLS failure 2026-11-23T22:26:5"), "{told}");
    assert!(!node.run("diagnose").out.contains("Logs: "));
    assert!(node.run("diagnose -o html").out.contains("etcd-certificate-refused"));
}

#[test]
fn a_log_is_piped_in() {
    let node = disk("expired-all");
    let mut command = kuberescue();
    command.args(["diagnose", "--timeline", "--log", "-", "--at", NOW, "--root"]).arg(node.root());
    let input = std::fs::File::open(log("kubelet-crashloop-after-restart.log")).unwrap();
    let done = command.stdin(input).output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap();
    assert!(out.contains("[kubelet-bootstrap-expired]") || out.contains("bootstrap"), "{out}");
}

#[test]
fn what_etcd_says_of_its_data_is_a_finding() {
    let node = disk("ecdsa-p256");
    let line = "2026-11-23T23:50:00.000000000Z stderr F {\"level\":\"fatal\",\"ts\":\"2026-11-23T23:50:00.000Z\",\"caller\":\"snap/db.go:1\",\"msg\":\"failed\",\"error\":\"snap: snapshot file doesn't exist\"}\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), line.repeat(3)).unwrap();
    let run = node.run(&format!("diagnose -v --log {}", file.path().display()));
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("VERDICT: control plane cannot start: "), "{run}");
    assert!(
        run.out.contains(
            "etcd-snapshot-missing   etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z\n"
        ),
        "{run}"
    );
    // Long ago it is only worth a look.
    let run = node.run_as_given(&format!("diagnose --at 2027-02-01 --log {}", file.path().display()));
    assert!(!run.out.contains("cannot start"), "{run}");
    assert!(run.out.contains("etcd-snapshot-missing"), "{run}");
}

#[test]
fn what_does_not_go_together_is_refused_with_a_hint() {
    let node = Node::of("rsa2048");
    let two = format!("{0} {0}", node.root().display());
    for words in [
        "diagnose -o dot --timeline".to_owned(),
        "diagnose -o html --trust".to_owned(),
        "diagnose -o prometheus --timeline".to_owned(),
        "diagnose --log /nowhere/kubelet.log".to_owned(),
    ] {
        let run = node.run(&words);
        assert_eq!(run.code, 2, "{words}\n{run}");
        assert!(run.err.contains("error") && run.err.contains("\nhint: "), "{words}\n{run}");
        assert_eq!(run.out, "", "{words}");
    }
    for words in ["--trust", "--timeline", "-o html", "-o mermaid"] {
        let mut command = kuberescue();
        command.arg("diagnose").args(two.split(' ')).args(words.split(' '));
        let run = run(command);
        assert_eq!(run.code, 2, "{words}\n{run}");
        assert!(run.err.contains("hint: run it for each of them"), "{words}\n{run}");
    }
}
