//! What shows a finding: file, line, field, value; and the order in which findings are told.

use std::os::unix::fs::PermissionsExt as _;

use super::breakages::named;
use super::common::PKI;
use super::scene::Diagnosis;

/// Scenario, code, subject; then of one piece of evidence: path, line, field, value.
type Shown =
    (&'static str, &'static str, &'static str, &'static str, Option<u64>, &'static str, &'static str);

const SHOWN: [Shown; 17] = [
    (
        "all expired",
        "expired",
        "apiserver",
        "/etc/kubernetes/pki/apiserver.crt",
        None,
        "notAfter",
        "2024-12-31T00:00:00Z",
    ),
    (
        "CA expired",
        "ca-expired",
        "etcd-ca",
        "/etc/kubernetes/pki/etcd/ca.crt",
        None,
        "notAfter",
        "2023-12-30T00:00:00Z",
    ),
    (
        "not yet valid",
        "not-yet-valid",
        "apiserver",
        "/etc/kubernetes/pki/apiserver.crt",
        None,
        "notBefore",
        "2026-12-01T00:00:00Z",
    ),
    (
        "a certificate ends within 30 days",
        "expiring",
        "apiserver",
        "/etc/kubernetes/pki/apiserver.crt",
        None,
        "notAfter",
        "2026-12-10T00:00:00Z",
    ),
    ("mixed", "ca-replaced", "etcd-peer", "/etc/kubernetes/pki/etcd/peer.crt", None, "issuer", "CN=etcd-ca"),
    (
        "leaves copied from another node",
        "names-of-another-node",
        "etcd-server",
        "/etc/kubernetes/pki/etcd/server.crt",
        None,
        "subjectAltName",
        "DNS:cp-2, DNS:localhost, IP:192.168.10.12, IP:127.0.0.1",
    ),
    (
        "the service's address is missing",
        "names-missing",
        "apiserver",
        "/etc/kubernetes/pki/apiserver.crt",
        None,
        "subjectAltName",
        "DNS:cp-1, DNS:kubernetes.default.svc, IP:192.168.10.11",
    ),
    (
        "a client without clientAuth",
        "usage-wrong",
        "apiserver-etcd-client",
        "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        None,
        "extendedKeyUsage, keyUsage",
        "serverAuth, digitalSignature",
    ),
    (
        "the front proxy's name is not allowed",
        "front-proxy-name",
        "front-proxy-client",
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        Some(30),
        "--requestheader-allowed-names",
        "front-proxy-client",
    ),
    (
        "RSA of 1024 bits",
        "weak-key",
        "front-proxy-client",
        "/etc/kubernetes/pki/front-proxy-client.crt",
        None,
        "public key",
        "RSA-1024",
    ),
    (
        "SHA-1",
        "weak-signature",
        "front-proxy-client",
        "/etc/kubernetes/pki/front-proxy-client.crt",
        None,
        "signature algorithm",
        "SHA-1",
    ),
    (
        "kubelet-client-current.pem dangling",
        "kubelet-link-dangling",
        "kubelet-client",
        "/etc/kubernetes/kubelet.conf",
        Some(17),
        "client-certificate",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ),
    (
        "a newer certificate than the current one",
        "kubelet-link-old",
        "kubelet-client",
        "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-30-00.pem",
        None,
        "notAfter",
        "2028-01-01T00:00:00Z",
    ),
    (
        "a flag's file missing",
        "flag-file-missing",
        "kube-apiserver",
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        Some(17),
        "--oidc-ca-file",
        "/etc/kubernetes/pki/oidc.crt",
    ),
    (
        "external etcd",
        "etcd-external",
        "etcd",
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        Some(24),
        "--etcd-servers",
        "https://192.168.10.21:2379",
    ),
    (
        "keys that others can read",
        "key-exposed",
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/ca.key",
        None,
        "mode",
        "0644",
    ),
    (
        "a backup among the manifests",
        "duplicate-manifest",
        "kube-apiserver",
        "/etc/kubernetes/manifests/kube-apiserver.yaml.bak",
        None,
        "metadata.name",
        "kube-apiserver",
    ),
];

#[test]
fn a_finding_is_shown_with_file_line_field_and_value() {
    for (scenario, code, subject, path, line, field, value) in SHOWN {
        let scenario = named(scenario);
        let found = Diagnosis::at(&scenario.node(), scenario.at);
        let evidence = found.finding(code, subject)["evidence"].as_array().unwrap().clone();
        let shows = evidence.iter().any(|e| {
            e["path"] == path && e["line"].as_u64() == line && e["field"] == field && e["value"] == value
        });
        assert!(shows, "{}: {evidence:#?}", scenario.name);
    }
}

