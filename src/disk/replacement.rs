//! One file of the workstation that holds keys, created or replaced: completely or not at all, never wider
//! than 0600, the old one kept beside it under a dated name.
//!
//! As with [`super::workstation`] links are followed: the file behind them is replaced. A killed run leaves
//! hidden files of mode 0600 at most; the next one removes them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;
use nix::unistd::Uid;

use super::handle::{self, Kind, Limit};
use super::{Error, effect};
use crate::state::{Attributes, Bytes, Content};

const MODE: u32 = 0o600;
/// How many files with the same second in their names are kept.
const MOST_COPIES: u32 = 100;
/// How often leftovers of a killed run are removed before that counts as a failure.
const TRIES: u32 = 8;
const LABEL: &str = "security.selinux";

/// A file that can be replaced, or created.
pub struct Target {
    /// As the user named it.
    path: PathBuf,
    directory: Directory,
    name: OsString,
    old: Option<(Bytes, Attributes)>,
}

#[derive(Debug)]
pub struct Replaced {
    /// Where the old file is kept, if there was one.
    pub kept: Option<PathBuf>,
    /// Why the new file may still be lost in a power loss, if that is so.
    pub unsynced: Option<Error>,
}

impl Target {
    /// Opens a path: a regular file, or none in an existing directory.
    ///
    /// # Errors
    /// There is no such directory, the path is something else, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(unsupported(path, "it is a directory"));
        }
        let (Some(name), false) = (path.file_name(), ends_with_slash(path)) else {
            return Err(unsupported(path, "that is no path of a file"));
        };
        let (real, name) = match path.canonicalize() {
            Ok(real) => {
                let name = real.file_name().unwrap_or(name).to_owned();
                (real.parent().unwrap_or(&real).to_owned(), name)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.symlink_metadata().is_ok() {
                    return Err(unsupported(path, "it is a link to a file that is not there"));
                }
                let parent = path.parent().filter(|parent| *parent != Path::new(""));
                let parent = parent.unwrap_or(Path::new("."));
                (parent.canonicalize().map_err(Error::io("enter", parent))?, name.to_owned())
            }
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let directory = Directory::open(&real)?;
        let target = Self { path: path.to_owned(), directory, name, old: None };
        let old = target.look()?;
        Ok(Self { old, ..target })
    }

    /// The current content of the file, if it exists.
    pub fn old(&self) -> Option<&[u8]> {
        self.old.as_ref().map(|(bytes, _)| &**bytes)
    }

    /// The file behind the links, if the path leads over one.
    pub fn behind_link(&self) -> Option<PathBuf> {
        let linked = self.path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        linked.then(|| self.real())
    }

    /// Its mode, if group or others have any permission.
    pub fn too_wide(&self) -> Option<u32> {
        let (_, attributes) = self.old.as_ref()?;
        (attributes.mode & !MODE != 0).then_some(attributes.mode)
    }

    /// Replaces the file with `new`; the old file is kept under its name and `stamp`.
    ///
    /// # Errors
    /// The file was changed since it was read, or something can't be written: nothing was changed.
    pub fn replace(&self, new: &[u8], stamp: &str) -> Result<Replaced, Error> {
        self.check_owner()?;
        let old = self.old.as_ref().map(|(bytes, attributes)| (&**bytes, attributes));
        let attributes = old.map(|(_, attributes)| attributes);
        let staged = self.directory.stage(&self.name, "new", new, attributes)?;
        let kept = match old {
            Some((bytes, _)) => Some(self.directory.keep(&self.name, stamp, bytes, attributes)?),
            None => None,
        };
        if let Err(error) = self.unchanged().and_then(|()| self.put(staged)) {
            if let Some(kept) = &kept {
                let _removed = effect::remove(&self.directory.handle, kept);
            }
            return Err(error);
        }
        Ok(Replaced { kept: kept.map(|name| self.shown(&name)), unsynced: self.directory.sync().err() })
    }

    /// Sets the file's mode to 0600; its content stays.
    ///
    /// # Errors
    /// It was changed meanwhile, or belongs to another user.
    pub fn narrow(&self) -> Result<(), Error> {
        let Some((_, attributes)) = &self.old else { return Ok(()) };
        self.unchanged()?;
        let failed = |error| Error::io("change the mode of", &self.path)(error);
        let file = handle::open_file(&self.directory.handle, &self.name).map_err(failed)?;
        effect::set_metadata(
            &file,
            &Attributes { mode: MODE, mtime: Default::default(), ..attributes.clone() },
        )
        .map_err(failed)
    }

    fn put(&self, mut staged: Staged<'_>) -> Result<(), Error> {
        let (directory, failed) = (&self.directory.handle, Error::io("write", &self.path));
        if self.old.is_some() {
            effect::rename(directory, &staged.name, &self.name).map_err(failed)?;
            staged.gone = true;
            return Ok(());
        }
        match effect::link_new(directory, &staged.name, &self.name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Changed { path: self.path.clone() })
            }
            done => done.map_err(failed),
        }
    }

    /// The current file.
    fn look(&self) -> Result<Option<(Bytes, Attributes)>, Error> {
        let Some((entry, _)) = handle::entry(&self.directory.handle, &self.name, Limit::FILE) else {
            return Ok(None);
        };
        match entry.content {
            Content::File(bytes) => Ok(Some((bytes, entry.attributes))),
            Content::Directory => Err(unsupported(&self.path, "it is a directory")),
            Content::Link(_) => Err(Error::Changed { path: self.path.clone() }),
            Content::Unread(why) => Err(Error::io("read", &self.path)(io::Error::other(why.to_string()))),
        }
    }

    /// Checks that the file is still the one that was read.
    fn unchanged(&self) -> Result<(), Error> {
        let now = self.look()?;
        let same = match (&self.old, &now) {
            (None, None) => true,
            (Some((old, _)), Some((now, _))) => old == now,
            _ => false,
        };
        if same { Ok(()) } else { Err(Error::Changed { path: self.path.clone() }) }
    }

    /// A file of another user would become this user's.
    fn check_owner(&self) -> Result<(), Error> {
        match &self.old {
            Some((_, attributes)) if !may_replace(Uid::effective(), attributes.uid) => {
                Err(unsupported(&self.path, "it belongs to another user: run it as that user, or as root"))
            }
            _ => Ok(()),
        }
    }

    fn real(&self) -> PathBuf {
        self.directory.path.join(&self.name)
    }

    fn shown(&self, name: &OsStr) -> PathBuf {
        match self.behind_link() {
            Some(_) => self.directory.path.join(name),
            None => self.path.with_file_name(name),
        }
    }
}

