//! How to restore an archived state: a plan for the user and the [`ChangeSet`] that carries it out, both
//! functions of the two states. Paths that are not in the archive stay, unless `exact` is set.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::admission::{self, LeftOut};
use super::compare::{CredentialChange, PathChange, credentials, paths};
use crate::analysis::node::findings::is_secret;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{Refusal, Restarts, restarts};
use crate::analysis::node::scope;
use crate::state::text::{self, count};
use crate::state::{Attributes, ChangeSet, Code, Content, Entry, Snapshot};

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Remove what is not in the archive.
    pub exact: bool,
    /// Continue although the archive is of another node.
    pub accept_node: bool,
}

/// An archive that has been read.
pub struct Archived<'a> {
    pub snapshot: &'a Snapshot,
    pub inventory: &'a Inventory,
    /// Whether it has this tool's manifest. A plain tar has no labels, may have no exact times, and may hold
    /// an entire disk: only what this tool archives is taken from it.
    pub is_ours: bool,
    /// Directories above its paths that the node lacks: they are created.
    pub missing_parents: &'a [PathBuf],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePlan {
    /// The node's name in the archive.
    pub node: Option<String>,
    /// Credentials that differ: before is the node's, after the archive's.
    pub credentials: Vec<CredentialChange>,
    /// Paths that will change.
    #[serde(rename = "items")]
    pub paths: Vec<PathChange>,
    /// How many paths are the same in both.
    pub same: usize,
    /// Paths of the node that the archive doesn't know, and that stay.
    #[serde(serialize_with = "text::list")]
    pub stays: Vec<PathBuf>,
    /// Paths of the archive that are not restored, and why.
    pub left_out: Vec<LeftOut>,
    /// What stops the plan: an error, not a part of the document.
    #[serde(skip)]
    pub refusals: Vec<Refusal>,
    pub restarts: Restarts,
    pub notes: Vec<String>,
}

/// Decides. `node` is the node as it is now, with every path of the archive looked at.
pub fn restore(
    archive: &Archived<'_>,
    node: &Snapshot,
    inventory: &Inventory,
    options: Options,
    now: Timestamp,
) -> (RestorePlan, ChangeSet) {
    let (admitted, left_out) =
        admission::admitted((archive.snapshot, &archive.inventory.facts), (node, &inventory.facts));
    let wanted = wanted(archive, &admitted, node);
    let (mut changes, mut stays) = (ChangeSet::default(), Vec::new());
    for (path, entry) in wanted.iter() {
        changes.put(path, node.get(path).cloned(), Some(entry.clone()));
    }
    let facts = &inventory.facts;
    let trees = [&facts.pki_dir.value, &facts.manifest_dir.value, &facts.kubelet_pki_dir.value];
    let trees: Vec<&Path> =
        scope::TREES.iter().map(Path::new).chain(trees.into_iter().map(PathBuf::as_path)).collect();
    let added = node.iter().filter(|(path, entry)| {
        let readable = !matches!(entry.content, Content::Unread(_));
        let ours = trees.iter().any(|tree| path.starts_with(tree));
        archive.snapshot.get(path).is_none() && readable && ours
    });
    for (path, entry) in added {
        if options.exact && !holds_more(path, &wanted) {
            changes.put(path, Some(entry.clone()), None);
        } else if !matches!(entry.content, Content::Directory) {
            stays.push(path.to_owned());
        }
    }
    let changes = without_what_stays(&changes);
    let after = node.with(&changes);
    let predicted = Inventory::read(&after, None);
    let (paths, _) = paths(&of(&changes, node), &of(&changes, &after));
    let changed: Vec<_> = changes.iter().map(|change| change.path.clone()).collect();
    let plan = RestorePlan {
        node: archive.inventory.facts.node_name.as_ref().map(|node| node.value.clone()),
        credentials: credentials(inventory, &predicted),
        same: wanted.iter().filter(|(path, _)| changes.get(path).is_none()).count(),
        stays,
        left_out,
        refusals: refusals(archive, inventory, options),
        restarts: restarts::reading(&predicted, &after, &changed),
        notes: notes(archive, inventory, &changes, now),
        paths,
    };
    (plan, changes)
}

