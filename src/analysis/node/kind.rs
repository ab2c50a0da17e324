//! What a root directory is: a control-plane node, a worker, or something that kubeadm did not set up.

use std::path::{Path, PathBuf};

use super::facts::Facts;
use super::inventory::{Inventory, KubeletForm};
use crate::state::{Content, Snapshot, Unread};

/// Paths that tell the other kinds apart. Not part of a node's snapshot: read only if nothing of a control
/// plane is found.
pub const SIGNS: [&str; 15] = [
    "/var/lib/etcd",
    K3S[0],
    K3S[1],
    RKE2[0],
    RKE2[1],
    RKE1[0],
    RKE1[1],
    IN_ETC[0],
    IN_ETC[1],
    IN_KUBERNETES[0],
    IN_KUBERNETES[1],
    IN_KUBERNETES[2],
    IN_PKI[0],
    IN_PKI[1],
    IN_PKI[2],
];

const K3S: [&str; 2] = ["/var/lib/rancher/k3s", "/etc/rancher/k3s"];
const RKE2: [&str; 2] = ["/var/lib/rancher/rke2", "/etc/rancher/rke2"];
const RKE1: [&str; 2] = ["/etc/kubernetes/ssl/kube-ca.pem", "/opt/rke"];
const IN_ETC: [&str; 2] = ["/kubernetes/pki", "/kubernetes/kubelet.conf"];
const IN_KUBERNETES: [&str; 3] = ["/pki/ca.crt", "/pki/ca.key", "/kubelet.conf"];
const IN_PKI: [&str; 3] = ["/ca.crt", "/ca.key", "/apiserver.crt"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// It runs or ran the API server or etcd, or holds a CA key.
    ControlPlane,
    /// kubeadm's kubelet, and nothing of a control plane.
    Worker,
    /// A machine with kubeconfigs of users and no kubelet.
    Workstation,
    K3s,
    Rke2,
    /// RKE, first generation.
    Rke1,
    /// A directory inside a node, at this path.
    Inside(&'static str),
    Unknown,
}

impl NodeKind {
    /// Any evidence of a control plane outweighs the rest: a damaged one must not be taken for a worker.
    /// `signs` holds those of [`SIGNS`] that exist.
    pub fn of(signs: &Snapshot, inventory: &Inventory) -> Self {
        let is_there = |path: &&str| signs.get(Path::new(path)).is_some();
        let any = |paths: &[&str]| paths.iter().any(&is_there);
        let has_kubelet = inventory.kubelet_form != KubeletForm::NoKubeconfig;
        let has_ca_key = inventory.authorities.iter().any(|row| !row.key.is_missing());
        if inventory.is_control_plane() || has_ca_key || any(&["/var/lib/etcd"]) && !any(&RKE1) {
            Self::ControlPlane
        } else if inventory.is_kubeadm_node() {
            // A user's admin.conf on a worker proves nothing, and without a kubelet it is no worker.
            let has_leaf = inventory.leaves.iter().any(|leaf| !leaf.row.certificate.is_missing());
            if has_leaf && !has_kubelet { Self::ControlPlane } else { Self::Worker }
        } else if any(&RKE2) {
            Self::Rke2
        } else if any(&K3S) {
            Self::K3s
        } else if any(&RKE1) {
            Self::Rke1
        } else if any(&IN_KUBERNETES) {
            Self::Inside("etc/kubernetes")
        } else if any(&IN_PKI) {
            Self::Inside("etc/kubernetes/pki")
        } else if any(&IN_ETC) {
            Self::Inside("etc")
        } else if !inventory.elsewhere.is_empty() {
            Self::Workstation
        } else {
            Self::Unknown
        }
    }
}

/// The first path of the catalog that this user has no permission to read: CAs first, then leaf certificates, the
/// kubelet's credentials, manifests and configuration. Homes and logs do not count.
pub fn denied(snapshot: &Snapshot, inventory: &Inventory) -> Option<PathBuf> {
    let facts = &inventory.facts;
    let is_denied = |path: &Path| {
        let content = snapshot.get(path).map(|entry| &entry.content);
        matches!(content, Some(Content::Unread(Unread::Denied)))
    };
    let refused = |path: &PathBuf| {
        let resolved = snapshot.resolve(path).ok()?;
        resolved.path.ancestors().find(|above| is_denied(above)).map(Path::to_owned)
    };
    let named = catalog_paths(inventory);
    let trees = [&facts.pki_dir.value, &facts.manifest_dir.value, &facts.kubelet_pki_dir.value];
    let below = || {
        let mut paths = snapshot.iter().map(|(path, _)| path).filter(|path| is_denied(path));
        paths.find(|path| trees.iter().any(|tree| path.starts_with(tree))).map(Path::to_owned)
    };
    named.iter().find_map(refused).or_else(below)
}

fn catalog_paths(inventory: &Inventory) -> Vec<PathBuf> {
    let facts: &Facts = &inventory.facts;
    let rows = inventory.leaves.iter().map(|leaf| &leaf.row);
    let rows = rows.chain([&inventory.kubelet_client, &inventory.kubelet_serving]);
    let authorities = inventory.authorities.iter();
    let mut paths: Vec<_> = authorities
        .flat_map(|row| [row.certificate_path.clone(), row.key_path.clone()])
        .chain([inventory.service_account.key_path.clone(), inventory.service_account.public_path.clone()])
        .chain(rows.flat_map(|row| [row.path.clone(), row.key_path.clone()]))
        .collect();
    paths.extend([
        facts.kubelet_kubeconfig.value.clone(),
        facts.kubelet_pki_dir.value.clone(),
        facts.manifest_dir.value.clone(),
        facts.kubelet_config.value.clone(),
    ]);
    paths
}
