//! `recover` on a node whose certificates have expired, whatever of it still runs.

use crate::node::{COMPONENTS, Node, now};

/// When the oldest pod of the DaemonSet etcd-defrag was made.
fn defrag_pod(node: &Node) -> Option<String> {
    let pods = node.object(&["pods", "-n", "kube-system", "-l", "k8s-app=etcd-defrag"])?;
    let pods = pods["items"].as_array()?;
    pods.iter().map(|pod| pod["metadata"]["creationTimestamp"].as_str().unwrap().to_owned()).min()
}

/// Recovers: the node is Ready with a fresh lease at once.
pub(crate) fn recover_once(node: &Node, arguments: &[&str]) {
    let started = now();
    node.rescued(&[&["recover", "--yes"], arguments].concat());
    assert!(node.is_ready_since(&started), "{}", node.story());
}

/// The same; and the cluster is well, and a second time there is nothing to do.
pub(crate) fn recover(node: &Node, arguments: &[&str]) {
    recover_once(node, arguments);
    let (report, code) = node.probe();
    assert_eq!(code, 0, "{report:#}\n{}", node.story());
    let running = COMPONENTS.map(|component| node.running(component));
    assert!(running.iter().all(|containers| containers.len() == 1), "{running:?}");

    let again = node.rescued(&["recover", "--yes"]);
    assert!(
        again.out.contains("Nothing to recover") || again.err.contains("Nothing to recover"),
        "{again:?}"
    );
    assert_eq!(COMPONENTS.map(|component| node.running(component)), running);
}

/// After [`recover`]: what it has rolled out, and what `verify cluster` says of it all.
pub(crate) fn assert_well(node: &Node) {
    node.wait_ready();
    let verified = node.kuberescue(&["verify", "cluster"]);
    assert_eq!(verified.code, 0, "{verified:?}\n{}", node.story());
}

#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn after_a_reboot_and_again_after_a_rollback() {
    let node = Node::rebooted();
    assert_eq!(node.kuberescue(&["diagnose"]).code, 1);
    recover(&node, &[]);
    assert_well(&node);

    let back = node.rescued(&["rollback", "--yes"]);
    assert!(!back.out.is_empty() || !back.err.is_empty());
    // The kubelet couldn't start again, so that nothing is stopped.
    assert_eq!(node.kuberescue(&["restart", "--yes"]).code, 5);
    recover_once(&node, &[]);
    assert_well(&node);
}

/// The containers crash-loop, and the kubelet runs with a certificate that has expired.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn while_the_containers_crash_loop() {
    let node = Node::stopped();
    node.expire(&[], "-35 days");
    // Long enough for a kubelet to start on a busy machine.
    node.expire(&["--kubelet"], "+40 seconds");
    node.systemctl("start");
    node.wait_until_the_api_server_fails();
    node.wait_until_the_kubelets_certificate_expires();
    recover(&node, &[]);
    assert_well(&node);
}

/// Everything runs on, with certificates that have expired.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn while_everything_runs() {
    let node = Node::healthy();
    let before = defrag_pod(&node).unwrap();
    node.expire(&[], "-35 days");
    // The API server looks at its serving certificate once a minute.
    node.wait_until("the API server serves the expired certificate", || {
        node.kubectl(&["get", "nodes"]).err.contains("certificate has expired").then_some(())
    });
    node.expire(&["--kubelet"], "+30 seconds");
    node.systemctl("restart");
    node.wait_until_the_kubelets_certificate_expires();
    recover(&node, &[]);
    assert!(defrag_pod(&node).unwrap() > before, "etcd-defrag wasn't rolled out");
    assert_well(&node);
}
