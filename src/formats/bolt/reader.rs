//! Reading while etcd writes. A transaction never overwrites a page that the newest meta page leads to: it writes
//! to free pages, then the other meta page (bbolt 1.5.0 `tx.go` `Commit`). What it set free is written over by the next
//! transaction at the earliest, since etcd doesn't know of readers outside (`internal/freelist/shared.go`
//! `ReleasePendingPages`). So what was read is right if the newest transaction at the end is the one of the beginning,
//! and otherwise it is read again.

use std::ops::ControlFlow;

use super::meta::META_END;
use super::tree::{Order, View, Visit};
use super::{BoltError, HEAD, Meta, Pages, ReadError};

/// Attempts for what takes milliseconds. etcd commits ten times a second (`defaultBatchInterval`,
/// `server/storage/backend/backend.go`).
pub const SHORT: usize = 50;
/// Attempts for what may take seconds.
pub const LONG: usize = 3;

/// How much of a bucket is read between two looks at the meta pages, in bytes.
const BATCH: usize = 1 << 20;

/// A database that is read, and perhaps written by etcd meanwhile.
pub struct Reader<'p> {
    pages: &'p mut dyn Pages,
    meta: Meta,
}

impl<'p> Reader<'p> {
    /// # Errors
    /// It is no database, or cannot be read.
    pub fn open(pages: &'p mut dyn Pages) -> Result<Self, ReadError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match head(pages, HEAD) {
                Ok(meta) => return Ok(Self { pages, meta }),
                // A meta page that is being written is not valid for a moment.
                Err(ReadError::Head(_)) if attempts < LONG => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The newest meta page when it was last looked at.
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn size(&mut self) -> Result<u64, ReadError> {
        Ok(self.pages.size()?)
    }

    /// What `read` makes of the database as of one transaction; it is called again if etcd has committed another
    /// one meanwhile.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Busy`] after so many attempts.
    pub fn read<T>(
        &mut self,
        attempts: usize,
        mut read: impl FnMut(&mut View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        for _ in 0..attempts {
            let before = self.meta;
            let found = read(&mut View { pages: self.pages, meta: before, most: usize::MAX });
            self.meta = self.newest()?;
            if self.meta.transaction == before.transaction {
                return found;
            }
        }
        Err(ReadError::Busy { attempts })
    }

    /// Each key of a bucket with its value. It is read in parts, each right as of its own transaction, so it comes to an
    /// end also while etcd writes: for what is only added to, such as etcd's revisions. Of a value that lies in pages of
    /// its own `most` bytes are read.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &mut self,
        bucket: &[u8],
        order: Order<'_>,
        most: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), ReadError> {
        let mut batch = Batch { most, ..Batch::default() };
        self.read(SHORT, |view| batch.fill(view, bucket, order))?;
        loop {
            for (key, value) in batch.entries() {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            if batch.is_last {
                return Ok(());
            }
            let last = batch.last_key();
            let rising = matches!(order, Order::From(_));
            // The next key in either direction: the smallest after it is itself with a zero byte.
            let next: Vec<u8> = last.iter().copied().chain(rising.then_some(0)).collect();
            let order = if rising { Order::From(&next) } else { Order::Before(&next) };
            self.read(SHORT, |view| batch.fill(view, bucket, order))?;
        }
    }

    fn newest(&mut self) -> Result<Meta, ReadError> {
        let enough = usize::try_from(self.meta.page_size).unwrap_or(HEAD) + META_END;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match head(self.pages, enough) {
                Err(ReadError::Head(_)) if attempts < LONG => {}
                result => return result,
            }
        }
    }
}

fn head(pages: &mut dyn Pages, most: usize) -> Result<Meta, ReadError> {
    let size = pages.size()?;
    let length = usize::try_from(size).unwrap_or(most).min(most);
    let mut bytes = vec![0; length];
    if let Err(error) = pages.read(0, &mut bytes) {
        let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
        return Err(if cut { BoltError::Short(0).into() } else { error.into() });
    }
    // etcd lets the file grow before it writes the meta page that speaks of the new pages: so the size is asked after.
    Ok(Meta::parse(&bytes, pages.size()?)?)
}

/// A part of a bucket.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Lengths of each key and its value.
    lengths: Vec<(usize, usize)>,
    is_last: bool,
    /// Bytes of a value.
    most: usize,
}

impl Batch {
    fn fill(&mut self, view: &mut View<'_>, bucket: &[u8], order: Order<'_>) -> Result<(), ReadError> {
        let Self { bytes, lengths, is_last, most } = self;
        view.most = *most;
        bytes.clear();
        lengths.clear();
        *is_last = true;
        view.walk(bucket, order, &mut |key, value| {
            if bytes.len() >= BATCH {
                *is_last = false;
                return ControlFlow::Break(());
            }
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
            lengths.push((key.len(), value.len()));
            ControlFlow::Continue(())
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.lengths.iter().map_while(move |(key, value)| {
            let (key, after) = rest.split_at_checked(*key)?;
            let (value, after) = after.split_at_checked(*value)?;
            rest = after;
            Some((key, value))
        })
    }

    fn last_key(&self) -> Vec<u8> {
        self.entries().last().map(|(key, _)| key.to_vec()).unwrap_or_default()
    }
}
