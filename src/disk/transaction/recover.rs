//! After an interruption, or to undo a change: [`resume`] and [`rollback`].

use std::path::PathBuf;

use jiff::Timestamp;

use super::finish::{self, Meanwhile, Mode};
use super::old::{OldContents, directory, from_archive, old_contents};
use super::stage::{self, NEW, OLD, Parents};
use super::survey::{Theirs, survey, unexpected, without_directory};
use super::{Context, Lock, Outcome, after_commit, run};
use crate::disk::error::Difference;
use crate::disk::history::{self, Stamp};
use crate::disk::journal::{self, COMMITTED, DONE, Direction, Journal, Record, State};
use crate::disk::{Error, MAX_ENTRIES, Root, handle};
use crate::state::{Change, ChangeSet, Entry, Fingerprint, Invoker, Snapshot};

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
        meanwhile: Meanwhile,
    },
    /// The change was being rolled back, and now is.
    Undone {
        journal: Journal,
        meanwhile: Meanwhile,
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
    Undone { journal: Box<Journal>, meanwhile: Meanwhile },
}

impl Resumed {
    pub fn meanwhile(&self) -> Meanwhile {
        match self {
            Self::Completed { meanwhile, .. } | Self::Undone { meanwhile, .. } => meanwhile.clone(),
            Self::Nothing | Self::Cleaned { .. } => Meanwhile::default(),
        }
    }
}

impl RolledBack {
    pub fn meanwhile(&self) -> Meanwhile {
        match self {
            Self::Undone { meanwhile, .. } => meanwhile.clone(),
            Self::Nothing | Self::Cleaned { .. } => Meanwhile::default(),
        }
    }
}

/// Finishes an interrupted change: one that was not committed is removed, one that was is completed in its
/// direction. Does nothing if nothing is pending. `operator` and `now` are for the history.
///
/// # Errors
/// [`Error::Differs`]: something else has changed paths of it, and `theirs` doesn't say what to do: then nothing
/// is changed. The change stays pending after any error.
pub fn resume(
    root: &Root,
    lock: &Lock,
    theirs: Theirs,
    operator: &Invoker,
    now: Timestamp,
) -> Result<Resumed, Error> {
    let Some(journal) = journal::pending_in(&lock.state)? else {
        return Ok(Resumed::Nothing);
    };
    if journal.state == State::Staging {
        stage::clean(&mut Parents::new(root), &lock.state, &journal)?;
        return Ok(Resumed::Cleaned { id: journal.id });
    }
    let how = Mode { theirs, ..Mode::default() };
    let meanwhile = complete(root, lock, journal.clone(), how, &stamp(lock, operator, now))
        .map_err(after_commit(&journal))?;
    Ok(match journal.direction {
        Direction::Forward => Resumed::Completed { journal, meanwhile },
        Direction::Backward => Resumed::Undone { journal, meanwhile },
    })
}

/// Undoes the pending change, otherwise the last one, from the archive of the old state. A pending one that
/// itself undoes another is completed.
///
/// # Errors
/// [`Error::ArchiveDiffers`]: `archive` is another one. [`Error::Differs`]: something else has changed paths
/// since, and `theirs` doesn't say what to do. Nothing is changed after these.
pub fn rollback(
    root: &Root,
    lock: &Lock,
    archive: &Snapshot,
    theirs: Theirs,
    operator: &Invoker,
    now: Timestamp,
) -> Result<RolledBack, Error> {
    let how = Mode { archive: Some(archive), theirs, forgotten: false };
    let stamp = stamp(lock, operator, now);
    match journal::pending_in(&lock.state)? {
        Some(journal) if journal.state == State::Staging => {
            stage::clean(&mut Parents::new(root), &lock.state, &journal)?;
            Ok(RolledBack::Cleaned { id: journal.id })
        }
        // If it undoes another change the user wants it completed, not reverted.
        Some(journal) => {
            let undone = match (&journal.undoes, journal.direction) {
                (None, Direction::Forward) => turn_back(root, lock, journal.clone(), how, &stamp),
                _ => complete(root, lock, journal.clone(), how, &stamp),
            };
            let meanwhile = undone.map_err(after_commit(&journal))?;
            Ok(RolledBack::Undone { journal: Box::new(journal), meanwhile })
        }
        None => match Journal::load(&lock.state, DONE)? {
            Some(journal) if !journal.is_undoing() => {
                let command = format!("rollback of {}", journal.id);
                let recorded = journal.archive.clone();
                let context = Context { command, operator: operator.clone(), archive: recorded, now };
                undo_last(root, lock, journal, (archive, theirs), &context)
            }
            _ => Ok(RolledBack::Nothing),
        },
    }
}

