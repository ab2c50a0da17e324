//! The end of `recover`: what the rest of the cluster makes of it. The objects are kept in the real etcd by the
//! stand-in of the API server, which counts a patched DaemonSet as rolled out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::node::{PATIENCE, TestNode};

const SETS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
const SECRETS: &str = "/api/v1/namespaces/cluster-kubernetes/secrets";
const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

/// Has kubectl put an object into the cluster.
fn create(node: &TestNode, collection: &str, object: &Value) {
    std::fs::write(node.path("/var/tmp/object.json"), object.to_string()).unwrap();
    let made = node.kubectl(&["create", "--raw", collection, "-f", "/var/tmp/object.json"]);
    assert_eq!(made.code, 0, "{made:?}");
}

fn get(node: &TestNode, path: &str) -> Value {
    let got = node.kubectl(&["get", "--raw", path]);
    assert_eq!(got.code, 0, "{got:?}");
    serde_json::from_str(&got.out).unwrap()
}

/// The DaemonSet of a real cluster that mounts /etc/kubernetes/pki, under this name.
fn set(name: &str) -> Value {
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/api/daemonset.body");
    let mut set: Value = serde_json::from_str(&std::fs::read_to_string(recorded).unwrap()).unwrap();
    set["metadata"]["name"] = json!(name);
    set
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_has_read_renewed_files_is_restarted_and_the_rest_is_said() {
    let node = TestNode::ready_and_ending(35);
    create(&node, SETS, &set("etcd-defrag"));
    let mut other = set("logs");
    other["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] = json!("/var/log");
    create(&node, SETS, &other);
    let old = STANDARD.encode(std::fs::read(node.path("/etc/kubernetes/admin.conf")).unwrap());
    let secret = json!({
        "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": {"value": old},
        "metadata": {"name": "kubernetes-kubeconfig", "namespace": "cluster-kubernetes"},
    });
    create(&node, SECRETS, &secret);
    let request = json!({
        "kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": "csr-x"},
        "spec": {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:cp-1", "request": "", "usages": []},
    });
    create(&node, "/apis/certificates.k8s.io/v1/certificatesigningrequests", &request);
    node.wait_until_expired();

    let dry = node.kuberescue(&["recover", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    insta::assert_snapshot!(dry.lines_with("workloads"), @"rollout   workloads that still use old certificates are restarted");
    let run = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let mut said = String::new();
    for word in ["etcd-defrag\" successfully", "csr-x", "kuberescue kubeconfig"] {
        said += &run.lines_with(word);
    }
    insta::assert_snapshot!(said, @r#"
    daemon set "etcd-defrag" successfully rolled out
    csr-suspicious requests csr-x: request of system:node:cp-1 to kubernetes.io/kubelet-serving: the request is no PEM
    hint: do not approve before the sender is known: kubectl get csr csr-x -o yaml
    kuberescue kubeconfig push --admin-kubeconfig /etc/kubernetes/admin.conf --cluster kubernetes
    copies of admin.conf        kuberescue kubeconfig install admin.conf --context kubernetes-admin@kubernetes
    an admin cluster's Secret   kuberescue kubeconfig push --admin-kubeconfig ADMIN --cluster NAME --from admin.conf
    "#);
    let is_restarted = |name: &str| get(&node, &format!("{SETS}/{name}")).pointer(RESTARTED_AT).is_some();
    assert!(is_restarted("etcd-defrag") && !is_restarted("logs"));

    // On the node itself: what the workstation would do with the Secret, and the proof of the whole.
    let push =
        ["kubeconfig", "push", "--admin-kubeconfig", "/etc/kubernetes/admin.conf", "--cluster", "kubernetes"];
    let keep = ["--keep", "/var/tmp", "--yes"];
    let pushed = node.kuberescue(&[&push[..], &keep[..]].concat());
    assert_eq!(pushed.code, 0, "{pushed:?}");
    let fetched = node.kuberescue(
        &[&["kubeconfig", "fetch"][..], &push[2..], &["--out", "/var/tmp/new.conf"][..]].concat(),
    );
    assert_eq!(fetched.code, 0, "{fetched:?}");
    let nodes = node.kubectl(&["--kubeconfig", "/var/tmp/new.conf", "get", "nodes"]);
    assert!(nodes.code == 0 && nodes.out.contains("cp-1"), "{nodes:?}");
    let verified = node.kuberescue(&["verify", "cluster"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("csr-x"), "{verified:?}");
    let listed = node.kuberescue(&["nodes"]);
    assert!(listed.code == 0 && listed.out.contains("cp-1"), "{listed:?}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_is_only_to_be_named() {
    let node = TestNode::ready_and_ending(35);
    create(&node, SETS, &set("etcd-defrag"));
    node.wait_until_expired();
    let run = node.kuberescue(&["recover", "--yes", "--no-rollout"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let command = "kuberescue rollout restart daemonset/etcd-defrag -n kube-system";
    assert!(run.err.contains(command), "{run:?}");
    assert!(get(&node, &format!("{SETS}/etcd-defrag")).pointer(RESTARTED_AT).is_none());
    let words: Vec<_> = command.split(' ').skip(1).chain(["--yes"]).collect();
    let run = node.kuberescue(&words);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(get(&node, &format!("{SETS}/etcd-defrag")).pointer(RESTARTED_AT).is_some());
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
}
