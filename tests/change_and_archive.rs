//! A real node's tree through archive and transaction: restored into an empty root, changed, rolled
//! back from its archive; a full and a read-only file system.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use kuberescue::disk::archive::{self, About};
use kuberescue::disk::transaction::{self, ArchiveRef, Context, Difference, Lock, RolledBack, Theirs};
use kuberescue::disk::{Depth, Error, Root};
use kuberescue::state::{ChangeSet, Content, Entry, Invoker, Snapshot};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn fixture(name: &str) -> Snapshot {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/nodes/{name}.tar.gz"));
    archive::open(&path).unwrap().0
}

fn context(archive: Option<ArchiveRef>) -> Context {
    Context { command: "test".to_owned(), operator: Invoker::default(), archive, now: NOW }
}

/// The lock, also where a program that another test is just starting has inherited the one before, until it runs.
fn locked(root: &Root) -> Lock {
    for _ in 0..100_000 {
        match root.lock() {
            Err(Error::Locked { .. }) => std::thread::yield_now(),
            done => return done.unwrap(),
        }
    }
    panic!("locked for ever");
}

/// The fixture restored into an empty directory by the transaction itself.
fn restored(name: &str, at: &Path) -> Root {
    let root = Root::open(at).unwrap();
    let lock = locked(&root);
    // The lock has made /var/lib.
    let mut there = Snapshot::default();
    let mut changes = ChangeSet::default();
    for (path, entry) in fixture(name).iter() {
        root.read(&mut there, path, Depth::File);
        changes.put(path, there.get(path).cloned(), Some(entry.clone()));
    }
    transaction::apply(&root, &lock, &changes, &context(None)).unwrap();
    drop(lock);
    root
}

fn tree(root: &Root) -> Snapshot {
    let mut all = Snapshot::default();
    for path in ["/etc", "/var/lib/kubelet", "/kubeadm.yaml"] {
        root.read(&mut all, Path::new(path), Depth::Tree);
    }
    all
}

/// What a change and its undoing must leave alone: all but the times of directories.
fn assert_same(found: &Snapshot, wanted: &Snapshot) {
    assert_eq!(found.iter().count(), wanted.iter().count());
    for (path, entry) in found.iter() {
        let wanted = wanted.get(path).unwrap();
        if entry.content == Content::Directory {
            assert_eq!(entry.attributes.mode, wanted.attributes.mode);
        } else {
            assert_eq!(entry, wanted, "{}", path.display());
        }
    }
}

/// 22 files with new content, as `certs renew all` writes them.
fn renewal(old: &Snapshot) -> ChangeSet {
    let mut changes = ChangeSet::default();
    for (path, entry) in old.iter() {
        if let Content::File(bytes) = &entry.content
            && changes.len() < 22
        {
            let content: Vec<u8> = bytes.iter().rev().copied().collect();
            let mut after = Entry { content: Content::File(content.into()), ..entry.clone() };
            after.attributes.mtime = Timestamp::default();
            changes.put(path, Some(entry.clone()), Some(after));
        }
    }
    assert_eq!(changes.len(), 22);
    changes
}

fn about() -> About {
    About {
        version: "0".to_owned(),
        created: NOW,
        host: "host".to_owned(),
        node: "cp1".to_owned(),
        command: "test".to_owned(),
        reason: "test".to_owned(),
    }
}

#[test]
fn a_real_node_is_restored_exactly() {
    for name in ["ecdsa-p256", "mixed"] {
        let directory = tempfile::tempdir().unwrap();
        let root = restored(name, directory.path());
        let wanted = fixture(name);
        for (path, entry) in tree(&root).iter() {
            assert_eq!(wanted.get(path), Some(entry), "{}", path.display());
        }
        assert_eq!(tree(&root).iter().count() + 2, wanted.iter().count(), "all but /var and /var/lib");
    }
}

