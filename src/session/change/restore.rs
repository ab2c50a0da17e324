//! Restoring an archived state: read both, plan, archive the current state, apply.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Old, refuse_if_interrupted, replace, take_lock};
use crate::analysis::forensics::restore::{Archived, Options, RestorePlan, restore};
use crate::analysis::node::inventory::Inventory;
use crate::disk::{Depth, Root, transaction};
use crate::error::Error;
use crate::session::Context;
use crate::session::input::source::{RootArgs, about};
use crate::state::{ChangeSet, Snapshot, catalog};

pub struct Prepared {
    pub root: Root,
    /// What will be done, for the user.
    pub plan: RestorePlan,
    pub changes: ChangeSet,
    node: Snapshot,
    inventory: Inventory,
}

/// Reads the node and the archive, and plans. Writes nothing.
///
/// # Errors
/// The archive holds no kubeadm node, or an earlier change of this node was interrupted.
pub fn prepare(
    root: Root,
    args: &RootArgs,
    archive: &Snapshot,
    is_ours: bool,
    options: Options,
    context: &Context<'_>,
) -> Result<Prepared, Error> {
    let archived = args.inventory_of(archive)?;
    refuse_if_interrupted(&root)?;
    let (node, inventory) = args.read_beside(&root, archive)?;
    let missing_parents = missing_parents(&root, archive);
    let archive =
        Archived { snapshot: archive, inventory: &archived, is_ours, missing_parents: &missing_parents };
    let (plan, changes) = restore(&archive, &node, &inventory, options, context.now);
    if plan.refusals.is_empty() {
        transaction::preview(&root, &changes)?;
    }
    Ok(Prepared { root, plan, changes, node, inventory })
}

/// Parent directories of the archive's paths that the node lacks: on an empty disk `/etc`. Those of the
/// tool's own directory are created with its lock.
pub(super) fn missing_parents(root: &Root, archive: &Snapshot) -> Vec<PathBuf> {
    let own = Path::new(catalog::RESCUE_DIR);
    let above: BTreeSet<&Path> = archive.iter().flat_map(|(path, _)| path.ancestors().skip(1)).collect();
    let is_missing = |path: &&Path| {
        let mut there = Snapshot::default();
        root.read(&mut there, path, Depth::File);
        path.parent().is_some() && !own.starts_with(path) && there.get(path).is_none()
    };
    above.into_iter().filter(is_missing).map(Path::to_owned).collect()
}

impl Prepared {
    /// Refuses if the plan does.
    ///
    /// # Errors
    /// The last refusal; the others are printed before.
    pub fn refuse(&self, context: &mut Context<'_>) -> Result<(), Error> {
        super::refuse(&self.plan.refusals, context)
    }
}

/// Archives the current state and applies the change; returns the archive's path.
///
/// # Errors
/// Another run is in progress, or the change failed; the error says whether anything was changed.
pub fn carry_out(
    prepared: &Prepared,
    archive_dir: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<PathBuf, Error> {
    let Prepared { root, node, inventory, changes, .. } = prepared;
    put(root, (node, inventory), changes, "before archive restore", archive_dir, context)
}

/// Archives a node as it is and applies the change; returns the archive's path.
///
/// # Errors
/// As [`carry_out`].
pub(super) fn put(
    root: &Root,
    (node, inventory): (&Snapshot, &Inventory),
    changes: &ChangeSet,
    reason: &str,
    archive_dir: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<PathBuf, Error> {
    let lock = take_lock(root, context)?;
    refuse_if_interrupted(root)?;
    let about = about(inventory, reason, context);
    let old = Old { snapshot: node, about: &about, directory: archive_dir };
    replace(root, &lock, &old, changes, context)
}
