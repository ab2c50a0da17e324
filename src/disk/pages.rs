//! A file that is read by ranges, whatever its size: etcd's database, of a node or named by the user. It may be
//! written by etcd at the same moment.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use super::handle::{self, Kind};
use super::{Error, Root};
use crate::formats::bolt::Pages;

/// How much is digested at a time, in bytes.
const PIECE: usize = 1 << 18;
/// Bytes of a SHA-256 digest, with which etcdctl closes a snapshot.
const DIGEST: usize = 32;

/// A regular file, open for reading.
#[derive(Debug)]
pub struct PagedFile {
    file: File,
    path: PathBuf,
}

/// The SHA-256 at the end of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailer {
    /// A database as etcd keeps it has none.
    Absent,
    Valid,
    Wrong,
}

impl Root {
    /// Opens a file inside the root for reading by ranges; `None` if it doesn't exist.
    ///
    /// # Errors
    /// It is no regular file, or cannot be opened.
    pub fn pages(&self, path: &Path) -> Result<Option<PagedFile>, Error> {
        let there = self.walk(path, &mut |_, _, _, _| ());
        let Some(there) = there.map_err(|(path, error)| Error::io("open", path)(error))? else {
            return Ok(None);
        };
        let opened = handle::open_file(&there.parent, &there.name).and_then(handle::checked);
        match opened {
            Ok((file, stat)) if Kind::of(&stat) == Kind::File => {
                Ok(Some(PagedFile { file, path: self.on_host(&there.path) }))
            }
            Ok(_) => Err(Error::io("open", there.path)(io::Error::other("not a file"))),
            Err(error) => Err(Error::io("open", there.path)(error)),
        }
    }
}

impl PagedFile {
    /// Opens a file of this machine that the user names; links are followed.
    ///
    /// # Errors
    /// It doesn't exist, is no regular file, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let open = || {
            let refused = || io::Error::other("not a file");
            if !std::fs::metadata(path)?.is_file() {
                return Err(refused());
            }
            // It may have become a FIFO since.
            let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
            let (file, stat) = handle::checked(file)?;
            if Kind::of(&stat) == Kind::File { Ok(file) } else { Err(refused()) }
        };
        let file = open().map_err(Error::io("open", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it is on the host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When it was written last.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn modified(&self) -> Result<Timestamp, Error> {
        let stat = fstat(&self.file).map_err(|errno| Error::io("read", &self.path)(errno.into()))?;
        Ok(handle::mtime(&stat))
    }

    /// Compares the file with the digest at its end, if it has one: then its size is 32 more than a multiple of 512
    /// (etcd 3.8.0-alpha.0 `etcdutl/snapshot/v3_snapshot.go` `hasChecksum`).
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn trailer(&mut self) -> Result<Trailer, Error> {
        self.digested().map_err(Error::io("read", &self.path))
    }

    fn digested(&self) -> io::Result<Trailer> {
        let size = self.file.metadata()?.len();
        if size % 512 != DIGEST as u64 {
            return Ok(Trailer::Absent);
        }
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let (mut at, end) = (0, size - DIGEST as u64);
        let mut buffer = vec![0; PIECE];
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let Some(piece) = buffer.get_mut(..wanted) else { break };
            self.file.read_exact_at(piece, at)?;
            digest.update(piece);
            at += wanted as u64;
        }
        let mut trailer = [0; DIGEST];
        self.file.read_exact_at(&mut trailer, end)?;
        Ok(if digest.finish().as_ref() == trailer { Trailer::Valid } else { Trailer::Wrong })
    }
}

impl Pages for PagedFile {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
