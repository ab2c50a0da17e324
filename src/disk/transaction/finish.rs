//! From the commit record to the end, in either direction. The remaining work is derived from the files
//! alone, so this runs again after any interruption, as often as it takes. First every path is checked; only
//! if all of them can be finished is the first one changed.

use std::path::PathBuf;

use super::stage::{self, Parents, staged};
use super::survey::{Step, Survey, Theirs, Todo, suffixes, survey};
use crate::disk::journal::{COMMITTED, DONE, Direction, Journal};
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, effect, handle, history};
use crate::state::{Attributes, Fingerprint, Snapshot};

/// How a change is finished.
#[derive(Clone, Copy, Default)]
pub(super) struct Mode<'a> {
    /// Has the content of what is staged no longer.
    pub(super) archive: Option<&'a Snapshot>,
    pub(super) theirs: Theirs,
    /// Whether the change that was the last one before stays it: this one was taken back by its own run.
    pub(super) forgotten: bool,
}

/// What something else has done to the paths of a change while it was being finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meanwhile {
    /// Written between the last look and the rename: that is lost.
    pub lost: Vec<PathBuf>,
    /// They do not hold what was put there: it was written into what was staged after the last look at that, or
    /// into the path since.
    pub foreign: Vec<PathBuf>,
}

pub(super) fn finish(
    parents: &mut Parents<'_>,
    state: &StateDir,
    journal: &Journal,
    how: Mode<'_>,
) -> Result<Meanwhile, Error> {
    let survey = survey(parents, journal, how.archive, how.theirs)?;
    carry_out(parents, state, journal, survey, how)
}

/// The same of a change that was just surveyed.
pub(super) fn carry_out(
    parents: &mut Parents<'_>,
    state: &StateDir,
    journal: &Journal,
    survey: Survey<'_>,
    how: Mode<'_>,
) -> Result<Meanwhile, Error> {
    parents.refuse_obstacles(survey.busy().map(|record| &record.path))?;
    let Survey { todos, differences } = survey;
    if !differences.is_empty() {
        return Err(Error::Differs { differences, begun: true });
    }
    let (suffix, leftover) = suffixes(journal.direction);
    for (step, todo) in &todos {
        if matches!(todo, Todo::MakeDirectory) {
            let parent = parents.need(&step.record.path)?;
            effect::make_directory(&*parent, step.name(), 0o700)
                .map_err(Error::io("make the directory", &step.record.path))?;
        }
    }
    write_again(parents, &todos, suffix)?;
    let mut meanwhile = Meanwhile::default();
    for (step, todo) in &todos {
        if matches!(todo, Todo::Rename | Todo::Write(_)) {
            let parent = parents.need(&step.record.path)?;
            let old = handle::open_file(&*parent, step.name());
            effect::rename(&*parent, &staged(step.record, suffix), step.name())
                .map_err(Error::io("replace", &step.record.path))?;
            let old = old.ok().and_then(handle::of_open);
            if how.theirs != Theirs::Overwrite && old.is_some_and(|old| step.is_strange(&old)) {
                meanwhile.lost.push(step.record.path.clone());
            }
        }
    }
    // Content before the directory that it is in.
    for (step, todo) in todos.iter().rev() {
        let path = &step.record.path;
        if let (Todo::Remove, Some(parent)) = (todo, parents.of(path)?) {
            effect::remove(&*parent, step.name()).map_err(Error::io("remove", path))?;
        }
        // What is staged no longer counts, whatever was made of it.
        stage::remove_beside(parents, step.record, leftover)?;
        if matches!(todo, Todo::Nothing) {
            stage::remove_beside(parents, step.record, suffix)?;
        }
        if let (Todo::RemoveDirectory, Some(parent)) = (todo, parents.of(path)?) {
            effect::remove_directory(&*parent, step.name()).map_err(Error::io("remove", path))?;
        }
    }
    parents.forget();
    // Also if no work remained: the interrupted run may not have synced.
    parents.sync(todos.iter().map(|(step, _)| &step.record.path))?;
    for (step, _) in todos.iter().rev() {
        set_metadata(parents, step)?;
    }
    meanwhile.foreign = read_back(parents, &todos);
    history::append(state, journal)?;
    // Nothing of a rollback is left that was itself rolled back: the change before it stands again.
    let undone = journal.undoes.is_some() && journal.direction == Direction::Backward;
    if undone || how.forgotten {
        state.remove(COMMITTED)?;
    } else {
        effect::rename(&state.directory, COMMITTED.as_ref(), DONE.as_ref())
            .map_err(Error::io("write", state.path.join(DONE)))?;
        // Every target is in its place and synced. Without a sync of this name a power loss may leave the committed
        // one, and `resume` completes what is complete.
        let _synced = state.sync();
    }
    Ok(meanwhile)
}

fn write_again(parents: &mut Parents<'_>, todos: &[(Step<'_>, Todo)], suffix: &str) -> Result<(), Error> {
    let mut entries = Vec::new();
    for (step, todo) in todos {
        if let Todo::Write(entry) = todo {
            stage::remove_beside(parents, step.record, suffix)?;
            entries.push((step.record, entry));
        }
    }
    stage::stage(parents, &entries, suffix)?;
    stage::verify(parents, &entries, suffix)
}

/// The paths that do not hold what they should.
fn read_back(parents: &mut Parents<'_>, todos: &[(Step<'_>, Todo)]) -> Vec<PathBuf> {
    let mut is_foreign = |step: &Step<'_>| {
        let now = parents.look(&step.record.path);
        now.map_or(true, |now| Fingerprint::of(now.as_ref()) != *step.wanted)
    };
    let steps = todos.iter().map(|(step, _)| step);
    steps.filter(|step| is_foreign(step)).map(|step| step.record.path.clone()).collect()
}

/// Sets a directory's attributes, last because its time changes with its content.
fn set_metadata(parents: &mut Parents<'_>, step: &Step<'_>) -> Result<(), Error> {
    let (Fingerprint::Directory, Some(stored)) = (step.wanted, step.attributes) else {
        return Ok(());
    };
    let path = &step.record.path;
    let Some(directory) = parents.open(path)? else {
        return Ok(());
    };
    effect::set_metadata(&directory, &Attributes::from(stored))
        .and_then(|()| effect::sync(&*directory))
        .map_err(Error::io("set mode and owner of", path))
}
