//! Restarting the kubelet and the static pods, with progress.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jiff::Timestamp;

use super::host::{Cri, HostArgs, members};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Restarts;
use crate::analysis::node::quorum::Quorum;
use crate::error::Error;
use crate::live::clock;
use crate::live::kubelet;
use crate::live::restart::{self, Options, Order, Report, Wanted};
use crate::report::{Progress, restart_failures};
use crate::session::Context;
use crate::session::change::signals::{arrived, stop_here};
use crate::state::Component;

/// How long a new kubelet must run before it counts: with an expired certificate it exits within a second.
const KUBELET_SETTLED: Duration = Duration::from_millis(1200);
/// Refresh interval of the elapsed times on a terminal.
const TICK: Duration = Duration::from_millis(200);

/// How the static pods are restarted.
pub struct StaticPods<'a> {
    pub cri: &'a Cri,
    pub args: &'a HostArgs,
    /// The node, with a client certificate for etcd that works.
    pub inventory: &'a Inventory,
    /// etcd's members before the restart.
    pub quorum: Option<&'a Quorum>,
    /// Containers created after this time use the current files.
    pub since: Timestamp,
    /// How long a new container must run before it counts.
    pub steady: Duration,
}

/// How long a new container must run before it counts, if nothing else is checked.
pub const STEADY: Duration = Duration::from_secs(3);
/// The same if the proof follows, which checks more than that a process runs.
pub const STEADY_BEFORE_PROOF: Duration = Duration::from_secs(1);

/// The next step after a restart that a signal interrupted.
pub const GO_ON: &str =
    "sudo kuberescue recover goes on: it restarts what still uses old files, and checks the node";

/// A component's progress, sent from a thread.
struct Step {
    component: Component,
    what: String,
    done: bool,
}

/// Restarts the kubelet first, since nothing else starts a static pod again; static pods only if `pods` is
/// set. Each may take `patience` to be back.
///
/// # Errors
/// Something doesn't come back. The kubelet starts what was stopped as soon as it can.
pub fn revive(
    restarts: &Restarts,
    pods: Option<&StaticPods<'_>>,
    patience: Duration,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    context.hold_signals();
    if restarts.has(Component::Kubelet) {
        let restarted = restart_kubelet(patience, context);
        stop_here("the kubelet was told to restart, and nothing else was", GO_ON)?;
        restarted?;
    }
    let Some(pods) = pods.filter(|_| restarts.pods().next().is_some()) else { return Ok(()) };
    let grace = Duration::try_from(pods.args.grace).unwrap_or(restart::SHORT_GRACE);
    let wanted: Vec<_> = restarts.pods().map(|task| Wanted::new(task.component, Some(grace))).collect();
    let options = Options {
        order: if pods.quorum.is_some_and(Quorum::has_others) { Order::EtcdFirst } else { Order::Together },
        since: Some(pods.since),
        steady: pods.steady,
        patience,
        stop_slack: patience,
        ..Options::new(pods.cri.endpoint.socket.clone())
    };
    let healthy = || etcd_is_back(pods);
    let names = wanted.iter().map(|wanted| wanted.component.name());
    let reports = shown(names, context, |steps| {
        let progress = |progress: restart::Progress| {
            let done = matches!(progress.phase, restart::Phase::Back | restart::Phase::Failed);
            let what = progress.phase.to_string();
            // The receiver is gone: the restart continues.
            let _unheard = steps.send(Step { component: progress.component, what, done });
        };
        restart::restart(&options, &wanted, &healthy, &progress)
    });
    stop_here("what was stopped is started again by the kubelet; that was not waited for", GO_ON)?;
    outcome(&reports, context)
}

/// Restarts the kubelet alone, which may take `patience` to be back.
///
/// # Errors
/// It doesn't run as it should afterwards.
pub fn restart_kubelet(patience: Duration, context: &mut Context<'_>) -> Result<(), Error> {
    let restarted = shown(["kubelet"], context, |steps| {
        let tell = |what: String, done| {
            let _unheard = steps.send(Step { component: Component::Kubelet, what, done });
        };
        let mut progress = |progress: kubelet::Progress| match progress {
            kubelet::Progress::Stopping(Some(pid)) => tell(format!("stopping (process {pid})"), false),
            kubelet::Progress::Stopping(None) => tell("starting".to_owned(), false),
            kubelet::Progress::Waiting => tell("waiting for the new one".to_owned(), false),
            kubelet::Progress::Settling(pid) => tell(format!("running (process {pid})"), false),
        };
        let restarted = kubelet::restart(patience, KUBELET_SETTLED, &mut progress);
        match &restarted {
            Ok(restarted) => tell(format!("back (process {})", restarted.kubelet.pid), true),
            Err(_) => tell("failed".to_owned(), true),
        }
        restarted
    });
    restarted.map(drop).map_err(Error::from)
}

/// Whether this node's etcd is healthy again; if it finds no quorum, running is enough: the other members
/// must be recovered first.
fn etcd_is_back(pods: &StaticPods<'_>) -> Result<(), String> {
    use crate::analysis::node::quorum::Health::{Healthy, Silent, Unhealthy};
    let finds_quorum = pods.quorum.is_none_or(Quorum::is_found_again);
    let now = members(pods.inventory);
    let here = now.as_ref().and_then(|quorum| quorum.voters.iter().find(|voter| voter.here));
    match here.map(|voter| voter.health) {
        Some(Healthy) => Ok(()),
        // Without a leader it doesn't open its client port; its container is known to run.
        Some(Unhealthy | Silent) if !finds_quorum => Ok(()),
        Some(Unhealthy) => Err("no leader yet".to_owned()),
        Some(Silent) | None => Err("no answer yet".to_owned()),
    }
}

fn outcome(reports: &[Report], context: &mut Context<'_>) -> Result<(), Error> {
    let mut failures = restart_failures(reports);
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in failures {
        context.out.fail(&failure);
    }
    Err(last)
}

/// Runs `work` on another thread and shows its steps as they arrive.
fn shown<'n, T: Send>(
    names: impl IntoIterator<Item = &'n str>,
    context: &mut Context<'_>,
    work: impl FnOnce(Sender<Step>) -> T + Send,
) -> T {
    let mut board = Progress::new(names, context.out.is_terminal());
    let began = clock::now();
    let (sender, receiver) = channel();
    let done = std::thread::scope(|scope| {
        let work = scope.spawn(move || work(sender));
        show(&receiver, &mut board, context);
        // A panic in there is one of ours: pass it on.
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    context.waited += began.elapsed();
    done
}

/// Draws until the sender is dropped.
fn show(receiver: &Receiver<Step>, board: &mut Progress, context: &mut Context<'_>) {
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(step) => {
                let text = board.step(step.component.name(), &step.what, step.done, context.elapsed());
                context.out.draw(&text);
            }
            Err(RecvTimeoutError::Timeout) => {
                // Ends the waiting in the other threads too.
                let _ending = arrived();
                let text = board.tick(context.elapsed());
                context.out.draw(&text);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