/// The state that the archive describes, as far as it may be restored.
fn wanted(archive: &Archived<'_>, admitted: &Snapshot, node: &Snapshot) -> Snapshot {
    let mut wanted = Snapshot::default();
    for (path, entry) in admitted.iter() {
        let mut entry = entry.clone();
        let there = node.get(path);
        entry.attributes = admission::limited(&entry, there);
        if !archive.is_ours
            && let Some(there) = there
        {
            // A plain tar may have neither; then the node's are kept.
            if entry.attributes.xattrs.is_empty() {
                entry.attributes.xattrs.clone_from(&there.attributes.xattrs);
            }
            if entry.attributes.mtime.as_second() == there.attributes.mtime.as_second() {
                entry.attributes.mtime = there.attributes.mtime;
            }
        }
        if entry.content == Content::Directory
            && there.is_some_and(|there| there.content == Content::Directory)
        {
            // A directory's time changes with every name in it.
            entry.attributes.mtime = Timestamp::default();
        }
        wanted.insert(path, entry);
    }
    for parent in archive.missing_parents {
        if wanted.get(parent).is_none() && holds_more(parent, &wanted) {
            let known = archive.snapshot.get(parent).filter(|entry| entry.content == Content::Directory);
            let plain = Attributes { mode: 0o755, ..Attributes::default() };
            let attributes = known.map_or(plain, |entry| admission::limited(entry, None));
            wanted.insert(parent, Entry { content: Content::Directory, attributes });
        }
    }
    wanted
}

/// Whether a directory must stay because of what will be in it.
fn holds_more(path: &Path, wanted: &Snapshot) -> bool {
    wanted.iter().any(|(other, _)| other != path && other.starts_with(path))
}

fn without_what_stays(changes: &ChangeSet) -> ChangeSet {
    let mut left = ChangeSet::default();
    for change in changes.iter() {
        let mut after = change.after.clone();
        if let (Some(before), Some(after)) = (&change.before, &mut after)
            && after.attributes.mtime == Timestamp::default()
        {
            after.attributes.mtime = before.attributes.mtime;
        }
        if change.before != after {
            left.put(&change.path, change.before.clone(), change.after.clone());
        }
    }
    left
}

fn of(changes: &ChangeSet, node: &Snapshot) -> Snapshot {
    let entries =
        changes.iter().filter_map(|change| Some((change.path.clone(), node.get(&change.path)?.clone())));
    entries.collect()
}

fn refusals(archive: &Archived<'_>, node: &Inventory, options: Options) -> Vec<Refusal> {
    let name = |inventory: &Inventory| Some(inventory.facts.node_name.as_ref()?.value.clone());
    let mut found = Vec::new();
    if options.exact && !archive.is_ours {
        found.push(Refusal {
            code: Code::ExactNeedsOwnArchive,
            what: "--exact removes what the archive doesn't know, and a plain tar may hold only a part of a node".to_owned(),
            hint: "leave --exact out; what stays is named in the plan".to_owned(),
            partial_helps: false,
        });
    }
    match (name(archive.inventory), name(node)) {
        (Some(theirs), Some(ours)) if theirs != ours && !options.accept_node => found.push(Refusal {
            code: Code::ArchiveOfAnotherNode,
            what: format!("the archive is of node {theirs}, and this is node {ours}: its certificates would not be valid here"),
            hint: "take an archive of this node (kuberescue archive list); if the node was renamed on purpose: --accept-node"
                .to_owned(),
            partial_helps: false,
        }),
        _ => {}
    }
    found
}

fn notes(archive: &Archived<'_>, node: &Inventory, changes: &ChangeSet, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    for old in &archive.inventory.authorities {
        let new = node.authority(old.authority).and_then(|row| row.certificate.get());
        if let (Some(old_certificate), Some(new)) = (old.certificate.get(), new)
            && old_certificate.spki != new.spki
        {
            notes.push(format!(
                "{} in the archive has another key than the one on this node: what the other nodes hold fits only one of them",
                old.authority.name()
            ));
        }
    }
    let spki = |inventory: &Inventory| Some(inventory.service_account.key.get()?.spki().to_vec());
    if let (Some(old), Some(new)) = (spki(archive.inventory), spki(node))
        && old != new
    {
        notes.push(
            "sa.key in the archive is another one: it invalidates every service account token issued since"
                .to_owned(),
        );
    }
    let expired = archive.inventory.leaves.iter().filter_map(|leaf| leaf.row.certificate.get());
    let expired = expired.filter(|certificate| certificate.expired_at(now)).count();
    if expired > 0 {
        notes.push(format!(
            "expired in the archive: {}; kuberescue recover renews them afterwards",
            count(expired, "certificate")
        ));
    }
    if !archive.is_ours {
        notes.push("not made by kuberescue: there was no digest to check its content against".to_owned());
    }
    for change in changes.iter() {
        let modes = [archive.snapshot.get(&change.path), change.after.as_ref()]
            .map(|entry| entry.map(|entry| entry.attributes.mode));
        if let [Some(old), Some(new)] = modes
            && old != new
        {
            notes.push(format!("{}: restored with mode {new:04o}, not {old:04o}", change.path.display()));
        }
    }
    let wide = changes.iter().filter(|change| {
        change.after.as_ref().is_some_and(|entry| entry.attributes.mode & 0o077 != 0 && is_secret(entry))
    });
    for change in wide {
        let mode = change.after.as_ref().map_or(0, |entry| entry.attributes.mode);
        notes.push(format!("{}: a private key of mode {mode:04o}", change.path.display()));
    }
    notes
}
