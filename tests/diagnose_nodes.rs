//! Several nodes side by side: what they must share, what was copied, who is done, etcd's quorum, and many archives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test: it writes trees, runs programs, and what fails shall fail loudly"
)]

mod common;

use common::{Node, PKI, Run, fixture, kuberescue, run};

const AT: &str = "2026-11-24";
/// Members of etcd on every node.
const MEMBERS: &str =
    "cp-1=https://192.168.10.11:2380,cp-2=https://192.168.10.12:2380,cp-3=https://192.168.10.13:2380";

/// Node `number` of the cluster of a tree, with leafs of its own.
fn member(tree: &str, number: u8) -> Node {
    let node = Node::of(tree);
    let etcd = "/etc/kubernetes/manifests/etcd.yaml";
    node.replace(
        etcd,
        "--initial-cluster=cp-1=https://192.168.10.11:2380",
        &format!("--initial-cluster={MEMBERS}"),
    );
    if number == 1 {
        return node;
    }
    for file in ["etcd", "kube-apiserver"] {
        let path = format!("/etc/kubernetes/manifests/{file}.yaml");
        node.replace(&path, "192.168.10.11:", &format!("192.168.10.1{number}:"));
    }
    // The list of members names all of them on each node.
    node.replace(etcd, &format!("cp-1=https://192.168.10.1{number}:2380"), "cp-1=https://192.168.10.11:2380");
    node.replace(etcd, "--name=cp-1", &format!("--name=cp-{number}"));
    node.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "--advertise-address=192.168.10.11",
        &format!("--advertise-address=192.168.10.1{number}"),
    );
    node.remove("/var/lib/kubelet/pki");
    node.remove("/etc/kubernetes/kubelet.conf");
    node
}

/// The same with leafs of its own, made by the tool.
fn own(tree: &str, number: u8) -> Node {
    let node = member(tree, number);
    for base in ["apiserver", "etcd/server", "etcd/peer"] {
        node.remove(&format!("{PKI}/{base}.crt"));
        node.remove(&format!("{PKI}/{base}.key"));
    }
    node.must(&format!("certs renew all --at {AT} --accept-clock"));
    node
}

fn diagnose(nodes: &[&Node], more: &[&str]) -> Run {
    let mut command = kuberescue();
    command.arg("diagnose").args(nodes.iter().map(|node| node.root())).args(["--at", AT]).args(more);
    run(command)
}

#[test]
fn nodes_of_one_cluster_are_held_side_by_side() {
    let nodes = [member("rsa2048", 1), own("rsa2048", 2), own("rsa2048", 3)];
    let nodes = nodes.each_ref();
    let text = diagnose(&nodes, &[]);
    assert_eq!(text.code, 0, "{text}");
    assert!(
        text.out.starts_with("Cluster https://192.168.10.11:6443: 3 nodes, 3 in order, 0 to be recovered\n"),
        "{text}"
    );
    assert!(
        text.out.contains(
            "etcd: 3 members, 2 needed; in order: cp-1, cp-2, cp-3; not usable: none: a quorum is possible\n"
        ),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&diagnose(&nodes, &["-o", "json"]).out).unwrap();
    let cluster = &json["clusters"][0];
    assert_eq!(cluster["findings"], serde_json::json!([]));
    let names: Vec<_> =
        cluster["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cp-1", "cp-2", "cp-3"]);
}

#[test]
fn who_is_done_and_what_etcd_needs_is_told() {
    let nodes = [member("expired-all", 1), own("expired-all", 2), member("expired-all", 3)];
    let run = diagnose(&nodes.each_ref(), &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("3 nodes, 1 in order, 2 to be recovered"), "{run}");
    let etcd = "etcd: 3 members, 2 needed; in order: cp-2; not usable: cp-1, cp-3: no quorum until 1 more are recovered\n";
    assert!(run.out.contains(etcd), "{run}");
    let run = diagnose(&[&nodes[1], &nodes[2]], &[]);
    assert!(run.out.contains("not looked at: cp-1: whether a quorum is possible hangs on those"), "{run}");
}

#[test]
fn copied_leafs_and_other_keys_are_told_with_their_nodes() {
    // The third node got the first one's PKI directory, the second one another pair of sa.
    let nodes = [member("rsa2048", 1), own("rsa2048", 2), member("rsa2048", 3)];
    nodes[1].write(&format!("{PKI}/sa.key"), Node::of("expired-all").text(&format!("{PKI}/sa.key")));
    nodes[1].write(&format!("{PKI}/sa.pub"), Node::of("expired-all").text(&format!("{PKI}/sa.pub")));
    let run = diagnose(&nodes.each_ref(), &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.out.contains("nodes-copied           apiserver is the same on cp-1, cp-3: it was copied\n"),
        "{run}"
    );
    assert!(
        run.out.contains("nodes-copied           etcd-peer is the same on cp-1, cp-3: it was copied\n"),
        "{run}"
    );
    assert!(
        run.out.contains(
            "nodes-sa-differs       sa is another pair on some nodes than on others: cp-1, cp-3 | cp-2\n"
        ),
        "{run}"
    );
    assert!(!run.out.contains("nodes-ca-differs"), "{run}");
    // A node that was made anew with kubeadm reset and init.
    let other = Node::of("ecdsa-p256");
    let run = diagnose(&[&nodes[0], &nodes[1], &other], &[]);
    assert!(
        run.out.contains("nodes-ca-differs       ca has another key on some nodes than on others: "),
        "{run}"
    );
}

#[test]
fn clusters_are_kept_apart_and_what_is_no_node_is_named() {
    let (here, there) = (Node::of("rsa2048"), Node::of("ecdsa-p256"));
    for file in [
        "admin.conf",
        "super-admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
        "manifests/etcd.yaml",
    ] {
        there.replace(&format!("/etc/kubernetes/{file}"), "192.168.10.11", "192.168.20.11");
    }
    let empty = Node::empty();
    let run = diagnose(&[&here, &there, &empty], &[]);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.out.matches("Cluster https://").count(), 2, "{run}");
    assert!(run.out.contains("Not read (1):\n"), "{run}");
    assert!(!run.out.contains("nodes-"), "{run}");
    let run = diagnose(&[&empty, &empty], &[]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("not a kubeadm node") && run.err.contains("\nhint: "), "{run}");
}

#[test]
fn two_archives_of_one_node_are_no_copies() {
    let file = fixture("rsa2048");
    let mut command = kuberescue();
    command.arg("diagnose").args([&file, &file]).args(["--at", AT]);
    let run = run(command);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.out.contains("nodes-copied"), "{run}");
}

#[test]
fn a_thousand_archives_in_bounded_memory() {
    let file = fixture("ecdsa-p256");
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..1000)
        .map(|number| {
            let path = directory.path().join(format!("{number}.tar.gz"));
            std::os::unix::fs::symlink(&file, &path).unwrap();
            path
        })
        .collect();
    let mut command = std::process::Command::new("/usr/bin/env");
    // The shell's own limit of address space: 512 MiB hold stacks and maps of all threads, not a thousand nodes.
    command.args([
        "sh",
        "-c",
        "ulimit -v 524288; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_kuberescue"),
        "diagnose",
    ]);
    command.args(&files).args(["--at", AT, "-o", "json"]);
    let run = run(command);
    assert_eq!(run.code, 0, "{}", run.err);
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["clusters"][0]["nodes"].as_array().unwrap().len(), 1000);
}
