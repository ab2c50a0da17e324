//! What the transaction makes, refuses and undoes; `crashes` stops it after every writing call, `foreign`
//! lets another program change files in between.

mod crashes;
mod foreign;
mod looks;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::disk::Depth;
use crate::state::{Attributes, Invoker, Snapshot, Unread};
use crashes::{committed_points, half_done};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 5);

/// In memory, if there is a tmpfs: thousands of trees are created and synced.
fn temporary() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[expect(clippy::disallowed_methods, reason = "a test makes its tree")]
fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

struct Node {
    /// Removes the tree when dropped.
    directory: tempfile::TempDir,
    root: Root,
    old: Snapshot,
    changes: ChangeSet,
}

/// A tree and a change set with every kind of change in it.
fn node() -> Node {
    let directory = temporary();
    let at = directory.path();
    put(at, "etc/k/pki/a.crt", "old a", 0o644);
    put(at, "etc/k/pki/a.key", "old key", 0o600);
    put(at, "etc/k/pki/goes.crt", "goes", 0o640);
    put(at, "etc/k/pki/time.crt", "same text", 0o644);
    put(at, "etc/k/untouched.conf", "untouched", 0o600);
    put(at, "etc/k/gone/deep/f", "in a directory that goes", 0o600);
    std::os::unix::fs::symlink("/etc/k/pki/a.crt", at.join("etc/k/current")).unwrap();
    xattr::set(at.join("etc/k/pki/a.key"), "user.label", b"one\ntwo").unwrap();
    let root = Root::open(at).unwrap();
    let old = tree(&root);

    let mut changes = ChangeSet::default();
    let mut put = |path: &str, after: Option<Entry>| {
        changes.put(path, old.get(Path::new(path)).cloned(), after);
    };
    let like = |path: &str, text: &str, seconds: i64| {
        let mut entry = old.get(Path::new(path)).unwrap().clone();
        entry.content = Content::File(text.as_bytes().to_vec().into());
        entry.attributes.mtime = Timestamp::new(seconds, 7).unwrap();
        Some(entry)
    };
    put("/etc/k/pki/a.crt", like("/etc/k/pki/a.crt", "new a", 1_700_000_000));
    put("/etc/k/pki/a.key", like("/etc/k/pki/a.key", "new key", -3));
    put("/etc/k/pki/time.crt", like("/etc/k/pki/time.crt", "same text", 1_600_000_000));
    put("/etc/k/pki/goes.crt", None);
    let link = Entry { content: Content::Link("pki/b.crt".into()), ..link_like(&old) };
    put("/etc/k/current", Some(link));
    let made = old.get(Path::new("/etc/k/pki")).unwrap().clone();
    put("/etc/k/made", Some(made.clone()));
    let mut owned = like("/etc/k/pki/a.key", "in a new directory", 1_500_000_000).unwrap();
    owned.attributes.uid = if nix::unistd::geteuid().is_root() { 65534 } else { owned.attributes.uid };
    put("/etc/k/made/f", Some(owned));
    put("/etc/k/gone", None);
    put("/etc/k/gone/deep", None);
    put("/etc/k/gone/deep/f", None);
    let closed = Attributes { mode: 0o750, ..made.attributes };
    put("/etc/k/pki", Some(Entry { content: Content::Directory, attributes: closed }));
    Node { directory, root, old, changes }
}

fn link_like(old: &Snapshot) -> Entry {
    let mut entry = old.get(Path::new("/etc/k/current")).unwrap().clone();
    entry.attributes.mtime = Timestamp::constant(1_400_000_000, 0);
    entry
}

/// All that counts: names, content, mode, owner, xattrs, times of files. A directory's time changes with
/// every name in it.
fn tree(root: &Root) -> Snapshot {
    let mut snapshot = Snapshot::default();
    root.read(&mut snapshot, Path::new("/etc"), Depth::Tree);
    without_directory_times(snapshot)
}

fn without_directory_times(snapshot: Snapshot) -> Snapshot {
    let mut out = Snapshot::default();
    for (path, entry) in snapshot.iter() {
        let mut entry = entry.clone();
        if entry.content == Content::Directory {
            entry.attributes.mtime = Timestamp::default();
        }
        out.insert(path, entry);
    }
    out
}

fn context() -> Context {
    Context { command: "test".to_owned(), operator: Invoker::default(), archive: None, now: NOW }
}

impl Node {
    fn apply(&self) -> Result<Outcome, Error> {
        apply(&self.root, &self.root.lock()?, &self.changes, &context())
    }

    fn wanted(&self) -> Snapshot {
        self.old.with(&self.changes)
    }

    fn resume(&self) -> Result<Resumed, Error> {
        self.resume_with(Theirs::Refuse)
    }

    fn rollback(&self) -> Result<RolledBack, Error> {
        self.rollback_with(Theirs::Refuse)
    }

