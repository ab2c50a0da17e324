//! The test node itself is as it says: without this no other story here would prove anything.

use std::time::Duration;

use crate::node::{COMPONENTS, Options, PATIENCE, TestNode};

const MANIFESTS: &str = "/etc/kubernetes/manifests";

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_healthy_node_comes_up_and_serves_what_is_on_disk() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();

    let nodes = node.kubectl(&["get", "nodes"]).out;
    assert!(nodes.contains("cp-1   Ready    control-plane"), "{nodes}");
    assert!(node.kubectl(&["get", "--raw", "/readyz?verbose"]).out.contains("[+]etcd ok"));
    assert_eq!(node.kubectl(&["get", "--raw", "/livez"]).out, "ok");

    let pki = "/etc/kubernetes/pki";
    let health = node.must(&[
        "etcdctl",
        "--endpoints=https://192.168.10.11:2379",
        &format!("--cacert={pki}/etcd/ca.crt"),
        &format!("--cert={pki}/etcd/healthcheck-client.crt"),
        &format!("--key={pki}/etcd/healthcheck-client.key"),
        "get",
        "--prefix",
        "--keys-only",
        "/registry",
    ]);
    assert!(health.contains("/registry/leases/kube-node-lease/cp-1"), "{health}");

    for (address, certificate) in [
        ("192.168.10.11:6443", "/etc/kubernetes/pki/apiserver.crt"),
        ("127.0.0.1:2379", "/etc/kubernetes/pki/etcd/server.crt"),
        ("192.168.10.11:2380", "/etc/kubernetes/pki/etcd/peer.crt"),
        ("127.0.0.1:10250", "/var/lib/kubelet/pki/kubelet.crt"),
    ] {
        assert_eq!(node.served(address), Some(node.on_disk(certificate)), "{address}");
    }
    for port in [10257, 10259] {
        assert!(node.served(&format!("127.0.0.1:{port}")).is_some(), "{port}");
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn clients_are_judged_as_by_the_real_api_server() {
    let node = TestNode::start("v120-expired", &Options::healthy());
    node.wait_ready();
    let ask = |path: &str, certificate: &str| {
        let line = format!(
            "printf 'GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | \
             openssl s_client -quiet -connect 192.168.10.11:6443 {certificate} 2>/dev/null"
        );
        node.exec(&["sh", "-c", &line]).out
    };
    assert!(ask("/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(ask("/api/v1/nodes", "").starts_with("HTTP/1.1 403"));
    // Of another CA.
    let pki = "/etc/kubernetes/pki";
    let other = format!("-cert {pki}/front-proxy-client.crt -key {pki}/front-proxy-client.key");
    let refused = ask("/api/v1/nodes", &other);
    assert!(
        refused.starts_with("HTTP/1.1 401") && refused.contains("\"reason\": \"Unauthorized\""),
        "{refused}"
    );
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn on_an_expired_node_that_was_rebooted_the_kubelet_does_not_start() {
    let node = TestNode::start("expired-all", &Options::default());
    let log = node.wait_until("the kubelet has been started twice", PATIENCE, || {
        let log = node.kubelet_log();
        (log.matches("exited with 1").count() >= 2).then_some(log)
    });
    assert!(
        log.contains("part of the existing bootstrap client certificate is expired: 2024-12-30"),
        "{log}"
    );
    assert!(
        log.contains(
            "failed to run Kubelet: unable to load bootstrap kubeconfig: \
             stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"
        ),
        "{log}"
    );
    assert_eq!(node.containers(), []);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn what_runs_serves_its_old_certificate_until_it_is_restarted() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let (address, certificate) = ("192.168.10.11:6443", "/etc/kubernetes/pki/apiserver.crt");
    let old = node.on_disk(certificate);

    let run = node.kuberescue(&["certs", "renew", "all", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    let new = node.on_disk(certificate);
    assert_ne!(old, new);
    assert_eq!(node.served(address).as_deref(), Some(old.as_str()));

    let server = node.running("kube-apiserver").unwrap();
    node.signal(&server, "SIGTERM");
    node.wait_until("the new certificate is served", PATIENCE, || {
        (node.served(address).as_deref() == Some(new.as_str())).then_some(())
    });
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_stopped_container_is_started_again_in_its_sandbox_and_its_neighbours_are_not() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let other = |node: &TestNode| {
        (node.running_in("kube-system", "etcd-defrag").unwrap(), node.running_in("default", "etcd").unwrap())
    };
    let others = other(&node);
    let before = node.running("etcd").unwrap();
    assert_eq!((before.pod.as_str(), before.attempt), ("etcd-cp-1", 0));

    node.signal(&before, "SIGTERM");
    let after = node
        .wait_until("etcd is back", PATIENCE, || node.running("etcd").filter(|after| after.id != before.id));

    let story = node.story();
    assert_eq!((&after.sandbox, &after.uid, after.attempt), (&before.sandbox, &before.uid, 1), "{story}");
    // The one that exited stays listed.
    assert!(node.containers().iter().any(|one| one.id == before.id && one.state == "exited"));
    assert_eq!(other(&node), others);
    let log = node.log("etcd");
    assert!(log.contains("received terminated signal, shutting down"), "{log}");
    // What is in etcd outlived it: the node needs no new lease.
    node.wait_ready();
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_second_stop_waits_for_the_back_off_which_a_restarted_kubelet_has_forgotten() {
    let node = TestNode::start("expired-all", &Options { backoff: Some(600), ..Options::healthy() });
    node.wait_ready();
    let next = |last: &str| {
        node.wait_until("the scheduler is back", PATIENCE, || {
            node.running("kube-scheduler").filter(|now| now.id != last)
        })
    };
    let first = node.running("kube-scheduler").unwrap();
    node.signal(&first, "SIGTERM");
    let second = next(&first.id);
    node.signal(&second, "SIGKILL");
    node.wait_until("the second one is down", PATIENCE, || {
        node.running("kube-scheduler").is_none().then_some(())
    });
    // Two rounds of the kubelet's loop.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(node.running("kube-scheduler"), None);

    let pid = node.kubelet_pid().unwrap();
    node.must(&["kill", &pid.to_string()]);
    node.wait_until("the supervisor has started another kubelet", PATIENCE, || {
        node.kubelet_pid().filter(|now| *now != pid)
    });
    assert_eq!(next(&second.id).attempt, 2);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_pod_goes_with_its_manifest_and_comes_back_with_it() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let (there, away) =
        (format!("{MANIFESTS}/kube-scheduler.yaml"), "/var/lib/kuberescue-away.yaml".to_owned());
    let before = node.running("kube-scheduler").unwrap();

    node.must(&["mv", &there, &away]);
    node.wait_until("the pod is gone", PATIENCE, || {
        node.containers().iter().all(|one| one.name != "kube-scheduler").then_some(())
    });
    node.must(&["mv", &away, &there]);
    let after = node.wait_until("the pod is back", PATIENCE, || node.running("kube-scheduler"));

    assert_eq!((&after.uid, after.attempt), (&before.uid, 0));
    assert_ne!(after.sandbox, before.sandbox);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_component_can_outlast_its_grace() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.set_stop("kube-scheduler", "never");
    node.wait_ready();
    let scheduler = node.running("kube-scheduler").unwrap();
    node.signal(&scheduler, "SIGTERM");
    node.wait_until("it heard the signal", PATIENCE, || {
        node.log("kube-scheduler").contains("received SIGTERM").then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(node.running("kube-scheduler"), Some(scheduler));
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn everything_runs_on_until_its_certificates_end_and_after_a_reboot_nothing_does() {
    let mut node = TestNode::ready_and_ending(12);
    // Known in memory only: the API server refuses what has expired.
    node.wait_until("kubectl is refused", PATIENCE, || {
        (node.kubectl(&["get", "nodes"]).code != 0).then_some(())
    });
    assert!(node.kubelet_pid().is_some());
    assert!(node.running("etcd").is_some());

    node.reboot();
    node.wait_until("the kubelet crash-loops", PATIENCE, || {
        node.kubelet_log().contains("client certificate is expired").then_some(())
    });
    let containers = node.containers();
    assert!(COMPONENTS.iter().all(|name| containers.iter().any(|one| one.name == *name)), "{containers:?}");
    assert!(containers.iter().all(|one| !one.is_running()), "{containers:?}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_runtime_can_lack_one_version_of_cri() {
    for (refused, spoken) in [("runtime.v1", "runtime.v1alpha2"), ("runtime.v1alpha2", "runtime.v1")] {
        let node = TestNode::start("expired-all", &Options { refuse: Some(refused), ..Options::healthy() });
        node.wait_ready();
        assert!(node.text("/var/lib/kubelet/kubeadm-flags.env").contains("unix:///run/testnode/cri.sock"));
        let ask = |version: &str| {
            node.exec(&[
                "/opt/testnode/bin/containers",
                "--socket=/run/testnode/cri.sock",
                &format!("--version={version}"),
            ])
        };
        assert!(ask(spoken).out.contains("kube-apiserver"));
        let run = ask(refused);
        assert!(run.err.contains(&format!("unknown service {refused}.RuntimeService")), "{run:?}");
    }
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn the_kubelet_and_containerd_can_be_down_while_containers_run() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let before = node.running("etcd").unwrap();
    node.stop_kubelet();
    node.stop_containerd();
    assert_ne!(node.exec(&["/opt/testnode/bin/containers"]).code, 0);
    assert_eq!(node.kubectl(&["get", "nodes"]).code, 0);
    node.start_containerd();
    assert_eq!(node.running("etcd"), Some(before));
    node.start_kubelet();
    node.wait_ready();
}
