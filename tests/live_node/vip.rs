//! The address that workers use: what serves it on this node is restarted too, and is part of the proof.

use crate::node::{PATIENCE, TestNode};
use crate::story::MANIFESTS;

const KUBE_VIP: &str = "kube-vip";
const PORT: u16 = 8443;

/// Puts a kube-vip beside the control plane, and its address into the node's kubeconfigs.
fn add_kube_vip(node: &TestNode) {
    let admin = node.text("/etc/kubernetes/admin.conf");
    let server = admin.lines().find_map(|line| line.trim().strip_prefix("server: https://"));
    let server = server.unwrap_or_else(|| panic!("{admin}")).to_owned();
    let (host, _) = server.rsplit_once(':').unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {KUBE_VIP}\n  namespace: kube-system\nspec:\n  hostNetwork: true\n  containers:\n  - name: {KUBE_VIP}\n    image: testnode.local/component:1\n    command:\n    - {KUBE_VIP}\n    - --kubeconfig=/etc/kubernetes/admin.conf\n    - --api-server={server}\n    - --listen={host}:{PORT}\n    volumeMounts:\n    - mountPath: /etc/kubernetes/admin.conf\n      name: kubeconfig\n      readOnly: true\n  volumes:\n  - name: kubeconfig\n    hostPath:\n      path: /etc/kubernetes/admin.conf\n      type: File\n"
    );
    std::fs::write(node.path(&format!("{MANIFESTS}/{KUBE_VIP}.yaml")), manifest).unwrap();
    for name in ["admin.conf", "kubelet.conf"] {
        let path = node.path(&format!("/etc/kubernetes/{name}"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&format!("https://{server}"), &format!("https://{host}:{PORT}")))
            .unwrap();
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_serves_the_address_of_the_workers_is_restarted_and_proven() {
    let node = TestNode::ready_and_ending(40);
    add_kube_vip(&node);
    node.must(&[env!("CARGO_BIN_EXE_kuberescue"), "restart", "kubelet", "--yes"]);
    let before = node.wait_until("kube-vip leads to the API server", PATIENCE, || {
        (node.probe().1 == 0).then(|| node.running(KUBE_VIP)).flatten()
    });
    node.wait_until_expired();

    let plan = node.kuberescue(&["recover", "--dry-run"]);
    assert!(plan.out.contains("kube-scheduler, kube-vip"), "{plan}");
    let run = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(run.code, 0, "{run}\n{}", node.story());
    let after = node.running(KUBE_VIP).unwrap();
    assert_ne!(before.id, after.id, "{run}");
    let back = |name: &str| run.out.find(&format!("{name}: back")).or(run.err.find(&format!("{name}: back")));
    assert!(back("kube-apiserver").unwrap() < back(KUBE_VIP).unwrap(), "{run}");

    // Without it the node is healthy, and no worker reaches it.
    std::fs::remove_file(node.path(&format!("{MANIFESTS}/{KUBE_VIP}.yaml"))).unwrap();
    node.wait_until("kube-vip is gone", PATIENCE, || node.running(KUBE_VIP).is_none().then_some(()));
    node.must(&[env!("CARGO_BIN_EXE_kuberescue"), "certs", "renew", "all"]);
    let run = node.kuberescue(&["recover", "--yes", "--proof-timeout", "25s"]);
    assert_eq!(run.code, 4, "{run}");
    assert!(run.out.contains("NOT RECOVERED: this node is healthy, and workers are cut off"), "{run}");
    assert!(run.err.contains("workers are cut off: https://") && run.err.contains("hint: repair"), "{run}");
}
