//! One record of the history.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk::MAX_ENTRIES;
use crate::disk::journal::{ArchiveRef, Direction, Journal};
use crate::disk::record::at_most;
use crate::state::{Digest, Fingerprint, Invoker, text};

pub(super) const FORMAT: u32 = 1;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stamp {
    /// The clock's time.
    pub time: Timestamp,
    /// The kernel's random id of the boot; empty where it can't be read.
    pub boot: String,
    /// Who.
    pub operator: Invoker,
}

/// One path of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Changed {
    /// Absolute inside the root.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// What it held.
    pub before: Fingerprint,
    /// What it was to hold.
    pub after: Fingerprint,
}

/// A change that was made, or one that was begun and taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// Its place in the log, from 1.
    pub number: u64,
    /// SHA-256 of the record before it, as it stands in the file without its line feed; the first one has none.
    pub previous: Option<Digest>,
    /// The change's id, as in its journal.
    pub change: String,
    /// The command line that began it.
    pub command: String,
    /// The change that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Forward: the paths hold `after` now. Backward: it was taken back before its end, they hold `before`.
    pub direction: Direction,
    /// Who began it, and when.
    pub begun: Stamp,
    /// Who ended it, where it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Stamp>,
    /// The archive of what was there before.
    pub archive: Option<ArchiveRef>,
    /// What changed, in path order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ENTRIES>")]
    pub changes: Vec<Changed>,
}

impl Record {
    /// Whether it is of this change, going this way.
    pub(super) fn is_of(&self, journal: &Journal) -> bool {
        self.change == journal.id && self.direction == journal.direction
    }

    pub(super) fn new(journal: &Journal, ended: Option<&Stamp>, last: Option<&(u64, Digest)>) -> Self {
        let begun =
            Stamp { time: journal.started, boot: journal.boot.clone(), operator: journal.operator.clone() };
        let changes = journal.changes.iter().map(|change| Changed {
            path: change.path.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
        });
        Self {
            format: FORMAT,
            number: last.map_or(1, |(number, _)| number.saturating_add(1)),
            previous: last.map(|(_, digest)| *digest),
            change: journal.id.clone(),
            command: journal.command.clone(),
            undoes: journal.undoes.clone(),
            direction: journal.direction,
            ended: ended.filter(|ended| **ended != begun).cloned(),
            begun,
            archive: journal.archive.clone(),
            changes: changes.collect(),
        }
    }
}
