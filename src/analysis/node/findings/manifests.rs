//! Static-pod manifests: missing, broken, duplicate, or naming files that do not exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Code, Evidence, Finding, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::references::ENCRYPTION;
use crate::analysis::node::scope::is_credential;
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::kubelet::KubeletConfiguration;
use crate::formats::manifest::Manifest;
use crate::formats::yaml;
use crate::state::Subject;
use crate::state::catalog::Place;
use crate::state::{Component, Snapshot};

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let mut found = missing(inventory);
    found.extend(unreadable(inventory));
    found.extend(doubled(inventory));
    found.extend(files(snapshot, inventory));
    found.extend(disagreement(inventory));
    found.extend(forced(snapshot, inventory));
    found
}

/// etcd's flag that removes every other member at each start. Go's flags read it as `strconv.ParseBool` does.
fn forced(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    const FLAG: &str = "force-new-cluster";
    let (path, pod) = inventory.facts.pod(Component::Etcd)?;
    let value = pod.flag(FLAG)?;
    if ["0", "f", "F", "false", "FALSE", "False"].contains(&value) {
        return None;
    }
    let what = format!("--{FLAG} is set: at each start etcd removes every other member");
    let mut finding = Finding::new(Code::EtcdForceNewCluster, Severity::Blocker, "etcd", path, what);
    finding.evidence.push(Evidence::flag(snapshot, path, FLAG, value));
    Some(finding)
}

/// Without a kubelet's files nothing would start them: a copy of `/etc/kubernetes/pki`, for example.
fn missing(inventory: &Inventory) -> Vec<Finding> {
    let facts = &inventory.facts;
    if !inventory.has_kubelet() {
        return Vec::new();
    }
    let wanted = Component::STATIC_PODS.into_iter();
    let wanted = wanted.filter(|component| *component != Component::Etcd || facts.local_etcd.value);
    let lacking = wanted.filter(|component| facts.pod(*component).is_none()).filter(|component| {
        // An unreadable one has a finding of its own.
        !facts.manifests.iter().any(|file| file.pod.is_err() && is_named(&file.path, *component))
    });
    let directory = &facts.manifest_dir.value;
    lacking
        .map(|component| {
            let name = component.name();
            let path = directory.join(format!("{name}.yaml"));
            let what = format!("no manifest of {name} in {}", directory.display());
            Finding::new(Code::ManifestMissing, Severity::Blocker, name, path, what)
        })
        .collect()
}

fn is_named(path: &Path, component: Component) -> bool {
    stem(path) == component.name()
}

fn stem(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.split('.').next())
        .unwrap_or_default()
}

fn unreadable(inventory: &Inventory) -> impl Iterator<Item = Finding> {
    inventory.facts.manifests.iter().filter_map(|file| {
        let why = file.pod.as_ref().err()?;
        let stem = stem(&file.path);
        let name = || file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (severity, subject) = match Component::static_pod(stem) {
            Some(component) => (Severity::Blocker, component.into()),
            None => (Severity::Warning, Subject::Other(name())),
        };
        let what = format!("{}: {why}", file.path.display());
        Some(Finding::new(Code::ManifestUnreadable, severity, subject, &file.path, what))
    })
}

fn doubled(inventory: &Inventory) -> Vec<Finding> {
    let mut files: BTreeMap<(&str, &str), Vec<(&PathBuf, &Manifest)>> = BTreeMap::new();
    for file in &inventory.facts.manifests {
        if let Ok(pod) = &file.pod {
            files.entry((&pod.namespace, &pod.name)).or_default().push((&file.path, pod));
        }
    }
    let doubled = files.into_iter().filter(|(_, files)| files.len() > 1);
    doubled
        .filter_map(|((_, name), files)| {
            let (paths, pods): (Vec<_>, Vec<_>) = files.into_iter().unzip();
            // The one that is named after the component is usually the right one.
            let extra = paths
                .iter()
                .copied()
                .find(|path| path.file_name() != Some(format!("{name}.yaml").as_ref()))?;
            let list: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            let (severity, difference) = if pods.iter().all(|pod| Some(pod) == pods.first()) {
                (Severity::Warning, ", with the same image, flags, mounts and user")
            } else {
                (Severity::Blocker, "; the kubelet runs the last one")
            };
            let what = format!("{} are both manifests for {name}{difference}", list.join(" and "));
            let mut finding = Finding::new(Code::DuplicateManifest, severity, name, extra, what);
            let evidence = paths.iter().map(|path| Evidence::field(path, "metadata.name", name));
            finding.evidence.extend(evidence);
            Some(finding)
        })
        .collect()
}

