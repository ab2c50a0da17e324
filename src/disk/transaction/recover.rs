//! After an interruption, or to undo a change: [`resume`] and [`rollback`].

use jiff::Timestamp;

use super::stage::{self, NEW, OLD, Parents, staged};
use super::{Context, Lock, after_commit, finish, run};
use crate::disk::history::{self, Stamp};
use crate::disk::journal::{self, COMMITTED, DONE, Direction, Journal, Record, State};
use crate::disk::{Error, Root};
use crate::state::{Attributes, ChangeSet, Content, Entry, Fingerprint, Invoker, Snapshot};

/// The result of [`resume`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    Nothing,
    /// The change was not committed: its staged files are removed, everything is as before it.
    Cleaned {
        id: String,
    },
    Completed {
        journal: Journal,
    },
    /// The change was being rolled back, and now is.
    Undone {
        journal: Journal,
    },
}

/// The result of [`rollback`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// No change is recorded, or the last one is undone already.
    Nothing,
    /// The change was not committed: its staged files are removed, everything is as before it.
    Cleaned { id: String },
    /// The old content is back.
    Undone { journal: Box<Journal> },
}

/// Finishes an interrupted change: one that was not committed is removed, one that was is completed in its
/// direction. Does nothing if nothing is pending. `operator` and `now` are for the history.
///
/// # Errors
/// If a path holds neither the old nor the new content nothing is changed ([`Error::NeedsPerson`]); the
/// change stays pending after any error.
pub fn resume(root: &Root, lock: &Lock, operator: &Invoker, now: Timestamp) -> Result<Resumed, Error> {
    let Some(journal) = journal::pending_in(&lock.state)? else {
        return Ok(Resumed::Nothing);
    };
    if journal.state == State::Staging {
        stage::clean(&mut Parents::new(root), &lock.state, &journal)?;
        return Ok(Resumed::Cleaned { id: journal.id });
    }
    end(root, lock, &journal, &stamp(lock, operator, now)).map_err(after_commit(&journal))?;
    Ok(match journal.direction {
        Direction::Forward => Resumed::Completed { journal },
        Direction::Backward => Resumed::Undone { journal },
    })
}

/// Undoes the pending change, otherwise the last one, from the archive of the old state. A pending one that
/// itself undoes another is completed.
///
/// # Errors
/// [`Error::ArchiveDiffers`]: `archive` is another one. [`Error::Changed`]: a path was changed since by
/// another program. [`Error::NeedsPerson`] as in [`resume`]. Nothing is changed after these.
pub fn rollback(
    root: &Root,
    lock: &Lock,
    archive: &Snapshot,
    operator: &Invoker,
    now: Timestamp,
) -> Result<RolledBack, Error> {
    match journal::pending_in(&lock.state)? {
        Some(journal) if journal.state == State::Staging => {
            stage::clean(&mut Parents::new(root), &lock.state, &journal)?;
            Ok(RolledBack::Cleaned { id: journal.id })
        }
        // It undoes another change: the user wants it completed, not reverted.
        Some(journal) if journal.undoes.is_some() && journal.direction == Direction::Forward => {
            let undone = end(root, lock, &journal, &stamp(lock, operator, now));
            undone.map_err(after_commit(&journal))?;
            Ok(RolledBack::Undone { journal: Box::new(journal) })
        }
        Some(journal) => {
            let undone = turn_back(root, lock, journal.clone(), archive, &stamp(lock, operator, now));
            undone.map_err(after_commit(&journal))?;
            Ok(RolledBack::Undone { journal: Box::new(journal) })
        }
        None => match Journal::load(&lock.state, DONE)? {
            Some(journal) if !journal.is_undoing() => {
                let command = format!("rollback of {}", journal.id);
                let recorded = journal.archive.clone();
                let context = Context { command, operator: operator.clone(), archive: recorded, now };
                undo_last(root, lock, journal, archive, &context)
            }
            _ => Ok(RolledBack::Nothing),
        },
    }
}

