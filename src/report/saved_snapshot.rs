//! A snapshot of etcd that was saved, or would be.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::DocumentFormat;
use super::sanitise::line;
use crate::formats::etcd::Totals;
use crate::state::text::{count, size};
use crate::state::{Digest, text};

/// The document `EtcdSavedSnapshot`; part of `Archive` and `Recovery` too.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedSnapshot {
    /// On the machine where the command runs.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// Nothing was written.
    pub dry_run: bool,
    pub source: SnapshotSource,
    /// Bytes of the file; of the database on the disk if nothing was written.
    pub size: u64,
    /// Digest of the file. Absent if nothing was written, as what follows.
    pub sha256: Option<Digest>,
    /// What `etcdctl snapshot status` prints.
    pub status: Option<SnapshotFigures>,
}

/// Where a snapshot comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "from", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum SnapshotSource {
    /// The running etcd.
    Etcd { address: SocketAddr },
    /// The database on the disk.
    Database {
        /// Inside the root.
        #[serde(with = "text")]
        path: PathBuf,
        /// Why the running etcd was not used; absent on a disk.
        etcd: Option<String>,
    },
}

/// The figures of a saved snapshot, as etcdctl counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotFigures {
    /// CRC-32C of all keys and values.
    pub hash: u32,
    /// Of the newest change of a key.
    pub revision: i64,
    /// Records of all buckets.
    pub total_key: u64,
    /// Bytes of the pages in use.
    pub total_size: u64,
}

impl From<&Totals> for SnapshotFigures {
    fn from(totals: &Totals) -> Self {
        let Totals { hash, revision, records, size } = *totals;
        Self { hash, revision, total_key: records, total_size: size }
    }
}

impl SavedSnapshot {
    /// One that is not saved yet, of about this size.
    pub fn expected(path: PathBuf, source: SnapshotSource, size: u64) -> Self {
        Self { path, dry_run: true, source, size, sha256: None, status: None }
    }

    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("EtcdSavedSnapshot", now, self, |saved| {
            format!("{}\n", line(&saved.path.display().to_string()))
        })
    }

    /// Where it comes from and what is in it; then, on a line of its own, what it may lack.
    pub fn text(&self) -> String {
        let from = match &self.source {
            SnapshotSource::Etcd { address } => format!("from etcd at {address}"),
            SnapshotSource::Database { path, .. } => format!("from the database {}", path.display()),
        };
        let (size, path) = (size(self.size), self.path.display());
        let said = match self.status {
            None => format!("Snapshot of etcd: {size} {from}, to {path}"),
            Some(SnapshotFigures { revision, total_key, .. }) => {
                let records = count(total_key, "record");
                format!(
                    "Snapshot of etcd as of revision {revision} ({records}, {size}) {from}, read back and verified: {path}"
                )
            }
        };
        let SnapshotSource::Database { etcd, .. } = &self.source else { return line(&said).into_owned() };
        let why = etcd.as_ref().map(|why| format!("etcd itself gives none ({why}); ")).unwrap_or_default();
        let lacks = "changes in the write-ahead log that etcd has not applied to its database yet are not in the snapshot";
        format!("{}\n{}", line(&said), line(&format!("note: {why}{lacks}")))
    }
}