#[test]
fn the_remedy_names_the_file_and_v_shows_it_with_the_evidence() {
    let scenario = named("keys that others can read");
    let node = scenario.node();
    let terse = node.run("diagnose");
    assert!(!terse.out.contains("hint: "), "{terse}");
    insta::assert_snapshot!(node.screen("diagnose -v"), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 2 WARNINGS: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    /etc/kubernetes/admin.conf, /etc/kubernetes/pki/ca.key: a private key can be read by others than its owner
    NEXT     kuberescue explain key-exposed

    Warnings:
      key-exposed             /etc/kubernetes/admin.conf: contains a private key, and its mode 0640 allows access by its group
                              /etc/kubernetes/admin.conf mode = 0640
                              hint: Close it with chmod 600 /etc/kubernetes/admin.conf, and renew it if someone could have read it.
      key-exposed             /etc/kubernetes/pki/ca.key: contains a private key, and its mode 0644 allows access by everyone
                              /etc/kubernetes/pki/ca.key mode = 0644
                              hint: Close it with chmod 600 /etc/kubernetes/pki/ca.key, and renew it if someone could have read it.

    NEXT     kuberescue explain key-exposed
    ");
}

/// A copy of a directory is found key by key; what differs in nothing but the path is one line.
#[test]
fn copies_of_one_key_are_one_line_and_v_has_each_path() {
    let node = super::scene::disk("ecdsa-p256");
    let key = node.read(&format!("{PKI}/ca.key"));
    for copy in ["/root/ca.key", "/root/old/ca.key", "/home/alice/ca.key"] {
        node.write(copy, &key);
    }
    node.write("/root/sa.key", node.read(&format!("{PKI}/sa.key")));
    insta::assert_snapshot!(node.screen("diagnose"), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 4 WARNINGS: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    /home/alice/ca.key, /root/ca.key and 2 more: stray copy of a private key
    NEXT     kuberescue explain stray-private-key

    Warnings:
      stray-private-key       /home/alice/ca.key, /root/ca.key, /root/old/ca.key: the key of the CA ca, not where kubeadm keeps it
      stray-private-key       /root/sa.key: the key of the service accounts (sa.key), not where kubeadm keeps it

    NEXT     kuberescue explain stray-private-key
    ");
    insta::assert_snapshot!(node.screen("diagnose -v"), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 4 WARNINGS: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    /home/alice/ca.key, /root/ca.key and 2 more: stray copy of a private key
    NEXT     kuberescue explain stray-private-key

    Warnings:
      stray-private-key       /home/alice/ca.key and 2 more: the key of the CA ca, not where kubeadm keeps it
                              /home/alice/ca.key mode = 0600
                              /root/ca.key mode = 0600
                              /root/old/ca.key mode = 0600
                              hint: Keep it until the node is healthy and archived. Then store it where only root can read it. kuberescue archive create keeps a verified copy in /var/lib/kuberescue with mode 0600.
      stray-private-key       /root/sa.key: the key of the service accounts (sa.key), not where kubeadm keeps it
                              /root/sa.key mode = 0600
                              hint: Keep it until the node is healthy and archived. Then store it where only root can read it. kuberescue archive create keeps a verified copy in /var/lib/kuberescue with mode 0600.

    NEXT     kuberescue explain stray-private-key
    ");
    insta::assert_snapshot!(node.screen("recover"), @"
    exit 0
    Nothing to recover: no blocking problem on this node.

    Warnings:
      stray-private-key       /home/alice/ca.key, /root/ca.key, /root/old/ca.key: the key of the CA ca, not where kubeadm keeps it
      stray-private-key       /root/sa.key: the key of the service accounts (sa.key), not where kubeadm keeps it
    hint: sudo kuberescue diagnose shows what to do about each of these
    ");
    let found = Diagnosis::now(&node);
    assert_eq!(found.findings().len(), 4, "JSON has each finding");
}

/// A path as a shell takes it for one word.
#[test]
fn a_path_in_a_remedy_is_quoted_where_a_shell_would_split_it() {
    let node = super::scene::disk("ecdsa-p256");
    let odd = "/etc/kubernetes/it's $(mine)/ca.key";
    node.write(odd, node.read("/etc/kubernetes/pki/ca.key"));
    std::fs::set_permissions(node.path(odd), std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = Diagnosis::now(&node);
    let remedy = found.finding("key-exposed", odd)["remedy"]["reason"].as_str().unwrap();
    assert!(remedy.contains(r"chmod 600 '/etc/kubernetes/it'\''s $(mine)/ca.key'"), "{remedy}");
}

#[test]
fn what_fails_first_is_told_first() {
    let orders: [(&str, &[&str]); 4] = [
        (
            "all expired, and etcd data missing",
            &[
                "etcd-server",
                "etcd-peer",
                "etcd",
                "apiserver-etcd-client",
                "apiserver",
                "kubelet-client",
                "kubelet",
                "controller-manager.conf",
                "scheduler.conf",
                "apiserver-kubelet-client",
                "front-proxy-client",
                "kubelet-serving",
                "admin.conf",
                "super-admin.conf",
                "etcd-healthcheck-client",
            ],
        ),
        (
            "CA expired",
            &[
                "etcd-ca",
                "etcd-server",
                "etcd-peer",
                "apiserver-etcd-client",
                "ca",
                "apiserver",
                "kubelet-client",
                "kubelet",
                "controller-manager.conf",
                "scheduler.conf",
                "apiserver-kubelet-client",
                "front-proxy-ca",
                "front-proxy-client",
                "kubelet-serving",
                "admin.conf",
                "super-admin.conf",
                "etcd-healthcheck-client",
            ],
        ),
        (
            "mixed",
            &["etcd-peer", "controller-manager.conf", "apiserver-kubelet-client", "front-proxy-client"],
        ),
        ("external etcd, its client certificate expired", &["etcd client", "etcd"]),
    ];
    for (scenario, subjects) in orders {
        let scenario = named(scenario);
        assert_eq!(Diagnosis::at(&scenario.node(), scenario.at).subjects(), subjects, "{}", scenario.name);
    }
}

#[test]
fn what_follows_stands_beside_what_keeps_it_from_working() {
    let scenario = named("all expired");
    let found = Diagnosis::at(&scenario.node(), scenario.at);
    for finding in found.findings() {
        assert_eq!(finding["severity"] == "blocker", finding["consequence"].is_string(), "{finding}");
    }
    let follows = &found.finding("kubelet-crash-loop", "kubelet")["consequence"];
    assert_eq!(follows, "no static pod is started: what is stopped stays down");
}
