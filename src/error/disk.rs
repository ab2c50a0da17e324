//! Failures of the node's files where what helps depends on the command.

use std::io::ErrorKind;

use super::{Error, Kind};
use crate::disk;
use crate::disk::transaction::Difference;
use crate::state::Code;
use crate::state::text::count;

/// A root directory that cannot be opened.
pub struct RootFailure<'a> {
    pub error: disk::Error,
    /// What `--root` takes.
    pub hint: &'a str,
}

impl From<RootFailure<'_>> for Error {
    fn from(RootFailure { error, hint }: RootFailure<'_>) -> Self {
        match error {
            disk::Error::RootDenied { .. } => error.into(),
            other => Self::from(other).code(Code::RootUnreadable).hint(hint),
        }
    }
}

/// Files of a change that something else has changed since; the refusal shows every path.
pub struct ChangedSince<'a> {
    pub differences: &'a [&'a Difference],
    /// `resume` or `rollback`.
    pub command: &'a str,
}

impl From<ChangedSince<'_>> for Error {
    fn from(ChangedSince { differences, command }: ChangedSince<'_>) -> Self {
        let lines =
            differences.iter().map(|Difference { path, why, .. }| format!("{}: {why}", path.display()));
        let mut hints =
            vec![format!("sudo kuberescue {command} --keep-theirs leaves them and completes the rest")];
        if differences.iter().all(|difference| difference.overwritable) {
            hints.push(format!("sudo kuberescue {command} --overwrite archives and replaces them"));
        }
        let lines: Vec<_> = lines.collect();
        let (what, details) = match lines.as_slice() {
            [only] => (only.clone(), Vec::new()),
            more => (format!("{} of the change are neither old nor new", count(more.len(), "file")), lines),
        };
        let failure =
            Self::refused(Code::ChangedSince, format!("{what}; nothing was written")).details(details);
        Self { hints, ..failure }
    }
}

/// A rollback that failed. Before the commit nothing has changed: then it is a refusal.
pub struct RollbackFailure(pub disk::Error);

impl From<RollbackFailure> for Error {
    fn from(RollbackFailure(error): RollbackFailure) -> Self {
        match error {
            disk::Error::AfterCommit { source, .. } if source.refuses_rollback() => {
                RollbackFailure(*source).into()
            }
            disk::Error::Differs { differences, begun: false } => {
                let differences: Vec<_> = differences.iter().collect();
                ChangedSince { differences: &differences, command: "rollback" }.into()
            }
            error if error.refuses_rollback() => {
                Self { kind: Kind::Refused, ..Self::from(error).code(Code::CannotRollBack) }
            }
            error => error.into(),
        }
    }
}

/// A file of this machine that was not replaced: there is no archive of it that a hint could name.
pub struct ReplaceFailure(pub disk::Error);

impl From<ReplaceFailure> for Error {
    fn from(ReplaceFailure(error): ReplaceFailure) -> Self {
        let changed = matches!(error, disk::Error::Changed { .. });
        let failure = Self::from(error);
        if changed { failure.hint("nothing was changed; run the same command again") } else { failure }
    }
}

/// The kubeconfig of a cluster in bmctl's workspace that cannot be read.
pub struct WorkspaceFailure(pub disk::Error);

impl From<WorkspaceFailure> for Error {
    fn from(WorkspaceFailure(error): WorkspaceFailure) -> Self {
        let not_found =
            matches!(&error, disk::Error::Io { source, .. } if source.kind() == ErrorKind::NotFound);
        let failure = Self::from(error);
        if not_found {
            return failure.hint("run it in bmctl's directory, or add --workspace DIR or --file FILE");
        }
        failure
    }
}
