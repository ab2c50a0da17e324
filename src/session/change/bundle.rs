//! Putting a bundle on its node: decrypted in memory, checked against the node, then archived and replaced like any change.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::arguments::WriteArgs;
use super::restore::{missing_parents, put};
use super::{refuse, refuse_if_interrupted};
use crate::analysis::forensics::bundle::{differing_servers, placed, refusals};
use crate::analysis::forensics::restore::{Archived, Options, RestorePlan, restore};
use crate::analysis::node::facts::Facts;
use crate::analysis::node::findings::{Finding, Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::disk::archive::{self, Manifest};
use crate::disk::{Root, transaction, workstation};
use crate::error::{Error, FileFailure};
use crate::issue::encryption::{DecryptWith, NotDecrypted, decrypt, needs_passphrase};
use crate::session::Context;
use crate::session::input::host_state::look_around;
use crate::session::input::source::{RootArgs, read_again};
use crate::state::{ChangeSet, Class, Code, Snapshot};

const FROM: &str = "name the file that kuberescue bundle create has written";

/// A bundle as a file.
pub struct Encrypted {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
    pub needs_passphrase: bool,
}

impl Encrypted {
    /// # Errors
    /// It can't be read, or is not encrypted with age.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = workstation::read(path).map_err(|error| unreadable(path, &error, FROM))?;
        let needs_passphrase =
            needs_passphrase(&bytes).ok_or_else(|| not_decrypted(path, NotDecrypted::NotEncrypted))?;
        Ok(Self { path: path.to_owned(), bytes, needs_passphrase })
    }

    /// # Errors
    /// It is not decrypted with this, or no bundle is in it.
    pub fn open(&self, with: &DecryptWith) -> Result<(Snapshot, Manifest), Error> {
        let plain = decrypt(&self.bytes, with).map_err(|why| not_decrypted(&self.path, why))?;
        match archive::read(plain.as_slice()) {
            Ok((snapshot, Some(manifest))) => Ok((snapshot, manifest)),
            Ok((_, None)) => Err(self.no_bundle("it has no manifest of kuberescue's")),
            Err(error) => Err(self.no_bundle(&error.to_string())),
        }
    }

    fn no_bundle(&self, why: &str) -> Error {
        let what = format!("cannot use {}: what was decrypted is no bundle: {why}", self.path.display());
        Error::could_not_run(what).code(Code::ArchiveDamaged).hint(FROM)
    }
}

/// # Errors
/// It can't be read, or holds no text.
pub fn passphrase_in(path: &Path) -> Result<Zeroizing<String>, Error> {
    let hint = "the file holds the passphrase on its first line";
    let read = if path == Path::new("-") { workstation::read_input() } else { workstation::read(path) };
    let bytes = read.map_err(|error| unreadable(path, &error, hint))?;
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(first.trim_ascii()) {
        Ok(text) if !text.is_empty() => Ok(Zeroizing::new(text.to_owned())),
        _ => {
            let what = format!("cannot use {}: there is no passphrase on its first line", path.display());
            Err(Error::usage(what).hint(hint))
        }
    }
}

/// The private keys of a file of age-keygen.
///
/// # Errors
/// It can't be read.
pub fn identities_in(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    workstation::read(path).map_err(|error| unreadable(path, &error, "age-keygen -o FILE writes one"))
}

fn unreadable(path: &Path, error: &std::io::Error, hint: &str) -> Error {
    let mut failure = Error::from(FileFailure { path, error });
    failure.hints = vec![hint.to_owned()];
    failure
}

fn not_decrypted(path: &Path, why: NotDecrypted) -> Error {
    let hint = match why {
        NotDecrypted::NotEncrypted => FROM,
        NotDecrypted::WrongPassphrase => "type the passphrase that bundle create has shown, with its hyphens",
        NotDecrypted::NotForThese | NotDecrypted::NoIdentities => {
            "name the file with the private key of the recipient: --identity FILE"
        }
        NotDecrypted::NeedsPassphrase => "leave --identity out, or use --passphrase-file FILE",
        NotDecrypted::NeedsIdentity => {
            "name the file with the private key of the recipient: --identity FILE (age-keygen writes it)"
        }
        NotDecrypted::TooMuchWork(_) => {
            "decrypt it with age, and make a new bundle: kuberescue bundle create"
        }
        NotDecrypted::Damaged => "copy it again, and compare: sha256sum FILE, here and where it was made",
    };
    Error::could_not_run(format!("cannot decrypt {}: {why}", path.display()))
        .code(Code::NotDecrypted)
        .hint(hint)
}

/// A node with the change that a bundle makes.
pub struct Delivery {
    pub root: Root,
    pub plan: RestorePlan,
    pub changes: ChangeSet,
    pub is_worker: bool,
    /// Findings that remain.
    pub findings: Vec<Finding>,
    node: Snapshot,
    inventory: Inventory,
}