/// The paths of a committed or completed change that something else has changed since, for [`resume`] or, if
/// `undo`, for [`rollback`]. What only an archive could tell isn't known here.
///
/// # Errors
/// A directory can't be read, or a path is known not to be replaceable.
pub fn differences(root: &Root, journal: &Journal, undo: bool) -> Result<Vec<Difference>, Error> {
    let mut parents = Parents::new(root);
    let turns = undo && journal.direction == Direction::Forward && journal.undoes.is_none();
    let (found, busy): (_, Vec<&PathBuf>) = match journal.state {
        State::Staging => return Ok(Vec::new()),
        State::Done => {
            let found = changed_since(&mut parents, journal)?;
            (found, journal.changes.iter().map(|record| &record.path).collect())
        }
        State::Committed if turns => {
            let old = old_contents(&mut parents, journal, None, Theirs::Refuse)?;
            (old.differences, old.busy)
        }
        State::Committed => {
            let survey = survey(&mut parents, journal, None, Theirs::Refuse)?;
            let busy = survey.busy().map(|record| &record.path).collect();
            (survey.differences, busy)
        }
    };
    parents.refuse_obstacles(busy.into_iter())?;
    Ok(found)
}

/// Rolls a committed change back: the old content is staged, then the journal's direction is turned, which
/// commits the rollback.
fn turn_back(
    root: &Root,
    lock: &Lock,
    mut journal: Journal,
    how: Mode<'_>,
    by: &Stamp,
) -> Result<Meanwhile, Error> {
    let mut parents = Parents::new(root);
    let OldContents { entries, differences, .. } =
        old_contents(&mut parents, &journal, how.archive, how.theirs)?;
    // The change may have been killed before its commit was synced: otherwise that rename could be lost in a power
    // loss and what is written of the journal from here on not, and the name from before the commit would be left.
    lock.state.sync()?;
    if !differences.is_empty() {
        release(&mut parents, lock, &mut journal, differences, how.theirs)?;
    }
    let entries: Vec<(&Record, &Entry)> = journal
        .changes
        .iter()
        .filter_map(|record| entries.get(&record.path).map(|entry| (record, entry)))
        .collect();
    // An interrupted rollback may have left some; they may be incomplete.
    stage::remove_staged(&mut parents, &journal.changes, OLD)?;
    let staged =
        stage::stage(&mut parents, &entries, OLD).and_then(|()| stage::verify(&mut parents, &entries, OLD));
    if let Err(error) = staged {
        // The change stays pending, and `resume` removes what this leaves.
        let _removed = stage::unstage(&mut parents, &journal.changes, OLD);
        return Err(error);
    }
    journal.direction = Direction::Backward;
    journal.write(&lock.state, COMMITTED)?;
    complete(root, lock, journal, how, by).map_err(Error::after_begin)
}

/// Finishes a committed change that another run has begun.
fn complete(
    root: &Root,
    lock: &Lock,
    mut journal: Journal,
    how: Mode<'_>,
    by: &Stamp,
) -> Result<Meanwhile, Error> {
    let mut parents = Parents::new(root);
    let survey = survey(&mut parents, &journal, how.archive, how.theirs)?;
    // It may have been killed before the commit was synced; no target may change before that.
    lock.state.sync()?;
    if survey.differences.is_empty() {
        history::prepare_again(&lock.state, &journal, by);
        return finish::carry_out(&mut parents, &lock.state, &journal, survey, how);
    }
    let differences = survey.differences;
    release(&mut parents, lock, &mut journal, differences, how.theirs)?;
    history::prepare_again(&lock.state, &journal, by);
    finish::finish(&mut parents, &lock.state, &journal, how)
}

