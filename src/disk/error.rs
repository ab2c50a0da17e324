//! Everything that can go wrong in the disk room, as one type: what was done, to what, and why it
//! failed, in words that an operator reads without knowing errno.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// Who holds or held the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// The kernel's random id of the boot in which the process ran; empty where it can't be read.
    pub boot: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}

/// A failure of the disk room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at the root's path.
    #[error("{}: there is no such directory", path.display())]
    RootNotFound {
        /// The root as the operator gave it.
        path: PathBuf,
    },
    /// The root is a file or something else.
    #[error("{}: not a directory", path.display())]
    RootNotADirectory {
        /// The root as the operator gave it.
        path: PathBuf,
    },
    /// The root may not be read.
    #[error("{}: permission denied", path.display())]
    RootDenied {
        /// The root as the operator gave it.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("cannot {doing} {}: {}", path.display(), plain(source))]
    Io {
        /// The operation, as a verb: "write".
        doing: &'static str,
        /// What it was done to: inside the root, or on the host for an archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A path doesn't hold what it held when the change was planned.
    #[error("{}: changed since it was read: nothing was written", path.display())]
    Changed {
        /// Inside the root.
        path: PathBuf,
    },
    /// A change that the transaction doesn't make.
    #[error("{}: {why}", path.display())]
    Unsupported {
        /// Inside the root.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// What was staged is not what was to be written.
    #[error("{}: what was written does not read back the same", path.display())]
    ReadBack {
        /// Inside the root.
        path: PathBuf,
    },
    /// Another run is under way.
    #[error("another kuberescue is working on this node{}", match holder {
        Some(holder) => format!(" ({holder})"),
        None => String::new(),
    })]
    Locked {
        /// Who, where the lock file says so.
        holder: Option<Holder>,
    },
    /// An earlier change was interrupted.
    #[error("change {id} was interrupted and must be resumed or rolled back first")]
    Pending {
        /// The pending change.
        id: String,
    },
    /// An earlier restart was interrupted while manifests were moved out of the kubelet's sight.
    #[error("static-pod manifests are still moved away by an interrupted restart")]
    Parked,
    /// Manifests could not be moved away, and those that were could not be brought back.
    #[error("{source}; manifests are still moved away, `kuberescue resume` brings them back")]
    StillParked {
        /// What failed first.
        #[source]
        source: Box<Error>,
    },
    /// A journal can't be understood.
    #[error("{}: the journal cannot be used: {why}", path.display())]
    Journal {
        /// Inside the root.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Neither the old nor the new content is where the journal expects it.
    #[error("{}: {why}; nothing was touched", path.display())]
    NeedsPerson {
        /// Inside the root.
        path: PathBuf,
        /// What was found.
        why: &'static str,
    },
    /// The archive doesn't hold what was there before the change.
    #[error("{}: the archive does not hold what was there before change {id}", path.display())]
    ArchiveDiffers {
        /// Inside the root.
        path: PathBuf,
        /// The change that was to be undone.
        id: String,
    },
    /// An archive, or one entry of it, is not as it should be.
    #[error("archive: {}{why}", match entry {
        Some(entry) => format!("{entry}: "),
        None => String::new(),
    })]
    Archive {
        /// The entry as the archive names it; foreign text, to be sanitised before a terminal.
        entry: Option<String>,
        /// What is wrong.
        why: String,
    },
    /// There is no file or directory of archives.
    #[error("cannot read the archive {}: not found", path.display())]
    NoArchive {
        /// On the host.
        path: PathBuf,
    },
    /// An archive that a file should hold is not as it should be.
    #[error("cannot read the archive {}: {why}", path.display())]
    ArchiveFile {
        /// On the host.
        path: PathBuf,
        /// What is wrong; foreign text, to be sanitised before a terminal.
        why: String,
    },
    /// A failure after the commit record: `resume` completes the change, `rollback` undoes it.
    #[error("change {id} is committed but not finished: {source}")]
    AfterCommit {
        /// The pending change.
        id: String,
        /// What failed.
        #[source]
        source: Box<Error>,
    },
    /// A failure before the commit record, where what was staged could not be removed either.
    #[error("{source}; what was staged could not be removed, `kuberescue resume` removes it")]
    NotCleaned {
        /// The change that was given up.
        id: String,
        /// What failed first.
        #[source]
        source: Box<Error>,
    },
}

impl Error {
    /// Whether a change is committed and pending: `resume` completes it, `rollback` undoes it.
    /// Otherwise no target has changed.
    pub fn committed(&self) -> bool {
        matches!(self, Self::AfterCommit { .. })
    }

    /// Whether the node or the archive is not as the change that is to be rolled back has left it.
    pub fn refuses_rollback(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::NeedsPerson { .. } | Self::ArchiveDiffers { .. })
    }

    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// With the name of the file, where reading a stream has failed.
    pub(super) fn named(self, file: &Path) -> Self {
        match self {
            Self::Io { doing, path, source } if path.as_os_str().is_empty() => {
                Self::Io { doing, path: file.to_owned(), source }
            }
            other => other,
        }
    }

    /// Of the archive in this file.
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

    /// Opening or listing `path` of the host, where archives should be, has failed.
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

/// The reason in plain words, without "(os error 28)".
pub(super) fn plain(error: &io::Error) -> String {
    let words = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC) => "no space left on the device",
        Some(Errno::EDQUOT) => "the disk quota is exceeded",
        Some(Errno::EROFS) => "the file system is read-only",
        Some(Errno::EACCES) => "permission denied",
        Some(Errno::EPERM) => "operation not permitted",
        Some(Errno::ENOENT) => "no such file or directory",
        Some(Errno::ENOTDIR) => "a part of the path is not a directory",
        Some(Errno::ELOOP) => "a part of the path is a symbolic link",
        Some(Errno::EEXIST) => "it already exists",
        Some(Errno::EIO) => "input/output error of the device",
        Some(Errno::EOPNOTSUPP) => "not supported by the file system",
        Some(errno) => return errno.desc().to_lowercase(),
        None => return error.to_string(),
    };
    words.to_owned()
}
