//! Which paths of a node are read: a fixed set, and what the files in it refer to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::state::{Content, Snapshot, catalog};

/// Directories that are read with everything below them.
pub const TREES: [&str; 2] = [catalog::KUBERNETES_DIR, catalog::KUBELET_PKI_DIR];

/// Single files.
pub const FILES: [&str; 10] = [
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/etc/crictl.yaml",
    "/etc/hostname",
    "/root/.kube/config",
];

/// Directories of which only the entry itself is read: their time of change shows when the node was
/// last alive.
pub const CLOCKS: [&str; 4] =
    ["/var/lib/etcd/member/wal", "/var/lib/etcd/member/snap", "/var/lib/kubelet", "/var/log/pods"];

/// The directory of users' homes, whose `*/.kube/config` are read.
pub const HOMES: &str = "/home";

/// What else has to be read, as far as the files read by now tell: PKI and manifest directories
/// elsewhere, and files that manifests and kubeconfigs name. The caller reads these and asks again
/// until nothing new comes.
pub fn referred(snapshot: &Snapshot, facts: &Facts) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::from([
        facts.pki_dir.value.clone(),
        facts.manifest_dir.value.clone(),
        facts.kubelet_pki_dir.value.clone(),
        facts.kubelet_kubeconfig.value.clone(),
    ]);
    paths.extend(facts.kubelet_serving.iter().flat_map(|pair| [pair.0.clone(), pair.1.clone()]));
    for manifest in &facts.manifests {
        if let Ok(pod) = &manifest.pod {
            let values = pod.flags.values().map(PathBuf::from);
            paths.extend(values.filter(|path| is_credential(path)));
        }
    }
    if let Ok(resolved) = snapshot.resolve(&facts.kubelet_kubeconfig.value)
        && let Some(Content::File(bytes)) = resolved.entry.map(|entry| &entry.content)
        && let Ok(Kubeconfig { credential: Credential::Files { certificate, key }, .. }) =
            Kubeconfig::parse(bytes)
    {
        paths.extend([PathBuf::from(certificate), PathBuf::from(key)]);
    }
    paths.retain(|path| path.is_absolute());
    paths
}

/// Whether a flag's value names a file with a certificate, a key or a kubeconfig.
pub(super) fn is_credential(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.is_absolute() && matches!(extension, Some("crt" | "key" | "pem" | "pub" | "conf" | "kubeconfig"))
}
