//! Files that are gone, or hold what kubeadm wouldn't put there.

use crate::common::base64;
use crate::node::{KUBELET, Node, now};
use crate::recover::{assert_well, recover_once};

/// One node, two accidents one after the other.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn admin_conf_and_the_kubelets_certificate() {
    let node = Node::healthy();
    let recover = |what: &str| {
        eprintln!("{what}");
        recover_once(&node, &[]);
        assert_well(&node);
    };
    let conf = node.path("/etc/kubernetes/kubelet.conf");

    node.systemctl("stop");
    node.must(&["sh", "-c", "rm /etc/kubernetes/admin.conf /var/lib/kubelet/pki/kubelet-client-*"]);
    node.systemctl("start");
    node.wait_until_the_kubelet_dies();
    recover("admin.conf and the kubelet's certificate are gone");

    // As kubeadm leaves it where the last phase of init was never run: the certificate is in kubelet.conf itself.
    node.systemctl("stop");
    node.expire(&["--kubelet"], "-35 days");
    let file = node.must(&["readlink", "-f", KUBELET]);
    let pem = base64(&std::fs::read(node.path(file.trim())).unwrap());
    let text = std::fs::read_to_string(&conf).unwrap();
    let embedded = text
        .replace(&format!("client-certificate: {KUBELET}"), &format!("client-certificate-data: {pem}"))
        .replace(&format!("client-key: {KUBELET}"), &format!("client-key-data: {pem}"));
    assert_ne!(text, embedded);
    std::fs::write(&conf, &embedded).unwrap();
    node.must(&["sh", "-c", "rm /var/lib/kubelet/pki/kubelet-client-*"]);
    node.systemctl("start");
    recover("kubelet.conf holds the certificate, which has expired");
    assert!(std::fs::read_to_string(&conf).unwrap().contains("client-certificate-data: "));
}

/// A kubelet that has nothing left gets a kubeconfig to request its certificate with, then one with a certificate; and the
/// API server another name, which the cluster's own record follows.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn what_the_kubelet_needs_and_another_name() {
    let node = Node::healthy();
    let lost = "rm -f /etc/kubernetes/kubelet.conf /var/lib/kubelet/pki/*";
    for (option, file) in [
        ("--for-bootstrap", "/etc/kubernetes/bootstrap-kubelet.conf"),
        ("--for-node", "/etc/kubernetes/kubelet.conf"),
    ] {
        eprintln!("{option}");
        node.systemctl("stop");
        node.must(&["sh", "-c", lost]);
        node.rescued(&["kubeconfig", "new", option, "--out", file]);
        let since = now();
        node.systemctl("start");
        node.wait_until("the node is Ready again", || node.is_ready_since(&since).then_some(()));
        node.must(&["rm", "-f", "/etc/kubernetes/bootstrap-kubelet.conf"]);
    }

    node.rescued(&["kubeconfig", "new", "--break-glass", "--out", "/var/lib/emergency.conf"]);
    let secrets = ["auth", "can-i", "delete", "secrets", "-A", "--kubeconfig=/var/lib/emergency.conf"];
    assert_eq!(node.kubectl(&secrets).out, "yes\n");

    node.rescued(&["certs", "renew", "apiserver", "--add-san", "api.example", "--update-cluster", "--yes"]);
    let configuration = node.object(&["configmap", "-n", "kube-system", "kubeadm-config"]).unwrap();
    let configuration = configuration["data"]["ClusterConfiguration"].as_str().unwrap().to_owned();
    assert!(configuration.contains("api.example"), "{configuration}");
    node.rescued(&["restart", "kube-apiserver", "--yes"]);
    node.wait_ready();
    let named = ["--tls-server-name=api.example", "get", "nodes", "-o", "name"];
    assert_eq!(node.kubectl(&named).out, "node/cp-1\n");
}
