//! Healthy nodes: nothing is found but what is true and good to know.

use super::common::NOW;
use super::scene::{Diagnosis, Found, N, W, disk, set};

#[test]
fn a_healthy_node_of_1_36_gives_nothing() {
    for tree in ["rsa2048", "ecdsa-p256"] {
        let found = Diagnosis::now(&disk(tree));
        assert_eq!(found.set(), set(&[]), "{tree}");
        assert_eq!((found.run.code, found.run.err.as_str()), (0, ""), "{tree}");
        assert_eq!(found.json["verdict"]["state"], "well");
    }
}

#[test]
fn a_node_of_1_20_in_its_year_gives_nothing() {
    let found = Diagnosis::at(&disk("v120-expired"), "2024-06-01");
    assert_eq!(found.set(), set(&[]));
    assert_eq!(found.run.code, 0);
}

/// Nothing is left by a recovery: neither what was broken, nor what is new.
#[test]
fn nodes_that_were_recovered_give_nothing() {
    for tree in ["expired-all", "v120-expired", "mixed", "rsa2048"] {
        let node = disk(tree);
        let done = node.run_as_given(&format!("recover --yes --accept-clock --at {NOW}"));
        assert_eq!(done.code, 0, "{tree}\n{done}");
        node.settle();
        let found = Diagnosis::at(&node, "2026-11-25");
        assert_eq!(found.set(), set(&[]), "{tree}");
    }
}

/// Findings on nodes that work: each is true, and here is why.
#[test]
fn honest_findings_on_nodes_that_work() {
    let cases: [(&str, &str, &[Found]); 3] = [
        // The keys of the CAs are elsewhere, on purpose or not: nothing can be renewed here.
        (
            "external-ca",
            NOW,
            &[
                ("ca-key-missing", W, "ca"),
                ("ca-key-missing", W, "etcd-ca"),
                ("ca-key-missing", W, "front-proxy-ca"),
            ],
        ),
        // In its last month a node of 1.36 is told that nobody renews its leaves by themselves, and that the kubelet
        // should have renewed its own by then.
        (
            "ecdsa-p256",
            "2027-11-01",
            &[
                ("expiring", W, "admin.conf"),
                ("expiring", W, "apiserver"),
                ("expiring", W, "apiserver-etcd-client"),
                ("expiring", W, "apiserver-kubelet-client"),
                ("expiring", W, "controller-manager.conf"),
                ("expiring", W, "etcd-healthcheck-client"),
                ("expiring", W, "etcd-peer"),
                ("expiring", W, "etcd-server"),
                ("expiring", W, "front-proxy-client"),
                ("expiring", W, "kubelet-client"),
                ("expiring", W, "kubelet-serving"),
                ("expiring", W, "scheduler.conf"),
                ("expiring", W, "super-admin.conf"),
            ],
        ),
        // A node that joined has none, as kubeadm made it.
        ("ecdsa-p256", NOW, &[("super-admin-missing", N, "super-admin.conf")]),
    ];
    for (tree, time, honest) in cases {
        let node = disk(tree);
        if honest.iter().any(|(code, _, _)| *code == "super-admin-missing") {
            node.remove("/etc/kubernetes/super-admin.conf");
        }
        assert_eq!(Diagnosis::at(&node, time).set(), set(honest), "{tree} at {time}");
    }
}
