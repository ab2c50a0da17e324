//! The record of an `etcd rescue` that is under way, `rescue.json` in the tool's own directory: it exists from before
//! the first change until the last one is made. `resume` and `rollback` go on from it. It holds names and digests only.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::journal::{ArchiveRef, is_plain};
use super::state_dir::StateDir;
use super::transaction::Lock;
use super::{Error, Root};
use crate::formats::json_reason;
use crate::state::text;

pub const RECORD: &str = "rescue.json";
const FORMAT: u32 = 1;
const MAX_RECORD: u64 = 64 << 10;

/// How far a rescue is. Each step is derived from the phase and the files, and can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The manifest is taken away, and the data directory is copied. etcd's data is as it was.
    Copying,
    /// The copy is complete. etcd is started with `--force-new-cluster`.
    Forcing,
    /// etcd was one healthy member. It is stopped and started with the old manifest.
    Ending,
    /// Before any etcd was started with the flag: the copy is removed, and the old manifest is put back.
    Abandoning,
    /// The copy is put back in its place, then the old manifest.
    Undoing,
}

impl Phase {
    /// Whether the rescue is being taken back.
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Abandoning | Self::Undoing)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rescue {
    /// Version of this format.
    pub format: u32,
    pub phase: Phase,
    pub started: Timestamp,
    pub command: String,
    /// The manifest of etcd, free of links.
    #[serde(with = "text")]
    pub manifest: PathBuf,
    /// It holds the old manifest.
    pub archive: ArchiveRef,
    /// etcd's data directory, free of links.
    #[serde(with = "text")]
    pub data: PathBuf,
    /// Where it is copied to.
    #[serde(with = "text")]
    pub copy: PathBuf,
    /// The name beside the data that a rollback gives to what the rescued etcd has written.
    pub kept: String,
    /// The members that are given up.
    pub lost: Vec<String>,
    /// etcd's revision before, if it could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Rescue {
    /// A new record, in its first phase.
    pub fn new(
        (command, started): (String, Timestamp),
        manifest: PathBuf,
        archive: ArchiveRef,
        (data, copy): (PathBuf, PathBuf),
        lost: Vec<String>,
        revision: Option<u64>,
    ) -> Self {
        let kept = format!("member-kuberescue-{}", stamp(started));
        let phase = Phase::Copying;
        Self { format: FORMAT, phase, started, command, manifest, archive, data, copy, kept, lost, revision }
    }

    /// Writes it, synced.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn write(&self, lock: &Lock) -> Result<(), Error> {
        let wrong = |why: String| Error::Journal { path: lock.state.path.join(RECORD), why };
        lock.state.replace(RECORD, &serde_json::to_vec(self).map_err(|error| wrong(json_reason(&error)))?)
    }

    /// Removes it: the rescue is over.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn remove(lock: &Lock) -> Result<(), Error> {
        lock.state.remove(RECORD)
    }

    /// Parses and checks a record: it names no other kind of path than this tool writes.
    ///
    /// # Errors
    /// It is no record; the text says why.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| json_reason(&error))?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.format != FORMAT {
            return Err("written by another version");
        }
        if ![&self.manifest, &self.data, &self.copy].into_iter().all(|path| is_plain(path)) {
            return Err("a path is not an absolute one");
        }
        if self.copy != copy_of(&self.data, self.started) {
            return Err("the copy's path is not one of a copy");
        }
        if self.kept != format!("member-kuberescue-{}", stamp(self.started)) {
            return Err("a name is not one of this tool");
        }
        Ok(())
    }
}

/// Where the data directory `data` is copied to, by a rescue that starts at this time.
pub fn copy_of(data: &Path, started: Timestamp) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(format!("-kuberescue-{}", stamp(started)));
    data.with_file_name(name)
}

fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The rescue that is under way or was interrupted, if any.
///
/// # Errors
/// The record can't be read or is invalid.
pub fn pending(root: &Root) -> Result<Option<Rescue>, Error> {
    let Some(state) = StateDir::open(root)? else { return Ok(None) };
    let Some(bytes) = state.read(RECORD, MAX_RECORD)? else { return Ok(None) };
    let wrong = |why| Error::Journal { path: state.path.join(RECORD), why };
    Rescue::parse(&bytes).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As format 1 has it: read for ever.
    const RECORD: &str = r#"{"format":1,"phase":"copying","started":"2026-11-27T18:00:00Z","command":"kuberescue etcd rescue","manifest":"/etc/kubernetes/manifests/etcd.yaml","archive":{"path":"/var/lib/kuberescue/cp-1-20261127T180000Z.tar.gz","sha256":"0000000000000000000000000000000000000000000000000000000000000000"},"data":"/var/lib/etcd","copy":"/var/lib/etcd-kuberescue-20261127T180000Z","kept":"member-kuberescue-20261127T180000Z","lost":["cp-2","cp-3"],"revision":26}"#;

    #[test]
    fn a_record_names_only_what_this_tool_writes() {
        let record = Rescue::parse(RECORD.as_bytes()).unwrap();
        assert_eq!((record.phase, record.lost.len(), record.revision), (Phase::Copying, 2, Some(26)));
        assert_eq!(serde_json::to_string(&record).unwrap(), RECORD);
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("\"copying\"", "\"done\""),
            ("etcd-kuberescue-2026", "etcd-2026"),
            ("\"copy\":\"/var/lib/etcd-", "\"copy\":\"/etc/etcd-"),
            ("\"kept\":\"member-", "\"kept\":\"../member-"),
            ("\"data\":\"/var/lib/etcd\"", "\"data\":\"/var/lib/../etcd\""),
            ("/etc/kubernetes/manifests/etcd.yaml", "etcd.yaml"),
            ("\"revision\":26", "\"more\":26"),
        ] {
            assert!(RECORD.contains(from), "{from}");
            assert!(Rescue::parse(RECORD.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
