//! What is known of a node beyond the files that an archive holds: etcd's data, free space, stray keys. For
//! an archive nothing of this is known, and no finding speaks of it.

use std::path::PathBuf;

use crate::state::Snapshot;

/// The state of the host around a node's credentials.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    /// `None` where it was not read.
    pub etcd: Option<EtcdData>,
    pub space: Vec<(PathBuf, Free)>,
    /// Files outside their usual places that may hold keys.
    pub strays: Snapshot,
    /// A change or restart by this tool that was interrupted.
    pub interrupted: Option<Interrupted>,
    /// Whether the time of evaluation comes from the machine's clock: only then the clock can be wrong.
    pub time_is_the_clocks: bool,
}

/// A run of this tool that was killed or cut off by a power loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupted {
    Change {
        journal: PathBuf,
        command: String,
        files: usize,
    },
    /// Static pods were being restarted; these manifests are parked.
    Restart(Vec<PathBuf>),
    /// etcd was being made a cluster of one.
    Rescue {
        record: PathBuf,
        lost: Vec<String>,
    },
    /// There is a record, and it cannot be read.
    Unreadable(String),
}

/// Free space on a file system, including what is reserved for root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    pub bytes: u64,
    /// Inodes; `None` where their number isn't limited.
    pub files: Option<u64>,
}

/// The state of etcd's data directory.
#[derive(Clone, Debug)]
pub struct EtcdData {
    pub directory: PathBuf,
    /// Whether it exists and has a `member` directory.
    pub is_there: bool,
    /// The beginning and the size of `member/snap/db`; `None` if it doesn't exist.
    pub database: Option<(Vec<u8>, u64)>,
}
