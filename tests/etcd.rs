//! `etcd …` on databases of real etcds (testdata/etcd): what is shown, what isn't, and what no one may be led to.
//! Debian's etcdctl judges the figures.

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::{Node, Run, desk, etcd_database, run, screen, skip};
use insta::assert_snapshot;
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use serde_json::Value;

/// A directory with the databases, written at one time.
struct Desk(desk::Desk);

impl Desk {
    fn new() -> Self {
        let desk = Self(desk::Desk::new());
        for name in ["kubernetes-1.20-snapshot.db", "three-members.db"] {
            desk.write(name, &etcd_database(name));
        }
        desk
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.write(name, bytes);
        let time = TimeSpec::new(1_795_736_673, 0);
        utimensat(nix::fcntl::AT_FDCWD, &path, &time, &time, UtimensatFlags::FollowSymlink).unwrap();
    }

    fn run(&self, arguments: &str) -> Run {
        run(self.0.command(arguments))
    }

    fn screen(&self, arguments: &str) -> String {
        let screen = screen::screen(self.0.directory.path(), &self.run(arguments));
        // The time of the run.
        screen.lines().filter(|line| !line.starts_with("time: ")).map(|line| format!("{line}\n")).collect()
    }
}

#[test]
fn members() {
    let desk = Desk::new();
    assert_snapshot!(desk.screen("etcd members three-members.db"), @"
    exit 0
    ID                 STATUS    NAME      PEER ADDRS               CLIENT ADDRS                 IS LEARNER
    3f4e8b04c476b9b3   started   cp-3      http://127.0.0.3:12380   https://192.168.10.13:2379   false
    a5951ea453e34a70   started   cp-2      http://127.0.0.2:12380   https://192.168.10.12:2379   false
    d5811b26ae265d01   started   cp-1      http://127.0.0.1:12380   https://192.168.10.11:2379   false
    note: as of revision 9, written 2026-11-26 23:44 UTC (three-members.db)
    ");
}

#[test]
fn status() {
    let desk = Desk::new();
    assert_snapshot!(desk.screen("etcd status three-members.db"), @"
    exit 0
    Database:         three-members.db
    As of:            revision 9, written 2026-11-26 23:44 UTC
    Compacted:        never
    Raft index:       16
    Raft term:        unknown
    Cluster version:  3.4.0
    Size:             29 kB (12 kB in use)
    Keys:             8
    Alarms:           none
    Removed members:  none
    Authentication:   disabled

    Members (3)
    ID                 STATUS    NAME      PEER ADDRS               CLIENT ADDRS                 IS LEARNER
    3f4e8b04c476b9b3   started   cp-3      http://127.0.0.3:12380   https://192.168.10.13:2379   false
    a5951ea453e34a70   started   cp-2      http://127.0.0.2:12380   https://192.168.10.12:2379   false
    d5811b26ae265d01   started   cp-1      http://127.0.0.1:12380   https://192.168.10.11:2379   false

    Keys by resource
    RESOURCE   KEYS
    x          8
    ");
    let snapshot = desk.run("etcd status kubernetes-1.20-snapshot.db -o json").json();
    let figures = ["revision", "keys", "size", "sizeInUse", "consistentIndex", "clusterVersion"]
        .map(|key| snapshot[key].clone());
    assert_eq!(Value::from(figures.to_vec()).to_string(), r#"[1645,633,3010592,2985984,4693,"3.4.0"]"#);
}

/// A second member was removed, and authentication is enabled.
#[test]
fn what_the_small_buckets_hold() {
    let desk = Desk::new();
    desk.write("removed-member.db", &etcd_database("removed-member.db"));
    let status = desk.run("etcd status removed-member.db -o json").json();
    let fields = ["removedMembers", "authEnabled", "leases", "compactedRevision", "revision", "keys"];
    let found = Value::from(fields.map(|field| status[field].clone()).to_vec());
    assert_eq!(found.to_string(), r#"[["1ab5a5e3d92db94a"],true,1,3,4,1]"#);
    assert_eq!(status["members"].as_array().unwrap().len(), 1);
    assert_snapshot!(desk.screen("etcd snapshot status removed-member.db"), @"
    exit 0
    HASH       REVISION   TOTAL KEYS   TOTAL SIZE   LIVE KEYS
    a798fa73   4          13           29 kB        1
    ");
}

#[test]
fn snapshots() {
    let desk = Desk::new();
    assert_snapshot!(desk.screen("etcd snapshot status kubernetes-1.20-snapshot.db"), @"
    exit 0
    HASH       REVISION   TOTAL KEYS   TOTAL SIZE   LIVE KEYS
    b6b74ff5   1645       1670         3.0 MB       633
    ");
    assert_snapshot!(desk.screen("etcd snapshot verify kubernetes-1.20-snapshot.db"), @"
    exit 0
    kubernetes-1.20-snapshot.db: intact: revision 1645, 633 keys, members lab-cp1, SHA-256 valid
    ");
    assert_snapshot!(desk.screen("etcd snapshot verify three-members.db"), @"
    exit 0
    three-members.db: intact: revision 9, 8 keys, members cp-3, cp-2, cp-1, SHA-256 absent
    ");

    // One byte of a value, a page of zeros, a file that is cut off, and something else.
    let good = etcd_database("kubernetes-1.20-snapshot.db");
    let mut bad = good.clone();
    bad[1_000_000] ^= 1;
    desk.write("value.db", &bad);
    bad.clone_from(&good);
    let root = usize::try_from(u64::from_le_bytes(bad[4096 + 32..4096 + 40].try_into().unwrap())).unwrap();
    bad[root * 4096..(root + 1) * 4096].fill(0);
    desk.write("page.db", &bad);
    desk.write("cut.db", &good[..2_000_000]);
    desk.write("text.db", b"no database");
    let found = ["value.db", "page.db", "cut.db", "text.db", "missing.db", "."]
        .map(|name| desk.screen(&format!("etcd snapshot verify {name}")));
    assert_snapshot!(found.join("\n"), @"
    exit 1
    value.db: damaged [etcd-data-broken]: its content does not match the SHA-256 at its end

    exit 1
    page.db: damaged [etcd-data-broken]: cannot read etcd's database page.db: page 731 is damaged: it holds another page's number

    exit 1
    cut.db: damaged [etcd-data-broken]: cannot read etcd's database cut.db: cut off: its header speaks of 3010560 bytes, and it has 2000000

    exit 1
    text.db: damaged [etcd-data-broken]: cannot read etcd's database text.db: 11 bytes: too short for a database

    exit 2
    error [file-error]: cannot open missing.db: not found
    hint: check the path; nothing was changed

    exit 2
    error [file-error]: cannot open .: not a file
    hint: nothing was changed; run the same command again once the cause is gone
    ");
    let found = ["page.db", "cut.db"].map(|name| desk.screen(&format!("etcd snapshot status {name}")));
    assert_snapshot!(found.join("\n"), @"
    exit 2
    error [etcd-data-broken]: cannot read etcd's database page.db: page 731 is damaged: it holds another page's number
    hint: kuberescue explain etcd-data-broken; file page.db

    exit 2
    error [etcd-data-broken]: cannot read etcd's database cut.db: cut off: its header speaks of 3010560 bytes, and it has 2000000
    hint: kuberescue explain etcd-data-broken; file cut.db
    ");
}

#[test]
fn names_and_objects() {
    let desk = Desk::new();
    assert_snapshot!(desk.screen("etcd get /registry/x/ --db three-members.db"), @"
    exit 0
    /registry/x/1
    /registry/x/2
    /registry/x/3
    /registry/x/4
    /registry/x/5
    /registry/x/6
    /registry/x/7
    /registry/x/8
    note: 8 keys as of revision 9, written 2026-11-26 23:44 UTC (three-members.db)
    ");
    assert_snapshot!(desk.screen("etcd get /registry/none/ --db three-members.db"), @"
    exit 0
    note: 0 keys as of revision 9, written 2026-11-26 23:44 UTC (three-members.db)
    ");
    let kubernetes = "--db kubernetes-1.20-snapshot.db";
    let all = desk.run(&format!("etcd get /registry/ {kubernetes}"));
    assert_eq!(all.out.lines().count(), 633);
    assert!(all.out.lines().is_sorted());
    assert_snapshot!(desk.screen(&format!("etcd get /registry/leases/kube-node-lease/ {kubernetes} -o yaml")), @r#"
    exit 0
    apiVersion: "kuberescue/v1"
    file: "kubernetes-1.20-snapshot.db"
    items:
    - createRevision: 194
      encoding: "protobuf"
      key: "/registry/leases/kube-node-lease/lab-cp1"
      lease: null
      modRevision: 1625
      object:
        apiVersion: "coordination.k8s.io/v1beta1"
        creationTimestamp: "2026-11-26T23:20:26Z"
        holderIdentity: "lab-cp1"
        kind: "Lease"
        labels: {}
        leaseDurationSeconds: 40
        name: "lab-cp1"
        namespace: "kube-node-lease"
        renewTime: "2026-11-26T23:44:33.197803217Z"
      problem: null
      provider: null
      size: 532
      version: 53
    kind: "EtcdKeyList"
    modified: "2026-11-26T23:44:33Z"
    revision: 1645
    note: 1 key as of revision 1645, written 2026-11-26 23:44 UTC (kubernetes-1.20-snapshot.db)
    "#);
    let map = desk
        .run(&format!("etcd get /registry/configmaps/kube-system/kubeadm-config {kubernetes} -o json"))
        .json();
    let configuration = map["items"][0]["object"]["data"]["ClusterConfiguration"].as_str().unwrap();
    assert!(configuration.contains("kubernetesVersion: v1.20.2"), "{configuration}");
}

#[test]
fn the_values_of_secrets_are_shown_only_with_reveal() {
    let desk = Desk::new();
    let line = "etcd get /registry/secrets/kube-system/bootstrap-token- --db kubernetes-1.20-snapshot.db";
    assert_snapshot!(desk.screen(&format!("{line} --reveal")), @"
    exit 2
    error [usage]: cannot reveal values in a table: it has only names
    hint: add -o yaml or -o json
    ");
    assert_snapshot!(desk.screen(&format!("{line} -o yaml")), @r#"
    exit 0
    apiVersion: "kuberescue/v1"
    file: "kubernetes-1.20-snapshot.db"
    items:
    - createRevision: 265
      encoding: "protobuf"
      key: "/registry/secrets/kube-system/bootstrap-token-zt8r9h"
      lease: null
      modRevision: 265
      object:
        apiVersion: "v1"
        creationTimestamp: "2026-11-26T23:20:33Z"
        keys:
        - "auth-extra-groups"
        - "expiration"
        - "token-id"
        - "token-secret"
        - "usage-bootstrap-authentication"
        - "usage-bootstrap-signing"
        kind: "Secret"
        labels: {}
        name: "bootstrap-token-zt8r9h"
        namespace: "kube-system"
        type: "bootstrap.kubernetes.io/token"
      problem: null
      provider: null
      size: 617
      version: 1
    kind: "EtcdKeyList"
    modified: "2026-11-26T23:44:33Z"
    revision: 1645
    note: 1 key as of revision 1645, written 2026-11-26 23:44 UTC (kubernetes-1.20-snapshot.db)
    "#);
    let revealed = desk.run(&format!("{line} -o json --reveal"));
    let data = &revealed.json()["items"][0]["object"]["data"];
    let id = String::from_utf8(common::decoded(data["token-id"].as_str().unwrap())).unwrap();
    assert_eq!(id, "zt8r9h");
    assert!(revealed.err.starts_with("warning: values of 1 Secret are shown\n"), "{revealed}");
    // No value of any Secret, in none of the encodings.
    let secrets = "etcd get /registry/secrets/ --db kubernetes-1.20-snapshot.db -o json";
    let values = desk.run(&format!("{secrets} --reveal")).json();
    let shown = desk.run(secrets);
    for item in values["items"].as_array().unwrap() {
        for (name, value) in item["object"]["data"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            let plain = String::from_utf8_lossy(&common::decoded(value)).into_owned();
            // Names of namespaces and keys' own names are no secrets.
            if value.len() > 16 && name != "namespace" {
                assert!(
                    !shown.out.contains(value) && !shown.out.contains(&plain),
                    "{name} of {}",
                    item["key"]
                );
            }
        }
    }
}

#[test]
fn the_database_of_a_node() {
    let node = Node::of("ecdsa-p256");
    let none = screen::screen(node.root(), &node.run_as_given("etcd members"));
    assert_snapshot!(none, @"
    exit 2
    error [etcd-data-missing]: cannot read etcd's database: ROOT/var/lib/etcd/member/snap/db not found
    hint: name a database or a snapshot: kuberescue etcd status FILE
    ");
    node.write("/var/lib/etcd/member/snap/db", etcd_database("three-members.db"));
    let members = node.run_as_given("etcd members -o json");
    assert_eq!(members.json()["items"].as_array().unwrap().len(), 3, "{members}");
    // The data directory of the manifest, through its mount.
    node.rename("/var/lib/etcd", "/srv/etcd-data");
    node.replace("/etc/kubernetes/manifests/etcd.yaml", "path: /var/lib/etcd", "path: /srv/etcd-data");
    let members = node.run_as_given("etcd members -o json");
    assert_eq!(members.json()["items"].as_array().unwrap().len(), 3, "{members}");
}

#[test]
fn nothing_outside_of_the_root_and_no_special_file_is_read() {
    let (node, desk) = (Node::of("ecdsa-p256"), Desk::new());
    let outside = desk.0.path("three-members.db");
    let database = node.path("/var/lib/etcd/member/snap/db");
    std::fs::create_dir_all(database.parent().unwrap()).unwrap();
    symlink(&outside, &database).unwrap();
    node.run_as_given("etcd members").fails(2, "etcd-data-missing");
    std::fs::remove_file(&database).unwrap();
    nix::unistd::mkfifo(&database, Mode::from_bits_truncate(0o600)).unwrap();
    node.run_as_given("etcd status").fails(2, "file-error");
    std::fs::remove_file(&database).unwrap();
    symlink("/dev/zero", &database).unwrap();
    node.run_as_given("etcd status").fails(2, "etcd-data-missing");
    std::fs::create_dir(desk.0.path("directory")).unwrap();
    for special in ["/dev/zero", "/proc/self/mem", "directory"] {
        desk.run(&format!("etcd status {special}")).fails(2, "file-error");
        desk.run(&format!("etcd get / --db {special}")).fails(2, "file-error");
    }
}

/// What etcdctl says of a file: hash, revision, keys, size.
fn etcdctl(file: &Path) -> Option<Value> {
    let mut status = Command::new("etcdctl");
    status.args(["snapshot", "status", "-w", "json"]).arg(file).env("ETCDCTL_API", "3");
    match status.output() {
        Ok(output) => Some(serde_json::from_slice(&output.stdout).unwrap()),
        Err(_) => {
            skip("etcdctl is not installed");
            None
        }
    }
}

#[test]
fn etcdctl_prints_the_same_figures() {
    let desk = Desk::new();
    for name in ["kubernetes-1.20-snapshot.db", "three-members.db"] {
        let ours = desk.run(&format!("etcd snapshot status {name} -o json")).json();
        let Some(theirs) = etcdctl(&desk.0.path(name)) else { return };
        for key in ["hash", "revision", "totalKey", "totalSize"] {
            assert_eq!(ours[key], theirs[key], "{key} of {name}");
        }
    }
}
