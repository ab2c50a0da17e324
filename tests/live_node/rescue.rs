//! `etcd rescue`: three real etcds of one cluster, of which two are destroyed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::{Options, PATIENCE, Run, TestNode};
use crate::quorum::{ADDRESS, Member, SECOND, THIRD, etcdctl, is_healthy, join, kill};

const MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
const RECORD: &str = "/var/lib/kuberescue/rescue.json";
const FLAG: &str = "--force-new-cluster";
const KEYS: usize = 300;
const RESCUE: [&str; 5] = ["etcd", "rescue", "--yes", "--lost", "cp-2,cp-3"];

/// A node whose etcd has three members, and the keys in it. As `kubeadm join` does, its manifest names all of them.
fn three_members() -> (TestNode, BTreeMap<String, String>) {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    node.must(&["cp", "-a", "/etc/kubernetes/pki/etcd", "/var/tmp/pki"]);
    let peer = |member: &Member| format!("{}=https://{ADDRESS}:{}", member.name, member.peer);
    let one = format!("cp-1=https://{ADDRESS}:2380");
    let two = format!("{one},{}", peer(&SECOND));
    let three = format!("{two},{}", peer(&THIRD));
    join(&node, &SECOND, &two);
    join(&node, &THIRD, &three);
    let text = node.text(MANIFEST);
    let before = node.running("etcd").unwrap();
    let named = text.replace(&format!("--initial-cluster={one}"), &format!("--initial-cluster={three}"));
    assert_ne!(text, named);
    std::fs::write(node.path(MANIFEST), named).unwrap();
    node.wait_until("etcd runs with its new manifest", PATIENCE, || {
        node.running("etcd").filter(|now| now.id != before.id && is_healthy(&node, 2379))
    });
    for start in (0..KEYS).step_by(100) {
        let puts: String =
            (start..start + 100).map(|at| format!("put /story/{at:04} value-{}\n", at * at)).collect();
        let line = format!("printf '\\n{}\\n\\n' | ", puts.replace('\n', "\\n"));
        let put = etcdctl_after(&node, &line, "txn");
        assert!(put.out.contains("SUCCESS"), "{put:?}");
    }
    let keys = story(&node);
    assert_eq!(keys.len(), KEYS);
    (node, keys)
}

fn etcdctl_after(node: &TestNode, before: &str, arguments: &str) -> Run {
    let pki = "/var/tmp/pki";
    let line = format!(
        "{before}etcdctl --endpoints=https://{ADDRESS}:2379 --cacert={pki}/ca.crt --cert={pki}/healthcheck-client.crt \
         --key={pki}/healthcheck-client.key --command-timeout=10s {arguments}"
    );
    node.exec(&["sh", "-c", &line])
}

/// The keys that were put in, with their values.
fn story(node: &TestNode) -> BTreeMap<String, String> {
    let run = etcdctl(node, 2379, "get /story/ --prefix -w json");
    assert_eq!(run.code, 0, "{run:?}");
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |kv: &Value| (text(&kv["key"]), format!("{} at {}", text(&kv["value"]), kv["mod_revision"]));
    answer["kvs"].as_array().unwrap().iter().map(one).collect()
}

fn destroy(node: &TestNode, member: &Member) {
    kill(node, member);
    node.must(&["rm", "-r", &format!("/var/tmp/{}", member.name)]);
}

/// Until the database names all three: etcd writes its members once more while it reads its log.
fn wait_for_members(node: &TestNode) {
    node.wait_until("there are three members again", PATIENCE, || {
        let dry = node.kuberescue(&["etcd", "rescue", "--dry-run"]);
        (dry.code == 0 && dry.out.contains("cp-2") && dry.out.contains("cp-3")).then_some(())
    });
}

