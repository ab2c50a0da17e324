//! The writing system calls, each relative to a directory handle, none following a link and none opening an
//! existing path. All of them pass one gate, where unit tests simulate a crash of the process or a failing
//! call.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, UtimensatFlags, fchmod, futimens, mkdirat, utimensat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::time::TimeSpec;
use nix::unistd::{
    Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, fsync, ftruncate, linkat, symlinkat, unlinkat,
};
use xattr::FileExt;

use super::handle;
use crate::state::Attributes;

const SYNC_THREADS: usize = 4;
/// How often a call interrupted by a signal is repeated before it counts as a failure: a mount that always
/// answers so must not hang the run.
const INTERRUPTIONS: u32 = 100;

/// Creates a file of mode 0600 that must not exist, for writing and reading back.
pub(super) fn create(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    gate()?;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = retry(|| openat(&dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR))?;
    Ok(File::from(file))
}

/// Creates a file without a name: it is gone when it is closed. An error where the file system has none such.
pub(super) fn create_unnamed(dir: impl AsFd) -> io::Result<File> {
    gate()?;
    let flags = OFlag::O_RDWR | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
    let file = retry(|| openat(&dir, ".", flags, Mode::S_IRUSR | Mode::S_IWUSR))?;
    Ok(File::from(file))
}

/// Sets the mode of an open file, whatever the process's file mode creation mask.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(retry(|| fchmod(file, Mode::from_bits_truncate(mode)))?)
}

/// Opens or creates a file of mode 0600 and keeps its content: the lock.
pub(super) fn open_or_create(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    gate()?;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = retry(|| openat(&dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR))?;
    Ok(File::from(file))
}

pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<()> {
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let mut through = Through(file);
    through.write_all(head)?;
    through.write_all(tail)
}

/// Truncates the file.
pub(super) fn empty(file: &File) -> io::Result<()> {
    gate()?;
    Ok(retry(|| ftruncate(file, 0))?)
}

/// A file that is written piece by piece.
pub(super) struct Through<'a>(pub(super) &'a File);

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        gate()?;
        Ok(retry(|| nix::unistd::write(self.0, bytes))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Repeats a call that a signal has interrupted; the final error is not of a kind that callers would repeat
/// for ever.
fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    for _ in 0..INTERRUPTIONS {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
    Err(Errno::EIO)
}

/// [`retry`] for a call with a standard library result.
fn retried(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let errno = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    Ok(retry(|| call().map_err(errno))?)
}

/// [`sync`] of many files in parallel, so that the file system makes one commit of several: on ext4 and 22
/// files 3 ms instead of 5 ms. In memory nothing waits, and a thread takes longer than all of them. (`syncfs` takes
/// 0.6 ms on an idle disk, but also writes everyone else's data; `posix_fadvise(DONTNEED)` starts the writing early,
/// but drains every CPU.)
///
/// # Errors
/// With the index of a file that failed.
pub(super) fn sync_all(files: &[&File]) -> Result<(), (usize, io::Error)> {
    for index in 0..files.len() {
        gate().map_err(|error| (index, error))?;
    }
    let first = files.first().map(fstatfs).and_then(Result::ok);
    let is_in_memory = first.is_some_and(|system| system.filesystem_type() == TMPFS_MAGIC);
    let threads = if is_in_memory { 1 } else { SYNC_THREADS };
    let sync_each = |start: usize| {
        for (index, file) in files.iter().enumerate().skip(start).step_by(threads) {
            retry(|| fsync(file)).map_err(|errno| (index, errno.into()))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(files.len()))
            .map(|start| {
                std::thread::Builder::new().spawn_scoped(scope, move || sync_each(start)).ok().ok_or(start)
            })
            .collect();
        let first = sync_each(0);
        others.into_iter().fold(first, |sofar, other| {
            sofar.and(match other {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err((0, io::Error::other("a thread died")))),
                // No free thread: the same work here.
                Err(start) => sync_each(start),
            })
        })
    })
}

