//! What a test can't set in a tree: the machine's clock, and a file system that is full.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::common::{Node, PKI, is_root, skip};
use super::scene::{Diagnosis, disk};

/// 2090-01-01T00:00:00Z.
const LATER: i64 = 3_786_912_000;

/// A file of the year 2090: whatever the clock says now, it is earlier.
#[test]
fn a_clock_that_is_behind_is_told_first() {
    let node = disk("ecdsa-p256");
    let time = TimeSpec::new(LATER, 0);
    let file = node.path(&format!("{PKI}/sa.pub"));
    utimensat(nix::fcntl::AT_FDCWD, &file, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
    let found = Diagnosis::of(node.run_as_given("diagnose -o json"));
    let first = &found.findings()[0];
    assert_eq!(
        (&first["code"], &first["severity"], &first["subject"]),
        (&"clock-behind".into(), &"blocker".into(), &"clock".into())
    );
    // The time of this run.
    let now = regex::Regex::new(r"\b20[2-8]\d-\d\d-\d\d(T\d\d:\d\d:\d\dZ| \d\d:\d\d UTC)").unwrap();
    let said = [first["what"].as_str(), Some(found.verdict()), found.json["verdict"]["obstacle"].as_str()];
    let said = said.map(|text| now.replace_all(text.unwrap(), "NOW").into_owned()).join("\n");
    insta::assert_snapshot!(said, @"
    the system clock (NOW) is behind the newest timestamp on disk (2090-01-01 00:00 UTC, change time of /etc/kubernetes/pki/sa.pub)
    control plane may not start: the clock is earlier than what the disk has seen (the system clock (NOW) is behind the newest timestamp on disk (2090-01-01 00:00 UTC, change time of /etc/kubernetes/pki/sa.pub)), not a certificate problem
    the system clock (NOW) is behind the newest timestamp on disk (2090-01-01 00:00 UTC, change time of /etc/kubernetes/pki/sa.pub): new certificates could expire too early or be refused [clock-behind]: set the clock (date -u -s …); if it is right and the file's date is wrong: --accept clock-behind
    ");
    assert_eq!(found.json["verdict"]["repair"], serde_json::Value::Null);
    // Another moment is no clock that could be wrong.
    assert_eq!(Diagnosis::now(&node).set(), super::scene::set(&[]));
}

#[test]
fn a_full_disk_is_told_once() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let image = tempfile::tempdir().unwrap();
    let file = image.path().join("ext4");
    File::create(&file).unwrap().set_len(4 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-m", "0", "-O", "^has_journal"]).arg(&file).output();
    assert!(made.expect("mkfs.ext4 is needed: make deps").status.success());
    let node = Node::empty();
    let mount = Command::new("mount").args(["-o", "loop"]).arg(&file).arg(node.root()).output().unwrap();
    if !mount.status.success() {
        return skip(&format!("a loop device can't be mounted: {}", String::from_utf8_lossy(&mount.stderr)));
    }
    let mounted = Mounted(&node);
    let from = disk("ecdsa-p256");
    let all = format!("{}/.", from.root().display());
    assert!(Command::new("cp").args(["-a", &all]).arg(node.root()).status().unwrap().success());
    let mut fill = File::create(node.path("/fill")).unwrap();
    while fill.write_all(&[7; 4096]).and_then(|()| fill.sync_data()).is_ok() {}
    drop(fill);
    let found = Diagnosis::now(&node);
    assert_eq!(found.set(), super::scene::set(&[("disk-full", "blocker", "/etc/kubernetes")]));
    let evidence = &found.finding("disk-full", "/etc/kubernetes")["evidence"][0];
    assert_eq!((&evidence["path"], &evidence["field"]), (&"/etc/kubernetes".into(), &"free bytes".into()));
    let (before, after) = found.verdict().split_once(" KiB free").unwrap();
    let (before, free) = before.rsplit_once(' ').unwrap();
    assert!(free.parse::<u64>().unwrap() < 512, "{free}");
    assert_eq!(
        format!("{before} N KiB free{after}"),
        "control plane may not start: a file system of the node is full (/etc/kubernetes: only N KiB free), not a certificate problem"
    );
    assert_eq!(
        found.json["verdict"]["workloads"],
        "Running pods continue, except those that need disk space or that the kubelet evicts to free some."
    );
    drop(mounted);
}

/// Bytes are free, and no file can be made any more.
#[test]
fn a_disk_without_inodes_is_full() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let node = Node::empty();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64m,nr_inodes=600", "tmpfs"])
        .arg(node.root())
        .output()
        .unwrap();
    if !mount.status.success() {
        return skip(&format!("a tmpfs can't be mounted: {}", String::from_utf8_lossy(&mount.stderr)));
    }
    let mounted = Mounted(&node);
    let from = disk("ecdsa-p256");
    let all = format!("{}/.", from.root().display());
    assert!(Command::new("cp").args(["-a", &all]).arg(node.root()).status().unwrap().success());
    assert_eq!(Diagnosis::now(&node).set(), super::scene::set(&[]), "as long as there are some");
    let made = (0..).take_while(|number| File::create(node.path(&format!("/fill-{number}"))).is_ok()).count();
    assert!(made > 16, "{made} files");
    let found = Diagnosis::now(&node);
    assert_eq!(found.set(), super::scene::set(&[("disk-full", "blocker", "/etc/kubernetes")]));
    let finding = found.finding("disk-full", "/etc/kubernetes");
    let what = finding["what"].as_str().unwrap();
    assert!(what.ends_with(" MiB free, but only 0 inodes"), "{what}");
    let evidence = &finding["evidence"][0];
    assert_eq!((&evidence["field"], &evidence["value"]), (&"free inodes".into(), &"0".into()), "{evidence}");
    assert!(found.verdict().starts_with("control plane may not start: a file system of the node is full"));
    // Enough again: nothing is said.
    for number in 0..made {
        std::fs::remove_file(node.path(&format!("/fill-{number}"))).unwrap();
    }
    assert_eq!(Diagnosis::now(&node).set(), super::scene::set(&[]));
    drop(mounted);
}

struct Mounted<'a>(&'a Node);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.root()).status();
    }
}
