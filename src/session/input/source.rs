//! Reading a node: from its root directory, or from an archive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::records::{self, Wanted};
use super::who::{self, Signs};
use crate::analysis::node::facts::Facts;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::kind::{self, NodeKind};
use crate::analysis::node::scope;
use crate::disk::{Depth, Reader, Root, archive};
use crate::error::{Error, RootFailure, denied};
use crate::session::Context;
use crate::state::{Code, Snapshot, Unread, catalog};

/// How many rounds of references to further files are followed.
const ROUNDS: usize = 8;

/// Which node.
#[derive(clap::Args, Debug)]
pub struct RootArgs {
    /// Root directory of the node: / on the node itself, or where its disk is mounted. Commands that
    /// only read also take an archive (tar, tar.gz)
    #[arg(long, default_value = "/", value_name = "DIR", alias = "rootfs")]
    pub root: PathBuf,
    /// The PKI directory inside the root [default: what the manifests say]
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
}

impl RootArgs {
    /// Reads a node or an archive of one.
    ///
    /// # Errors
    /// It doesn't exist, cannot be read, or is no kubeadm node.
    pub fn read(&self) -> Result<Inventory, Error> {
        self.read_all().map(|(_, inventory, _)| inventory)
    }

    /// Reads a node with all its files: from its root, which is returned too, or from an archive.
    ///
    /// # Errors
    /// As [`RootArgs::read`].
    pub fn read_all(&self) -> Result<(Snapshot, Inventory, Option<Root>), Error> {
        if self.root.is_file() {
            let snapshot = self.open_archive()?;
            let inventory = self.inventory_of(&snapshot)?;
            return Ok((snapshot, inventory, None));
        }
        let root = self.open()?;
        let (snapshot, inventory) = self.read_whole(&root)?;
        Ok((snapshot, inventory, Some(root)))
    }

    fn open_archive(&self) -> Result<Snapshot, Error> {
        let (snapshot, _) = archive::open(&self.root).map_err(|error| {
            let what = format!(
                "cannot use --root {}: neither a directory nor an archive that can be read: {error}",
                self.root.display()
            );
            Error::could_not_run(what)
                .code(Code::RootUnreadable)
                .hint("--root takes the root directory of a node, or an archive of it (tar, tar.gz)")
        })?;
        Ok(snapshot)
    }

    /// The root as a directory: what a command that writes needs.
    ///
    /// # Errors
    /// It doesn't exist, cannot be read, or is an archive.
    pub fn open(&self) -> Result<Root, Error> {
        if self.root.is_file() {
            let what = format!("cannot change --root {}: it is an archive", self.root.display());
            return Err(Error::usage(what).hint("name the root directory of a node"));
        }
        open_root(&self.root, "--root takes the directory under which the node's /etc/kubernetes is")
    }

    /// Reads the node below an open root.
    ///
    /// # Errors
    /// It is no kubeadm node.
    pub fn read_from(&self, root: &Root) -> Result<(Snapshot, Inventory), Error> {
        self.read_with(root, Wanted::Status)
    }

    /// The same with the cluster's objects in etcd's database: for a judgement.
    ///
    /// # Errors
    /// As [`RootArgs::read_from`].
    pub fn read_whole(&self, root: &Root) -> Result<(Snapshot, Inventory), Error> {
        self.read_with(root, Wanted::Objects)
    }

    fn read_with(&self, root: &Root, wanted: Wanted) -> Result<(Snapshot, Inventory), Error> {
        let (snapshot, mut facts) = self.snapshot(root);
        records::record(root, &mut facts, wanted);
        let inventory = self.inventory(&snapshot, facts, &Signs::Disk(root))?;
        Ok((snapshot, inventory))
    }

    /// The inventory of a snapshot.
    ///
    /// # Errors
    /// It is no kubeadm node.
    pub fn inventory_of(&self, snapshot: &Snapshot) -> Result<Inventory, Error> {
        let facts = Facts::read(snapshot, self.cert_dir.as_deref());
        self.inventory(snapshot, facts, &Signs::Archive(snapshot))
    }

