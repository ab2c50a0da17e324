//! From the commit record to the end, in either direction. The remaining work is derived from the files
//! alone, so this runs again after any interruption, as often as it takes. First every path is checked; only
//! if all of them can be finished is the first one changed.

use super::stage::{NEW, OLD, Parents, staged};
use crate::disk::journal::{COMMITTED, DONE, Direction, Journal, Record};
use crate::disk::record::StoredAttributes;
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, effect, handle, history};
use crate::state::{Attributes, Fingerprint};

/// One path, in the direction of the change.
struct Step<'a> {
    record: &'a Record,
    /// The content that the path must have in the end.
    wanted: &'a Fingerprint,
    /// Its content if it is not done yet.
    other: &'a Fingerprint,
    attributes: Option<&'a StoredAttributes>,
}

enum Todo {
    Nothing,
    Rename,
    Remove,
    MakeDirectory,
    RemoveDirectory,
}

pub(super) fn finish(parents: &mut Parents<'_>, state: &StateDir, journal: &Journal) -> Result<(), Error> {
    let (suffix, leftover) = match journal.direction {
        Direction::Forward => (NEW, OLD),
        Direction::Backward => (OLD, NEW),
    };
    let steps: Vec<Step<'_>> = journal.changes.iter().map(|record| step(record, journal.direction)).collect();
    let mut todos = Vec::with_capacity(steps.len());
    for step in &steps {
        todos.push((step, look(parents, step, suffix)?));
    }
    for (step, todo) in &todos {
        if matches!(todo, Todo::MakeDirectory) {
            let parent = parents.need(&step.record.path)?;
            effect::make_directory(&*parent, name(step.record), 0o700)
                .map_err(Error::io("make the directory", &step.record.path))?;
        }
    }
    for (step, todo) in &todos {
        if matches!(todo, Todo::Rename) {
            let parent = parents.need(&step.record.path)?;
            effect::rename(&*parent, &staged(step.record, suffix), name(step.record))
                .map_err(Error::io("replace", &step.record.path))?;
        }
    }
    // Content before the directory that it is in.
    for (step, todo) in todos.iter().rev() {
        let path = &step.record.path;
        let Some(parent) = parents.of(path)? else { continue };
        if matches!(todo, Todo::Remove) {
            effect::remove(&*parent, name(step.record)).map_err(Error::io("remove", path))?;
        }
        let left = staged(step.record, leftover);
        if handle::stat(&*parent, &left).map_err(Error::io("read", path))?.is_some() {
            effect::remove(&*parent, &left).map_err(Error::io("remove", path.with_file_name(&left)))?;
        }
        if matches!(todo, Todo::RemoveDirectory) {
            effect::remove_directory(&*parent, name(step.record)).map_err(Error::io("remove", path))?;
        }
    }
    parents.forget();
    // Also if no work remained: the interrupted run may not have synced.
    parents.sync(steps.iter().map(|step| &step.record.path))?;
    for step in steps.iter().rev() {
        set_metadata(parents, step)?;
    }
    history::append(state, journal)?;
    state.rename(COMMITTED, DONE)
}

fn step(record: &Record, direction: Direction) -> Step<'_> {
    let (wanted, other, attributes) = match direction {
        Direction::Forward => (&record.after, &record.before, &record.after_attributes),
        Direction::Backward => (&record.before, &record.after, &record.before_attributes),
    };
    Step { record, wanted, other, attributes: attributes.as_ref() }
}

fn name(record: &Record) -> &std::ffi::OsStr {
    record.path.file_name().unwrap_or_default()
}

fn look(parents: &mut Parents<'_>, step: &Step<'_>, suffix: &str) -> Result<Todo, Error> {
    let path = &step.record.path;
    let person = |why| Err(Error::NeedsPerson { path: path.clone(), why });
    let now = Fingerprint::of(parents.look(path)?.as_ref());
    if now != *step.wanted && now != *step.other {
        return person("holds neither the old nor the new content");
    }
    match step.wanted {
        Fingerprint::File { .. } | Fingerprint::Link { .. } => {
            match parents.look_beside(path, &staged(step.record, suffix))? {
                Some(staged) if Fingerprint::of(Some(&staged)) == *step.wanted => Ok(Todo::Rename),
                Some(_) => person("the staged content is not what the journal says"),
                None if now == *step.wanted => Ok(Todo::Nothing),
                None => person("the staged content is gone"),
            }
        }
        Fingerprint::Absent => Ok(match now {
            Fingerprint::Absent => Todo::Nothing,
            Fingerprint::Directory => Todo::RemoveDirectory,
            _ => Todo::Remove,
        }),
        Fingerprint::Directory => Ok(match now {
            Fingerprint::Directory => Todo::Nothing,
            _ => Todo::MakeDirectory,
        }),
        Fingerprint::Unread => person("the journal does not know what it held"),
    }
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
