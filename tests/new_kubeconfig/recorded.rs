//! What is issued is in the history of the node, and nothing else of it changes.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::BREAK_GLASS;
use crate::common::{self, Node, PKI};

/// The records that `archive verify` shows, without times.
fn history(node: &Node) -> Value {
    let run = node.run_as_given("archive verify -o json");
    let history = run.json()["history"].clone();
    assert_eq!(history["problems"], json!([]), "{run}");
    history["records"].clone()
}

#[test]
fn who_was_given_what_until_when() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    node.settle();
    let run = node.must(BREAK_GLASS);
    node.must("kubeconfig new --user alice --valid 8h");
    let records = history(&node);
    let issued = records[1]["issued"].clone();
    let serial = run.err.lines().find_map(|line| line.trim().strip_prefix("serial ")).unwrap();
    assert_eq!(
        issued,
        json!({
            "user": "kuberescue-break-glass",
            "groups": ["system:masters"],
            "serial": serial,
            "from": "2026-11-23T23:55:00Z",
            "until": "2026-11-24T01:00:00Z",
        })
    );
    assert_eq!((&records[1]["paths"], &records[1]["archive"]), (&json!(0), &Value::Null));
    assert_eq!(records[0].get("issued"), None);
    let shown = node.run_as_given("archive verify");
    assert_snapshot!(shown.out.split_once("history:").map(|(_, rest)| {
        let root = node.root().display().to_string();
        common::screen::steady(&rest.replace(&root, "ROOT"))
    }).unwrap(), @"
    1 change and 2 issued certificates since TIME: intact
     TIME  uid UID  kuberescue certs renew apiserver --at 2026-11-24T00:00:00Z --root ROOT (2 paths)
     TIME  uid UID  kuberescue kubeconfig new --break-glass --at 2026-11-24T00:00:00Z --root ROOT (user kuberescue-break-glass (system:masters), serial SERIAL, valid until 2026-11-24 01:00 UTC)
     TIME  uid UID  kuberescue kubeconfig new --user alice --valid 8h --at 2026-11-24T00:00:00Z --root ROOT (user alice, serial SERIAL, valid until 2026-11-24 08:00 UTC)
    ");
    // Still the last change is what a rollback undoes.
    let back = node.run("rollback --yes");
    assert_eq!(back.code, 0, "{back}");
    assert_eq!(history(&node).as_array().unwrap().len(), 4);
}

/// An interrupted change stays as it is, and can still be completed.
#[test]
fn after_an_interrupted_change() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    node.settle();
    node.rename("/var/lib/kuberescue/last.json", "/var/lib/kuberescue/journal.json");
    let run = node.must(BREAK_GLASS);
    assert!(run.err.starts_with("note: an earlier change was interrupted: "), "{run}");
    node.refuses("certs renew apiserver", "interrupted-change");
    let resumed = node.run("resume");
    assert_eq!(resumed.code, 0, "{resumed}");
    let commands: Vec<_> =
        history(&node).as_array().unwrap().iter().map(|record| record["issued"].is_object()).collect();
    assert_eq!(commands, [false, true]);
}

/// It is not known which CA will be the node's.
#[test]
fn an_interrupted_change_of_the_cas_key() {
    let node = Node::of("ecdsa-p256");
    let (crt, key) = (format!("{PKI}/ca.crt"), format!("{PKI}/ca.key"));
    let archive = node.must("certs renew apiserver").err;
    let archive = archive.lines().find_map(|line| line.split_once("verified: ")).unwrap().1.to_owned();
    let other = Node::of("rsa2048");
    node.write(&crt, other.read(&crt));
    node.write(&key, other.read(&key));
    let restored = node.run_as_given(&format!("archive restore {archive} --yes"));
    assert!([0, 1, 4].contains(&restored.code), "{restored}");
    node.rename("/var/lib/kuberescue/last.json", "/var/lib/kuberescue/journal.json");
    node.refuses(BREAK_GLASS, "interrupted-change");
    node.must(&format!("{BREAK_GLASS} --accept interrupted-change"));
}

#[test]
fn without_a_record_only_on_request() {
    let node = Node::of("ecdsa-p256");
    node.write("/var/lib/kuberescue", "in the way");
    let refused = node.run(BREAK_GLASS);
    assert!(refused.code == 2 && refused.out.is_empty(), "{refused}");
    assert_snapshot!(node.talk(&refused), @"
    note: cannot open /var/lib/kuberescue: a part of the path is not a directory
    error [file-error]: cannot record the kubeconfig in the history: cannot open /var/lib/kuberescue: a part of the path is not a directory
    hint: nothing was changed; run the same command again once the cause is gone
    hint: to issue it all the same: --unrecorded
    ");
    let run = node.must(&format!("{BREAK_GLASS} --unrecorded"));
    assert!(run.out.starts_with("apiVersion: v1\n") && run.err.contains("note: not recorded"), "{run}");
    assert_eq!(node.text("/var/lib/kuberescue"), "in the way");
}
