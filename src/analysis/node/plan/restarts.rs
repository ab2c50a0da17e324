//! What must be restarted, and why: as data, from which the reports write the sentences.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::changes::Changes;
use crate::analysis::node::inventory::{CaRow, Inventory, Row};
use crate::state::path::tidy;
use crate::state::{Component, Snapshot, text};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind")]
pub enum RestartReason {
    /// The change replaces files that it reads only at its start.
    CredentialsChanged {
        #[serde(serialize_with = "text::list")]
        files: Vec<PathBuf>,
    },
    /// The running process is older than files that it reads.
    StartedBeforeChange {
        #[serde(serialize_with = "text::list")]
        files: Vec<PathBuf>,
    },
    NotRunning,
    CrashLooping,
    /// The container runtime doesn't answer, and the node is not healthy.
    NodeUnhealthy,
    Requested,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartTask {
    pub component: Component,
    pub reason: RestartReason,
    /// Whether there is a process to stop first; true if unknown.
    pub running: bool,
}

/// What must be restarted so that every process uses the current files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarts {
    /// In restart order: the kubelet, etcd, the others.
    pub tasks: Vec<RestartTask>,
    /// Static pods outside of the control plane's namespace that read changed files: listed, never restarted.
    pub other_pods: Vec<String>,
}

impl Restarts {
    /// These tasks, sorted.
    pub fn of_tasks(tasks: impl IntoIterator<Item = RestartTask>) -> Self {
        let mut tasks: Vec<_> = tasks.into_iter().collect();
        tasks.sort_by_key(|task| task.component);
        Self { tasks, other_pods: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn has(&self, component: Component) -> bool {
        self.tasks.iter().any(|task| task.component == component)
    }

    /// The tasks of static pods, etcd first.
    pub fn pods(&self) -> impl Iterator<Item = &RestartTask> {
        self.tasks.iter().filter(|task| task.component != Component::Kubelet)
    }

    /// The names of all, other pods last.
    pub fn names(&self) -> Vec<&str> {
        let tasks = self.tasks.iter().map(|task| task.component.name());
        tasks.chain(self.other_pods.iter().map(String::as_str)).collect()
    }
}

/// The components that read the credentials of these steps.
pub(super) fn of(inventory: &Inventory, changes: &Changes<'_>, trust: Option<&Path>) -> Restarts {
    let mut names: Vec<_> = changes.steps.iter().map(|step| &step.name).collect();
    names.extend(changes.store.iter().map(|change| &change.name));
    // A step and a change of the store may be of the same one.
    let mut told = BTreeSet::new();
    names.retain(|name| told.insert(*name));
    let rows = names.into_iter().filter_map(|name| inventory.row(name));
    let mut changed: Vec<_> = rows.map(Changed::from).collect();
    let cas = changes.of_cas().filter_map(|(authority, _)| inventory.authority(authority));
    changed.extend(cas.map(Changed::from));
    let copies = || changes.of_cas().flat_map(|(_, files)| files);
    let with_copy =
        inventory.served().map(|leaf| &leaf.row).filter(|row| copies().any(|file| *file == row.path));
    for row in with_copy {
        if !changed.iter().any(|other| other.path == row.path) {
            changed.push(row.into());
        }
    }
    let kubeconfig = &inventory.facts.kubelet_kubeconfig.value;
    let trust = trust.or_else(|| copies().find(|file| *file == kubeconfig).map(PathBuf::as_path));
    restarts(inventory, &changed, trust)
}

/// The components that read credentials at these paths, which are free of links.
pub(in crate::analysis) fn reading(
    inventory: &Inventory,
    snapshot: &Snapshot,
    changed: &[PathBuf],
) -> Restarts {
    let is_changed = |path: &Path| {
        let resolved = snapshot.resolve(path).map(|resolved| resolved.path);
        changed.iter().any(|other| other == path)
            || resolved.is_ok_and(|resolved| changed.contains(&resolved))
    };
    let leaves = inventory.served().map(|leaf| &leaf.row);
    let rows = leaves.chain([&inventory.kubelet_client, &inventory.kubelet_serving]).map(Changed::from);
    let rows = rows.chain(inventory.authorities.iter().map(Changed::from));
    let rows: Vec<_> = rows.filter(|row| is_changed(row.path) || is_changed(row.key_path)).collect();
    restarts(inventory, &rows, None)
}

/// A credential whose files change.
struct Changed<'a> {
    path: &'a Path,
    key_path: &'a Path,
    of_kubelet: bool,
}

impl<'a> From<&'a Row> for Changed<'a> {
    fn from(row: &'a Row) -> Self {
        Self { path: &row.path, key_path: &row.key_path, of_kubelet: row.subject().is_kubelets() }
    }
}

impl<'a> From<&'a CaRow> for Changed<'a> {
    fn from(row: &'a CaRow) -> Self {
        // The kubelet reads the file of its clients' CA again when it changes (apiserver `dynamiccertificates`).
        Self { path: &row.certificate_path, key_path: &row.key_path, of_kubelet: false }
    }
}

/// The kubelet, and the static pods that read a changed file, by their flags and mounts. `trust` is the kubelet's
/// kubeconfig, where the CA in it changes.
fn restarts(inventory: &Inventory, changed: &[Changed<'_>], trust: Option<&Path>) -> Restarts {
    let task = |component, files| RestartTask {
        component,
        reason: RestartReason::CredentialsChanged { files },
        running: true,
    };
    let (mut tasks, mut other_pods) = (Vec::new(), Vec::new());
    let own = changed.iter().filter(|credential| credential.of_kubelet).map(|credential| credential.path);
    let files: Vec<_> = own.chain(trust).map(Path::to_owned).collect();
    if !files.is_empty() {
        tasks.push(task(Component::Kubelet, files));
    }
    for (_, pod) in inventory.facts.pods() {
        let paths: Vec<_> = pod.paths().chain(pod.host_paths.iter().cloned()).collect();
        let uses = |path: &Path| {
            let path = tidy(path);
            paths.iter().any(|read| read.as_os_str() == path.as_os_str())
        };
        let files: Vec<_> = changed
            .iter()
            .filter(|credential| uses(credential.path) || uses(credential.key_path))
            .map(|credential| credential.path.to_owned())
            .collect();
        if files.is_empty() {
            continue;
        }
        let before = tasks.len();
        match Component::static_pod(&pod.name) {
            Some(component) => tasks.push(task(component, files)),
            None => tasks.extend(pod.others().map(|name| task(Component::other(name), files.clone()))),
        }
        if tasks.len() == before {
            other_pods.push(pod.name.clone());
        }
    }
    other_pods.sort();
    Restarts { other_pods, ..Restarts::of_tasks(tasks) }
}
