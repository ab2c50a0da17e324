//! The only code that changes a node: all of a [`ChangeSet`] or nothing of it, whatever happens.
//!
//! Journal → stage beside the targets → sync → read back → record for the history → **commit: one rename of
//! the journal** → rename each → sync → done: another rename. Before the commit any failure removes the
//! staged files; after it [`resume`] completes the change and [`rollback`] undoes it from the archive. The
//! remaining work is derived from the files, so both may be interrupted themselves.
//!
//! Must not know what the files mean, nor who calls.

mod finish;
mod lock;
mod old;
mod recover;
mod stage;
mod survey;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use std::path::PathBuf;

pub use super::error::Difference;
pub use finish::Meanwhile;
pub use lock::{Lock, has_unfinished};
pub use recover::{Resumed, RolledBack, differences, resume, rollback};
pub use survey::Theirs;

pub use super::journal::{ArchiveRef, Context, Direction, Journal, Record, State, last, pending};
use super::journal::{COMMITTED, STAGING, is_plain, pending_in, stage_name};
pub use super::record::{StoredAttributes, StoredXattr};
use super::state_dir::StateDir;
use super::{Error, Root, effect, handle, history};
use crate::state::{Change, ChangeSet, Content, Entry, Fingerprint};
use finish::Mode;
use stage::Parents;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Names the change; `None` if there was nothing to change.
    pub id: Option<String>,
    pub changed: Vec<PathBuf>,
    pub meanwhile: Meanwhile,
}

/// Makes `changes` on the node. Paths whose content and attributes stay are not touched. A time of 1970-01-01
/// (the default) in `after` means the time of writing.
///
/// # Errors
/// [`Error::Pending`]: an earlier change was interrupted. [`Error::Changed`]: a path doesn't hold its
/// `before`. [`Error::TakenBack`]: it failed after its commit and was undone. Any other error with
/// [`Error::committed`] false: nothing has changed. With it true: [`resume`] or [`rollback`].
pub fn apply(root: &Root, lock: &Lock, changes: &ChangeSet, context: &Context) -> Result<Outcome, Error> {
    run(root, lock, changes, context, None)
}

/// As [`apply`], for the last step of a work of several changes: it undoes `undoes`, the change before it, so that
/// [`rollback`] does not undo it by itself.
///
/// # Errors
/// As [`apply`].
pub fn apply_last(
    root: &Root,
    lock: &Lock,
    changes: &ChangeSet,
    context: &Context,
    undoes: String,
) -> Result<Outcome, Error> {
    run(root, lock, changes, context, Some(undoes))
}

fn run(
    root: &Root,
    lock: &Lock,
    changes: &ChangeSet,
    context: &Context,
    undoes: Option<String>,
) -> Result<Outcome, Error> {
    let state = &lock.state;
    if let Some(journal) = pending_in(state)? {
        return Err(Error::Pending { id: journal.id });
    }
    let changes: Vec<&Change> = changes.iter().filter(|change| !is_same(change)).collect();
    let mut parents = Parents::new(root);
    check(&mut parents, &changes)?;
    if changes.is_empty() {
        return Ok(Outcome { id: None, changed: Vec::new(), meanwhile: Meanwhile::default() });
    }
    let journal = Journal::new(context, lock.boot.clone(), undoes, |id| {
        changes.iter().enumerate().map(|(index, change)| record(change, id, index)).collect()
    });
    journal.write(state, STAGING).or_else(|error| give_up(&mut parents, state, &journal, error))?;
    stage_all(&mut parents, &journal, &changes)
        .and_then(|()| history::prepare(state, &journal))
        .and_then(|()| commit(state))
        .or_else(|error| give_up(&mut parents, state, &journal, error))?;
    let meanwhile = finish::finish(&mut parents, state, &journal, Mode::default())
        .or_else(|error| recover::take_back(root, lock, &journal, &changes, context, error))?;
    let changed = changes.iter().map(|change| change.path.clone()).collect();
    Ok(Outcome { id: Some(journal.id), changed, meanwhile })
}

fn stage_all(parents: &mut Parents<'_>, journal: &Journal, changes: &[&Change]) -> Result<(), Error> {
    let mut entries = Vec::new();
    for (record, change) in journal.changes.iter().zip(changes) {
        match (&change.after, &record.before) {
            // Its attributes are set after its content has changed.
            (Some(Entry { content: Content::Directory, .. }), Fingerprint::Directory) | (None, _) => {}
            (Some(entry), _) => entries.push((record, entry)),
        }
    }
    stage::stage(parents, &entries, stage::NEW)?;
    stage::verify(parents, &entries, stage::NEW)?;
    // Staging takes time; what changed meanwhile must not be overwritten.
    for record in &journal.changes {
        let made = (&record.before, &record.after) == (&Fingerprint::Absent, &Fingerprint::Directory);
        if !made && Fingerprint::of(parents.look(&record.path)?.as_ref()) != record.before {
            return Err(Error::Changed { path: record.path.clone() });
        }
    }
    Ok(())
}

