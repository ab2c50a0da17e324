//! A CA that is replaced, before the real components: kube-controller-manager signs with a file of one certificate.

use crate::node::Node;

const NEW: &str = "/etc/kubernetes/pki/ca.crt";

/// A client certificate that kube-controller-manager signs for a request that is approved.
fn signed(node: &Node, name: &str) -> String {
    let request = format!(
        "openssl req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout /var/lib/{name}.key 2>/dev/null | base64 -w0"
    );
    let request = node.must(&["sh", "-c", &request]);
    let object = serde_json::json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": request.trim(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    });
    let file = format!("/var/lib/{name}.json");
    std::fs::write(node.path(&file), object.to_string()).unwrap();
    for arguments in [&["create", "-f", &file][..], &["certificate", "approve", name]] {
        let run = node.kubectl(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
    }
    node.wait_until("the request is signed", || {
        let object = node.object(&["csr", name])?;
        let certificate = crate::common::decoded(object["status"]["certificate"].as_str()?);
        String::from_utf8(certificate).ok()
    })
}

/// Whether openssl accepts a client certificate under the first CA of the node alone.
fn is_of_new_ca(node: &Node, name: &str, certificate: &str) {
    std::fs::write(node.path(&format!("/var/lib/{name}.crt")), certificate).unwrap();
    let verify = format!(
        "openssl x509 -in {NEW} -out /var/lib/new.crt && openssl verify -CAfile /var/lib/new.crt /var/lib/{name}.crt"
    );
    node.must(&["sh", "-c", &verify]);
}

#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn the_controller_manager_signs_with_the_new_ca_while_two_are_trusted() {
    let node = Node::healthy();
    let change = |arguments: &[&str]| {
        node.rescued(arguments);
        node.rescued(&["recover", "--yes"]);
        let (report, code) = node.probe();
        assert_eq!(code, 0, "{report:#}\n{}", node.story());
    };
    change(&["ca", "replace", "ca", "--yes"]);
    let manifest = node.text("/etc/kubernetes/manifests/kube-controller-manager.yaml");
    assert!(
        manifest.contains("--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt"),
        "{manifest}"
    );
    assert_eq!(node.text(NEW).matches("BEGIN CERTIFICATE").count(), 2);
    is_of_new_ca(&node, "alice", &signed(&node, "alice"));

    // A Secret with a kubeconfig is renewed by nobody else, the ConfigMaps kube-root-ca.crt by the controller-manager, soon.
    let finish = ["ca", "replace", "ca", "--finish"];
    let refused = node.kuberescue(&[&finish[..], &["--yes"]].concat());
    assert!(
        refused.code == 5 && refused.err.contains("Secret cluster-cluster1/cluster1-kubeconfig"),
        "{refused:?}"
    );
    let admin = ["--admin-kubeconfig", "/etc/kubernetes/admin.conf", "--cluster", "cluster1"];
    node.rescued(&[&["kubeconfig", "push"], &admin[..], &["--keep", "/var/lib", "--yes"]].concat());
    let dry = || (node.kuberescue(&[&finish[..], &["--dry-run"]].concat()).code == 0).then_some(());
    node.wait_until("nothing needs the old CA any more", dry);
    change(&["ca", "replace", "ca", "--finish", "--yes"]);
    assert_eq!(node.text(NEW).matches("BEGIN CERTIFICATE").count(), 1);
    assert!(!node.path("/etc/kubernetes/pki/ca-signing.crt").exists());
    is_of_new_ca(&node, "bob", &signed(&node, "bob"));
    node.wait_ready();
}
