//! Which paths of a node are read: a fixed set, and the files that it refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::facts::{Facts, kubelet};
use super::references;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::state::catalog::{CAS, CERT_SPECS, Place};
use crate::state::{Content, Entry, Snapshot, catalog};

/// Directories that are read with everything below them.
pub const TREES: [&str; 2] = [catalog::KUBERNETES_DIR, catalog::KUBELET_PKI_DIR];

pub const FILES: [&str; 7] = [
    catalog::KUBELET_CONFIG,
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/crictl.yaml",
    "/etc/hostname",
    "/root/.kube/config",
];

/// Directories of which only the entry itself is read: their times show when the node was last running.
pub const CLOCKS: [&str; 4] =
    ["/var/lib/etcd/member/wal", "/var/lib/etcd/member/snap", "/var/lib/kubelet", "/var/log/pods"];

/// Users' homes, whose `*/.kube/config` are read.
pub const HOMES: &str = "/home";

/// What else must be read, according to the files read so far: the files that manifests and kubeconfigs name. The
/// caller reads these and calls again until nothing new is found.
pub fn referred(snapshot: &Snapshot, facts: &Facts) -> Vec<PathBuf> {
    let mut paths = vec![facts.kubelet_kubeconfig.value.clone()];
    paths.extend(facts.kubelet_serving.iter().flat_map(|pair| [pair.0.clone(), pair.1.clone()]));
    paths.extend(references::paths(facts).filter(|path| is_credential(path)));
    paths.extend(references::leaves(facts).flat_map(|files| [files.certificate, files.key]));
    paths.extend(references::encryption(facts));
    paths.extend(facts.pki_rival.iter().map(|rival| rival.value.join("ca.crt")));
    let kubeconfigs = CERT_SPECS.iter().filter(|spec| matches!(spec.place, Place::Kubeconfig(_)));
    let kubeconfigs = kubeconfigs.map(|spec| (spec.name, references::leaf(facts, spec).certificate.clone()));
    for (name, path) in kubeconfigs.chain([("", facts.kubelet_kubeconfig.value.clone())]) {
        let Some(config) = snapshot.file(&path).and_then(|bytes| Kubeconfig::of(bytes).ok()) else {
            continue;
        };
        let named = |text: &str| references::beside(facts, name, &path, text);
        paths.extend(config.authority_file.as_deref().map(named));
        if let Credential::Files { certificate, key } = &config.credential {
            paths.extend([named(certificate), named(key)]);
        }
    }
    paths.extend(facts.kubelet_client_ca.iter().map(|(path, _)| path.clone()));
    paths.retain(|path| path.is_absolute());
    paths.sort_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
    paths.dedup_by(|one, other| one.as_os_str() == other.as_os_str());
    paths
}

/// The kubelet's units and their drop-ins, which are read of every node.
pub fn units() -> impl Iterator<Item = PathBuf> {
    kubelet::units().flat_map(|(unit, drop_ins)| [unit, drop_ins])
}

/// The directory of the kubelet's drop-ins. One directly below the root holds more than these, and isn't read.
pub(super) fn drop_in_directory(facts: &Facts) -> Option<&PathBuf> {
    facts.kubelet_config_dir.as_ref().filter(|path| path.components().count() > 2)
}

/// The kubelet's configuration and what tells its flags, and the directory of manifests: read as soon as they are known.
pub fn configured(facts: &Facts) -> impl Iterator<Item = &Path> {
    let drop_ins = drop_in_directory(facts);
    let kubelet = facts.kubelet_environment.iter().chain([&facts.kubelet_config.value]);
    kubelet.chain(drop_ins).chain([&facts.manifest_dir.value]).map(PathBuf::as_path)
}

