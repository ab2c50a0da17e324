//! A disk that is really full, and one that is really read-only: ext4 on a loop device, as a node's disk is. And btrfs,
//! whose files can share their content.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use kuberescue::disk::{Root, data};

use super::common::{Node, Run, State, skip};

/// A file system in a file, mounted; away when dropped.
struct Disk {
    node: Node,
    image: tempfile::TempDir,
}

impl Disk {
    /// An ext4 of 4 MiB with the tree on it.
    fn of(tree: &str) -> Option<Self> {
        let disk = Self::made(&["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal"], 4 << 20)?;
        let from = Node::of(tree);
        let all = format!("{}/.", from.root().display());
        let copied = Command::new("cp").args(["-a", &all]).arg(disk.node.root()).status().unwrap();
        assert!(copied.success());
        Some(disk)
    }

    fn made(mkfs: &[&str], size: u64) -> Option<Self> {
        let image = tempfile::tempdir().unwrap();
        let file = image.path().join("image");
        File::create(&file).unwrap().set_len(size).unwrap();
        let disk = Self { node: Node::empty(), image };
        let made = Command::new(mkfs[0]).args(&mkfs[1..]).arg(&file).output();
        let made = made.unwrap_or_else(|error| panic!("{} is needed: make deps: {error}", mkfs[0]));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mount =
            Command::new("mount").args(["-o", "loop"]).arg(&file).arg(disk.node.root()).output().unwrap();
        if !mount.status.success() {
            skip(&format!("a loop device can't be mounted: {}", String::from_utf8_lossy(&mount.stderr)));
            return None;
        }
        Some(disk)
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", how]).arg(self.node.root()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Leaves about `free` bytes.
    fn fill(&self, free: u64) {
        let mut file = File::create(self.node.path("/fill")).unwrap();
        let mut written = 0;
        // Only what is on the disk counts: ext4 gives out room late.
        while file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).is_ok() {
            written += 4096;
        }
        file.set_len(u64::saturating_sub(written, free)).unwrap();
        file.sync_all().unwrap();
    }

    fn make_room(&self) {
        self.node.remove("/fill");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.node.root()).status();
        let _ = &self.image;
    }
}

/// What an interrupted or failed run must not leave.
fn leftovers(root: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    find.arg(root).args([
        "(",
        "-name",
        "*.kuberescue-*",
        "-o",
        "-name",
        "*.partial",
        "-o",
        "-name",
        "staging.json",
        "-o",
        "-name",
        "journal.json",
        "-o",
        "-name",
        "history.next",
        "-o",
        "-name",
        ".*.new",
        ")",
    ]);
    let found = find.output().unwrap();
    String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
}

fn changed_nothing(disk: &Disk, before: &State, run: &Run, what: &str) {
    run.fails(2, "no-space");
    assert!(run.err.contains("\nhint: "), "{what}\n{run}");
    before.assert_same(&disk.node.state(), what);
    assert_eq!(leftovers(disk.node.root()), Vec::<String>::new(), "{what}");
}

#[test]
fn a_full_disk_changes_nothing_however_full_it_is() {
    for command in ["certs renew all --accept-clock", "recover --yes --accept-clock --at 2027-12-01"] {
        let (mut failed, mut free) = (0, 0);
        loop {
            let Some(disk) = Disk::of("ecdsa-p256") else { return };
            disk.fill(free);
            let before = disk.node.state();
            let run = disk.node.run(command);
            if run.code == 0 {
                disk.make_room();
                break;
            }
            changed_nothing(&disk, &before, &run, &format!("{command}, {free} bytes free"));
            failed += 1;
            disk.make_room();
            disk.node.must(command);
            free += 12 << 10;
        }
        assert!(failed >= 5, "{command}: the disk was full {failed} times");
    }
}