/// A copy that can be removed again.
pub struct Kept {
    pub path: PathBuf,
    directory: Directory,
    name: OsString,
}

impl Kept {
    /// Removes it: the change that it was for was not made.
    pub fn take_back(self) {
        // If that fails a copy of mode 0600 is left.
        let _removed = effect::remove(&self.directory.handle, &self.name);
    }
}

/// Writes a file that must not exist, `NAME.STAMP`, into a directory.
///
/// # Errors
/// There is no such directory, or it can't be written.
pub fn keep(directory: &Path, name: &str, stamp: &str, bytes: &[u8]) -> Result<Kept, Error> {
    let open = Directory::open(directory)?;
    let name = open.keep(OsStr::new(name), stamp, bytes, None)?;
    Ok(Kept { path: directory.join(&name), directory: open, name })
}

struct Directory {
    path: PathBuf,
    handle: File,
}

/// A hidden file that becomes the new one, or is removed.
struct Staged<'a> {
    directory: &'a File,
    name: OsString,
    /// Closing it releases its lock.
    file: File,
    /// Whether the hidden name no longer exists.
    gone: bool,
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.gone {
            let _removed = effect::remove(self.directory, &self.name);
        }
    }
}

impl Directory {
    fn open(path: &Path) -> Result<Self, Error> {
        let handle = File::open(path).map_err(Error::io("enter", path))?;
        if !handle.metadata().map_err(Error::io("enter", path))?.is_dir() {
            return Err(unsupported(path, "it is no directory"));
        }
        Ok(Self { path: path.to_owned(), handle })
    }

    fn sync(&self) -> Result<(), Error> {
        effect::sync(&self.handle).map_err(Error::io("sync", &self.path))
    }

