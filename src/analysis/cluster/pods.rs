//! Pods that are not ready, and why, as far as the API server knows it.

use jiff::Timestamp;

use crate::formats::objects::condition;
use crate::formats::objects::pods::{ContainerStatus, Pod, Terminated};
use crate::state::Code;
use crate::state::text::count;
use crate::state::time::minute;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `None` while it is being deleted and its deadline has not passed.
    pub code: Option<Code>,
    /// The reason in a sentence.
    pub what: String,
}

/// What is wrong with a pod at `now`; `None` if it runs and is ready, or has completed. `node_ready` is
/// whether its node is Ready, if known: the pod status on a node that is not Ready is outdated.
pub fn trouble(pod: &Pod, node_ready: Option<bool>, now: Timestamp) -> Option<Trouble> {
    let (code, what) = reason(pod, now)?;
    let mut what = match pod.status.phase.as_str() {
        "" => what,
        phase if code == Some(Code::PodNotReady) => format!("{phase}, {what}"),
        phase => format!("{phase}: {what}"),
    };
    if node_ready == Some(false) {
        what = format!("{what}; last known state: its node {} is not Ready", pod.spec.node_name);
    }
    Some(Trouble { code, what })
}

fn reason(pod: &Pod, now: Timestamp) -> Option<(Option<Code>, String)> {
    let status = &pod.status;
    if let Some(by) = pod.metadata.deletion_timestamp {
        let how = containers(pod).map(|why| format!("; {why}")).unwrap_or_default();
        return Some(if by > now {
            (None, format!("being deleted, deadline {}{how}", minute(by)))
        } else {
            (Some(Code::PodNotGone), format!("deletion deadline {} passed{how}", minute(by)))
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
            Some((Some(Code::PodNotReady), why.unwrap_or_else(|| "not ready".to_owned())))
        }
        _ => {
            let scheduled =
                condition(&status.conditions, "PodScheduled").filter(|found| found.status != "True");
            let why = scheduled
                .map(|why| sentence(&why.reason, &why.message))
                .or_else(|| containers(pod))
                .unwrap_or_else(|| sentence(&status.reason, &status.message));
            let why = if why.is_empty() { "no reason given".to_owned() } else { why };
            Some((Some(Code::PodNotRunning), why))
        }
    }
}

/// Whether a container has completed: exit code 0 in a pod whose restart policy is not Always.
fn is_done(pod: &Pod, container: &ContainerStatus) -> bool {
    pod.spec.restart_policy != "Always"
        && container.state.terminated.as_ref().is_some_and(|terminated| terminated.exit_code == 0)
}

/// The states of the containers that are not ready.
fn containers(pod: &Pod) -> Option<String> {
    let init = pod.status.init_container_statuses.iter();
    // An init container with exit code 0 has completed; a sidecar is ready.
    let init = init.filter(|container| {
        !container.ready
            && container.state.terminated.as_ref().is_none_or(|terminated| terminated.exit_code != 0)
    });
    let own = pod.status.container_statuses.iter().filter(|container| !container.ready);
    let all: Vec<_> = init.chain(own).map(one).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn one(container: &ContainerStatus) -> String {
    let state = &container.state;
    let mut how = match (&state.waiting, &state.running, &state.terminated) {
        (Some(waiting), _, _) => sentence(&waiting.reason, &waiting.message),
        (_, _, Some(terminated)) => exit(terminated),
        (_, Some(_), _) => "running, not ready".to_owned(),
        (None, None, None) => "state unknown".to_owned(),
    };
    if how.is_empty() {
        how = "waiting".to_owned();
    }
    if container.restart_count > 0 {
        how = format!("{how}; {}", count(container.restart_count, "restart"));
    }
    if let Some(last) = &container.last_state.terminated {
        how = format!("{how}; before: {}", exit(last));
    }
    format!("container {}: {how}", container.name)
}

fn exit(terminated: &Terminated) -> String {
    let reason = Some(&terminated.reason).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let when = terminated.finished_at.map(|at| format!(" at {}", minute(at))).unwrap_or_default();
    let last = terminated.message.lines().rfind(|line| !line.trim().is_empty());
    let message = last.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    format!("exit code {}{reason}{when}{message}", terminated.exit_code)
}

/// `REASON: MESSAGE`; either may be empty.
pub(super) fn sentence(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}
