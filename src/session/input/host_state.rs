//! Looking around on a node or in an archive beyond its credentials: etcd's data, space, forgotten keys.

use std::path::{Path, PathBuf};

use crate::analysis::node::host_state::{EtcdData, Free, HostState, Interrupted};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::scope;
use crate::disk::parking::parked;
use crate::disk::{Root, strays_among, transaction};
use crate::formats::bolt;
use crate::state::Snapshot;

/// Where etcd of kubeadm keeps its data.
const ETCD_DATA: &str = "/var/lib/etcd";

/// What every system has: a root without it is a copy of some files, of which nothing else can be said.
const WHOLE_DISK: &str = "/usr";

/// Looks around. `time_is_the_clocks`: nobody asks about another moment.
pub fn look_around(
    root: &Root,
    snapshot: &Snapshot,
    inventory: &Inventory,
    time_is_the_clocks: bool,
) -> HostState {
    let is_disk = root.has_directory(Path::new(WHOLE_DISK));
    let etcd = inventory.facts.pod("etcd").filter(|_| is_disk).map(|(_, pod)| {
        let directory = PathBuf::from(pod.flag("data-dir").unwrap_or(ETCD_DATA));
        EtcdData {
            is_there: root.has_directory(&directory.join("member")),
            database: root.beginning(&directory.join("member/snap/db"), bolt::HEAD),
            directory,
        }
    });
    let mut places = vec![PathBuf::from("/etc/kubernetes"), PathBuf::from("/var/lib/kubelet")];
    places.extend(etcd.iter().map(|etcd| etcd.directory.clone()));
    let space = if is_disk { space(root, places) } else { Vec::new() };
    HostState {
        etcd,
        space,
        strays: root.strays(snapshot),
        interrupted: interrupted(root),
        time_is_the_clocks,
    }
}

/// A change or a restart that did not end. A record that can't be read counts: nobody knows what it would say.
fn interrupted(root: &Root) -> Option<Interrupted> {
    let unreadable = |error: crate::disk::Error| Interrupted::Unreadable(error.to_string());
    match parked(root) {
        Err(error) => return Some(unreadable(error)),
        Ok(Some(away)) => {
            let manifests = away.manifests.iter().map(|manifest| manifest.path.clone());
            return Some(Interrupted::Restart(manifests.collect()));
        }
        Ok(None) => {}
    }
    match transaction::pending(root) {
        Err(error) => Some(unreadable(error)),
        Ok(journal) => journal.map(|journal| Interrupted::Change {
            journal: PathBuf::from(crate::state::catalog::RESCUE_DIR).join("journal.json"),
            command: journal.command,
            files: journal.changes.len(),
        }),
    }
}

/// What an archive holds beyond the node's own files: the node's files alone, and what lies about.
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
