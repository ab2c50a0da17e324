//! The third node becomes a worker that the API server no longer lets in, and the playbook of workers renews it.

use super::controller::Fleet;
use crate::node::{PATIENCE, TestNode};

const STORE: &str = "/var/lib/kubelet/pki";

pub(crate) fn a_worker_is_renewed(fleet: &Fleet) {
    let [first, _, third] = &fleet.nodes;
    become_a_worker(third);
    let ready = || {
        let nodes = first.kubectl(&["get", "nodes"]).out;
        nodes.lines().any(|line| line.starts_with("cp-3 ") && line.contains(" Ready "))
    };
    first.wait_until("the worker is lost", PATIENCE, || (!ready()).then_some(()));
    let seen = fleet.play_workers(&[]).must(0, &["cp-3: kubelet cannot start", "Nothing was renewed"]);
    assert!(seen.has("cp-3/diagnosis.json"));

    let run = fleet.play_workers(&["-e", "kuberescue_renew_workers=broken"]);
    let run = run.must(0, &["cp-3: renewed; all is well"]);
    assert!(run.text("cp-3/bundle-apply.txt").starts_with("exit code 0\n"), "{}", run.out);
    run.assert_private();
    let (report, _) = third.probe();
    let names: Vec<_> = report["items"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["kubelet", "kubelet.conf", "node", "lease"], "{report:#}");
    assert_eq!(report["nodes"].as_array().unwrap().len(), 1, "a kubelet reads its own node alone");
    first.wait_until("the worker is Ready", PATIENCE, || ready().then_some(()));
    for node in [first, third] {
        assert!(!node.path("/var/lib/kuberescue-fleet").exists());
    }
    assert!(!run.has("cp-3/cp-3.bundle.age"));
    fleet.play_workers(&["-e", "kuberescue_renew_workers=broken"]).must(0, &["cp-3: left alone"]);
    fleet.play_workers(&["-e", "kuberescue_renew_workers=all"]).must(0, &["cp-3: renewed; all is well"]);

    // The CA's key is gone: the worker is not touched.
    third.must(&["sh", "-c", &format!("rm {STORE}/kubelet-client-current.pem")]);
    first.must(&["mv", "/etc/kubernetes/pki/ca.key", "/var/tmp/ca.key"]);
    let before = std::fs::read_dir(third.path(STORE)).unwrap().count();
    fleet
        .play_workers(&["-e", "kuberescue_renew_workers=broken"])
        .must(2, &["STOPPED at cp-3: bundle create finished with exit code 5 on cp-1", "[ca-key-missing]"]);
    assert_eq!(std::fs::read_dir(third.path(STORE)).unwrap().count(), before);
    first.must(&["mv", "/var/tmp/ca.key", "/etc/kubernetes/pki/ca.key"]);
}

/// Without static pods and keys of CAs, and with a kubelet that has lost its certificate and asks the first node's API server.
fn become_a_worker(node: &TestNode) {
    node.must(&["sh", "-c", "rm /etc/kubernetes/manifests/*"]);
    node.wait_until("its static pods are gone", PATIENCE, || node.pods().is_empty().then_some(()));
    node.stop_kubelet();
    node.must(&[
        "sh",
        "-c",
        &format!(
            "cd /etc/kubernetes; find pki -type f ! -path pki/ca.crt -delete; rm -f admin.conf super-admin.conf \
             controller-manager.conf scheduler.conf; sed -i s/192.168.10.13/192.168.10.11/ kubelet.conf; rm {STORE}/kubelet-client-*; \
             rm -rf /var/lib/kuberescue /var/lib/etcd"
        ),
    ]);
    node.must(&["rm", "-f", "/run/testnode/no-kubelet"]);
}
