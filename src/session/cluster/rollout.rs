//! Restarts workloads that read renewed files: finds them, restarts their pods, waits for the new ones.

use std::time::Duration;

use jiff::Timestamp;

use super::connect::Cluster;
use crate::analysis::cluster::pods::trouble;
use crate::analysis::cluster::rollout;
use crate::analysis::cluster::rollout::{Candidate, Progress, Target, Verdict, progress};
use crate::error::{self, Error};
use crate::formats::objects::workloads::{Kind, Workload};
use crate::live::api::ApiError;
use crate::live::clock;
use crate::live::deadline::Deadline;
use crate::report::{restart_command, rollout_obstacle};
use crate::session::Context;
use crate::session::change::signals::arrived;
use crate::state::Code;
use crate::state::text::count;

/// The namespace of the static pods.
pub const NAMESPACE: &str = "kube-system";

/// Pause between two requests, at first and at most. kubectl watches instead.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Timeout of the last request, after the deadline.
const LAST_REQUEST: Duration = Duration::from_secs(5);

/// How many pods are named if a rollout is not complete in time.
const NAMED: usize = 10;
/// So many pods that a partition keeps are named in one command.
const MOST_KEPT: i64 = 10;

/// Workloads that read renewed files, or may read them.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In restart order.
    pub candidates: Vec<Candidate>,
    /// What could not be listed, and why.
    pub not_listed: Vec<String>,
}

impl Found {
    pub fn targets(&self) -> Vec<Target> {
        let all = self.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Restart);
        all.map(|candidate| candidate.target.clone()).collect()
    }

    /// What must be restarted and cannot be.
    pub fn left(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|found| matches!(found.verdict, Verdict::OnDelete | Verdict::Paused))
    }
}

/// Finds what reads renewed files in a namespace, or in all. Pods that started after `since`, when files were
/// renewed, have read the new ones.
///
/// # Errors
/// Nothing can be listed.
pub fn find(cluster: &Cluster, namespace: Option<&str>, since: Option<Timestamp>) -> Result<Found, Error> {
    let mut found = Found::default();
    let pods = match cluster.api.pods(namespace, cluster.deadline()) {
        Ok(pods) => pods,
        Err(error) if is_of_part(&error) => {
            found.not_listed.push(format!("pods (start times unknown): {error}"));
            Vec::new()
        }
        Err(error) => return Err(cluster.failure("list the pods", &error)),
    };
    let mut first = None;
    for kind in Kind::ALL {
        match cluster.api.workloads(kind, namespace, cluster.deadline()) {
            Ok(workloads) => {
                let all =
                    workloads.iter().filter_map(|workload| rollout::judge(kind, workload, &pods, since));
                found.candidates.extend(all);
            }
            Err(error) if is_of_part(&error) => {
                found.not_listed.push(format!("{}: {error}", kind.plural()));
                first.get_or_insert(error);
            }
            Err(error) => return Err(cluster.failure(&format!("list the {}", kind.plural()), &error)),
        }
    }
    found.candidates.sort_by(|a, b| a.target.cmp(&b.target));
    match first {
        Some(error) if found.candidates.is_empty() && found.not_listed.len() >= Kind::ALL.len() => {
            Err(cluster.failure("list workloads", &error))
        }
        _ => Ok(found),
    }
}

/// Whether other kinds may still be listed.
fn is_of_part(error: &ApiError) -> bool {
    matches!(error, ApiError::Status { status: 403 | 404, .. })
}

/// # Errors
/// One of them cannot be read.
pub fn named(cluster: &Cluster, targets: &[Target]) -> Result<Found, Error> {
    let mut found = Found::default();
    for target in targets {
        let workload = get(cluster, target, cluster.deadline())
            .map_err(|error| cluster.failure(&format!("read {}", target.shown()), &error))?;
        let pods = cluster.api.pods(Some(&target.namespace), cluster.deadline()).unwrap_or_default();
        let mut candidate = rollout::described(target.kind, &workload, &pods);
        candidate.target = target.clone();
        candidate.why = vec!["named".to_owned()];
        found.candidates.push(candidate);
    }
    Ok(found)
}