/// Reads the node and plans. Writes nothing.
///
/// # Errors
/// The bundle is for another node or cluster, or the node would not work with it; all but the last are printed before.
pub fn prepare(
    (bundle, manifest): (&Snapshot, &Manifest),
    args: &WriteArgs,
    context: &mut Context<'_>,
) -> Result<Delivery, Error> {
    let now = args.at.unwrap_or(context.now);
    let root = args.root.open()?;
    refuse_if_interrupted(&root)?;
    let (node, inventory) = args.root.read_beside(&root, bundle)?;
    let accepted = args.accepted();
    let content = Inventory::read(bundle, None);
    let mut refused = refusals(&manifest.node, &content, &inventory);
    refused.retain(|refusal| !accepted.contains(&refusal.code));
    refuse(&refused, context)?;

    let files = placed(bundle, &node, &inventory, now);
    let missing_parents = missing_parents(&root, &files);
    // Where this node's kubelet keeps its files is a place of this node.
    let placed_here = Inventory::with_facts(&files, inventory.facts.clone());
    let archived = Archived {
        snapshot: &files,
        inventory: &placed_here,
        is_ours: true,
        missing_parents: &missing_parents,
    };
    let options = Options { exact: false, accept_node: true };
    let (mut plan, changes) = restore(&archived, &node, &inventory, options, now);
    plan.node = Some(manifest.node.clone());
    plan.stays.clear();
    if let Some((new, kept)) = differing_servers(bundle, &files, &inventory) {
        plan.notes.push(format!("kubelet.conf keeps its API server {kept}; the bundle was made for {new}"));
    }
    if let Some(left) = plan.left_out.first() {
        let what = format!("cannot put the bundle on this node: {}: {}", left.path.display(), left.why);
        return Err(Error::refused(Code::NotReplaceable, what)
            .hint("kuberescue diagnose shows which files this node's kubelet and components read"));
    }
    let is_worker = !inventory.is_control_plane();
    let mut delivery = Delivery { root, plan, changes, is_worker, findings: Vec::new(), node, inventory };
    let before = delivery.judge(&args.root, &delivery.node, now);
    delivery.findings = delivery.judge(&args.root, &delivery.node.with(&delivery.changes), now);
    if let Some(error) = delivery.useless(&before, &accepted) {
        return Err(error);
    }
    transaction::preview(&delivery.root, &delivery.changes)?;
    Ok(delivery)
}

impl Delivery {
    fn judge(&self, args: &RootArgs, snapshot: &Snapshot, now: jiff::Timestamp) -> Vec<Finding> {
        let mut inventory = Inventory::with_facts(snapshot, Facts::read(snapshot, args.cert_dir.as_deref()));
        if self.is_worker {
            inventory.without_missing();
        }
        // What is written now says nothing about the clock; the certificates do.
        let around =
            HostState { time_is_the_clocks: false, ..look_around(&self.root, snapshot, &inventory, false) };
        findings(Node { snapshot, inventory: &inventory, around: &around }, now)
    }

    /// The first blocking problem that the bundle brings, or leaves in what it replaces, but for accepted ones.
    fn useless(&self, before: &[Finding], accepted: &[Code]) -> Option<Error> {
        // What else is wrong with a node may only be seen once its kubelet has credentials.
        let is_new = |finding: &Finding| {
            finding.code.page().class == Class::Credential
                && !before.iter().any(|old| old.code == finding.code && old.subject == finding.subject)
        };
        let is_ours = |finding: &Finding| {
            let end = self.node.resolve(&finding.path).map(|end| end.path);
            let paths = [Some(&finding.path), end.as_ref().ok()];
            paths.into_iter().flatten().any(|path| self.changes.get(path).is_some())
        };
        let stands = |finding: &&Finding| {
            finding.is_blocker() && !accepted.contains(&finding.code) && (is_new(finding) || is_ours(finding))
        };
        let first = self.findings.iter().find(stands)?;
        let what = format!("the node would not work with this bundle: {}: {}", first.subject, first.what);
        let node = self.plan.node.as_deref().unwrap_or("NODE");
        let hint =
            format!("where the CA's key is, make another: sudo kuberescue bundle create --node {node}");
        Some(Error::refused(first.code, what).hint(hint))
    }

    /// Archives the old state and puts the bundle in place; returns the archive's path. Afterwards the findings are those of the
    /// node as it is.
    ///
    /// # Errors
    /// Another run is in progress, or the change failed; the error says whether anything was changed.
    pub fn carry_out(&mut self, args: &WriteArgs, context: &mut Context<'_>) -> Result<PathBuf, Error> {
        let (before, directory) = ((&self.node, &self.inventory), args.archive_dir.as_deref());
        let archive = put(&self.root, before, &self.changes, "before bundle apply", directory, context)?;
        let expected = self.node.with(&self.changes);
        let facts = Facts::read(&expected, args.root.cert_dir.as_deref());
        let snapshot = read_again(&self.root, &facts, &expected);
        self.findings = self.judge(&args.root, &snapshot, args.at.unwrap_or(context.now));
        Ok(archive)
    }

    /// The node with the bundle.
    pub fn inventory(&self) -> Inventory {
        let snapshot = self.node.with(&self.changes);
        Inventory::with_facts(&snapshot, Facts::read(&snapshot, None))
    }
}
