//! A kubelet of another node: what `diagnose` says of it, `recover` and `certs renew` refuse to make last.

use std::path::Path;

use super::breakages::{acts, named};
use super::common::{Node, openssl};
use super::scene::disk;

const CURRENT: &str = acts::CURRENT;

fn of_another_node() -> Node {
    named("the kubelet's certificate is another node's").node()
}

/// Whose certificate the kubelet has; its link leads to a file of the node, not of this machine.
fn subject(node: &Node) -> String {
    let target = std::fs::read_link(node.path(CURRENT)).unwrap();
    let file = Path::new(CURRENT).with_file_name(target.file_name().unwrap());
    openssl("x509 -noout -subject -nameopt RFC2253", &node.read(file.to_str().unwrap()))
}

#[test]
fn the_kubelets_certificate_of_another_node_is_not_renewed() {
    let node = of_another_node();
    for command in [
        "recover --yes",
        "recover --dry-run",
        "recover --yes --partial",
        // Long after it has ended.
        "recover --yes --accept-clock --at 2030-01-01",
        "certs renew all",
        "certs renew kubelet-client",
        "certs renew apiserver --kubelet",
    ] {
        let run = node.refuses(command, "names-of-another-node");
        insta::allow_duplicates! { insta::assert_snapshot!(node.talk(&run), @"
        error [names-of-another-node]: /var/lib/kubelet/pki/kubelet-client-current.pem was copied from another node: issued for node cp-2, but this node is cp-1 (/etc/kubernetes/manifests/etcd.yaml --name)
        hint: move /var/lib/kubelet/pki/kubelet-client-current.pem to a safe place; kuberescue recover then issues a certificate for this node
        ") }
    }
    // What is no matter of the kubelet goes on.
    node.must("certs renew apiserver");
    // The hint works.
    node.remove(CURRENT);
    node.must("recover --yes");
    assert_eq!(subject(&node).trim(), "subject=CN=system:node:cp-1,O=system:nodes");
}

#[test]
fn one_in_the_kubeconfig_is_refused_too() {
    let node = of_another_node();
    acts::embed(&node);
    let run = node.refuses("recover --yes", "names-of-another-node");
    insta::assert_snapshot!(node.talk(&run), @"
    error [names-of-another-node]: /etc/kubernetes/kubelet.conf was copied from another node: issued for node cp-2, but this node is cp-1 (/etc/kubernetes/manifests/etcd.yaml --name)
    hint: move /etc/kubernetes/kubelet.conf to a safe place and create it for this node: kubeadm init phase kubeconfig kubelet; then run this command again
    ");
}

/// What can't be read is no other node's, nor is one that the API server's certificate knows.
#[test]
fn what_is_no_other_nodes_is_not_refused() {
    for break_it in [
        |_: &Node| (),
        |node: &Node| acts::cut(node, acts::DATED),
        |node: &Node| node.write(acts::DATED, "nothing"),
        |node: &Node| node.remove(CURRENT),
        |node: &Node| acts::point_to(node, "gone.pem"),
        |node: &Node| node.replace(acts::ETCD_POD, "--name=cp-1", "--name=member-1"),
        |node: &Node| node.replace(acts::ETCD_POD, "--name=cp-1", "--name=CP-1"),
    ] {
        let node = disk("ecdsa-p256");
        break_it(&node);
        node.must("recover --yes --dry-run");
        node.must("certs renew all --dry-run");
        node.must("recover --yes");
        assert_eq!(subject(&node).trim(), "subject=CN=system:node:cp-1,O=system:nodes");
    }
}
