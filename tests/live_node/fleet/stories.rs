//! One fleet, from healthy over expired certificates to healthy again: each story begins where the last one finished.

use std::path::Path;

use super::controller::{Fleet, Played, State, check_syntax, play_here};
use super::replace::the_ca_of_etcd_is_replaced_while_etcd_goes_on;
use super::workers::a_worker_is_renewed;
use crate::node::{PATIENCE, TestNode};

/// Long enough for three nodes to come up on a busy machine. The first two stories need no certificate.
const ENDS_IN: u32 = 40;
const RECOVER: [&str; 2] = ["-e", "kuberescue_recover=yes"];
const PKI: &str = "/etc/kubernetes/pki";

#[test]
#[ignore = "needs ansible-core: make test-node"]
fn the_arithmetic_of_the_quorum() {
    let (out, code) = play_here("quorum.yml");
    assert_eq!(code, 0, "{out}");
    assert!(out.matches("ok: [localhost] => (item=").count() > 10, "{out}");
}

#[test]
#[ignore = "needs ansible-core: make test-node"]
fn the_example_of_an_inventory_is_one() {
    let (out, code) = check_syntax();
    assert_eq!(code, 0, "{out}");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd, sshd, ansible-core: make test-node"]
fn a_fleet() {
    let began = std::time::Instant::now();
    let fleet = Fleet::ending_in(ENDS_IN);
    for node in &fleet.nodes {
        node.wait_ready();
    }
    let told = |what: &str| eprintln!("fleet, {:3} s: {what}", began.elapsed().as_secs());
    told("where a node can't be reached");
    where_a_node_cannot_be_reached_nothing_is_begun(&fleet);
    told("where a node can't be recovered");
    where_a_node_cannot_be_recovered_none_is(&fleet);
    wait_until_all_have_expired(&fleet);
    told("check mode");
    check_mode_tells_all_and_changes_nothing(&fleet);
    told("all expired");
    one_run_brings_back_nodes_whose_certificates_have_all_expired(&fleet);
    told("a failure at the second node");
    a_failure_ends_the_run_before_the_next_node(&fleet);
    told("etcd's CA replaced");
    the_ca_of_etcd_is_replaced_while_etcd_goes_on(&fleet);
    told("a worker");
    a_worker_is_renewed(&fleet);
    told("the end");
}

fn where_a_node_cannot_be_reached_nothing_is_begun(fleet: &Fleet) {
    let third = &fleet.nodes[2];
    third.must(&["sh", "-c", "kill $(cat /run/sshd.pid)"]);
    let before = fleet.states();
    let run =
        fleet.play(&RECOVER).must(2, &["STOPPED before anything was changed", "cp-3 can't be worked on"]);
    assert!(run.out.contains("Connection refused"), "{}", run.out);
    fleet.assert_untouched(&before);
    for node in &fleet.nodes {
        assert_no_trace(node);
    }
    third.must(&["/opt/testnode/bin/start-sshd"]);
}

/// Nothing of kuberescue's is on the node, the program neither.
fn assert_no_trace(node: &TestNode) {
    for path in ["/opt/kuberescue", "/var/lib/kuberescue", "/var/lib/kuberescue-fleet"] {
        assert!(!node.path(path).exists(), "{path}");
    }
}

fn where_a_node_cannot_be_recovered_none_is(fleet: &Fleet) {
    // One of its certificates has to be issued, and the authority's key is gone.
    let third = &fleet.nodes[2];
    third.must(&["sh", "-c", &format!("cd {PKI}; mv ca.key /var/tmp; mv apiserver.crt /var/tmp")]);
    let before = fleet.states();
    let run = fleet
        .play(&RECOVER)
        .must(2, &["STOPPED before anything was recovered", "cp-3, recover --dry-run:", "[ca-key-missing]"]);
    assert!(!run.out.contains("cp-1, recover --dry-run:"), "{}", run.out);
    fleet.assert_untouched(&before);
    for node in &fleet.nodes {
        assert!(
            !node.path("/var/lib/kuberescue").exists() && !node.path("/var/lib/kuberescue-fleet").exists()
        );
    }
    third.must(&["sh", "-c", &format!("mv /var/tmp/ca.key /var/tmp/apiserver.crt {PKI}")]);
    // Its program stays, and the next story begins as on new nodes.
    for node in &fleet.nodes {
        node.must(&["rm", "-r", "/opt/kuberescue"]);
    }
}

fn wait_until_all_have_expired(fleet: &Fleet) {
    for node in &fleet.nodes {
        node.wait_until("its certificates have expired", PATIENCE * 2, || {
            let certificate = format!("{PKI}/etcd/server.crt");
            let asked = node.exec(&["openssl", "x509", "-checkend", "0", "-noout", "-in", &certificate]);
            (asked.code != 0 && node.kubectl(&["get", "nodes"]).code != 0).then_some(())
        });
    }
}

fn check_mode_tells_all_and_changes_nothing(fleet: &Fleet) {
    let before = fleet.states();
    let arguments = [&RECOVER[..], &["--check"]].concat();
    let run = fleet.play(&arguments).must(
        0,
        &[
            "3 nodes, 0 in order, 3 to be recovered",
            "cp-1  control plane",
            "cp-2  control plane",
            "cp-3  control plane",
            "no quorum can be kept",
            "Nothing was recovered",
        ],
    );
    fleet.assert_untouched(&before);
    for node in &fleet.nodes {
        assert_no_trace(node);
    }
    run.assert_private();
    let report = run.json("report.json");
    assert_eq!(report["clusters"][0]["etcd"]["blocked"], serde_json::json!(["cp-1", "cp-2", "cp-3"]));
    assert!(run.text("report.txt").contains("3 to be recovered"));
    for name in ["cp-1", "cp-2", "cp-3"] {
        assert_eq!(run.archives(name).len(), 1);
        assert_eq!(run.json(&format!("{name}/diagnosis.json"))["node"]["name"], name);
        assert!(run.text(&format!("{name}/diagnosis.html")).starts_with("<!doctype html>"));
        assert_eq!(run.json(&format!("{name}/probe-before.json"))["green"], false);
        assert!(run.text(&format!("{name}/recover-dry-run.txt")).contains("Dry run: "));
    }
}

fn one_run_brings_back_nodes_whose_certificates_have_all_expired(fleet: &Fleet) {
    let run = fleet.play(&RECOVER).must(0, &["no quorum can be kept"]);
    fleet.assert_well();
    run.assert_private();
    assert_fetched(fleet, &run, &[0, 1, 2]);

    // As docs/several-nodes.md has it: the first without a leader, the second out of the old quorum, the third, once more the first.
    let steps = [
        ("cp-1/recover-first.txt", 4, false),
        ("cp-2/recover-second.txt", 0, true),
        ("cp-3/recover-second.txt", 0, false),
        ("cp-1/recover-third.txt", 0, false),
    ];
    for (path, code, breaks) in steps {
        let text = run.text(path);
        assert!(text.contains(&format!("\nexit code {code}\n")), "{path}: {text}");
        assert_eq!(text.lines().next().unwrap().contains("--break-quorum"), breaks, "{path}: {text}");
    }
    assert_order(&run, &steps.map(|(path, ..)| path));
    for path in ["cp-2/recover-first.txt", "cp-3/recover-first.txt"] {
        let text = run.text(path);
        assert!(text.contains("\nexit code 5\n") && text.contains("[etcd-quorum]"), "{path}: {text}");
    }
    let summary = run.text("summary.txt");
    for line in [
        "cp-1: recovered, and has a quorum now; all is well",
        "cp-2: recovered; all is well",
        "cp-3: recovered; all is well",
    ] {
        assert!(summary.contains(line) && run.out.contains(line), "{summary}");
    }
}

/// Each node was recovered when the one before it had been, and was proven.
fn assert_order(run: &Played, files: &[&str]) {
    let written = |file: &&str| std::fs::metadata(run.reports.join(file)).unwrap().modified().unwrap();
    let times: Vec<_> = files.iter().map(written).collect();
    assert!(times.is_sorted(), "{files:?}: {times:?}");
}

/// The archive that the recovery made is here as it is there, and the probe is green.
fn assert_fetched(fleet: &Fleet, run: &Played, recovered: &[usize]) {
    for number in recovered {
        let name = format!("cp-{}", number + 1);
        let archives = run.archives(&name);
        assert_eq!(archives.len(), 2, "{archives:?}");
        let is_there = |archive: &&std::path::PathBuf| !archive.ends_with("before.tar.gz");
        let made = archives.iter().find(is_there).unwrap();
        let there = fleet.nodes[*number].path("/var/lib/kuberescue").join(made.file_name().unwrap());
        assert_eq!(std::fs::read(made).unwrap(), std::fs::read(there).unwrap());
        assert_eq!(run.json(&format!("{name}/probe-after.json"))["green"], true);
    }
}

fn a_failure_ends_the_run_before_the_next_node(fleet: &Fleet) {
    let [_, second, third] = &fleet.nodes;
    for node in [second, third] {
        truncate(&node.path(&format!("{PKI}/apiserver.crt")));
    }
    second.stop_kubelet();
    let before = fleet.states();
    let hurry = ["-e", r#"{"kuberescue_recover_options": ["--restart-timeout", "3s"]}"#];
    let run = fleet.play(&[&RECOVER[..], &hurry].concat()).must(
        2,
        &[
            "STOPPED at cp-2: recover finished with exit code 4",
            "[restart-failed]",
            "Not touched: cp-3.",
            "cp-1: left alone, it was well",
            "cp-2: STOPPED here",
            "cp-3: not touched",
        ],
    );
    run.assert_private();
    assert!(run.text("cp-2/recover-first.txt").contains("exit code 4\n"));
    assert_eq!(run.json("cp-2/probe-after.json")["green"], false);
    assert_eq!(run.archives("cp-2").len(), 2);
    assert!(!run.has("cp-3/recover-first.txt"));
    let between = fleet.states();
    between[0].assert_same(&before[0]);
    assert!(between[1].tree != before[1].tree);
    between[2].assert_same(&before[2]);

    // With the kubelet there again, the same command does the rest, and leaves alone what is done.
    second.start_kubelet();
    let done = State::of(&fleet.nodes[0]);
    let run =
        fleet.play(&RECOVER).must(0, &["cp-1: left alone, it was well", "cp-3: recovered; all is well"]);
    fleet.assert_well();
    run.assert_private();
    State::of(&fleet.nodes[0]).assert_same(&done);
    assert!(State::of(second).tree == between[1].tree);
    assert!(!run.has("cp-1/recover-first.txt"));
    assert_order(&run, &["cp-2/recover-first.txt", "cp-3/recover-first.txt"]);
    assert_fetched(fleet, &run, &[2]);
}

/// As a disk that was full leaves a file.
fn truncate(path: &Path) {
    let half = std::fs::read(path).unwrap();
    std::fs::write(path, &half[..half.len() / 2]).unwrap();
}
