//! The disk that loses power keeps what was synced, and anything else or not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::disk::{Attribute, Attributes, Choice, Ino, Inode, Kind, Log, Loss, Op, ROOT, What};

fn inode(kind: Kind) -> Inode {
    let attributes = Attributes { mode: 0o600, uid: 0, gid: 0, xattrs: BTreeMap::new(), mtime: None };
    Inode { kind, attributes, data: Arc::default(), names: Arc::default() }
}

fn op(inode: Ino, what: What) -> Op {
    Op { inode, what, label: String::new() }
}

fn names(names: &[(&str, Option<Ino>)]) -> What {
    What::Names(names.iter().map(|(name, inode)| (OsString::from(name), *inode)).collect())
}

/// A file is written beside another, synced, renamed over it, and the directory synced.
fn replaced() -> Log {
    let mut root = inode(Kind::Directory);
    root.names = Arc::new([(OsString::from("a"), 1)].into());
    let ops = vec![
        op(ROOT, names(&[("new", Some(2))])),
        op(2, What::Write(0, Arc::new(vec![7; 2000]))),
        op(2, What::Set(Attribute::Mode(0o644))),
        op(2, What::Sync),
        op(ROOT, names(&[("new", None), ("a", Some(2))])),
        op(ROOT, What::Sync),
    ];
    Log::new(vec![root, inode(Kind::File), inode(Kind::File)], ops)
}

#[test]
fn only_what_is_synced_must_last() {
    let log = replaced();
    let nothing = |at| log.after(Loss { at, choice: Choice::Nothing });
    assert!(nothing(3)[2].data.is_empty() && nothing(4)[2].data.len() == 2000);
    assert_eq!((nothing(3)[2].attributes.mode, nothing(4)[2].attributes.mode), (0o600, 0o644));
    // A file's sync makes no name last.
    assert_eq!(nothing(5)[ROOT].names.len(), 1);
    assert_eq!((nothing(5)[ROOT].names[&OsString::from("a")], nothing(6)[ROOT].names.len()), (1, 1));
    assert_eq!(nothing(6)[ROOT].names[&OsString::from("a")], 2);
}

#[test]
fn names_come_one_by_one_each_whole_and_data_may_be_torn() {
    let log = replaced();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let found = log.after(Loss { at: 5, choice: Choice::Subset(seed) });
        let names: Vec<_> = found[ROOT].names.iter().map(|(name, to)| (name.clone(), *to)).collect();
        seen.insert(format!("{names:?}"));
        assert_eq!(found[2].data.len(), 2000, "it was synced");
    }
    // Neither, the first, the second (or both: the same).
    assert_eq!(seen.len(), 3, "{seen:?}");
    let torn = |seed| log.after(Loss { at: 3, choice: Choice::Subset(seed) })[2].data.clone();
    let kinds: std::collections::BTreeSet<_> = (0..400)
        .map(|seed| (torn(seed).len(), torn(seed).iter().filter(|byte| **byte == 7).count()))
        .collect();
    assert!(kinds.contains(&(0, 0)) && kinds.contains(&(2000, 0)) && kinds.contains(&(2000, 2000)));
    assert!(kinds.iter().any(|(length, written)| *length == 2000 && *written == 1024), "some sectors");
    assert!(kinds.iter().any(|(length, written)| *length < 2000 && written == length && *length > 0));
    assert_eq!(torn(17), torn(17));
}
