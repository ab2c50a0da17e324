//! The running node: which of its processes use files that have changed since they started, and the effect of
//! stopping them. Nothing is stopped here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::node::changed;
use crate::analysis::node::changed::Reads;
use crate::analysis::node::facts::Facts;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{RestartReason, RestartTask};
use crate::analysis::node::quorum::{Effect, Quorum};
use crate::disk::{Root, transaction};
use crate::error::Error;
use crate::live::cri::endpoint::{self, Endpoint};
use crate::live::cri::{About, CONTAINER_NAME, Container, ContainerState, POD_NAMESPACE, Runtime};
use crate::live::kubelet::{self, KubeletStatus};
use crate::live::{clock, etcd};
use crate::session::input::arguments::parse_duration;
use crate::state::{Code, Component, STATIC_POD_NAMESPACE, Situation, Snapshot};

/// How long the runtime may take to answer.
const RUNTIME_PATIENCE: Duration = Duration::from_secs(5);
/// How long etcd's members may take to answer, each time.
const ETCD_PATIENCE: Duration = Duration::from_secs(3);

/// How running processes are treated.
#[derive(clap::Args, Debug)]
pub struct HostArgs {
    /// Use this container runtime socket [default: from the kubelet, crictl, or a well-known path]
    #[arg(long, value_name = "unix:///PATH")]
    pub cri_socket: Option<String>,
    /// Wait this long before killing API server, controller-manager and scheduler; etcd uses the pod's
    /// terminationGracePeriod
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = parse_duration)]
    pub grace: SignedDuration,
    /// Wait this long for each to be back: the kubelet, each static pod
    #[arg(long, default_value = "120s", value_name = "DURATION", value_parser = parse_duration)]
    pub restart_timeout: SignedDuration,
    /// Stop etcd even if the cluster loses quorum
    #[arg(long)]
    pub break_quorum: bool,
}

impl HostArgs {
    /// How long the kubelet, and each static pod once it was stopped, may take to be back.
    pub fn patience(&self) -> Duration {
        self.restart_timeout.unsigned_abs()
    }
}

/// A connected container runtime.
pub struct Cri {
    /// Its socket, and where the socket's path was read.
    pub endpoint: Endpoint,
    /// Name and versions that it reports.
    pub about: About,
    runtime: Runtime,
}

