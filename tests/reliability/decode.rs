//! System calls of x86-64 as what they do to files. Every call is either in the table of those that act on files,
//! or in the list of those that don't, or it is unknown, which is a failure: none is missed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::libc::{self, c_long};
use nix::unistd::Pid;

use super::caller::{Caller, HERE, Handle, inode, named, word};
use super::harmless::HARMLESS;

/// What a call does. Paths are absolute, and no directory on them is a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens for writing, or creates.
    Open {
        path: PathBuf,
        flags: i32,
        mode: u32,
        existed: bool,
    },
    Write {
        file: Handle,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        file: Handle,
        length: u64,
    },
    /// Changes a file's content in a way that is only known by its name: fallocate, copies inside the kernel.
    Other {
        name: &'static str,
        file: Handle,
    },
    /// fsync or fdatasync of a file or directory, syncfs of its file system.
    Sync {
        file: Handle,
        whole_system: bool,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        inode: u64,
        flags: u32,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
        inode: u64,
    },
    Symlink {
        target: OsString,
        path: PathBuf,
    },
    Unlink {
        path: PathBuf,
        inode: u64,
        directory: bool,
    },
    MakeDirectory {
        path: PathBuf,
        mode: u32,
    },
    Mode {
        file: Handle,
        mode: u32,
    },
    Owner {
        file: Handle,
        uid: u32,
        gid: u32,
    },
    /// Access and modification time as seconds and nanoseconds; `None`: now.
    Times {
        file: Handle,
        times: Option<[(i64, i64); 2]>,
    },
    SetXattr {
        file: Handle,
        name: OsString,
        value: Vec<u8>,
    },
    RemoveXattr {
        file: Handle,
        name: OsString,
    },
    /// Reads content, a directory, a link or attributes.
    Look {
        name: &'static str,
        path: PathBuf,
    },
}

impl Op {
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Look { .. })
    }

    /// What it acts on; after it, where that is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::Symlink { path, .. }
            | Self::Unlink { path, .. }
            | Self::MakeDirectory { path, .. }
            | Self::Look { path, .. } => path,
            Self::Rename { to, .. } | Self::Link { to, .. } => to,
            Self::Write { file, .. }
            | Self::Truncate { file, .. }
            | Self::Other { file, .. }
            | Self::Sync { file, .. }
            | Self::Mode { file, .. }
            | Self::Owner { file, .. }
            | Self::Times { file, .. }
            | Self::SetXattr { file, .. }
            | Self::RemoveXattr { file, .. } => &file.path,
        }
    }
}

/// Calls that only read files. Opening is not among them.
const READING: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_getdents64,
    libc::SYS_fstat,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_fstatfs,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
];

