//! What remains of a committed change, derived from the files alone. Nothing here writes.

use std::ffi::OsStr;

use super::stage::{NEW, OLD, Parents, staged};
use crate::disk::Error;
use crate::disk::error::Difference;
use crate::disk::journal::{Direction, Journal, Record};
use crate::disk::record::StoredAttributes;
use crate::state::{Content, Entry, Fingerprint, Snapshot};

/// What becomes of paths that something else has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theirs {
    /// Nothing is changed as long as there is one.
    #[default]
    Refuse,
    /// They stay as they are and no longer belong to the change.
    Keep,
    /// They get the content of the change; the caller has archived theirs.
    Overwrite,
}

/// Why a path can't be written whose directory is not there, or is no longer one when
/// the change goes in `direction`.
pub(super) fn without_directory(
    parents: &mut Parents<'_>,
    journal: &Journal,
    record: &Record,
    direction: Direction,
    differences: &[Difference],
) -> Result<Option<&'static str>, Error> {
    let (path, wanted) = (&record.path, Step::of(record, direction).wanted);
    if !parents.leads_to(path)? {
        return Ok(Some("its directory is a link or a file now"));
    }
    if *wanted == Fingerprint::Absent || parents.of(path)?.is_some() {
        return Ok(None);
    }
    let parent = path.parent().and_then(|parent| journal.changes.iter().find(|record| record.path == parent));
    let is_made = parent.is_some_and(|parent| {
        *Step::of(parent, direction).wanted == Fingerprint::Directory
            && differences.iter().all(|known| known.path != parent.path)
    });
    Ok((!is_made).then_some("its directory is gone"))
}

pub(super) const STAGED_CHANGED: &str = "the content that is staged beside it was changed";

/// One path, in the direction of the change.
pub(super) struct Step<'a> {
    pub(super) record: &'a Record,
    /// The content that the path must have in the end.
    pub(super) wanted: &'a Fingerprint,
    /// Its content if it is not done yet.
    other: &'a Fingerprint,
    pub(super) attributes: Option<&'a StoredAttributes>,
}

pub(super) enum Todo {
    Nothing,
    Rename,
    /// The staged content is gone: it is written again, then renamed.
    Write(Entry),
    Remove,
    MakeDirectory,
    RemoveDirectory,
}

pub(super) struct Survey<'a> {
    pub(super) todos: Vec<(Step<'a>, Todo)>,
    pub(super) differences: Vec<Difference>,
}

impl<'a> Survey<'a> {
    /// The paths at which something is left to do.
    pub(super) fn busy(&self) -> impl Iterator<Item = &'a Record> {
        self.todos.iter().filter(|(_, todo)| !matches!(todo, Todo::Nothing)).map(|(step, _)| step.record)
    }
}

/// The suffix of what is staged in a direction, then that of the other one.
pub(super) fn suffixes(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Forward => (NEW, OLD),
        Direction::Backward => (OLD, NEW),
    }
}

impl<'a> Step<'a> {
    pub(super) fn of(record: &'a Record, direction: Direction) -> Self {
        let (wanted, other, attributes) = match direction {
            Direction::Forward => (&record.after, &record.before, &record.after_attributes),
            Direction::Backward => (&record.before, &record.after, &record.before_attributes),
        };
        Self { record, wanted, other, attributes: attributes.as_ref() }
    }

    pub(super) fn name(&self) -> &'a OsStr {
        self.record.path.file_name().unwrap_or_default()
    }

    /// Whether this is neither the old nor the new content; what can't be read isn't known.
    pub(super) fn is_strange(&self, entry: &Entry) -> bool {
        let now = Fingerprint::of(Some(entry));
        ![self.wanted, self.other, &Fingerprint::Unread].contains(&&now)
    }

    fn differs(&self, why: &'static str, overwritable: bool) -> Difference {
        Difference { path: self.record.path.clone(), why, overwritable }
    }
}

/// Looks at every path of `journal`. `archive` has the content of what is staged no longer.
pub(super) fn survey<'a>(
    parents: &mut Parents<'_>,
    journal: &'a Journal,
    archive: Option<&Snapshot>,
    theirs: Theirs,
) -> Result<Survey<'a>, Error> {
    let (suffix, _) = suffixes(journal.direction);
    let mut survey = Survey { todos: Vec::with_capacity(journal.changes.len()), differences: Vec::new() };
    for record in &journal.changes {
        let step = Step::of(record, journal.direction);
        let known = &survey.differences;
        if let Some(why) = without_directory(parents, journal, record, journal.direction, known)? {
            survey.differences.push(step.differs(why, false));
            continue;
        }
        match look(parents, &step, suffix, archive, theirs == Theirs::Overwrite)? {
            Ok(todo) => survey.todos.push((step, todo)),
            Err(difference) => survey.differences.push(difference),
        }
    }
    Ok(survey)
}

fn look(
    parents: &mut Parents<'_>,
    step: &Step<'_>,
    suffix: &str,
    archive: Option<&Snapshot>,
    overwrite: bool,
) -> Result<Result<Todo, Difference>, Error> {
    let path = &step.record.path;
    let now = Fingerprint::of(parents.look(path)?.as_ref());
    if now != *step.wanted && now != *step.other {
        let (why, overwritable) = unexpected(&now);
        // A directory is neither replaced by a file nor a file by one: what is in it can't be archived here.
        let overwritable = overwritable && *step.wanted != Fingerprint::Directory;
        if !overwrite || !overwritable {
            return Ok(Err(step.differs(why, overwritable)));
        }
    }
    Ok(match step.wanted {
        Fingerprint::File { .. } | Fingerprint::Link { .. } => {
            let beside = parents.look_beside(path, &staged(step.record, suffix))?;
            if Fingerprint::of(beside.as_ref()) == *step.wanted {
                return Ok(Ok(Todo::Rename));
            }
            let archived = || archive.and_then(|archive| archive.get(path));
            let archived = || archived().filter(|entry| Fingerprint::of(Some(entry)) == *step.wanted);
            let is_directory = matches!(&beside, Some(Entry { content: Content::Directory, .. }));
            match archived() {
                _ if now == *step.wanted => Ok(Todo::Nothing),
                Some(entry) if !is_directory => Ok(Todo::Write(entry.clone())),
                _ if beside.is_some() => Err(step.differs(STAGED_CHANGED, false)),
                _ => Err(step.differs("the content that was staged beside it is gone", false)),
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
        Fingerprint::Unread => Err(step.differs("the journal does not know what it held", false)),
    })
}

/// Content that is neither the old nor the new one.
pub(super) fn unexpected(now: &Fingerprint) -> (&'static str, bool) {
    match now {
        Fingerprint::Absent => ("it was removed", true),
        Fingerprint::File { .. } => ("it holds neither the old nor the new content", true),
        Fingerprint::Link { .. } => ("a link is in its place, to neither the old nor the new target", true),
        Fingerprint::Directory => ("a directory is in its place", false),
        Fingerprint::Unread => ("what is in its place cannot be read", false),
    }
}
