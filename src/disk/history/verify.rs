//! Whether the history is intact.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Issued, LOG, MAX_LOG, Record, full_files, parse};
use crate::disk::journal::{ArchiveRef, Direction, last};
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, Root};
use crate::state::{Digest, Invoker};

/// The result of a check of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Oldest first.
    pub records: Vec<Done>,
    /// What is wrong: file, line and reason.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// When it was begun, by the clock.
    pub time: Timestamp,
    /// Who began it.
    #[serde(serialize_with = "in_document")]
    pub operator: Invoker,
    pub command: String,
    /// Whether it was rolled back before its end.
    pub taken_back: bool,
    pub paths: usize,
    /// The archive of the old state, and its digest.
    pub archive: Option<ArchiveRef>,
    /// The credential that was issued; then nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued: Option<Issued>,
    #[serde(skip)]
    change: String,
    /// The change that it undid.
    #[serde(skip)]
    undoes: Option<String>,
}

impl Check {
    /// The newest change that was not undone.
    pub fn standing(&self) -> Option<&Done> {
        let completed = || self.records.iter().filter(|done| !done.taken_back);
        let is_undone = |done: &Done| completed().any(|other| other.undoes.as_ref() == Some(&done.change));
        let mut changes = completed().filter(|done| done.issued.is_none() && done.undoes.is_none());
        changes.rfind(|done| !is_undone(done))
    }
}

/// The log has other names than a document.
fn in_document<S: Serializer>(operator: &Invoker, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct InDocument<'a> {
        uid: u32,
        sudo_user: &'a Option<String>,
        tty: &'a Option<String>,
    }

    let Invoker { uid, sudo_user, tty } = operator;
    InDocument { uid: *uid, sudo_user, tty }.serialize(serializer)
}

/// Checks the chain of records, and that the last change is in it. A node that was never changed has none.
///
/// # Errors
/// A file of the log can't be read.
pub fn verify(root: &Root) -> Result<Check, Error> {
    let Some(state) = StateDir::open(root)? else { return Ok(Check::default()) };
    let mut chain = Chain::default();
    for (number, name) in full_files(&state)? {
        chain.file(&state, &name)?;
        if chain.first.is_some_and(|first| first != number) {
            chain.problem(&state.path.join(&name), None, "its first record has another number");
        }
    }
    chain.file(&state, LOG)?;
    let newest = last(root)?;
    // Not always as the last record: that of an interrupted change may exist before the change is done.
    if let Some(newest) = newest
        && !chain.changes.contains(&newest.id)
    {
        chain.problem(&state.path.join(LOG), None, "the last change is not in it");
    }
    Ok(chain.check)
}

#[derive(Default)]
struct Chain {
    check: Check,
    /// Number and digest of the previous record.
    before: Option<(u64, Digest)>,
    /// Number of the first record of the file.
    first: Option<u64>,
    changes: BTreeSet<String>,
}

impl Chain {
    fn file(&mut self, state: &StateDir, name: &str) -> Result<(), Error> {
        let path = state.path.join(name);
        let Some((text, is_too_large)) = state.read_end(name, MAX_LOG)? else { return Ok(()) };
        if is_too_large {
            self.problem(&path, None, "too large to be checked");
            return Ok(());
        }
        self.first = None;
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            match parse(line) {
                Some(record) => self.record(&path, index, record, Digest::of(line)),
                None => {
                    self.problem(&path, Some(index), "not a record");
                    let number = self.before.map_or(0, |(number, _)| number);
                    self.before = Some((number.saturating_add(1), Digest::of(line)));
                }
            }
        }
        if text.last().is_some_and(|byte| *byte != b'\n') {
            self.problem(&path, None, "its end is missing");
        }
        Ok(())
    }

    fn record(&mut self, path: &Path, index: usize, record: Record, digest: Digest) {
        let (number, previous) = match &self.before {
            Some((number, digest)) => (number.saturating_add(1), Some(*digest)),
            None => (1, None),
        };
        if record.previous != previous {
            self.problem(path, Some(index), "the record before it is another one than when it was written");
        } else if record.number != number {
            self.problem(path, Some(index), "its number is not the next one");
        }
        self.first.get_or_insert(record.number);
        self.before = Some((record.number, digest));
        self.changes.insert(record.change.clone());
        self.check.records.push(Done {
            time: record.begun.time,
            operator: record.begun.operator,
            command: record.command,
            taken_back: record.direction == Direction::Backward,
            paths: record.changes.len(),
            archive: record.archive,
            issued: record.issued,
            change: record.change,
            undoes: record.undoes,
        });
    }

    fn problem(&mut self, path: &Path, index: Option<usize>, why: &str) {
        let line = index.map(|index| format!(", line {}", index + 1)).unwrap_or_default();
        self.check.problems.push(format!("{}{line}: {why}", path.display()));
    }
}
