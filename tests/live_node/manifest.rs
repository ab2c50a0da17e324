//! `recover --restart=manifest`: without a runtime to ask, and no manifest is ever lost.

use crate::node::{COMPONENTS, Options, PATIENCE, TestNode};

/// A node on which everything runs with other certificates than the disk has, and whose scheduler doesn't end
/// before its grace does: then the manifests are away for a while.
fn slow_and_outdated() -> TestNode {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    node.set_stop("kube-scheduler", "never");
    node.respawn("kube-scheduler");
    renew(&node);
    node
}

fn renew(node: &TestNode) {
    let run = node.kuberescue(&["certs", "renew", "all", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
}

fn wait_until_away(node: &TestNode) {
    node.wait_until("the manifests are away, and the scheduler is to end", PATIENCE, || {
        let all = COMPONENTS.iter().all(|name| node.manifest(name).is_none());
        (all && node.running("kube-apiserver").is_none()).then_some(())
    });
}

/// The scheduler is the one that is waited for.
fn end_the_scheduler(node: &TestNode) {
    if let Some(stubborn) = node.running("kube-scheduler") {
        node.signal(&stubborn, "SIGKILL");
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn the_manifests_go_and_come_back_as_they_were() {
    let node = TestNode::expired_while_running(&[]);
    let (manifests, before, kubelet, namesakes) =
        (node.manifests(), node.pods(), node.kubelet_pid(), node.namesakes());
    let arguments = ["recover", "--yes", "--restart=manifest", "--cri-socket=unix:///run/none.sock"];
    let run = node.kuberescue(&arguments);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    node.assert_green();
    assert_eq!(node.manifests(), manifests);
    let left = std::fs::read_dir(node.path(crate::story::MANIFESTS)).unwrap().count();
    assert_eq!(left, COMPONENTS.len());
    let after = node.pods();
    assert!(after.iter().all(|(name, new)| new.sandbox != before[name].sandbox));
    assert_ne!(node.kubelet_pid(), kubelet);
    assert_eq!(node.namesakes(), namesakes);

    // Where only the restart is due, the way without a runtime is named as well.
    renew(&node);
    let kubelet = node.kubelet_pid();
    let run = node.kuberescue(&["recover", "--yes", "--cri-socket=unix:///run/none.sock"]);
    assert_eq!(run.code, 2, "{run:?}");
    insta::assert_snapshot!(run.error(), @"
    error [no-runtime]: cannot connect to /run/none.sock: no such socket
    hint: start the runtime: systemctl start containerd; if its socket is elsewhere, name the runtime's socket with --cri-socket unix:///PATH; or go without it: --restart=manifest, --restart=none
    ");
    assert_eq!((node.pods(), node.kubelet_pid()), (after, kubelet));
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_signal_ends_the_waiting_with_every_manifest_in_its_place() {
    let node = slow_and_outdated();
    let manifests = node.manifests();
    for (signal, again) in [("TERM", true), ("INT", false)] {
        let going = node.begin(&["recover", "--yes", "--restart=manifest"]);
        wait_until_away(&node);
        node.signal_kuberescue(signal);
        let run = going.end(&node, PATIENCE);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(run.err.contains(&format!("[interrupted]: interrupted by SIG{signal}")), "{run:?}");
        assert_eq!(node.manifests(), manifests);
        end_the_scheduler(&node);
        node.wait_until("the pods are back", PATIENCE, || (node.pods().len() == 4).then_some(()));
        node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
        if again {
            renew(&node);
        }
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_kill_resume_brings_the_manifests_back() {
    let node = slow_and_outdated();
    let manifests = node.manifests();
    let going = node.begin(&["recover", "--yes", "--restart=manifest"]);
    wait_until_away(&node);
    node.signal_kuberescue("KILL");
    let run = going.end(&node, PATIENCE);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(node.manifest("etcd"), None);

    // Until then nothing else is begun.
    let refused = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("[interrupted-restart]"), "{refused:?}");
    assert_eq!(node.manifest("etcd"), None);

    let resumed = node.kuberescue(&["resume", "--yes"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(node.manifests(), manifests);
    end_the_scheduler(&node);
    node.wait_until("the pods are back", PATIENCE, || (node.pods().len() == 4).then_some(()));
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
}