/// Kills the run once the record and the manifest are so.
fn kill_when(node: &TestNode, what: &str, is_so: impl Fn(&str, Option<&str>) -> bool) {
    let mut going = node.begin(&RESCUE);
    let started = Instant::now();
    loop {
        let record = std::fs::read_to_string(node.path(RECORD)).unwrap_or_default();
        let manifest = std::fs::read_to_string(node.path(MANIFEST)).ok();
        if is_so(&record, manifest.as_deref()) {
            break;
        }
        if started.elapsed() > PATIENCE || going.has_exited() {
            panic!("{what}: {record}: {:?}\n{}", going.end(node, PATIENCE), node.story());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    node.signal_kuberescue("KILL");
    let run = going.end(node, PATIENCE);
    assert_ne!(run.code, 0, "{what}: {run:?}");
}

/// Nothing but `resume` and `rollback` goes on, and it is said why.
fn assert_interrupted(node: &TestNode, what: &str) {
    let diagnosis = node.kuberescue(&["diagnose", "-o", "json"]);
    assert_eq!(diagnosis.code, 1, "{what}: {diagnosis:?}");
    let diagnosis: Value = serde_json::from_str(&diagnosis.out).unwrap();
    let codes: Vec<_> = diagnosis["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"interrupted-change"), "{what}: {codes:?}");
    let has_flag = std::fs::read_to_string(node.path(MANIFEST)).is_ok_and(|text| text.contains(FLAG));
    assert_eq!(codes.contains(&"etcd-force-new-cluster"), has_flag, "{what}: {codes:?}");
    for arguments in [&["recover", "--yes"][..], &RESCUE] {
        let refused = node.kuberescue(arguments);
        assert_eq!(refused.code, 5, "{what}: {refused:?}");
        assert!(refused.err.contains("[interrupted-change]"), "{what}: {refused:?}");
    }
}

/// etcd is a healthy cluster of one, with its old manifest and every key.
fn assert_rescued(node: &TestNode, keys: &BTreeMap<String, String>, manifest: &(Vec<u8>, i64, u32)) {
    assert_eq!(&manifest_of(node), manifest);
    let members = etcdctl(node, 2379, "member list");
    assert_eq!(members.out.lines().count(), 1, "{members:?}");
    assert!(members.out.contains("cp-1"), "{members:?}");
    assert_eq!(&story(node), keys);
    let commands = node.must(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    assert!(!commands.contains(FLAG), "{commands}");
    assert!(!node.path(RECORD).exists());
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
    // Nothing is left to go on with, and the flag isn't put back.
    for command in ["resume", "rollback"] {
        let nothing = node.kuberescue(&[command, "--yes"]);
        assert_eq!(nothing.code, 0, "{nothing:?}");
        assert!(nothing.out.contains("Nothing to"), "{nothing:?}");
    }
    assert_eq!(&manifest_of(node), manifest);
}

fn manifest_of(node: &TestNode) -> (Vec<u8>, i64, u32) {
    let path = node.path(MANIFEST);
    let found = std::fs::metadata(&path).unwrap();
    (std::fs::read(&path).unwrap(), found.mtime(), found.mode())
}

/// The copies of etcd's data beside it.
fn copies(node: &TestNode) -> Vec<String> {
    let names = std::fs::read_dir(node.path("/var/lib/etcd").parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("etcd-kuberescue-")).collect()
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_member_whose_others_are_destroyed_goes_on_alone() {
    let (node, keys) = three_members();
    let (manifest, etcd) = (manifest_of(&node), node.running("etcd"));
    let refused = |arguments: &[&str], code: i32, said: &str| {
        let run = node.kuberescue(arguments);
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.err.contains(said), "{said}: {run:?}");
        assert!(manifest_of(&node) == manifest && node.running("etcd") == etcd && copies(&node).is_empty());
    };
    refused(&RESCUE, 5, "[etcd-not-lost]: cannot rescue etcd: cp-2 answers at");
    destroy(&node, &SECOND);
    refused(&RESCUE, 5, "[etcd-not-lost]: cannot rescue etcd: cp-3 answers at");
    destroy(&node, &THIRD);
    let dry = node.kuberescue(&["etcd", "rescue", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.out.contains("cp-2") && dry.out.contains(FLAG), "{dry:?}");
    refused(&["etcd", "rescue", "--yes"], 2, "[not-confirmed]");
    refused(&["etcd", "rescue", "--yes", "--lost", "cp-2"], 2, "[not-confirmed]");
    refused(&["etcd", "rescue"], 2, "[not-confirmed]");

    let run = node.kuberescue(&RESCUE);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    println!("{}", run.out);
    assert_rescued(&node, &keys, &manifest);
    let made = copies(&node);
    assert_eq!(made.len(), 1);
    let copy = node.path(&format!("/var/lib/{}", made[0]));
    assert_eq!(std::fs::metadata(&copy).unwrap().mode() & 0o7777, 0o700);
    assert!(copy.join("member/snap/db").exists());
    refused_again(&node);

    // Others join again, and stay when etcd restarts.
    join(
        &node,
        &SECOND,
        &format!("cp-1=https://{ADDRESS}:2380,{}=https://{ADDRESS}:{}", SECOND.name, SECOND.peer),
    );
    node.respawn("etcd");
    node.wait_until("etcd is healthy", PATIENCE, || is_healthy(&node, 2379).then_some(()));
    assert_eq!(etcdctl(&node, 2379, "member list").out.lines().count(), 2);
    assert_eq!(story(&node), keys);
}

fn refused_again(node: &TestNode) {
    let run = node.kuberescue(&RESCUE);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.err.contains("[etcd-not-lost]"), "{run:?}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_kill_a_rescue_is_taken_back_or_completed() {
    let (node, keys) = three_members();
    let manifest = manifest_of(&node);
    destroy(&node, &SECOND);
    destroy(&node, &THIRD);
    let back = |what: &str| {
        assert_interrupted(&node, what);
        let run = node.kuberescue(&["rollback", "--yes"]);
        assert_eq!(run.code, 0, "{what}: {run:?}\n{}", node.story());
        assert_eq!(manifest_of(&node), manifest, "{what}");
        assert!(!node.path(RECORD).exists(), "{what}");
        wait_for_members(&node);
    };
    kill_when(&node, "taken away", |record, manifest| record.contains("\"copying\"") && manifest.is_none());
    back("taken away");
    kill_when(&node, "copied", |record, _| record.contains("\"forcing\""));
    back("copied");
    kill_when(&node, "forced", |record, manifest| {
        record.contains("\"forcing\"") && manifest.is_some_and(|text| text.contains(FLAG))
    });
    back("forced");
    kill_when(&node, "alone", |record, _| record.contains("\"ending\""));
    back("alone");
    kill_when(&node, "old manifest", |record, manifest| {
        record.contains("\"ending\"") && manifest.is_some_and(|text| !text.contains(FLAG))
    });
    assert_interrupted(&node, "old manifest");
    let run = node.kuberescue(&["resume", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert_rescued(&node, &keys, &manifest);
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn after_a_kill_a_rescue_goes_on_and_after_another_one_too() {
    let (node, keys) = three_members();
    let manifest = manifest_of(&node);
    destroy(&node, &SECOND);
    destroy(&node, &THIRD);
    // Now it is as after a restart: without a leader it doesn't open its client port.
    node.respawn("etcd");
    wait_for_members(&node);
    kill_when(&node, "taken away", |record, manifest| record.contains("\"copying\"") && manifest.is_none());
    assert_interrupted(&node, "taken away");
    let going = node.begin(&["resume"]);
    node.wait_until("forced", PATIENCE, || node.text(RECORD).contains("\"forcing\"").then_some(()));
    node.signal_kuberescue("KILL");
    assert_ne!(going.end(&node, PATIENCE).code, 0);
    assert_interrupted(&node, "forced");
    let run = node.kuberescue(&["resume"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert_rescued(&node, &keys, &manifest);
}