/// Restarts these one after the other, and waits for each as long as `wait` says. Stops at the first that is
/// not ready in time: its problem would affect the next ones too.
///
/// # Errors
/// One of them cannot be restarted, or is not ready in time; the details name those that were restarted
/// before.
pub fn restart(
    cluster: &Cluster,
    targets: &[Target],
    wait: Option<Duration>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    for (index, target) in targets.iter().enumerate() {
        let done = targets.get(..index).unwrap_or_default();
        let rest = targets.get(index + 1..).unwrap_or_default();
        one(cluster, target, wait, context).map_err(|failure| with_progress(failure, done, rest))?;
    }
    Ok(())
}

fn with_progress(mut failure: Error, done: &[Target], rest: &[Target]) -> Error {
    let all = |targets: &[Target]| targets.iter().map(Target::shown).collect::<Vec<_>>().join(", ");
    if !done.is_empty() {
        failure.details.push(format!("already restarted: {}", all(done)));
        failure.kind = error::Kind::ActionRequired;
    }
    if !rest.is_empty() {
        failure.details.push(format!("not restarted: {}", all(rest)));
    }
    failure
}

fn one(
    cluster: &Cluster,
    target: &Target,
    wait: Option<Duration>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    let could_not = |error: &ApiError| cluster.failure(&format!("restart {}", target.shown()), error);
    let before = get(cluster, target, cluster.deadline()).map_err(|error| could_not(&error))?;
    let candidate = rollout::described(target.kind, &before, &[]);
    if let Some(refusal) = rollout_obstacle(target, candidate.verdict, candidate.selector.as_deref()) {
        return Err(refusal);
    }
    let at = clock::wall();
    let (Target { kind, namespace, name }, api) = (target, &cluster.api);
    let patched = match api.restart_workload(*kind, namespace, name, at, cluster.deadline()) {
        Ok(patched) => patched,
        Err(error) if is_uncertain(&error) => after_all(cluster, target, &before, &error)?,
        Err(error) => return Err(could_not(&error)),
    };
    if patched.restarted_at() == before.restarted_at() {
        let what = format!(
            "cannot restart {}: already restarted in this second; nothing was changed",
            target.shown()
        );
        return Err(Error::could_not_run(what)
            .code(Code::ChangedMeanwhile)
            .hint("wait a second, then run the command again"));
    }
    context.out.result(&format!("{}.apps/{} restarted\n", kind.singular(), name));
    let rolling = patched.spec.update_strategy.rolling_update.as_ref();
    if let Some(first) = rolling.and_then(|rolling| rolling.partition).filter(|first| *first > 0) {
        let kept: Vec<_> = (0..first.min(MOST_KEPT)).map(|number| format!("{name}-{number}")).collect();
        context.out.say(&format!(
            "warning: pods below number {first} are not restarted (partition {first})\nhint: kubectl -n {namespace} delete pod {}",
            kept.join(" ")
        ));
    }
    match wait {
        Some(within) => {
            let words = wait_for(cluster, target, &before.metadata.uid, within, context)?;
            context.out.result(&format!("{words}\n"));
        }
        None => context.out.say(&format!("hint: kubectl -n {namespace} rollout status {}", target.shown())),
    }
    Ok(())
}

fn get(cluster: &Cluster, target: &Target, deadline: Deadline) -> Result<Workload, ApiError> {
    cluster.api.workload(target.kind, &target.namespace, &target.name, deadline)
}

/// Whether a change may have been made although it was not confirmed.
fn is_uncertain(error: &ApiError) -> bool {
    match error {
        ApiError::Fault(fault) => !matches!(fault, crate::live::Fault::Refused),
        ApiError::Unintelligible(_) | ApiError::Status { status: 500..=599, .. } => true,
        _ => false,
    }
}

