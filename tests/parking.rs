//! Manifests that an interrupted restart has left out of the kubelet's sight: everything else waits until
//! `resume` or `rollback` has brought them back.

mod common;

use std::path::PathBuf;

use common::Node;
use insta::{allow_duplicates, assert_snapshot};
use kuberescue::disk::Root;
use kuberescue::disk::parking;

const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// A node whose four manifests are away, and how it was before.
fn parked(name: &str) -> (Node, common::State) {
    let node = Node::of(name);
    let before = node.state();
    let root = Root::open(node.root()).unwrap();
    let names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let manifests: Vec<_> =
        names.iter().map(|name| PathBuf::from(format!("{MANIFESTS}/{name}.yaml"))).collect();
    let lock = root.lock().unwrap();
    parking::park(&root, &lock, &manifests, common::NOW.parse().unwrap()).unwrap();
    assert!(!node.exists(&format!("{MANIFESTS}/etcd.yaml")));
    (node, before)
}

#[test]
fn nothing_is_changed_while_manifests_are_away() {
    let (node, before) = parked("ecdsa-p256");
    for command in ["certs renew all", "recover --yes", "certs renew all --dry-run"] {
        let run = node.refuses(command, "interrupted-restart");
        allow_duplicates! { assert_snapshot!(node.shown(&run), @"
        exit 5
        error [interrupted-restart]: cannot change the node: an earlier restart was interrupted, and manifests are still moved away: /etc/kubernetes/manifests/etcd.yaml, /etc/kubernetes/manifests/kube-apiserver.yaml, /etc/kubernetes/manifests/kube-controller-manager.yaml, /etc/kubernetes/manifests/kube-scheduler.yaml
        hint: bring them back with kuberescue resume
        ") }
    }
    let run = node.must("resume");
    assert_eq!(run.out.lines().filter(|line| line.ends_with("is in its place again.")).count(), 4, "{run}");
    before.assert_same(&node.state(), "brought back");
    assert!(node.must("resume").out.starts_with("Nothing to resume"));
    node.settle();
    node.must("certs renew all --dry-run");
}

#[test]
fn rollback_brings_them_back_too() {
    let (node, before) = parked("ecdsa-p256");
    assert_snapshot!(node.screen("rollback --dry-run"), @"
    exit 0
    Restores 4 manifests that an interrupted restart has moved away
    Dry run: nothing was written.
    ");
    assert!(!node.exists(&format!("{MANIFESTS}/etcd.yaml")), "only looked at");
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rolled back");

    // After a change: both are undone.
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    node.must("certs renew all");
    let root = Root::open(node.root()).unwrap();
    let manifest = PathBuf::from(format!("{MANIFESTS}/etcd.yaml"));
    parking::park(&root, &root.lock().unwrap(), &[manifest], common::NOW.parse().unwrap()).unwrap();
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rolled back after a change");
}

#[test]
fn a_manifest_that_somebody_wrote_meanwhile_stays_and_a_person_is_told() {
    let (node, _) = parked("ecdsa-p256");
    node.write(&format!("{MANIFESTS}/etcd.yaml"), "kind: Pod\n");
    assert_snapshot!(node.screen("resume"), @"
    exit 4
    /etc/kubernetes/manifests/kube-apiserver.yaml is in its place again.
    /etc/kubernetes/manifests/kube-controller-manager.yaml is in its place again.
    /etc/kubernetes/manifests/kube-scheduler.yaml is in its place again.
    Restores 4 manifests that an interrupted restart has moved away
    error [changed-meanwhile]: cannot move /etc/kubernetes/manifests/etcd.yaml back: another file was put there meanwhile; it stays
    hint: compare it with the one that was there before, /etc/kubernetes/manifests/.kuberescue-parked-etcd.yaml, and remove that one
    ");
    assert_eq!(node.text(&format!("{MANIFESTS}/etcd.yaml")), "kind: Pod\n");
    assert!(node.exists(&format!("{MANIFESTS}/kube-apiserver.yaml")));
    assert!(node.must("resume").out.starts_with("Nothing to resume"));
}

#[test]
fn killed_while_it_brings_them_back_it_does_so_the_next_time() {
    // Each way back is a link to the right name and the removal of the hidden one.
    for (call, when) in [("linkat", 1), ("linkat", 3), ("unlinkat", 1), ("unlinkat", 4), ("fsync", 1)] {
        let (node, before) = parked("ecdsa-p256");
        let mut command = std::process::Command::new("strace");
        command
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:signal=SIGKILL:when={when}")])
            .arg(env!("CARGO_BIN_EXE_kuberescue"))
            .args(["resume", "--root"])
            .arg(node.root());
        let run = common::run(command);
        assert_ne!(run.code, 0, "it was to be killed at {call} {when}\n{run}");
        node.refuses("recover --yes", "interrupted-restart");
        node.must("resume");
        before.assert_same(&node.state(), &format!("after a kill at {call} {when}"));
    }
}
