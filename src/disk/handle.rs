//! The reading system calls, each relative to a directory handle and none following a link. Files are opened
//! without changing access times if the kernel allows it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
use xattr::FileExt;
use zeroize::Zeroizing;

use super::limits::{MAX_BYTES, MAX_FILE};
use crate::state::{Attributes, Content, Entry, Unread, os};

/// Limit of one entry's extended attributes in bytes: the kernel's limit for a single one is 64 KiB.
pub(super) const MAX_XATTRS: usize = 256 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Special(&'static str),
}

impl Kind {
    pub(super) fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFLNK => Self::Link,
            SFlag::S_IFIFO => Self::Special("FIFO"),
            SFlag::S_IFSOCK => Self::Special("socket"),
            SFlag::S_IFBLK => Self::Special("block device"),
            _ => Self::Special("character device"),
        }
    }
}

/// The type of `name` in `dir`; `None` if it doesn't exist.
pub(super) fn stat(dir: impl AsFd, name: &OsStr) -> io::Result<Option<FileStat>> {
    match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// An `O_PATH` handle: nothing is opened, so special files are harmless.
pub(super) fn mark(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?.into())
}

/// What an `O_PATH` handle leads to: `fstat` takes one only since Linux 3.6.
pub(super) fn stat_open(handle: impl AsFd) -> io::Result<FileStat> {
    Ok(fstatat(handle, "", AtFlags::AT_EMPTY_PATH)?)
}

pub(super) fn open_directory(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    open(dir, name, OFlag::O_DIRECTORY)
}

/// Opens a regular file for reading; a device or a socket isn't even opened.
pub(super) fn open_file(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    if stat(&dir, name)?.is_some_and(|found| Kind::of(&found) != Kind::File) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    open_regular(dir, name)
}

/// Opens what was a regular file when it was looked at. `O_NONBLOCK` because it may have become a FIFO since.
fn open_regular(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    open(dir, name, OFlag::O_NONBLOCK)
}

fn open(dir: impl AsFd, name: &OsStr, more: OFlag) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | more;
    // Only the owner and root may keep the access time.
    let opened = match openat(&dir, name, flags | OFlag::O_NOATIME, Mode::empty()) {
        Err(Errno::EPERM) => openat(&dir, name, flags, Mode::empty()),
        opened => opened,
    };
    Ok(File::from(opened?))
}

/// The target of the link `name` in `dir`.
pub(super) fn read_link(dir: impl AsFd, name: &OsStr) -> io::Result<PathBuf> {
    Ok(readlinkat(dir, name)?.into())
}

/// The names in a directory that are `wanted`, sorted, at most `limit` of them; whether there were more.
pub(super) fn names(
    directory: File,
    limit: usize,
    wanted: impl Fn(&OsStr) -> bool,
) -> io::Result<(Dir, Vec<OsString>, bool)> {
    let mut dir = Dir::from_fd(directory.into())?;
    let mut names = Vec::new();
    let mut more = false;
    for entry in dir.iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." || !wanted(name) {
            continue;
        }
        if names.len() == limit {
            more = true;
            break;
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok((dir, names, more))
}

/// One entry, and the open handle if it is a directory. `limit` is how much of a file may be read. An error
/// of the operating system is part of the entry; `None`: it doesn't exist.
pub(super) fn entry(dir: impl AsFd, name: &OsStr, limit: Limit) -> Option<(Entry, Option<File>)> {
    match stat(&dir, name) {
        Ok(found) => Some(entry_found(dir, name, &found?, limit)),
        Err(error) => Some((unread(failed(&error), Attributes::default()), None)),
    }
}

/// The same where `found` is what was there a moment ago.
pub(super) fn entry_found(
    dir: impl AsFd,
    name: &OsStr,
    found: &FileStat,
    limit: Limit,
) -> (Entry, Option<File>) {
    let attributes = attributes(found);
    let entry = match Kind::of(found) {
        Kind::Special(what) => unread(Unread::Special(what), attributes),
        Kind::Link => match read_link(&dir, name) {
            Ok(target) => match link_xattrs(&dir, name) {
                Ok(xattrs) => {
                    Entry { content: Content::Link(target), attributes: Attributes { xattrs, ..attributes } }
                }
                Err(error) => unread(failed(&error), attributes),
            },
            Err(error) => unread(failed(&error), attributes),
        },
        Kind::Directory => match open_directory(&dir, name).and_then(checked).and_then(with_xattrs) {
            Ok((handle, xattrs)) => {
                let attributes = Attributes { xattrs, ..attributes };
                return (Entry { content: Content::Directory, attributes }, Some(handle));
            }
            Err(error) => unread(failed(&error), attributes),
        },
        Kind::File => match open_regular(&dir, name).and_then(checked) {
            Ok((file, now)) => content(file, &now, limit),
            Err(error) => unread(failed(&error), attributes),
        },
    };
    (entry, None)
}

#[derive(Clone, Copy)]
pub(super) struct Limit {
    /// Bytes left for all files together.
    pub(super) left: u64,
}

impl Limit {
    /// Only the limit of each file.
    pub(super) const FILE: Self = Self { left: u64::MAX };
}

