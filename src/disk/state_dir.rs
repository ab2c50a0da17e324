//! The tool's own directory on a node, `/var/lib/kuberescue`: lock, journals, archives. Created with mode
//! 0700 when first needed, its parents resolved inside the root. Files in it are replaced atomically: written
//! beside, synced, renamed, and the directory synced. Unfinished files of a killed run are removed by the
//! next one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::dup;

use super::{Error, Root, effect, handle};

/// Its path inside the root, unless links lead elsewhere.
pub(super) const STATE_DIR: &str = "/var/lib/kuberescue";

/// The suffix of an unfinished archive. It is locked while it is written.
pub(super) const PARTIAL: &str = ".partial";
/// The suffix of an unfinished file that will replace another.
const NEW: &str = ".new";
pub(super) const LOCK: &str = "lock";

/// How many names in it are read.
const MAX_NAMES: usize = 20_000;

#[derive(Debug)]
pub(super) struct StateDir {
    pub(super) directory: File,
    /// Inside the root, free of links.
    pub(super) path: PathBuf,
}

impl StateDir {
    pub(super) fn open(root: &Root) -> Result<Option<Self>, Error> {
        let path = Path::new(STATE_DIR);
        let there = root.walk(path, &mut |_, _, _, _| ());
        let Some(there) = there.map_err(|(path, error)| Error::io("open", path)(error))? else {
            return Ok(None);
        };
        let directory = handle::open_directory(&there.parent, &there.name);
        let directory = directory.map_err(Error::io("open", &there.path))?;
        Ok(Some(Self { directory, path: there.path }))
    }

    /// Opens it, or creates it with its parents, and syncs its name: if its name is lost, so is the journal
    /// in it.
    pub(super) fn create(root: &Root) -> Result<Self, Error> {
        if let Some(found) = Self::open(root)?
            && handle::stat(&found.directory, OsStr::new(LOCK)).is_ok_and(|lock| lock.is_some())
        {
            return Ok(found);
        }
        // A killed run may have created some of it and synced nothing: the lock is created only after that.
        let mut asked = PathBuf::from("/");
        let mut path = PathBuf::from("/");
        let mut at = dup(root.directory()).map_err(|errno| Error::io("open", "/")(errno.into()))?;
        for name in ["var", "lib", "kuberescue"] {
            asked.push(name);
            let there = root.walk(&asked, &mut |_, _, _, _| ());
            let there = there.map_err(|(path, error)| Error::io("open", path)(error))?;
            let next = match &there {
                Some(there) => {
                    path.clone_from(&there.path);
                    effect::sync(&at).and_then(|()| handle::open_directory(&there.parent, &there.name))
                }
                None => {
                    path.push(name);
                    let mode = if name == "kuberescue" { 0o700 } else { 0o755 };
                    // A dangling link in the way can't be opened.
                    effect::make_directory(&at, OsStr::new(name), mode)
                        .or_else(made_by_another)
                        .and_then(|()| effect::sync(&at))
                        .and_then(|()| handle::open_directory(&at, OsStr::new(name)))
                }
            };
            at = next.map_err(Error::io("make the directory", &path))?.into();
        }
        Ok(Self { directory: at.into(), path })
    }

    /// Writes a file and syncs its content, but not yet its name: [`StateDir::rename`] does.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let at = OsStr::new(name);
        effect::remove(&self.directory, at)
            .and_then(|()| effect::create(&self.directory, at))
            .and_then(|file| {
                effect::write(&file, bytes)?;
                effect::sync(&file)
            })
            .map_err(Error::io("write", self.path.join(name)))
    }

    pub(super) fn names(&self) -> Result<Vec<OsString>, Error> {
        let names = self.directory.try_clone().and_then(|open| handle::names(open, MAX_NAMES, |_| true));
        names.map(|(_, names, _)| names).map_err(Error::io("read the directory", &self.path))
    }

    /// Unfinished files of killed runs: archives hold keys. Includes a file that a run with the lock is
    /// writing.
    pub(super) fn unfinished(&self) -> Result<Vec<OsString>, Error> {
        let mut names = self.names()?;
        names.retain(|name| is_hidden(name, NEW) || self.is_dead_partial(name));
        Ok(names)
    }

    /// Removes [`unfinished`](Self::unfinished) files; the caller holds the lock. Best effort: nothing
    /// depends on it.
    pub(super) fn sweep(&self) {
        for name in self.unfinished().unwrap_or_default() {
            let _removed = effect::remove(&self.directory, &name);
        }
    }

    /// Removes unfinished archives of killed runs. Best effort.
    pub(super) fn sweep_partials(&self) {
        for name in self.names().unwrap_or_default() {
            if self.is_dead_partial(&name) {
                let _removed = effect::remove(&self.directory, &name);
            }
        }
    }

    fn is_dead_partial(&self, name: &OsStr) -> bool {
        is_hidden(name, PARTIAL)
            && handle::open_file(&self.directory, name).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Replaces the file `name`, so that after a crash it is the old or the new one, complete.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let new = format!(".{name}{NEW}");
        self.put(&new, bytes).and_then(|()| self.rename(&new, name)).inspect_err(|_| {
            // Best effort: the next replacement removes it too.
            let _left = effect::remove(&self.directory, OsStr::new(&new));
        })
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        effect::sync(&self.directory).map_err(Error::io("sync", &self.path))
    }

    /// Renames one file of the directory over another and syncs.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        effect::rename(&self.directory, OsStr::new(from), OsStr::new(to))
            .and_then(|()| effect::sync(&self.directory))
            .map_err(Error::io("write", self.path.join(to)))
    }

    /// Removes a file of the directory and syncs.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        effect::remove(&self.directory, OsStr::new(name))
            .and_then(|()| effect::sync(&self.directory))
            .map_err(Error::io("remove", self.path.join(name)))
    }

    /// The content of a file of at most `limit` bytes; `None` if it doesn't exist.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.read_end(name, limit)? {
            Some((_, true)) => {
                Err(Error::Journal { path: self.path.join(name), why: "too large".to_owned() })
            }
            found => Ok(found.map(|(bytes, _)| bytes)),
        }
    }

    /// The last `limit` bytes of a file, and whether it has more; `None` if it doesn't exist.
    pub(super) fn read_end(&self, name: &str, limit: u64) -> Result<Option<(Vec<u8>, bool)>, Error> {
        let path = || self.path.join(name);
        let mut file = match handle::open_file(&self.directory, OsStr::new(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                return Err(Error::Journal { path: path(), why: "not a file".to_owned() });
            }
            Err(error) => return Err(Error::io("read", path())(error)),
        };
        let failed = |error| Error::io("read", path())(error);
        let skipped = file.metadata().map_err(failed)?.len().saturating_sub(limit);
        file.seek(SeekFrom::Start(skipped)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some((bytes, skipped > 0)))
    }
}

/// Another run that begins at the same time has made the directory: the lock decides between the two.
fn made_by_another(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn is_hidden(name: &OsStr, suffix: &str) -> bool {
    name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(suffix.as_bytes())
}
