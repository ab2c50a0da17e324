//! A node without the keys of its CAs is recovered by a bundle that was made elsewhere.

use std::process::Command;

use crate::common::{AGE_IDENTITY, AGE_RECIPIENT, run};
use crate::node::{Options, TestNode};

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_node_without_ca_keys_is_recovered_by_a_bundle() {
    let node = TestNode::start("expired-all", &Options::default());
    let opt = node.path("/opt/");
    let root = opt.parent().unwrap().display().to_string();
    let bundle = node.path("/opt/cp-1.bundle.age");
    let mut create = Command::new(env!("CARGO_BIN_EXE_kuberescue"));
    create.args(["bundle", "create", "--node", "cp-1", "--from", &root, "--root", &root]);
    create.args(["--recipient", AGE_RECIPIENT, "--out"]).arg(&bundle);
    let made = run(create);
    assert_eq!(made.code, 0, "{made}");
    std::fs::write(node.path("/opt/id"), AGE_IDENTITY).unwrap();
    for ca in ["ca", "etcd/ca", "front-proxy-ca"] {
        std::fs::remove_file(node.path(&format!("/etc/kubernetes/pki/{ca}.key"))).unwrap();
    }
    let refused = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(refused.code, 5, "{refused}");

    let apply = ["bundle", "apply", "/opt/cp-1.bundle.age", "--identity", "/opt/id"];
    let dry = node.kuberescue(&[&apply[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, 0, "{dry}");
    let done = node.kuberescue(&[&apply[..], &["--yes"]].concat());
    assert_eq!(done.code, 0, "{done}\n{}", node.story());
    node.assert_green();
    let again = node.kuberescue(&[&apply[..], &["--yes"]].concat());
    assert!(again.code == 0 && again.err.contains("in place already"), "{again}");
}
