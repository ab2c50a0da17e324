//! Looking around on a node beyond what an archive holds: etcd's data, space, forgotten keys.

use std::path::{Path, PathBuf};

use crate::analysis::inventory::Inventory;
use crate::analysis::surroundings::{EtcdData, Surroundings};
use crate::disk::Root;
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
) -> Surroundings {
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
    let space = places.into_iter().filter_map(|path| {
        let free = root.free_space(Path::new(&path)).ok()?;
        Some((path, free))
    });
    let space = if is_disk { space.collect() } else { Vec::new() };
    Surroundings { etcd, space, strays: root.strays(snapshot), time_is_the_clocks }
}
