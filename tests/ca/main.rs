//! `ca renew` and `recover --renew-cas`: CA certificates reissued with their own keys, judged by openssl, webpki and
//! kubectl.

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
mod judges;
mod replace;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;

use common::{
    KUBECONFIGS, Node, PAIRS, PKI, embedded, end_of, kept_fields, openssl, public_key_of_certificate,
};
use insta::assert_snapshot;

const CAS: [&str; 3] = ["ca", "etcd/ca", "front-proxy-ca"];
/// The CAs of every tree have expired.
const LATE: &str = "2037-06-01T00:00:00Z";

fn ca_of(node: &Node, name: &str) -> Vec<u8> {
    node.read(&format!("{PKI}/{name}.crt"))
}

/// The subject's key identifier, as openssl prints it.
fn identifier(certificate: &[u8]) -> String {
    openssl("x509 -noout -ext subjectKeyIdentifier", certificate)
}

#[test]
fn only_serial_number_dates_and_signature_of_a_ca_change() {
    for name in ["rsa2048", "ecdsa-p256", "v120-expired", "expired-ca"] {
        let (old, node) = (Node::of(name), Node::of(name));
        node.must("ca renew --yes --days 3651");
        let mut copies: Vec<_> = KUBECONFIGS.map(|name| format!("/etc/kubernetes/{name}")).into();
        copies.push("/etc/kubernetes/kubelet.conf".to_owned());
        copies.retain(|file| old.exists(file));
        for ca in CAS {
            let (before, after) = (ca_of(&old, ca), ca_of(&node, ca));
            assert_eq!(kept_fields(&before), kept_fields(&after), "{name} {ca}");
            assert_eq!(identifier(&before), identifier(&after), "{name} {ca}");
            assert_eq!(public_key_of_certificate(&before), public_key_of_certificate(&after), "{name} {ca}");
            assert_eq!(end_of(&after), "2036-11-22 00:00:00Z", "{name} {ca}");
        }
        for file in &copies {
            let copy = embedded(&node.text(file), "certificate-authority-data");
            assert_eq!(copy, ca_of(&node, "ca"), "{name} {file}");
        }
        copies.extend(CAS.map(|ca| format!("{PKI}/{ca}.crt")));
        copies.sort();
        assert_eq!(old.state().changed(&node.state()), copies, "{name}");
        let run = node.run("rollback --yes");
        assert_eq!(run.code, 0, "{run}");
        old.state().assert_same(&node.state(), name);
    }
}

#[test]
fn what_the_old_ca_has_signed_verifies_under_the_renewed_one() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let node = Node::of(name);
        node.must("ca renew --yes --days 3651");
        for pair in PAIRS {
            let (authority, leaf) = (node.path(&pair.authority()), node.path(&pair.certificate()));
            let arguments = format!(
                "verify -x509_strict -attime 1795478400 -CAfile {} {}",
                authority.display(),
                leaf.display()
            );
            assert!(openssl(&arguments, b"").ends_with(": OK\n"), "{name} {}", pair.name);
            judges::webpki_accepts(&node.read(&pair.authority()), &node.read(&pair.certificate()));
        }
    }
}

#[test]
fn a_node_whose_cas_have_expired_is_recovered_with_one_command() {
    for (name, at) in [("expired-ca", common::NOW), ("v120-expired", LATE), ("ecdsa-p256", LATE)] {
        let node = Node::of(name);
        let refused = node.refuses(&format!("recover --yes --accept-clock --at {at}"), "ca-expired");
        assert!(refused.err.contains("sudo kuberescue recover --renew-cas"), "{refused}");
        node.must(&format!("recover --renew-cas --yes --accept-clock --at {at}"));
        let after = node.run(&format!("diagnose -o json --at {at}"));
        let blockers =
            after.json()["findings"].as_array().unwrap().iter().any(|one| one["severity"] == "blocker");
        assert!(!blockers, "{name}\n{after}");
        for pair in PAIRS {
            let (authority, leaf) = (node.path(&pair.authority()), node.path(&pair.certificate()));
            let seconds = at.parse::<jiff::Timestamp>().unwrap().as_second();
            let arguments = format!(
                "verify -x509_strict -attime {seconds} -CAfile {} {}",
                authority.display(),
                leaf.display()
            );
            assert!(openssl(&arguments, b"").ends_with(": OK\n"), "{name} {}", pair.name);
        }
    }
}

