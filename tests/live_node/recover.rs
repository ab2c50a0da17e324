//! `recover`: a node whose certificates have expired is well again, whatever of it still runs.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::common::screen::steady;
use crate::node::{COMPONENTS, Options, PATIENCE, Run, TestNode};

/// Recovers, and everything is well; a second time there is nothing to do.
fn recover(node: &TestNode, arguments: &[&str]) {
    let run = node.kuberescue(&[&["recover", "--yes"], arguments].concat());
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    node.assert_green();
    let list = node.kuberescue(&["archive", "list"]);
    assert!(list.code == 0 && list.out.contains(".tar.gz"), "{list:?}");

    let (pods, kubelet, tree) = (node.pods(), node.kubelet_pid(), node.tree());
    assert_eq!(pods.len(), COMPONENTS.len());
    let again = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!((node.pods(), node.kubelet_pid()), (pods, kubelet));
    assert_eq!(node.tree(), tree);
}

/// As [`recover`], with a snapshot of etcd first, which etcdctl can read.
fn recover_with_snapshot(node: &TestNode) {
    recover(node, &["--etcd-snapshot"]);
    let beside = std::fs::read_dir(node.path("/var/lib/kuberescue")).unwrap();
    let beside = beside.map(|entry| entry.unwrap().path().display().to_string());
    let saved: Vec<_> = beside.filter(|path| path.ends_with(".etcd.db")).collect();
    let [saved] = &saved[..] else { panic!("{saved:?}") };
    let archive = saved.replace(".etcd.db", ".tar.gz");
    assert!(std::path::Path::new(&archive).exists(), "{saved} is beside its archive");
    let mut etcdctl = std::process::Command::new("etcdctl");
    etcdctl.args(["snapshot", "status", "-w", "json", saved]).env("ETCDCTL_API", "3");
    let told = etcdctl.output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
    assert!(told["revision"].as_i64() > Some(1) && told["totalKey"].as_i64() > Some(1), "{told}");
}