/// Refuses virtual files of the kernel: they block, never end or have effects when read.
pub(super) fn checked(file: File) -> io::Result<(File, FileStat)> {
    /// The file system that was looked at last: no other has its number while it is mounted.
    static ORDINARY: AtomicU64 = AtomicU64::new(u64::MAX);
    let stat = fstat(&file)?;
    // Those have no device below them.
    if major(stat.st_dev) == 0 && stat.st_dev != ORDINARY.load(Ordering::Relaxed) {
        let kind = fstatfs(&file)?.filesystem_type();
        if [PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP2_SUPER_MAGIC].contains(&kind) {
            return Err(io::Error::other("on a file system of the kernel"));
        }
        ORDINARY.store(stat.st_dev, Ordering::Relaxed);
    }
    Ok((file, stat))
}

/// The content of an open file, also if its name is another's by now.
pub(super) fn of_open(file: File) -> Option<Entry> {
    let (file, stat) = checked(file).ok()?;
    Some(content(file, &stat, Limit::FILE))
}

fn content(file: File, stat: &FileStat, limit: Limit) -> Entry {
    let mut attributes = attributes(stat);
    // It may have been replaced since it was checked.
    if Kind::of(stat) != Kind::File {
        return unread(Unread::Failed("changed while it was read".to_owned()), attributes);
    }
    match xattrs(&file) {
        Ok(xattrs) => attributes.xattrs = xattrs,
        Err(error) => return unread(failed(&error), attributes),
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > MAX_FILE {
        return unread(Unread::TooLarge { size, limit: MAX_FILE }, attributes);
    }
    let mut left = limit.left;
    if size <= left {
        left = left.min(MAX_FILE);
        match read_whole(&file, size, left + 1) {
            Ok(bytes) if bytes.len() as u64 > MAX_FILE => {
                return unread(Unread::TooLarge { size: bytes.len() as u64, limit: MAX_FILE }, attributes);
            }
            Ok(bytes) if bytes.len() as u64 <= left => {
                return Entry { content: Content::File(bytes.into()), attributes };
            }
            Ok(_) => {}
            Err(error) => return unread(failed(&error), attributes),
        }
    }
    unread(Unread::NoRoom(MAX_BYTES), attributes)
}

/// The content of a file of this size, at most `most` bytes of it.
fn read_whole(mut file: &File, size: u64, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // One allocation, with room for a byte more: growing would leave copies of a key behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or(0) + 1]);
    let read = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    // Of a regular file a read returns less than was asked for at its end alone.
    if read as u64 != size {
        file.take(most.saturating_sub(read as u64)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// An entry that exists and was not read.
pub(super) fn unread(why: Unread, attributes: Attributes) -> Entry {
    Entry { content: Content::Unread(why), attributes }
}

/// An error of the operating system as a reason.
pub(super) fn failed(error: &io::Error) -> Unread {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => Unread::Denied,
        _ => Unread::Failed(os::reason(error)),
    }
}

/// Everything but the extended attributes, which need an open handle.
pub(super) fn attributes(stat: &FileStat) -> Attributes {
    Attributes {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: mtime(stat),
        xattrs: Default::default(),
    }
}

/// A disk can hold times outside any calendar.
pub(super) fn mtime(stat: &FileStat) -> Timestamp {
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or_default()
}

fn with_xattrs((file, _): (File, FileStat)) -> io::Result<(File, Xattrs)> {
    let xattrs = xattrs(&file)?;
    Ok((file, xattrs))
}

type Xattrs = BTreeMap<OsString, Vec<u8>>;

/// A file system without extended attributes has none. Any other error counts: a label that was not read
/// would be lost when the file is replaced.
pub(super) fn xattrs(file: &File) -> io::Result<Xattrs> {
    collected(file.list_xattr(), |name| file.get_xattr(name))
}

/// A link's attributes can't be read through a handle, only through `/proc`; without it (an empty chroot) a
/// link has none.
fn link_xattrs(dir: impl AsFd, name: &OsStr) -> io::Result<Xattrs> {
    let path = through_proc(dir, name);
    match xattr::list(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Xattrs::new()),
        names => collected(names, |attribute| xattr::get(&path, attribute)),
    }
}

fn collected(
    names: io::Result<impl Iterator<Item = OsString>>,
    get: impl Fn(&OsStr) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Xattrs> {
    let names = match names {
        Err(error) if is_unsupported(&error) => return Ok(Xattrs::new()),
        names => names?,
    };
    let (mut found, mut size) = (Xattrs::new(), 0);
    for name in names {
        match get(&name) {
            Ok(Some(value)) => {
                size += name.len() + value.len();
                if size > MAX_XATTRS {
                    let most = MAX_XATTRS >> 10;
                    return Err(io::Error::other(format!(
                        "not read: more than {most} KiB of extended attributes"
                    )));
                }
                found.insert(name, value);
            }
            // One that was removed meanwhile doesn't exist.
            Ok(None) => {}
            Err(error) if is_unsupported(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether the file system has no extended attributes.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EOPNOTSUPP | Errno::ENOSYS))
}

/// A path to `name` in `dir` for calls that don't follow links.
pub(super) fn through_proc(dir: impl AsFd, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()));
    path.push(name);
    path
}
