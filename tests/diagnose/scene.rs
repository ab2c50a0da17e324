//! A node's whole disk, and what `diagnose` finds on it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::{NOW, Node, PKI, Run, etcd_database};

/// A finding as the table speaks of it: code, severity, subject.
pub type Found = (&'static str, &'static str, &'static str);

pub const B: &str = "blocker";
pub const W: &str = "warning";
pub const N: &str = "note";

/// A tree of `testdata/nodes` as a whole disk: with a system, and with etcd's data.
pub fn disk(tree: &str) -> Node {
    let node = Node::of(tree);
    std::fs::create_dir(node.path("/usr")).unwrap();
    std::fs::create_dir_all(node.path("/var/lib/etcd/member/wal")).unwrap();
    node.write("/var/lib/etcd/member/snap/db", etcd_database("one-member.db"));
    node
}

/// The same disk as a worker's: a kubelet, its credentials, and the cluster's CA certificate.
pub fn worker(node: &Node) {
    for file in ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"] {
        node.remove(&format!("/etc/kubernetes/{file}"));
    }
    let ca = node.read(&format!("{PKI}/ca.crt"));
    node.remove(PKI);
    node.remove("/etc/kubernetes/manifests");
    node.remove("/var/lib/etcd");
    node.write(&format!("{PKI}/ca.crt"), ca);
}

/// What the real program said of a node.
pub struct Diagnosis {
    pub run: Run,
    pub json: Value,
}

impl Diagnosis {
    /// At this time.
    pub fn at(node: &Node, time: &str) -> Self {
        Self::of(node.run_as_given(&format!("diagnose -o json --at {time}")))
    }

    pub fn now(node: &Node) -> Self {
        Self::at(node, NOW)
    }

    pub fn of(run: Run) -> Self {
        let json = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"));
        Self { run, json }
    }

    pub fn verdict(&self) -> &str {
        self.json["verdict"]["line"].as_str().unwrap()
    }

    pub fn findings(&self) -> &[Value] {
        self.json["findings"].as_array().unwrap()
    }

    /// The finding of this code and subject.
    pub fn finding(&self, code: &str, subject: &str) -> &Value {
        let found = self.findings().iter().find(|f| f["code"] == code && f["subject"] == subject);
        found.unwrap_or_else(|| panic!("no {code} on {subject}\n{}", self.run))
    }

    /// Code, severity and subject of each finding.
    pub fn set(&self) -> BTreeSet<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all: Vec<_> = self
            .findings()
            .iter()
            .map(|f| (text(&f["code"]), text(&f["severity"]), text(&f["subject"])))
            .collect();
        let set: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(set.len(), all.len(), "one is told twice: {all:#?}");
        set
    }

    /// Subjects in the order in which they are told.
    pub fn subjects(&self) -> Vec<&str> {
        self.findings().iter().map(|f| f["subject"].as_str().unwrap()).collect()
    }
}

/// What the table asks for, to compare with.
pub fn set(found: &[Found]) -> BTreeSet<(String, String, String)> {
    found
        .iter()
        .map(|(code, severity, subject)| ((*code).into(), (*severity).into(), (*subject).into()))
        .collect()
}
