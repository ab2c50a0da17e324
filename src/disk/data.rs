//! etcd's data directory as files: measured, copied while etcd is stopped, and put back. Nothing of it is ever
//! removed but a copy of our own that isn't complete.
//!
//! Must not know what the files mean.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::{FileStat, fstat};
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, FsType, fstatfs};

use super::effect::Through;
use super::handle::{self, Kind};
use super::{Error, Root, effect};
use crate::formats::etcd::DATABASE;
use crate::state::Attributes;

/// The directory that etcd keeps everything in.
const MEMBER: &str = "member";
/// The copy of `member` while it is written, hidden beside its place.
const STAGED: &str = ".kuberescue-member";

/// `member/snap`, `member/wal`, `member/wal/…`: nothing of etcd's is deeper.
const MAX_DEPTH: usize = 4;
/// Far more segments and snapshots than etcd keeps (5 of each by default, `--max-wals`, `--max-snapshots`).
const MAX_NAMES: usize = 10_000;
const BUFFER: usize = 1 << 20;
/// Linux `include/uapi/linux/magic.h`, `fs/bcachefs/vfs/fs.h`.
const XFS_SUPER_MAGIC: FsType = FsType(0x5846_5342);
const BCACHEFS_SUPER_MAGIC: FsType = FsType(0xca45_1a4e);

/// The size of a directory with all that is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub bytes: u64,
    /// Files and directories.
    pub files: u64,
}

/// A directory of the node, free of links.
struct Place {
    parent: Arc<File>,
    name: OsString,
    path: PathBuf,
}

/// Where a data directory really is: its path free of links.
///
/// # Errors
/// It does not exist, or cannot be read.
pub fn real(root: &Root, data: &Path) -> Result<PathBuf, Error> {
    Ok(existing(root, data)?.path)
}

/// Measures a data directory.
///
/// # Errors
/// Something in it cannot be copied safely: a link, a special file, a mount.
pub fn measure(root: &Root, data: &Path) -> Result<Size, Error> {
    let place = existing(root, data)?;
    let mut size = Size::default();
    let directory = open(&place.parent, &place.name, &place.path)?;
    measure_into(&directory, &place.path, MAX_DEPTH, &mut size)?;
    Ok(size)
}

fn measure_into(directory: &File, path: &Path, depth: usize, size: &mut Size) -> Result<(), Error> {
    size.files += 1;
    for (name, found) in entries(directory, path, depth)? {
        if Kind::of(&found) == Kind::Directory {
            let path = path.join(&name);
            measure_into(&open(directory, &name, &path)?, &path, depth - 1, size)?;
        } else {
            size.files += 1;
            size.bytes = size.bytes.saturating_add(u64::try_from(found.st_size).unwrap_or_default());
        }
    }
    Ok(())
}

