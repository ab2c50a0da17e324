//! Facts from etcd's own database on the node's disk.

use std::path::PathBuf;

use crate::formats::bolt::ReadError;
use crate::formats::etcd::Status;

/// What the database says of its cluster.
#[derive(Clone, Debug)]
pub struct EtcdRecords {
    /// Its path on the node.
    pub database: PathBuf,
    pub status: Status,
}

impl EtcdRecords {
    /// Where a fact was read. What the write-ahead log has beyond the revision isn't in it.
    pub fn source(&self) -> String {
        format!("etcd's database {} as of revision {}", self.database.display(), self.status.revision)
    }
}

/// What is known from a database that was read.
#[derive(Clone, Debug)]
pub enum Recorded {
    Read(Box<EtcdRecords>),
    /// etcd can't use it either: what is wrong.
    Damaged(String),
}

impl Recorded {
    /// `None` where it only could not be read now.
    pub fn of(database: PathBuf, read: Result<Status, ReadError>) -> Option<Self> {
        match read {
            Ok(status) => Some(Self::Read(Box::new(EtcdRecords { database, status }))),
            Err(error @ (ReadError::Damaged { .. } | ReadError::Record { .. })) => {
                Some(Self::Damaged(error.to_string()))
            }
            // The head is judged by itself.
            Err(ReadError::Head(_) | ReadError::Io(_) | ReadError::Busy { .. }) => None,
        }
    }
}
