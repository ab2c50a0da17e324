//! One record of the history.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk::MAX_ENTRIES;
use crate::disk::journal::{ArchiveRef, Direction, Journal};
use crate::disk::record::at_most;
use crate::state::{Digest, Fingerprint, Invoker, text};

pub(super) const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stamp {
    pub time: Timestamp,
    /// The kernel's random id of the boot; empty if it can't be read.
    pub boot: String,
    pub operator: Invoker,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Changed {
    /// Absolute inside the root.
    #[serde(with = "text")]
    pub path: PathBuf,
    pub before: Fingerprint,
    pub after: Fingerprint,
}

/// A credential that was issued to somebody and is in no file of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    pub user: String,
    pub groups: Vec<String>,
    /// Hexadecimal.
    pub serial: String,
    pub from: Timestamp,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    pub format: u32,
    /// Its place in the log, from 1.
    pub number: u64,
    /// SHA-256 of the previous record, as in the file without its line feed; the first one has none.
    pub previous: Option<Digest>,
    /// The change's id, as in its journal.
    pub change: String,
    pub command: String,
    /// The change that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Forward: the paths hold `after` now. Backward: it was rolled back before its end, they hold `before`.
    pub direction: Direction,
    pub begun: Stamp,
    /// Who completed it, if it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Stamp>,
    /// The archive of the old state.
    pub archive: Option<ArchiveRef>,
    /// In path order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ENTRIES>")]
    pub changes: Vec<Changed>,
    /// What was issued; then nothing was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Issued>,
}

impl Record {
    /// Whether it is of this change, in this direction.
    pub(super) fn is_of(&self, journal: &Journal) -> bool {
        self.change == journal.id && self.direction == journal.direction
    }

    pub(super) fn new(journal: &Journal, completed: Option<&Stamp>, last: Option<&(u64, Digest)>) -> Self {
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
            completed: completed.filter(|completed| **completed != begun).cloned(),
            begun,
            archive: journal.archive.clone(),
            changes: changes.collect(),
            issued: None,
        }
    }
}
