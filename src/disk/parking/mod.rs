//! Parking static-pod manifests (hiding them from the kubelet) and restoring them, for a restart without a
//! container runtime.
//!
//! A manifest is renamed to a hidden name in its own directory: the kubelet skips names that begin with a
//! dot, in its listing as in its watch (`pkg/kubelet/config/file.go` `[^.]*`, `file_linux.go`
//! `produceWatchEvent`). Such a rename is atomic and keeps inode, mode, labels and dates; another directory
//! could be another file system. Before the first rename a journal of all of them is on the disk, and it is
//! removed only when all are restored: an interruption never loses a manifest.

mod journal;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::sys::stat::FileStat;

pub use journal::{ParkedJournal, ParkedManifest};

use super::state_dir::StateDir;
use super::transaction::{Lock, pending};
use super::{Error, Root, effect, handle};
use crate::state::{Content, Fingerprint};
use journal::{JOURNAL, PREFIX};

/// How many leftovers of one manifest are skipped.
const MAX_LEFTOVERS: u32 = 100;

/// Manifests that are hidden from the kubelet until [`unpark`] restores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub manifests: Vec<ParkedManifest>,
}

/// The result of [`unpark`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unparked {
    /// The manifests that are in their places, including those that had never been moved.
    pub back: Vec<PathBuf>,
    /// Manifests whose path holds another file now. That file stays, and ours remains beside it under its
    /// hidden name.
    pub superseded: Vec<ParkedManifest>,
    /// Manifests that are neither in their places nor at their parked paths.
    pub lost: Vec<ParkedManifest>,
}

impl Unparked {
    /// Whether every manifest is in its place.
    pub fn is_complete(&self) -> bool {
        self.superseded.is_empty() && self.lost.is_empty()
    }
}

/// Parks `manifests` (absolute inside the root). Either all of them are moved, or none. `now` is for the
/// journal.
///
/// # Errors
/// [`Error::Parked`] or [`Error::Pending`]: an earlier run was interrupted. [`Error::Unsupported`]: a
/// manifest doesn't exist, or isn't a file. After any other error the manifests are restored, or
/// [`Error::StillParked`] says that they aren't.
pub fn park(root: &Root, lock: &Lock, manifests: &[PathBuf], now: Timestamp) -> Result<Parked, Error> {
    if ParkedJournal::load(&lock.state)?.is_some() {
        return Err(Error::Parked);
    }
    if let Some(journal) = pending(root)? {
        return Err(Error::Pending { id: journal.id });
    }
    let mut records: Vec<ParkedManifest> = Vec::new();
    for manifest in manifests {
        let record = look(root, manifest)?;
        if records.iter().any(|known| known.path == record.path) {
            continue;
        }
        // `1-a` beside a leftover of `a`: contrived, and it would overwrite one of them.
        if records.iter().any(|known| known.parked_path() == record.parked_path()) {
            return Err(Error::Unsupported {
                path: record.path,
                why: "its hidden name is another one's too",
            });
        }
        records.push(record);
    }
    if records.is_empty() {
        return Ok(Parked { manifests: records });
    }
    let journal = ParkedJournal::new(now, lock.boot.clone(), records);
    let moved = journal
        .write(&lock.state)
        .and_then(|()| journal.manifests.iter().try_for_each(|record| out(root, record)));
    match moved.and_then(|()| sync(root, &journal)) {
        Ok(()) => Ok(Parked { manifests: journal.manifests }),
        Err(error) => match unpark(root, lock) {
            Ok(_) => Err(error),
            Err(_) => Err(Error::StillParked { source: Box::new(error) }),
        },
    }
}

/// Restores every parked manifest and removes the journal. The remaining work is derived from the journal and
/// the directory, so this can be interrupted and called again; without a journal it does nothing. Another
/// file in a manifest's place is never overwritten.
///
/// # Errors
/// The journal can't be used, or the operating system returns an error; the journal stays.
pub fn unpark(root: &Root, lock: &Lock) -> Result<Unparked, Error> {
    let Some(journal) = ParkedJournal::load(&lock.state)? else {
        return Ok(Unparked::default());
    };
    let mut done = Unparked::default();
    for record in &journal.manifests {
        match back(root, record)? {
            Place::Own => done.back.push(record.path.clone()),
            Place::Taken => done.superseded.push(record.clone()),
            Place::Nowhere => done.lost.push(record.clone()),
        }
    }
    // The hidden names are removed only when the others are synced: a power loss must not take both.
    sync(root, &journal)?;
    let mut removed = false;
    for record in &journal.manifests {
        removed |= tidy(root, record)?;
    }
    if removed {
        sync(root, &journal)?;
    }
    lock.state.remove(JOURNAL)?;
    Ok(done)
}

/// The manifests that an interrupted restart has left parked, if any.
///
/// # Errors
/// The journal can't be read or is invalid.
pub fn parked(root: &Root) -> Result<Option<ParkedJournal>, Error> {
    match StateDir::open(root)? {
        Some(state) => ParkedJournal::load(&state),
        None => Ok(None),
    }
}

/// Where a manifest is after it was restored.
enum Place {
    Own,
    Taken,
    Nowhere,
}

