//! bbolt databases, in which etcd keeps its data (`member/snap/db`), read page by page: meta pages, branch and leaf
//! pages, overflow, nested and inline buckets (bbolt 1.5.0 `internal/common/{meta,page,bucket,inode}.go`; the format
//! has version 2 since 2014).
//!
//! A file may be hostile, cut off, or written by etcd at the same moment. Memory stays below 32 MiB whatever its size;
//! a damaged page is an error with its number.

mod meta;
mod page;
mod reader;
mod tree;

use std::io;

pub use meta::{BoltError, HEAD, Meta};
pub use reader::{LONG, Reader, SHORT};
pub use tree::{Order, View, Visit};

/// A file that is read by ranges.
pub trait Pages {
    /// Bytes that it has now.
    ///
    /// # Errors
    /// Those of the operating system.
    fn size(&mut self) -> io::Result<u64>;

    /// Fills `buffer` with what begins at `offset`.
    ///
    /// # Errors
    /// Those of the operating system; [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A file in memory.
impl Pages for &[u8] {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why a database is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It has no valid head.
    #[error(transparent)]
    Head(#[from] BoltError),
    #[error("cannot read it: {}", crate::state::os::reason(.0))]
    Io(#[from] io::Error),
    /// A page that cannot be what its database needs.
    #[error("page {page} is damaged: {why}")]
    Damaged { page: u64, why: &'static str },
    /// It was written each time that it was read.
    #[error("etcd has written to it during each of {attempts} attempts to read it")]
    Busy { attempts: usize },
    /// A record that is none of etcd's.
    #[error("bucket {bucket}: {why}")]
    Record { bucket: &'static str, why: String },
}