/// A stopped etcd's database, kept locked: an etcd that starts meanwhile waits for it.
#[derive(Debug)]
pub struct Stopped(#[expect(dead_code, reason = "the lock is held as long as it is open")] File);

/// Locks the database of a data directory. `None` while etcd runs.
///
/// # Errors
/// There is no database, or it cannot be locked.
pub fn stopped(root: &Root, data: &Path) -> Result<Option<Stopped>, Error> {
    // etcd holds an exclusive flock(2) on it for as long as it runs (bbolt `bolt_unix.go` flock).
    let place = existing(root, &data.join(DATABASE))?;
    let failed = |error| Error::io("lock", &place.path)(error);
    let file = handle::open_file(&place.parent, &place.name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Stopped(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether a copy shares its content with the data directory: tried with the database, in a file without a name.
///
/// # Errors
/// The database or the directory of the copy cannot be opened.
pub fn shares(root: &Root, data: &Path, copy: &Path) -> Result<bool, Error> {
    let place = existing(root, &data.join(DATABASE))?;
    let database = handle::open_file(&place.parent, &place.name).map_err(Error::io("read", &place.path))?;
    let (beside, _) = parent(root, copy)?;
    let shared = effect::create_unnamed(&beside).and_then(|probe| effect::share_content(&database, &probe));
    // A file system without such files shares nothing either.
    Ok(shared.unwrap_or(false))
}

/// Whether the file system that holds or will hold `path` is of a kind that can let files share their content.
///
/// # Errors
/// It cannot be asked.
pub fn may_share(root: &Root, path: &Path) -> Result<bool, Error> {
    let (beside, _) = parent(root, path)?;
    let found = fstatfs(&beside).map_err(|errno| Error::io("ask the space of", path)(errno.into()))?;
    Ok([BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC, BCACHEFS_SUPER_MAGIC].contains(&found.filesystem_type()))
}

/// Copies a data directory to `copy`, which only its owner may enter. What an interrupted run has copied is copied
/// again. Returns whether the file system lets all files share their content.
///
/// # Errors
/// Something cannot be read or written.
pub fn copy(root: &Root, data: &Path, copy: &Path) -> Result<bool, Error> {
    let from = existing(root, data)?;
    let source = open(&from.parent, &from.name, &from.path)?;
    let (beside, name) = parent(root, copy)?;
    let shared = copy_into(&source, &from.path, &beside, &name, copy, MAX_DEPTH)?;
    let made = open(&beside, &name, copy)?;
    let found = fstat(&source).map_err(|errno| Error::io("read", &from.path)(errno.into()))?;
    let attributes = Attributes { mode: 0o700, ..attributes_of(&source, &found, &from.path)? };
    effect::set_metadata(&made, &attributes)
        .and_then(|()| effect::sync(&made))
        .and_then(|()| effect::sync(&beside))
        .map_err(Error::io("write", copy))?;
    Ok(shared)
}

/// Makes the directory `name` in `beside`, with all that is in `source`.
fn copy_into(
    source: &File,
    path: &Path,
    beside: &File,
    name: &OsStr,
    target: &Path,
    depth: usize,
) -> Result<bool, Error> {
    let made = match handle::stat(beside, name).map_err(Error::io("read", target))? {
        Some(_) => Ok(()),
        None => effect::make_directory(beside, name, 0o700),
    };
    made.map_err(Error::io("make the directory", target))?;
    let into = open(beside, name, target)?;
    let mut shared = true;
    for (name, found) in entries(source, path, depth)? {
        let (path, target) = (path.join(&name), target.join(&name));
        shared &= if Kind::of(&found) == Kind::Directory {
            copy_into(&open(source, &name, &path)?, &path, &into, &name, &target, depth - 1)?
        } else {
            copy_file(source, &name, &path, &into, &target)?
        };
    }
    let found = fstat(source).map_err(|errno| Error::io("read", path)(errno.into()))?;
    let attributes = attributes_of(source, &found, path)?;
    effect::set_metadata(&into, &attributes)
        .and_then(|()| effect::sync(&into))
        .map_err(Error::io("write", target))?;
    Ok(shared)
}

fn copy_file(from: &File, name: &OsStr, path: &Path, into: &File, target: &Path) -> Result<bool, Error> {
    let read = |error| Error::io("read", path)(error);
    let file = handle::open_file(from, name).map_err(read)?;
    let found = fstat(&file).map_err(|errno| read(errno.into()))?;
    let attributes = attributes_of(&file, &found, path)?;
    let write = |error| Error::io("write", target)(error);
    let made = effect::remove(into, name).and_then(|()| effect::create(into, name)).map_err(write)?;
    let shared = effect::share_content(&file, &made).map_err(write)?;
    if !shared {
        copy_content(&file, &made, path, target)?;
    }
    let size = fstat(&made).map_err(|errno| write(errno.into()))?.st_size;
    if size != found.st_size {
        return Err(Error::ReadBack { path: target.to_owned() });
    }
    effect::set_metadata(&made, &attributes).and_then(|()| effect::sync(&made)).map_err(write)?;
    Ok(shared)
}

fn copy_content(mut from: &File, to: &File, path: &Path, target: &Path) -> Result<(), Error> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).map_err(Error::io("read", path))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        Through(to).write_all(bytes).map_err(Error::io("write", target))?;
    }
}

/// Removes a copy that isn't complete. Does nothing if there is none.
///
/// # Errors
/// Something cannot be removed.
pub fn remove_copy(root: &Root, copy: &Path) -> Result<(), Error> {
    let (beside, name) = parent(root, copy)?;
    if handle::stat(&beside, &name).map_err(Error::io("read", copy))?.is_none() {
        return Ok(());
    }
    remove_tree(&beside, &name, copy, MAX_DEPTH)?;
    effect::sync(&beside).map_err(Error::io("sync", copy))
}

fn remove_tree(beside: &File, name: &OsStr, path: &Path, depth: usize) -> Result<(), Error> {
    let directory = open(beside, name, path)?;
    for (name, found) in entries(&directory, path, depth)? {
        let path = path.join(&name);
        if Kind::of(&found) == Kind::Directory {
            remove_tree(&directory, &name, &path, depth - 1)?;
        } else {
            effect::remove(&directory, &name).map_err(Error::io("remove", &path))?;
        }
    }
    effect::remove_directory(beside, name).map_err(Error::io("remove", path))
}

/// Whether [`put_back`] is done.
///
/// # Errors
/// The directory cannot be read.
pub fn is_back(root: &Root, data: &Path, kept: &OsStr) -> Result<bool, Error> {
    let place = existing(root, data)?;
    let directory = open(&place.parent, &place.name, &place.path)?;
    let is_there = |name| handle::stat(&directory, name).map(|found| found.is_some());
    let both = is_there(kept).and_then(|kept| Ok(kept && is_there(OsStr::new(MEMBER))?));
    both.map_err(Error::io("read", &place.path))
}

/// Puts the copy of a data directory back in its place. What is there now is kept beside it as `kept`. What is left to
/// do is derived from the names: it can be interrupted and called again.
///
/// # Errors
/// Something cannot be read or written.
pub fn put_back(root: &Root, data: &Path, copied: &Path, kept: &OsStr) -> Result<(), Error> {
    let place = existing(root, data)?;
    let path = &place.path;
    let directory = open(&place.parent, &place.name, path)?;
    let is_there = |name: &OsStr| {
        handle::stat(&directory, name)
            .map(|found| found.is_some())
            .map_err(Error::io("read", path.join(name)))
    };
    let member = OsStr::new(MEMBER);
    let failed = |error| Error::io("move", path.join(MEMBER))(error);
    if !is_there(kept)? {
        effect::rename(&directory, member, kept).and_then(|()| effect::sync(&directory)).map_err(failed)?;
    }
    if is_there(member)? {
        return Ok(());
    }
    let copy_place = existing(root, copied)?;
    let copy = open(&copy_place.parent, &copy_place.name, copied)?;
    match effect::move_to(&copy, member, &directory, member) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            let from = copied.join(MEMBER);
            let source = open(&copy, member, &from)?;
            let staged = OsStr::new(STAGED);
            copy_into(&source, &from, &directory, staged, &path.join(STAGED), MAX_DEPTH)?;
            effect::rename(&directory, staged, member).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    effect::sync(&directory).and_then(|()| effect::sync(&copy)).map_err(failed)
}

fn existing(root: &Root, path: &Path) -> Result<Place, Error> {
    let there = root.walk(path, &mut |_, _, _, _| ());
    let there = there.map_err(|(path, error)| Error::io("open", path)(error))?;
    let missing = || Error::io("open", path)(std::io::ErrorKind::NotFound.into());
    let there = there.ok_or_else(missing)?;
    Ok(Place { parent: there.parent, name: there.name, path: there.path })
}

/// The directory in which `path` is, opened, and its name in there.
fn parent(root: &Root, path: &Path) -> Result<(File, OsString), Error> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let place = existing(root, directory)?;
    let name = path.file_name().unwrap_or_default().to_owned();
    Ok((open(&place.parent, &place.name, directory)?, name))
}

