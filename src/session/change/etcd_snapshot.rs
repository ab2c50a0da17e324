//! A snapshot of this node's etcd: from etcd itself where it answers, otherwise from its database on the disk. Like
//! etcdctl's it ends with the SHA-256 digest of its content (etcd `client/v3/snapshot/v3_snapshot.go`, v3.6). It is
//! read back before it gets its name.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use super::signals;
use crate::analysis::node::endpoints::{self, Scheme};
use crate::analysis::node::inventory::Inventory;
use crate::disk::{NewFile, PagedFile, Root};
use crate::error::{DatabaseFailure, Error};
use crate::formats::bolt::{LONG, Meta, Pages, ReadError};
use crate::formats::etcd::Database;
use crate::live::Fault;
use crate::live::deadline::Deadline;
use crate::live::etcd::client;
use crate::live::etcd::snapshot::{Piece, answers, stream};
use crate::live::https::{ClientPair, Transport};
use crate::report::{SavedSnapshot, SnapshotFigures, SnapshotSource};
use crate::session::Context;
use crate::state::{Code, Component, Digest, text};

/// Bytes that stay free beside a snapshot: directories and journals of the file system.
const MARGIN: u64 = 1 << 20;

/// How much of a database is copied at a time, in bytes.
const PIECE: usize = 1 << 20;

/// Bytes of the digest at its end.
const DIGEST: usize = 32;

/// How long etcd may take to answer when it is only looked at.
const LOOK: Duration = Duration::from_secs(3);

/// What a snapshot is taken of.
pub struct Source<'a> {
    pub(super) root: &'a Root,
    inventory: &'a Inventory,
    /// Inside the root.
    database: PathBuf,
}

impl<'a> Source<'a> {
    /// # Errors
    /// This node has no etcd.
    pub fn of(root: &'a Root, inventory: &'a Inventory) -> Result<Self, Error> {
        let expected = endpoints::expected(inventory).endpoints;
        if !expected.iter().any(|endpoint| endpoint.component == Component::Etcd) {
            let directory = inventory.facts.manifest_dir.value.display();
            let what = format!("cannot save a snapshot: this node has no etcd (no manifest in {directory})");
            return Err(Error::could_not_run(what)
                .code(Code::EtcdExternal)
                .hint("run it on a node of etcd: kube-apiserver --etcd-servers names them"));
        }
        Ok(Self { root, inventory, database: inventory.facts.etcd_database() })
    }

    /// What would be saved to `path`, judged without reading it.
    ///
    /// # Errors
    /// etcd doesn't answer, and there is no database.
    pub fn look(&self, path: PathBuf) -> Result<SavedSnapshot, Error> {
        let pair = client(self.inventory);
        let size = self.root.beginning(&self.database, 0).map(|(_, size)| size);
        let mut why = None;
        for (address, scheme) in self.addresses() {
            match answers(address, transport(scheme, pair.as_ref()), Deadline::within(LOOK)) {
                Ok(()) => {
                    let source = SnapshotSource::Etcd { address };
                    return Ok(SavedSnapshot::expected(path, source, size.unwrap_or_default()));
                }
                Err(fault) => why = why.or(Some(format!("{address}: {fault}"))),
            }
        }
        let Some(size) = size else { return Err(self.no_database(why.as_deref())) };
        let source = SnapshotSource::Database { path: self.database.clone(), etcd: why };
        Ok(SavedSnapshot::expected(path, source, size))
    }

    fn no_database(&self, etcd: Option<&str>) -> Error {
        let why = etcd.map(|why| format!("etcd itself gives none ({why}), and ")).unwrap_or_default();
        let database = self.database.display();
        Error::could_not_run(format!("cannot save a snapshot of etcd: {why}{database} was not found"))
            .code(Code::EtcdDataMissing)
            .hint("kuberescue explain etcd-data-missing")
    }

    /// The client addresses of this node's etcd, plain where it runs without TLS. A disk has none.
    fn addresses(&self) -> Vec<(SocketAddr, Scheme)> {
        if !self.root.is_live() {
            return Vec::new();
        }
        let clients = endpoints::etcd_clients(self.inventory).into_iter();
        clients.map(|endpoint| (endpoint.address, endpoint.scheme)).collect()
    }

    /// Saves a snapshot. Signals are held from here on.
    ///
    /// # Errors
    /// Neither etcd nor its database gives a complete one, or it can't be written: nothing is left.
    pub fn save(
        &self,
        new: NewFile,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Result<SavedSnapshot, Error> {
        context.hold_signals();
        let mut writing = Writing::new(new);
        let source = self.fill(&mut writing, timeout)?;
        writing.finish(source)
    }

    fn fill(&self, writing: &mut Writing, timeout: Duration) -> Result<SnapshotSource, Error> {
        let pair = client(self.inventory);
        let mut why = None;
        for (address, scheme) in self.addresses() {
            match writing.stream(address, transport(scheme, pair.as_ref()), Deadline::within(timeout))? {
                Ok(()) => return Ok(SnapshotSource::Etcd { address }),
                Err(fault) => why = why.or(Some(format!("{address}: {fault}"))),
            }
            writing.restart()?;
        }
        let mut file = self.root.pages(&self.database)?.ok_or_else(|| self.no_database(why.as_deref()))?;
        writing.copy(&mut file)?;
        Ok(SnapshotSource::Database { path: self.database.clone(), etcd: why })
    }
}

fn transport(scheme: Scheme, pair: Option<&ClientPair>) -> Transport<'_> {
    match scheme {
        Scheme::Http => Transport::Plain,
        Scheme::Https => Transport::Tls(pair),
    }
}

