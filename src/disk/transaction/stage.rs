//! Writing content beside its target, and removing it again. Nothing here touches a target.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;

use crate::disk::handle::{self, Kind, Limit};
use crate::disk::journal::{Journal, Record, STAGING};
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, Root, effect, history, obstacle};
use crate::state::{Attributes, Content, Entry, Fingerprint};

/// How many staged files are open before they are synced: a restore may write thousands.
const BATCH: usize = 128;
/// How many directories are kept open.
const OPEN_DIRECTORIES: usize = 256;

/// The suffix of staged new content.
pub(super) const NEW: &str = "-new";
/// The suffix of staged old content, when a committed change is rolled back.
pub(super) const OLD: &str = "-old";

/// The directories that a change touches, opened once, no link on the way.
pub(super) struct Parents<'a> {
    root: &'a Root,
    open: BTreeMap<OsString, Rc<File>>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, open: BTreeMap::new() }
    }

    /// The handle of a directory; `None` if it doesn't exist.
    pub(super) fn open(&mut self, directory: &Path) -> Result<Option<Rc<File>>, Error> {
        if let Some(open) = self.open.get(directory.as_os_str()) {
            return Ok(Some(open.clone()));
        }
        let opened = match (directory.parent(), directory.file_name()) {
            (Some(parent), Some(name)) => match self.open(parent)? {
                Some(parent) => handle::open_directory(&*parent, name),
                None => return Ok(None),
            },
            _ => self.root.directory().try_clone(),
        };
        match opened {
            Ok(opened) => {
                if self.open.len() >= OPEN_DIRECTORIES {
                    self.open.clear();
                }
                let opened = Rc::new(opened);
                self.open.insert(directory.into(), opened.clone());
                Ok(Some(opened))
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
            Err(error) => Err(Error::io("open the directory", directory)(error)),
        }
    }

    /// The directory of `path`.
    pub(super) fn of(&mut self, path: &Path) -> Result<Option<Rc<File>>, Error> {
        self.open(path.parent().unwrap_or(Path::new("/")))
    }

    /// The directory of `path`, which must exist.
    pub(super) fn need(&mut self, path: &Path) -> Result<Rc<File>, Error> {
        let missing = || io::Error::from(Errno::ENOENT);
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.of(path)?.ok_or_else(|| Error::io("open the directory", parent)(missing()))
    }

    /// Whether the directory of `path` is one, or is missing; not a link or a file that was put in its place.
    pub(super) fn leads_to(&mut self, path: &Path) -> Result<bool, Error> {
        match self.of(path) {
            Err(error) if is_no_directory(&error) => Ok(false),
            opened => opened.map(|_| true),
        }
    }

    /// The directory of `path`, through links too, if there is one.
    fn behind_links(&mut self, path: &Path) -> Result<Option<Rc<File>>, Error> {
        if self.leads_to(path)? {
            return self.of(path);
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        let there = self.root.walk(parent, &mut |_, _, _, _| ()).ok().flatten();
        let opened = there.map(|there| handle::open_directory(&there.parent, &there.name));
        // What is no directory holds nothing of ours.
        Ok(opened.and_then(Result::ok).map(Rc::new))
    }

    /// Refuses if a path is known not to be replaceable.
    pub(super) fn refuse_obstacles<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p PathBuf>,
    ) -> Result<(), Error> {
        let mut obstacles = BTreeSet::new();
        for path in paths {
            if self.leads_to(path)?
                && let Some(parent) = self.of(path)?
            {
                let shown = self.root.on_host(path);
                obstacle::look(&parent, &shown, path.file_name().unwrap_or_default(), &mut obstacles);
            }
        }
        if obstacles.is_empty() { Ok(()) } else { Err(Error::Obstacles { obstacles }) }
    }

    /// Forgets directories that may have been removed.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// The current entry at `path`.
    pub(super) fn look(&mut self, path: &Path) -> Result<Option<Entry>, Error> {
        self.look_beside(path, path.file_name().unwrap_or_default())
    }

    /// The entry beside `path` under another name.
    pub(super) fn look_beside(&mut self, path: &Path, name: &OsStr) -> Result<Option<Entry>, Error> {
        let Some(parent) = self.of(path)? else {
            return Ok(None);
        };
        Ok(handle::entry(&*parent, name, Limit::FILE).map(|(entry, _)| entry))
    }

    /// Syncs the names in the directories of all `paths`; a removed directory has none.
    pub(super) fn sync(&mut self, paths: impl Iterator<Item = impl AsRef<Path>>) -> Result<(), Error> {
        let directories: BTreeSet<PathBuf> =
            paths.filter_map(|path| path.as_ref().parent().map(Path::to_owned)).collect();
        for directory in directories {
            match self.open(&directory) {
                Ok(None) => {}
                Ok(Some(open)) => effect::sync(&*open).map_err(Error::io("sync", &directory))?,
                // Nothing was changed in what someone has put in its place.
                Err(error) if is_no_directory(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether a directory could not be opened because a link or a file is in its place.
fn is_no_directory(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    matches!(source.raw_os_error().map(Errno::from_raw), Some(Errno::ELOOP | Errno::ENOTDIR))
}

/// The staged file's name with its suffix.
pub(super) fn staged(record: &Record, suffix: &str) -> OsString {
    let mut name = record.stage.clone().into_vec();
    name.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(name)
}

/// Writes `entries` beside their targets, complete with owner, mode and attributes, and syncs them.
/// Directories are created in their place, and what is staged goes into them.
pub(super) fn stage(
    parents: &mut Parents<'_>,
    entries: &[(&Record, &Entry)],
    suffix: &str,
) -> Result<(), Error> {
    for batch in entries.chunks(BATCH) {
        let mut written = Vec::new();
        for (record, entry) in batch {
            let name = staged(record, suffix);
            let parent = parents.need(&record.path)?;
            let outcome = match &entry.content {
                Content::File(bytes) => effect::create(&*parent, &name).and_then(|file| {
                    effect::write(&file, bytes)?;
                    effect::set_metadata(&file, &entry.attributes)?;
                    written.push((file, &record.path));
                    Ok(())
                }),
                Content::Link(target) => effect::make_link(&*parent, &name, target, &entry.attributes),
                Content::Directory => make_directory(&parent, record, &entry.attributes),
                Content::Unread(_) => Ok(()),
            };
            outcome.map_err(Error::io("write the new content of", &record.path))?;
        }
        let files: Vec<&File> = written.iter().map(|(file, _)| file).collect();
        effect::sync_all(&files).map_err(|(index, error)| {
            let path = written.get(index).map(|(_, path)| path.as_path());
            Error::io("sync", path.unwrap_or(Path::new("/")))(error)
        })?;
    }
    parents.sync(entries.iter().map(|(record, _)| &record.path))
}

fn make_directory(parent: &File, record: &Record, attributes: &Attributes) -> io::Result<()> {
    let name = record.path.file_name().unwrap_or_default();
    effect::make_directory(parent, name, 0o700)?;
    let directory = handle::open_directory(parent, name)?;
    effect::set_metadata(&directory, attributes)?;
    effect::sync(&directory)
}

pub(super) fn verify(
    parents: &mut Parents<'_>,
    entries: &[(&Record, &Entry)],
    suffix: &str,
) -> Result<(), Error> {
    for (record, entry) in entries {
        let found = match entry.content {
            Content::Directory => parents.look(&record.path)?,
            _ => parents.look_beside(&record.path, &staged(record, suffix))?,
        };
        if Fingerprint::of(found.as_ref()) != Fingerprint::of(Some(entry)) {
            return Err(Error::ReadBack { path: record.path.clone() });
        }
    }
    Ok(())
}

/// Removes the files and links that were staged under `suffix`.
pub(super) fn remove_staged(
    parents: &mut Parents<'_>,
    changes: &[Record],
    suffix: &str,
) -> Result<(), Error> {
    changes.iter().try_for_each(|record| remove_beside(parents, record, suffix))
}

/// Removes what is staged for one path. Its directory may be behind a link by now; a directory of that name is
/// another's.
pub(super) fn remove_beside(parents: &mut Parents<'_>, record: &Record, suffix: &str) -> Result<(), Error> {
    let Some(parent) = parents.behind_links(&record.path)? else { return Ok(()) };
    let name = staged(record, suffix);
    let at = || record.path.with_file_name(&name);
    match handle::stat(&*parent, &name).map_err(Error::io("read", at()))? {
        Some(found) if Kind::of(&found) != Kind::Directory => {
            effect::remove(&*parent, &name).map_err(Error::io("remove", at()))
        }
        _ => Ok(()),
    }
}

/// Removes what was staged under `suffix` and the directories created for it; syncs.
pub(super) fn unstage(parents: &mut Parents<'_>, changes: &[Record], suffix: &str) -> Result<(), Error> {
    remove_staged(parents, changes, suffix)?;
    for record in changes.iter().rev() {
        let made = match suffix {
            NEW => (&record.before, &record.after),
            _ => (&record.after, &record.before),
        };
        if made == (&Fingerprint::Absent, &Fingerprint::Directory)
            && parents.leads_to(&record.path)?
            && let Some(parent) = parents.of(&record.path)?
        {
            let name = record.path.file_name().unwrap_or_default();
            effect::remove_directory(&*parent, name).map_err(Error::io("remove", &record.path))?;
        }
    }
    // A handle of a removed directory would still open.
    parents.forget();
    parents.sync(changes.iter().map(|record| &record.path))
}

/// Finishes a change that was not committed: removes all that was staged, then the journal.
pub(super) fn clean(parents: &mut Parents<'_>, state: &StateDir, journal: &Journal) -> Result<(), Error> {
    unstage(parents, &journal.changes, NEW)?;
    history::discard(state)?;
    state.remove(STAGING)
}
