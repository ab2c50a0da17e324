//! Putting back what the last change replaced, from its archive.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::disk::transaction::{self, Journal, Lock, RolledBack, State};
use crate::disk::{self, Root, archive};
use crate::error::Error;
use crate::session::input::source::could_not;
use crate::state::Code;
use crate::state::{Invoker, Snapshot};

/// The change that would be undone: one that was interrupted, or the last one that is not undone itself.
///
/// # Errors
/// The record can't be read.
pub fn last_change(root: &Root) -> Result<Option<Journal>, Error> {
    if let Some(pending) = transaction::pending(root).map_err(|error| could_not(&error))? {
        return Ok(Some(pending));
    }
    let last = transaction::last(root).map_err(|error| could_not(&error))?;
    Ok(last.filter(|journal| !journal.is_undoing()))
}

/// Undoes `journal`. `archive` is the operator's own choice of an archive.
///
/// # Errors
/// The archive is gone or broken, or files have changed since: then nothing is touched.
pub fn undo(
    root: &Root,
    lock: &Lock,
    journal: &Journal,
    archive: Option<&Path>,
    operator: &Invoker,
    now: Timestamp,
) -> Result<RolledBack, Error> {
    let old = old_state(root, journal, archive)?;
    transaction::rollback(root, lock, &old, operator, now).map_err(|error| failure(&error))
}

fn failure(error: &disk::Error) -> Error {
    match error {
        _ if error.committed() => Error::manual_action(error)
            .hint("once the cause is gone, kuberescue rollback or kuberescue resume ends it"),
        disk::Error::Changed { .. }
        | disk::Error::NeedsPerson { .. }
        | disk::Error::ArchiveDiffers { .. } => Error::refused(Code::CannotRollBack, error)
            .hint("files that were changed since are left alone; what they were is in the archive"),
        _ => could_not(error)
            .hint("nothing was changed; kuberescue rollback tries again once the cause is gone"),
    }
}

/// The archive where the change recorded it, or by its name in the root's own place: a disk that was
/// mounted then may be the machine's own by now.
fn recorded_archive(root: &Root, recorded: &Path) -> PathBuf {
    let same_name = |path: &PathBuf| path.file_name() == recorded.file_name();
    let moved = || archive::list(root, None).into_iter().find(same_name);
    if recorded.is_file() { recorded.to_owned() } else { moved().unwrap_or_else(|| recorded.to_owned()) }
}

fn old_state(root: &Root, journal: &Journal, archive: Option<&Path>) -> Result<Snapshot, Error> {
    // What hadn't begun is only cleaned away, and what is on its way back has all it needs beside its targets.
    if journal.state == State::Staging || journal.is_undoing() {
        return Ok(Snapshot::default());
    }
    let path = match (archive, &journal.archive) {
        (Some(path), _) => path.to_owned(),
        (None, Some(archive)) => recorded_archive(root, &archive.path),
        (None, None) => return Ok(Snapshot::default()),
    };
    let (snapshot, _) = archive::open(&path).map_err(|error| {
        let what = match &error {
            // The others name the file themselves.
            disk::Error::Archive { .. } => format!("{}: {error}", path.display()),
            _ => error.to_string(),
        };
        Error::could_not_run(what)
            .hint("nothing was changed; name the archive of the old state with --archive FILE")
    })?;
    Ok(snapshot)
}