    fn resume_with(&self, theirs: Theirs) -> Result<Resumed, Error> {
        resume(&self.root, &self.root.lock()?, theirs, &Invoker::default(), NOW)
    }

    fn rollback_with(&self, theirs: Theirs) -> Result<RolledBack, Error> {
        rollback(&self.root, &self.root.lock()?, &self.old, theirs, &Invoker::default(), NOW)
    }

    #[track_caller]
    fn assert(&self, wanted: &Snapshot, when: &str) {
        let found = tree(&self.root);
        if found != *wanted {
            let names: Vec<_> = found.diff(wanted, |_| true).iter().cloned().collect();
            panic!("{when}: {names:#?}");
        }
        assert!(pending(&self.root).unwrap().is_none(), "{when}: still pending");
    }
}

#[test]
fn a_change_is_made_and_undone_once() {
    let node = node();
    let outcome = node.apply().unwrap();
    assert_eq!(outcome.changed.len(), 11);
    node.assert(&node.wanted(), "applied");
    assert_eq!(last(&node.root).unwrap().unwrap().id, outcome.id.unwrap());
    assert!(matches!(node.rollback().unwrap(), RolledBack::Undone { .. }));
    node.assert(&node.old, "rolled back");
    assert_eq!(node.rollback().unwrap(), RolledBack::Nothing);
    assert_eq!(node.resume().unwrap(), Resumed::Nothing);
}

#[test]
fn what_stays_the_same_is_not_touched() {
    let node = node();
    let mut same = ChangeSet::default();
    for (path, entry) in node.old.iter() {
        let mut after = entry.clone();
        after.attributes.mtime = Timestamp::default();
        same.put(path, Some(entry.clone()), Some(after));
    }
    let outcome = apply(&node.root, &node.root.lock().unwrap(), &same, &context()).unwrap();
    assert_eq!(outcome, Outcome { id: None, changed: Vec::new(), meanwhile: Meanwhile::default() });
    assert_eq!(last(&node.root).unwrap(), None);
}

#[test]
fn a_path_that_someone_else_changed_is_refused() {
    let node = node();
    put(node.root.path(), "etc/k/pki/a.crt", "someone else's", 0o644);
    let found = tree(&node.root);
    let error = node.apply().unwrap_err();
    assert!(matches!(&error, Error::Changed { path } if path == Path::new("/etc/k/pki/a.crt")), "{error}");
    node.assert(&found, "refused");
}

#[test]
fn a_foreign_archive_brings_nothing_back() {
    let node = node();
    node.apply().unwrap();
    let lock = node.root.lock().unwrap();
    let error =
        rollback(&node.root, &lock, &node.wanted(), Theirs::Refuse, &Invoker::default(), NOW).unwrap_err();
    assert!(matches!(error, Error::ArchiveDiffers { .. }));
    drop(lock);
    node.assert(&node.wanted(), "refused");
}

#[test]
fn only_one_at_a_time() {
    let node = node();
    let lock = node.root.lock().unwrap();
    let error = node.root.lock().unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    drop(lock);
    let lock = node.root.lock().unwrap();
    assert_eq!(lock.left_by(), None);
    std::mem::forget(lock);
}

/// On a node that has nothing of this tool yet: one gets the lock, the others are told.
#[test]
fn several_first_runs_at_once() {
    for round in 0..100 {
        let directory = temporary();
        let root = Root::open(directory.path()).unwrap();
        let start = std::sync::Barrier::new(3);
        let tried: Vec<_> = std::thread::scope(|scope| {
            let try_it = || {
                start.wait();
                let locked = root.lock();
                start.wait();
                locked.map(drop)
            };
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(try_it)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let refused = tried.iter().filter(|run| matches!(run, Err(Error::Locked { .. }))).count();
        assert_eq!((tried.iter().filter(|run| run.is_ok()).count(), refused), (1, 2), "{round}: {tried:?}");
    }
}

#[test]
fn what_a_killed_run_has_left_half_written_goes_with_the_next_lock() {
    let node = node();
    drop(node.root.lock().unwrap());
    let own = node.directory.path().join("var/lib/kuberescue");
    assert!(!has_unfinished(&node.root));
    for name in [".staging.json.new", ".node-1.77.partial", ".node-2.78.partial", "mine.new", "a.tar.gz"] {
        put(&own, name, "", 0o600);
    }
    // One that is being written is locked.
    let live = std::fs::File::open(own.join(".node-2.78.partial")).unwrap();
    live.try_lock().unwrap();
    assert!(has_unfinished(&node.root));
    drop(node.root.lock().unwrap());
    assert!(!has_unfinished(&node.root));
    let mut left: Vec<_> = std::fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".node-2.78.partial", "a.tar.gz", "lock", "mine.new"]);
}

