//! Archives as an operator uses them: made, compared, verified, restored, with the history beside them.

mod common;
#[path = "archive/damage.rs"]
mod damage;
#[path = "archive/many.rs"]
mod many;

use std::path::{Path, PathBuf};

use common::screen::{Screens, screen};
use common::{Node, Run, etcd_database, fixture, kuberescue, run};
use insta::assert_snapshot;

/// Makes an archive of the node outside of it.
fn archive(node: &Node) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let made = node.must(&format!("archive create --archive-dir {}", directory.path().display()));
    (directory, PathBuf::from(made.out.trim()))
}

#[test]
fn a_renewed_node_differs_in_facts_and_in_bytes_and_is_restored_exactly() {
    let node = Node::of("expired-all");
    let old = node.state();
    let (_directory, file) = archive(&node);
    let file = file.display();
    let same = node.must(&format!("archive diff {file}"));
    assert_eq!(same.out, "No difference in 41 paths.\n");
    node.must("certs renew all");
    let new = node.state();
    let differs = node.run(&format!("archive diff {file}"));
    assert_snapshot!(node.shown(&differs), @"
    exit 1
    Credentials:
      admin.conf                 another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      apiserver                  another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      apiserver-etcd-client      another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      apiserver-kubelet-client   another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      controller-manager.conf    another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      etcd-healthcheck-client    another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      etcd-peer                  another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      etcd-server                another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      front-proxy-client         another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      scheduler.conf             another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      super-admin.conf           another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z
      kubelet-client             another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-30T23:55:00Z → 2027-11-24T00:00:00Z
      kubelet-serving            another certificate, another key: serial SERIAL → SERIAL; expires 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z; subject CN=cp-1@1704067200 → CN=cp-1@1795478400; issuer CN=cp-1-ca@1704067200 → CN=cp-1-ca@1795478400
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
      changed  /etc/kubernetes/controller-manager.conf  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.key  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.key  content (SIZE)
      changed  /etc/kubernetes/scheduler.conf  content (SIZE)
      changed  /etc/kubernetes/super-admin.conf  content (SIZE)
      added    /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem  mode 0600, owner 0:0
      changed  /var/lib/kubelet/pki/kubelet-client-current.pem  leads to /var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem → /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem
      changed  /var/lib/kubelet/pki/kubelet.crt  content (SIZE)
      changed  /var/lib/kubelet/pki/kubelet.key  content (SIZE)
    22 paths differ, 20 the same.
    ");
    let told = node.run(&format!("archive diff {file} -o json")).json();
    assert_eq!(told["credentials"].as_array().unwrap().len(), 13);
    assert_eq!(told["credentials"][0]["sameKey"], false);

    assert_snapshot!(node.screen(&format!("archive restore {file} --exact --dry-run")), @"
    exit 0
    Restore of cp-1: 22 paths change, 20 the same
    Credentials:
      admin.conf                 another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      apiserver                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      apiserver-etcd-client      another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      apiserver-kubelet-client   another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      controller-manager.conf    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      etcd-healthcheck-client    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      etcd-peer                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      etcd-server                another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      front-proxy-client         another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      scheduler.conf             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      super-admin.conf           another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z
      kubelet-client             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-30T23:55:00Z
      kubelet-serving            another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2024-12-31T00:00:00Z; subject CN=cp-1@1795478400 → CN=cp-1@1704067200; issuer CN=cp-1-ca@1795478400 → CN=cp-1-ca@1704067200
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
      changed  /etc/kubernetes/controller-manager.conf  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.key  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.key  content (SIZE)
      changed  /etc/kubernetes/scheduler.conf  content (SIZE)
      changed  /etc/kubernetes/super-admin.conf  content (SIZE)
      removed  /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem
      changed  /var/lib/kubelet/pki/kubelet-client-current.pem  leads to /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem → /var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem
      changed  /var/lib/kubelet/pki/kubelet.crt  content (SIZE)
      changed  /var/lib/kubelet/pki/kubelet.key  content (SIZE)
    NOTE: expired in the archive: 11 certificates; kuberescue recover renews them afterwards
    To be restarted afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    Dry run: nothing was written.
    ");
    new.assert_same(&node.state(), "a dry run");
    node.must(&format!("archive restore {file} --exact --yes"));
    old.assert_same(&node.state(), "restored");
    node.must(&format!("archive diff {file}"));
    assert_snapshot!(node.screen(&format!("archive restore {file} --exact --yes")), @"
    exit 0
    Restore of cp-1: 0 paths change, 41 the same
    NOTE: expired in the archive: 11 certificates; kuberescue recover renews them afterwards
    Nothing to restore: the node is in the state of the archive.
    ");
    node.must("rollback --yes");
    new.assert_same(&node.state(), "the restore was undone");
}

#[test]
fn keys_that_stay_are_said_to_stay() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    node.must("certs renew apiserver --reuse-keys");
    assert_snapshot!(node.screen(&format!("archive diff {}", file.display())), @"
    exit 1
    Credentials:
      apiserver                  another certificate, the same key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
    Paths:
      changed  /etc/kubernetes/pki/apiserver.crt  content (SIZE)
    1 path differs, 40 the same.
    ");
}

#[test]
fn two_archives_are_compared_without_a_node() {
    let (here, there) = (fixture("rsa2048"), fixture("expired-all"));
    let mut command = kuberescue();
    command.args(["archive", "diff"]).args([&here, &there]);
    assert_snapshot!(screen(here.parent().unwrap(), &run(command)), @"
    exit 1
    Credentials:
      ca                         another certificate, another key: serial SERIAL → SERIAL; expires 2036-11-20T22:23:25Z → 2033-12-29T00:00:00Z
      etcd-ca                    another certificate, another key: serial SERIAL → SERIAL; expires 2036-11-20T22:23:25Z → 2033-12-29T00:00:00Z
      front-proxy-ca             another certificate, another key: serial SERIAL → SERIAL; expires 2036-11-20T22:23:25Z → 2033-12-29T00:00:00Z
      sa                         a key pair without certificate, another key
      admin.conf                 another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      apiserver                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      apiserver-etcd-client      another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      apiserver-kubelet-client   another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      controller-manager.conf    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      etcd-healthcheck-client    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      etcd-peer                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      etcd-server                another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      front-proxy-client         another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      scheduler.conf             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      super-admin.conf           another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z
      kubelet-client             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:18:25Z → 2024-12-30T23:55:00Z
      kubelet-serving            another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:25Z → 2024-12-31T00:00:00Z; subject CN=cp-1@1795472605 → CN=cp-1@1704067200; issuer CN=cp-1-ca@1795472605 → CN=cp-1-ca@1704067200
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
      changed  /etc/kubernetes/controller-manager.conf  content (SIZE)
      changed  /etc/kubernetes/kubelet.conf  content (SIZE)
      changed  /etc/kubernetes/manifests/etcd.yaml  time 2026-11-23T22:23:26Z → 2026-11-23T22:23:54Z
      changed  /etc/kubernetes/manifests/kube-apiserver.yaml  time 2026-11-23T22:23:26Z → 2026-11-23T22:23:54Z
      changed  /etc/kubernetes/manifests/kube-controller-manager.yaml  time 2026-11-23T22:23:26Z → 2026-11-23T22:23:54Z
      changed  /etc/kubernetes/manifests/kube-scheduler.yaml  time 2026-11-23T22:23:26Z → 2026-11-23T22:23:54Z
      changed  /etc/kubernetes/pki/apiserver-etcd-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.key  content (SIZE)
      changed  /etc/kubernetes/pki/ca.crt  content (SIZE)
      changed  /etc/kubernetes/pki/ca.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/ca.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/ca.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.key  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-ca.crt  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-ca.key  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/sa.key  content (SIZE)
      changed  /etc/kubernetes/pki/sa.pub  content (SIZE)
      changed  /etc/kubernetes/scheduler.conf  content (SIZE)
      changed  /etc/kubernetes/super-admin.conf  content (SIZE)
      changed  /var/lib/kubelet/config.yaml  time 2026-11-23T22:23:26Z → 2026-11-23T22:23:54Z
      added    /var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem  mode 0600, owner 0:0
      removed  /var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-25.pem
      changed  /var/lib/kubelet/pki/kubelet-client-current.pem  leads to /var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-25.pem → /var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem
      changed  /var/lib/kubelet/pki/kubelet.crt  content (SIZE)
      changed  /var/lib/kubelet/pki/kubelet.key  content (SIZE)
    37 paths differ, 5 the same.
    ");
    let mut command = kuberescue();
    command.args(["archive", "diff"]).args([&here, &here]);
    assert_eq!(run(command).code, 0);
}

#[test]
fn what_the_archive_does_not_know_stays_unless_asked_otherwise() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    node.write("/etc/kubernetes/pki/mine.crt", "mine");
    node.write("/etc/kubernetes/admin.conf", "broken");
    assert_snapshot!(node.screen(&format!("archive restore {} --yes", file.display())), @"
    exit 0
    Restore of cp-1: 1 path changes, 40 the same
    Credentials:
      admin.conf                 unreadable (not a kubeconfig: line 1, column 1: a value has another type than expected) → certificate 5c8428c993bf9c6a until 2027-11-23T22:23:27Z
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
    Not in the archive, and stays (--exact removes it) (1):
      /etc/kubernetes/pki/mine.crt
    Restored: the node is in the state of the archive.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: sudo kuberescue rollback undoes this, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    assert!(node.exists("/etc/kubernetes/pki/mine.crt"));
    node.must(&format!("archive restore {} --yes --exact", file.display()));
    assert!(!node.exists("/etc/kubernetes/pki/mine.crt"));
}

#[test]
fn an_empty_disk_becomes_the_node() {
    let from = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&from);
    let onto = Node::empty();
    onto.must(&format!("archive restore {} --yes", file.display()));
    let strangers = from.state().changed(&onto.state());
    // What the archive doesn't hold.
    assert_eq!(strangers, ["/kubeadm.yaml"]);
    onto.must("certs check-expiration");
    onto.must("rollback --yes");
    assert_eq!(onto.state().changed(&Node::empty().state()), Vec::<String>::new());
}

#[test]
fn a_plain_tar_is_restored_as_far_as_it_concerns_a_node() {
    let onto = Node::empty();
    let file = fixture("ecdsa-p256");
    let here = env!("CARGO_MANIFEST_DIR");
    let restored = onto.screen(&format!("archive restore {} --yes", file.display()));
    assert_snapshot!(restored.replace(here, "HERE"), @"
    exit 0
    Restore of cp-1: 43 paths change, 0 the same
    Credentials:
      ca                         missing → certificate 7d163a43af8723a7 until 2036-11-20T22:23:27Z
      etcd-ca                    missing → certificate 178e9b0b387d00c5 until 2036-11-20T22:23:27Z
      front-proxy-ca             missing → certificate 4c368aa22ab325b3 until 2036-11-20T22:23:27Z
      sa                         missing → there
      admin.conf                 missing → certificate 5c8428c993bf9c6a until 2027-11-23T22:23:27Z
      apiserver                  missing → certificate 7d41ca95752db028 until 2027-11-23T22:23:27Z
      apiserver-etcd-client      missing → certificate 348459eae4b491d6 until 2027-11-23T22:23:27Z
      apiserver-kubelet-client   missing → certificate 5df841905e2b4de0 until 2027-11-23T22:23:27Z
      controller-manager.conf    missing → certificate 6f46fcbca0469082 until 2027-11-23T22:23:27Z
      etcd-healthcheck-client    missing → certificate 5226c51355462381 until 2027-11-23T22:23:27Z
      etcd-peer                  missing → certificate 782287efdaf7dfa7 until 2027-11-23T22:23:27Z
      etcd-server                missing → certificate 68df3c6599535407 until 2027-11-23T22:23:27Z
      front-proxy-client         missing → certificate 3c75c6cac1c12b98 until 2027-11-23T22:23:27Z
      scheduler.conf             missing → certificate 23ce7b32e644c9d2 until 2027-11-23T22:23:27Z
      super-admin.conf           missing → certificate 4d9013c66716b5b0 until 2027-11-23T22:23:27Z
      kubelet-client             missing → certificate 5816d700b16ee019150cd94e17b73098 until 2027-11-23T22:18:27Z
      kubelet-serving            missing → certificate 1136bf0978d74602 until 2027-11-23T22:23:27Z
    Paths:
      added    /etc  mode 0755, owner 0:0
      added    /etc/kubernetes  mode 0755, owner 0:0
      added    /etc/kubernetes/admin.conf  mode 0600, owner 0:0
      added    /etc/kubernetes/controller-manager.conf  mode 0600, owner 0:0
      added    /etc/kubernetes/kubelet.conf  mode 0600, owner 0:0
      added    /etc/kubernetes/manifests  mode 0700, owner 0:0
      added    /etc/kubernetes/manifests/etcd.yaml  mode 0600, owner 0:0
      added    /etc/kubernetes/manifests/kube-apiserver.yaml  mode 0600, owner 0:0
      added    /etc/kubernetes/manifests/kube-controller-manager.yaml  mode 0600, owner 0:0
      added    /etc/kubernetes/manifests/kube-scheduler.yaml  mode 0600, owner 0:0
      added    /etc/kubernetes/pki  mode 0755, owner 0:0
      added    /etc/kubernetes/pki/apiserver-etcd-client.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/apiserver-etcd-client.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/apiserver-kubelet-client.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/apiserver-kubelet-client.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/apiserver.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/apiserver.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/ca.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/ca.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/etcd  mode 0755, owner 0:0
      added    /etc/kubernetes/pki/etcd/ca.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/etcd/ca.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/etcd/healthcheck-client.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/etcd/healthcheck-client.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/etcd/peer.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/etcd/peer.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/etcd/server.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/etcd/server.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/front-proxy-ca.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/front-proxy-ca.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/front-proxy-client.crt  mode 0644, owner 0:0
      added    /etc/kubernetes/pki/front-proxy-client.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/sa.key  mode 0600, owner 0:0
      added    /etc/kubernetes/pki/sa.pub  mode 0600, owner 0:0
      added    /etc/kubernetes/scheduler.conf  mode 0600, owner 0:0
      added    /etc/kubernetes/super-admin.conf  mode 0600, owner 0:0
      added    /var/lib/kubelet  mode 0755, owner 0:0
      added    /var/lib/kubelet/config.yaml  mode 0600, owner 0:0
      added    /var/lib/kubelet/pki  mode 0755, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem  mode 0600, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-current.pem  owner 0:0
      added    /var/lib/kubelet/pki/kubelet.crt  mode 0644, owner 0:0
      added    /var/lib/kubelet/pki/kubelet.key  mode 0600, owner 0:0
    In the archive, and not restored (1):
      /kubeadm.yaml: nothing that a kubeadm node's credentials depend on
    NOTE: not made by kuberescue: there was no digest to check its content against
    To be restarted afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    Restored: the node is in the state of the archive.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/node-TIME.tar.gz
    hint: sudo kuberescue rollback undoes this, from ROOT/var/lib/kuberescue/node-TIME.tar.gz
    ");
    assert!(!onto.exists("/kubeadm.yaml"));
    onto.must("certs check-expiration");
    let exact =
        onto.refuses(&format!("archive restore {} --yes --exact", file.display()), "exact-needs-own-archive");
    assert_snapshot!(onto.talk(&exact).replace(here, "HERE"), @"
    error [exact-needs-own-archive]: --exact removes what the archive doesn't know, and a plain tar may hold only a part of a node
    hint: leave --exact out; what stays is named in the plan
    ");
}

#[test]
fn an_archive_of_another_node_is_refused() {
    let (other, node) = (Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    for file in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        let path = format!("/etc/kubernetes/manifests/{file}.yaml");
        if other.text(&path).contains("cp-1") {
            other.replace(&path, "cp-1", "cp-2");
        }
    }
    other.remove("/var/lib/kubelet/pki");
    other.remove("/etc/kubernetes/kubelet.conf");
    let (_directory, file) = archive(&other);
    let refused =
        node.refuses(&format!("archive restore {} --yes", file.display()), "archive-of-another-node");
    assert_snapshot!(node.shown(&refused), @"
    exit 5
    Restore of cp-2: 1 path changes, 34 the same
    Paths:
      changed  /etc/kubernetes/manifests/etcd.yaml  content (SIZE)
    Not in the archive, and stays (--exact removes it) (5):
      /etc/kubernetes/kubelet.conf
      /var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem
      /var/lib/kubelet/pki/kubelet-client-current.pem
      /var/lib/kubelet/pki/kubelet.crt
      /var/lib/kubelet/pki/kubelet.key
    error [archive-of-another-node]: the archive is of node cp-2, and this is node cp-1: its certificates would not be valid here
    hint: take an archive of this node (kuberescue archive list); if the node was renamed on purpose: --accept-node
    ");
    node.must(&format!("archive restore {} --yes --accept-node", file.display()));
}

#[test]
fn a_broken_archive_and_no_archive_change_nothing() {
    let node = Node::of("ecdsa-p256");
    let (directory, file) = archive(&node);
    damage::change(&file, "etc/kubernetes/pki/apiserver.key");
    let before = node.state();
    let mut told = Screens::default();
    for what in [file.clone(), directory.path().join("none"), directory.path().to_owned()] {
        for command in ["restore --yes", "diff"] {
            let (verb, flags) = command.split_once(' ').unwrap_or((command, ""));
            told.add(command, &node.screen(&format!("archive {verb} {} {flags}", what.display())));
        }
    }
    assert_snapshot!(told.0, @"
    ## restore --yes
    exit 1
    error [archive-damaged]: cannot read the archive DIR/cp-1-TIME.tar.gz: etc/kubernetes/pki/apiserver.key: its content is not what the manifest's digest says
    hint: sudo kuberescue archive list

    ## diff
    exit 1
    error [archive-damaged]: cannot read the archive DIR/cp-1-TIME.tar.gz: etc/kubernetes/pki/apiserver.key: its content is not what the manifest's digest says
    hint: sudo kuberescue archive list

    ## restore --yes
    exit 2
    error [no-archive]: cannot read the archive DIR/none: not found
    hint: sudo kuberescue archive list

    ## diff
    exit 2
    error [no-archive]: cannot read the archive DIR/none: not found
    hint: sudo kuberescue archive list

    ## restore --yes
    exit 2
    error [file-error]: cannot open DIR: not a file
    hint: nothing was changed; run the same command again once the cause is gone

    ## diff
    exit 2
    error [file-error]: cannot open DIR: not a file
    hint: nothing was changed; run the same command again once the cause is gone
    ");
    before.assert_identical(&node.state(), "refused");
}

#[test]
fn nobody_is_asked_and_nothing_is_restored() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    node.write("/etc/kubernetes/admin.conf", "broken");
    let before = node.state();
    assert_snapshot!(node.screen(&format!("archive restore {}", file.display())), @"
    exit 2
    Restore of cp-1: 1 path changes, 40 the same
    Credentials:
      admin.conf                 unreadable (not a kubeconfig: line 1, column 1: a value has another type than expected) → certificate 5c8428c993bf9c6a until 2027-11-23T22:23:27Z
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    ");
    before.assert_same(&node.state(), "not asked");
}

#[test]
fn verify_checks_every_archive_and_the_history() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew all");
    node.must("certs renew apiserver --accept-clock");
    assert_snapshot!(node.screen("archive verify --at 2026-11-24"), @"
    exit 0
    Archives in ROOT/var/lib/kuberescue
    ARCHIVE                          NODE      MADE (UTC)         STATE     WHY
    cp-1-TIME-2.tar.gz   cp-1      2026-11-24 00:00   READY
    cp-1-TIME.tar.gz     cp-1      2026-11-24 00:00   READY
    2 archives: 2 READY

    history: 2 changes since TIME: intact
      TIME  uid UID  kuberescue certs renew all --at 2026-11-24T00:00:00Z --root ROOT (18 paths)
      TIME  uid UID  kuberescue certs renew apiserver --accept-clock --at 2026-11-24T00:00:00Z --root ROOT (2 paths)
    ");
    let good = node.must("archive verify -o json --at 2026-11-24").json();
    assert_eq!(good["history"]["records"].as_array().unwrap().len(), 2);

    let log = "/var/lib/kuberescue/history.jsonl";
    let whole = node.text(log);
    node.write(log, whole.replace("certs renew all", "certs renew ALL"));
    assert_snapshot!(node.screen("archive verify --at 2026-11-24"), @"
    exit 1
    Archives in ROOT/var/lib/kuberescue
    ARCHIVE                          NODE      MADE (UTC)         STATE     WHY
    cp-1-TIME-2.tar.gz   cp-1      2026-11-24 00:00   READY
    cp-1-TIME.tar.gz     cp-1      2026-11-24 00:00   READY
    2 archives: 2 READY

    history: 2 changes since TIME: DAMAGED
      /var/lib/kuberescue/history.jsonl, line 2: the record before it is another one than when it was written
      TIME  uid UID  kuberescue certs renew ALL --at 2026-11-24T00:00:00Z --root ROOT (18 paths)
      TIME  uid UID  kuberescue certs renew apiserver --accept-clock --at 2026-11-24T00:00:00Z --root ROOT (2 paths)
    ");
    node.write(log, &whole);

    // Another archive under the name that the history knows.
    let names = |node: &Node| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(node.path("/var/lib/kuberescue")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect();
        paths.sort();
        paths
    };
    let archives = names(&node);
    let (_directory, other) = archive(&node);
    std::fs::copy(other, &archives[0]).unwrap();
    let other = node.screen("archive verify --at 2026-11-24");
    // It was made by the clock.
    let made = regex::Regex::new(r"(TIME-2\.tar\.gz +cp-1 +)\S+ \S+").unwrap();
    assert_snapshot!(made.replace(&other, "${1}NOW"), @"
    exit 1
    Archives in ROOT/var/lib/kuberescue
    ARCHIVE                          NODE      MADE (UTC)         STATE     WHY
    cp-1-TIME.tar.gz     cp-1      2026-11-24 00:00   READY
    cp-1-TIME-2.tar.gz   cp-1      NOW   READY
    2 archives: 2 READY

    history: 2 changes since TIME: DAMAGED
      ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz: intact, but not the file that the history records
      TIME  uid UID  kuberescue certs renew all --at 2026-11-24T00:00:00Z --root ROOT (18 paths)
      TIME  uid UID  kuberescue certs renew apiserver --accept-clock --at 2026-11-24T00:00:00Z --root ROOT (2 paths)
    ");

    std::fs::write(&archives[0], "no archive").unwrap();
    let run = node.run("archive verify --at 2026-11-24");
    assert_snapshot!(node.shown(&run), @"
    exit 1
    Archives in ROOT/var/lib/kuberescue
    ARCHIVE                          NODE      MADE (UTC)         STATE     WHY
    cp-1-TIME.tar.gz     cp-1      2026-11-24 00:00   READY
    cp-1-TIME-2.tar.gz   -         -                  DAMAGED   truncated, or no tar archive
    2 archives: 1 READY, 1 DAMAGED

    history: 2 changes since TIME: intact
      TIME  uid UID  kuberescue certs renew all --at 2026-11-24T00:00:00Z --root ROOT (18 paths)
      TIME  uid UID  kuberescue certs renew apiserver --accept-clock --at 2026-11-24T00:00:00Z --root ROOT (2 paths)
    hint: kuberescue explain archive-damaged
    ");
}

#[test]
fn a_linked_directory_is_restored_where_it_leads() {
    let node = Node::of("ecdsa-p256");
    node.rename("/etc/kubernetes", "/opt/k8s");
    node.link("/etc/kubernetes", "/opt/k8s");
    let (_directory, file) = archive(&node);
    let old = node.state();
    node.must("certs renew all --accept-clock");
    assert_snapshot!(node.screen(&format!("archive restore {} --yes --exact", file.display())), @"
    exit 0
    Restore of cp-1: 18 paths change, 24 the same
    Credentials:
      admin.conf                 another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      apiserver                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      apiserver-etcd-client      another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      apiserver-kubelet-client   another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      controller-manager.conf    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      etcd-healthcheck-client    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      etcd-peer                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      etcd-server                another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      front-proxy-client         another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      scheduler.conf             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
      super-admin.conf           another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-11-23T22:23:27Z
    Paths:
      changed  /opt/k8s/admin.conf  content (SIZE)
      changed  /opt/k8s/controller-manager.conf  content (SIZE)
      changed  /opt/k8s/pki/apiserver-etcd-client.crt  content (SIZE)
      changed  /opt/k8s/pki/apiserver-etcd-client.key  content (SIZE)
      changed  /opt/k8s/pki/apiserver-kubelet-client.crt  content (SIZE)
      changed  /opt/k8s/pki/apiserver-kubelet-client.key  content (SIZE)
      changed  /opt/k8s/pki/apiserver.crt  content (SIZE)
      changed  /opt/k8s/pki/apiserver.key  content (SIZE)
      changed  /opt/k8s/pki/etcd/healthcheck-client.crt  content (SIZE)
      changed  /opt/k8s/pki/etcd/healthcheck-client.key  content (SIZE)
      changed  /opt/k8s/pki/etcd/peer.crt  content (SIZE)
      changed  /opt/k8s/pki/etcd/peer.key  content (SIZE)
      changed  /opt/k8s/pki/etcd/server.crt  content (SIZE)
      changed  /opt/k8s/pki/etcd/server.key  content (SIZE)
      changed  /opt/k8s/pki/front-proxy-client.crt  content (SIZE)
      changed  /opt/k8s/pki/front-proxy-client.key  content (SIZE)
      changed  /opt/k8s/scheduler.conf  content (SIZE)
      changed  /opt/k8s/super-admin.conf  content (SIZE)
    To be restarted afterwards: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    Restored: the node is in the state of the archive.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: sudo kuberescue rollback undoes this, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    old.assert_same(&node.state(), "restored");
    let onto = Node::empty();
    onto.must(&format!("archive restore {} --yes", file.display()));
    onto.must("certs check-expiration");
    onto.must(&format!("archive diff {}", file.display()));
}

/// `archive verify` of a tree's tar at this time.
fn verified(tree: &str, more: &str) -> Run {
    let mut command = kuberescue();
    let empty = tempfile::tempdir().unwrap();
    command.args(["archive", "verify"]).arg(fixture(tree)).args(more.split_whitespace());
    command.arg("--root").arg(empty.path());
    let run = run(command);
    Run { out: run.out.replace(fixture(tree).to_str().unwrap(), "ARCHIVE"), ..run }
}

#[test]
fn verify_says_in_three_words_what_diagnose_says() {
    for tree in ["rsa2048", "expired-all", "v120-expired", "mixed", "expired-ca", "external-ca"] {
        let told = verified(tree, "-o json --at 2026-11-24");
        let item = told.json()["items"][0].clone();
        let mut command = kuberescue();
        command.args(["diagnose", "-o", "json", "--at", "2026-11-24", "--root"]).arg(fixture(tree));
        let diagnosis = run(command).json();
        let codes = |findings: &serde_json::Value| -> Vec<String> {
            findings.as_array().unwrap().iter().map(|finding| finding["code"].to_string()).collect()
        };
        assert_eq!(codes(&item["findings"]), codes(&diagnosis["findings"]), "{tree}");
        let blocked = diagnosis["findings"].as_array().unwrap().iter().any(|f| f["severity"] == "blocker");
        let word = match (blocked, diagnosis["verdict"]["repair"].is_string()) {
            (false, _) => "READY",
            (true, true) => "RECOVERABLE",
            (true, false) => "NOT_RECOVERABLE",
        };
        assert_eq!(item["readiness"], word, "{tree}");
        assert_eq!(told.code, i32::from(word != "READY"), "{tree}: {told}");
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn verify_screens() {
    let ready = verified("rsa2048", "--at 2026-11-24");
    assert_snapshot!(first_line(&ready.out), @"ARCHIVE: READY");
    // A healthy node whose CA key is elsewhere works.
    let external = verified("external-ca", "--at 2026-11-24");
    assert_snapshot!(first_line(&external.out), @"ARCHIVE: READY");
    let expired = verified("expired-all", "--at 2026-11-24");
    assert_snapshot!(first_line(&expired.out), @"ARCHIVE: RECOVERABLE (with: kuberescue recover)");
    let ca = verified("expired-ca", "--at 2026-11-24");
    assert_snapshot!(first_line(&ca.out), @"ARCHIVE: RECOVERABLE (with: kuberescue recover --renew-cas)");
    assert_eq!((ready.code, ca.code, expired.code), (0, 1, 1), "{ca}");
}

#[test]
fn a_partial_tar_says_what_it_holds() {
    let node = Node::of("rsa2048");
    node.remove("/var/lib/kubelet");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("etc.tar");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-cf").arg(&file).arg("-C").arg(node.root()).arg("etc");
    assert!(tar.status().unwrap().success());
    let mut command = kuberescue();
    command.args(["archive", "verify", "--at", "2026-11-24"]).arg(&file).arg("--root").arg(directory.path());
    assert_snapshot!(screen(directory.path(), &run(command)), @"
    exit 1
    ROOT/etc.tar: NOT RECOVERABLE (kubelet: /var/lib/kubelet/config.yaml not found; reissuing certificates does not repair this [kubelet-config-missing]: Copy it from another node of the same version: scp NODE:/var/lib/kubelet/config.yaml /var/lib/kubelet/config.yaml; then systemctl restart kubelet. To go on all the same: --accept kubelet-config-missing)
      36 entries, SIZE; not created by kuberescue: no digests to compare with
      scope: only /etc/kubernetes/pki, /etc/kubernetes/manifests; not in the archive: /var/lib/kubelet
    Blocking problems (root cause first):
      kubelet-link-missing    kubelet-client: not found
      kubelet-config-missing  kubelet: /var/lib/kubelet/config.yaml not found
      kubelet-crash-loop      kubelet: its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
    ");
}

#[test]
fn no_archive_is_an_error() {
    let node = Node::of("rsa2048");
    let show = |run: Run| run.to_string().replace(node.root().to_str().unwrap(), "ROOT");
    assert_snapshot!(show(node.run("archive verify")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot verify: no archive of ROOT found
    hint: sudo kuberescue archive create
    ");
    assert_snapshot!(show(node.run("archive list")), @r"
    exit 0
    --- stdout
    --- stderr
    No archives found.
    hint: sudo kuberescue archive create
    ");
    assert_snapshot!(show(node.run("archive list --archive-dir /nowhere")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot read the archive /nowhere: not found
    hint: sudo kuberescue archive list
    ");
    assert_snapshot!(show(node.run("archive verify /nowhere")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot read the archive /nowhere: not found
    hint: sudo kuberescue archive list
    ");
    assert_snapshot!(show(node.run("resume")), @r"
    exit 0
    --- stdout
    Nothing to resume: no change was interrupted.
    --- stderr
    ");
    assert_snapshot!(show(node.run("rollback --yes")), @r"
    exit 0
    --- stdout
    Nothing to roll back: kuberescue has changed nothing here, or it was rolled back already.
    --- stderr
    ");
}

#[test]
fn an_archive_that_lacks_something_says_so_at_the_end() {
    let node = Node::of("rsa2048");
    let fifo = node.path("/etc/kubernetes/pki/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let made = node.run(&format!("archive create --archive-dir {}", directory.path().display()));
    assert_snapshot!(format!("exit {}\n{}", made.code, made.err), @r"
    exit 4
    Read back and verified. The archive holds private keys: protect it like the node itself.
    Not in the archive (1 path):
      /etc/kubernetes/pki/fifo: a FIFO, not a file
    ");
}

#[test]
fn documents_have_the_envelope() {
    let node = Node::of("expired-all");
    let created = node.must("archive create -o json").json();
    assert_eq!((&created["apiVersion"], &created["kind"]), (&"kuberescue/v1".into(), &"Archive".into()));
    node.must("certs renew all");
    for (command, kind) in [
        ("archive list -o json", "ArchiveList"),
        ("archive verify -o json --at 2026-11-24", "ArchiveVerification"),
        ("resume -o json", "ResumeResult"),
        ("rollback --dry-run -o json", "RollbackResult"),
        ("rollback --yes -o json", "RollbackResult"),
    ] {
        let run = node.run(command);
        let document = run.json();
        assert_eq!(document["apiVersion"], "kuberescue/v1", "{run}");
        assert_eq!(document["kind"], kind, "{run}");
        assert!(document["items"].is_array() && document["time"].is_string(), "{run}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An archive of ours with more entries, and a manifest that fits: `(kind, path, mode, content or target)`.
fn forged(archive: &Path, more: &[(char, &str, u32, &str)]) -> PathBuf {
    use std::io::Read as _;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(archive).unwrap()));
    let mut manifest = serde_json::Value::Null;
    let mut entries = std::collections::BTreeMap::new();
    for (index, entry) in tar.entries().unwrap().enumerate() {
        let mut entry = entry.unwrap();
        let (header, path) = (entry.header().clone(), entry.path().unwrap().into_owned());
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        match index {
            0 => manifest = serde_json::from_slice(&data).unwrap(),
            _ => drop(entries.insert(Path::new("/").join(path), (header, data))),
        }
    }
    let listed = manifest["entries"].as_array_mut().unwrap();
    for (kind, path, mode, content) in more {
        let mut header = tar::Header::new_ustar();
        header.set_mode(*mode);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let mut entry = serde_json::json!({"path": path, "mode": mode, "uid": 0, "gid": 0, "mtime": "1970-01-01T00:00:00Z"});
        let mut data = Vec::new();
        match kind {
            'f' => {
                data = content.as_bytes().to_vec();
                header.set_size(data.len() as u64);
                entry["kind"] = "file".into();
                entry["size"] = data.len().into();
                entry["sha256"] = hex(ring::digest::digest(&ring::digest::SHA256, &data).as_ref()).into();
            }
            'l' => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name_literal(content).unwrap();
                entry["kind"] = "link".into();
                entry["target"] = (*content).into();
            }
            _ => {
                header.set_entry_type(tar::EntryType::Directory);
                entry["kind"] = "directory".into();
            }
        }
        listed.retain(|old| old["path"] != *path);
        listed.push(entry);
        entries.insert(PathBuf::from(path), (header, data));
    }
    listed.sort_by_key(|entry| PathBuf::from(entry["path"].as_str().unwrap()));
    let made = archive.with_file_name("forged.tar.gz");
    let file = std::fs::File::create(&made).unwrap();
    let mut out = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    let text = serde_json::to_vec(&manifest).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o600);
    header.set_size(text.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    out.append_data(&mut header, ".kuberescue-archive.json", text.as_slice()).unwrap();
    for (path, (mut header, data)) in entries {
        let inside = path.strip_prefix("/").unwrap();
        out.append_data(&mut header, inside, data.as_slice()).unwrap();
    }
    out.into_inner().unwrap().finish().unwrap();
    made
}

/// Whatever an archive's manifest says, only what this tool archives of a node is put there.
#[test]
fn a_forged_archive_is_restored_within_its_limits() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    std::fs::create_dir_all(node.path("/etc/cron.d")).unwrap();
    let before = node.state();
    let forged = forged(
        &file,
        &[
            ('f', "/etc/cron.d/evil", 0o644, "* * * * * root id\n"),
            ('f', "/usr/bin/evil", 0o4755, "#!/bin/sh\n"),
            ('d', "/root/.ssh", 0o700, ""),
            ('f', "/root/.ssh/authorized_keys", 0o600, "ssh-ed25519 AAAA\n"),
            ('f', "/etc/passwd", 0o644, "root::0:0::/:/bin/sh\n"),
            ('f', "/var/lib/kuberescue/journal.json", 0o600, "{}"),
            ('l', "/etc/kubernetes/x", 0o777, "/etc/cron.d"),
            ('f', "/etc/kubernetes/x/evil", 0o644, "* * * * * root id\n"),
            // What a forged manifest and a forged unit name is no more than that.
            (
                'f',
                "/etc/kubernetes/manifests/kube-scheduler.yaml",
                0o600,
                "kind: Pod\nmetadata: {name: kube-scheduler}\nspec: {containers: [{command: [x, --kubeconfig=/etc/cron.d/named, --tls-cert-file=/srv/named.crt]}]}\n",
            ),
            ('f', "/etc/cron.d/named", 0o644, "* * * * * root id\n"),
            ('f', "/srv/named.crt", 0o644, "not PEM\n"),
            ('f', "/etc/kubernetes/pki/ca.crt", 0o6777, "x"),
        ],
    );
    let screen = node.screen(&format!("archive restore {} --yes", forged.display()));
    assert_snapshot!(screen, @"
    exit 0
    Restore of cp-1: 3 paths change, 39 the same
    Credentials:
      ca                         certificate 7d163a43af8723a7 until 2036-11-20T22:23:27Z → unreadable (not PEM: no -----BEGIN line)
      scheduler.conf             certificate 23ce7b32e644c9d2 until 2027-11-23T22:23:27Z → missing
    Paths:
      changed  /etc/kubernetes/manifests/kube-scheduler.yaml  content (SIZE)
      changed  /etc/kubernetes/pki/ca.crt  content (SIZE), mode 0644 → 0775
      added    /etc/kubernetes/x  owner 0:0
    In the archive, and not restored (8):
      /etc/cron.d/evil: nothing that a kubeadm node's credentials depend on
      /etc/cron.d/named: nothing that a kubeadm node's credentials depend on
      /etc/kubernetes/x/evil: /etc/kubernetes/x is a link
      /etc/passwd: nothing that a kubeadm node's credentials depend on
      /root/.ssh/authorized_keys: nothing that a kubeadm node's credentials depend on
      /srv/named.crt: nothing that a kubeadm node's credentials depend on
      /usr/bin/evil: nothing that a kubeadm node's credentials depend on
      /var/lib/kuberescue/journal.json: kuberescue's own directory
    NOTE: /etc/kubernetes/pki/ca.crt: restored with mode 0775, not 6777
    To be restarted afterwards: kube-apiserver, kube-controller-manager
    Restored: the node is in the state of the archive.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: sudo kuberescue rollback undoes this, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    let changed = before.changed(&node.state());
    let files = ["manifests/kube-scheduler.yaml", "pki/ca.crt", "x"];
    assert_eq!(changed, files.map(|file| format!("/etc/kubernetes/{file}")));
    // What has been restored names no more on the next run.
    let again = node.must(&format!("archive restore {} --yes", forged.display()));
    assert_snapshot!(node.shown(&again), @"
    exit 0
    Restore of cp-1: 0 paths change, 42 the same
    In the archive, and not restored (8):
      /etc/cron.d/evil: nothing that a kubeadm node's credentials depend on
      /etc/cron.d/named: nothing that a kubeadm node's credentials depend on
      /etc/kubernetes/x/evil: /etc/kubernetes/x is a link
      /etc/passwd: nothing that a kubeadm node's credentials depend on
      /root/.ssh/authorized_keys: nothing that a kubeadm node's credentials depend on
      /srv/named.crt: nothing that a kubeadm node's credentials depend on
      /usr/bin/evil: nothing that a kubeadm node's credentials depend on
      /var/lib/kuberescue/journal.json: kuberescue's own directory
    Nothing to restore: the node is in the state of the archive.
    ");
    node.must("rollback --yes");
    assert!(before.changed(&node.state()).is_empty());
}

/// A key is never readable by more than could read the one on the node; on a node that has lost it, it is as in the archive.
#[test]
fn a_key_is_not_restored_for_everyone() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    let key = "/etc/kubernetes/pki/ca.key";
    let content = String::from_utf8(node.read(key)).unwrap();
    let forged =
        forged(&file, &[('f', key, 0o664, &content), ('f', "/etc/kubernetes/pki/sa.key", 0o666, "x")]);
    let restore = format!("archive restore {} --yes", forged.display());
    let screen = node.screen(&restore);
    assert!(screen.contains(&format!("NOTE: {key}: restored with mode 0660, not 0664")), "{screen}");
    assert!(screen.contains(&format!("NOTE: {key}: a private key of mode 0660")), "{screen}");
    assert_eq!([key, "/etc/kubernetes/pki/sa.key"].map(|path| node.mode(path)), [0o660, 0o660]);
    node.remove(key);
    node.must(&restore);
    assert_eq!(node.mode(key), 0o664);
}

/// The mode of a directory is the archive's or 0755, whatever the mask of the shell.
#[test]
fn directories_are_restored_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    for umask in ["077", "000"] {
        let onto = Node::empty();
        let mut command = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_kuberescue");
        let words = format!(
            "umask {umask}; exec {program} archive restore {} --yes --root {}",
            file.display(),
            onto.root().display()
        );
        let run = run({
            command.args(["-c", &words]);
            command
        });
        assert_eq!(run.code, 0, "{run}");
        let modes =
            ["/etc", "/etc/kubernetes", "/etc/kubernetes/pki/etcd", "/var", "/var/lib", "/var/lib/kubelet"]
                .map(|path| std::fs::metadata(onto.path(path)).unwrap().permissions().mode() & 0o7777);
        assert_eq!(modes, [0o755; 6], "{umask}");
    }
}

const DATABASE: &str = "/var/lib/etcd/member/snap/db";

/// A node whose certificates have expired, with etcd's data.
fn with_etcd() -> Node {
    let node = Node::of("expired-all");
    node.write(DATABASE, etcd_database("three-members.db"));
    node
}

/// The names in the tool's own directory that have this end, hidden ones too.
fn own(node: &Node, end: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(node.path("/var/lib/kuberescue")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

/// The one snapshot beside the one archive: etcd's database and its digest.
fn assert_beside(node: &Node, document: &serde_json::Value) {
    let (archives, snapshots) = (own(node, ".tar.gz"), own(node, ".etcd.db"));
    let name = archives[0].strip_suffix(".tar.gz").unwrap();
    assert_eq!((archives.len(), snapshots.as_slice()), (1, [format!("{name}.etcd.db")].as_slice()));
    let inside = format!("/var/lib/kuberescue/{}", snapshots[0]);
    let (saved, content) = (node.read(&inside), etcd_database("three-members.db"));
    assert_eq!(node.mode(&inside), 0o600);
    assert_eq!(saved[..content.len()], content);
    let digest = kuberescue::state::Digest::of(&content);
    assert_eq!(saved[content.len()..], *digest.as_bytes());
    let of_file = kuberescue::state::Digest::of(&saved).to_string();
    assert_eq!(
        document["etcdSnapshot"],
        serde_json::json!({
            "path": node.path(&inside), "dryRun": false, "size": saved.len(), "sha256": of_file,
            "source": {"from": "database", "path": DATABASE, "etcd": null},
            // etcdctl snapshot status says so (testdata/etcd/README.md).
            "status": {"hash": 742_924_947, "revision": 9, "totalKey": 14, "totalSize": 28672},
        })
    );
}

#[test]
fn a_snapshot_of_etcd_lies_beside_the_archive() {
    let node = with_etcd();
    let made = node.must("archive create --etcd-snapshot -o json");
    assert_beside(&node, &made.json());

    let node = with_etcd();
    assert_snapshot!(node.screen("archive create --etcd-snapshot --dry-run").lines().rev().take(4).collect::<Vec<_>>().join("\n"), @"
    Dry run: nothing was written.
    note: changes in the write-ahead log that etcd has not applied to its database yet are not in the snapshot
    Snapshot of etcd: 28 KiB from the database /var/lib/etcd/member/snap/db, to ROOT/var/lib/kuberescue/cp-1-TIME.etcd.db
    /var/lib/kubelet/pki/kubelet.key
    ");
    let planned = node.must("recover --reuse-keys --etcd-snapshot --dry-run -o json");
    assert_eq!(planned.json()["etcdSnapshot"]["dryRun"], true);
    assert!(!node.exists("/var/lib/kuberescue"));
    assert_snapshot!(node.talk(&planned).lines().rev().take(3).collect::<Vec<_>>().join("\n"), @"
    NEXT     kuberescue recover --root ROOT
    Dry run: everything was made and checked in memory, nothing was written.
    Details: -v
    ");
    let done = node.must("recover --reuse-keys --etcd-snapshot --yes -o json");
    assert_beside(&node, &done.json());
    assert_eq!(
        done.json()["archive"],
        node.path(&format!("/var/lib/kuberescue/{}", own(&node, ".tar.gz")[0])).to_str().unwrap()
    );

    // Elsewhere, where the archive is.
    let (node, elsewhere) = (with_etcd(), tempfile::tempdir().unwrap());
    let done = node.must(&format!(
        "recover --reuse-keys --etcd-snapshot --yes -o json --archive-dir {}",
        elsewhere.path().display()
    ));
    assert_eq!(
        Path::new(done.json()["etcdSnapshot"]["path"].as_str().unwrap()).parent(),
        Some(elsewhere.path())
    );
    // The archive, the snapshot and the report.
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 3);
}

#[test]
fn without_the_snapshot_that_was_asked_for_nothing_is_changed() {
    let node = Node::of("expired-all");
    assert_snapshot!(node.shown(&node.refuses("recover --reuse-keys --etcd-snapshot --yes", "etcd-data-missing")).lines().rev().take(3).collect::<Vec<_>>().join("\n"), @"
    hint: to go on without a snapshot, leave out --etcd-snapshot
    hint: kuberescue explain etcd-data-missing
    error [etcd-data-missing]: cannot save a snapshot of etcd: /var/lib/etcd/member/snap/db was not found
    ");
    node.run("archive create --etcd-snapshot").fails(2, "etcd-data-missing");

    // A page that is in use, and one that is not etcd's.
    for at in [4096 * 3, 0] {
        let node = Node::of("expired-all");
        let mut bytes = etcd_database("three-members.db");
        bytes[at..].fill(7);
        node.write(DATABASE, bytes);
        let before = node.text("/etc/kubernetes/admin.conf");
        node.run("recover --reuse-keys --etcd-snapshot --yes").fails(5, "etcd-data-broken");
        assert_eq!(node.text("/etc/kubernetes/admin.conf"), before);
        for end in [".tar.gz", ".db", ".partial"] {
            assert!(own(&node, end).is_empty(), "{end}");
        }
    }
}
