//! Workloads that must be restarted because they read renewed files, and the progress of such a restart.

mod progress;
mod reads;

use jiff::Timestamp;

pub use self::progress::{Progress, progress};
pub use self::reads::{Reason, reasons};
use crate::formats::objects::pods::{ContainerStatus, Pod};
use crate::formats::objects::workloads::{Kind, Workload};

/// The vendor's daemon set that reads the certificate of the API server's etcd client.
pub const KNOWN: &str = "etcd-defrag";

/// A workload that can be restarted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub namespace: String,
    pub kind: Kind,
    pub name: String,
}

impl Target {
    /// As in kubectl: `daemonset/etcd-defrag`.
    pub fn shown(&self) -> String {
        format!("{}/{}", self.kind.singular(), self.name)
    }
}

/// The action for a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Restart,
    /// Its pods are newer than the files.
    Newer,
    /// It may read renewed files; only its owner knows.
    Uncertain,
    /// Its pods are replaced only after they are deleted.
    OnDelete,
    Paused,
}

/// A workload that reads renewed files, or may read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub target: Target,
    pub verdict: Verdict,
    pub why: Vec<String>,
    /// How many pods it has, of those that could be listed.
    pub pods: usize,
    /// When the oldest of their containers started.
    pub oldest: Option<Timestamp>,
    /// The label selector of its pods, as in `kubectl -l`.
    pub selector: Option<String>,
}

/// Whether a workload must be restarted. `pods` are those of its namespace, or of all; `since` is when files
/// were renewed, if known: pods that started later have read the new ones.
pub fn judge(kind: Kind, workload: &Workload, pods: &[Pod], since: Option<Timestamp>) -> Option<Candidate> {
    let known =
        (workload.metadata.name == KNOWN).then(|| Reason { certain: true, what: "known by name".into() });
    let reasons: Vec<_> = reasons(&workload.spec.template.spec).into_iter().chain(known).collect();
    let certain = reasons.iter().any(|reason| reason.certain);
    let why: Vec<_> =
        reasons.into_iter().filter(|reason| reason.certain == certain).map(|reason| reason.what).collect();
    if why.is_empty() {
        return None;
    }
    let mut candidate = Candidate { why, ..described(kind, workload, pods) };
    let newer = since.zip(candidate.oldest).is_some_and(|(since, oldest)| oldest > since);
    if !certain {
        candidate.verdict = Verdict::Uncertain;
    } else if newer {
        candidate.verdict = Verdict::Newer;
    }
    Some(candidate)
}

/// A workload as a candidate, without reasons.
pub fn described(kind: Kind, workload: &Workload, pods: &[Pod]) -> Candidate {
    let own: Vec<_> = pods.iter().filter(|pod| is_of(pod, kind, workload)).collect();
    // A container that has not started yet will read the new files.
    let started = own.iter().flat_map(|pod| &pod.status.container_statuses).filter_map(started_at);
    Candidate {
        target: Target {
            namespace: workload.metadata.namespace.clone(),
            kind,
            name: workload.metadata.name.clone(),
        },
        verdict: obstacle(kind, workload).unwrap_or(Verdict::Restart),
        why: Vec::new(),
        pods: own.len(),
        oldest: started.min(),
        selector: workload.spec.selector.as_text(),
    }
}

/// What prevents a restart.
fn obstacle(kind: Kind, workload: &Workload) -> Option<Verdict> {
    match kind {
        Kind::Deployment => workload.spec.paused.then_some(Verdict::Paused),
        Kind::DaemonSet | Kind::StatefulSet => {
            (workload.spec.update_strategy.kind == "OnDelete").then_some(Verdict::OnDelete)
        }
    }
}

fn started_at(container: &ContainerStatus) -> Option<Timestamp> {
    container.state.running.as_ref()?.started_at
}

/// Whether this workload created the pod.
pub fn is_of(pod: &Pod, kind: Kind, workload: &Workload) -> bool {
    let owner = pod.metadata.owner_references.iter().any(|owner| match kind {
        // Through a replica set.
        Kind::Deployment => owner.kind == "ReplicaSet",
        _ => owner.kind == kind.name() && owner.uid == workload.metadata.uid,
    });
    owner
        && pod.metadata.namespace == workload.metadata.namespace
        && workload.spec.selector.matches(&pod.metadata.labels)
}
