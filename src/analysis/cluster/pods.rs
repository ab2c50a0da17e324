//! Pods that don't fare well, and why, as far as the API server knows it.

use jiff::Timestamp;

use crate::formats::objects::condition;
use crate::formats::objects::pods::{ContainerStatus, Pod, Terminated};

/// How a pod doesn't fare well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// It is being deleted, and has time left for it.
    BeingDeleted,
    /// It should be gone by now.
    NotGone,
    /// It doesn't run.
    NotRunning,
    /// It runs, and not all of it is ready.
    NotReady,
}

/// Why a pod doesn't fare well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How.
    pub ailment: Ailment,
    /// In words.
    pub what: String,
}

/// What is wrong with a pod at `now`; nothing where it runs and is ready, or has done its work. `node_ready` is whether
/// its node is ready, where that is known: of one that isn't nobody knows how its pods are.
pub fn trouble(pod: &Pod, node_ready: Option<bool>, now: Timestamp) -> Option<Trouble> {
    let (ailment, what) = ill(pod, now)?;
    let mut what = match pod.status.phase.as_str() {
        "" => what,
        phase if ailment == Ailment::NotReady => format!("{phase}, {what}"),
        phase => format!("{phase}: {what}"),
    };
    if node_ready == Some(false) {
        what = format!("{what}; its node {} is not Ready: this is what was last known", pod.spec.node_name);
    }
    Some(Trouble { ailment, what })
}

fn ill(pod: &Pod, now: Timestamp) -> Option<(Ailment, String)> {
    let status = &pod.status;
    if let Some(by) = pod.metadata.deletion_timestamp {
        let how = containers(pod).map(|why| format!("; {why}")).unwrap_or_default();
        return Some(if by > now {
            (Ailment::BeingDeleted, format!("it is being deleted, by {by}{how}"))
        } else {
            (Ailment::NotGone, format!("it should be gone since {by}{how}"))
        });
    }
    match status.phase.as_str() {
        "Succeeded" => None,
        "Running" => {
            let ready = condition(&status.conditions, "Ready");
            let all =
                status.container_statuses.iter().all(|container| container.ready || is_done(pod, container));
            if all && ready.is_none_or(|ready| ready.status == "True") {
                return None;
            }
            let why = containers(pod).or_else(|| ready.map(|ready| sentence(&ready.reason, &ready.message)));
            Some((Ailment::NotReady, why.unwrap_or_else(|| "it is not ready".to_owned())))
        }
        _ => {
            let scheduled =
                condition(&status.conditions, "PodScheduled").filter(|found| found.status != "True");
            let why = scheduled
                .map(|why| sentence(&why.reason, &why.message))
                .or_else(|| containers(pod))
                .unwrap_or_else(|| sentence(&status.reason, &status.message));
            let why = if why.is_empty() { "nothing more is said".to_owned() } else { why };
            Some((Ailment::NotRunning, why))
        }
    }
}

/// Whether a container has done its work: what ends well in a pod that isn't kept running is no trouble, and where it is
/// kept running it doesn't stay so.
fn is_done(pod: &Pod, container: &ContainerStatus) -> bool {
    pod.spec.restart_policy != "Always"
        && container.state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0)
}

/// What is said of the containers that aren't ready.
fn containers(pod: &Pod) -> Option<String> {
    let init = pod.status.init_container_statuses.iter();
    // One that has ended well has done its work; a sidecar is ready.
    let init = init.filter(|container| {
        !container.ready && container.state.terminated.as_ref().is_none_or(|ended| ended.exit_code != 0)
    });
    let own = pod.status.container_statuses.iter().filter(|container| !container.ready);
    let all: Vec<_> = init.chain(own).map(one).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn one(container: &ContainerStatus) -> String {
    let state = &container.state;
    let mut how = match (&state.waiting, &state.running, &state.terminated) {
        (Some(waiting), _, _) => sentence(&waiting.reason, &waiting.message),
        (_, _, Some(ended)) => end(ended),
        (_, Some(_), _) => "it runs and is not ready".to_owned(),
        (None, None, None) => "nothing is known of it".to_owned(),
    };
    if how.is_empty() {
        how = "it waits".to_owned();
    }
    if container.restart_count > 0 {
        how = format!("{how}; started again {} times", container.restart_count);
    }
    if let Some(last) = &container.last_state.terminated {
        how = format!("{how}; before that it {}", end(last));
    }
    format!("container {}: {how}", container.name)
}

fn end(ended: &Terminated) -> String {
    let reason = Some(&ended.reason).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let when = ended.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let last = ended.message.lines().rfind(|line| !line.trim().is_empty());
    let message = last.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    format!("ended with {}{reason}{when}{message}", ended.exit_code)
}

/// A reason and a message.
pub(super) fn sentence(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}
