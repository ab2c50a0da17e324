//! What etcd's database on a disk says, for the facts: it is no part of a snapshot, since it may have gigabytes.

use std::path::PathBuf;

use crate::analysis::node::facts::{Facts, Recorded};
use crate::disk::{PagedFile, Root};
use crate::formats::bolt::ReadError;
use crate::formats::etcd::{ClusterRecords, DATABASE, Database, cluster_configuration, cluster_records};

/// Reads the small records of this node's etcd; `None` without a database, or if it can't be read now.
pub(super) fn recorded(root: &Root, facts: &Facts) -> Option<Recorded> {
    let (path, mut pages) = open(root, facts)?;
    let mut in_use = None;
    let read = Database::open(&mut pages).and_then(|mut database| {
        let status = database.status()?;
        if facts.nearly_full(&status).is_some() {
            in_use = database.in_use().ok();
        }
        Ok(status)
    });
    Recorded::of(path, read, in_use)
}

/// Reads what the cluster's objects say; `None` without a database, or if it can't be read now.
pub(super) fn cluster(root: &Root, facts: &Facts) -> Option<ClusterRecords> {
    let (_, mut pages) = open(root, facts)?;
    Database::open(&mut pages).and_then(|mut database| cluster_records(&mut database)).ok()
}

/// Looks for the cluster's configuration, which may take seconds in a large database.
pub(super) fn configure(root: &Root, facts: &mut Facts) {
    let Some((path, mut pages)) = open(root, facts) else { return };
    match Database::open(&mut pages).and_then(|mut database| cluster_configuration(&mut database)) {
        Ok(Some((configuration, revision))) => {
            let source =
                format!("kubeadm-config in etcd's database {} as of revision {revision}", path.display());
            facts.configure(configuration, &source);
        }
        Ok(None) | Err(ReadError::Head(_)) => {}
        Err(error) => facts.not_configured = Some(error.to_string()),
    }
}

fn open(root: &Root, facts: &Facts) -> Option<(PathBuf, PagedFile)> {
    let path = facts.etcd_data()?.join(DATABASE);
    let pages = root.pages(&path).ok().flatten()?;
    Some((path, pages))
}