/// Takes the paths that are to be kept out of the change, with what is staged for them. The commit is synced. Killed
/// in between, they differ as before.
fn release(
    parents: &mut Parents<'_>,
    lock: &Lock,
    journal: &mut Journal,
    differences: Vec<Difference>,
    theirs: Theirs,
) -> Result<(), Error> {
    if theirs != Theirs::Keep {
        return Err(Error::Differs { differences, begun: false });
    }
    let (kept, rest) = std::mem::take(&mut journal.changes)
        .into_iter()
        .partition::<Vec<_>, _>(|record| differences.iter().any(|difference| difference.path == record.path));
    journal.changes = rest;
    stage::remove_staged(parents, &kept, NEW)?;
    stage::remove_staged(parents, &kept, OLD)?;
    journal.write(&lock.state, COMMITTED)
}

/// Undoes a change that failed after its commit, from the old content in memory. If that fails too it stays
/// committed.
pub(super) fn take_back(
    root: &Root,
    lock: &Lock,
    journal: &Journal,
    changes: &[&Change],
    context: &Context,
    failed: Error,
) -> Result<Meanwhile, Error> {
    let old = changes.iter().filter_map(|change| Some((change.path.clone(), change.before.clone()?)));
    let old: Snapshot = old.collect();
    let how = Mode { archive: Some(&old), forgotten: true, ..Mode::default() };
    let stamp = stamp(lock, &context.operator, context.now);
    match turn_back(root, lock, journal.clone(), how, &stamp) {
        Ok(_) => Err(Error::TakenBack { source: Box::new(failed) }),
        Err(_) => Err(after_commit(journal)(failed)),
    }
}

fn stamp(lock: &Lock, operator: &Invoker, now: Timestamp) -> Stamp {
    Stamp { time: now, boot: lock.boot.clone(), operator: operator.clone() }
}

/// The paths that don't hold what a completed change has left, or can't be restored because their directory is gone.
fn changed_since(parents: &mut Parents<'_>, journal: &Journal) -> Result<Vec<Difference>, Error> {
    let mut differences: Vec<Difference> = Vec::new();
    for record in &journal.changes {
        let path = record.path.clone();
        if let Some(why) = without_directory(parents, journal, record, Direction::Backward, &differences)? {
            differences.push(Difference { path, why, overwritable: false });
            continue;
        }
        let now = Fingerprint::of(parents.look(&path)?.as_ref());
        if now != record.after {
            let (why, readable) = unexpected(&now);
            let overwritable = readable && ![&now, &record.before].contains(&&Fingerprint::Directory);
            differences.push(Difference { path, why, overwritable });
        }
    }
    Ok(differences)
}

/// Whether a path can be undone: not a directory to be removed that holds what something else has put there.
fn goes_or_stays(parents: &mut Parents<'_>, record: &Record, changes: &ChangeSet) -> Result<bool, Error> {
    if (&record.before, &record.after) != (&Fingerprint::Absent, &Fingerprint::Directory) {
        return Ok(true);
    }
    let Some(open) = parents.open(&record.path)? else { return Ok(true) };
    let names = open.try_clone().and_then(|open| handle::names(open, MAX_ENTRIES, |_| true));
    let (_, names, _) = names.map_err(Error::io("read the directory", &record.path))?;
    let goes = |name| changes.get(&record.path.join(name)).is_some_and(|change| change.after.is_none());
    Ok(names.iter().all(goes))
}

/// Undoes a completed change by a new one, through the same steps.
fn undo_last(
    root: &Root,
    lock: &Lock,
    journal: Journal,
    (archive, theirs): (&Snapshot, Theirs),
    context: &Context,
) -> Result<RolledBack, Error> {
    let mut parents = Parents::new(root);
    let mut differences = changed_since(&mut parents, &journal)?;
    if theirs == Theirs::Overwrite {
        differences.retain(|difference| !difference.overwritable);
    }
    if !differences.is_empty() && theirs != Theirs::Keep {
        return Err(Error::Differs { differences, begun: false });
    }
    let mut changes = ChangeSet::default();
    // What is in a directory before the directory.
    for record in journal.changes.iter().rev() {
        let kept = differences.iter().any(|difference| difference.path == record.path);
        if kept || !goes_or_stays(&mut parents, record, &changes)? {
            continue;
        }
        let old = match record.before {
            Fingerprint::Absent => None,
            Fingerprint::Directory => Some(directory(record)),
            _ => Some(from_archive(record, archive, &journal.id)?),
        };
        changes.put(&record.path, parents.look(&record.path)?, old);
    }
    let Outcome { meanwhile, .. } = run(root, lock, &changes, context, Some(journal.id.clone()))?;
    Ok(RolledBack::Undone { journal: Box::new(journal), meanwhile })
}
