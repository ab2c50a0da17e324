//! The table put to the test: exactly these findings on each node, and no code without a scenario.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::breakages::{Scenario, scenarios};
use super::common::{kuberescue, run};
use super::scene::{Diagnosis, set};

/// Codes that the table can't have, with the reason.
const ELSEWHERE: [(&str, &str); 10] = [
    ("pki-dir-unclear", "needs two whole PKI directories: the tests of analysis/node/facts"),
    ("flag-file-denied", "needs owners, which only root can give files: tests/who.rs"),
    ("etcd-snapshot-missing", "is read from logs: views.rs"),
    ("disk-full", "needs a file system that is full: clock_and_disk.rs makes one"),
    (
        "clock-behind",
        "is told of the machine's own clock alone, and so of no time that a test sets: clock_and_disk.rs",
    ),
    ("not-read-to-end", "needs more files than a node may have: hostile.rs makes them"),
    ("nodes-ca-differs", "is of several nodes: tests/diagnose_nodes.rs"),
    ("nodes-sa-differs", "is of several nodes: tests/diagnose_nodes.rs"),
    ("nodes-encryption-differs", "is of several nodes: tests/diagnose_nodes.rs"),
    ("nodes-copied", "is of several nodes: tests/diagnose_nodes.rs"),
];

#[test]
fn each_broken_node_gives_its_findings_and_no_others() {
    let all = scenarios();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(scenario) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = play(scenario) {
                        wrong.lock().unwrap().push_str(&why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}

fn play(scenario: &Scenario) -> Result<(), String> {
    let node = scenario.node();
    let before = node.state();
    let found = Diagnosis::at(&node, scenario.at);
    let mut wrong = String::new();
    let (is, wanted) = (found.set(), set(&scenario.all_found()));
    for (code, severity, subject) in is.difference(&wanted) {
        let _ = writeln!(wrong, "  found beside: (\"{code}\", \"{severity}\", \"{subject}\")");
    }
    for (code, severity, subject) in wanted.difference(&is) {
        let _ = writeln!(wrong, "  not found:    (\"{code}\", \"{severity}\", \"{subject}\")");
    }
    // Something to be seen to is exit code 1, notes alone are none.
    let seen_to = scenario.all_found().iter().any(|(_, severity, _)| *severity != "note");
    if found.run.code != i32::from(seen_to) {
        let _ = writeln!(wrong, "  exit code {}", found.run.code);
    }
    for finding in found.findings() {
        if let Err(why) = well_told(finding) {
            let _ = writeln!(wrong, "  {why}: {finding}");
        }
    }
    if node.state() != before {
        wrong.push_str("  something was written\n");
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{wrong}", scenario.name)) }
}

/// Every finding says where, what and what to do; a placeholder of the pages is none.
fn well_told(finding: &Value) -> Result<(), &'static str> {
    let text = |field: &str| finding[field].as_str().unwrap_or_default();
    if !text("path").starts_with('/') {
        return Err("no path");
    }
    if text("what").is_empty() {
        return Err("not said what");
    }
    let remedy = |field: &str| finding["remedy"][field].as_str().unwrap_or_default();
    if remedy("command").is_empty() && !super::explain::has_command(remedy("reason")) {
        return Err("no command to run");
    }
    if remedy("reason").contains("FILE") {
        return Err("a placeholder in the remedy");
    }
    Ok(())
}

#[test]
fn every_code_has_a_scenario() {
    let mut command = kuberescue();
    command.args(["explain", "--list", "-o", "json"]);
    let listed = run(command);
    assert_eq!(listed.code, 0, "{listed}");
    let document: Value = serde_json::from_str(&listed.out).unwrap();
    let pages = document["items"].as_array().unwrap();
    // The others are no findings of a node on a disk: each has a story where it is printed.
    const CLASSES: [&str; 7] = ["clock", "disk", "etcd", "manifest", "kubelet", "credential", "exposure"];
    let of_nodes = pages.iter().filter(|page| CLASSES.contains(&page["class"].as_str().unwrap()));
    let codes = of_nodes.map(|page| page["code"].as_str().unwrap());
    // A refusal, a check of the cluster, and lines of logs elsewhere.
    let codes: BTreeSet<&str> = codes
        .chain(["another-cluster", "csr-pending", "etcd-space-exceeded", "etcd-database-damaged"])
        .collect();
    let played = scenarios().into_iter().flat_map(Scenario::all_found).map(|(code, _, _)| code);
    let known: BTreeSet<&str> = played.chain(ELSEWHERE.iter().map(|(code, _)| *code)).collect();
    assert_eq!(codes, known);
}

#[test]
fn scenarios_have_names_of_their_own() {
    let names: BTreeSet<&str> = scenarios().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenarios().len());
}
