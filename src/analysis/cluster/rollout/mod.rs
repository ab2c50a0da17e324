//! What has to be restarted because it reads renewed files, and how far such a restart is.

mod progress;
mod reads;

use jiff::Timestamp;

pub use self::progress::{Progress, progress};
pub use self::reads::{Reason, reasons};
use crate::formats::objects::pods::{ContainerStatus, Pod};
use crate::formats::objects::workloads::{Kind, Workload};

/// The set that reads the certificate of the API server's etcd client, by the name that the vendor gives it.
pub const KNOWN: &str = "etcd-defrag";

/// Something that can be restarted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl Target {
    /// As kubectl takes it: `daemonset/etcd-defrag`.
    pub fn shown(&self) -> String {
        format!("{}/{}", self.kind.singular(), self.name)
    }
}

/// What is to be done with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is restarted.
    Restart,
    /// Its pods are newer than the files.
    Newer,
    /// It could read renewed files; nobody but its owner knows.
    Could,
    /// Its pods are replaced only once they are deleted.
    OnDelete,
    /// It doesn't follow its template at the moment.
    Paused,
}

/// A workload that reads renewed files, or could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub target: Target,
    /// What is to be done with it.
    pub verdict: Verdict,
    /// Why it is one.
    pub why: Vec<String>,
    /// How many pods it has, as far as they were looked at.
    pub pods: usize,
    /// When the oldest of their containers started.
    pub oldest: Option<Timestamp>,
    /// Which pods they are, as `kubectl -l` takes it.
    pub selector: String,
}

/// Whether a workload has to be restarted. `pods` are those of its namespace, or of all; `since` is when files were
/// renewed, where that is known: pods that started later have read the new ones.
pub fn judge(kind: Kind, workload: &Workload, pods: &[Pod], since: Option<Timestamp>) -> Option<Candidate> {
    let known =
        (workload.metadata.name == KNOWN).then(|| Reason { certain: true, what: "known by its name".into() });
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
        candidate.verdict = Verdict::Could;
    } else if newer {
        candidate.verdict = Verdict::Newer;
    }
    Some(candidate)
}

/// A workload that is restarted, as far as it can be.
pub fn described(kind: Kind, workload: &Workload, pods: &[Pod]) -> Candidate {
    let own: Vec<_> = pods.iter().filter(|pod| is_of(pod, kind, workload)).collect();
    // What still has to start will read the new files.
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
        selector: workload.spec.selector.labels(),
    }
}

/// What stands in the way of a restart.
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

/// Whether a pod was made by this workload.
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