/// Where kubeadm and the kubelet keep credentials. These are read by name, before whole directories: what lies beside
/// them must not use up the limits that they need.
pub fn credentials(facts: &Facts) -> Vec<PathBuf> {
    let pki = |base: &str| ["crt", "key"].map(|end| facts.pki_dir.value.join(format!("{base}.{end}")));
    let authorities = CAS.iter().flat_map(|authority| pki(authority.base()));
    let leaves = CERT_SPECS.iter().map(|spec| references::place(facts, spec));
    let leaves = leaves.flat_map(|files| [files.certificate, files.key]);
    let service_account = ["sa.key", "sa.pub"].map(|name| facts.pki_dir.value.join(name));
    let kubelet = [catalog::KUBELET_CLIENT_LINK, catalog::KUBELET_SERVING_LINK, "kubelet.crt", "kubelet.key"]
        .map(|name| facts.kubelet_pki_dir.value.join(name));
    let kubeconfigs = ["kubelet.conf", "bootstrap-kubelet.conf"];
    let kubeconfigs = kubeconfigs.map(|name| Path::new(catalog::KUBERNETES_DIR).join(name));
    authorities.chain(leaves).chain(service_account).chain(kubelet).chain(kubeconfigs).collect()
}

/// Directories that are read with everything below them, once all that is read by name is read.
pub fn trees(facts: &Facts) -> Vec<&Path> {
    let named = [&facts.pki_dir.value, &facts.kubelet_pki_dir.value].map(PathBuf::as_path);
    let elsewhere = named.into_iter().filter(|path| !TREES.iter().any(|tree| path.starts_with(tree)));
    TREES.iter().map(Path::new).chain(elsewhere).collect()
}

/// The directories that hold one of these credentials, where links or references lead out of the trees that are read: a credential
/// that is replaced or created there needs them in the snapshot, otherwise they would be taken for missing.
pub fn directories(snapshot: &Snapshot, named: &[PathBuf]) -> BTreeSet<PathBuf> {
    let places = named.iter().flat_map(|path| {
        let end = snapshot.resolve(path).ok()?;
        let is_directory = end.entry.is_some_and(|entry| matches!(entry.content, Content::Directory));
        let above = snapshot.resolve(path.parent()?).ok()?.path;
        (!is_directory).then(|| [Some(above), end.path.parent().map(Path::to_owned)])
    });
    places.flatten().flatten().filter(|directory| snapshot.get(directory).is_none()).collect()
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
    let trees = trees(facts).into_iter().chain(configured(facts)).map(Path::to_owned);
    let fixed = FILES.iter().map(PathBuf::from).chain(units()).chain(trees);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Attributes;

    /// Directories end in `/`, links hold their target after `->`, everything else is an empty file.
    fn tree(paths: &[&str]) -> Snapshot {
        let entry = |content| Entry { content, attributes: Attributes::default() };
        let entries = paths.iter().map(|text| match text.split_once(" -> ") {
            Some((path, target)) => (path.into(), entry(Content::Link(target.into()))),
            None if text.ends_with('/') => (text.trim_end_matches('/').into(), entry(Content::Directory)),
            None => (text.into(), entry(Content::File(Vec::new().into()))),
        });
        entries.collect()
    }

    fn directories_of(paths: &[&str]) -> Vec<PathBuf> {
        let snapshot = tree(paths);
        let facts = Facts::read(&snapshot, None);
        let named = [credentials(&facts), referred(&snapshot, &facts)].concat();
        directories(&snapshot, &named).into_iter().collect()
    }

    #[test]
    fn the_directories_of_credentials_that_are_links() {
        let trees = [
            "/etc/kubernetes/",
            "/etc/kubernetes/pki/",
            "/etc/kubernetes/pki/etcd/",
            "/var/lib/kubelet/pki/",
        ];
        let with = |more: &[&'static str]| directories_of(&[&trees[..], more].concat());
        assert_eq!(with(&[]), Vec::<PathBuf>::new());
        let elsewhere = with(&[
            "/etc/kubernetes/admin.conf -> /root/.kube/config",
            "/root/.kube/config",
            "/etc/kubernetes/pki/apiserver.crt -> /srv/tls/apiserver.crt",
            "/etc/kubernetes/pki/apiserver.key -> /srv/missing/apiserver.key",
        ]);
        assert_eq!(elsewhere, ["/root/.kube", "/srv/missing", "/srv/tls"].map(PathBuf::from));
    }
}