pub enum Decoded {
    /// Acts on nothing below the directory.
    Elsewhere,
    Below(Op),
    Unknown(&'static str),
}

/// A call's number and arguments.
pub struct Registers {
    number: c_long,
    arguments: [u64; 6],
}

impl Registers {
    pub fn of(registers: &libc::user_regs_struct) -> Self {
        let libc::user_regs_struct { rdi, rsi, rdx, r10, r8, r9, orig_rax, .. } = *registers;
        Self { number: orig_rax.cast_signed(), arguments: [rdi, rsi, rdx, r10, r8, r9] }
    }
}

/// Reading calls are decoded only where somebody wants to know of them: they are many.
pub fn decode(pid: Pid, root: &Path, registers: &Registers, reads: bool) -> Decoded {
    if HARMLESS.contains(&registers.number) || (!reads && READING.contains(&registers.number)) {
        return Decoded::Elsewhere;
    }
    match (Caller { pid }).op(registers) {
        Ok(Some(op)) if op.path().starts_with(root) => Decoded::Below(op),
        // Out of the tree.
        Ok(Some(Op::Rename { from, to, inode, flags })) if from.starts_with(root) => {
            Decoded::Below(Op::Rename { from, to, inode, flags })
        }
        Ok(_) => Decoded::Elsewhere,
        Err(what) => Decoded::Unknown(what),
    }
}

impl Caller {
    fn op(&self, Registers { number, arguments }: &Registers) -> Result<Option<Op>, &'static str> {
        let [a, b, c, d, e, _] = *arguments;
        let fd = |value: u64| value.cast_signed() as i32;
        let mode = |value: u64| value as u32;
        let no_follow = |flags: u64| flags.cast_signed() as i32 & libc::AT_SYMLINK_NOFOLLOW != 0;
        let op = match *number {
            libc::SYS_open => self.open(HERE, a, fd(b), mode(c)),
            libc::SYS_creat => self.open(HERE, a, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode(b)),
            libc::SYS_openat => self.open(fd(a), b, fd(c), mode(d)),
            libc::SYS_openat2 => {
                let how = self.bytes(c, 16);
                self.open(fd(a), b, fd(word(&how, 0)), mode(word(&how, 1)))
            }
            libc::SYS_write => self.write(fd(a), None, || self.bytes(b, c)),
            libc::SYS_pwrite64 => self.write(fd(a), Some(d), || self.bytes(b, c)),
            libc::SYS_writev => self.write(fd(a), None, || self.gathered(b, c)),
            libc::SYS_pwritev => self.write(fd(a), Some(d), || self.gathered(b, c)),
            libc::SYS_ftruncate => self.handle(fd(a)).map(|file| Op::Truncate { file, length: b }),
            libc::SYS_truncate => {
                named(self.path(HERE, a, true)).map(|file| Op::Truncate { file, length: b })
            }
            libc::SYS_fallocate => self.handle(fd(a)).map(|file| Op::Other { name: "fallocate", file }),
            libc::SYS_copy_file_range => self.handle(fd(c)).map(|file| Op::Other { name: "copy", file }),
            libc::SYS_sendfile => self.handle(fd(a)).map(|file| Op::Other { name: "sendfile", file }),
            libc::SYS_splice => self.handle(fd(c)).map(|file| Op::Other { name: "splice", file }),
            libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_sync_file_range => {
                self.handle(fd(a)).map(|file| Op::Sync { file, whole_system: false })
            }
            libc::SYS_syncfs => self.handle(fd(a)).map(|file| Op::Sync { file, whole_system: true }),
            libc::SYS_rename => self.rename((HERE, a), (HERE, b), 0),
            libc::SYS_renameat => self.rename((fd(a), b), (fd(c), d), 0),
            libc::SYS_renameat2 => self.rename((fd(a), b), (fd(c), d), mode(e)),
            libc::SYS_link => self.link((HERE, a), (HERE, b), false),
            libc::SYS_linkat => self.link((fd(a), b), (fd(c), d), fd(e) & libc::AT_SYMLINK_FOLLOW != 0),
            libc::SYS_symlink => {
                Some(Op::Symlink { target: self.string(a), path: self.path(HERE, b, false) })
            }
            libc::SYS_symlinkat => {
                Some(Op::Symlink { target: self.string(a), path: self.path(fd(b), c, false) })
            }
            libc::SYS_unlink => self.unlink(HERE, a, false),
            libc::SYS_rmdir => self.unlink(HERE, a, true),
            libc::SYS_unlinkat => self.unlink(fd(a), b, fd(c) & libc::AT_REMOVEDIR != 0),
            libc::SYS_mkdir => Some(Op::MakeDirectory { path: self.path(HERE, a, false), mode: mode(b) }),
            libc::SYS_mkdirat => Some(Op::MakeDirectory { path: self.path(fd(a), b, false), mode: mode(c) }),
            libc::SYS_chmod => named(self.path(HERE, a, true)).map(|file| Op::Mode { file, mode: mode(b) }),
            libc::SYS_fchmod => self.handle(fd(a)).map(|file| Op::Mode { file, mode: mode(b) }),
            libc::SYS_fchmodat => {
                named(self.path(fd(a), b, true)).map(|file| Op::Mode { file, mode: mode(c) })
            }
            libc::SYS_fchmodat2 => {
                named(self.path(fd(a), b, !no_follow(d))).map(|file| Op::Mode { file, mode: mode(c) })
            }
            libc::SYS_chown => owner(named(self.path(HERE, a, true)), b, c),
            libc::SYS_lchown => owner(named(self.path(HERE, a, false)), b, c),
            libc::SYS_fchown => owner(self.handle(fd(a)), b, c),
            libc::SYS_fchownat => owner(named(self.path(fd(a), b, !no_follow(e))), c, d),
            libc::SYS_utimensat => {
                // Without a path it is the handle itself that is dated.
                let file =
                    if b == 0 { self.handle(fd(a)) } else { named(self.path(fd(a), b, !no_follow(d))) };
                file.map(|file| Op::Times { file, times: self.times(c) })
            }
            libc::SYS_utime | libc::SYS_utimes | libc::SYS_futimesat => {
                return Err("an old way to set times");
            }
            libc::SYS_setxattr => self.set_xattr(named(self.path(HERE, a, true)), b, c, d),
            libc::SYS_lsetxattr => self.set_xattr(named(self.path(HERE, a, false)), b, c, d),
            libc::SYS_fsetxattr => self.set_xattr(self.handle(fd(a)), b, c, d),
            libc::SYS_removexattr => self.remove_xattr(named(self.path(HERE, a, true)), b),
            libc::SYS_lremovexattr => self.remove_xattr(named(self.path(HERE, a, false)), b),
            libc::SYS_fremovexattr => self.remove_xattr(self.handle(fd(a)), b),
            libc::SYS_mmap => {
                let shared = fd(d) & libc::MAP_TYPE == libc::MAP_SHARED;
                if shared && fd(c) & libc::PROT_WRITE != 0 && fd(d) & libc::MAP_ANONYMOUS == 0 {
                    return Err("a file is mapped for writing");
                }
                None
            }
            libc::SYS_ioctl => match b {
                // FICLONE, FICLONERANGE, FS_IOC_SETFLAGS
                0x4004_9409 | 0x4020_940d | 0x4008_6602 => return Err("an ioctl that changes a file"),
                _ => None,
            },
            libc::SYS_read => self.look("read", fd(a)),
            libc::SYS_pread64 => self.look("pread", fd(a)),
            libc::SYS_readv => self.look("readv", fd(a)),
            libc::SYS_getdents64 => self.look("getdents", fd(a)),
            libc::SYS_fstat => self.look("fstat", fd(a)),
            libc::SYS_fgetxattr => self.look("fgetxattr", fd(a)),
            libc::SYS_flistxattr => self.look("flistxattr", fd(a)),
            libc::SYS_fstatfs => self.look("fstatfs", fd(a)),
            libc::SYS_stat => Some(Op::Look { name: "stat", path: self.path(HERE, a, true) }),
            libc::SYS_lstat => Some(Op::Look { name: "lstat", path: self.path(HERE, a, false) }),
            libc::SYS_newfstatat => Some(Op::Look { name: "fstatat", path: self.path(fd(a), b, false) }),
            libc::SYS_statx => Some(Op::Look { name: "statx", path: self.path(fd(a), b, false) }),
            libc::SYS_readlink => Some(Op::Look { name: "readlink", path: self.path(HERE, a, false) }),
            libc::SYS_readlinkat => Some(Op::Look { name: "readlink", path: self.path(fd(a), b, false) }),
            libc::SYS_getxattr | libc::SYS_lgetxattr => {
                Some(Op::Look { name: "getxattr", path: self.path(HERE, a, false) })
            }
            libc::SYS_listxattr | libc::SYS_llistxattr => {
                Some(Op::Look { name: "listxattr", path: self.path(HERE, a, false) })
            }
            _ => return Err("it is in no table"),
        };
        Ok(op)
    }

