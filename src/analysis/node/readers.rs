//! Who has to be able to read a file: the components that name it in a flag, as the users they run as.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::inventory::Inventory;
use crate::formats::access::ACL;
use crate::formats::manifest::Manifest;
use crate::state::{Attributes, Content, Snapshot};

/// Permission bits by which a private key is read by its owner alone.
const OWNER: u32 = 0o600;

/// The components that read the file at a resolved path and are not root, which reads everything.
pub(super) fn of<'a>(
    snapshot: &'a Snapshot,
    inventory: &'a Inventory,
    path: &'a Path,
) -> impl Iterator<Item = &'a Manifest> {
    let pods = inventory.facts.pods().map(|(_, pod)| pod);
    let names = move |named: &Path| {
        named.file_name().is_some() && snapshot.resolve(named).is_ok_and(|resolved| resolved.path == path)
    };
    pods.filter(|pod| pod.runs_as.is_checked()).filter(move |pod| pod.paths().any(|named| names(&named)))
}

/// Whether an access control list decides who reads a file. The group's bits are its mask (acl(5)): without them no entry
/// of the list counts.
fn has_acl(file: &Attributes) -> bool {
    file.xattrs.keys().any(|name| name == ACL)
}

/// The bits of the mode of a file with a private key that may stay: its owner's, and those that its readers need.
pub fn mask(snapshot: &Snapshot, inventory: &Inventory, path: &Path, file: &Attributes) -> u32 {
    let list = if has_acl(file) { 0o070 } else { 0 };
    let needed = of(snapshot, inventory, path).filter_map(|pod| pod.runs_as.needs(file.uid, file.gid));
    needed.fold(OWNER | list, |mask, bit| mask | bit)
}

/// Whom a new file with a private key belongs to: the only user that is not root and reads it. So does kubeadm for
/// components without root (`app/util/staticpod/utils.go`).
pub fn owner(snapshot: &Snapshot, inventory: &Inventory, path: &Path) -> Option<(u32, u32)> {
    let owner = |pod: &Manifest| (pod.runs_as.uid, pod.runs_as.gids.first().copied().unwrap_or(0));
    let mut readers = of(snapshot, inventory, path).filter(|pod| pod.runs_as.uid != 0);
    let first = readers.next()?;
    readers.all(|other| other.runs_as.uid == first.runs_as.uid).then(|| owner(first))
}

/// A mode of which bits are taken away together with the old key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Narrowed {
    #[serde(with = "crate::state::text")]
    pub path: PathBuf,
    /// Octal, as `chmod` takes them.
    pub before: String,
    pub after: String,
    /// Who reads the file.
    pub reason: String,
}

/// Whether the mode of a file is narrowed when its private key is replaced.
pub fn narrowed(snapshot: &Snapshot, inventory: &Inventory, path: &Path) -> Option<Narrowed> {
    let entry = snapshot.get(path).filter(|entry| matches!(entry.content, Content::File(_)))?;
    let before = entry.attributes.mode;
    let after = before & mask(snapshot, inventory, path, &entry.attributes);
    let mut readers: Vec<_> = of(snapshot, inventory, path)
        .map(|pod| format!("{} reads as uid {}", pod.name, pod.runs_as.uid))
        .collect();
    readers.dedup();
    if readers.is_empty() {
        readers.push("no component reads as another user than root".to_owned());
    }
    let reason = format!("it holds a private key, which {}", readers.join(" and "));
    let octal = |mode: u32| format!("{mode:04o}");
    (after != before).then(|| Narrowed {
        path: path.to_owned(),
        before: octal(before),
        after: octal(after),
        reason,
    })
}