/// The commit point. If the rename can't be synced it is reverted, so that the answer "nothing has changed"
/// stays true.
fn commit(state: &StateDir) -> Result<(), Error> {
    state.rename(STAGING, COMMITTED).inspect_err(|_| {
        // If even that fails the journal is found under its committed name: see `give_up`.
        let _back = effect::rename(&state.directory, COMMITTED.as_ref(), STAGING.as_ref());
    })
}

/// After an error before the commit: removes what was staged, or reports that it couldn't.
fn give_up<T>(
    parents: &mut Parents<'_>,
    state: &StateDir,
    journal: &Journal,
    error: Error,
) -> Result<T, Error> {
    if handle::stat(&state.directory, COMMITTED.as_ref()).ok().flatten().is_some() {
        return Err(after_commit(journal)(error));
    }
    let source = Box::new(error);
    match stage::clean(parents, state, journal) {
        Ok(()) => Err(*source),
        Err(_) => Err(Error::NotCleaned { id: journal.id.clone(), source }),
    }
}

fn after_commit(journal: &Journal) -> impl FnOnce(Error) -> Error {
    let id = journal.id.clone();
    move |error| Error::AfterCommit { id, source: Box::new(error) }
}

fn record(change: &Change, id: &str, index: usize) -> Record {
    let attributes = |entry: &Option<Entry>| match entry {
        Some(Entry { content: Content::Directory, attributes }) => Some(attributes.into()),
        _ => None,
    };
    Record {
        path: change.path.clone(),
        before: Fingerprint::of(change.before.as_ref()),
        after: Fingerprint::of(change.after.as_ref()),
        stage: stage_name(&change.path, id, index),
        before_attributes: attributes(&change.before),
        after_attributes: attributes(&change.after),
    }
}

/// Whether a change changes nothing; a time that isn't set is no change.
fn is_same(change: &Change) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let mut after = after.clone();
            if after.attributes.mtime == Timestamp::default() {
                after.attributes.mtime = before.attributes.mtime;
            }
            *before == after
        }
        (before, after) => before == after,
    }
}

/// Records a credential that was issued in the history, and changes no file of the node. An interrupted change stays as
/// it is.
///
/// # Errors
/// The record can't be written.
pub fn record_issued(lock: &Lock, issued: history::Issued, context: &Context) -> Result<(), Error> {
    history::issued(&lock.state, &lock.boot, issued, context)
}

/// Looks whether each path of `changes` can be replaced, and writes nothing.
///
/// # Errors
/// [`Error::Obstacles`], as [`apply`].
pub fn preview(root: &Root, changes: &ChangeSet) -> Result<(), Error> {
    let changes = changes.iter().filter(|change| !is_same(change));
    Parents::new(root).refuse_obstacles(changes.map(|change| &change.path))
}

/// Everything that can be known to fail is found before anything is written.
fn check(parents: &mut Parents<'_>, changes: &[&Change]) -> Result<(), Error> {
    let find = |path: &std::path::Path| {
        changes.binary_search_by(|change| change.path.as_path().cmp(path)).ok().and_then(|at| changes.get(at))
    };
    parents.refuse_obstacles(changes.iter().map(|change| &change.path))?;
    for change in changes {
        let path = &change.path;
        let unsupported = |why| Err(Error::Unsupported { path: path.clone(), why });
        if !is_plain(path) {
            return unsupported("not an absolute path without links");
        }
        let (before, after) =
            (Fingerprint::of(change.before.as_ref()), Fingerprint::of(change.after.as_ref()));
        use Fingerprint::{Absent, Directory, Unread};
        match (&before, &after) {
            (Unread, _) => return unsupported("could not be read, so it cannot be archived nor replaced"),
            (_, Unread) => return unsupported("its new content was not read"),
            (Directory, Directory | Absent) | (Absent, Directory) => {}
            (Directory, _) => return unsupported("a directory is in the place of a file"),
            (_, Directory) => return unsupported("a file is in the place of a directory"),
            _ => {}
        }
        match parents.of(path)? {
            Some(parent) => {
                let now = handle::entry(&*parent, path.file_name().unwrap_or_default(), handle::Limit::FILE);
                if Fingerprint::of(now.as_ref().map(|(entry, _)| entry)) != before {
                    return Err(Error::Changed { path: path.clone() });
                }
                if let (Directory, Absent, Some((_, Some(directory)))) = (&before, &after, now) {
                    let (_, names, _) = handle::names(directory, super::MAX_ENTRIES, |_| true)
                        .map_err(Error::io("read the directory", path))?;
                    let goes = |name| find(&path.join(name)).is_some_and(|child| child.after.is_none());
                    if !names.iter().all(goes) {
                        return unsupported("the directory to be removed is not empty");
                    }
                }
            }
            // This change creates it, or it is missing.
            None => {
                let parent = path.parent().and_then(find);
                let made = parent.is_some_and(|parent| {
                    matches!(&parent.after, Some(Entry { content: Content::Directory, .. }))
                });
                if !made {
                    parents.need(path)?;
                }
                if before != Absent {
                    return Err(Error::Changed { path: path.clone() });
                }
            }
        }
    }
    Ok(())
}
