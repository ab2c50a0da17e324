//! What etcd's database on a disk says, for the facts: it is no part of a snapshot, since it may have gigabytes.

use crate::analysis::node::facts::{Facts, Recorded};
use crate::disk::Root;
use crate::formats::etcd::Database;

/// Reads the database of this node's etcd; `None` without one, or if it can't be read now.
pub fn recorded(root: &Root, facts: &Facts) -> Option<Recorded> {
    let path = facts.etcd_data()?.join("member/snap/db");
    let mut pages = root.pages(&path).ok().flatten()?;
    let read = Database::open(&mut pages).and_then(|mut database| database.status());
    Recorded::of(path, read)
}
