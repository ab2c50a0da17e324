//! Stopping the control plane's containers, and watching the kubelet restart them: this is how a static pod
//! reads new certificates. One thread per component, each with its own connection.
//!
//! A container belongs to a component by the exact name in its labels, by the namespace [`STATIC_POD_NAMESPACE`], and by
//! its pod being static. So `etcd-defrag` does not, nor does a user's pod of the same name.
//!
//! Must not know which files changed, nor who shows the progress.

mod component;
mod log;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::clock;
use super::cri::seconds;
use super::deadline::waited;
use crate::state::{Component, os};
use component::ComponentRestart;
#[cfg(fuzzing)]
pub(super) use log::messages_of as log_lines;

/// The grace period of the components that keep no data.
pub const SHORT_GRACE: Duration = Duration::from_secs(2);

/// The pod's grace period without its annotation: Kubernetes' default.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// How long a container may take to exit before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// The pod's terminationGracePeriod; 30 s if it is not set or 0.
    OfThePod,
    Fixed(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub component: Component,
    pub grace: Grace,
}

impl Wanted {
    /// etcd always gets its pod's grace period, since a kill may cost it data, and so do other pods, of which nothing is
    /// known. kubeadm's others are stateless and get `grace`, or [`SHORT_GRACE`].
    pub fn new(component: Component, grace: Option<Duration>) -> Self {
        let grace = match component {
            Component::Etcd | Component::Other(_) => Grace::OfThePod,
            _ => Grace::Fixed(grace.unwrap_or(SHORT_GRACE)),
        };
        Self { component, grace }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All at once: with a single etcd member the control plane is down in any case.
    Together,
    /// etcd must be back and healthy before anything else is stopped.
    EtcdFirst,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub socket: PathBuf,
    pub order: Order,
    /// When the files were changed. A container created since then has read the new ones and is not stopped.
    pub since: Option<Timestamp>,
    /// How long to wait for a component to come back after it was stopped, and for etcd to be healthy.
    pub patience: Duration,
    /// How long a new container must run to count as back.
    pub steady: Duration,
    /// How much longer than the grace period a stop may take: crictl's 2 s end in DeadlineExceeded.
    pub stop_slack: Duration,
}

impl Options {
    /// All at once, 120 s to come back, 3 s steady, the grace period plus 120 s to stop.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            order: Order::Together,
            since: None,
            patience: Duration::from_secs(120),
            steady: Duration::from_secs(3),
            stop_slack: Duration::from_secs(120),
        }
    }
}

/// The phase of a component's restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    Listing,
    /// The container got its stop signal.
    Stopping {
        grace: Duration,
    },
    /// Stopping failed and is tried again.
    Retrying {
        /// 1 for the first repetition.
        attempt: u32,
        /// Why the last try failed.
        why: String,
    },
    Stopped,
    NothingToStop,
    /// The running container was created after the files were changed.
    StartedByItself,
    /// Waiting for the kubelet to create a new container.
    WaitingForNew {
        /// What happened meanwhile: a new container that exited again, a runtime that doesn't answer.
        note: Option<String>,
    },
    /// A new container runs; it is watched for a moment.
    Running,
    /// No new container came: the pod's sandbox is stopped, so that the kubelet recreates the pod.
    StoppingSandbox,
    /// etcd runs; waiting until it is healthy.
    AwaitingHealth {
        /// What it lacks, as last reported.
        why: Option<String>,
    },
    Back,
    Failed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing => f.write_str("looking for its container"),
            Self::Stopping { grace } => write!(f, "stopping (killed after {})", seconds(*grace)),
            Self::Retrying { attempt, why } => write!(f, "stopping again (retry {attempt}): {why}"),
            Self::Stopped => f.write_str("stopped"),
            Self::NothingToStop => f.write_str("was not running"),
            Self::StartedByItself => f.write_str("was started meanwhile"),
            Self::WaitingForNew { note: None } => f.write_str("waiting for the kubelet's new container"),
            Self::WaitingForNew { note: Some(note) } => {
                write!(f, "waiting for the kubelet's new container: {note}")
            }
            Self::Running => f.write_str("running"),
            Self::StoppingSandbox => f.write_str("stopping its sandbox"),
            Self::AwaitingHealth { why: None } => f.write_str("waiting until it is healthy"),
            Self::AwaitingHealth { why: Some(why) } => write!(f, "waiting until it is healthy: {why}"),
            Self::Back => f.write_str("back"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub component: Component,
    pub phase: Phase,
    /// Since the work on this component began.
    pub elapsed: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stopped, and back as another container.
    Back {
        old_id: String,
        new_id: String,
        /// From the stop to its exit.
        stop_took: Duration,
        /// From the exit until the new one ran, without the time of watching it.
        start_took: Duration,
    },
    Started {
        new_id: String,
        start_took: Duration,
    },
    /// Its container was created after the files were changed; it was not stopped.
    StartedByItself {
        id: String,
    },
    Failed {
        phase: Phase,
        why: String,
        /// The last log lines of its newest container, raw.
        last_lines: Vec<String>,
    },
    NotTried {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub component: Component,
    pub outcome: Outcome,
    pub elapsed: Duration,
}

impl Report {
    /// Whether the component runs with the current files.
    pub fn is_back(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Back { .. } | Outcome::Started { .. } | Outcome::StartedByItself { .. }
        )
    }
}