/// The directory of `path`, opened, and its own path free of links; `None` if it doesn't exist.
fn directory(root: &Root, path: &Path) -> Result<Option<(File, PathBuf)>, Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let there = root.walk(parent, &mut |_, _, _, _| ());
    let Some(there) = there.map_err(|(path, error)| Error::io("open", path)(error))? else {
        return Ok(None);
    };
    let opened = handle::open_directory(&there.parent, &there.name);
    Ok(Some((opened.map_err(Error::io("open", &there.path))?, there.path)))
}

/// The record of a manifest before it is moved.
fn look(root: &Root, manifest: &Path) -> Result<ParkedManifest, Error> {
    let unsupported = |why| Error::Unsupported { path: manifest.to_owned(), why };
    let name = manifest.file_name().ok_or_else(|| unsupported("not the path of a file"))?;
    let (directory, path) = directory(root, manifest)?.ok_or_else(|| unsupported("no such manifest"))?;
    let entry = handle::entry(&directory, name, handle::Limit::FILE).map(|(entry, _)| entry);
    match entry.as_ref().map(|entry| &entry.content) {
        Some(Content::File(_) | Content::Link(_)) => {}
        Some(_) => return Err(unsupported("not a file that can be read")),
        None => return Err(unsupported("no such manifest")),
    }
    let fingerprint = Fingerprint::of(entry.as_ref());
    Ok(ParkedManifest { parked: free_name(&directory, &path, name)?, path: path.join(name), fingerprint })
}

/// A free hidden name: an earlier run may have left one behind for manual inspection.
fn free_name(directory: &File, path: &Path, name: &OsStr) -> Result<OsString, Error> {
    for number in 0..MAX_LEFTOVERS {
        let mut hidden = OsString::from(PREFIX);
        if number > 0 {
            hidden.push(format!("{number}-"));
        }
        hidden.push(name);
        if handle::stat(directory, &hidden).map_err(Error::io("read", path.join(&hidden)))?.is_none() {
            return Ok(hidden);
        }
    }
    let why = "too many parked copies of it are left beside it";
    Err(Error::Unsupported { path: path.join(name), why })
}

fn out(root: &Root, record: &ParkedManifest) -> Result<(), Error> {
    let gone = || Error::Changed { path: record.path.clone() };
    let (directory, _) = directory(root, &record.path)?.ok_or_else(gone)?;
    // Nothing else creates such names, and the lock excludes other runs.
    effect::rename(&directory, record.name(), &record.parked).map_err(Error::io("move", &record.path))
}

fn back(root: &Root, record: &ParkedManifest) -> Result<Place, Error> {
    let Some((directory, path)) = directory(root, &record.path)? else {
        return Ok(Place::Nowhere);
    };
    let stat = |name: &OsStr| handle::stat(&directory, name).map_err(Error::io("read", path.join(name)));
    let (own, hidden) = (stat(record.name())?, stat(&record.parked)?);
    let (own, hidden) = match (own, hidden) {
        (None, None) => return Ok(Place::Nowhere),
        (Some(_), None) => return Ok(Place::Own),
        (None, Some(_)) => {
            let moved = effect::link_new(&directory, &record.parked, record.name());
            return match moved {
                Ok(()) => Ok(Place::Own),
                // Another process created it first.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Place::Taken),
                Err(error) => Err(Error::io("move back", &record.path)(error)),
            };
        }
        (Some(own), Some(hidden)) => (own, hidden),
    };
    Ok(if is_double(&directory, record, &own, &hidden) { Place::Own } else { Place::Taken })
}

/// Removes the hidden name of a manifest that is in its place. Returns whether it existed.
fn tidy(root: &Root, record: &ParkedManifest) -> Result<bool, Error> {
    let Some((directory, path)) = directory(root, &record.path)? else { return Ok(false) };
    let stat = |name: &OsStr| handle::stat(&directory, name).map_err(Error::io("read", path.join(name)));
    let (Some(own), Some(hidden)) = (stat(record.name())?, stat(&record.parked)?) else { return Ok(false) };
    let is_double = is_double(&directory, record, &own, &hidden);
    if is_double {
        effect::remove(&directory, &record.parked).map_err(Error::io("remove", path.join(&record.parked)))?;
    }
    Ok(is_double)
}

/// Whether the hidden file is no longer needed: both are names of one file, or the file in its place has the
/// same content.
fn is_double(directory: &File, record: &ParkedManifest, own: &FileStat, hidden: &FileStat) -> bool {
    if (own.st_dev, own.st_ino) == (hidden.st_dev, hidden.st_ino) {
        return true;
    }
    let read = |name: &OsStr| handle::entry(directory, name, handle::Limit::FILE).map(|(entry, _)| entry);
    match (read(record.name()), read(&record.parked)) {
        (Some(own), Some(hidden)) => match (own.content, hidden.content) {
            (Content::File(own), Content::File(hidden)) => own.digest() == hidden.digest(),
            _ => false,
        },
        _ => false,
    }
}

/// Syncs the names in all directories concerned.
fn sync(root: &Root, journal: &ParkedJournal) -> Result<(), Error> {
    let mut synced: Vec<&Path> = Vec::new();
    for record in &journal.manifests {
        let parent = record.path.parent().unwrap_or(Path::new("/"));
        if synced.contains(&parent) {
            continue;
        }
        synced.push(parent);
        if let Some((directory, path)) = directory(root, &record.path)? {
            effect::sync(&directory).map_err(Error::io("sync", path))?;
        }
    }
    Ok(())
}