fn open(parent: impl std::os::fd::AsFd, name: &OsStr, path: &Path) -> Result<File, Error> {
    handle::open_directory(parent, name).map_err(Error::io("open", path))
}

/// The files and directories in a directory; refuses what cannot be copied as it is.
fn entries(directory: &File, path: &Path, depth: usize) -> Result<Vec<(OsString, FileStat)>, Error> {
    let failed = |error| Error::io("read the directory", path)(error);
    let unsupported = |name: &OsStr, why| Error::Unsupported { path: path.join(name), why };
    let device = fstat(directory).map_err(|errno| failed(errno.into()))?.st_dev;
    let open = directory.try_clone().and_then(|open| handle::open_directory(&open, OsStr::new(".")));
    let (_, names, more) = open.and_then(|open| handle::names(open, MAX_NAMES, |_| true)).map_err(failed)?;
    if more {
        return Err(unsupported(OsStr::new(""), "too many files for a data directory of etcd"));
    }
    let mut found = Vec::new();
    for name in names {
        let Some(stat) = handle::stat(directory, &name).map_err(Error::io("read", path.join(&name)))? else {
            continue;
        };
        match Kind::of(&stat) {
            _ if stat.st_dev != device => return Err(unsupported(&name, "it is a mount of its own")),
            Kind::File => {}
            Kind::Directory if depth > 1 => {}
            Kind::Directory => return Err(unsupported(&name, "deeper than etcd's own directories")),
            Kind::Link => return Err(unsupported(&name, "it is a link")),
            Kind::Special(_) => return Err(unsupported(&name, "it is not a file")),
        }
        found.push((name, stat));
    }
    Ok(found)
}

fn attributes_of(file: &File, found: &FileStat, path: &Path) -> Result<Attributes, Error> {
    let xattrs = handle::xattrs(file).map_err(Error::io("read", path))?;
    Ok(Attributes { xattrs, ..handle::attributes(found) })
}

#[cfg(test)]
mod tests;
