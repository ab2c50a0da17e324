//! What the objects in etcd's database add to a diagnosis and to the timeline. The database is of a cluster with the node's
//! own CAs: testdata/etcd/README.md.

use insta::assert_snapshot;

use super::breakages::acts::{API_SERVER_POD, ETCD_POD, etcd_of, pki};
use super::common::{Node, etcd_database, screen};
use super::issuing::{other_authority, reissue_authority};
use super::scene::{Diagnosis, disk};

/// Two minutes after the last heartbeat.
const NOW: &str = "2026-11-24T22:02:00Z";

fn node() -> Node {
    let node = disk("ecdsa-p256");
    etcd_of(&node, "cluster.db");
    node
}

/// What is printed, the lines about the node's other credentials left out.
fn shown(node: &Node, arguments: &str) -> String {
    let screen = screen::screen(node.root(), &node.run_as_given(arguments));
    let others = ["embedded-ca-differs", "certificate-authority-data", "--embed-certs"];
    let is_meant = |line: &&str| !others.iter().any(|other| line.contains(other));
    screen.lines().filter(is_meant).map(|line| format!("{line}\n")).collect()
}

#[test]
fn requests_and_heartbeats() {
    let node = node();
    assert_snapshot!(shown(&node, &format!("diagnose -v --at {NOW}")), @"
    exit 0
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 22:02 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    NEXT     nothing to do before 2027-11-23, when admin.conf expires

    Notes:
      etcd-not-read           etcd: not read: /registry/secrets/vault/sealed-ca: encrypted with aescbc
                              hint: Run the command again; if the disk reports errors: journalctl -k -p err. Encrypted objects are read through the API server once it runs: kubectl get configmap kubeadm-config -n kube-system -o yaml. What was configured there can be given: --days, --add-san (kuberescue certs renew).
      csr-pending             csr: 3 certificate signing requests pending in etcd's database; the newest of each: csr-9b5vd of jane to example.com/signer, csr-6zw2t of system:node:cp-1 to kubelet-serving
                              /var/lib/etcd/member/snap/db csr-9b5vd creationTimestamp = 2026-11-24T20:00:00Z
                              /var/lib/etcd/member/snap/db csr-6zw2t creationTimestamp = 2026-11-24T21:55:00Z
                              hint: Who asks is in kubectl get csr. If a request is as it should be: kubectl certificate approve csr-6zw2t.

    NEXT     nothing to do before 2027-11-23, when admin.conf expires
    ");
    // Nothing is news of a cluster that was switched off for years, but when that was.
    assert_snapshot!(shown(&node, "diagnose --at 2027-06-01"), @"
    exit 0
    cp-1 (control-plane node, Kubernetes 1.36) at 2027-06-01 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM: 13 certificates valid, the first until 2027-11-23 (175 days), CAs valid until 2036-11-20
    NEXT     nothing to do before 2027-11-23, when admin.conf expires

    Last heartbeat in etcd's database: of this node 2026-11-24 21:59 UTC, of the cluster 2026-11-24 22:00 UTC (cp-2)

    Notes:
      etcd-not-read           etcd: not read: /registry/secrets/vault/sealed-ca: encrypted with aescbc

    NEXT     nothing to do before 2027-11-23, when admin.conf expires
    ");
    let json = Diagnosis::at(&node, NOW).json;
    assert_snapshot!(json["lastHeartbeat"], @r#"{"cluster":"2026-11-24T22:00:03.123456Z","from":"cp-2","node":"2026-11-24T21:59:58.123456Z"}"#);
}

#[test]
fn an_api_server_with_another_prefix() {
    let node = node();
    let mut database = etcd_database("cluster.db");
    let places: Vec<_> = memchr::memmem::find_iter(&database, "/registry/").collect();
    places.into_iter().for_each(|at| database[at..at + 10].copy_from_slice(b"/clusters/"));
    node.write("/var/lib/etcd/member/snap/db", database);
    assert_eq!(Diagnosis::at(&node, NOW).json["lastHeartbeat"], serde_json::Value::Null);
    node.replace(API_SERVER_POD, "    - --secure-port", "    - --etcd-prefix=clusters\n    - --secure-port");
    let found = Diagnosis::at(&node, NOW);
    assert_eq!(found.json["lastHeartbeat"]["from"], "cp-2");
    assert_eq!(found.finding("csr-pending", "csr")["severity"], "note");
    let status = node.run_as_given("etcd status -o json").json();
    assert_eq!(status["resources"][0]["name"], "configmaps");
}

#[test]
fn a_damaged_page_among_the_objects() {
    const PAGE: usize = 4096;
    let node = disk("ecdsa-p256");
    let mut database = etcd_database("kubernetes-1.20-snapshot.db");
    let key = memchr::memmem::Finder::new("/registry/configmaps/kube-system/kubeadm-config");
    let places: Vec<_> = key.find_iter(&database).map(|at| at / PAGE * PAGE).collect();
    places.into_iter().for_each(|page| database[page..page + PAGE].fill(0));
    node.write("/var/lib/etcd/member/snap/db", database);
    let found = Diagnosis::at(&node, NOW);
    let found = found.finding("etcd-data-broken", "etcd");
    assert_snapshot!(format!("{}: {}", found["severity"], found["what"]), @r#""blocker": "page 58 is damaged: it holds another page's number""#);
}

#[test]
fn the_timeline() {
    let node = node();
    let screen = shown(&node, &format!("diagnose --timeline --at {NOW}"));
    let is_meant = |line: &&str| line.contains("heartbeat") || line.contains("encrypted");
    let lines = screen.lines().filter(is_meant);
    assert_snapshot!(lines.map(|line| format!("{line}\n")).collect::<String>(), @"
    2026-11-24T09:15:00Z   etcd                    last heartbeat of node worker-1 (/var/lib/etcd/member/snap/db)
    2026-11-24T21:59:58Z   etcd                    last heartbeat of node cp-1 (/var/lib/etcd/member/snap/db)
    2026-11-24T22:00:03Z   etcd                    last heartbeat of the cluster: node cp-2 (/var/lib/etcd/member/snap/db)
      etcd's database: 1 object encrypted (aescbc), not read
    ");
}

#[test]
fn copies_of_the_ca() {
    let node = node();
    reissue_authority(&node, "ca", "20261123223000Z", "20461120223000Z");
    assert_snapshot!(shown(&node, &format!("diagnose -v --at {NOW}")), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 22:02 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 5 WARNINGS: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20

    Warnings:

    Notes:
      etcd-not-read           etcd: not read: /registry/secrets/vault/sealed-ca: encrypted with aescbc
                              hint: Run the command again; if the disk reports errors: journalctl -k -p err. Encrypted objects are read through the API server once it runs: kubectl get configmap kubeadm-config -n kube-system -o yaml. What was configured there can be given: --days, --add-san (kuberescue certs renew).
      ca-copy-differs         ca: copies in the cluster differ from it: cluster-info, extension-apiserver-authentication (client-ca-file), APIService v1beta1.metrics.k8s.io, kube-root-ca.crt in 4 namespaces, 4 more (another certificate of the same key, valid until 2036-11-20 22:23 UTC)
                              /var/lib/etcd/member/snap/db cluster-info notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db extension-apiserver-authentication (client-ca-file) notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db kube-root-ca.crt in default notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db kube-root-ca.crt in kube-node-lease notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db kube-root-ca.crt in kube-public notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db kube-root-ca.crt in kube-system notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db APIService v1beta1.metrics.k8s.io notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db MutatingWebhookConfiguration injector (injector.example.com) notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db CustomResourceDefinition things.example.com (conversion) notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db Secret capi/own-ca notAfter = 2036-11-20T22:23:27Z
                              /var/lib/etcd/member/snap/db Secret capi/own-kubeconfig notAfter = 2036-11-20T22:23:27Z
                              hint: Compare the CA on all control-plane nodes first: openssl x509 -noout -fingerprint -sha256 -in /etc/kubernetes/pki/ca.crt. If this one is right: kube-root-ca.crt and extension-apiserver-authentication are written again by the control plane once it runs with it (kuberescue restart), cluster-info by kuberescue recover where the key is the same (kubeadm init phase bootstrap-token otherwise); a caBundle and the Secrets of Cluster API by whoever manages them (kubectl edit).
      csr-pending             csr: 3 certificate signing requests pending in etcd's database; the newest of each: csr-9b5vd of jane to example.com/signer, csr-6zw2t of system:node:cp-1 to kubelet-serving
                              /var/lib/etcd/member/snap/db csr-9b5vd creationTimestamp = 2026-11-24T20:00:00Z
                              /var/lib/etcd/member/snap/db csr-6zw2t creationTimestamp = 2026-11-24T21:55:00Z
                              hint: Who asks is in kubectl get csr. If a request is as it should be: kubectl certificate approve csr-6zw2t.
    ");
    // The copies have expired.
    let late = Diagnosis::at(&node, "2040-01-01");
    let late = late.finding("ca-copy-differs", "ca");
    assert_snapshot!(format!("{}: {}", late["severity"], late["what"]), @r#""warning": "copies in the cluster differ from it: cluster-info, extension-apiserver-authentication (client-ca-file), APIService v1beta1.metrics.k8s.io, kube-root-ca.crt in 4 namespaces, 4 more (another certificate of the same key, expired on 2036-11-20 (1136 days ago))""#);

    let (certificate, key) = other_authority();
    node.write(&pki("ca.crt"), certificate);
    node.write(&pki("ca.key"), key);
    let replaced = Diagnosis::at(&node, NOW);
    let replaced = replaced.finding("ca-copy-differs", "ca");
    assert_snapshot!(format!("{}: {}", replaced["severity"], replaced["what"]), @r#""warning": "copies in the cluster differ from it: cluster-info, extension-apiserver-authentication (client-ca-file), APIService v1beta1.metrics.k8s.io, kube-root-ca.crt in 4 namespaces, 4 more (another CA of the same name)""#);
    // Neither the other cluster of the same name, nor its webhook behind a URL, nor a webhook with a CA of its own.
    assert_snapshot!(serde_json::to_string_pretty(&replaced["evidence"]).unwrap(), @r#"
    [
      {
        "field": "cluster-info notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "extension-apiserver-authentication (client-ca-file) notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "kube-root-ca.crt in default notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "kube-root-ca.crt in kube-node-lease notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "kube-root-ca.crt in kube-public notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "kube-root-ca.crt in kube-system notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "APIService v1beta1.metrics.k8s.io notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "MutatingWebhookConfiguration injector (injector.example.com) notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "CustomResourceDefinition things.example.com (conversion) notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "Secret capi/own-ca notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      },
      {
        "field": "Secret capi/own-kubeconfig notAfter",
        "path": "/var/lib/etcd/member/snap/db",
        "value": "2036-11-20T22:23:27Z"
      }
    ]
    "#);
}

#[test]
fn the_quota_and_alarms_of_etcd() {
    let node = disk("ecdsa-p256");
    quota(&node, "", "32768");
    let mut screens = String::new();
    for database in ["nospace.db", "corrupt.db"] {
        etcd_of(&node, database);
        screens += &shown(&node, "diagnose -v --at 2026-11-24");
    }
    assert_snapshot!(screens, @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  WORKS ONLY IN PART: etcd's database reached its quota
    CAUSE    etcd: the alarm NOSPACE is raised (member cp-1): 48 KiB of 32 KiB (150 %), 36 KiB of it in use
    NEXT     kuberescue explain etcd-space-exceeded

    Running pods are not affected.
    Manual action required: etcd (etcd-space-exceeded): Save a snapshot first (kuberescue etcd snapshot save /root/etcd.db), then etcdctl compact REVISION, etcdctl defrag, etcdctl alarm disarm. The revision is in etcdctl endpoint status -w json.

    Blocking problems (root cause first):
      etcd-space-exceeded     etcd: the alarm NOSPACE is raised (member cp-1): 48 KiB of 32 KiB (150 %), 36 KiB of it in use
                              → etcd refuses every write: nothing in the cluster can change
                              /var/lib/etcd/member/snap/db size in bytes = 49152
                              /var/lib/etcd/member/snap/db bytes in use = 36864
                              hint: Save a snapshot first (kuberescue etcd snapshot save /root/etcd.db), then etcdctl compact REVISION, etcdctl defrag, etcdctl alarm disarm. The revision is in etcdctl endpoint status -w json.

    NEXT     kuberescue explain etcd-space-exceeded
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  CANNOT START: etcd's database is damaged, or lost entries that it had confirmed
    CAUSE    etcd: the alarm CORRUPT is raised (member cp-1)
    NEXT     kuberescue explain etcd-database-damaged

    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd (etcd-database-damaged): See which member's content is not that of the others: etcdctl endpoint hashkv --cluster. Remove that member (etcdctl member remove), join it again, then etcdctl alarm disarm. With one member restore the newest snapshot (etcdutl snapshot restore).

    Blocking problems (root cause first):
      etcd-database-damaged   etcd: the alarm CORRUPT is raised (member cp-1)
                              → etcd refuses every request, and the API server with it
                              /var/lib/etcd/member/snap/db size in bytes = 20480
                              hint: See which member's content is not that of the others: etcdctl endpoint hashkv --cluster. Remove that member (etcdctl member remove), join it again, then etcdctl alarm disarm. With one member restore the newest snapshot (etcdutl snapshot restore).

    NEXT     kuberescue explain etcd-database-damaged
    ");
    etcd_of(&node, "cluster.db");
    quota(&node, "32768", "81920");
    assert_snapshot!(shown(&node, "diagnose -v --at 2026-11-24"), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    etcd: 76 KiB of 80 KiB (95 %), 52 KiB of it in use
    NEXT     kuberescue explain etcd-nearly-full

    Warnings:
      etcd-nearly-full        etcd: 76 KiB of 80 KiB (95 %), 52 KiB of it in use
                              /var/lib/etcd/member/snap/db size in bytes = 77824
                              /var/lib/etcd/member/snap/db bytes in use = 53248
                              hint: Save a snapshot first: kuberescue etcd snapshot save /root/etcd.db. The API server compacts every 5 minutes, so free pages are given back by etcdctl defrag, one member after the other. If most of it is in use, delete what fills it, or set a larger --quota-backend-bytes (at most 8 GiB) in etcd's manifest on every member.

    Notes:
      etcd-not-read           etcd: not read: /registry/secrets/vault/sealed-ca: encrypted with aescbc
                              hint: Run the command again; if the disk reports errors: journalctl -k -p err. Encrypted objects are read through the API server once it runs: kubectl get configmap kubeadm-config -n kube-system -o yaml. What was configured there can be given: --days, --add-san (kuberescue certs renew).

    NEXT     kuberescue explain etcd-nearly-full
    ");
    let recovery = screen::screen(node.root(), &node.run_as_given("recover --dry-run --at 2026-11-24"));
    let last = recovery.lines().last().unwrap();
    assert_eq!(last, "hint: sudo kuberescue diagnose shows what to do about each of these", "{recovery}");
    // A full etcd is no reason not to renew: without certificates nobody can free space.
    etcd_of(&node, "nospace.db");
    node.remove(&pki("apiserver.crt"));
    let screen = shown(&node, "recover --dry-run -v --at 2026-11-24");
    let lines = screen
        .lines()
        .filter(|line| ["exit", "Blocking", "etcd-space", "missing "].iter().any(|word| line.contains(word)));
    assert_snapshot!(lines.map(|line| format!("{line}\n")).collect::<String>(), @"
    exit 4
    Blocking problems (root cause first):
      etcd-space-exceeded     etcd: the alarm NOSPACE is raised (member cp-1): 48 KiB of 80 KiB (60 %)
      missing                 apiserver: not found
    Blocking problems that remain after this change (manual action required):
      etcd-space-exceeded     etcd: the alarm NOSPACE is raised (member cp-1): 48 KiB of 80 KiB (60 %)
    ");
}

/// etcd with this quota, in bytes.
fn quota(node: &Node, old: &str, bytes: &str) {
    if old.is_empty() {
        node.replace(
            ETCD_POD,
            "    - --name=",
            &format!("    - --quota-backend-bytes={bytes}\n    - --name="),
        );
    } else {
        node.replace(ETCD_POD, &format!("bytes={old}\n"), &format!("bytes={bytes}\n"));
    }
}
