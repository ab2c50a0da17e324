//! What etcd's database on a disk says, for the facts: it is no part of a snapshot, since it may have gigabytes.

use std::sync::Arc;

use crate::analysis::node::facts::{EtcdRecords, Facts, Recorded};
use crate::disk::Root;
use crate::formats::etcd::{DATABASE, Database, cluster_records};

/// How much of a database is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Members, alarms and revision, within milliseconds.
    Status,
    /// The cluster's objects too, which may take seconds in a large database.
    Objects,
}

/// Puts what the database of this node's etcd says into the facts. It is opened once.
pub(super) fn record(root: &Root, facts: &mut Facts, wanted: Wanted) {
    let Some(path) = facts.etcd_data().map(|data| data.join(DATABASE)) else { return };
    let mut pages = match root.pages(&path) {
        Ok(Some(pages)) => pages,
        Ok(None) => return,
        Err(error) => return facts.record(Recorded::Unread(error.to_string())),
    };
    let read = Database::open(&mut pages).and_then(|mut database| {
        let status = database.status()?;
        let in_use = facts.nearly_full(&status).and_then(|_| database.in_use().ok());
        let objects =
            (wanted == Wanted::Objects).then(|| cluster_records(&mut database, &facts.etcd_prefix()));
        let objects = objects.and_then(Recorded::of);
        Ok(Arc::new(EtcdRecords { database: path, status, in_use, objects }))
    });
    if let Some(recorded) = Recorded::of(read) {
        facts.record(recorded);
    }
}
