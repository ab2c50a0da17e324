//! On a healthy node: everything renewed and restarted, etcd saved, kubeconfigs taken from and put into a Secret.

use crate::node::{COMPONENTS, Node};
use crate::recover::assert_well;

const ADMIN: &str = "/etc/kubernetes/admin.conf";
const SECRET: [&str; 4] = ["--admin-kubeconfig", ADMIN, "--cluster", "cluster1"];

/// What the Secret of the cluster `cluster1` holds.
fn in_secret(node: &Node) -> String {
    let secret = node.object(&["secret", "-n", "cluster-cluster1", "cluster1-kubeconfig"]).unwrap();
    String::from_utf8(crate::common::decoded(secret["data"]["value"].as_str().unwrap())).unwrap()
}

#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn everything_is_renewed_and_restarted_and_the_secret_follows() {
    let node = Node::healthy();
    let (report, code) = node.probe();
    assert_eq!(code, 0, "{report:#}\n{}", node.story());
    node.rescued(&["etcd", "snapshot", "save", "/var/lib/live.db"]);
    let status = node.must(&[
        "env",
        "ETCDCTL_API=3",
        "etcdctl",
        "snapshot",
        "status",
        "-w",
        "json",
        "/var/lib/live.db",
    ]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert!(status["totalKey"].as_i64() > Some(200), "{status}");

    let (old, before) = (node.text(ADMIN), COMPONENTS.map(|component| node.running(component)));
    node.rescued(&["certs", "renew", "all", "--yes"]);
    node.rescued(&["restart", "--yes"]);
    let after = COMPONENTS.map(|component| node.running(component));
    for (old, new) in before.iter().zip(&after) {
        assert!(old.len() == 1 && new.len() == 1 && old != new, "{before:?} {after:?}");
    }
    assert_well(&node);
    let (report, code) = node.probe();
    assert_eq!(code, 0, "{report:#}");

    // The Secret holds the certificate of yesterday, and so does a file of the workstation.
    let new = node.text(ADMIN);
    assert_eq!(in_secret(&node), old);
    let fetched = node.rescued(&[&["kubeconfig", "fetch"], &SECRET[..]].concat());
    assert_eq!(fetched.out, old);
    node.must(&["cp", ADMIN, "/var/lib/workstation.conf"]);
    std::fs::write(node.path("/var/lib/workstation.conf"), &old).unwrap();
    let keep = ["--keep", "/var/lib", "--yes"];
    node.rescued(&[&["kubeconfig", "push"], &SECRET[..], &keep].concat());
    assert_eq!(in_secret(&node), new);
    let file = ["--file", "/var/lib/workstation.conf", "--yes"];
    node.rescued(&[&["kubeconfig", "install"], &SECRET[..], &file].concat());
    assert_eq!(node.text("/var/lib/workstation.conf"), new);
}
