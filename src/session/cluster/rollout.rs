//! Restarting what runs in a cluster and has read files that were renewed: finding it, having its pods made anew, and
//! waiting until they are there.

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

/// Where the static pods are, and what goes with them.
pub const NAMESPACE: &str = "kube-system";

/// How long between two looks, at first and at most. kubectl watches instead.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long the last look may take, once the time is over.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// How many pods are named where a rollout isn't done in time.
const NAMED: usize = 10;

/// What reads renewed files, or could.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the order in which they are restarted.
    pub candidates: Vec<Candidate>,
    /// What couldn't be listed, and why.
    pub not_asked: Vec<String>,
}

impl Found {
    /// What is to be restarted.
    pub fn targets(&self) -> Vec<Target> {
        let all = self.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Restart);
        all.map(|candidate| candidate.target.clone()).collect()
    }

    /// What should be restarted and can't be.
    pub fn left(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|found| matches!(found.verdict, Verdict::OnDelete | Verdict::Paused))
    }
}

/// Finds what reads renewed files in a namespace, or in all. Pods that started after `since`, when files were renewed,
/// have read the new ones.
///
/// # Errors
/// Nothing of it can be listed.
pub fn find(cluster: &Cluster, namespace: Option<&str>, since: Option<Timestamp>) -> Result<Found, Error> {
    let mut found = Found::default();
    let pods = match cluster.api.pods(namespace, cluster.deadline()) {
        Ok(pods) => pods,
        Err(error) if is_of_part(&error) => {
            found.not_asked.push(format!("pods, so when they started is not known: {error}"));
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
                found.not_asked.push(format!("{}: {error}", kind.plural()));
                first.get_or_insert(error);
            }
            Err(error) => return Err(cluster.failure(&format!("list the {}", kind.plural()), &error)),
        }
    }
    found.candidates.sort_by(|a, b| a.target.cmp(&b.target));
    match first {
        Some(error) if found.candidates.is_empty() && found.not_asked.len() >= Kind::ALL.len() => {
            Err(cluster.failure("list what could be restarted", &error))
        }
        _ => Ok(found),
    }
}

/// Whether another part may be had all the same.
fn is_of_part(error: &ApiError) -> bool {
    matches!(error, ApiError::Status { status: 403 | 404, .. })
}

/// Looks at what the operator names.
///
/// # Errors
/// One of them isn't there, or can't be had.
pub fn named(cluster: &Cluster, targets: &[Target]) -> Result<Found, Error> {
    let mut found = Found::default();
    for target in targets {
        let workload = get(cluster, target, cluster.deadline())
            .map_err(|error| cluster.failure(&format!("look at {}", target.shown()), &error))?;
        let pods = cluster.api.pods(Some(&target.namespace), cluster.deadline()).unwrap_or_default();
        let mut candidate = rollout::described(target.kind, &workload, &pods);
        candidate.target = target.clone();
        candidate.why = vec!["asked for".to_owned()];
        found.candidates.push(candidate);
    }
    Ok(found)
}

/// Restarts these one after the other, and waits for each as long as `wait` says, where it says so. The first that isn't
/// there in time ends it: something is wrong with its new pods that the next would have too.
///
/// # Errors
/// One of them can't be restarted, or isn't there in time; which were restarted by then stands in the failure.
pub fn restart(
    cluster: &Cluster,
    targets: &[Target],
    wait: Option<Duration>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    for (index, target) in targets.iter().enumerate() {
        let done = targets.get(..index).unwrap_or_default();
        let rest = targets.get(index + 1..).unwrap_or_default();
        one(cluster, target, wait, context).map_err(|failure| told_with(failure, done, rest))?;
    }
    Ok(())
}

fn told_with(mut failure: Error, done: &[Target], rest: &[Target]) -> Error {
    let all = |targets: &[Target]| targets.iter().map(Target::shown).collect::<Vec<_>>().join(", ");
    if !done.is_empty() {
        failure.details.push(format!("restarted before that: {}", all(done)));
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
    if let Some(refusal) = rollout_obstacle(target, candidate.verdict, &candidate.selector) {
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
        let what = format!("{} was restarted in this very second: nothing was changed", target.shown());
        return Err(Error::could_not_run(what).hint("wait a second, then run it again"));
    }
    context.out.result(&format!("{}.apps/{} restarted\n", kind.singular(), name));
    let rolling = patched.spec.update_strategy.rolling_update.as_ref();
    if let Some(first) = rolling.and_then(|rolling| rolling.partition).filter(|first| *first > 0) {
        context.out.say(&format!(
            "warning: its pods below number {first} are not made anew (partition {first}): kubectl -n {namespace} delete pod {name}-0 …"
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

/// Whether a change may have been made although it wasn't confirmed.
fn is_uncertain(error: &ApiError) -> bool {
    match error {
        ApiError::Fault(fault) => !matches!(fault, crate::live::Fault::Refused),
        ApiError::Unintelligible(_) | ApiError::Status { status: 500..=599, .. } => true,
        _ => false,
    }
}

/// Looks whether a change was made that wasn't confirmed.
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
            failure.message.push_str("; whether it was restarted is not known");
            Err(failure)
        }
    }
}

/// Waits until all pods are made anew and ready; the words in which kubectl would say it.
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
        // Once the time is over there is a last look.
        let over = deadline.left().is_zero();
        let look = get(cluster, target, cluster.deadline().at_most(deadline.left().max(LAST_LOOK)));
        let words = match look {
            Ok(workload) if workload.metadata.uid != uid => {
                let what = format!("{restarted}, and then replaced by another of its name");
                return Err(Error::manual_action(what).hint(restart_command(target)));
            }
            Ok(workload) => match progress(target.kind, &workload) {
                Progress::Done(words) => {
                    context.waited += begun.elapsed();
                    return Ok(words);
                }
                Progress::Stuck(words) => {
                    return Err(not_done(cluster, target, &workload, format!("{restarted}, and {words}")));
                }
                Progress::Going(words) if over => {
                    let what = format!("{restarted}, and is not back within {} s: {words}", within.as_secs());
                    return Err(not_done(cluster, target, &workload, what));
                }
                Progress::Going(words) => words,
            },
            Err(error) if error.is_not_found() => {
                return Err(Error::manual_action(format!("{restarted}, and then somebody deleted it")));
            }
            Err(error) if error.is_of_identity() || over => {
                let mut failure = cluster.failure(&format!("see how {} fares", target.shown()), &error);
                failure.kind = error::Kind::ActionRequired;
                failure.message = format!("{restarted}; {}", failure.message);
                return Err(failure);
            }
            // The API server may be gone for a moment, when it is the one that restarts.
            Err(error) => format!("the API server doesn't answer, it is asked again: {error}"),
        };
        if words != said {
            context.out.say(&words);
            said = words;
        }
        std::thread::sleep(pause.min(deadline.left()));
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Says which pods keep a rollout from being done.
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
        Err(error) => vec![format!("its pods can't be listed: {error}")],
    };
    let more = lines.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more pods"));
    let none = lines
        .is_empty()
        .then(|| "no pod of it is in trouble: the controller-manager may not see to it".to_owned());
    Error::manual_action(what).details(lines.into_iter().take(NAMED).chain(more).chain(none)).hint(format!(
        "kubectl -n {0} rollout status {1} goes on waiting; kubectl -n {0} rollout undo {1} takes the change back",
        target.namespace,
        target.shown()
    ))
}
