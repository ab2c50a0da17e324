//! What has to be restarted after a change.

use std::path::{Path, PathBuf};

use super::{Restart, Step};
use crate::analysis::inventory::{Inventory, Row};

/// The static pods of a control plane, in the order in which they are to be restarted.
pub const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Which static pods read a changed file, by their flags and by what they mount, in the order in which
/// they are to be restarted.
pub(super) fn of(inventory: &Inventory, steps: &[Step]) -> Vec<Restart> {
    let changed: Vec<_> = steps.iter().filter_map(|step| inventory.row(&step.name)).collect();
    let rank = |name: &str| COMPONENTS.iter().position(|known| *known == name).unwrap_or(COMPONENTS.len());
    let mut found = Vec::new();
    let kubelets = [&inventory.kubelet_client, &inventory.kubelet_serving];
    let made = |row: &&&Row| steps.iter().any(|step| step.name == row.name);
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