fn wait_until_the_kubelet_dies(node: &TestNode) {
    node.wait_until("the kubelet keeps dying", PATIENCE, || {
        node.kubelet_log().contains("client certificate is expired").then_some(())
    });
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn on_a_node_on_which_nothing_runs() {
    let node = TestNode::start("expired-all", &Options::default());
    wait_until_the_kubelet_dies(&node);
    let before = node.tree();
    let dry = node.kuberescue(&["recover", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(node.tree(), before);
    assert!(!node.path("/var/lib/kuberescue").exists());
    assert_eq!(node.containers(), []);

    // A kubelet that can't come back is not waited for.
    let refused = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("[kubelet-certificate-expired]"), "{refused:?}");

    recover(&node, &[]);
    let namesakes = node.namesakes();
    assert!(namesakes.iter().all(|one| one.attempt == 0), "{namesakes:?}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn on_a_node_whose_cas_have_expired_too() {
    let node = TestNode::start("expired-ca", &Options::default());
    wait_until_the_kubelet_dies(&node);
    let before = node.tree();
    let refused = node.kuberescue(&["recover", "--yes"]);
    assert!(refused.code == 5 && refused.err.contains("[ca-expired]"), "{refused:?}");
    assert_eq!(node.tree(), before);
    recover(&node, &["--renew-cas"]);
}

/// A CA that is renewed in time changes nothing for what runs: neither what it has signed nor who trusts the old one.
#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_the_cas_were_renewed_in_time() {
    let node = TestNode::start("rsa2048", &Options::healthy());
    node.wait_ready();
    let (pods, old) = (node.pods(), std::fs::read(node.path("/etc/kubernetes/pki/etcd/ca.crt")).unwrap());
    let renewed = node.kuberescue(&["ca", "renew", "--yes", "--days", "7300"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    // The running etcd has the old CA and its old certificates, the client the renewed CA, and the other way round.
    let ask = |ca: &str| {
        let pki = "/etc/kubernetes/pki/etcd";
        let (cert, key) = (format!("{pki}/healthcheck-client.crt"), format!("{pki}/healthcheck-client.key"));
        let etcdctl =
            ["etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert", ca, "--cert", &cert, "--key", &key];
        node.must(&[&["env", "ETCDCTL_API=3"], &etcdctl[..], &["endpoint", "health"]].concat());
    };
    std::fs::write(node.path("/var/old-ca.crt"), old).unwrap();
    ask("/etc/kubernetes/pki/etcd/ca.crt");
    assert_eq!(node.kubectl(&["get", "nodes"]).code, 0);
    recover(&node, &[]);
    assert!(node.pods().iter().all(|(name, new)| new.id != pods[name].id), "all of them read a renewed CA");
    ask("/var/old-ca.crt");
    ask("/etc/kubernetes/pki/etcd/ca.crt");
}

/// The key of the cluster's CA is lost: it gets a successor while everything runs, and later the old one goes.
#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_ca_was_replaced_and_after_the_old_one_was_removed() {
    const MANAGER: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let node = TestNode::start("rsa2048", &Options::healthy());
    node.wait_ready();
    node.must(&["rm", "/etc/kubernetes/pki/ca.key"]);
    let (manifest, pods) = (node.text(MANAGER), node.pods());
    let replace = |arguments: &[&str]| {
        let run = node.kuberescue(&[&["ca", "replace", "ca", "--yes"], arguments].concat());
        assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    };
    replace(&[]);
    recover(&node, &[]);
    assert!(node.text(MANAGER).contains("=/etc/kubernetes/pki/ca-signing.crt\n"));
    let of_ca = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    assert!(of_ca.iter().all(|name| node.pods()[*name].id != pods[*name].id));
    assert_eq!(node.pods()["etcd"].id, pods["etcd"].id, "etcd has nothing of this CA");
    replace(&["--finish"]);
    recover(&node, &[]);
    assert_eq!(node.text(MANAGER), manifest);
    let verify = ["openssl", "verify", "-CAfile", "/etc/kubernetes/pki/ca.crt"];
    node.must(&[&verify[..], &["/etc/kubernetes/pki/apiserver.crt"]].concat());
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn on_a_node_that_was_rebooted() {
    let mut node = TestNode::ready_and_ending(20);
    let before = node.pods();
    node.wait_until("kubectl is refused", PATIENCE, || {
        (node.kubectl(&["get", "nodes"]).code != 0).then_some(())
    });
    node.reboot();
    wait_until_the_kubelet_dies(&node);
    // They are listed, and none of them runs.
    assert!(before.values().all(|old| node.containers().iter().any(|one| one.id == old.id)));
    assert!(node.pods().is_empty());

    recover_with_snapshot(&node);
    for (name, new) in node.pods() {
        assert_eq!(new.uid, before[&name].uid);
        assert_ne!(new.sandbox, before[&name].sandbox);
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn on_a_node_on_which_everything_runs() {
    let node = TestNode::expired_while_running(&[]);
    let (before, kubelet, tree, namesakes) = (node.pods(), node.kubelet_pid(), node.tree(), node.namesakes());
    let dry = node.kuberescue(&["recover", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let unasked = node.kuberescue(&["recover"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert_eq!((node.pods(), node.kubelet_pid(), node.tree()), (before.clone(), kubelet, tree.clone()));

    // The files alone, and back again.
    let files = node.kuberescue(&["recover", "--yes", "-v", "--restart=none"]);
    assert_eq!(files.code, 0, "{files:?}");
    let (_, next) = files.out.split_once("\nNext steps").unwrap_or_else(|| panic!("{files:?}"));
    insta::assert_snapshot!(steady(next), @"
     on this node:
      1. restart the kubelet first: systemctl restart kubelet
      2. restart the static pods etcd, kube-apiserver, kube-controller-manager, kube-scheduler: kuberescue restart
      3. verify the node: kuberescue probe
    Elsewhere:
      - on every other control-plane node, one after the other: kuberescue recover (certificates are not copied between nodes)
      - where the old admin.conf was copied to (~/.kube/config, workstations, CI): copy the new one there, then
          kuberescue kubeconfig install admin.conf --context kubernetes-admin@kubernetes     (one context of ~/.kube/config)
          kuberescue kubeconfig install admin.conf --file FILE     (a file of its own)
      - on the admin workstation, where a management cluster keeps it in a Secret (ADMIN is that cluster's kubeconfig):
          kuberescue kubeconfig fetch --admin-kubeconfig ADMIN --namespace cluster-NAME --cluster NAME --compare bmctl-workspace/NAME/NAME-kubeconfig
          kuberescue kubeconfig install --admin-kubeconfig ADMIN --namespace cluster-NAME --cluster NAME
          where the Secret still holds the old certificate, before that: kuberescue kubeconfig push --admin-kubeconfig ADMIN --namespace cluster-NAME --cluster NAME --from admin.conf
      - finally: kuberescue verify cluster
    NEXT     sudo kuberescue recover restarts what still uses old files, and verifies the node
    ");
    assert_eq!((node.pods(), node.kubelet_pid()), (before.clone(), kubelet));
    assert_ne!(node.tree(), tree);
    let back = node.kuberescue(&["rollback", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(node.tree(), tree);

    recover_with_snapshot(&node);
    for (name, new) in node.pods() {
        let old = &before[&name];
        assert_ne!(new.id, old.id);
        assert_eq!((&new.sandbox, new.attempt), (&old.sandbox, old.attempt + 1));
    }
    assert_ne!(node.kubelet_pid(), kubelet);
    assert!(node.log("etcd").contains("received terminated signal, shutting down"));
    assert_eq!(node.namesakes(), namesakes);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn with_a_runtime_that_knows_one_version_of_cri() {
    for (refused, spoken) in [("runtime.v1", "CRI v1alpha2"), ("runtime.v1alpha2", "CRI v1,")] {
        let node = TestNode::start("expired-all", &Options { refuse: Some(refused), ..Options::default() });
        wait_until_the_kubelet_dies(&node);
        let run = node.kuberescue(&["recover", "--yes", "-v"]);
        assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
        assert!(run.out.contains(spoken) && run.out.contains("/run/testnode/cri.sock"), "{run:?}");
        node.assert_green();
        let before = node.pods();
        let run = node.kuberescue(&["restart", "--all", "--yes"]);
        assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
        assert!(node.pods().iter().all(|(name, new)| new.id != before[name].id));
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn without_a_kubelet_nothing_is_stopped() {
    let node = TestNode::expired_while_running(&[]);
    node.stop_kubelet();
    let (before, namesakes) = (node.pods(), node.namesakes());
    let began = Instant::now();
    let run = node.kuberescue(&["recover", "--yes", "--restart-timeout", "4s"]);
    assert_eq!(run.code, 4, "{run:?}");
    insta::assert_snapshot!(run.error(), @"
    error [restart-failed]: cannot restart the kubelet: none runs, and nothing has started one within 4 s
    hint: systemd does not run here: start the kubelet as this machine starts it, then run this again
    ");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((node.pods(), node.namesakes()), (before, namesakes));

    // Its files are in order; with the kubelet there again the same command does the rest.
    node.start_kubelet();
    recover(&node, &[]);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_was_interrupted_in_the_middle_is_finished_the_next_time() {
    let node = TestNode::expired_while_running(&["kube-scheduler"]);
    let (before, kubelet) = (node.pods(), node.kubelet_pid());
    let going = node.begin(&["recover", "--yes", "--grace", "20s"]);
    node.wait_until("all but the scheduler are back", PATIENCE, || {
        let pods = node.pods();
        let is_back = |name: &&str| pods.get(*name).is_some_and(|new| new.id != before[*name].id);
        (COMPONENTS.into_iter().filter(is_back).count() == 3).then_some(())
    });
    // Who comes second doesn't come between.
    let second = node.kuberescue(&["restart", "kube-apiserver", "--yes"]);
    assert_eq!(second.code, 2, "{second:?}");
    // A lost connection ends the waiting, and it says where it stands.
    node.signal_kuberescue("HUP");
    let run = going.end(&node, PATIENCE);
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.err.contains("[interrupted]"), "{run:?}");
    assert_eq!(node.running("kube-scheduler").as_ref(), before.get("kube-scheduler"));
    // A kill says nothing.
    let again = node.begin(&["recover", "--yes", "--grace", "20s"]);
    node.wait_until("it is at work again", PATIENCE, || {
        (!node.text("/var/lib/kuberescue/lock").is_empty()).then_some(())
    });
    node.signal_kuberescue("KILL");
    let run = again.end(&node, PATIENCE);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(node.running("kube-scheduler").as_ref(), before.get("kube-scheduler"));
    assert_ne!(node.kubelet_pid(), kubelet);

    let (between, kubelet, tree) = (node.pods(), node.kubelet_pid(), node.tree());
    let run = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    node.assert_green();
    let after = node.pods();
    for name in COMPONENTS {
        assert_eq!(after[name].id == between[name].id, name != "kube-scheduler", "{name}");
    }
    assert_eq!((node.kubelet_pid(), node.tree()), (kubelet, tree));
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_does_not_come_back_is_rolled_back_where_that_is_wished() {
    let node = TestNode::start("expired-all", &Options::default());
    wait_until_the_kubelet_dies(&node);
    // A kubelet that runs and reaches no API server: the node stays unknown.
    let path = node.path("/etc/kubernetes/kubelet.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(":6443"), "{text}");
    std::fs::write(&path, text.replace(":6443", ":6444")).unwrap();
    let before = node.tree();

    let arguments = ["recover", "--yes", "--rollback-on-failure", "--proof-timeout", "5s"];
    let run = node.kuberescue(&arguments);
    assert_eq!(run.code, 3, "{run:?}\n{}", node.story());
    assert_eq!(node.tree(), before);

    // Without that wish it stays, and a person is asked for.
    let run = node.kuberescue(&["recover", "--yes", "--proof-timeout", "2s"]);
    assert_eq!(run.code, 4, "{run:?}\n{}", node.story());
    assert_ne!(node.tree(), before);
    let (report, code) = node.probe();
    assert_eq!(code, 1, "{report:#}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_rollback_to_expired_files_a_restart_is_refused_and_what_runs_goes_on() {
    let node = TestNode::start("expired-all", &Options::default());
    let tree = node.tree();
    recover(&node, &[]);
    let (before, kubelet) = (node.pods(), node.kubelet_pid());
    assert_eq!(node.kuberescue(&["rollback", "--yes"]).code, 0);
    assert_eq!(node.tree(), tree);
    assert_eq!(node.probe().1, 1);

    let refused = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("[kubelet-certificate-expired]"), "{refused:?}");
    assert_eq!((node.pods(), node.kubelet_pid()), (before, kubelet));
    recover(&node, &[]);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_rollback_a_restart_reads_the_old_files_again() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let tree = node.tree();
    assert_eq!(node.kuberescue(&["certs", "renew", "all", "--kubelet", "--yes"]).code, 0);
    let run = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let (renewed, kubelet) = (node.pods(), node.kubelet_pid());
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));

    let back = node.kuberescue(&["rollback", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(node.tree(), tree);
    let (report, code) = node.probe();
    assert_eq!(code, 1, "{report:#}");
    let run = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert!(node.pods().iter().all(|(name, new)| new.id != renewed[name].id));
    assert_ne!(node.kubelet_pid(), kubelet);
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
    node.assert_green();
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn without_a_runtime_that_answers_nothing_is_changed() {
    let node = TestNode::start("expired-all", &Options::default());
    wait_until_the_kubelet_dies(&node);
    let before = node.tree();
    let refused = |run: &Run| {
        assert_eq!(run.code, 2, "{run:?}");
        assert_eq!(node.tree(), before);
        run.error()
    };
    let with_socket = |socket: &str| {
        let began = Instant::now();
        let run = node.kuberescue(&["recover", "--yes", "--cri-socket", &format!("unix://{socket}")]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        run
    };
    let mut said = refused(&with_socket("/run/none.sock")) + &refused(&with_socket("/etc/hostname"));

    let (silent, garbage) = ("/var/tmp/silent.sock", "/var/tmp/garbage.sock");
    let _silent = UnixListener::bind(node.path(silent)).unwrap();
    said += &refused(&with_socket(silent));
    let speaker = UnixListener::bind(node.path(garbage)).unwrap();
    std::thread::spawn(move || {
        for mut stream in speaker.incoming().flatten() {
            use std::io::Write as _;
            // Whoever has hung up already needs no more of it.
            let _heard = stream.write_all(&[0x47; 4096]);
        }
    });
    said += &refused(&with_socket(garbage));

    node.stop_containerd();
    said += &refused(&node.kuberescue(&["recover", "--yes"]));
    insta::assert_snapshot!(said, @"
    error [no-runtime]: cannot connect to /run/none.sock: no such socket
    hint: start the runtime: systemctl start containerd; if its socket is elsewhere, name the runtime's socket with --cri-socket unix:///PATH; or go without it: --restart=manifest, --restart=none
    error [no-runtime]: cannot connect to /etc/hostname: not a socket
    hint: name the runtime's socket with --cri-socket unix:///PATH; or go without it: --restart=manifest, --restart=none
    error [no-runtime]: cannot connect to /var/tmp/silent.sock: it accepts the connection, but does not answer within 5 s
    hint: see journalctl -u containerd; systemctl restart containerd leaves the containers running; or go without it: --restart=manifest, --restart=none
    error [no-runtime]: cannot connect to /var/tmp/garbage.sock: it does not speak gRPC and is no CRI socket
    hint: name the runtime's socket with --cri-socket unix:///PATH; or go without it: --restart=manifest, --restart=none
    error [no-runtime]: cannot connect to /run/containerd/containerd.sock: connection refused, the container runtime is not running
    hint: start the runtime: systemctl start containerd; if its socket is elsewhere, name the runtime's socket with --cri-socket unix:///PATH; or go without it: --restart=manifest, --restart=none
    ");
    assert!(!node.path("/var/lib/kuberescue").join("last.json").exists());
    node.start_containerd();
    let run = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn without_room_for_bytes_or_files_nothing_is_begun() {
    let node = TestNode::start("expired-all", &Options::default());
    wait_until_the_kubelet_dies(&node);
    let before = node.tree();
    node.must(&["mkdir", "/var/lib/kuberescue"]);
    let mut said = String::new();
    for limit in ["size=64k", "nr_inodes=8"] {
        node.must(&["mount", "-t", "tmpfs", "-o", limit, "tmpfs", "/var/lib/kuberescue"]);
        let run = node.kuberescue(&["recover", "--yes"]);
        assert_eq!(run.code, 2, "{run:?}");
        said += &run.error();
        assert_eq!(node.tree(), before);
        node.must(&["umount", "/var/lib/kuberescue"]);
    }
    let sizes = regex::Regex::new(r"\d[\d.]* [KM]iB").unwrap();
    insta::assert_snapshot!(sizes.replace_all(&said, "SIZE"), @"
    error [no-space]: cannot write to /var/lib/kuberescue: SIZE are free and SIZE needed; nothing was changed
    hint: make room; --archive-dir puts the archive elsewhere
    error [no-space]: cannot write to /var/lib/kuberescue: 7 more files can be made there (inodes) and 38 are needed; nothing was changed
    hint: df -i shows where the files are; make room
    ");
}
