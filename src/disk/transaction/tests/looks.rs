//! What the looks at a node tell, before and after a change.

use super::super::old::old_contents;
use super::super::recover::differences;
use super::super::stage::Parents;
use super::super::survey::survey;
use super::*;
use crate::disk::error::Difference;
use crate::disk::journal::{Direction, Journal, Record, State};
use crate::disk::obstacle::Obstacle;

/// Where the content is another one: a time or a mode alone doesn't count.
#[test]
fn what_a_rollback_would_write_is_what_has_changed() {
    let node = node();
    node.apply().unwrap();
    let journal = last(&node.root).unwrap().unwrap();
    let busy = || {
        let mut parents = Parents::new(&node.root);
        let old = old_contents(&mut parents, &journal, None, Theirs::Refuse).unwrap();
        old.busy.into_iter().cloned().collect::<Vec<_>>()
    };
    let changed = ["current", "gone", "gone/deep", "gone/deep/f", "made", "made/f", "pki/a.crt", "pki/a.key"];
    let changed = changed.into_iter().chain(["pki/goes.crt"]);
    assert_eq!(busy(), changed.map(|name| Path::new("/etc/k").join(name)).collect::<Vec<_>>());
    node.rollback().unwrap();
    assert_eq!(busy(), Vec::<std::path::PathBuf>::new());
}

/// --overwrite is not offered where a directory is in the way, nor where one was.
#[test]
#[expect(clippy::disallowed_methods, reason = "the other program")]
fn a_directory_in_the_place_of_a_file_is_never_overwritten() {
    let node = node();
    node.apply().unwrap();
    let file = node.root.path().join("etc/k/pki/a.crt");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    put(node.root.path(), "etc/k/gone", "a file where a directory was", 0o600);
    put(node.root.path(), "etc/k/pki/a.key", "theirs", 0o600);
    let journal = last(&node.root).unwrap().unwrap();
    let found = differences(&node.root, &journal, true).unwrap();
    let difference =
        |path: &str, why: &'static str, overwritable| Difference { path: path.into(), why, overwritable };
    let neither = "it holds neither the old nor the new content";
    let expected = [
        difference("/etc/k/gone", neither, false),
        difference("/etc/k/gone/deep", "its directory is a link or a file now", false),
        difference("/etc/k/gone/deep/f", "its directory is a link or a file now", false),
        difference("/etc/k/pki/a.crt", "a directory is in its place", false),
        difference("/etc/k/pki/a.key", neither, true),
    ];
    assert_eq!(found, expected);
}

/// The journal knows a directory's attributes.
#[test]
fn a_rollback_needs_no_directories_in_the_archive() {
    let node = node();
    node.apply().unwrap();
    let mut archive = Snapshot::default();
    for (path, entry) in node.old.iter().filter(|(_, entry)| entry.content != Content::Directory) {
        archive.insert(path, entry.clone());
    }
    let lock = node.root.lock().unwrap();
    rollback(&node.root, &lock, &archive, Theirs::Refuse, &Invoker::default(), NOW).unwrap();
    drop(lock);
    node.assert(&node.old, "rolled back");
}

/// Only what is in a directory's place makes it another; what cannot be looked at is an error.
#[test]
fn a_directory_that_cannot_be_opened_is_an_error() {
    let node = node();
    let mut parents = Parents::new(&node.root);
    let mut leads_to = |path: &str| parents.leads_to(Path::new(path));
    assert!(leads_to("/etc/k/pki/a.crt").unwrap());
    assert!(leads_to("/etc/none/a.crt").unwrap());
    assert!(!leads_to("/etc/k/current/a.crt").unwrap());
    assert!(!leads_to("/etc/k/pki/a.crt/x").unwrap());
    let long = format!("/etc/{}/x", "n".repeat(300));
    assert!(leads_to(&long).is_err());
    assert!(parents.sync([&long].into_iter()).is_err());
    let gone = ["/etc/k/current/a.crt", "/etc/none/a.crt", "/etc/k/pki/a.crt/x"];
    assert!(parents.sync(gone.into_iter()).is_ok());
}

