//! Restoring what the last change replaced, from its archive.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::disk::transaction::{self, Journal, Lock, RolledBack, State};
use crate::disk::{self, Root, archive};
use crate::error::{Error, Kind};
use crate::state::Code;
use crate::state::{Invoker, Snapshot};

/// The change to roll back: one that was interrupted, or the last one unless it is a rollback itself.
///
/// # Errors
/// The record can't be read.
pub fn last_change(root: &Root) -> Result<Option<Journal>, Error> {
    if let Some(pending) = transaction::pending(root)? {
        return Ok(Some(pending));
    }
    let last = transaction::last(root)?;
    Ok(last.filter(|journal| !journal.is_undoing()))
}

/// Undoes `journal`. `archive` is an archive that the user named.
///
/// # Errors
/// The archive is missing or damaged, or files have changed since: then nothing is changed.
pub fn undo(
    root: &Root,
    lock: &Lock,
    journal: &Journal,
    archive: Option<&Path>,
    operator: &Invoker,
    now: Timestamp,
) -> Result<RolledBack, Error> {
    let old = old_state(root, journal, archive)?;
    transaction::rollback(root, lock, &old, operator, now).map_err(failure)
}

/// Before the commit nothing has changed: the failure is a refusal.
fn failure(error: disk::Error) -> Error {
    let is_refusal = error.refuses_rollback();
    let failure = Error::from(error);
    if is_refusal { Error { kind: Kind::Refused, ..failure.code(Code::CannotRollBack) } } else { failure }
}

/// The archive where the change recorded it, or by its name in the root's own directory: a disk that was
/// mounted then may be the machine's own now.
fn recorded_archive(root: &Root, recorded: &Path) -> PathBuf {
    let same_name = |path: &PathBuf| path.file_name() == recorded.file_name();
    let moved = || archive::list(root, None).ok()?.into_iter().find(same_name);
    if recorded.is_file() { recorded.to_owned() } else { moved().unwrap_or_else(|| recorded.to_owned()) }
}

fn old_state(root: &Root, journal: &Journal, archive: Option<&Path>) -> Result<Snapshot, Error> {
    // A change that hadn't begun is only cleaned up, and an interrupted undo has all it needs beside its
    // targets.
    if journal.state == State::Staging || journal.is_undoing() {
        return Ok(Snapshot::default());
    }
    let path = match (archive, &journal.archive) {
        (Some(path), _) => path.to_owned(),
        (None, Some(archive)) => recorded_archive(root, &archive.path),
        (None, None) => return Ok(Snapshot::default()),
    };
    let (snapshot, _) = archive::open(&path).map_err(|error| {
        let failure = Error { kind: Kind::CouldNotRun, ..Error::from(error) };
        failure.hint("nothing was changed; --archive FILE names another archive of the old state")
    })?;
    Ok(snapshot)
}