/// Syncs a file's content, or a directory's names, so that it survives a power loss.
pub(super) fn sync(file: impl AsFd) -> io::Result<()> {
    gate()?;
    match retry(|| fsync(&file)) {
        // Some file systems have directories that can't be synced, and keep them anyway.
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Renames within a directory, replacing the target.
pub(super) fn rename(dir: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    gate()?;
    Ok(retry(|| renameat(&dir, from, &dir, to))?)
}

/// Renames into another directory of the same file system. A directory with content is never replaced.
pub(super) fn move_to(from: impl AsFd, old: &OsStr, to: impl AsFd, new: &OsStr) -> io::Result<()> {
    gate()?;
    Ok(retry(|| renameat(&from, old, &to, new))?)
}

/// Makes an empty file share the content of another one, where the file system can (Btrfs, XFS). `false` if it cannot.
pub(super) fn share_content(from: &File, to: &File) -> io::Result<bool> {
    gate()?;
    match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        // Another file system, or one that knows nothing of it: ioctl_ficlone(2).
        Err(_) => Ok(false),
    }
}

/// Renames within a directory; an error of kind `AlreadyExists` if the target exists. A power loss may take
/// both names, unless they are synced in between: see [`link_new`].
pub(super) fn rename_new(dir: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    link_new(&dir, from, to)?;
    remove(dir, from)
}

/// Gives a file a second name, or renames it if the file system has no hard links. An error of kind
/// `AlreadyExists` if the target exists.
pub(super) fn link_new(dir: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    gate()?;
    match retry(|| linkat(&dir, from, &dir, to, LinkatFlags::empty())) {
        Ok(()) => Ok(()),
        // vfat has no hard links.
        Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            if handle::stat(&dir, to)?.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            rename(dir, from, to)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a name that is not a directory; no error if it doesn't exist.
pub(super) fn remove(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    gate()?;
    match retry(|| unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir)) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes an empty directory. No error if it doesn't exist; one with content stays, and so does what is no directory.
pub(super) fn remove_directory(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    gate()?;
    match retry(|| unlinkat(&dir, name, UnlinkatFlags::RemoveDir)) {
        Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Creates a directory with exactly this mode, whatever the process's file mode creation mask.
pub(super) fn make_directory(dir: impl AsFd, name: &OsStr, mode: u32) -> io::Result<()> {
    gate()?;
    let mode = Mode::from_bits_truncate(mode);
    retry(|| mkdirat(&dir, name, mode))?;
    let made = handle::open_directory(&dir, name)?;
    Ok(retry(|| fchmod(&made, mode))?)
}

/// Creates a link with owner, label and time.
pub(super) fn make_link(
    dir: impl AsFd,
    name: &OsStr,
    target: &Path,
    attributes: &Attributes,
) -> io::Result<()> {
    gate()?;
    retry(|| symlinkat(target, &dir, name))?;
    gate()?;
    let (uid, gid) = owner(attributes);
    retry(|| fchownat(&dir, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW))?;
    let path = handle::through_proc(&dir, name);
    for (attribute, value) in &attributes.xattrs {
        match retried(|| xattr::set(&path, attribute, value)) {
            Ok(()) => {}
            // Without /proc a link's label can't be set; the directory's default applies.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if xattr::get(&path, attribute).ok().flatten().as_ref() == Some(value) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some((now, mtime)) = times(attributes) {
        retry(|| utimensat(&dir, name, &now, &mtime, UtimensatFlags::NoFollowSymlink))?;
    }
    Ok(())
}

/// Sets owner, extended attributes, mode and time of an open file or directory, in this order: changing the
/// owner clears set-id bits and capabilities, and an ACL changes the mode.
pub(super) fn set_metadata(file: &File, attributes: &Attributes) -> io::Result<()> {
    gate()?;
    let (uid, gid) = owner(attributes);
    retry(|| fchown(file, uid, gid))?;
    gate()?;
    set_xattrs(file, attributes)?;
    gate()?;
    retry(|| fchmod(file, Mode::from_bits_truncate(attributes.mode)))?;
    if let Some((now, mtime)) = times(attributes) {
        gate()?;
        retry(|| futimens(file, &now, &mtime))?;
    }
    Ok(())
}

fn set_xattrs(file: &File, attributes: &Attributes) -> io::Result<()> {
    let wanted = &attributes.xattrs;
    // Removes inherited attributes, such as the directory's default ACL, and those that a kept directory
    // should not have. The kernel's own stay: labels can't be removed.
    let there = match file.list_xattr() {
        Err(error) if handle::is_unsupported(&error) => None,
        names => Some(names?),
    };
    for name in there.into_iter().flatten() {
        if !name.as_encoded_bytes().starts_with(b"security.") && !wanted.contains_key(&name) {
            retried(|| file.remove_xattr(&name))?;
        }
    }
    for (name, value) in wanted {
        // Digests of the content that the kernel sets itself; the old file's would be wrong.
        if name == "security.ima" || name == "security.evm" {
            continue;
        }
        if let Err(error) = retried(|| file.set_xattr(name, value))
            && file.get_xattr(name).ok().flatten().as_ref() != Some(value)
        {
            return Err(error);
        }
    }
    Ok(())
}

fn owner(attributes: &Attributes) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))
}

/// Access time (not changed) and modification time; `None` if the entry has none.
fn times(attributes: &Attributes) -> Option<(TimeSpec, TimeSpec)> {
    let mtime = attributes.mtime;
    if mtime == Default::default() {
        return None;
    }
    let (mut seconds, mut nanoseconds) = (mtime.as_second(), i64::from(mtime.subsec_nanosecond()));
    if nanoseconds < 0 {
        // Before 1970 both parts are negative; the kernel counts nanoseconds up.
        seconds -= 1;
        nanoseconds += 1_000_000_000;
    }
    Some((TimeSpec::UTIME_OMIT, TimeSpec::new(seconds, nanoseconds)))
}

#[cfg(not(test))]
fn gate() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use fault::gate;

/// Faults that unit tests inject into the writing calls of their own thread.
#[cfg(test)]
pub(super) mod fault {
    use std::cell::{Cell, RefCell};
    use std::io;

    use nix::errno::Errno;

    #[derive(Clone, Copy, PartialEq)]
    pub(crate) enum Fault {
        /// This call and every later one fails without effect: for the disk, the process is dead.
        Expiry,
        Once(Errno),
        /// This call and every later one fails until it is cleared; unlinking fails too.
        FromThenOn(Errno),
    }

    thread_local! {
        static PLAN: Cell<Option<(u32, Fault)>> = const { Cell::new(None) };
        static CALLS: Cell<u32> = const { Cell::new(0) };
        static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    }

    /// A call's number, and what happens before it.
    type Meanwhile = (u32, Box<dyn FnOnce()>);

    /// Lets another program act before call number `at` (from 0).
    pub(crate) fn meanwhile(at: u32, act: impl FnOnce() + 'static) {
        CALLS.set(0);
        MEANWHILE.set(Some((at, Box::new(act))));
    }

    /// Makes call number `at` (from 0) fail.
    pub(crate) fn set(at: u32, fault: Fault) {
        CALLS.set(0);
        PLAN.set(Some((at, fault)));
    }

    /// Removes the fault. Returns how many calls were made since [`set`].
    pub(crate) fn clear() -> u32 {
        PLAN.set(None);
        MEANWHILE.set(None);
        CALLS.replace(0)
    }

    pub(super) fn gate() -> io::Result<()> {
        let call = CALLS.get();
        CALLS.set(call + 1);
        if MEANWHILE.with_borrow(|act| act.as_ref().is_some_and(|(at, _)| *at == call))
            && let Some((_, act)) = MEANWHILE.take()
        {
            act();
        }
        match PLAN.get() {
            Some((at, Fault::Expiry)) if call >= at => Err(Errno::EIO.into()),
            Some((at, Fault::Once(errno))) if call == at => Err(errno.into()),
            Some((at, Fault::FromThenOn(errno))) if call >= at => Err(errno.into()),
            _ => Ok(()),
        }
    }
}
