//! All failures of the disk layer as one type: the operation, the path, and the reason without errno numbers.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::obstacle::Obstacle;
use super::packing::Packing;
use crate::state::os;
use crate::state::text::count;

/// The run that holds or held the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// The kernel's random id of the boot in which the process ran; empty if it can't be read.
    pub boot: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}

/// A path that something else has changed: it can't be finished or undone as the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub path: PathBuf,
    /// What was found there.
    pub why: &'static str,
    /// Whether replacing it can end it.
    pub overwritable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: no such directory", path.display())]
    RootNotFound { path: PathBuf },
    #[error("cannot read {}: not a directory", path.display())]
    RootNotADirectory { path: PathBuf },
    #[error("cannot read {}: permission denied", path.display())]
    RootDenied { path: PathBuf },
    #[error("cannot {doing} {}: {}", path.display(), os::reason(source))]
    Io {
        /// The operation, as a verb: "write".
        doing: &'static str,
        /// Inside the root, or on the host for an archive.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A path has changed since the change was planned.
    #[error("cannot replace {}: changed since it was read; nothing was written", path.display())]
    Changed { path: PathBuf },
    /// A change that the transaction doesn't support.
    #[error("cannot use {}: {why}", path.display())]
    Unsupported { path: PathBuf, why: &'static str },
    /// A staged file does not read back the same.
    #[error("cannot write {}: it does not read back as written", path.display())]
    ReadBack { path: PathBuf },
    #[error("cannot change the node: another kuberescue is working on it{}", match holder {
        Some(holder) => format!(" ({holder})"),
        None => String::new(),
    })]
    Locked {
        /// From the lock file, if it names one.
        holder: Option<Holder>,
    },
    #[error("cannot change the node: change {id} was interrupted and must be resumed or rolled back first")]
    Pending { id: String },
    /// An earlier restart was interrupted while manifests were parked.
    #[error("cannot change the node: an interrupted restart has not brought the static-pod manifests back")]
    Parked,
    /// Parking failed, and the manifests that were parked could not be restored.
    #[error("{source}; manifests are still moved away, `kuberescue resume` brings them back")]
    StillParked {
        #[source]
        source: Box<Error>,
    },
    #[error("cannot use the journal {}: {why}", path.display())]
    Journal { path: PathBuf, why: String },
    /// Paths of a change were changed by something else since.
    #[error("{}{}", differences.iter().take(1).map(|first| format!("cannot replace {}: {}", first.path.display(), first.why))
        .collect::<String>(), match differences.len() {
        0 | 1 => String::new(),
        more => format!("; and {} changed by something else since", count(more - 1, "more file")),
    })]
    Differs {
        differences: Vec<Difference>,
        /// Whether the run had begun to write by then, if not to change a path.
        begun: bool,
    },
    /// Paths that can't be replaced, found before anything was written.
    #[error("{} of this change cannot be replaced; nothing was written", count(obstacles.len(), "path"))]
    Obstacles { obstacles: BTreeSet<(PathBuf, Obstacle)> },
    /// A change failed after its commit, and every path is as before again.
    #[error("{source}; every file is as it was before")]
    TakenBack {
        #[source]
        source: Box<Error>,
    },
    /// The archive doesn't hold the state before the change.
    #[error("cannot use the archive {}: it does not hold what was there before change {id}", path.display())]
    ArchiveDiffers { path: PathBuf, id: String },
    /// An archive, or one entry of it, is invalid.
    #[error("cannot use the archive: {}{why}", match entry {
        Some(entry) => format!("{entry}: "),
        None => String::new(),
    })]
    Archive {
        /// The entry's name in the archive; foreign text, to be sanitised before a terminal.
        entry: Option<String>,
        why: String,
    },
    /// There is no such file or directory of archives.
    #[error("cannot read the archive {}: not found", path.display())]
    NoArchive { path: PathBuf },
    #[error("cannot read the archive {}: {why}", path.display())]
    ArchiveFile {
        path: PathBuf,
        /// Foreign text, to be sanitised before a terminal.
        why: String,
    },
    /// Another program has compressed or encrypted the archive.
    #[error("cannot read the archive {}: {packing}", path.display())]
    Packed { path: PathBuf, packing: Packing },
    /// A failure after the commit record: `resume` completes the change, `rollback` undoes it.
    #[error("change {id} is committed but not finished: {source}")]
    AfterCommit {
        id: String,
        #[source]
        source: Box<Error>,
    },
    /// A failure before the commit record, and the staged files could not be removed either.
    #[error("{source}; what was staged could not be removed, `kuberescue resume` removes it")]
    NotCleaned {
        /// The change that was abandoned.
        id: String,
        #[source]
        source: Box<Error>,
    },
}

impl Error {
    /// Whether a change is committed and pending: `resume` completes it, `rollback` undoes it. Otherwise no
    /// target has changed.
    pub fn committed(&self) -> bool {
        matches!(self, Self::AfterCommit { .. })
    }

    /// Whether the node or the archive differs from the state that the change left.
    pub fn refuses_rollback(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. } | Self::Differs { begun: false, .. } | Self::ArchiveDiffers { .. }
        )
    }

    /// The same error of a run that had begun to write.
    pub(super) fn after_begin(self) -> Self {
        match self {
            Self::Differs { differences, .. } => Self::Differs { differences, begun: true },
            other => other,
        }
    }

    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// Adds the file's name to an error of reading a stream.
    pub(super) fn named(self, file: &Path) -> Self {
        match self {
            Self::Io { doing, path, source } if path.as_os_str().is_empty() => {
                Self::Io { doing, path: file.to_owned(), source }
            }
            Self::Packed { packing, .. } => Self::Packed { path: file.to_owned(), packing },
            other => other,
        }
    }

    /// Adds the archive's file to an error.
    pub(super) fn of_archive(self, file: &Path) -> Self {
        match self.named(file) {
            Self::Archive { entry, why } => {
                let why = match entry {
                    Some(entry) => format!("{entry}: {why}"),
                    None => why,
                };
                Self::ArchiveFile { path: file.to_owned(), why }
            }
            other => other,
        }
    }

    /// The error of opening or listing `path` on the host, where archives should be.
    pub(super) fn no_archive(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NoArchive { path },
            _ => Self::Io { doing, path, source },
        }
    }

    pub(super) fn archive(why: impl Into<String>) -> Self {
        Self::Archive { entry: None, why: why.into() }
    }

    pub(super) fn entry(entry: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Archive { entry: Some(entry.into()), why: why.into() }
    }
}
