//! The data directory is copied and put back whole, wherever the process died.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::disk::Depth;
use crate::disk::effect::fault::{self, Fault};
use crate::state::Snapshot;

const DATA: &str = "/var/lib/etcd";
const COPY: &str = "/var/lib/etcd-kuberescue-1";
const KEPT: &str = "member-kuberescue-1";

struct Node {
    directory: tempfile::TempDir,
    root: Root,
}

#[expect(clippy::disallowed_methods, reason = "a test makes its tree")]
fn node() -> Node {
    let shm = Path::new("/dev/shm");
    let directory =
        if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() };
    let member = directory.path().join("var/lib/etcd/member");
    for below in ["snap", "wal"] {
        std::fs::create_dir_all(member.join(below)).unwrap();
    }
    for (name, bytes) in
        [("snap/db", vec![7; 3 << 20]), ("wal/0.wal", vec![1; 99]), ("wal/1.tmp", Vec::new())]
    {
        std::fs::write(member.join(name), bytes).unwrap();
        std::fs::set_permissions(member.join(name), std::fs::Permissions::from_mode(0o640)).unwrap();
        xattr::set(member.join(name), "user.label", name.as_bytes()).unwrap();
    }
    std::fs::set_permissions(directory.path().join("var/lib/etcd"), std::fs::Permissions::from_mode(0o755))
        .unwrap();
    let root = Root::open(directory.path()).unwrap();
    Node { directory, root }
}

/// All below a directory, with attributes and times, by the paths inside it.
fn tree(node: &Node, directory: &str) -> Snapshot {
    let mut found = Snapshot::default();
    node.root.read(&mut found, Path::new(directory), Depth::Tree);
    let below = found.iter().filter(|(path, _)| *path != Path::new(directory));
    below.map(|(path, entry)| (path.strip_prefix(directory).unwrap().to_owned(), entry.clone())).collect()
}

fn copied(node: &Node) -> Result<bool, Error> {
    copy(&node.root, Path::new(DATA), Path::new(COPY))
}

fn back(node: &Node) -> Result<(), Error> {
    put_back(&node.root, Path::new(DATA), Path::new(COPY), OsStr::new(KEPT))
}

/// etcd has run with the flag.
#[expect(clippy::disallowed_methods, reason = "a test plays etcd")]
fn run_etcd(node: &Node) {
    std::fs::write(node.directory.path().join("var/lib/etcd/member/wal/2.wal"), "removed").unwrap();
}

#[test]
fn whether_a_copy_would_share_is_tried_without_a_trace() {
    let node = node();
    let (data, copy, before) = (Path::new(DATA), Path::new(COPY), tree(&node, "/var/lib"));
    // A tmpfs knows nothing of it; btrfs is in tests/reliability/full_disk.rs.
    assert!(!may_share(&node.root, copy).unwrap() && !shares(&node.root, data, copy).unwrap());
    assert_eq!(tree(&node, "/var/lib"), before);
    assert!(shares(&node.root, Path::new("/var/lib/none"), copy).is_err());
}

#[test]
fn a_copy_is_the_same_and_its_owners_alone() {
    let node = node();
    let old = tree(&node, DATA);
    let size = measure(&node.root, Path::new(DATA)).unwrap();
    assert_eq!(size, Size { bytes: (3 << 20) + 99, files: 7 });
    copied(&node).unwrap();
    assert_eq!(tree(&node, COPY), old);
    assert_eq!(tree(&node, DATA), old);
    let made = node.directory.path().join(&COPY[1..]);
    assert_eq!(std::fs::metadata(made).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn what_was_copied_before_a_kill_is_copied_again_or_removed() {
    for at in 0.. {
        let node = node();
        let old = tree(&node, DATA);
        fault::set(at, Fault::Expiry);
        let done = copied(&node).is_ok();
        fault::clear();
        if at % 2 == 0 {
            copied(&node).unwrap();
            assert_eq!(tree(&node, COPY), old, "{at}");
        } else {
            remove_copy(&node.root, Path::new(COPY)).unwrap();
            assert!(!node.directory.path().join(&COPY[1..]).exists(), "{at}");
        }
        assert_eq!(tree(&node, DATA), old, "{at}");
        if done {
            assert!(at > 20, "{at}");
            return;
        }
    }
}

#[test]
fn what_is_put_back_is_the_old_data_wherever_it_was_killed() {
    for at in 0.. {
        let node = node();
        let old = tree(&node, DATA);
        copied(&node).unwrap();
        run_etcd(&node);
        let forced = tree(&node, &format!("{DATA}/member"));
        assert!(!is_back(&node.root, Path::new(DATA), OsStr::new(KEPT)).unwrap());
        fault::set(at, Fault::Expiry);
        let done = back(&node).is_ok();
        fault::clear();
        back(&node).unwrap();
        assert!(is_back(&node.root, Path::new(DATA), OsStr::new(KEPT)).unwrap(), "{at}");
        assert_eq!(tree(&node, &format!("{DATA}/{KEPT}")), forced, "{at}");
        let mut now = tree(&node, DATA);
        now = now
            .iter()
            .filter(|(path, _)| !path.starts_with(KEPT))
            .map(|(path, entry)| (path.to_owned(), entry.clone()))
            .collect();
        assert_eq!(now, old, "{at}");
        if done {
            assert!(at > 3, "{at}");
            return;
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays a foreign disk")]
fn what_cannot_be_copied_as_it_is_is_refused() {
    let member = "var/lib/etcd/member";
    for (what, make) in [
        (
            "a link",
            (|path| std::os::unix::fs::symlink("/etc/shadow", path.join("snap/x")).unwrap()) as fn(PathBuf),
        ),
        ("a directory that is a link", |path| {
            std::fs::rename(path.join("wal"), path.join("elsewhere")).unwrap();
            std::os::unix::fs::symlink("elsewhere", path.join("wal")).unwrap();
        }),
        ("a FIFO", |path| nix::unistd::mkfifo(&path.join("x"), nix::sys::stat::Mode::S_IRWXU).unwrap()),
        ("too deep", |path| std::fs::create_dir_all(path.join("a/b/c/d")).unwrap()),
    ] {
        let node = node();
        make(node.directory.path().join(member));
        assert!(matches!(measure(&node.root, Path::new(DATA)), Err(Error::Unsupported { .. })), "{what}");
    }
}

#[test]
fn a_database_that_is_in_use_is_told() {
    let node = node();
    let data = Path::new(DATA);
    let held = stopped(&node.root, data).unwrap();
    assert!(held.is_some());
    assert!(stopped(&node.root, data).unwrap().is_none());
    drop(held);
    assert!(stopped(&node.root, data).unwrap().is_some());
}
