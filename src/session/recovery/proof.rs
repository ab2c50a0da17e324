//! The proof that a node is healthy: everything is probed again and again until no check fails.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::revive::GO_ON;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Restarts;
use crate::disk::Root;
use crate::error::Error;
use crate::live::clock;
use crate::live::probe::{Check, Options, Report, probe};
use crate::report::Progress;
use crate::session::Context;
use crate::session::change::signals::{arrived, stop_here};
use crate::state::{Bytes, Code};

/// Timeout of one round, and of the first of several: a port that hangs must not hide the others. What is only starting
/// often accepts a connection and answers nothing on it, but does on the next one.
const ROUND: Duration = Duration::from_secs(5);
const FIRST_ROUND: Duration = Duration::from_secs(1);
/// Pause between two rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a virtual address may take to come to a node once everything else there is healthy: kube-vip's lease ends
/// after 5 to 15 s, a load balancer looks again within 30.
const FAILOVER: Duration = Duration::from_secs(60);

pub fn look(
    inventory: &Inventory,
    read: &dyn Fn(&Path) -> Option<Bytes>,
    renewed_since: Option<Timestamp>,
) -> Report {
    look_for(ROUND, inventory, read, renewed_since)
}

fn look_for(
    timeout: Duration,
    inventory: &Inventory,
    read: &dyn Fn(&Path) -> Option<Bytes>,
    renewed_since: Option<Timestamp>,
) -> Report {
    probe(inventory, read, &Options { now: clock::wall(), timeout, renewed_since })
}

/// Probes until nothing is wrong or the time is over, and returns the last round. The kubelet must have
/// renewed its lease after `renewed_since`.
pub fn prove(
    inventory: &Inventory,
    read: &dyn Fn(&Path) -> Option<Bytes>,
    renewed_since: Option<Timestamp>,
    timeout: Duration,
    context: &mut Context<'_>,
) -> Report {
    let mut board = Progress::new(["proof"], context.out.is_terminal());
    let (began, mut patience) = (clock::now(), FIRST_ROUND);
    let mut cut_off = None;
    loop {
        let round = clock::now();
        let report = look_for(patience, inventory, read, renewed_since);
        patience = (patience * 2).min(ROUND);
        cut_off = report.is_cut_off().then(|| cut_off.unwrap_or_else(clock::now));
        let is_in_vain = cut_off.is_some_and(|since| since.elapsed() >= FAILOVER);
        let (what, green) = in_short(&report);
        let text = board.step("proof", &what, green, context.elapsed());
        context.out.draw(&text);
        if green || is_in_vain || began.elapsed() >= timeout || arrived().is_some() {
            return report;
        }
        std::thread::sleep(PAUSE);
        // A failed round counts as waiting, too.
        context.waited += round.elapsed();
    }
}

/// The error for a node that was not healthy in time.
pub fn unhealthy(report: &Report, timeout: Duration) -> Error {
    if report.is_cut_off() {
        let addresses: Vec<_> = report
            .wrong()
            .filter(|check| check.is_address())
            .filter_map(|check| check.address.as_deref())
            .collect();
        let what = format!("workers are cut off: {} leads to no healthy API server", addresses.join(", "));
        return Error::manual_action(what).code(Code::Unhealthy);
    }
    let wrong: Vec<_> = report.wrong().map(|check| check.name).collect();
    let seconds = timeout.as_secs();
    Error::manual_action(format!("the node is not healthy after {seconds} s: {}", wrong.join(", ")))
        .code(Code::Unhealthy)
}

/// A container that runs is not yet a component that answers.
///
/// # Errors
/// One of those that were restarted does not answer as it should in time.
pub fn answers(
    inventory: &Inventory,
    root: &Root,
    restarts: &Restarts,
    patience: Duration,
) -> Result<(), Error> {
    let read = |path: &Path| root.file(path);
    // A kubelet that runs starts the others, whatever else it answers.
    let is_ours = |check: &&Check| restarts.pods().any(|task| check.name.starts_with(task.component.name()));
    let (began, mut round) = (clock::now(), FIRST_ROUND);
    let what = loop {
        let report = look_for(round, inventory, &read, None);
        round = (round * 2).min(ROUND);
        let Some(first) = report.wrong().find(is_ours) else { break None };
        if began.elapsed() >= patience || arrived().is_some() {
            let wrong: Vec<_> = report.wrong().filter(is_ours).map(|check| check.name).collect();
            let seconds = began.elapsed().as_secs();
            break Some(format!(
                "restarted, and not healthy after {seconds} s: {}: {}",
                wrong.join(", "),
                first.what
            ));
        }
        std::thread::sleep(PAUSE);
    };
    stop_here("everything was restarted; whether it answers was not waited for", GO_ON)?;
    match what {
        None => Ok(()),
        Some(what) => Err(Error::manual_action(what).code(Code::Unhealthy).hint("sudo kuberescue probe")),
    }
}

fn in_short(report: &Report) -> (String, bool) {
    let wrong: Vec<_> = report.wrong().collect();
    let Some(first) = wrong.first() else {
        return (format!("all {} checks are green", report.checks.len()), true);
    };
    let more = if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() };
    (format!("{} {}{more}: {}", first.name, first.result(), first.what), false)
}