    /// Writes a new file under the first free name.
    fn keep(
        &self,
        name: &OsStr,
        stamp: &str,
        bytes: &[u8],
        like: Option<&Attributes>,
    ) -> Result<OsString, Error> {
        let staged = self.stage(name, "copy", bytes, like)?;
        for number in 0..MOST_COPIES {
            let mut to = name.to_owned();
            to.push(format!(".{stamp}"));
            if number > 0 {
                to.push(format!("-{number}"));
            }
            match effect::link_new(&self.handle, &staged.name, &to) {
                Ok(()) => {
                    self.sync().inspect_err(|_| drop(effect::remove(&self.handle, &to)))?;
                    return Ok(to);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("write", self.path.join(&to))(error)),
            }
        }
        Err(unsupported(&self.path.join(name), "too many copies of it have this date"))
    }

    /// Writes a hidden file beside `name`, with the owner and label of `like`.
    fn stage(
        &self,
        name: &OsStr,
        kind: &str,
        bytes: &[u8],
        like: Option<&Attributes>,
    ) -> Result<Staged<'_>, Error> {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".kuberescue-{kind}"));
        let path = self.path.join(&hidden);
        let failed = |error| Error::io("write", &path)(error);
        let file = self.create(&hidden, &path)?;
        let staged = Staged { directory: &self.handle, name: hidden, file, gone: false };
        let attributes = self.attributes(&staged.file, like).map_err(failed)?;
        effect::set_metadata(&staged.file, &attributes).map_err(failed)?;
        effect::write(&staged.file, bytes).map_err(failed)?;
        effect::sync(&staged.file).map_err(failed)?;
        Ok(staged)
    }

    /// Creates a hidden file and locks it; a leftover of a killed run under its name is removed.
    fn create(&self, hidden: &OsStr, path: &Path) -> Result<File, Error> {
        let busy = || unsupported(path, "another kuberescue is about to write there");
        for _ in 0..TRIES {
            match effect::create(&self.handle, hidden) {
                Ok(file) => {
                    // Between the two calls another run may have taken it for a leftover.
                    let locked = lock(&file, &busy);
                    return if locked.is_ok() && self.is_named(&file, hidden) {
                        Ok(file)
                    } else {
                        Err(busy())
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.remove_leftover(hidden, path, &busy)?;
                }
                Err(error) => return Err(Error::io("write", path)(error)),
            }
        }
        Err(busy())
    }

    fn remove_leftover(&self, hidden: &OsStr, path: &Path, busy: &dyn Fn() -> Error) -> Result<(), Error> {
        let failed = |error| Error::io("remove", path)(error);
        let file = match handle::open_file(&self.handle, hidden) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        let stat = fstat(&file).map_err(|errno| failed(errno.into()))?;
        if Kind::of(&stat) != Kind::File {
            return Err(unsupported(path, "it is in the way"));
        }
        lock(&file, busy)?;
        if self.is_named(&file, hidden) {
            effect::remove(&self.handle, hidden).map_err(failed)
        } else {
            Ok(())
        }
    }

    /// Whether this file still has this name.
    fn is_named(&self, file: &File, name: &OsStr) -> bool {
        let named = handle::stat(&self.handle, name).ok().flatten();
        let same = |a: &nix::sys::stat::FileStat, b: &nix::sys::stat::FileStat| {
            (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
        };
        fstat(file).ok().zip(named).is_some_and(|(own, named)| same(&own, &named))
    }

    /// Owner and label: those of `like`; without it root gives the file to the directory's owner, who owns it
    /// in a home directory. Other users can only own their files.
    fn attributes(&self, file: &File, like: Option<&Attributes>) -> io::Result<Attributes> {
        let own = fstat(file)?;
        let plain = |uid, gid| Attributes { mode: MODE, uid, gid, ..Attributes::default() };
        if !Uid::effective().is_root() {
            return Ok(plain(own.st_uid, own.st_gid));
        }
        Ok(match like {
            Some(like) => {
                let mut attributes = plain(like.uid, like.gid);
                attributes.xattrs.extend(
                    like.xattrs
                        .get_key_value(OsStr::new(LABEL))
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
                attributes
            }
            None => {
                let directory = fstat(&self.handle)?;
                plain(directory.st_uid, directory.st_gid)
            }
        })
    }
}

/// A file system without locks has only the name.
fn lock(file: &File, busy: &dyn Fn() -> Error) -> Result<(), Error> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(busy()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn may_replace(me: Uid, owner: u32) -> bool {
    me.is_root() || me.as_raw() == owner
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn unsupported(path: &Path, why: &'static str) -> Error {
    Error::Unsupported { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests;
