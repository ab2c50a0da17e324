//! What must be staged to restore the old content of a committed change. Nothing here writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::stage::{NEW, OLD, Parents, staged};
use super::survey::{STAGED_CHANGED, Theirs, unexpected, without_directory};
use crate::disk::Error;
use crate::disk::error::Difference;
use crate::disk::journal::{Direction, Journal, Record};
use crate::state::{Attributes, Content, Entry, Fingerprint, Snapshot};

/// What must be done to restore the paths of a change.
#[derive(Default)]
pub(super) struct OldContents<'a> {
    /// What must be staged; nothing for paths that still hold the old content.
    pub(super) entries: BTreeMap<PathBuf, Entry>,
    pub(super) differences: Vec<Difference>,
    /// The paths that don't hold the old content.
    pub(super) busy: Vec<&'a PathBuf>,
}

pub(super) fn old_contents<'a>(
    parents: &mut Parents<'_>,
    journal: &'a Journal,
    archive: Option<&Snapshot>,
    theirs: Theirs,
) -> Result<OldContents<'a>, Error> {
    let mut old = OldContents::default();
    for record in &journal.changes {
        let path = record.path.clone();
        if let Some(why) = without_directory(parents, journal, record, Direction::Backward, &old.differences)?
        {
            old.differences.push(Difference { path, why, overwritable: false });
            continue;
        }
        let now = Fingerprint::of(parents.look(&path)?.as_ref());
        if now != record.before {
            old.busy.push(&record.path);
        }
        let entry = match old_content(parents, record, &now, theirs == Theirs::Overwrite)? {
            Err(difference) => {
                old.differences.push(difference);
                None
            }
            Ok(Old::Stays) => None,
            Ok(Old::Directory) => Some(directory(record)),
            Ok(Old::Archived) => {
                archive.map(|archive| from_archive(record, archive, &journal.id)).transpose()?
            }
        };
        old.entries.extend(entry.map(|entry| (path, entry)));
    }
    Ok(old)
}

enum Old {
    Stays,
    Directory,
    Archived,
}

fn old_content(
    parents: &mut Parents<'_>,
    record: &Record,
    now: &Fingerprint,
    overwrite: bool,
) -> Result<Result<Old, Difference>, Error> {
    let path = &record.path;
    let theirs = *now != record.before && *now != record.after;
    if theirs {
        let (why, overwritable) = unexpected(now);
        let overwritable = overwritable && record.before != Fingerprint::Directory;
        if !overwrite || !overwritable {
            return Ok(Err(Difference { path: path.clone(), why, overwritable }));
        }
    }
    // If the new content is still staged, the target was not replaced yet. If it isn't, the digest alone is
    // not enough: only the time may differ between old and new.
    let replaced = match record.after {
        _ if theirs => true,
        Fingerprint::File { .. } | Fingerprint::Link { .. } => {
            match parents.look_beside(path, &staged(record, NEW))? {
                // Counting it as staged would mean that the target is still the old one.
                Some(Entry { content: Content::Unread(_), .. }) => *now == record.after,
                beside => beside.is_none(),
            }
        }
        _ => *now == record.after,
    };
    Ok(Ok(match record.before {
        Fingerprint::File { .. } | Fingerprint::Link { .. } if replaced => {
            let beside = parents.look_beside(path, &staged(record, OLD))?;
            if beside.is_some_and(|beside| beside.content == Content::Directory) {
                return Ok(Err(Difference { path: path.clone(), why: STAGED_CHANGED, overwritable: false }));
            }
            Old::Archived
        }
        Fingerprint::Directory if *now == Fingerprint::Absent => Old::Directory,
        _ => Old::Stays,
    }))
}

pub(super) fn from_archive(record: &Record, archive: &Snapshot, id: &str) -> Result<Entry, Error> {
    match archive.get(&record.path) {
        Some(entry) if Fingerprint::of(Some(entry)) == record.before => Ok(entry.clone()),
        _ => Err(Error::ArchiveDiffers { path: record.path.clone(), id: id.to_owned() }),
    }
}

pub(super) fn directory(record: &Record) -> Entry {
    let attributes = record.before_attributes.as_ref().map(Attributes::from).unwrap_or_default();
    Entry { content: Content::Directory, attributes }
}
