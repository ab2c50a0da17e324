//! What the looks at a node tell, before and after a change.

use super::super::old::old_contents;
use super::super::recover::differences;
use super::super::stage::Parents;
use super::*;
use crate::disk::error::Difference;

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
    assert!(leads_to(&format!("/etc/{}/x", "n".repeat(300))).is_err());
}