/// A snapshot that is being written.
struct Writing {
    new: NewFile,
    /// Of everything but the last 32 bytes.
    digest: ring::digest::Context,
    tail: Vec<u8>,
    size: u64,
}

impl Writing {
    fn new(new: NewFile) -> Self {
        let digest = ring::digest::Context::new(&ring::digest::SHA256);
        Self { new, digest, tail: Vec::new(), size: 0 }
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.new.restart()?;
        (self.digest, self.size) = (ring::digest::Context::new(&ring::digest::SHA256), 0);
        self.tail.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(signal) = signals::arrived() {
            return Err(Error::could_not_run(format!("interrupted by {signal}; nothing was changed"))
                .code(Code::Interrupted)
                .hint("run the same command again"));
        }
        self.new.write(bytes)?;
        self.size += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let done = self.tail.len().saturating_sub(DIGEST);
        self.digest.update(self.tail.get(..done).unwrap_or_default());
        self.tail.drain(..done);
        Ok(())
    }

    /// Before the first byte of so many is written.
    fn need(&self, size: u64) -> Result<(), Error> {
        let needed = size.saturating_add(DIGEST as u64).saturating_add(MARGIN);
        match self.new.free() {
            Some(free) if free < needed => Err(Error::could_not_run(format!(
                "cannot write {}: {} are free and {} needed",
                self.new.path().display(),
                text::size(free),
                text::size(needed)
            ))
            .code(Code::NoSpace)
            .hint("make room, or save the snapshot elsewhere; nothing was changed")),
            _ => Ok(()),
        }
    }

    /// From etcd. The inner error says why it gives none.
    fn stream(
        &mut self,
        address: SocketAddr,
        transport: Transport<'_>,
        deadline: Deadline,
    ) -> Result<Result<(), Fault>, Error> {
        let mut failed = None;
        let mut take = |piece: Piece<'_>| {
            let room = match self.size {
                0 if !piece.bytes.is_empty() => {
                    self.need(piece.remaining.saturating_add(piece.bytes.len() as u64))
                }
                _ => Ok(()),
            };
            match room.and_then(|()| self.write(piece.bytes)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let streamed = stream(address, transport, deadline, &mut take);
        if let Some(error) = failed {
            return Err(error);
        }
        let sent = streamed.and_then(|()| match self.is_sealed() {
            true => Ok(()),
            false => Err(Fault::Answer("what it sent is not what its digest says".to_owned())),
        });
        Ok(sent)
    }

    /// Whether the last 32 bytes are the digest of the others, in a file of the length that etcdctl accepts.
    fn is_sealed(&self) -> bool {
        let digest = self.digest.clone().finish();
        self.tail == digest.as_ref() && self.size % 512 == DIGEST as u64
    }

    /// The digest of the file.
    fn of_file(&self) -> Digest {
        let mut all = self.digest.clone();
        all.update(&self.tail);
        <[u8; DIGEST]>::try_from(all.finish().as_ref()).unwrap_or_default().into()
    }
}

impl Writing {
    /// From the database on the disk, as of one transaction: again if etcd has written to it meanwhile.
    fn copy(&mut self, file: &mut PagedFile) -> Result<(), Error> {
        for _ in 0..LONG {
            let before = head(file)?;
            let size = file.size().map_err(|error| failed(file, &error.into()))?;
            // Every page in use is before that: a page has at least 512 bytes.
            self.pages(file, size - size % 512)?;
            if head(file)?.transaction == before.transaction {
                let digest = self.of_file();
                return self.write(digest.as_bytes());
            }
            self.restart()?;
        }
        Err(failed(file, &ReadError::Busy { attempts: LONG }))
    }

    fn pages(&mut self, file: &mut PagedFile, size: u64) -> Result<(), Error> {
        self.need(size)?;
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
            let Some(piece) = buffer.get_mut(..length) else { break };
            file.read(at, piece).map_err(|error| failed(file, &error.into()))?;
            self.write(piece)?;
            at += length as u64;
        }
        Ok(())
    }

    /// Syncs the snapshot, reads it back and gives it its name.
    fn finish(mut self, source: SnapshotSource) -> Result<SavedSnapshot, Error> {
        self.new.sync()?;
        let totals = Database::open(&mut self.new).and_then(|mut database| database.totals());
        let what = "save a snapshot of etcd: what was written";
        let totals =
            totals.map_err(|error| Error::from(DatabaseFailure { what, path: None, error: &error }))?;
        let (size, sha256, figures) = (self.size, self.of_file(), SnapshotFigures::from(&totals));
        let path = self.new.name()?;
        let (sha256, status) = (Some(sha256), Some(figures));
        Ok(SavedSnapshot { path, dry_run: false, source, size, sha256, status })
    }
}

/// The newest transaction of a database.
fn head(file: &mut PagedFile) -> Result<Meta, Error> {
    let meta = Database::open(file).map(|database| database.meta());
    meta.map_err(|error| failed(file, &error))
}

/// The database cannot be read to its end.
fn failed(file: &PagedFile, error: &ReadError) -> Error {
    let what = "save a snapshot of etcd: its database";
    DatabaseFailure { what, path: Some(file.path()), error }.into()
}
