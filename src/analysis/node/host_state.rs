//! What is known of a node beyond the files that an archive holds: etcd's data, space, forgotten keys. Of an archive
//! nothing of it is known, and then nothing is said of it.

use std::path::PathBuf;

use crate::state::Snapshot;

/// What is around a node's credentials.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    /// etcd's data directory; `None` where it was not looked at.
    pub etcd: Option<EtcdData>,
    /// File systems and what is free on them.
    pub space: Vec<(PathBuf, Free)>,
    /// Files outside of their places that may hold keys.
    pub strays: Snapshot,
    /// A change or a restart by this tool that did not end.
    pub interrupted: Option<Interrupted>,
    /// Whether the time that is asked about is what the machine's clock says: only then it can be wrong.
    pub time_is_the_clocks: bool,
}

/// A run of this tool that was killed, or cut off by a power loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Files were being replaced.
    Change {
        /// The journal.
        journal: PathBuf,
        /// The command line.
        command: String,
        /// Files of it.
        files: usize,
    },
    /// Static pods were being restarted, and these manifests are moved away.
    Restart(Vec<PathBuf>),
    /// There is a record, and it can't be read.
    Unreadable(String),
}

/// What is free on a file system; what only root may use counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes that may still be written.
    pub bytes: u64,
    /// Files that may still be made (inodes); `None` where their number isn't limited.
    pub files: Option<u64>,
}

/// etcd's data directory.
#[derive(Clone, Debug)]
pub struct EtcdData {
    /// The directory.
    pub directory: PathBuf,
    /// Whether it is there and has a `member` directory.
    pub is_there: bool,
    /// The beginning and the size of `member/snap/db`; `None` where it isn't.
    pub database: Option<(Vec<u8>, u64)>,
}