#[test]
fn archive_change_and_rollback_from_the_archive() {
    let directory = tempfile::tempdir().unwrap();
    let root = restored("ecdsa-p256", directory.path());
    let old = tree(&root);
    let mut times = Vec::new();
    for round in 0..5 {
        let old = tree(&root);
        let changes = renewal(&old);
        let begin = std::time::Instant::now();
        let lock = locked(&root);
        let written = archive::write(&root, None, &old, &about()).unwrap();
        let archived = begin.elapsed();
        let reference = ArchiveRef { path: written.path.clone(), sha256: written.sha256 };
        let outcome = transaction::apply(&root, &lock, &changes, &context(Some(reference))).unwrap();
        times.push((archived, begin.elapsed()));
        assert_eq!(outcome.changed.len(), 22);
        let new = tree(&root);
        for change in changes.iter() {
            let (found, wanted) = (new.get(&change.path).unwrap(), change.after.as_ref().unwrap());
            assert_eq!(found.content, wanted.content);
            assert_eq!(found.attributes.mode, wanted.attributes.mode);
        }
        let journal = transaction::last(&root).unwrap().unwrap();
        let (archived, _) = archive::open(&journal.archive.unwrap().path).unwrap();
        assert_eq!(archived, old);
        let undone = transaction::rollback(
            &root,
            &lock,
            &archived,
            Theirs::Refuse,
            &Invoker::default(),
            NOW + Duration::from_secs(round),
        )
        .unwrap();
        assert!(matches!(undone, RolledBack::Undone { .. }));
        assert_same(&tree(&root), &old);
    }
    println!("lock and archive of {} entries, then 22 files: {times:?}", old.iter().count());
}

#[test]
fn a_rollback_of_a_path_that_changed_since_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = restored("mixed", directory.path());
    let old = tree(&root);
    let lock = locked(&root);
    transaction::apply(&root, &lock, &renewal(&old), &context(None)).unwrap();
    std::fs::write(directory.path().join("etc/kubernetes/admin.conf"), "x").unwrap();
    let error =
        transaction::rollback(&root, &lock, &old, Theirs::Refuse, &Invoker::default(), NOW).unwrap_err();
    let Error::Differs { differences, begun: false } = error else { panic!("{error}") };
    let found = Difference {
        path: "/etc/kubernetes/admin.conf".into(),
        why: "it holds neither the old nor the new content",
        overwritable: true,
    };
    assert_eq!(differences, [found]);
}

/// A small file system of its own; unmounted when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(options: &str) -> Option<Self> {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"]).then_some(mounted)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let status = std::process::Command::new(program).args(arguments).arg(self.0.path()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

#[test]
fn a_full_file_system_changes_nothing() {
    let Some(mounted) = Mounted::new("size=1m") else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let root = restored("mixed", mounted.0.path());
    let old = tree(&root);
    let lock = locked(&root);
    // Full but for a few blocks, so that the space runs out at different places.
    let filler = mounted.0.path().join("filler");
    let mut file = std::fs::File::options().create_new(true).append(true).open(&filler).unwrap();
    let mut fill = || {
        let mut refused = 0;
        while refused < 1000 {
            match std::io::Write::write_all(&mut file, &[0; 4096]) {
                Ok(()) => refused = 0,
                Err(_) => refused += 1,
            }
        }
    };
    // tmpfs counts its blocks for each processor by itself: what is full here has room for some more there.
    let refused = (0..100).find_map(|_| {
        fill();
        archive::write(&root, None, &old, &about()).err()
    });
    let error = refused.unwrap_or_else(|| panic!("there is always room"));
    assert!(error.to_string().ends_with("no space left on the device"), "{error}");
    let full = file.metadata().unwrap().len();
    let (mut failed, mut free) = (0, 0);
    loop {
        file.set_len(full - free).unwrap();
        match transaction::apply(&root, &lock, &renewal(&old), &context(None)) {
            Ok(_) => break,
            Err(error) => {
                assert!(!error.committed(), "{error}");
                assert!(error.to_string().ends_with("no space left on the device"), "{error}");
                assert!(transaction::pending(&root).unwrap().is_none());
                assert_same(&tree(&root), &old);
                failed += 1;
            }
        }
        free += 8192;
    }
    assert!(failed > 3, "{failed}");
    let left = std::fs::read_dir(mounted.0.path().join("var/lib/kuberescue")).unwrap();
    let names: Vec<PathBuf> = left.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 3, "lock, last.json and history.jsonl: {names:?}");
}

#[test]
fn a_read_only_file_system_is_read_and_refuses_plainly() {
    let Some(mounted) = Mounted::new("size=1m") else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let old = tree(&restored("mixed", mounted.0.path()));
    assert!(mounted.run("mount", &["-o", "remount,ro"]));
    let root = Root::open(mounted.0.path()).unwrap();
    assert_eq!(tree(&root), old);
    assert!(transaction::pending(&root).unwrap().is_none());
    for error in [
        root.lock().map(|_| ()).unwrap_err(),
        archive::write(&root, None, &old, &about()).map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().ends_with("the file system is read-only"), "{error}");
    }
}