    fn inventory(&self, snapshot: &Snapshot, facts: Facts, signs: &Signs<'_>) -> Result<Inventory, Error> {
        let mut inventory = Inventory::with_facts(snapshot, facts);
        refuse_denied(snapshot, &inventory)?;
        if inventory.is_control_plane() {
            return Ok(inventory);
        }
        match who::kind(signs, &inventory) {
            NodeKind::ControlPlane => {}
            NodeKind::Worker => inventory.without_missing(),
            other => return Err(who::not_kubeadm(other, &self.root, snapshot, &inventory)),
        }
        Ok(inventory)
    }

    /// Reads a node whose certificates are to be reissued.
    ///
    /// # Errors
    /// As [`RootArgs::read_from`], and if it is a worker.
    pub fn read_control_plane(&self, root: &Root) -> Result<(Snapshot, Inventory), Error> {
        let (snapshot, inventory) = self.read_whole(root)?;
        refuse_as_worker(root, &inventory)?;
        Ok((snapshot, inventory))
    }

    /// Reads a node whose CA signs something for use elsewhere, within milliseconds: the cluster's objects only where
    /// nothing else says where its API server is.
    ///
    /// # Errors
    /// As [`RootArgs::read_control_plane`].
    pub fn read_signing(&self, root: &Root) -> Result<(Snapshot, Inventory), Error> {
        let (snapshot, inventory) = self.read_from(root)?;
        refuse_as_worker(root, &inventory)?;
        match inventory.endpoint {
            Some(_) => Ok((snapshot, inventory)),
            None => self.read_whole(root),
        }
    }

    /// Reads the root, kubeadm node or not, and each path of `more` too: for the comparison with an archive.
    ///
    /// # Errors
    /// Permission denied.
    pub fn read_beside(&self, root: &Root, more: &Snapshot) -> Result<(Snapshot, Inventory), Error> {
        let (mut snapshot, facts) = self.snapshot(root);
        for (path, _) in more.iter() {
            if snapshot.get(path).is_none() {
                root.read(&mut snapshot, path, Depth::File);
            }
        }
        let inventory = Inventory::with_facts(&snapshot, facts);
        refuse_denied(&snapshot, &inventory)?;
        Ok((snapshot, inventory))
    }

    fn snapshot(&self, root: &Root) -> (Snapshot, Facts) {
        let mut reading = Reading::of_fixed_set(root, None);
        let mut facts = Facts::read(reading.snapshot(), self.cert_dir.as_deref());
        for _ in 0..ROUNDS {
            if !reading.referred(&facts) {
                break;
            }
            facts = Facts::read(reading.snapshot(), self.cert_dir.as_deref());
        }
        (reading.trees(&facts), facts)
    }
}

fn refuse_as_worker(root: &Root, inventory: &Inventory) -> Result<(), Error> {
    match who::kind(&Signs::Disk(root), inventory) {
        NodeKind::Worker => Err(who::worker(inventory, "sign a certificate here")),
        _ => Ok(()),
    }
}

/// Reads a node's credentials and manifests again after a change of credentials; its other facts are known. What it should be
/// like now has been parsed: files that are so are not parsed again.
pub fn read_again(root: &Root, facts: &Facts, expected: &Snapshot) -> Snapshot {
    let mut reading = Reading::of_fixed_set(root, Some(expected));
    // Kubeconfigs, then what they name.
    for _ in 0..ROUNDS {
        if !reading.referred(facts) {
            break;
        }
    }
    reading.trees(facts)
}

/// A node that is being read: what is referred to first, then whole directories, as far as the limits allow.
struct Reading<'a> {
    reader: Reader<'a>,
    /// What was asked for by name: it is read once.
    asked: BTreeSet<(PathBuf, Depth)>,
    /// The credentials that the files read so far name, and where they usually are.
    named: Vec<PathBuf>,
}

