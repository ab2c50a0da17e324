//! What could not start again is not stopped.

use crate::node::{COMPONENTS, Options, PATIENCE, TestNode};
use crate::story::MANIFESTS;

/// The image of a static pod, as its manifest names it.
fn image(node: &TestNode, component: &str) -> String {
    let manifest = node.text(&format!("{MANIFESTS}/{component}.yaml"));
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix("image: "));
    line.unwrap_or_else(|| panic!("{manifest}")).trim_matches('"').to_owned()
}

fn images(node: &TestNode, arguments: &[&str]) -> String {
    node.must(&[&["ctr", "-n", "k8s.io", "images"], arguments].concat())
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn nothing_is_stopped_whose_image_is_gone() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let before = node.pods();
    let mut all: Vec<_> = COMPONENTS.iter().map(|component| image(&node, component)).collect();
    let listed = images(&node, &["ls", "-q"]);
    let pause = listed.lines().find(|name| name.contains("pause")).unwrap_or_else(|| panic!("{listed}"));
    all.push(pause.to_owned());
    for name in &all {
        images(&node, &["tag", name, "example.test/kept:1"]);
        images(&node, &["rm", name]);
        // The runtime hears of it a moment later: until then nothing is stopped in a dry run.
        let gone = || (node.kuberescue(&["restart", "--all", "--dry-run"]).code == 5).then_some(());
        node.wait_until("the image is missed", PATIENCE, gone);
        let refused = node.kuberescue(&["restart", "--all", "--yes"]);
        assert_eq!(refused.code, 5, "{refused}");
        assert!(refused.err.contains("[image-missing]") && refused.err.contains(name.as_str()), "{refused}");
        assert_eq!(node.pods(), before, "{name}");
        images(&node, &["tag", "example.test/kept:1", name]);
        images(&node, &["rm", "example.test/kept:1"]);
    }
    let etcd = &all[0];
    node.must(&[env!("CARGO_BIN_EXE_kuberescue"), "certs", "renew", "all", "--yes"]);
    images(&node, &["rm", etcd]);
    let refused = node.kuberescue(&["recover", "--yes"]);
    assert!(refused.code == 5 && refused.err.contains("[image-missing]"), "{refused}");
    assert_eq!(node.pods(), before, "recover");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn nothing_is_stopped_whose_mounts_data_or_registry_are_gone() {
    const FILE: &str = "/etc/kubernetes/scheduler-extra";
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let refused = |component: &str, code: &str| {
        let before = node.pods();
        let refused = node.kuberescue(&["restart", component, "--yes"]);
        assert!(refused.code == 5 && refused.err.contains(code), "{refused}");
        assert_eq!(node.pods(), before, "{code}");
        refused.err
    };
    node.must(&["mv", "/var/lib/etcd/member", "/var/lib/etcd-member"]);
    refused("etcd", "[etcd-data-missing]");
    node.must(&["mv", "/var/lib/etcd-member", "/var/lib/etcd/member"]);

    std::fs::write(node.path(FILE), "").unwrap();
    let manifest = node.path(&format!("{MANIFESTS}/kube-scheduler.yaml"));
    let old = std::fs::read_to_string(&manifest).unwrap();
    let before = node.pods()["kube-scheduler"].id.clone();
    let volume =
        format!("  volumes:\n  - name: extra\n    hostPath:\n      path: {FILE}\n      type: File\n");
    let new = old.replace("  volumes:\n", &volume).replace("IfNotPresent", "Always");
    assert!(new != old && new.contains("Always"), "{old}");
    std::fs::write(&manifest, new).unwrap();
    node.wait_until("the scheduler has its new manifest", PATIENCE, || {
        node.running("kube-scheduler").filter(|pod| pod.id != before).map(|_| ())
    });
    let said = refused("kube-scheduler", "[image-missing]");
    assert!(said.contains("registry.k8s.io:443 cannot be reached"), "{said}");
    std::fs::remove_file(node.path(FILE)).unwrap();
    let said = refused("kube-scheduler", "[host-path-missing]");
    assert!(said.contains(FILE), "{said}");
    std::fs::write(&manifest, old).unwrap();
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
}