/// Reads whether an unconfirmed change was made.
fn after_all(
    cluster: &Cluster,
    target: &Target,
    before: &Workload,
    error: &ApiError,
) -> Result<Workload, Error> {
    match get(cluster, target, cluster.deadline()) {
        Ok(now) if now.restarted_at() != before.restarted_at() => Ok(now),
        Ok(_) => Err(cluster.failure(&format!("restart {}", target.shown()), error)),
        Err(_) => {
            let mut failure = cluster.failure(&format!("restart {}", target.shown()), error);
            failure.kind = error::Kind::ActionRequired;
            failure.message.push_str("; it is not known whether it was restarted");
            Err(failure)
        }
    }
}

/// Waits until all new pods are ready; returns kubectl's sentence.
fn wait_for(
    cluster: &Cluster,
    target: &Target,
    uid: &str,
    within: Duration,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let deadline = Deadline::within(within);
    let begun = clock::now();
    let mut pause = PAUSES.0;
    let mut said = String::new();
    let restarted = format!("{} was restarted", target.shown());
    loop {
        // After the deadline there is one last request.
        if let Some(signal) = arrived() {
            let what =
                format!("{restarted}; interrupted by {signal} before it was ready, it goes on by itself");
            return Err(Error::manual_action(what).code(Code::Interrupted).hint(status_command(target)));
        }
        let over = deadline.left().is_zero();
        let look = get(cluster, target, cluster.deadline().at_most(deadline.left().max(LAST_REQUEST)));
        let words = match look {
            Ok(workload) if workload.metadata.uid != uid => {
                let what = format!("{restarted}, then replaced by another object of the same name");
                return Err(Error::manual_action(what)
                    .code(Code::ChangedMeanwhile)
                    .hint(restart_command(target)));
            }
            Ok(workload) => match progress(target.kind, &workload) {
                Progress::Done(words) => {
                    context.waited += begun.elapsed();
                    return Ok(words);
                }
                Progress::Stuck(words) => {
                    return Err(not_done(cluster, target, &workload, format!("{restarted}, but {words}")));
                }
                Progress::Running(words) if over => {
                    let what = format!("{restarted}, but is not ready after {} s: {words}", within.as_secs());
                    return Err(not_done(cluster, target, &workload, what));
                }
                Progress::Running(words) => words,
            },
            Err(error) if error.is_not_found() => {
                let what = format!("{restarted}, then deleted by somebody else");
                return Err(Error::manual_action(what).code(Code::ChangedMeanwhile));
            }
            Err(error) if error.is_of_identity() || over => {
                let mut failure = cluster.failure(&format!("read the status of {}", target.shown()), &error);
                failure.kind = error::Kind::ActionRequired;
                failure.message = format!("{restarted}; {}", failure.message);
                return Err(failure);
            }
            // The API server may be down for a moment while it restarts itself.
            Err(error) => format!("no answer from the API server, retrying: {error}"),
        };
        if words != said {
            context.out.say(&words);
            said = words;
        }
        std::thread::sleep(pause.min(deadline.left()));
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// The failure of a rollout, with the pods that are not ready.
fn not_done(cluster: &Cluster, target: &Target, workload: &Workload, what: String) -> Error {
    let pods = cluster.api.pods(Some(&target.namespace), cluster.deadline());
    let now = clock::wall();
    let lines: Vec<_> = match &pods {
        Ok(pods) => pods
            .iter()
            .filter(|pod| rollout::is_of(pod, target.kind, workload))
            .filter_map(|pod| {
                let node = Some(&pod.spec.node_name).filter(|node| !node.is_empty());
                let node = node.map(|node| format!(" on {node}")).unwrap_or_default();
                Some(format!("pod {}{node}: {}", pod.metadata.name, trouble(pod, None, now)?.what))
            })
            .collect(),
        Err(error) => vec![format!("cannot list its pods: {error}")],
    };
    let more = lines.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {}", count(more, "more pod")));
    let none = lines.is_empty().then(|| "all its pods are ready: check kube-controller-manager".to_owned());
    Error::manual_action(what)
        .code(Code::PodNotReady)
        .details(lines.into_iter().take(NAMED).chain(more).chain(none))
        .hint(status_command(target))
}

fn status_command(target: &Target) -> String {
    format!("kubectl -n {} rollout status {}", target.namespace, target.shown())
}
