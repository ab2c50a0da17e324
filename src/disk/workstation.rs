//! Files of the machine on which the command runs, named by the user or by a kubeconfig: no root, links are
//! followed, as in any program. Read only, and bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Limit in bytes: more than the kubeconfig parser accepts, so that it can refuse with a reason.
const MOST: u64 = 4 << 20;

/// Reads a file that the user names, or a pipe such as the shell's `<(…)`.
///
/// # Errors
/// It doesn't exist, is a directory, or cannot be read.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    read_all(File::open(path)?)
}

/// Reads a file that another file names: only a regular file, because a pipe or a device may never end.
///
/// # Errors
/// It doesn't exist, is no regular file, or cannot be read.
pub fn read_regular(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    read_all(File::open(path)?)
}

/// Reads standard input to its end.
///
/// # Errors
/// It cannot be read.
pub fn read_input() -> io::Result<Zeroizing<Vec<u8>>> {
    read_all(io::stdin().lock())
}

fn read_all(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