/// Rolls a committed change back: the old content is staged, then the journal's direction is turned, which
/// commits the rollback.
fn turn_back(
    root: &Root,
    lock: &Lock,
    mut journal: Journal,
    archive: &Snapshot,
    ended: &Stamp,
) -> Result<(), Error> {
    let mut parents = Parents::new(root);
    if journal.direction == Direction::Forward {
        let mut entries = Vec::new();
        for record in &journal.changes {
            if let Some(entry) = old_content(&mut parents, record, archive, &journal.id)? {
                entries.push((record, entry));
            }
        }
        // An interrupted rollback may have left some; they may be incomplete.
        stage::remove_staged(&mut parents, &journal.changes, OLD)?;
        let entries: Vec<(&Record, &Entry)> =
            entries.iter().map(|(record, entry)| (*record, entry)).collect();
        let staged = stage::stage(&mut parents, &entries, OLD)
            .and_then(|()| stage::verify(&mut parents, &entries, OLD));
        if let Err(error) = staged {
            // The change stays pending, and `resume` removes what this leaves.
            let _removed = stage::unstage(&mut parents, &journal.changes, OLD);
            return Err(error);
        }
        // The change may have been killed before its commit was synced: otherwise that rename could be lost
        // in a power loss and this one not, and the name from before the commit would be left.
        lock.state.sync()?;
        journal.direction = Direction::Backward;
        journal.write(&lock.state, COMMITTED)?;
    }
    end(root, lock, &journal, ended)
}

/// Finishes a committed change that another run has begun.
fn end(root: &Root, lock: &Lock, journal: &Journal, ended: &Stamp) -> Result<(), Error> {
    // It may have been killed before the commit was synced; no target may change before that.
    lock.state.sync()?;
    history::prepare_again(&lock.state, journal, ended);
    finish::finish(&mut Parents::new(root), &lock.state, journal)
}

fn stamp(lock: &Lock, operator: &Invoker, now: Timestamp) -> Stamp {
    Stamp { time: now, boot: lock.boot.clone(), operator: operator.clone() }
}

/// What must be staged to restore a path; `None` if it still holds the old content.
fn old_content(
    parents: &mut Parents<'_>,
    record: &Record,
    archive: &Snapshot,
    id: &str,
) -> Result<Option<Entry>, Error> {
    let path = &record.path;
    let now = Fingerprint::of(parents.look(path)?.as_ref());
    if now != record.before && now != record.after {
        return Err(Error::NeedsPerson {
            path: path.clone(),
            why: "holds neither the old nor the new content",
        });
    }
    // If the new content is still staged, the target was not replaced yet. If it isn't, the digest alone is
    // not enough: only the time may differ between old and new.
    let replaced = match record.after {
        Fingerprint::File { .. } | Fingerprint::Link { .. } => {
            match parents.look_beside(path, &staged(record, NEW))? {
                // Counting it as staged would mean that the target is still the old one.
                Some(Entry { content: Content::Unread(_), .. }) => {
                    let why = "the content that is staged beside it cannot be read";
                    return Err(Error::NeedsPerson { path: path.clone(), why });
                }
                beside => beside.is_none(),
            }
        }
        _ => now == record.after,
    };
    match record.before {
        Fingerprint::File { .. } | Fingerprint::Link { .. } if replaced => {
            from_archive(record, archive, id).map(Some)
        }
        Fingerprint::Directory if now == Fingerprint::Absent => Ok(Some(directory(record))),
        _ => Ok(None),
    }
}

fn from_archive(record: &Record, archive: &Snapshot, id: &str) -> Result<Entry, Error> {
    match archive.get(&record.path) {
        Some(entry) if Fingerprint::of(Some(entry)) == record.before => Ok(entry.clone()),
        _ => Err(Error::ArchiveDiffers { path: record.path.clone(), id: id.to_owned() }),
    }
}

fn directory(record: &Record) -> Entry {
    let attributes = record.before_attributes.as_ref().map(Attributes::from).unwrap_or_default();
    Entry { content: Content::Directory, attributes }
}

/// Undoes a completed change by a new one, through the same steps.
fn undo_last(
    root: &Root,
    lock: &Lock,
    journal: Journal,
    archive: &Snapshot,
    context: &Context,
) -> Result<RolledBack, Error> {
    let mut parents = Parents::new(root);
    let mut changes = ChangeSet::default();
    for record in &journal.changes {
        let current = parents.look(&record.path)?;
        if Fingerprint::of(current.as_ref()) != record.after {
            return Err(Error::Changed { path: record.path.clone() });
        }
        let old = match record.before {
            Fingerprint::Absent => None,
            Fingerprint::Directory => Some(directory(record)),
            _ => Some(from_archive(record, archive, &journal.id)?),
        };
        changes.put(&record.path, current, old);
    }
    run(root, lock, &changes, context, Some(journal.id.clone()))?;
    Ok(RolledBack::Undone { journal: Box::new(journal) })
}
