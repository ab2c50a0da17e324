//! What has to be restarted after a change.

use std::path::{Path, PathBuf};

use super::{Restart, Step};
use crate::analysis::node::inventory::{Inventory, Row};
use crate::state::Snapshot;

/// The static pods of a control plane, in the order in which they are to be restarted.
pub const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// What reads the credentials of these steps.
pub(in crate::analysis) fn of(inventory: &Inventory, steps: &[Step]) -> Vec<Restart> {
    let changed: Vec<_> = steps.iter().filter_map(|step| inventory.row(&step.name)).collect();
    restarts(inventory, &changed)
}

/// What reads credentials at these paths, which are free of links.
pub(in crate::analysis) fn reading(
    inventory: &Inventory,
    snapshot: &Snapshot,
    changed: &[PathBuf],
) -> Vec<Restart> {
    let is_changed = |path: &PathBuf| {
        let resolved = snapshot.resolve(path).map(|resolved| resolved.path);
        changed.contains(path) || resolved.is_ok_and(|resolved| changed.contains(&resolved))
    };
    let leafs = inventory.leafs.iter().map(|leaf| &leaf.row);
    let rows = leafs.chain([&inventory.kubelet_client, &inventory.kubelet_serving]);
    let rows: Vec<_> = rows.filter(|row| is_changed(&row.path) || is_changed(&row.key_path)).collect();
    restarts(inventory, &rows)
}

/// The kubelet, and which static pods read a changed file, by their flags and by what they mount, in the order in
/// which they are to be restarted.
fn restarts(inventory: &Inventory, changed: &[&Row]) -> Vec<Restart> {
    let rank = |name: &str| COMPONENTS.iter().position(|known| *known == name).unwrap_or(COMPONENTS.len());
    let mut found = Vec::new();
    let kubelets = [&inventory.kubelet_client, &inventory.kubelet_serving];
    let made = |row: &&&Row| changed.iter().any(|other| other.name == row.name);
    let because: Vec<_> = kubelets.iter().filter(made).map(|row| row.path.clone()).collect();
    if !because.is_empty() {
        found.push(Restart { component: "kubelet".to_owned(), because });
    }
    let mut pods = Vec::new();
    for manifest in &inventory.facts.manifests {
        let Ok(pod) = &manifest.pod else { continue };
        let uses = |path: &PathBuf| {
            pod.flags.values().any(|value| Path::new(value) == path) || pod.host_paths.contains(path)
        };
        let because: Vec<_> = changed
            .iter()
            .filter(|row| uses(&row.path) || uses(&row.key_path))
            .map(|row| row.path.clone())
            .collect();
        if !because.is_empty() {
            pods.push(Restart { component: pod.name.clone(), because });
        }
    }
    pods.sort_by(|a, b| (rank(&a.component), &a.component).cmp(&(rank(&b.component), &b.component)));
    found.extend(pods);
    found
}