/// Restarts the components and waits until each is back, or its time is over. The reports are in the order of
/// `wanted`. `etcd_healthy` is called only with [`Order::EtcdFirst`] and must return by itself; `progress` is
/// called from several threads.
///
/// A component takes at most about 20 s to be listed; the grace period, the slack and the patience to stop;
/// the patience and the steady time to come back. With [`Order::EtcdFirst`] the others begin after etcd's own
/// time and its patience to be healthy.
pub fn restart(
    options: &Options,
    wanted: &[Wanted],
    etcd_healthy: &(dyn Fn() -> Result<(), String> + Sync),
    progress: &(dyn Fn(Progress) + Sync),
) -> Vec<Report> {
    // What runs beside the control plane usually needs its API: kube-vip elects its leader there.
    let (others, own): (Vec<&Wanted>, Vec<&Wanted>) =
        wanted.iter().partition(|wanted| wanted.component.is_other());
    let (first, rest): (Vec<&Wanted>, Vec<&Wanted>) = match options.order {
        Order::EtcdFirst => own.into_iter().partition(|wanted| wanted.component == Component::Etcd),
        Order::Together => (Vec::new(), own),
    };
    let mut reports = together(options, &first, progress);
    for report in reports.iter_mut().filter(|report| report.is_back()) {
        await_health(options, report, etcd_healthy, progress);
    }
    for (group, before) in [(rest, "etcd"), (others, "the control plane")] {
        if reports.iter().all(Report::is_back) {
            reports.extend(together(options, &group, progress));
        } else {
            let why = format!("{before} is not back, so this was left running");
            let left = |wanted: &&Wanted| Report {
                component: wanted.component,
                outcome: Outcome::NotTried { why: why.clone() },
                elapsed: Duration::ZERO,
            };
            reports.extend(group.iter().map(left));
        }
    }
    let place = |report: &Report| wanted.iter().position(|wanted| wanted.component == report.component);
    reports.sort_by_key(place);
    reports
}

fn together(options: &Options, wanted: &[&Wanted], progress: &(dyn Fn(Progress) + Sync)) -> Vec<Report> {
    thread::scope(|scope| {
        let begun: Vec<_> = wanted
            .iter()
            .map(|wanted| {
                let work = move || ComponentRestart::new(options, wanted, progress).restart();
                let name = wanted.component.name().to_owned();
                (wanted, thread::Builder::new().name(name).spawn_scoped(scope, work))
            })
            .collect();
        begun
            .into_iter()
            .map(|(wanted, handle)| {
                let why = match handle.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(report)) => return report,
                    Ok(Err(_)) => "an error of the program".to_owned(),
                    Err(error) => format!("cannot start a thread: {}", os::reason(&error)),
                };
                let outcome = Outcome::Failed { phase: Phase::Listing, why, last_lines: Vec::new() };
                Report { component: wanted.component, outcome, elapsed: Duration::ZERO }
            })
            .collect()
    })
}

/// Waits until a running etcd is healthy.
fn await_health(
    options: &Options,
    report: &mut Report,
    healthy: &(dyn Fn() -> Result<(), String> + Sync),
    progress: &(dyn Fn(Progress) + Sync),
) {
    let (began, before) = (clock::now(), report.elapsed);
    let mut heard: Option<String> = None;
    let tell = |phase: Phase| {
        let elapsed = before + began.elapsed();
        progress(Progress { component: report.component, phase, elapsed });
    };
    tell(Phase::AwaitingHealth { why: None });
    loop {
        let Err(why) = healthy() else {
            tell(Phase::Back);
            report.elapsed = before + began.elapsed();
            return;
        };
        if heard.as_ref() != Some(&why) {
            tell(Phase::AwaitingHealth { why: Some(why.clone()) });
            heard = Some(why.clone());
        }
        if waited(began) >= options.patience {
            tell(Phase::Failed);
            let last_lines = component::last_lines_of(&options.socket, report.component);
            let phase = Phase::AwaitingHealth { why: Some(why.clone()) };
            let patience = seconds(options.patience);
            let why = format!("its container runs, but it is not healthy after {patience}: {why}");
            report.elapsed = before + began.elapsed();
            report.outcome = Outcome::Failed { phase, why, last_lines };
            return;
        }
        thread::sleep(Duration::from_millis(250));
    }
}
