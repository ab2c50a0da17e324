//! The journal of one change: the old and the new fingerprint of every path. It is written once, before
//! anything is staged, and then only renamed: its name is the state of the change, so that each step forward
//! is one atomic rename of a file that is already on the disk.
//!
//! `staging.json` → nothing changed yet · `journal.json` → committed · `last.json` → done. It holds no
//! content of any file: digests, modes, owners and names only.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{StoredAttributes, at_most};
use super::state_dir::StateDir;
use super::{Error, MAX_ENTRIES, Root};
use crate::formats::json_reason;
use crate::state::{Digest, Fingerprint, Invoker, text};

pub(super) const STAGING: &str = "staging.json";
pub(super) const COMMITTED: &str = "journal.json";
pub(super) const DONE: &str = "last.json";

const FORMAT: u32 = 1;
/// 10,000 changes at 800 bytes.
const MAX_JOURNAL: u64 = 8 << 20;
/// A name has at most 255 bytes on Linux; this many are kept in the staged file's name.
const MAX_NAME_KEPT: usize = 180;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// New content is being written beside the old; no target has changed.
    Staging,
    /// Everything is staged and will be put in place.
    Committed,
    Done,
}

/// The direction of a committed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new content.
    Forward,
    /// Back to the old content.
    Backward,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRef {
    /// On the host, for the user.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// Digest of the archive file.
    pub sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// Absolute inside the root, free of links.
    #[serde(with = "text")]
    pub path: PathBuf,
    pub before: Fingerprint,
    pub after: Fingerprint,
    /// Name of the staged file beside the target, without `-new` (the new content) or `-old`.
    #[serde(with = "text")]
    pub stage: OsString,
    /// Of a directory: the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_attributes: Option<StoredAttributes>,
    /// Of a directory: the new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_attributes: Option<StoredAttributes>,
}

/// What the journal says of a change beside its paths.
#[derive(Clone, Debug)]
pub struct Context {
    /// The command line, without secrets.
    pub command: String,
    /// Who gives it.
    pub operator: Invoker,
    /// Where the old content is archived; without it the change can't be rolled back by the tool.
    pub archive: Option<ArchiveRef>,
    /// The clock's time.
    pub now: Timestamp,
}

/// The record of one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Journal {
    /// Version of this format.
    pub format: u32,
    /// Names the change, its staged files and its record.
    pub id: String,
    pub started: Timestamp,
    pub command: String,
    #[serde(default)]
    pub operator: Invoker,
    /// The archive of the old content.
    pub archive: Option<ArchiveRef>,
    /// The change that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    pub direction: Direction,
    /// Process id of the run that began it.
    pub pid: u32,
    /// The boot in which it was begun; empty if it can't be read.
    pub boot: String,
    #[serde(deserialize_with = "at_most::<_, _, MAX_ENTRIES>")]
    pub changes: Vec<Record>,
    /// From the file's name.
    #[serde(skip, default = "staging")]
    pub state: State,
}

fn staging() -> State {
    State::Staging
}

impl Journal {
    pub(super) fn new(
        context: &Context,
        boot: String,
        undoes: Option<String>,
        changes: impl FnOnce(&str) -> Vec<Record>,
    ) -> Self {
        let pid = std::process::id();
        let seed = format!("{} {pid} {boot} {}", context.now, context.command);
        let id: String = Digest::of(seed.as_bytes()).to_string().chars().take(12).collect();
        Self {
            format: FORMAT,
            changes: changes(&id),
            id,
            started: context.now,
            command: context.command.clone(),
            operator: context.operator.clone(),
            archive: context.archive.clone(),
            undoes,
            direction: Direction::Forward,
            pid,
            boot,
            state: State::Staging,
        }
    }

    /// Whether the change was rolled back, or itself undoes another one.
    pub fn is_undoing(&self) -> bool {
        self.undoes.is_some() || self.direction == Direction::Backward
    }

    /// Whether this is a rollback that was interrupted before it had begun: nothing has changed, and the change that
    /// it was to undo still stands.
    pub fn is_unbegun_rollback(&self) -> bool {
        self.state == State::Staging && self.undoes.is_some()
    }

    pub(super) fn write(&self, state: &StateDir, name: &str) -> Result<(), Error> {
        let wrong = |why: String| Error::Journal { path: state.path.join(name), why };
        let text = serde_json::to_vec(self).map_err(|error| wrong(json_reason(&error)))?;
        if text.len() as u64 > MAX_JOURNAL {
            // It could not be read again.
            return Err(wrong("so many changes are not made at once".to_owned()));
        }
        state.replace(name, &text)
    }

    /// Reads and checks the journal `name`: a foreign disk may hold any text under it.
    pub(super) fn load(state: &StateDir, name: &str) -> Result<Option<Self>, Error> {
        let Some(bytes) = state.read(name, MAX_JOURNAL)? else {
            return Ok(None);
        };
        let wrong = |why| Error::Journal { path: state.path.join(name), why };
        let mut journal = Self::parse(&bytes).map_err(wrong)?;
        journal.state = match name {
            STAGING => State::Staging,
            COMMITTED => State::Committed,
            _ => State::Done,
        };
        Ok(Some(journal))
    }