#[test]
fn the_plan_names_every_copy_and_what_is_outside() {
    let node = Node::of("expired-ca");
    assert_snapshot!(node.screen("ca renew --dry-run"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew the CA ca with its own key: /etc/kubernetes/pki/ca.crt
        subject CN=kubernetes
        expires 2036-11-21 00:00 UTC (old: 2023-12-30 00:00 UTC)
        and its copies in /etc/kubernetes/admin.conf, /etc/kubernetes/controller-manager.conf, /etc/kubernetes/kubelet.conf, /etc/kubernetes/scheduler.conf, /etc/kubernetes/super-admin.conf
    - renew the CA etcd-ca with its own key: /etc/kubernetes/pki/etcd/ca.crt
        subject CN=etcd-ca
        expires 2036-11-21 00:00 UTC (old: 2023-12-30 00:00 UTC)
    - renew the CA front-proxy-ca with its own key: /etc/kubernetes/pki/front-proxy-ca.crt
        subject CN=front-proxy-ca
        expires 2036-11-21 00:00 UTC (old: 2023-12-30 00:00 UTC)
    Restart afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler

    Copies of the CAs elsewhere (manual action required):
      - etcd's clients on other machines (backups, monitoring): they have a copy of its CA; where there is one:
          scp /etc/kubernetes/pki/etcd/ca.crt HOST:FILE
      - the workers: they reject the API server until they have the renewed one; for each:
          sudo kuberescue bundle create --node NODE
          scp NODE.bundle.age NODE:
          ssh -t NODE sudo kuberescue bundle apply NODE.bundle.age
      - pods that use the API (CoreDNS, the network plug-in, operators): they trust the expired CA until they are restarted; after the rest:
          kubectl -n NAMESPACE rollout restart deployment,daemonset,statefulset
      - kubeconfigs on workstations and in CI: they have a copy of the CA:
          kuberescue kubeconfig install admin.conf --context CONTEXT
    Renewed by kuberescue:
      - ConfigMap cluster-info in kube-public, which kubeadm join reads: sudo kuberescue recover writes the new one when the API server answers.
    Renewed by Kubernetes:
      - ConfigMap kube-root-ca.crt of each namespace: kube-controller-manager writes the new one after its restart.
      - ConfigMap extension-apiserver-authentication in kube-system: kube-apiserver writes the new one after its restart.
    Dry run: everything was made and checked in memory, nothing was written.
    ");
    assert_snapshot!(node.screen("ca renew front-proxy-ca --yes"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew the CA front-proxy-ca with its own key: /etc/kubernetes/pki/front-proxy-ca.crt
        subject CN=front-proxy-ca
        expires 2036-11-21 00:00 UTC (old: 2023-12-30 00:00 UTC)
    Restart afterwards: kube-apiserver, kube-controller-manager

    Renewed by Kubernetes:
      - ConfigMap extension-apiserver-authentication in kube-system: kube-apiserver writes the new one after its restart.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Renewed with their own keys: front-proxy-ca
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Blocking problems that remain:
      ca-expired              etcd-ca, ca: expired on 2023-12-30 (1060 days ago)
      expired                 8 certificates expired on 2015-01-01 (4345 days ago): etcd-server, etcd-peer, apiserver-etcd-client and 5 more
      expired                 kubelet-client: expired on 2014-12-31 (4345 days ago)
      kubelet-crash-loop      kubelet: its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
    hint: sudo kuberescue diagnose
    ");
    let run = Node::of("expired-ca").must("ca renew etcd-ca --dry-run -o json");
    let json = run.json();
    assert_snapshot!(serde_json::to_string_pretty(&json["plan"]["authorities"]).unwrap(), @r#"
    [
      {
        "files": [
          "/etc/kubernetes/pki/etcd/ca.crt"
        ],
        "name": "etcd-ca",
        "new": {
          "notAfter": "2036-11-21T00:00:00Z",
          "notBefore": "2026-11-23T23:55:00Z"
        },
        "old": {
          "notAfter": "2023-12-30T00:00:00Z",
          "notBefore": "2013-12-31T23:55:00Z"
        },
        "path": "/etc/kubernetes/pki/etcd/ca.crt",
        "subject": "CN=etcd-ca"
      }
    ]
    "#);
    assert_snapshot!(serde_json::to_string_pretty(&json["outside"]).unwrap(), @r#"
    [
      {
        "commands": [
          "scp /etc/kubernetes/pki/etcd/ca.crt HOST:FILE"
        ],
        "how": "they have a copy of its CA; where there is one",
        "renewedBy": "administrator",
        "what": "etcd's clients on other machines (backups, monitoring)"
      }
    ]
    "#);
}

#[test]
fn diagnose_names_the_command() {
    let node = Node::of("expired-ca");
    let run = node.run("diagnose -o json");
    assert_eq!(run.json()["verdict"]["repair"], "kuberescue recover --renew-cas", "{run}");
    let node = Node::of("expired-ca");
    node.remove(&format!("{PKI}/etcd/ca.key"));
    assert_snapshot!(node.run("diagnose -o json").json()["verdict"]["obstacle"], @r#""cannot renew the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): its key /etc/kubernetes/pki/etcd/ca.key was not found [ca-key-missing]: copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca; --partial renews the rest""#);
}

#[test]
fn what_keeps_a_ca_from_being_renewed() {
    let healthy = || Node::of("ecdsa-p256");
    let mut screens = common::screen::Screens::default();
    let mut refused = |what: &str, code: &str, node: Node, arguments: &str| {
        let run = node.refuses(arguments, code);
        screens.add(what, &node.talk(&run));
    };
    let node = healthy();
    node.remove(&format!("{PKI}/ca.key"));
    refused("key missing", "ca-key-missing", node, "ca renew ca --yes");
    let node = healthy();
    node.write(&format!("{PKI}/ca.key"), node.read(&format!("{PKI}/etcd/ca.key")));
    refused("another key", "ca-key-mismatch", node, "ca renew ca --yes");
    let node = healthy();
    node.write(&format!("{PKI}/front-proxy-ca.crt"), "-----BEGIN CERTIFICATE-----\n");
    refused("certificate truncated", "ca-unreadable", node, "ca renew front-proxy-ca --yes");
    refused("fewer days", "nothing-to-renew", healthy(), "ca renew --days 30 --yes");
    let node = healthy();
    let data = embedded(&node.text("/etc/kubernetes/admin.conf"), "certificate-authority-data");
    let data = common::base64(&data);
    node.replace(
        "/etc/kubernetes/admin.conf",
        &data,
        &format!("|\n      {}\n      {}", &data[..76], &data[76..]),
    );
    refused("a copy on several lines", "not-replaceable", node, "ca renew ca --days 3651 --yes");
    let node = Node::of("expired-ca");
    node.remove(&format!("{PKI}/etcd/ca.key"));
    refused("one key of three is missing", "ca-key-missing", node, "recover --renew-cas --yes");
    assert_snapshot!(screens.0, @"
    ## key missing
    error [ca-key-missing]: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): its key /etc/kubernetes/pki/ca.key was not found
    hint: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca

    ## another key
    error [ca-key-mismatch]: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): its key /etc/kubernetes/pki/ca.key does not match its certificate
    hint: /etc/kubernetes/pki/ca.key belongs to another CA: find the key that matches /etc/kubernetes/pki/ca.crt; if there is none: sudo kuberescue ca replace ca

    ## certificate truncated
    error [ca-unreadable]: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): truncated: a PEM block starts and does not end
    hint: repair /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key from a backup

    ## fewer days
    error [nothing-to-renew]: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): it is valid until 2036-11-20 22:23 UTC already, and would expire earlier with 30 days
    error [nothing-to-renew]: cannot renew the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): it is valid until 2036-11-20 22:23 UTC already, and would expire earlier with 30 days
    error [nothing-to-renew]: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): it is valid until 2036-11-20 22:23 UTC already, and would expire earlier with 30 days
    hint: ask for more days: --days N

    ## a copy on several lines
    error [not-replaceable]: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): its copy in /etc/kubernetes/admin.conf cannot be replaced: certificate-authority-data is a block scalar or an alias, which cannot be replaced in place; write it on one line
    hint: write certificate-authority-data in /etc/kubernetes/admin.conf on one line

    ## one key of three is missing
    error [ca-key-missing]: cannot renew the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): its key /etc/kubernetes/pki/etcd/ca.key was not found
    hint: copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca; --partial renews the rest
    ");
    let usage = healthy().run("ca renew apiserver");
    assert_eq!(usage.code, 2, "{usage}");
    let aborted = healthy().run("ca renew --days 3651");
    aborted.fails(2, "not-confirmed");
}
