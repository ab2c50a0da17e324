//! What the operating system's errors are called.

use std::io::{self, ErrorKind};

use nix::errno::Errno;

/// The reason of a failed call in the words of every command, without "(os error 28)".
pub fn reason(error: &io::Error) -> String {
    let words = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC) => "no space left on the device",
        Some(Errno::EDQUOT) => "the disk quota is exceeded",
        Some(Errno::EROFS) => "the file system is read-only",
        Some(Errno::EACCES) => "permission denied",
        Some(Errno::EPERM) => "operation not permitted",
        Some(Errno::ENOENT) => "not found",
        Some(Errno::ENOTDIR) => "a part of the path is not a directory",
        Some(Errno::ELOOP) => "a part of the path is a symbolic link",
        Some(Errno::EEXIST) => "it already exists",
        Some(Errno::EIO) => "input/output error of the device",
        Some(Errno::EOPNOTSUPP) => "not supported by the file system",
        Some(errno) => return errno.desc().to_lowercase(),
        None if error.kind() == ErrorKind::UnexpectedEof => "truncated",
        None => return error.to_string(),
    };
    words.to_owned()
}
