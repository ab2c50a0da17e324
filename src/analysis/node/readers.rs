//! Who has to be able to read a file: the components that name it in a flag, as the users they run as.

use std::path::Path;

use super::inventory::Inventory;
use crate::formats::manifest::Manifest;
use crate::state::{Attributes, Snapshot};

/// Permission bits by which a private key is read by its owner alone.
const OWNER: u32 = 0o600;
/// With an access control list the group's bits are its mask (acl(5)): without them no entry of the list counts.
const ACL: &str = "system.posix_acl_access";

/// The components that read the file at a resolved path and are not root, which reads everything.
fn of<'a>(
    snapshot: &'a Snapshot,
    inventory: &'a Inventory,
    path: &'a Path,
) -> impl Iterator<Item = &'a Manifest> {
    let pods = inventory.facts.pods().map(|(_, pod)| pod);
    let names = move |named: &Path| {
        named.file_name().is_some() && snapshot.resolve(named).is_ok_and(|resolved| resolved.path == path)
    };
    pods.filter(|pod| pod.runs_as.uid != 0).filter(move |pod| pod.paths().any(|named| names(&named)))
}

/// Whether an access control list decides who reads a file.
fn has_acl(file: &Attributes) -> bool {
    file.xattrs.keys().any(|name| name == ACL)
}

/// The bits of the mode of a file with a private key that may stay: its owner's, and those that its readers need.
pub fn mask(snapshot: &Snapshot, inventory: &Inventory, path: &Path, file: &Attributes) -> u32 {
    let list = if has_acl(file) { 0o070 } else { 0 };
    let needed = of(snapshot, inventory, path).filter_map(|pod| pod.runs_as.needs(file.uid, file.gid));
    needed.fold(OWNER | list, |mask, bit| mask | bit)
}