    fn open(&self, directory: i32, name: u64, flags: i32, mode: u32) -> Option<Op> {
        let path = self.path(directory, name, flags & (libc::O_NOFOLLOW | libc::O_EXCL) == 0);
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY
            || flags & (libc::O_CREAT | libc::O_TRUNC) != 0
            || flags & libc::O_TMPFILE == libc::O_TMPFILE;
        // O_PATH only marks a place.
        if !writes || flags & libc::O_PATH != 0 {
            return Some(Op::Look { name: "open", path });
        }
        let existed = path.symlink_metadata().is_ok();
        Some(Op::Open { path, flags, mode, existed })
    }

    fn write(&self, fd: i32, offset: Option<u64>, data: impl FnOnce() -> Vec<u8>) -> Option<Op> {
        let file = self.handle(fd)?;
        let info = || std::fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.pid)).unwrap_or_default();
        let field = |info: &str, name: &str, radix| {
            let line = info.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(line.trim(), radix).ok()
        };
        let offset = offset.unwrap_or_else(|| {
            let info = info();
            let appends =
                field(&info, "flags:", 8).unwrap_or(0) & u64::from(libc::O_APPEND.cast_unsigned()) != 0;
            let end = || file.path.metadata().map_or(0, |found| found.len());
            if appends { end() } else { field(&info, "pos:", 10).unwrap_or(0) }
        });
        Some(Op::Write { file, offset, data: data() })
    }

    fn rename(&self, from: (i32, u64), to: (i32, u64), flags: u32) -> Option<Op> {
        let (from, to) = (self.path(from.0, from.1, false), self.path(to.0, to.1, false));
        Some(Op::Rename { inode: inode(&from), from, to, flags })
    }

    fn link(&self, from: (i32, u64), to: (i32, u64), follow: bool) -> Option<Op> {
        let (from, to) = (self.path(from.0, from.1, follow), self.path(to.0, to.1, false));
        Some(Op::Link { inode: inode(&from), from, to })
    }

    fn unlink(&self, directory: i32, name: u64, is_directory: bool) -> Option<Op> {
        let path = self.path(directory, name, false);
        Some(Op::Unlink { inode: inode(&path), path, directory: is_directory })
    }

    fn set_xattr(&self, file: Option<Handle>, name: u64, value: u64, length: u64) -> Option<Op> {
        Some(Op::SetXattr { file: file?, name: self.string(name), value: self.bytes(value, length) })
    }

    fn remove_xattr(&self, file: Option<Handle>, name: u64) -> Option<Op> {
        Some(Op::RemoveXattr { file: file?, name: self.string(name) })
    }

    fn look(&self, name: &'static str, fd: i32) -> Option<Op> {
        self.handle(fd).map(|file| Op::Look { name, path: file.path })
    }

    fn times(&self, pointer: u64) -> Option<[(i64, i64); 2]> {
        if pointer == 0 {
            return None;
        }
        let bytes = self.bytes(pointer, 32);
        let time = |at| (word(&bytes, at).cast_signed(), word(&bytes, at + 1).cast_signed());
        Some([time(0), time(2)])
    }
}

fn owner(file: Option<Handle>, uid: u64, gid: u64) -> Option<Op> {
    Some(Op::Owner { file: file?, uid: uid as u32, gid: gid as u32 })
}

/// Whether a name is one that only this tool's transaction gives.
pub fn is_staged(name: &OsStr) -> bool {
    name.as_bytes().windows(12).any(|part| part == b".kuberescue-")
}
