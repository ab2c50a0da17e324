//! The other views of a node: who trusts whom, what happened when, and what logs add to the diagnosis.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use super::common::screen::{Screens, screen};
use super::common::{NOW, Node, kuberescue, run};
use super::scene::disk;

/// A log of a real control plane whose certificates had expired (testdata/README.md).
fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs").join(name)
}

#[test]
fn who_trusts_whom_in_four_forms() {
    let node = disk("mixed");
    let tree = node.run("diagnose --trust");
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/trust/mixed.txt");
    assert_eq!((tree.code, tree.out), (1, std::fs::read_to_string(expected).unwrap()));
    let json = node.run("diagnose --trust -o json").json();
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
    let logs = log("");
    let timeline = node.screen(&format!("diagnose --timeline --log {}", kubelet.display()));
    assert_snapshot!(timeline.replace(logs.to_str().unwrap(), "LOGS/"), @"
    exit 1
    first TLS failure 2026-11-23T22:26:53.803065Z in kubelet, 30 d after the expiry of a certificate that is not on the disk any more: the kubelet cannot renew its certificate: the connection to the API server fails on a certificate

    TIME                   SOURCE        COUNT     EVENT
    2023-12-31T23:00:00Z   certificate             kubelet-serving becomes valid (/var/lib/kubelet/pki/kubelet.crt)
    2023-12-31T23:55:00Z   certificate             admin.conf becomes valid (/etc/kubernetes/admin.conf)
    2023-12-31T23:55:00Z   certificate             controller-manager.conf becomes valid (/etc/kubernetes/controller-manager.conf)
    2023-12-31T23:55:00Z   certificate             apiserver-etcd-client becomes valid (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2023-12-31T23:55:00Z   certificate             apiserver-kubelet-client becomes valid (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2023-12-31T23:55:00Z   certificate             apiserver becomes valid (/etc/kubernetes/pki/apiserver.crt)
    2023-12-31T23:55:00Z   certificate             ca becomes valid (/etc/kubernetes/pki/ca.crt)
    2023-12-31T23:55:00Z   certificate             etcd-ca becomes valid (/etc/kubernetes/pki/etcd/ca.crt)
    2023-12-31T23:55:00Z   certificate             etcd-healthcheck-client becomes valid (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2023-12-31T23:55:00Z   certificate             etcd-peer becomes valid (/etc/kubernetes/pki/etcd/peer.crt)
    2023-12-31T23:55:00Z   certificate             etcd-server becomes valid (/etc/kubernetes/pki/etcd/server.crt)
    2023-12-31T23:55:00Z   certificate             front-proxy-ca becomes valid (/etc/kubernetes/pki/front-proxy-ca.crt)
    2023-12-31T23:55:00Z   certificate             front-proxy-client becomes valid (/etc/kubernetes/pki/front-proxy-client.crt)
    2023-12-31T23:55:00Z   certificate             scheduler.conf becomes valid (/etc/kubernetes/scheduler.conf)
    2023-12-31T23:55:00Z   certificate             super-admin.conf becomes valid (/etc/kubernetes/super-admin.conf)
    2023-12-31T23:55:00Z   certificate             kubelet-client becomes valid (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2024-01-01T00:00:00Z   kubelet                 the kubelet got a certificate, by the name of its file (/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem)
    2024-12-30T23:55:00Z   certificate             kubelet-client expires (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2024-12-31T00:00:00Z   certificate             admin.conf expires (/etc/kubernetes/admin.conf)
    2024-12-31T00:00:00Z   certificate             controller-manager.conf expires (/etc/kubernetes/controller-manager.conf)
    2024-12-31T00:00:00Z   certificate             apiserver-etcd-client expires (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2024-12-31T00:00:00Z   certificate             apiserver-kubelet-client expires (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2024-12-31T00:00:00Z   certificate             apiserver expires (/etc/kubernetes/pki/apiserver.crt)
    2024-12-31T00:00:00Z   certificate             etcd-healthcheck-client expires (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2024-12-31T00:00:00Z   certificate             etcd-peer expires (/etc/kubernetes/pki/etcd/peer.crt)
    2024-12-31T00:00:00Z   certificate             etcd-server expires (/etc/kubernetes/pki/etcd/server.crt)
    2024-12-31T00:00:00Z   certificate             front-proxy-client expires (/etc/kubernetes/pki/front-proxy-client.crt)
    2024-12-31T00:00:00Z   certificate             scheduler.conf expires (/etc/kubernetes/scheduler.conf)
    2024-12-31T00:00:00Z   certificate             super-admin.conf expires (/etc/kubernetes/super-admin.conf)
    2024-12-31T00:00:00Z   certificate             kubelet-serving expires (/var/lib/kubelet/pki/kubelet.crt)
    2026-11-23T22:21:47Z   etcd                    its logs begin (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log)
    2026-11-23T22:23:52Z   file          12        /etc/kubernetes/pki/etcd/ca.crt and 11 more: changed
    2026-11-23T22:23:53Z   file          16        /etc/kubernetes/admin.conf and 15 more: changed
    2026-11-23T22:23:54Z   file          7         /etc/kubernetes/manifests/etcd.yaml and 6 more: changed
    2026-11-23T22:26:54Z   kubelet       5         first: the kubelet cannot renew its certificate: the connection to the API server fails on a certificate (LOGS/kubelet-running-expired.log) [kubelet-rotation-refused]
    2026-11-23T22:26:59Z   etcd          70        first: a client or another member rejects etcd's certificate (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log) [etcd-certificate-refused]
    2026-11-23T22:26:59Z   kubelet       27        first: a component and the API server do not accept each other's certificates (LOGS/kubelet-running-expired.log) [watch-refused]
    2026-11-23T22:26:59Z   kubelet       37        first: an expired certificate was rejected (LOGS/kubelet-running-expired.log) [certificate-expired]
    2026-11-23T22:27:58Z   kubelet                 last: the kubelet cannot renew its certificate: the connection to the API server fails on a certificate (LOGS/kubelet-running-expired.log) [kubelet-rotation-refused]
    2026-11-23T22:28:09Z   kubelet                 last: a component and the API server do not accept each other's certificates (LOGS/kubelet-running-expired.log) [watch-refused]
    2026-11-23T22:28:14Z   kubelet                 last: an expired certificate was rejected (LOGS/kubelet-running-expired.log) [certificate-expired]
    2026-11-23T22:28:17Z   etcd          8         first: etcd rejects the certificate of a client or another member (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log) [etcd-client-refused]
    2026-11-23T22:28:36Z   kubelet       7         first: a server did not complete the TLS handshake in time (LOGS/kubelet-running-expired.log) [handshake-timeout]
    2026-11-23T22:28:40Z   kubelet                 the kubelet cannot renew its certificate (LOGS/kubelet-running-expired.log) [kubelet-rotation-failed]
    2026-11-23T22:29:21Z   etcd                    last: a client or another member rejects etcd's certificate (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log) [etcd-certificate-refused]
    2026-11-23T22:29:21Z   kubelet                 last: a server did not complete the TLS handshake in time (LOGS/kubelet-running-expired.log) [handshake-timeout]
    2026-11-23T22:29:31Z   etcd                    last: etcd rejects the certificate of a client or another member (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log) [etcd-client-refused]
    2026-11-23T22:29:31Z   etcd                    its logs end (/var/log/pods/kube-system_etcd-cp-1_0123456789abcdef0123456789abcdef/etcd/0.log)
    2026-11-23T22:30:00Z   file                    /var/lib/etcd/member/snap: last file made or removed in it
    2026-11-23T22:30:00Z   file                    /var/lib/etcd/member/snap/db: etcd's database last written
    2026-11-23T22:30:00Z   file                    /var/lib/etcd/member/wal: last file made or removed in it
    2026-11-24T00:00:00Z                           --- now ---
    2033-12-29T00:00:00Z   certificate             ca expires (/etc/kubernetes/pki/ca.crt)
    2033-12-29T00:00:00Z   certificate             etcd-ca expires (/etc/kubernetes/pki/etcd/ca.crt)
    2033-12-29T00:00:00Z   certificate             front-proxy-ca expires (/etc/kubernetes/pki/front-proxy-ca.crt)

    Notes:
      Read 2 log files with 61 KiB
    ");
    let json = node.run(&format!("diagnose --timeline -o json --log {}", kubelet.display())).json();
    let counted = json["lines"].as_array().unwrap();
    let refused = counted.iter().find(|line| line["code"] == "etcd-certificate-refused").unwrap();
    assert_eq!((refused["count"].as_u64(), refused["source"].as_str()), (Some(70), Some("etcd")));
    // In a diagnosis the logs are one sentence; without being asked for they aren't read.
    let sentence = |arguments: &str| -> String {
        node.run(arguments).out.lines().filter(|line| line.starts_with("Logs: ")).collect()
    };
    assert_snapshot!(sentence(&format!("diagnose --log {}", kubelet.display())), @"Logs: first TLS failure 2026-11-23T22:26:53.803065Z in kubelet, 30 d after the expiry of a certificate that is not on the disk any more: the kubelet cannot renew its certificate: the connection to the API server fails on a certificate");
    assert_eq!(sentence("diagnose"), "");
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
    let coded: Vec<_> = out.lines().filter(|line| line.contains(" [")).collect();
    assert_snapshot!(coded.join("\n"), @"
    2026-11-23T22:45:29Z   kubelet       3         first: the kubelet's client certificate had expired when the kubelet started (-) [kubelet-client-expired]
    2026-11-23T22:45:29Z   kubelet       3         first: the kubelet does not start: its client certificate does not work and there is no bootstrap kubeconfig (-) [kubelet-no-bootstrap]
    2026-11-23T22:45:50Z   kubelet                 last: the kubelet's client certificate had expired when the kubelet started (-) [kubelet-client-expired]
    2026-11-23T22:45:50Z   kubelet                 last: the kubelet does not start: its client certificate does not work and there is no bootstrap kubeconfig (-) [kubelet-no-bootstrap]
    ");
}

#[test]
fn what_etcd_says_of_its_data_is_a_finding() {
    let node = disk("ecdsa-p256");
    let line = "2026-11-23T23:50:00.000000000Z stderr F {\"level\":\"fatal\",\"ts\":\"2026-11-23T23:50:00.000Z\",\"caller\":\"snap/db.go:1\",\"msg\":\"failed\",\"error\":\"snap: snapshot file doesn't exist\"}\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), line.repeat(3)).unwrap();
    assert_snapshot!(node.screen(&format!("diagnose -v --log {}", file.path().display())), @r#"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  CANNOT START: etcd's log reports a missing snapshot file
    CAUSE    etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z
    NEXT     kuberescue explain etcd-snapshot-missing

    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z; reissuing certificates does not repair this [etcd-snapshot-missing]: Keep a copy of the directory: cp -a /var/lib/etcd /root/etcd-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again. To go on all the same: --accept etcd-snapshot-missing

    Blocking problems (root cause first):
      etcd-snapshot-missing   etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z
                              → kube-apiserver has no datastore and exits
                              DIR log line = 2026-11-23T23:50:00.000000000Z stderr F {"level":"fatal","ts":"2026-11-23T23:50:00.000Z","caller":"snap/db.go:1","msg":"failed","error":"snap: snapshot file doesn't exist"}
                              hint: Keep a copy of the directory: cp -a /var/lib/etcd /root/etcd-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again.

    NEXT     kuberescue explain etcd-snapshot-missing
    "#);
    // Long ago it is only worth a look.
    assert_snapshot!(node.screen(&format!("diagnose --at 2027-02-01 --log {}", file.path().display())), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2027-02-01 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 13 certificates valid, the first until 2027-11-23 (295 days), CAs valid until 2036-11-20
    CAUSE    etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z
    NEXT     kuberescue explain etcd-snapshot-missing

    Warnings:
      etcd-snapshot-missing   etcd: its log says so 3 times, the last time 2026-11-23T23:50:00Z

    NEXT     kuberescue explain etcd-snapshot-missing
    ");
}

#[test]
fn what_does_not_go_together_is_refused_with_a_hint() {
    let node = Node::of("rsa2048");
    let mut told = Screens::default();
    let two = format!("{0} {0}", node.root().display());
    for words in [
        "diagnose -o dot --timeline".to_owned(),
        "diagnose -o html --trust".to_owned(),
        "diagnose -o prometheus --timeline".to_owned(),
        "diagnose --log /nowhere/kubelet.log".to_owned(),
    ] {
        told.add(&words, &node.screen(&words));
    }
    assert_snapshot!(told.0, @"
    ## diagnose -o dot --timeline
    exit 2
    error [usage]: cannot show a timeline as a graph
    hint: dot and mermaid show who trusts whom: leave --timeline out

    ## diagnose -o html --trust
    exit 2
    error [usage]: cannot show a part of a diagnosis as html or prometheus
    hint: leave --trust and --timeline out

    ## diagnose -o prometheus --timeline
    exit 2
    error [usage]: cannot show a part of a diagnosis as html or prometheus
    hint: leave --trust and --timeline out

    ## diagnose --log /nowhere/kubelet.log
    exit 2
    error [log-unreadable]: cannot open /nowhere/kubelet.log: not found
    hint: --log takes a file on this machine, or - for standard input
    ");
    let mut told = Screens::default();
    for words in ["--trust", "--timeline", "-o dot", "-o mermaid"] {
        let mut command = kuberescue();
        command.arg("diagnose").args(two.split(' ')).args(words.split(' '));
        told.add(words, &screen(node.root(), &run(command)));
    }
    assert_snapshot!(told.0, @"
    ## --trust
    exit 2
    error [usage]: cannot use --trust, --timeline or --log with several nodes
    hint: run it for each of them

    ## --timeline
    exit 2
    error [usage]: cannot use --trust, --timeline or --log with several nodes
    hint: run it for each of them

    ## -o dot
    exit 2
    error [usage]: cannot show several nodes as a graph
    hint: run it for each of them, or take table, json, html or prometheus

    ## -o mermaid
    exit 2
    error [usage]: cannot show several nodes as a graph
    hint: run it for each of them, or take table, json, html or prometheus
    ");
}
