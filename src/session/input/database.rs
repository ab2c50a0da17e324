//! etcd's database as the commands find it: a file that is named, or that of a node.

use std::path::Path;

use jiff::Timestamp;

use super::source::{RootArgs, open_root};
use crate::disk::PagedFile;
use crate::error::{DatabaseFailure, Error};
use crate::formats::bolt::ReadError;
use crate::formats::etcd::{Database, REGISTRY};
use crate::state::text::count;
use crate::state::time::minute;
use crate::state::{Code, Snapshot};

/// A database, open, and where it is.
#[derive(Debug)]
pub struct OpenDatabase {
    pub file: PagedFile,
    /// When etcd wrote to it last.
    pub modified: Timestamp,
    /// What the keys of the cluster's objects begin with.
    pub prefix: String,
}

impl OpenDatabase {
    /// Opens `file`, a database or a snapshot, or else the database of the node.
    ///
    /// # Errors
    /// It doesn't exist, or cannot be read.
    pub fn of(file: Option<&Path>, root: &Path) -> Result<Self, Error> {
        let (file, prefix) = match file {
            Some(path) => (PagedFile::open(path).map_err(Error::from)?, REGISTRY.to_owned()),
            None => of_node(root)?,
        };
        let modified = file.modified().map_err(Error::from)?;
        Ok(Self { file, modified, prefix })
    }

    /// `633 keys as of revision 1645, written 2026-11-23 22:10 UTC (FILE)`.
    pub fn as_of(&self, keys: u64, revision: i64) -> String {
        let (written, path) = (minute(self.modified), self.file.path().display());
        format!("{} as of revision {revision}, written {written} ({path})", count(keys, "key"))
    }

    /// What `read` makes of the database.
    ///
    /// # Errors
    /// It is none, is damaged, or etcd writes to it too often.
    pub fn read<T>(
        &mut self,
        read: impl FnOnce(&mut Database<'_>) -> Result<T, ReadError>,
    ) -> Result<T, Error> {
        let result = Database::open(&mut self.file).and_then(|mut database| read(&mut database));
        let path = self.file.path().to_owned();
        let what = format!("read etcd's database {}", path.display());
        result.map_err(|error| DatabaseFailure { what: &what, path: Some(&path), error: &error }.into())
    }
}

/// The database in the data directory that the node's manifest names, or else in kubeadm's, and its prefix.
fn of_node(root: &Path) -> Result<(PagedFile, String), Error> {
    let arguments = RootArgs { root: root.to_owned(), cert_dir: None };
    let root = open_root(root, "--root takes the directory under which etcd's /var/lib/etcd is")?;
    let (_, inventory) = arguments.read_beside(&root, &Snapshot::default())?;
    let path = inventory.facts.etcd_database();
    let file = root.pages(&path).map_err(Error::from)?.ok_or_else(|| {
        let what = format!("cannot read etcd's database: {} not found", root.on_host(&path).display());
        Error::could_not_run(what)
            .code(Code::EtcdDataMissing)
            .hint("name a database or a snapshot: kuberescue etcd status FILE")
    })?;
    Ok((file, inventory.facts.etcd_prefix()))
}
