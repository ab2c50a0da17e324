//! Other moments: what ends first, and what follows then.

use super::breakages::named;
use super::issuing::{API_SERVER, Wish, reissue};
use super::scene::{Diagnosis, disk};

#[test]
fn the_horizon_tells_what_ends_first_in_order() {
    let node = disk("ecdsa-p256");
    reissue(&node, "apiserver", &Wish { end: "20270301000000Z", ..API_SERVER });
    let run = node.run("diagnose -o json --horizon 2y");
    let found = Diagnosis::of(run);
    let expiries: Vec<(&str, &str)> = found.json["horizon"]
        .as_array()
        .unwrap()
        .iter()
        .map(|expiry| (expiry["at"].as_str().unwrap(), expiry["name"].as_str().unwrap()))
        .collect();
    // What ends in the same second falls in the order in which it is needed.
    assert_eq!(
        expiries,
        [
            ("2027-03-01T00:00:00Z", "apiserver"),
            ("2027-11-23T22:18:27Z", "kubelet-client"),
            ("2027-11-23T22:23:27Z", "etcd-server"),
            ("2027-11-23T22:23:27Z", "etcd-peer"),
            ("2027-11-23T22:23:27Z", "apiserver-etcd-client"),
            ("2027-11-23T22:23:27Z", "controller-manager.conf"),
            ("2027-11-23T22:23:27Z", "scheduler.conf"),
            ("2027-11-23T22:23:27Z", "apiserver-kubelet-client"),
            ("2027-11-23T22:23:27Z", "front-proxy-client"),
            ("2027-11-23T22:23:27Z", "kubelet-serving"),
            ("2027-11-23T22:23:27Z", "admin.conf"),
            ("2027-11-23T22:23:27Z", "super-admin.conf"),
            ("2027-11-23T22:23:27Z", "etcd-healthcheck-client"),
        ]
    );
    let text = node.run("diagnose --horizon 2y");
    let (_, next) = text.out.split_once("\nExpiring next:\n").unwrap_or_else(|| panic!("{text}"));
    insta::assert_snapshot!(next, @"
      2027-03-01 00:00 UTC  apiserver                  → every client rejects the API server: kubectl, kubelets, controller manager, scheduler
      2027-11-23 22:18 UTC  kubelet-client             → the API server rejects the kubelet: the node is NotReady, and pods are not updated (the kubelet renews it itself while the API server answers)
      2027-11-23 22:23 UTC  etcd-server                → the API server rejects etcd: nothing can be read or written
      2027-11-23 22:23 UTC  etcd-peer                  → etcd's members reject each other: with several there is no leader, and nothing can be written
      2027-11-23 22:23 UTC  apiserver-etcd-client      → etcd rejects kube-apiserver, which exits
      2027-11-23 22:23 UTC  controller-manager.conf    → the controller manager cannot work: no new pods, no CSRs signed, failed nodes not detected
      2027-11-23 22:23 UTC  scheduler.conf             → the scheduler cannot work: pods stay Pending
      2027-11-23 22:23 UTC  apiserver-kubelet-client   → kubelets reject the API server: no logs, no exec, no port-forward
      2027-11-23 22:23 UTC  front-proxy-client         → aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating
      2027-11-23 22:23 UTC  kubelet-serving            → kubectl logs and exec fail where the API server checks it; by default it does not
      2027-11-23 22:23 UTC  admin.conf                 → kubectl with admin.conf is rejected; the cluster continues
      2027-11-23 22:23 UTC  super-admin.conf           → kubectl with super-admin.conf is rejected; the cluster continues
      2027-11-23 22:23 UTC  etcd-healthcheck-client    → health checks of etcd with this certificate fail; etcd continues

    NEXT     nothing to do before 2027-03-01, when apiserver expires
    ");
    assert_eq!(
        Diagnosis::of(node.run("diagnose -o json --horizon 30d")).json["horizon"],
        serde_json::json!([])
    );
    let far = Diagnosis::of(node.run("diagnose -o json --horizon 20y"));
    let names: Vec<_> =
        far.json["horizon"].as_array().unwrap().iter().map(|expiry| expiry["name"].clone()).collect();
    assert_eq!(names[names.len() - 3..], ["etcd-ca", "ca", "front-proxy-ca"], "the CAs come last");
}

/// The same node at three moments of its life.
#[test]
fn a_node_is_asked_about_any_moment() {
    let node = disk("rsa2048");
    let codes = |time: &str| {
        let mut codes: Vec<_> =
            Diagnosis::at(&node, time).set().into_iter().map(|(code, _, _)| code).collect();
        codes.dedup();
        codes
    };
    assert_eq!(codes("2026-12-24"), Vec::<String>::new());
    assert_eq!(codes("2027-11-10"), ["expiring"]);
    assert_eq!(codes("2027-12-01"), ["expired", "kubelet-crash-loop", "kubelet-serving-expired"]);
    assert_eq!(
        codes("2035-12-01"),
        ["ca-expiring", "expired", "kubelet-crash-loop", "kubelet-serving-expired"]
    );
    assert_eq!(
        codes("2036-12-01"),
        ["ca-expired", "expired", "kubelet-crash-loop", "kubelet-serving-expired"]
    );
    assert_eq!(codes("2020-01-01"), ["ca-not-yet-valid", "not-yet-valid"]);
}

#[test]
fn exit_codes() {
    let broken = named("all expired").node();
    for (arguments, code) in [("diagnose", 1), ("diagnose -o json", 1), ("diagnose -v --horizon 2y", 1)] {
        assert_eq!(broken.run(arguments).code, code, "{arguments}");
    }
    // A note is no fault.
    let external = named("external etcd").node();
    assert_eq!(external.run("diagnose").code, 0);
    let empty = super::common::Node::empty();
    empty.run("diagnose").fails(2, "not-a-kubeadm-node");
    for wrong in ["diagnose --horizon soon", "diagnose --at yesterday", "diagnose -o picture"] {
        assert_eq!(broken.run_as_given(wrong).code, 2, "{wrong}");
    }
}
