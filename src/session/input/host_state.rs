//! Reads the state of a node or an archive beyond its credentials: etcd's data, free space, stray keys.

use std::path::{Path, PathBuf};

use crate::analysis::node::host_state::{EtcdData, Free, HostState, Interrupted};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::scope;
use crate::disk::parking::parked;
use crate::disk::{self, Root, rescue, strays_among, transaction};
use crate::formats::bolt;
use crate::formats::etcd::DATABASE;
use crate::state::{Snapshot, catalog};

/// Every system has it: a root without it is a copy of some files, which says nothing about the host.
const WHOLE_DISK: &str = "/usr";

pub fn is_whole_disk(root: &Root) -> bool {
    root.has_directory(Path::new(WHOLE_DISK))
}

/// `time_is_the_clocks`: the time of evaluation is the machine's clock.
pub fn look_around(
    root: &Root,
    snapshot: &Snapshot,
    inventory: &Inventory,
    time_is_the_clocks: bool,
) -> HostState {
    let is_disk = is_whole_disk(root);
    let etcd = inventory.facts.etcd_data().filter(|_| is_disk).map(|directory| EtcdData {
        is_there: root.has_directory(&directory.join("member")),
        database: root.beginning(&directory.join(DATABASE), bolt::HEAD),
        directory,
    });
    let mut places = vec![PathBuf::from("/etc/kubernetes"), PathBuf::from("/var/lib/kubelet")];
    places.extend(etcd.iter().map(|etcd| etcd.directory.clone()));
    let space = if is_disk { space(root, places) } else { Vec::new() };
    HostState {
        etcd,
        space,
        strays: root.strays(snapshot),
        // An unreadable record counts: its content is unknown.
        interrupted: interrupted(root)
            .unwrap_or_else(|error| Some(Interrupted::Unreadable(error.to_string()))),
        time_is_the_clocks,
    }
}

/// An interrupted change or restart.
///
/// # Errors
/// Its record can't be read.
pub fn interrupted(root: &Root) -> Result<Option<Interrupted>, disk::Error> {
    if let Some(rescue) = rescue::pending(root)? {
        let record = Path::new(catalog::RESCUE_DIR).join(rescue::RECORD);
        return Ok(Some(Interrupted::Rescue { record, lost: rescue.lost }));
    }
    if let Some(away) = parked(root)? {
        let manifests = away.manifests.iter().map(|manifest| manifest.path.clone());
        return Ok(Some(Interrupted::Restart(manifests.collect())));
    }
    Ok(transaction::pending(root)?.map(|journal| Interrupted::Change {
        journal: Path::new(catalog::RESCUE_DIR).join("journal.json"),
        command: journal.command,
        files: journal.changes.len(),
    }))
}

/// The content of an archive, split into the node's own files and the state around them.
pub fn look_into(archive: &Snapshot, inventory: &Inventory) -> (Snapshot, HostState) {
    let own = scope::within(archive, &inventory.facts);
    let strays = strays_among(archive, &own);
    (own, HostState { strays, ..HostState::default() })
}

/// The file systems of these directories, each once.
fn space(root: &Root, places: Vec<PathBuf>) -> Vec<(PathBuf, Free)> {
    let mut seen = Vec::new();
    let asked = places.into_iter().filter_map(|path| Some((root.file_system(&path).ok()?, path)));
    asked
        .filter(|((id, _), _)| {
            let new = !seen.contains(id);
            seen.push(*id);
            new
        })
        .map(|((_, free), path)| (path, free))
        .collect()
}