impl<'a> Reading<'a> {
    /// Reads the files that are read of every node.
    fn of_fixed_set(root: &'a Root, earlier: Option<&'a Snapshot>) -> Self {
        let mut reader = Reader::new(root, earlier);
        for file in scope::FILES.iter().chain(&scope::CLOCKS) {
            reader.read(Path::new(file), Depth::File);
        }
        for unit in scope::units() {
            reader.read(&unit, Depth::Tree);
        }
        let homes = Path::new(scope::HOMES);
        for home in root.names(homes) {
            reader.read(&homes.join(home).join(".kube/config"), Depth::File);
        }
        Self { reader, asked: BTreeSet::new(), named: Vec::new() }
    }

    fn snapshot(&self) -> &Snapshot {
        self.reader.snapshot()
    }

    /// Reads what the files read so far refer to; returns whether anything new was found.
    fn referred(&mut self, facts: &Facts) -> bool {
        let known = self.snapshot().count();
        let mut named = scope::credentials(facts);
        named.extend(scope::referred(self.snapshot(), facts));
        for path in &named {
            self.ask(path, Depth::File);
        }
        self.named = named;
        for path in scope::configured(facts) {
            self.ask(path, Depth::Tree);
        }
        self.snapshot().count() > known
    }

    fn ask(&mut self, path: &Path, depth: Depth) {
        if self.snapshot().get(path).is_none() && self.asked.insert((path.to_owned(), depth)) {
            self.reader.read(path, depth);
        }
    }

    /// Reads whole directories, and the entries of those in which credentials are elsewhere.
    fn trees(mut self, facts: &Facts) -> Snapshot {
        for tree in scope::trees(facts) {
            self.reader.read(tree, Depth::Tree);
        }
        for directory in scope::directories(self.snapshot(), &self.named) {
            self.reader.read(&directory, Depth::File);
        }
        self.reader.into_snapshot()
    }
}

/// Opens a root directory; `hint` explains the value of --root.
///
/// # Errors
/// It doesn't exist, or cannot be read.
pub fn open_root(path: &Path, hint: &str) -> Result<Root, Error> {
    Ok(Root::open(path).map_err(|error| RootFailure { error, hint })?)
}

/// Before any verdict: permission denied does not mean that a file is broken.
fn refuse_denied(snapshot: &Snapshot, inventory: &Inventory) -> Result<(), Error> {
    kind::denied(snapshot, inventory).map_or(Ok(()), |path| Err(not_read(&path)))
}

/// Refuses if the tool's own directory, with the archives and the history, can't be read.
///
/// # Errors
/// Permission denied.
pub fn refuse_denied_archives(root: &Root) -> Result<(), Error> {
    let mut there = Snapshot::default();
    root.read(&mut there, Path::new(catalog::RESCUE_DIR), Depth::File);
    let closed = there.unread().find(|(_, why)| matches!(why, Unread::Denied));
    closed.map_or(Ok(()), |(path, _)| Err(not_read(path)))
}

fn not_read(path: &Path) -> Error {
    let error = denied("read", path, "permission denied");
    if error.code == Some(Code::NotRoot) { error } else { error.code(Code::RootUnreadable) }
}

/// What of a snapshot goes into an archive.
pub fn archived(snapshot: &Snapshot) -> Snapshot {
    let entries = snapshot.iter().filter(|(path, _)| scope::is_archived(path));
    entries.map(|(path, entry)| (path.to_owned(), entry.clone())).collect()
}

/// The metadata of an archive.
pub fn about(inventory: &Inventory, reason: &str, context: &Context<'_>) -> archive::About {
    archive::About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created: context.now,
        host: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default(),
        node: inventory.facts.node_name.as_ref().map(|node| node.value.clone()).unwrap_or_default(),
        command: context.command_line.clone(),
        reason: reason.to_owned(),
    }
}
