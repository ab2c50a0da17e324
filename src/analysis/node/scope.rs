//! Which paths of a node are read: a fixed set, and the files that it refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::formats::kubelet::KubeletConfiguration;
use crate::state::{Content, Entry, Snapshot, catalog};

/// Directories that are read with everything below them.
pub const TREES: [&str; 2] = [catalog::KUBERNETES_DIR, catalog::KUBELET_PKI_DIR];

pub(super) const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";

pub const FILES: [&str; 10] = [
    KUBELET_CONFIG,
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

/// Directories of which only the entry itself is read: their times show when the node was last running.
pub const CLOCKS: [&str; 4] =
    ["/var/lib/etcd/member/wal", "/var/lib/etcd/member/snap", "/var/lib/kubelet", "/var/log/pods"];

/// Users' homes, whose `*/.kube/config` are read.
pub const HOMES: &str = "/home";

/// What else must be read, according to the files read so far: PKI and manifest directories elsewhere, and
/// files that manifests and kubeconfigs name. The caller reads these and calls again until nothing new is
/// found.
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
            let values = pod.flags.values().map(PathBuf::from).filter(|path| is_credential(path));
            paths.extend(values.flat_map(|path| [pod.on_host(&path), Some(path)]).flatten());
        }
    }
    if let Ok(resolved) = snapshot.resolve(&facts.kubelet_kubeconfig.value)
        && let Some(Content::File(bytes)) = resolved.entry.map(|entry| &entry.content)
        && let Ok(config) = Kubeconfig::parse(bytes)
    {
        paths.extend(config.authority_file.map(PathBuf::from));
        if let Credential::Files { certificate, key } = config.credential {
            paths.extend([PathBuf::from(certificate), PathBuf::from(key)]);
        }
    }
    if let Some(bytes) = snapshot.file(Path::new(KUBELET_CONFIG))
        && let Ok(config) = KubeletConfiguration::parse(bytes)
    {
        paths.extend(config.client_ca_file().cloned());
    }
    paths.retain(|path| path.is_absolute());
    paths
}

/// Whether a path belongs in the node's archive: directories that were read only for their times don't.
pub fn is_archived(path: &Path) -> bool {
    !CLOCKS.iter().any(|clock| Path::new(clock) == path)
}

/// What this tool would archive of an entire disk: the fixed set, the files that it refers to, and the links
/// on the way.
pub fn within(disk: &Snapshot, facts: &Facts) -> Snapshot {
    let homes = disk.iter().map(|(path, _)| path).filter(|path| {
        path.ends_with(".kube/config") && path.starts_with(HOMES) && path.components().count() == 5
    });
    let fixed = TREES.iter().chain(&FILES).map(PathBuf::from);
    let wanted: Vec<PathBuf> = fixed.chain(homes.map(Path::to_owned)).chain(referred(disk, facts)).collect();
    let mut found = Snapshot::default();
    for path in wanted {
        take(disk, &path, &mut found);
    }
    found
}

/// Takes `path` and everything below it, and the links on the way. A link out of a directory is followed too,
/// but not to a directory that holds the link.
fn take(disk: &Snapshot, path: &Path, found: &mut Snapshot) {
    let Ok(resolved) = disk.resolve(path) else { return };
    for above in path.ancestors() {
        if let Some(entry) = disk.get(above)
            && let Content::Link(target) = &entry.content
            && found.get(above).is_none()
        {
            found.insert(above, entry.clone());
            take(disk, &above.parent().unwrap_or(above).join(target), found);
        }
    }
    if path != resolved.path && path.starts_with(&resolved.path) {
        return;
    }
    let below = disk.iter().filter(|(at, _)| at.starts_with(&resolved.path));
    let below: Vec<_> =
        below.filter(|(at, _)| found.get(at).is_none()).map(|(at, _)| at.to_owned()).collect();
    for at in below {
        match disk.get(&at) {
            Some(Entry { content: Content::Link(_), .. }) => take(disk, &at, found),
            Some(entry) => found.insert(at, entry.clone()),
            None => {}
        }
    }
}

/// Whether a flag's value names a file with a certificate, a key or a kubeconfig.
pub(in crate::analysis) fn is_credential(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.is_absolute() && matches!(extension, Some("crt" | "key" | "pem" | "pub" | "conf" | "kubeconfig"))
}