#[test]
fn a_pending_change_must_be_completed_first() {
    let node = half_done(committed_points().start + 1);
    assert!(matches!(node.apply().unwrap_err(), Error::Pending { .. }));
}

#[test]
fn a_link_or_a_gap_on_the_way_is_refused() {
    let node = node();
    std::os::unix::fs::symlink("pki", node.root.path().join("etc/k/way")).unwrap();
    let entry = node.old.get(Path::new("/etc/k/pki/a.crt")).cloned();
    for path in
        ["/etc/k/way/a.crt", "/etc/k/missing/a.crt", "/etc/k/../k/x", "relative", "/etc/k/pki/a.crt/x"]
    {
        let mut changes = ChangeSet::default();
        changes.put(path, None, entry.clone());
        let error = apply(&node.root, &node.root.lock().unwrap(), &changes, &context()).unwrap_err();
        assert!(!error.committed(), "{error}");
        assert!(
            error.to_string().contains(path.trim_end_matches("/a.crt").trim_end_matches("/x")),
            "{error}"
        );
    }
}

#[test]
fn a_hostile_journal_is_not_followed() {
    let node = node();
    let journal = |id: &str, path: &str, stage: &str| {
        format!(
            r#"{{"format":1,"id":"{id}","started":"2026-01-01T00:00:00Z","command":"","archive":null,"direction":"forward","pid":1,"boot":"","changes":[{{"path":"{path}","before":{{"kind":"absent"}},"after":{{"kind":"absent"}},"stage":"{stage}"}}]}}"#
        )
    };
    let stage = "staged file's name";
    for (journal, why) in [
        (String::new(), "truncated"),
        ("{}".to_owned(), "line 1, column 2: a field or value that is missing or unexpected"),
        (journal("x", "/etc/../k", ".a.kuberescue-x"), "absolute"),
        (journal("x", "/etc/k", ".kuberescue-x/../a"), stage),
        (journal("x", "/etc/k", "a.kuberescue-x"), stage),
        (journal("x", "/etc/k", ".a.kuberescue-y"), stage),
        (journal("", "/etc/k", ".a.kuberescue-"), "its id"),
        (journal("x/y", "/etc/k", ".a.kuberescue-x/y"), "its id"),
    ] {
        put(node.root.path(), "var/lib/kuberescue/journal.json", &journal, 0o600);
        let error = node.resume().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    put(node.root.path(), "var/lib/kuberescue/last.json/in/it", "", 0o600);
    assert!(last(&node.root).unwrap_err().to_string().contains("not a file"));
}

#[test]
fn what_cannot_be_replaced_is_refused_before_anything_is_written() {
    let node = node();
    let of = |path: &str| node.old.get(Path::new(path)).cloned();
    let unread = Some(Entry {
        content: Content::Unread(Unread::TooLarge { size: 2, limit: 1 }),
        ..of("/etc/k/pki/a.crt").unwrap()
    });
    let mut found = Vec::new();
    for (path, before, after) in [
        ("/etc/k/pki/a.crt", unread.clone(), of("/etc/k/pki/a.crt")),
        ("/etc/k/pki/a.crt", of("/etc/k/pki/a.crt"), unread),
        ("/etc/k/pki", of("/etc/k/pki"), of("/etc/k/pki/a.crt")),
        ("/etc/k/pki/a.crt", of("/etc/k/pki/a.crt"), of("/etc/k/pki")),
        ("/etc/k/pki", of("/etc/k/pki"), None),
    ] {
        let mut changes = ChangeSet::default();
        changes.put(path, before, after);
        let error = apply(&node.root, &node.root.lock().unwrap(), &changes, &context()).unwrap_err();
        found.push(error.to_string());
        node.assert(&node.old, path);
    }
    insta::assert_snapshot!(found.join("\n"), @"
    cannot use /etc/k/pki/a.crt: could not be read, so it cannot be archived nor replaced
    cannot use /etc/k/pki/a.crt: its new content was not read
    cannot use /etc/k/pki: a directory is in the place of a file
    cannot use /etc/k/pki/a.crt: a file is in the place of a directory
    cannot use /etc/k/pki: the directory to be removed is not empty
    ");
}

#[test]
fn who_held_the_lock_before_is_told() {
    let node = node();
    let lock = node.root.lock().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    assert_eq!((lock.boot.as_str(), lock.left_by()), (boot.trim(), None));
    drop(lock);
    for (boot, same) in [(boot.trim(), true), ("another", false)] {
        put(node.root.path(), "var/lib/kuberescue/lock", &format!(r#"{{"pid":7,"boot":"{boot}"}}"#), 0o600);
        let lock = node.root.lock().unwrap();
        let holder = lock.left_by().unwrap();
        assert_eq!((holder.pid, lock.is_of_this_boot(holder)), (7, same));
    }
}