/// The archive's own digests are compared before; the journal's are those of what was there.
#[test]
fn an_archive_of_another_content_brings_nothing_back() {
    let node = node();
    node.apply().unwrap();
    let mut archive = node.old.clone();
    let mut other = archive.get(Path::new("/etc/k/pki/a.crt")).unwrap().clone();
    other.content = Content::File(b"another".to_vec().into());
    archive.insert("/etc/k/pki/a.crt", other);
    let lock = node.root.lock().unwrap();
    let error = rollback(&node.root, &lock, &archive, Theirs::Refuse, &Invoker::default(), NOW).unwrap_err();
    drop(lock);
    assert!(matches!(&error, Error::ArchiveDiffers { path, .. } if path.ends_with("a.crt")), "{error}");
    node.assert(&node.wanted(), "refused");
}

/// /proc is mounted everywhere; who is not root can't write into /. Nothing is written here.
#[test]
fn what_stands_in_the_way_is_told_before_anything_is_written() {
    let root = Root::open(Path::new("/")).unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    let obstacle = if is_root { ("/proc", Obstacle::Mount) } else { ("/", Obstacle::Denied) };
    let expected = [(std::path::PathBuf::from(obstacle.0), obstacle.1)].into();
    let told = |error: Error| match error {
        Error::Obstacles { obstacles } => obstacles,
        other => panic!("{other}"),
    };
    let entry = |content| Some(Entry { content, attributes: Attributes::default() });
    let mut changes = ChangeSet::default();
    changes.put("/proc", entry(Content::Directory), None);
    assert_eq!(told(preview(&root, &changes).unwrap_err()), expected);
    let mut same = ChangeSet::default();
    same.put("/proc", entry(Content::Directory), entry(Content::Directory));
    preview(&root, &same).unwrap();

    // A pseudo file system is not read.
    let record = |_: &str| {
        vec![Record {
            path: "/proc".into(),
            before: Fingerprint::Unread,
            after: Fingerprint::Absent,
            before_attributes: None,
            after_attributes: None,
            stage: ".proc.kuberescue-x".into(),
        }]
    };
    let journal = Journal::new(&context(), String::new(), None, record);
    let journal = Journal { state: State::Committed, ..journal };
    assert_eq!(told(differences(&root, &journal, false).unwrap_err()), expected);
}

/// Staged content that is gone is told from one that was changed; a directory in its place is no content.
#[test]
#[expect(clippy::disallowed_methods, reason = "the other program")]
fn what_was_done_to_staged_content_is_told() {
    let staged = |node: &Node, journal: &Journal, suffix: &str| {
        let record = journal.changes.iter().find(|record| record.path.ends_with("pki/a.key")).unwrap();
        let mut name = record.stage.clone();
        name.push(suffix);
        node.root.path().join("etc/k/pki").join(name)
    };
    let why = |differences: &[Difference]| {
        differences.iter().map(|one| (one.path.to_str().unwrap().to_owned(), one.why)).collect::<Vec<_>>()
    };
    let told = |why| vec![("/etc/k/pki/a.key".to_owned(), why)];
    let changed = "the content that is staged beside it was changed";
    let node = half_done(committed_points().start);
    let journal = pending(&node.root).unwrap().unwrap();
    let beside = staged(&node, &journal, "-new");
    std::fs::write(&beside, "another").unwrap();
    assert_eq!(why(&differences(&node.root, &journal, false).unwrap()), told(changed));
    std::fs::remove_file(&beside).unwrap();
    let gone = "the content that was staged beside it is gone";
    assert_eq!(why(&differences(&node.root, &journal, false).unwrap()), told(gone));

    let node = half_done(committed_points().end - 1);
    let mut journal = pending(&node.root).unwrap().unwrap();
    journal.direction = Direction::Backward;
    std::fs::create_dir(staged(&node, &journal, "-old")).unwrap();
    let found = survey(&mut Parents::new(&node.root), &journal, Some(&node.old), Theirs::Refuse).unwrap();
    assert_eq!(why(&found.differences), told(changed));
}

/// A journal that is no file is one that cannot be used, not one that cannot be read.
#[test]
fn what_is_no_file_is_no_journal() {
    let node = node();
    put(node.root.path(), "var/lib/kuberescue/last.json/in/it", "", 0o600);
    let error = last(&node.root).unwrap_err().to_string();
    assert_eq!(error, "cannot use the journal /var/lib/kuberescue/last.json: not a file");
    let lock = node.root.lock().unwrap();
    let error = lock.state.read(&"n".repeat(300), 1).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
