//! The journal of parked manifests, `parked.json` in the tool's own directory: it exists exactly while a
//! manifest may be out of its place. It holds digests, modes, owners and names only.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk::journal::is_plain;
use crate::disk::record::at_most;
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, MAX_ENTRIES};
use crate::formats::json_reason;
use crate::state::{Fingerprint, text};

pub(super) const JOURNAL: &str = "parked.json";
pub(super) const PREFIX: &str = ".kuberescue-parked-";

const FORMAT: u32 = 1;
/// A manifest directory holds only a few.
const MAX_JOURNAL: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ParkedManifest {
    /// Its original path: absolute inside the root, its directory free of links.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// Its hidden name in the same directory.
    #[serde(with = "text")]
    pub parked: OsString,
    pub fingerprint: Fingerprint,
}

impl ParkedManifest {
    pub fn parked_path(&self) -> PathBuf {
        self.path.with_file_name(&self.parked)
    }

    pub(super) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ParkedJournal {
    /// Version of this format.
    pub format: u32,
    /// When they were moved.
    pub started: Timestamp,
    /// The boot in which they were moved; empty if it can't be read.
    pub boot: String,
    /// In the order in which they were moved.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ENTRIES>")]
    pub manifests: Vec<ParkedManifest>,
}

impl ParkedJournal {
    pub(super) fn new(started: Timestamp, boot: String, manifests: Vec<ParkedManifest>) -> Self {
        Self { format: FORMAT, started, boot, manifests }
    }

    pub(super) fn write(&self, state: &StateDir) -> Result<(), Error> {
        let wrong = |error: serde_json::Error| Error::Journal {
            path: state.path.join(JOURNAL),
            why: json_reason(&error),
        };
        state.replace(JOURNAL, &serde_json::to_vec(self).map_err(wrong)?)
    }

    /// Reads and checks it: a foreign disk may hold any text under its name.
    pub(super) fn load(state: &StateDir) -> Result<Option<Self>, Error> {
        let Some(bytes) = state.read(JOURNAL, MAX_JOURNAL)? else {
            return Ok(None);
        };
        let wrong = |why| Error::Journal { path: state.path.join(JOURNAL), why };
        Self::parse(&bytes).map(Some).map_err(wrong)
    }

    /// Parses and checks a journal.
    ///
    /// # Errors
    /// It is no journal; the text says why.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let journal: Self = serde_json::from_slice(bytes).map_err(|error| json_reason(&error))?;
        journal.check()?;
        Ok(journal)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.format != FORMAT {
            return Err("written by another version");
        }
        for record in &self.manifests {
            if !is_plain(&record.path) {
                return Err("a path is not an absolute one");
            }
            // Only names that this tool creates are ever renamed or removed.
            let parked = record.parked.as_bytes();
            if !parked.starts_with(PREFIX.as_bytes()) || parked.contains(&b'/') || parked.contains(&0) {
                return Err("a parked manifest's name is not one");
            }
            if record.name().as_bytes().starts_with(b".") {
                return Err("a manifest's name is hidden");
            }
        }
        Ok(())
    }
}
