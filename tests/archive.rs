//! Archives as an operator uses them: made, compared, verified, restored, with the history beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test: it writes trees, runs programs, and what fails shall fail loudly"
)]

mod common;

use std::path::PathBuf;

use common::{Node, Run, fixture, kuberescue, run};

/// Makes an archive of the node outside of it.
fn archive(node: &Node) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let made = node.must(&format!("archive create --archive-dir {}", directory.path().display()));
    (directory, PathBuf::from(made.out.trim()))
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

#[test]
fn a_renewed_node_differs_in_facts_and_in_bytes_and_is_restored_exactly() {
    let node = Node::of("expired-all");
    let old = node.state();
    let (_directory, file) = archive(&node);
    let file = file.display();
    let same = node.must(&format!("archive diff {file}"));
    assert_eq!(same.out, "No difference: 41 paths are the same.\n");
    node.must("certs renew all");
    let new = node.state();
    let differs = node.run(&format!("archive diff {file}"));
    assert_eq!(differs.code, 1, "{differs}");
    assert!(
        differs.out.contains("apiserver                  another certificate, another key: serial "),
        "{differs}"
    );
    assert!(differs.out.contains("; ends 2024-12-31T00:00:00Z → 2027-11-24T00:00:00Z"), "{differs}");
    assert!(differs.out.contains("changed  /etc/kubernetes/pki/apiserver.key  content ("), "{differs}");
    assert!(!differs.out.contains("/etc/kubernetes/pki/ca.crt"), "{differs}");
    let told = json(&node.run(&format!("archive diff {file} -o json")));
    assert_eq!(told["credentials"].as_array().unwrap().len(), 13);
    assert_eq!(told["credentials"][0]["sameKey"], false);

    let dry = node.must(&format!("archive restore {file} --exact --dry-run"));
    assert!(dry.out.starts_with("Restore of cp-1: 22 paths change, 20 are the same\n"), "{dry}");
    assert!(dry.out.contains("NOTE: 11 certificates in the archive have expired"), "{dry}");
    assert!(dry.out.contains("To be restarted afterwards: kubelet, etcd, kube-apiserver"), "{dry}");
    new.assert_same(&node.state(), "a dry run");
    node.must(&format!("archive restore {file} --exact --yes"));
    old.assert_same(&node.state(), "restored");
    node.must(&format!("archive diff {file}"));
    let nothing = node.must(&format!("archive restore {file} --exact --yes"));
    assert!(nothing.err.contains("Nothing to restore"), "{nothing}");
    node.must("rollback --yes");
    new.assert_same(&node.state(), "the restore was undone");
}

#[test]
fn keys_that_stay_are_said_to_stay() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    node.must("certs renew apiserver --reuse-keys");
    let differs = node.run(&format!("archive diff {}", file.display()));
    assert!(
        differs.out.contains("apiserver                  another certificate, the same key: serial "),
        "{differs}"
    );
    assert_eq!(differs.out.matches("changed  ").count(), 1, "{differs}");
}

#[test]
fn two_archives_are_compared_without_a_node() {
    let (here, there) = (fixture("rsa2048"), fixture("expired-all"));
    let mut command = kuberescue();
    command.args(["archive", "diff"]).args([&here, &there]);
    let differs = run(command);
    assert_eq!(differs.code, 1, "{differs}");
    assert!(
        differs.out.contains("  ca                         another certificate, another key"),
        "{differs}"
    );
    assert!(
        differs.out.contains("  sa                         a key pair without certificate, another key"),
        "{differs}"
    );
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
    let restored = node.must(&format!("archive restore {} --yes", file.display()));
    assert!(
        restored.out.contains("stays (--exact removes it) (1):\n  /etc/kubernetes/pki/mine.crt\n"),
        "{restored}"
    );
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
    let restored = onto.must(&format!("archive restore {} --yes", file.display()));
    assert!(restored.out.contains("NOTE: not made by kuberescue"), "{restored}");
    assert!(
        restored.out.contains("/kubeadm.yaml: nothing that a kubeadm node's credentials depend on"),
        "{restored}"
    );
    assert!(!onto.exists("/kubeadm.yaml"));
    onto.must("certs check-expiration");
    let exact =
        onto.refuses(&format!("archive restore {} --yes --exact", file.display()), "exact-needs-own-archive");
    assert!(exact.err.contains("leave --exact out"), "{exact}");
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
    assert!(refused.err.contains("of node cp-2, and this is node cp-1"), "{refused}");
    node.must(&format!("archive restore {} --yes --accept-node", file.display()));
}

#[test]
fn a_broken_archive_and_no_archive_change_nothing() {
    let node = Node::of("ecdsa-p256");
    let (directory, file) = archive(&node);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let before = node.state();
    for (what, code) in
        [(file.clone(), 1), (directory.path().join("none"), 2), (directory.path().to_owned(), 2)]
    {
        for command in ["restore --yes", "diff"] {
            let (verb, flags) = command.split_once(' ').unwrap_or((command, ""));
            let run = node.run(&format!("archive {verb} {} {flags}", what.display()));
            assert_eq!(run.code, code, "{run}");
            assert!(run.err.starts_with("error") && run.err.contains("\nhint: "), "{run}");
        }
    }
    before.assert_identical(&node.state(), "refused");
}

#[test]
fn nobody_is_asked_and_nothing_is_restored() {
    let node = Node::of("ecdsa-p256");
    let (_directory, file) = archive(&node);
    node.write("/etc/kubernetes/admin.conf", "broken");
    let before = node.state();
    let run = node.run(&format!("archive restore {}", file.display()));
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("run it again with --yes"), "{run}");
    before.assert_same(&node.state(), "not asked");
}