impl Cri {
    /// Finds the runtime's socket and connects.
    ///
    /// # Errors
    /// There is none, or it doesn't answer as a container runtime. Nothing was changed.
    pub fn connect(args: &HostArgs, facts: &Facts) -> Result<Self, Error> {
        let endpoint = endpoint::find(args.cri_socket.as_deref(), facts)?;
        let runtime = Runtime::connect(&endpoint.socket, RUNTIME_PATIENCE)?;
        Ok(Self { about: runtime.about().clone(), endpoint, runtime })
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The running containers of static pods in the control plane's namespace.
    ///
    /// # Errors
    /// The runtime doesn't answer.
    pub fn running(&self) -> Result<Vec<Container>, Error> {
        let labels = [(POD_NAMESPACE, STATIC_POD_NAMESPACE)];
        let static_pods: Vec<String> = self
            .runtime
            .sandboxes(&labels)?
            .into_iter()
            .filter(|sandbox| sandbox.is_static())
            .map(|sandbox| sandbox.id)
            .collect();
        let mut containers = self.runtime.containers(&labels)?;
        containers.retain(|container| {
            container.state == ContainerState::Running && static_pods.contains(&container.sandbox)
        });
        Ok(containers)
    }
}

/// The component of a static pod's container.
pub fn component(container: &Container) -> &str {
    container.label(CONTAINER_NAME)
}

/// The components that this node has a manifest of.
pub fn components(facts: &Facts) -> Vec<Component> {
    Component::STATIC_PODS.into_iter().filter(|component| facts.pod(*component).is_some()).collect()
}

/// These, and the containers of other static pods beside them.
pub fn with_others(facts: &Facts) -> Vec<Component> {
    let others = facts.pods().flat_map(|(_, pod)| pod.others()).map(Component::other);
    components(facts).into_iter().chain(others).collect()
}

/// The paths of the last change by this tool, each with the time at which it was put in place: new content is
/// older than that by the time of staging, and a rollback restores old dates.
///
/// # Errors
/// The record can't be read.
pub fn recorded(root: &Root) -> Result<Vec<(PathBuf, Timestamp)>, Error> {
    let last = transaction::last(root)?;
    let changes = last.into_iter().flat_map(|journal| {
        let started = journal.started;
        journal.changes.into_iter().map(move |change| {
            let placed = kubelet::changed_at(&root.on_host(&change.path)).unwrap_or(started);
            (change.path, placed)
        })
    });
    Ok(changes.collect())
}

/// What must be restarted, by the start times of what runs. Includes a component with a manifest that doesn't
/// run: it must be started.
pub fn outdated_pods(
    inventory: &Inventory,
    snapshot: &Snapshot,
    recorded: &[(PathBuf, Timestamp)],
    running: &[Container],
) -> Vec<RestartTask> {
    let reads = changed::reads(&inventory.facts, snapshot, recorded);
    let found = with_others(&inventory.facts).into_iter().filter_map(|known| {
        let name = known.name();
        let containers: Vec<_> = running.iter().filter(|container| component(container) == name).collect();
        let reason = if containers.is_empty() {
            // Whether another pod should run is not known here; one that keeps exiting reads the new files by itself.
            if known.is_other() {
                return None;
            }
            RestartReason::NotRunning
        } else {
            let (_, pod) = inventory.facts.pod(known)?;
            let reads = reads.iter().find(|reads| reads.component == pod.name)?;
            let files = containers.iter().find_map(|container| changed_since(reads, container.created_at))?;
            RestartReason::StartedBeforeChange { files }
        };
        Some(RestartTask { component: known, reason, running: !containers.is_empty() })
    });
    found.collect()
}

/// The files that changed after a start; an unknown start counts as long ago.
fn changed_since(reads: &Reads, started: Option<Timestamp>) -> Option<Vec<PathBuf>> {
    let files = reads.changed_since(started.unwrap_or(Timestamp::UNIX_EPOCH));
    (!files.is_empty()).then_some(files)
}

/// Whether the kubelet must be restarted, and why: this tool has changed its credentials since it started, it
/// keeps crashing, or none runs. Newer files alone count only if `is_lost`, that is if the API server doesn't
/// hear from it: a kubelet renews them itself.
pub fn outdated_kubelet(
    look: &KubeletStatus,
    inventory: &Inventory,
    snapshot: &Snapshot,
    recorded: &[(PathBuf, Timestamp)],
    is_lost: bool,
) -> Option<RestartTask> {
    if !inventory.has_kubelet() {
        return None;
    }
    let task =
        |reason| Some(RestartTask { component: Component::Kubelet, reason, running: look.running.is_some() });
    let Some(running) = &look.running else { return task(RestartReason::NotRunning) };
    if look.crash_looping {
        return task(RestartReason::CrashLooping);
    }
    let rows = [&inventory.kubelet_client, &inventory.kubelet_serving];
    let changed = rows.iter().flat_map(|row| [&row.path, &row.key_path]).find(|path| {
        let Ok(resolved) = snapshot.resolve(path) else { return false };
        let mtime = resolved.entry.map(|entry| entry.attributes.mtime).filter(|_| is_lost);
        let newest = changed::recorded_at(recorded, path, &resolved.path).max(mtime);
        newest.is_some_and(|time| kubelet::uses_old_certificate(running, time))
    })?;
    task(RestartReason::StartedBeforeChange { files: vec![changed.clone()] })
}

/// etcd's members as they are now; `None` if this node has no etcd.
pub fn members(inventory: &Inventory) -> Option<Quorum> {
    etcd::quorum(inventory, clock::wall(), ETCD_PATIENCE)
}

/// etcd's members and the effect of stopping this node's.
///
/// # Errors
/// The quorum would be lost, and that was not accepted. Nothing was changed.
pub fn quorum(inventory: &Inventory, stops_etcd: bool, args: &HostArgs) -> Result<Option<Quorum>, Error> {
    let Some(quorum) = members(inventory) else { return Ok(None) };
    if stops_etcd && quorum.effect_of_stopping() == Effect::Lost && !args.break_quorum {
        let what = format!("{quorum}");
        let mut error = Error::refused(Code::EtcdQuorum, what).hint(
            "bring the other members back first; if all of their certificates have expired: --break-quorum, on one node after the other",
        );
        error.hints.push(format!("kuberescue explain {}", Situation::SeveralNodes));
        return Err(error);
    }
    Ok(Some(quorum))
}

/// A disk is no host: neither its addresses nor its processes are here.
pub fn not_a_host(root: &Path) -> Error {
    let what = format!(
        "cannot connect to or restart anything: --root {} is a disk, not a running node",
        root.display()
    );
    Error::could_not_run(what)
        .code(Code::NotAHost)
        .hint(format!("kuberescue diagnose --root {}", root.display()))
}
