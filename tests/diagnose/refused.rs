//! A kubelet of another node: what `diagnose` says of it, `recover` and `certs renew` refuse to make last.

use std::path::Path;

use super::breakages::{acts, named};
use super::common::{Node, openssl};
use super::issuing::front_proxy_of;
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
        // Long after it has expired.
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
    hint: move /etc/kubernetes/kubelet.conf to a safe place and create it for this node: sudo kuberescue kubeconfig new --for-node --out /etc/kubernetes/kubelet.conf; then run this command again
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

/// What kubeadm could sign with and this program can't is said before there is a plan.
#[test]
fn keys_of_a_ca_that_cannot_sign_here() {
    let mut told = String::new();
    for command in [
        "genrsa -traditional 1024",
        "genrsa -traditional 2560",
        "genrsa -traditional 5120",
        "genrsa -traditional -3 2048",
        "ecparam -name secp521r1 -genkey -noout",
        "ecparam -name secp224r1 -genkey -noout",
    ] {
        let node = disk("ecdsa-p256");
        front_proxy_of(&node, openssl(command, b"").as_bytes(), "01");
        let run = node.refuses("certs renew all", "unsupported");
        assert_eq!(node.run("recover --yes --at 2028-01-01").code, 5);
        told.push_str(run.err.lines().next().unwrap());
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (RSA-1024); it blocks front-proxy-client
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (RSA-2560); it blocks front-proxy-client
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (RSA-5120); it blocks front-proxy-client
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (RSA-2048 with a public exponent below 65537); it blocks front-proxy-client
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (ECDSA-P521); it blocks front-proxy-client
    error [unsupported]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: kuberescue cannot sign with its key (EC on curve 1.3.132.0.33); it blocks front-proxy-client
    ");
}