#[test]
fn verify_checks_every_archive_and_the_history() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew all");
    node.must("certs renew apiserver --accept-clock");
    let good = node.must("archive verify --at 2026-11-24");
    assert_eq!(good.out.matches("every digest matches").count(), 2, "{good}");
    assert!(good.out.contains("history: 2 changes since ") && good.out.contains(": intact\n"), "{good}");
    assert!(good.out.contains("kuberescue certs renew apiserver"), "{good}");
    assert_eq!(
        json(&node.must("archive verify -o json --at 2026-11-24"))["history"]["records"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let log = "/var/lib/kuberescue/history.jsonl";
    let whole = node.text(log);
    node.write(log, whole.replace("certs renew all", "certs renew ALL"));
    let broken = node.run("archive verify --at 2026-11-24");
    assert_eq!(broken.code, 1, "{broken}");
    assert!(broken.out.contains("history: 2 changes since "), "{broken}");
    assert!(broken.out.contains("DAMAGED\n  /var/lib/kuberescue/history.jsonl, line 2: "), "{broken}");
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
    let run = node.run("archive verify --at 2026-11-24");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("intact, but not the file that the history records"), "{run}");

    std::fs::write(&archives[0], "no archive").unwrap();
    let run = node.run("archive verify --at 2026-11-24");
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.out.matches("every digest matches").count(), 1, "{run}");
    assert!(run.err.starts_with("error [archive-damaged]: cannot read the archive "), "{run}");
}

#[test]
fn a_linked_directory_is_restored_where_it_leads() {
    let node = Node::of("ecdsa-p256");
    node.rename("/etc/kubernetes", "/opt/k8s");
    node.link("/etc/kubernetes", "/opt/k8s");
    let (_directory, file) = archive(&node);
    let old = node.state();
    node.must("certs renew all --accept-clock");
    let restored = node.must(&format!("archive restore {} --yes --exact", file.display()));
    assert!(restored.out.contains("changed  /opt/k8s/pki/apiserver.crt"), "{restored}");
    assert!(restored.out.contains("restarted afterwards: etcd, kube-apiserver"), "{restored}");
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
        let item = json(&told)["items"][0].clone();
        let mut command = kuberescue();
        command.args(["diagnose", "-o", "json", "--at", "2026-11-24", "--root"]).arg(fixture(tree));
        let diagnosis = json(&run(command));
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
        assert_eq!(told.code, i32::from(word == "NOT_RECOVERABLE"), "{tree}: {told}");
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn verify_screens() {
    let ready = verified("rsa2048", "--at 2026-11-24");
    insta::assert_snapshot!(first_line(&ready.out), @"ARCHIVE: READY");
    // A healthy node whose CA key is elsewhere works.
    let external = verified("external-ca", "--at 2026-11-24");
    insta::assert_snapshot!(first_line(&external.out), @"ARCHIVE: READY");
    let expired = verified("expired-all", "--at 2026-11-24");
    insta::assert_snapshot!(first_line(&expired.out), @"ARCHIVE: RECOVERABLE (with: kuberescue recover)");
    let ca = verified("expired-ca", "--at 2026-11-24");
    assert!(first_line(&ca.out).starts_with("ARCHIVE: NOT RECOVERABLE ("), "{ca}");
    assert_eq!(ca.code, 1, "{ca}");
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
    let told = run(command);
    assert!(
        told.out.contains(
            "  scope: only /etc/kubernetes/pki, /etc/kubernetes/manifests; not in the archive: /var/lib/kubelet\n"
        ),
        "{told}"
    );
}

#[test]
fn no_archive_is_an_error() {
    let node = Node::of("rsa2048");
    let show = |run: Run| run.to_string().replace(node.root().to_str().unwrap(), "ROOT");
    insta::assert_snapshot!(show(node.run("archive verify")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot verify: no archive of ROOT found
    hint: sudo kuberescue archive create
    ");
    insta::assert_snapshot!(show(node.run("archive list")), @r"
    exit 0
    --- stdout
    --- stderr
    No archives found.
    hint: sudo kuberescue archive create
    ");
    insta::assert_snapshot!(show(node.run("archive list --archive-dir /nowhere")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot read the archive /nowhere: not found
    hint: sudo kuberescue archive list
    ");
    insta::assert_snapshot!(show(node.run("archive verify /nowhere")), @r"
    exit 2
    --- stdout
    --- stderr
    error [no-archive]: cannot read the archive /nowhere: not found
    hint: sudo kuberescue archive list
    ");
    insta::assert_snapshot!(show(node.run("resume")), @r"
    exit 0
    --- stdout
    Nothing to resume: no change was interrupted.
    --- stderr
    ");
    insta::assert_snapshot!(show(node.run("rollback --yes")), @r"
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
    insta::assert_snapshot!(format!("exit {}\n{}", made.code, made.err), @r"
    exit 4
    Read back and verified. The archive holds private keys: protect it like the node itself.
    Not in the archive (1 path):
      /etc/kubernetes/pki/fifo: a FIFO, not a file
    ");
}

#[test]
fn documents_have_the_envelope() {
    let node = Node::of("expired-all");
    let created = json(&node.must("archive create -o json"));
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
        let document = json(&run);
        assert_eq!(document["apiVersion"], "kuberescue/v1", "{run}");
        assert_eq!(document["kind"], kind, "{run}");
        assert!(document["items"].is_array() && document["time"].is_string(), "{run}");
    }
}