/// Files that the kubelet and kubectl read, but in which a key occurs twice.
pub(super) fn duplicate_keys(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let facts = &inventory.facts;
    let kubeconfigs = inventory.leaves.iter().filter(|leaf| matches!(leaf.spec.place, Place::Kubeconfig(_)));
    // What was parsed well is known already.
    let in_doubt = |path: &&PathBuf| {
        let parsed = snapshot.file(path).and_then(|bytes| Kubeconfig::of(bytes).ok());
        parsed.is_none_or(|config| config.has_duplicate_key)
    };
    let kubeconfigs = kubeconfigs.map(|leaf| &leaf.row.path).filter(in_doubt);
    let elsewhere = inventory.elsewhere.iter().map(|row| &row.path);
    let manifests = facts.manifests.iter();
    let manifests = manifests.filter(|file| file.pod.as_ref().map_or(true, |pod| pod.has_duplicate_key));
    let of_kubelet = Some(&facts.kubelet_kubeconfig.value).filter(in_doubt);
    let configuration = Some(&facts.kubelet_config.value).filter(|path| {
        let parsed = snapshot.file(path).and_then(|bytes| KubeletConfiguration::of(bytes).ok());
        parsed.is_none_or(|config| config.has_duplicate_key)
    });
    let others = manifests.map(|file| &file.path).chain(of_kubelet).chain(configuration);
    kubeconfigs
        .chain(elsewhere)
        .chain(others)
        .filter_map(|path| {
            let found = yaml::duplicate_key(snapshot.file(path)?)?;
            let key = found.key.map_or_else(|| "a key".to_owned(), |key| format!("the key {key}"));
            let what = format!("{key} occurs again on line {}; the last one is in effect", found.line);
            let subject = Subject::Path(path.to_path_buf());
            Some(Finding::new(Code::DuplicateKey, Severity::Warning, subject, path, what))
        })
        .collect()
}

/// References that tell two PKI directories, about as many the one as the other.
fn disagreement(inventory: &Inventory) -> Option<Finding> {
    let facts = &inventory.facts;
    let (one, other) = (&facts.pki_dir, facts.pki_rival.as_ref()?);
    let (path, rival) = (one.value.display(), other.value.display());
    let what = format!("{path} ({}) or {rival} ({}), and their CAs differ", one.source, other.source);
    let subject = Subject::Path(one.value.to_path_buf());
    let mut finding = Finding::new(Code::PkiDirUnclear, Severity::Blocker, subject, &one.value, what);
    for fact in [one, other] {
        finding.evidence.push(Evidence::field(&fact.value, "named by", &fact.source));
    }
    finding.remedy.reason.push_str(&format!(" Here: --cert-dir {} or --cert-dir {}.", path, rival));
    Some(finding)
}

/// Files that flags name and that do not exist. kubeadm's own credentials have their own findings, and what
/// is not mounted from the node is inside the container.
fn files(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let mut found = Vec::new();
    for (manifest, pod) in inventory.facts.pods() {
        for (flag, value) in &pod.flags {
            let path = Path::new(value);
            let Some(host) = pod.on_host(path).filter(|_| is_credential(path) || flag == ENCRYPTION) else {
                continue;
            };
            if is_known(inventory, &host) {
                continue;
            }
            if snapshot.resolve(&host).is_ok_and(|resolved| resolved.entry.is_none()) {
                let elsewhere =
                    if host == path { String::new() } else { format!(" ({} on the node)", host.display()) };
                let what = format!("{} refers to {value}{elsewhere}, which does not exist", pod.name);
                let mut finding =
                    Finding::new(Code::FlagFileMissing, Severity::Blocker, &pod.name, host, what);
                finding.evidence.push(Evidence::flag(snapshot, manifest, flag, value));
                found.push(finding);
            }
        }
    }
    found
}

/// Whether this path has findings of its own.
pub(super) fn is_known(inventory: &Inventory, path: &Path) -> bool {
    let pair = &inventory.service_account;
    let paths = || {
        let rows = inventory.rows().flat_map(|row| [&row.path, &row.key_path]);
        let authorities = inventory.authorities.iter().flat_map(|row| [&row.certificate_path, &row.key_path]);
        rows.chain(authorities).chain([&pair.key_path, &pair.public_path])
    };
    // Most are the same byte for byte, which is seen much sooner.
    paths().any(|own| own.as_os_str() == path.as_os_str()) || paths().any(|own| own == path)
}
