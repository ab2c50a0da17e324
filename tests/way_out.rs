//! Ways out: of a change that was interrupted while something else changed files too, of files that can't be replaced,
//! and of results that nobody could read.

mod common;

use std::fs::File;
use std::process::Command;

use common::mounted::Mounted;
use common::{Node, kuberescue, run, skip};
use insta::assert_snapshot;

const RENEW: &str = "certs renew all --accept-clock --at 2026-11-24T00:00:00Z";

/// A node on which the change of all certificates is committed and every file is in place, but the run died before its
/// last step; then another program has written one of them and removed another.
fn touched_after_an_interruption() -> Node {
    let node = Node::of("ecdsa-p256");
    node.must(RENEW);
    node.rename("/var/lib/kuberescue/last.json", "/var/lib/kuberescue/journal.json");
    node.write("/etc/kubernetes/pki/apiserver.crt", "theirs");
    node.remove("/etc/kubernetes/admin.conf");
    node
}

#[test]
fn an_interruption_is_the_first_that_diagnose_names() {
    let node = touched_after_an_interruption();
    let found = node.run("diagnose -o json").json();
    let codes: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes[0], "interrupted-change");
    assert!(codes.len() > 1, "{codes:?}");
}

#[test]
fn paths_that_differ_are_shown_together_and_nothing_is_written() {
    let node = touched_after_an_interruption();
    let before = node.state();
    let all: Vec<_> = ["resume", "rollback --yes", "rollback --dry-run"]
        .iter()
        .map(|command| format!("$ {command}\n{}\n", node.shown(&node.run(command))))
        .collect();
    assert_eq!(node.run("resume -o json").json()["code"], "changed-since");
    node.state().assert_identical(&before, "refused");
    assert_snapshot!(all.concat(), @r#"
    $ resume
    exit 5
    "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths) was committed: completes it, every file will be the new one
    error [changed-since]: 2 files of the change are neither old nor new; nothing was written
      | /etc/kubernetes/admin.conf: it was removed
      | /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content
    hint: sudo kuberescue resume --keep-theirs leaves them and completes the rest
    hint: sudo kuberescue resume --overwrite archives and replaces them

    $ rollback --yes
    exit 5
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [changed-since]: 2 files of the change are neither old nor new; nothing was written
      | /etc/kubernetes/admin.conf: it was removed
      | /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content
    hint: sudo kuberescue rollback --keep-theirs leaves them and completes the rest
    hint: sudo kuberescue rollback --overwrite archives and replaces them

    $ rollback --dry-run
    exit 5
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [changed-since]: 2 files of the change are neither old nor new; nothing was written
      | /etc/kubernetes/admin.conf: it was removed
      | /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content
    hint: sudo kuberescue rollback --keep-theirs leaves them and completes the rest
    hint: sudo kuberescue rollback --overwrite archives and replaces them
    "#);
}

#[test]
fn theirs_are_kept_and_the_rest_is_completed() {
    let node = touched_after_an_interruption();
    assert_snapshot!(node.shown(&node.run("resume --keep-theirs")), @r#"
    exit 4
    Resumed: the interrupted change is complete, every file is the new one but for 2 files.
    "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths) was committed: completes it, every file will be the new one
    /etc/kubernetes/admin.conf: it was removed; it stays as it is
    /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content; it stays as it is
    Blocking problems now:
      file-not-pem            apiserver: not PEM: no -----BEGIN line
    hint: sudo kuberescue diagnose
    "#);
    assert_eq!(node.text("/etc/kubernetes/pki/apiserver.crt"), "theirs");
    assert!(!node.exists("/etc/kubernetes/admin.conf"));
    assert_snapshot!(node.shown(&node.run("resume")), @"
    exit 0
    Nothing to resume: no change was interrupted.
    ");

    let (node, old) = (touched_after_an_interruption(), Node::of("ecdsa-p256"));
    assert_snapshot!(node.shown(&node.run("rollback --yes --keep-theirs")), @r#"
    exit 4
    Rolled back: the old state is restored but for 2 files.
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    /etc/kubernetes/admin.conf: it was removed; it stays as it is
    /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content; it stays as it is
    Blocking problems now:
      file-not-pem            apiserver: not PEM: no -----BEGIN line
    hint: sudo kuberescue diagnose
    "#);
    assert_eq!(node.text("/etc/kubernetes/pki/apiserver.crt"), "theirs");
    assert_eq!(node.read("/etc/kubernetes/pki/apiserver.key"), old.read("/etc/kubernetes/pki/apiserver.key"));
}

#[test]
fn theirs_are_archived_and_replaced() {
    let (node, old) = (touched_after_an_interruption(), Node::of("ecdsa-p256"));
    assert_snapshot!(node.shown(&node.run("rollback --yes --overwrite")), @r#"
    exit 0
    Rolled back: the old state is restored.
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    /etc/kubernetes/admin.conf: it was removed; it is archived and replaced
    /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content; it is archived and replaced
    Archive of the state before, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    "#);
    for path in ["/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/admin.conf"] {
        assert_eq!(node.read(path), old.read(path), "{path}");
    }
    let archives = std::fs::read_dir(node.path("/var/lib/kuberescue")).unwrap();
    let mut archives: Vec<_> = archives.map(|entry| entry.unwrap().path()).collect();
    archives.retain(|path| path.extension().is_some_and(|end| end == "gz"));
    let theirs = archives.iter().filter(|archive| {
        let tar =
            Command::new("tar").args(["-xzOf"]).arg(archive).arg("etc/kubernetes/pki/apiserver.crt").output();
        tar.unwrap().stdout == b"theirs"
    });
    assert_eq!(theirs.count(), 1, "{archives:?}");
}

#[test]
fn a_completed_change_is_undone_beside_what_was_changed_since() {
    let (node, old) = (Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    node.must(RENEW);
    node.write("/etc/kubernetes/scheduler.conf", "theirs");
    assert_snapshot!(node.shown(&node.run("rollback --yes")), @r#"
    exit 5
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [changed-since]: /etc/kubernetes/scheduler.conf: it holds neither the old nor the new content; nothing was written
    hint: sudo kuberescue rollback --keep-theirs leaves them and completes the rest
    hint: sudo kuberescue rollback --overwrite archives and replaces them
    "#);
    // What is kept is judged: it is no kubeconfig.
    assert_snapshot!(node.shown(&node.run("rollback --yes --keep-theirs")), @r#"
    exit 4
    Rolled back: the old state is restored but for 1 file.
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    /etc/kubernetes/scheduler.conf: it holds neither the old nor the new content; it stays as it is
    Blocking problems now:
      unreadable              scheduler.conf: not a kubeconfig: line 1, column 1: a value has another type than expected
    hint: sudo kuberescue diagnose
    "#);
    assert_eq!(node.text("/etc/kubernetes/scheduler.conf"), "theirs");
    assert_eq!(node.read("/etc/kubernetes/admin.conf"), old.read("/etc/kubernetes/admin.conf"));
}

#[test]
fn a_rollback_that_had_not_begun_is_begun_again() {
    let (node, old) = (Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    node.must(RENEW);
    node.must("rollback --yes");
    // As a kill before its commit leaves it: the change stands, the record of its rollback is only prepared.
    let done = node.text("/var/lib/kuberescue/last.json");
    let undone: serde_json::Value = serde_json::from_str(&done).unwrap();
    let node = Node::of("ecdsa-p256");
    node.must(RENEW);
    let change: serde_json::Value =
        serde_json::from_str(&node.text("/var/lib/kuberescue/last.json")).unwrap();
    let mut staging = undone;
    staging["undoes"] = change["id"].clone();
    node.write("/var/lib/kuberescue/staging.json", staging.to_string());
    assert_snapshot!(node.shown(&node.run("rollback --yes")), @r#"
    exit 0
    Rolled back: the old state is restored.
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    "#);
    assert_eq!(node.read("/etc/kubernetes/admin.conf"), old.read("/etc/kubernetes/admin.conf"));
}

#[test]
fn another_archive_than_the_recorded_one_restores_nothing() {
    let node = Node::of("ecdsa-p256");
    node.must(RENEW);
    let archive = format!("{}/var/lib/kuberescue/cp-1-20261124T000000Z.tar.gz", node.root().display());
    let created = node.must("archive create");
    std::fs::copy(created.out.trim(), &archive).unwrap();
    let before = node.state();
    assert_snapshot!(node.shown(&node.run("rollback --yes")), @r#"
    exit 2
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [cannot-roll-back]: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz is not the archive that the change has made (its SHA-256 differs)
    hint: nothing was changed; --archive FILE names another archive of the old state
    "#);
    node.state().assert_same(&before, "refused");
}

#[test]
fn what_a_disk_records_is_no_path_of_this_host() {
    let (node, elsewhere) = (Node::of("ecdsa-p256"), Node::empty());
    node.must(&format!("{RENEW} --archive-dir {}", elsewhere.root().display()));
    let refused = node.shown(&node.run("rollback --yes"));
    assert_snapshot!(refused.replace(elsewhere.root().to_str().unwrap(), "ELSEWHERE"), @r#"
    exit 2
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --archive-dir DIR --root ROOT" of TIME (18 paths)
    error [no-archive]: the archive of the change is not on this disk: DIR/cp-1-TIME.tar.gz
    hint: nothing was changed; --archive FILE names another archive of the old state
    "#);
    let archive = elsewhere.path("/cp-1-20261124T000000Z.tar.gz");
    node.must(&format!("rollback --yes --archive {}", archive.display()));
}

#[test]
fn a_file_on_which_something_is_mounted_is_named_before_anything_is_written() {
    let node = Node::of("ecdsa-p256");
    let other = node.path("/etc/kubernetes/super-admin.conf");
    let before = node.state();
    let Some(mounted) = Mounted::over(&node.path("/etc/kubernetes/admin.conf"), &other, &[]) else { return };
    let command = "recover --accept-clock --at 2027-12-01T00:00:00Z";
    let dry = node.run(&format!("{command} --dry-run"));
    let real = node.run(&format!("{command} --yes"));
    assert_snapshot!(format!("exit {}\n{}", dry.code, node.shown(&real).split("error [").nth(1).unwrap()), @"
    exit 5
    not-replaceable]: 1 path of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes/admin.conf is a mount point
    hint: umount ROOT/etc/kubernetes/admin.conf (findmnt ROOT/etc/kubernetes/admin.conf shows what is mounted there); then run the same command again
    ");
    assert_eq!(dry.err.split("error [").nth(1), real.err.split("error [").nth(1));
    assert!(!node.exists("/var/lib/kuberescue"), "written");
    drop(mounted);
    node.state().assert_same(&before, "refused");
}

#[test]
fn a_read_only_directory_blocks_what_is_in_it_alone() {
    let node = Node::of("ecdsa-p256");
    let Some(_mounted) = Mounted::read_only(&node.path("/etc/kubernetes/pki")) else { return };
    let refused = node.run("certs renew apiserver --accept-clock --at 2026-11-24T00:00:00Z");
    assert_snapshot!(node.shown(&refused), @"
    exit 5
    error [not-replaceable]: 1 path of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes/pki is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes/pki shows which); then run the same command again
    ");
    let renewed = node.run("certs renew admin.conf --accept-clock --at 2026-11-24T00:00:00Z");
    assert_eq!(renewed.code, 0, "{renewed}");
    node.must("rollback --yes");
}

#[test]
fn an_immutable_file_is_named_before_anything_is_written() {
    let node = Node::of("ecdsa-p256");
    let key = node.path("/etc/kubernetes/pki/apiserver.key");
    let chattr = |how: &str| Command::new("chattr").arg(how).arg(&key).output().unwrap();
    let made = chattr("+i");
    let why = String::from_utf8_lossy(&made.stderr).into_owned();
    if ["not supported", "Inappropriate ioctl"].iter().any(|words| why.contains(words)) {
        return eprintln!(
            "\n*** SKIPPED: the file system of {} has no such attribute: {why} ***\n",
            key.display()
        );
    }
    if !made.status.success() {
        return skip(&format!("no file can be immutable here: {why}"));
    }
    let refused = node.run(RENEW);
    let restored = chattr("-i");
    assert!(restored.status.success());
    assert_snapshot!(node.shown(&refused), @"
    exit 5
    error [not-replaceable]: 1 path of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes/pki/apiserver.key has the attribute immutable
    hint: chattr -i ROOT/etc/kubernetes/pki/apiserver.key; then run the same command again
    ");
    node.must(RENEW);
}

#[test]
fn a_change_whose_result_nobody_can_read_is_never_nothing() {
    let node = Node::of("ecdsa-p256");
    let full = |arguments: &str| {
        let mut command = kuberescue();
        command.args(arguments.split_whitespace()).arg("--root").arg(node.root());
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        run(command)
    };
    let reading = node.shown(&full("certs check-expiration --at 2026-11-24T00:00:00Z"));
    let changing = node.shown(&full(RENEW));
    let undoing = node.shown(&full("rollback --yes"));
    assert_snapshot!(format!("{reading}\n\n{changing}\n\n{undoing}"), @r#"
    exit 2
    error [output-failed]: the result could not be written to stdout
    hint: run the same command again with stdout elsewhere


    exit 4
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    error [output-failed]: the change is made, but the result could not be written to stdout
    hint: kuberescue diagnose shows the node as it is now


    exit 4
    Rolls back "kuberescue certs renew all --accept-clock --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [output-failed]: the change is made, but the result could not be written to stdout
    hint: kuberescue diagnose shows the node as it is now
    "#);
}

const ETCD_POD: &str = "/etc/kubernetes/manifests/etcd.yaml";
const DATABASE: &str = "/var/lib/etcd/member/snap/db";
const COPY: &str = "/var/lib/etcd-kuberescue-20261127T180000Z";

/// The disk of a node on which a rescue of etcd was interrupted in this phase.
fn interrupted_rescue(phase: &str) -> Node {
    let node = Node::of("ecdsa-p256");
    node.write(DATABASE, "old");
    let made = node.must("archive create -o json").json();
    let archive = made["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let record = format!(
        r#"{{"format":1,"phase":"{phase}","started":"2026-11-27T18:00:00Z","command":"kuberescue etcd rescue","manifest":"{ETCD_POD}",
        "archive":{{"path":"/var/lib/kuberescue/{archive}","sha256":{}}},"data":"/var/lib/etcd","copy":"{COPY}",
        "kept":"member-kuberescue-20261127T180000Z","lost":["cp-2","cp-3"]}}"#,
        made["sha256"]
    );
    node.write("/var/lib/kuberescue/rescue.json", record);
    node
}

#[test]
fn a_rescue_that_was_interrupted_is_taken_back_on_a_disk() {
    let node = interrupted_rescue("copying");
    let manifest = node.text(ETCD_POD);
    node.remove(ETCD_POD);
    node.write(&format!("{COPY}/member/snap/db"), "half");
    let found = node.run("diagnose -o json").json();
    let first = &found["findings"][0];
    assert_eq!((&first["code"], &first["severity"]), (&"interrupted-change".into(), &"blocker".into()));
    let said: Vec<_> = ["recover --dry-run", "resume", "rollback --dry-run", "rollback"]
        .iter()
        .map(|command| format!("$ {command}\n{}\n", node.shown(&node.run(command))))
        .collect();
    assert_snapshot!(said.concat(), @r#"
    $ recover --dry-run
    exit 5
    error [interrupted-change]: cannot change the node: an earlier kuberescue etcd rescue was interrupted
    hint: finish it with kuberescue resume, or put etcd's old data back with kuberescue rollback

    $ resume
    exit 2
    "kuberescue etcd rescue" of TIME was interrupted: goes on until etcd is a healthy cluster of one with its old manifest
    error [not-a-host]: cannot complete the rescue of etcd: it does not run on a disk
    hint: kuberescue rollback --root ROOT puts etcd's old data and its manifest back

    $ rollback --dry-run
    exit 0
    /etc/kubernetes/manifests/etcd.yaml
    /var/lib/etcd
    "kuberescue etcd rescue" of TIME was interrupted: puts etcd's old data and its old manifest back
    Dry run: nothing was written.

    $ rollback
    exit 2
    "kuberescue etcd rescue" of TIME was interrupted: puts etcd's old data and its old manifest back
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    "#);
    node.must("rollback --yes");
    assert_eq!((node.text(ETCD_POD), node.text(DATABASE)), (manifest, "old".to_owned()));
    assert!(!node.path(COPY).exists() && !node.path("/var/lib/kuberescue/rescue.json").exists());
    assert_eq!(node.must("rollback --yes -o json").json()["result"], "nothing");
}

#[test]
fn what_a_rescued_etcd_has_written_is_kept_when_it_is_taken_back() {
    for phase in ["forcing", "ending", "undoing"] {
        let node = interrupted_rescue(phase);
        let manifest = node.text(ETCD_POD);
        node.replace(ETCD_POD, "    - --advertise", "    - --force-new-cluster=true\n    - --advertise");
        node.rename("/var/lib/etcd/member", &format!("{COPY}/member"));
        node.write(DATABASE, "forced");
        let back = node.must(if phase == "undoing" { "resume" } else { "rollback --yes" });
        assert!(back.out.contains("/var/lib/etcd/member-kuberescue-20261127T180000Z"), "{phase}: {back}");
        assert_eq!((node.text(ETCD_POD), node.text(DATABASE)), (manifest, "old".to_owned()), "{phase}");
        let kept = node.text("/var/lib/etcd/member-kuberescue-20261127T180000Z/snap/db");
        assert_eq!(kept, "forced", "{phase}");
        assert!(!node.path("/var/lib/kuberescue/rescue.json").exists(), "{phase}");
    }
}