    /// Parses and checks a journal: it can't do anything that a journal of this tool doesn't do. `state` is
    /// [`State::Staging`], whatever the file's name.
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
        if self.id.is_empty() || !self.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("its id is not one");
        }
        let mut last = None;
        for record in &self.changes {
            if !is_plain(&record.path) {
                return Err("a path is not an absolute one");
            }
            if last.replace(&record.path).is_some_and(|last| last >= &record.path) {
                return Err("its paths are not in order");
            }
            // Only names that this tool creates are ever removed or renamed.
            let (stage, own) = (record.stage.as_bytes(), format!(".kuberescue-{}", self.id));
            let tail = stage.windows(own.len()).any(|part| part == own.as_bytes());
            if stage.first() != Some(&b'.') || !tail || stage.contains(&b'/') {
                return Err("a staged file's name is not one");
            }
        }
        Ok(())
    }
}

/// Whether a path is absolute, in its shortest form and has only names below the root.
pub(super) fn is_plain(path: &Path) -> bool {
    let rebuilt: PathBuf = path.components().collect();
    path.is_absolute()
        && path.file_name().is_some()
        && rebuilt.as_os_str() == path.as_os_str()
        && !path.as_os_str().as_bytes().contains(&0)
        && path.components().skip(1).all(|component| matches!(component, Component::Normal(_)))
}

/// `.NAME.kuberescue-ID`: hidden, so that the kubelet doesn't read it as a static pod's manifest.
pub(super) fn stage_name(path: &Path, id: &str, index: usize) -> OsString {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut stage = vec![b'.'];
    stage.extend(name.iter().take(MAX_NAME_KEPT));
    stage.extend_from_slice(format!(".kuberescue-{id}").as_bytes());
    if name.len() > MAX_NAME_KEPT {
        // Two long names may be the same up to here.
        stage.extend_from_slice(format!("-{index}").as_bytes());
    }
    OsString::from_vec(stage)
}

/// The change that was interrupted, if any: staging or committed.
///
/// # Errors
/// The journal can't be read or is invalid.
pub fn pending(root: &Root) -> Result<Option<Journal>, Error> {
    match StateDir::open(root)? {
        Some(state) => pending_in(&state),
        None => Ok(None),
    }
}

pub(super) fn pending_in(state: &StateDir) -> Result<Option<Journal>, Error> {
    match Journal::load(state, COMMITTED)? {
        Some(journal) => Ok(Some(journal)),
        None => Journal::load(state, STAGING),
    }
}

/// The last change that was completed, if any.
///
/// # Errors
/// The journal can't be read or is invalid.
pub fn last(root: &Root) -> Result<Option<Journal>, Error> {
    match StateDir::open(root)? {
        Some(state) => Journal::load(&state, DONE),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_name_is_a_name_and_no_two_are_the_same() {
        let name = |path: &str, index| stage_name(Path::new(path), "id", index);
        assert_eq!(name("/etc/a.crt", 3), ".a.crt.kuberescue-id");
        assert_eq!(name(&format!("/etc/{}", "n".repeat(180)), 3).len(), 1 + 180 + ".kuberescue-id".len());
        let long = format!("/etc/{}", "n".repeat(255));
        assert_ne!(name(&long, 3), name(&long, 4));
        assert!(name(&long, 9_999).len() < 255 - "-new".len());
    }

    /// What is written can be read again.
    #[test]
    fn a_journal_is_as_large_as_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let lock = root.lock().unwrap();
        let (operator, now) = (Invoker::default(), Timestamp::UNIX_EPOCH);
        let context = Context { command: String::new(), operator, archive: None, now };
        let mut journal = Journal::new(&context, String::new(), None, |_| Vec::new());
        let rest = MAX_JOURNAL as usize - serde_json::to_vec(&journal).unwrap().len();
        journal.command = "x".repeat(rest);
        journal.write(&lock.state, DONE).unwrap();
        assert_eq!(Journal::load(&lock.state, DONE).unwrap().unwrap().command.len(), rest);
        for more in [1, 2] {
            journal.command = "x".repeat(rest + more);
            let error = journal.write(&lock.state, DONE).unwrap_err().to_string();
            let path = "/var/lib/kuberescue/last.json";
            assert_eq!(error, format!("cannot use the journal {path}: so many changes are not made at once"));
        }
    }

    #[test]
    fn a_rollback_has_not_begun_before_its_commit() {
        let (operator, now) = (Invoker::default(), Timestamp::UNIX_EPOCH);
        let context = Context { command: String::new(), operator, archive: None, now };
        let unbegun = |undoes: Option<&str>, state| {
            let undoes = undoes.map(str::to_owned);
            let journal = Journal { state, ..Journal::new(&context, String::new(), undoes, |_| Vec::new()) };
            journal.is_unbegun_rollback()
        };
        assert!(unbegun(Some("x"), State::Staging));
        assert!(!unbegun(Some("x"), State::Committed));
        assert!(!unbegun(None, State::Staging));
    }
}
