//! `restart` and `probe`: what runs with old files is found, stopped over CRI and back, and nothing else is.

use std::time::{Duration, Instant};

use crate::node::{COMPONENTS, Options, PATIENCE, TestNode};
use crate::story::result;

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_probe_finds_what_still_serves_its_old_certificate_and_a_restart_ends_it() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    node.assert_green();
    let (before, namesakes) = (node.pods(), node.namesakes());
    assert_eq!(node.kuberescue(&["certs", "renew", "all", "--yes"]).code, 0);

    let (report, code) = node.probe();
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(result(&report, "kube-apiserver"), "old-certificate-still-served");
    // etcd reads the certificate that it serves again for each connection (`transport.TLSInfo.baseConfig`).
    for name in ["etcd-client", "etcd-peer", "kube-controller-manager", "kube-scheduler", "kubelet", "node"] {
        assert_eq!(result(&report, name), "ok", "{name}");
    }

    // Only looking, and nobody there to say yes.
    let dry = node.kuberescue(&["restart", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(COMPONENTS.iter().all(|name| dry.out.contains(name)), "{dry:?}");
    let unasked = node.kuberescue(&["restart"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert_eq!(node.pods(), before);

    let run = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let after = node.pods();
    for (name, old) in &before {
        let new = &after[name];
        assert_ne!(new.id, old.id);
        assert_eq!((&new.sandbox, &new.uid, new.attempt), (&old.sandbox, &old.uid, old.attempt + 1));
    }
    // etcd was not killed, and what only sounds like it was not touched.
    let log = node.log("etcd");
    assert!(log.contains("received terminated signal, shutting down"), "{log}");
    assert_eq!(node.namesakes(), namesakes);
    node.wait_until("the node is Ready", PATIENCE, || (node.probe().1 == 0).then_some(()));
    node.assert_green();

    let again = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(node.pods(), after);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn only_what_is_named_or_reads_a_changed_file_is_restarted() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let (before, kubelet) = (node.pods(), node.kubelet_pid());
    let changed = |run: &[&str]| {
        let before = node.pods();
        let run = node.kuberescue(run);
        let after = node.pods();
        let other = |name: &&str| before.get(*name).map(|one| &one.id) != after.get(*name).map(|one| &one.id);
        (run.code, COMPONENTS.into_iter().filter(other).collect::<Vec<_>>(), run.err)
    };
    assert_eq!(changed(&["restart", "--yes"]).1, Vec::<&str>::new());
    assert_eq!(node.kuberescue(&["certs", "renew", "scheduler.conf", "--yes"]).code, 0);
    let (code, found, err) = changed(&["restart", "--yes"]);
    assert_eq!((code, found), (0, vec!["kube-scheduler"]), "{err}");
    let (code, found, err) = changed(&["restart", "--yes"]);
    assert_eq!((code, found), (0, vec![]), "{err}");
    let (code, found, err) = changed(&["restart", "etcd", "--yes"]);
    assert_eq!((code, found), (0, vec!["etcd"]), "{err}");
    let (code, found, err) = changed(&["restart", "etcd-defrag", "--yes"]);
    assert_eq!((code, found), (2, vec![]), "{err}");
    assert_eq!(node.kubelet_pid(), kubelet);

    let (code, _, err) = changed(&["restart", "kubelet", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_ne!(node.kubelet_pid(), kubelet);
    let (code, found, err) = changed(&["restart", "--all", "--yes"]);
    assert_eq!((code, found), (0, COMPONENTS.to_vec()), "{err}");
    assert_eq!(node.pods()["etcd"].sandbox, before["etcd"].sandbox);
    node.wait_ready();
    node.assert_green();
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn who_outlasts_its_grace_is_killed_and_comes_back() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    node.set_stop("kube-scheduler", "never");
    let stubborn = node.respawn("kube-scheduler");

    let began = Instant::now();
    let run = node.kuberescue(&["restart", "kube-scheduler", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(node.log("kube-scheduler").contains("received SIGTERM"));
    let after = node.running("kube-scheduler").unwrap();
    assert_eq!((&after.sandbox, after.attempt), (&stubborn.sandbox, stubborn.attempt + 1));
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_runtime_that_goes_away_in_the_middle_is_waited_for_and_one_that_stays_away_is_named() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let name = "kube-controller-manager";
    node.set_stop(name, "never");
    let stubborn = node.respawn(name);
    let is_stopping = |times: usize| {
        node.wait_until("it heard the signal", PATIENCE, || {
            (node.log(name).matches("received SIGTERM").count() >= times).then_some(())
        });
    };

    let going = node.begin(&["restart", name, "--yes", "--grace", "5s"]);
    is_stopping(1);
    node.stop_containerd();
    node.start_containerd();
    let run = going.end(&node, PATIENCE);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let after = node.running(name).unwrap();
    assert_eq!((&after.sandbox, after.attempt), (&stubborn.sandbox, stubborn.attempt + 1));

    let heard = node.log(name).matches("received SIGTERM").count();
    let arguments = ["restart", name, "--yes", "--grace", "3s", "--restart-timeout", "4s"];
    let going = node.begin(&arguments);
    is_stopping(heard + 1);
    node.stop_containerd();
    // 3 s to end, as long as a stop may take beyond that, and as long to try again.
    let run = going.end(&node, Duration::from_secs(3 + 4 + 4 + 10));
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.err.contains(name) && run.err.contains("/run/containerd/containerd.sock"), "{run:?}");

    // Nothing was half done: once the runtime is there again the same command ends well.
    node.start_containerd();
    let run = node.kuberescue(&["restart", name, "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert_ne!(node.running(name).unwrap().id, after.id);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn who_is_held_back_by_the_kubelet_comes_back_with_a_new_one() {
    let node = TestNode::start("expired-all", &Options { backoff: Some(600), ..Options::healthy() });
    node.wait_ready();
    let before = node.pods();
    let first = node.kuberescue(&["restart", "kube-scheduler", "--yes"]);
    assert_eq!(first.code, 0, "{first:?}");
    // The next one is to wait for 600 s; a new sandbox doesn't change that.
    let held = node.kuberescue(&["restart", "kube-scheduler", "--yes", "--restart-timeout", "4s"]);
    assert_eq!(held.code, 4, "{held:?}");
    insta::assert_snapshot!(held.error().lines().last().unwrap(), @"hint: sudo kuberescue restart kubelet kube-scheduler");
    assert_eq!(node.running("kube-scheduler"), None);

    let run = node.kuberescue(&["restart", "kubelet", "kube-scheduler", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let after = node.pods();
    for name in COMPONENTS {
        assert_eq!(after[name].id == before[name].id, name != "kube-scheduler", "{name}");
    }
    assert_eq!(after["kube-scheduler"].uid, before["kube-scheduler"].uid);
}