#[test]
fn a_rollback_on_a_full_disk_changes_nothing() {
    let (mut failed, mut free) = (0, 0);
    loop {
        let Some(disk) = Disk::of("ecdsa-p256") else { return };
        let old = disk.node.state();
        disk.node.must("certs renew all");
        disk.fill(free);
        let new = disk.node.state();
        let run = disk.node.run("rollback --yes");
        if run.code == 0 {
            disk.make_room();
            old.assert_same(&disk.node.state(), "rolled back");
            break;
        }
        changed_nothing(&disk, &new, &run, &format!("rollback, {free} bytes free"));
        failed += 1;
        disk.make_room();
        disk.node.must("rollback --yes");
        old.assert_same(&disk.node.state(), "rolled back with room");
        free += 12 << 10;
    }
    assert!(failed >= 2, "the disk was full {failed} times");
}

#[test]
fn a_read_only_disk_is_read_and_not_written() {
    let Some(disk) = Disk::of("ecdsa-p256") else { return };
    disk.node.must("certs renew apiserver");
    disk.remount("remount,ro");
    let before = disk.node.state();
    disk.node.must("certs check-expiration");
    disk.node.must("resume");
    let mut said = String::new();
    for command in [
        "certs renew all --dry-run --accept-clock",
        "certs renew all --accept-clock",
        "recover --yes --at 2027-12-01",
        "archive create",
        "rollback --yes",
    ] {
        let run = disk.node.run(command);
        let error = run.err.lines().skip_while(|line| !line.starts_with("error "));
        let error = error.map(|line| format!("{line}\n")).collect::<String>();
        said += &format!(
            "{command}: exit {}\n{}",
            run.code,
            error.replace(disk.node.root().to_str().unwrap(), "ROOT")
        );
    }
    let said = regex::Regex::new(r"\d{8}T\d{6}Z").unwrap().replace_all(&said, "TIME");
    insta::assert_snapshot!(said, @"
    certs renew all --dry-run --accept-clock: exit 5
    error [not-replaceable]: 3 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again
    certs renew all --accept-clock: exit 5
    error [not-replaceable]: 3 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again
    recover --yes --at 2027-12-01: exit 5
    error [not-replaceable]: 4 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
      | ROOT/var/lib/kubelet/pki is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again
    archive create: exit 2
    error [disk-read-only]: cannot write ROOT/var/lib/kuberescue/cp-1-TIME: the file system is read-only
    hint: --archive-dir DIR writes it to another directory
    rollback --yes: exit 5
    error [not-replaceable]: 1 path of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes/pki is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes/pki shows which); then run the same command again
    ");
    before.assert_identical(&disk.node.state(), "read-only");
}

/// Before a rescue etcd's data directory is copied; where the file system can share content, that takes no space.
#[test]
fn a_copy_of_etcds_data_shares_its_content_where_the_file_system_can() {
    let Some(disk) = Disk::made(&["mkfs.btrfs", "-q", "--mixed"], 128 << 20) else { return };
    let database: Vec<u8> =
        (0..80_u32 << 18).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    disk.node.write("/var/lib/etcd/member/snap/db", &database);
    disk.node.write("/var/lib/etcd/member/wal/0.wal", [1; 99]);
    let root = Root::open(disk.node.root()).unwrap();
    let (data, copy) = (Path::new("/var/lib/etcd"), Path::new("/var/lib/etcd-copy"));
    let before = disk.node.state();
    assert!(data::may_share(&root, copy).unwrap() && data::shares(&root, data, copy).unwrap());
    before.assert_identical(&disk.node.state(), "trying leaves nothing");
    let copied = data::copy(&root, data, copy);
    assert!(copied.unwrap(), "shared");
    // Twice as much as the file system holds.
    assert!(std::fs::read(disk.node.path("/var/lib/etcd-copy/member/snap/db")).unwrap() == database);
    assert_eq!(std::fs::read(disk.node.path("/var/lib/etcd-copy/member/wal/0.wal")).unwrap(), [1; 99]);
}
