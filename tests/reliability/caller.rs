//! A stopped process as /proc shows it: its memory, and where its handles and names lead.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// An open file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Where it is now.
    pub path: PathBuf,
    pub inode: u64,
}

/// The thread that makes a call.
pub struct Caller {
    pub pid: Pid,
}

/// The handle that stands for the working directory.
pub const HERE: i32 = libc::AT_FDCWD;

impl Caller {
    /// What a handle is open on; `None` for pipes and the like.
    pub fn handle(&self, fd: i32) -> Option<Handle> {
        let link = format!("/proc/{}/fd/{fd}", self.pid);
        let path = std::fs::read_link(&link).ok().filter(|path| path.is_absolute())?;
        Some(Handle { path, inode: std::fs::metadata(link).map_or(0, |found| found.ino()) })
    }

    /// The path that a directory's handle and a name make.
    pub fn path(&self, directory: i32, name: u64, follow: bool) -> PathBuf {
        let name = PathBuf::from(if name == 0 { OsString::new() } else { self.string(name) });
        let (base, name) = match through_proc(&name) {
            Some((fd, rest)) => (self.base(fd), rest),
            None => (self.base(directory), name),
        };
        let path = if name.as_os_str().is_empty() { base } else { base.join(name) };
        if follow && let Ok(real) = path.canonicalize() {
            return real;
        }
        match (path.parent().map(Path::canonicalize), path.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.join(name),
            _ => path,
        }
    }

    fn base(&self, directory: i32) -> PathBuf {
        let link = match directory {
            HERE => format!("/proc/{}/cwd", self.pid),
            fd => format!("/proc/{}/fd/{fd}", self.pid),
        };
        std::fs::read_link(link).unwrap_or_default()
    }

    pub fn bytes(&self, pointer: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        let memory = File::open(format!("/proc/{}/mem", self.pid)).unwrap();
        memory.read_exact_at(&mut bytes, pointer).unwrap();
        bytes
    }

    pub fn gathered(&self, pointer: u64, count: u64) -> Vec<u8> {
        let pieces = self.bytes(pointer, count * 16);
        let pieces =
            (0..usize::try_from(count).unwrap()).map(|at| (word(&pieces, 2 * at), word(&pieces, 2 * at + 1)));
        pieces.flat_map(|(pointer, length)| self.bytes(pointer, length)).collect()
    }

    pub fn string(&self, pointer: u64) -> OsString {
        let memory = File::open(format!("/proc/{}/mem", self.pid)).unwrap();
        let mut text = Vec::new();
        loop {
            // Not across the end of a page: the next one may not be there.
            let at = pointer + text.len() as u64;
            let mut piece = vec![0; usize::try_from(256 - at % 256).unwrap()];
            memory.read_exact_at(&mut piece, at).unwrap();
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&piece[..end]);
                    return OsString::from_vec(text);
                }
                None => text.extend(piece),
            }
        }
    }
}

/// `/proc/self/fd/N/REST` as N and REST.
fn through_proc(path: &Path) -> Option<(i32, PathBuf)> {
    let rest = path.strip_prefix("/proc/self/fd").ok()?;
    let mut parts = rest.components();
    let fd = parts.next()?.as_os_str().to_str()?.parse().ok()?;
    Some((fd, parts.as_path().to_owned()))
}

pub fn named(path: PathBuf) -> Option<Handle> {
    Some(Handle { inode: inode(&path), path })
}

/// 0 where nothing is.
pub fn inode(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |found| found.ino())
}

/// One of several numbers.
pub fn word(bytes: &[u8], index: usize) -> u64 {
    u64::from_ne_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap())
}
