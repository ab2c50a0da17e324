//! A clock that is wrong. Nobody's clock is set here: the node's disk is from another time, which is the same to all
//! that runs on it.

use crate::node::Node;
use crate::recover::{assert_well, recover, recover_once};

/// A refusal, and that nothing was written before it.
fn refused(node: &Node, arguments: &[&str], code: &str) {
    let run = node.kuberescue(&[&["recover", "--yes"], arguments].concat());
    assert!(run.code == 5 && run.err.contains(code) && run.err.contains("date -u"), "{run:?}");
    assert!(!node.path("/var/lib/kuberescue/history.jsonl").exists(), "{run:?}");
}

/// A dead battery: first twenty years, then, with the CAs valid, one day.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn behind_by_twenty_years_and_by_a_day() {
    let node = Node::stopped();
    node.must(&["cp", "-a", "/etc/kubernetes", "/var/kept"]);
    node.sign_again(&["--cas"], "+30 years", "+31 years");
    node.systemctl("start");
    node.wait_until_the_api_server_fails();
    refused(&node, &[], "[clock-behind]");
    refused(&node, &["--accept-clock"], "[ca-not-yet-valid]");

    node.must(&["cp", "-a", "/var/kept/.", "/etc/kubernetes"]);
    node.sign_again(&[], "+1 day", "+366 days");
    refused(&node, &[], "[clock-behind]");
    recover_once(&node, &["--accept-clock"]);
    assert_well(&node);
}

/// By the clock everything has expired ten years ago, and no file is younger than twenty years.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn ahead_by_twenty_years_or_three_expired_cas() {
    let node = Node::stopped();
    node.sign_again(&["--cas"], "-20 years", "-10 years");
    let old = "find /etc/kubernetes /var/lib/etcd /var/lib/kubelet -exec touch --no-dereference --date '-20 years' {} +";
    node.must(&["sh", "-c", old]);
    node.systemctl("start");
    node.wait_until_the_kubelet_dies();
    refused(&node, &[], "[ca-expired]");
    recover(&node, &["--renew-cas"]);
    assert_well(&node);
}
