//! The second half of a recovery, on a running node: restart what must read the new files, prove that all is
//! healthy, and otherwise roll back if requested.

pub mod afterwards;
pub mod bundle;
pub mod by_manifest;
pub mod host;
pub mod manifests;
mod options;
pub mod preflight;
pub mod proof;
pub mod rescue;
pub mod revive;
pub mod startable;

use std::time::Duration;

use jiff::Timestamp;

use self::afterwards::Afterwards;
use self::host::{Cri, components, members, outdated_kubelet, outdated_pods, quorum, recorded};
pub use self::options::{Live, Restart};
use self::preflight::{Preflight, or_without};
use self::proof::{look, prove, unhealthy};
use self::revive::{GO_ON, STEADY_BEFORE_PROOF, StaticPods, restart_kubelet, revive};
use self::startable::refuse_unstartable;
use super::Context;
use super::change::Prepared;
use super::change::meanwhile::{NOW, tell};
use super::change::signals::{arrived, stop_here};
use super::change::undo::{last_change, undo};
use crate::analysis::node::facts::Recorded;
use crate::analysis::node::findings::Finding;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{RestartReason, RestartTask, Restarts};
use crate::analysis::node::quorum::Quorum;
use crate::disk::transaction::Theirs;
use crate::error::{Error, Exit, Outcome};
use crate::live::probe::Report;
use crate::live::{clock, kubelet};
use crate::report::{elsewhere, finding_sections, next, no_blocker, places_elsewhere, restart_plan, took};
use crate::state::{Code, Component, Snapshot};

/// How long a node that needs no restart may take to be healthy: a component may just be starting.
const SHORT_PROOF: Duration = Duration::from_secs(90);
/// How long to wait for etcd if the other members must be recovered first.
const LONELY_PROOF: Duration = Duration::from_secs(45);

/// Restarts what must be restarted and proves that the node is healthy; returns what to do next. `inventory` is the node as
/// it is now.
///
/// # Errors
/// Something doesn't come back, or the node isn't healthy in time; the old state is restored if requested.
pub fn revive_and_prove(
    prepared: &Prepared,
    inventory: &Inventory,
    looked: &Preflight,
    live: &Live<'_>,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let stage = Stage { prepared, inventory, cri: looked.cri.as_ref(), quorum: looked.quorum.as_ref(), live };
    let since = clock::wall();
    match stage.run(&looked.restarts, context) {
        // Without the other members no API server answers, whatever files are here: the old ones would be no better.
        Err(failure) if live.rollback_on_failure && stage.lacks_members() => {
            context.out.say("note: not rolled back: etcd has no quorum until the other members are back");
            Err(failure)
        }
        Err(failure) if live.rollback_on_failure && arrived().is_none() => {
            context.out.fail(&failure);
            Err(put_back(prepared, context))
        }
        Err(failure) => Err(failure),
        Ok(()) => stage.afterwards(since, context),
    }
}

/// The state of the second half.
struct Stage<'a> {
    prepared: &'a Prepared,
    inventory: &'a Inventory,
    cri: Option<&'a Cri>,
    quorum: Option<&'a Quorum>,
    live: &'a Live<'a>,
}

impl Stage<'_> {
    fn run(&self, restarts: &Restarts, context: &mut Context<'_>) -> Result<(), Error> {
        // Ctrl-C or a lost connection (SIGHUP) must not leave a node half restarted.
        context.hold_signals();
        let since = clock::wall();
        self.restart(restarts, since, context)?;
        stop_here("everything was restarted; whether it is healthy was not waited for", GO_ON)?;
        let renewed_since = restarts.has(Component::Kubelet).then_some(since);
        // The other members must be recovered first, one after the other: waiting the full time would be in vain.
        let alone = self.quorum.is_some_and(|quorum| quorum.has_others() && !quorum.is_found_again());
        let timeout = self.live.proof_timeout.min(if alone { LONELY_PROOF } else { Duration::MAX });
        let report = self.proof(renewed_since, timeout, context);
        self.live.show(&report, context);
        if !report.is_green() {
            context.out.result(if report.is_cut_off() {
                "NOT RECOVERED: this node is healthy, and workers are cut off: their address leads to no healthy API server\n"
            } else {
                "NOT RECOVERED: the new files are in place, and the node is not healthy yet\n"
            });
            stop_here("everything was restarted, and not all of it is healthy yet", GO_ON)?;
            return Err(self.not_well(&report, timeout));
        }
        context.out.result(&took(context.elapsed(), context.waited, self.live.left));
        if let Some(others) = self.others() {
            let what = format!("these static pods read renewed files too and were not restarted: {others}");
            context.out.say(&format!("note: {what}"));
        }
        Ok(())
    }

    /// The rest of the cluster, which doesn't roll the node's recovery back, and what to do elsewhere. Returns what comes next.
    fn afterwards(&self, since: Timestamp, context: &mut Context<'_>) -> Result<String, Error> {
        let read = |path: &std::path::Path| self.prepared.root().file(path);
        let rollout = self.live.rollout;
        let seen_to = Afterwards { inventory: self.inventory, read: &read, since, rollout }.run(context);
        let (names, others) = (self.prepared.names(), self.has_others());
        let places = if self.live.verbose { elsewhere(&names) } else { places_elsewhere(&names, others) };
        context.out.result(&format!("\n{places}"));
        seen_to?;
        Ok(match others {
            true => "sudo kuberescue recover on the other control-plane nodes, one after the other",
            false => "kuberescue verify cluster",
        }
        .to_owned())
    }

    /// Whether the cluster may have other control-plane nodes: one with a single member of etcd has none.
    fn has_others(&self) -> bool {
        match (self.quorum, &self.inventory.facts.recorded) {
            (Some(quorum), _) => quorum.has_others(),
            (None, Some(Recorded::Read(records))) => records.status.members.len() != 1,
            (None, _) => true,
        }
    }

    /// Whether etcd lacks its quorum because of other members, before the restart or now.
    fn lacks_members(&self) -> bool {
        let lacks = |quorum: &Quorum| quorum.has_others() && !quorum.is_found_again();
        self.quorum.is_some_and(lacks) || members(self.inventory).as_ref().is_some_and(lacks)
    }

    fn restart(&self, restarts: &Restarts, since: Timestamp, context: &mut Context<'_>) -> Result<(), Error> {
        if let Some(cri) = self.cri {
            let mut restarts = restarts.clone();
            if self.kubelet_came_by_itself(since) {
                restarts.tasks.retain(|task| task.component != Component::Kubelet);
            }
            let args = self.live.host;
            let pods = StaticPods {
                cri,
                args,
                inventory: self.inventory,
                quorum: self.quorum,
                since,
                steady: STEADY_BEFORE_PROOF,
            };
            return revive(&restarts, Some(&pods), args.patience(), context);
        }
        if restarts.has(Component::Kubelet) {
            restart_kubelet(self.live.host.patience(), context)?;
        }
        let (root, lock) = (self.prepared.root(), self.prepared.taken_lock()?);
        let all = restarts.pods().map(|task| task.component);
        let (others, own): (Vec<_>, Vec<_>) = all.partition(|component| component.is_other());
        let together = !self.quorum.is_some_and(Quorum::has_others);
        let (first, rest): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|component| together || *component == Component::Etcd);
        for group in [first, rest, others] {
            if !group.is_empty() {
                by_manifest::restart(root, lock, self.inventory, &group, context)?;
            }
        }
        Ok(())
    }

    /// A crashing kubelet may have been restarted by systemd after the change: then it has read the new
    /// files.
    fn kubelet_came_by_itself(&self, since: Timestamp) -> bool {
        let look = kubelet::look();
        !look.crash_looping && look.running.is_some_and(|running| running.started > since)
    }

    fn proof(
        &self,
        renewed_since: Option<Timestamp>,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Report {
        let root = self.prepared.root();
        prove(self.inventory, &|path| root.file(path), renewed_since, timeout, context)
    }

    /// Static pods elsewhere that read what the plan has changed.
    fn others(&self) -> Option<String> {
        let others = &self.prepared.plan.restarts.other_pods;
        (!others.is_empty()).then(|| others.join(", "))
    }

    fn not_well(&self, report: &Report, timeout: Duration) -> Error {
        let failure = unhealthy(report, timeout);
        if report.is_cut_off() {
            let hint = report.wrong().filter(|check| check.is_address()).find_map(|check| check.hint.clone());
            return hint.into_iter().fold(failure, Error::hint);
        }
        match self.quorum {
            Some(quorum) if quorum.has_others() => failure.hint(
                "etcd needs a quorum: if the other members' certificates have expired too, recover those nodes now; then kuberescue probe",
            ),
            _ => failure.hint(
                "sudo kuberescue probe (sudo kuberescue rollback restores the old state)",
            ),
        }
    }
}

/// Restores the old files. The processes keep what they have read: a recovery changes only credentials that
/// no longer work.
fn put_back(prepared: &Prepared, context: &mut Context<'_>) -> Error {
    let mut undone = || {
        let root = prepared.root();
        let Some(journal) = last_change(root)? else {
            return Err(Error::manual_action("there is no record of the change that could be undone")
                .code(Code::CannotRollBack));
        };
        let theirs = Theirs::Refuse;
        let lock = prepared.taken_lock()?;
        let done = undo(root, lock, &journal, None, theirs, &context.operator, clock::wall())?;
        tell(&done.meanwhile(), NOW, context)
    };
    match undone() {
        Ok(()) => Error::rolled_back(
            "rolled back to the old state; running processes keep the files they have read, since the old ones no longer work",
        )
        .code(Code::RolledBack)
        .hint("kuberescue probe shows what is served now"),
        Err(failure) => failure,
    }
}

/// The exit code of a run that changed nothing although these findings were accepted: accepting the clock's blocker
/// means that the clock is right; any other accepted problem is still there.
pub fn exit_of_accepted(findings: &[Finding]) -> Exit {
    let left = |finding: &Finding| finding.is_blocker() && finding.code != Code::ClockBehind;
    if findings.iter().any(left) { Exit::Findings } else { Exit::Fine }
}

/// A running node whose files are valid: processes that use old files are restarted, and everything is
/// probed.
///
/// # Errors
/// The runtime doesn't answer, etcd would lose its quorum, or something doesn't come back.
pub fn without_change(
    prepared: &mut Prepared,
    live: &Live<'_>,
    found: &[Finding],
    context: &mut Context<'_>,
) -> Outcome {
    let before = {
        let root = prepared.root();
        look(&prepared.inventory, &|path| root.file(path), None)
    };
    let cri = match live.restart {
        Restart::Cri => match Cri::connect(live.host, &prepared.inventory.facts) {
            Ok(cri) => Some(cri),
            Err(failure) if !before.is_green() => return Err(or_without(failure)),
            Err(_) => None,
        },
        Restart::Manifest | Restart::None => None,
    };
    let restarts = outdated(prepared, cri.as_ref(), &before)?;
    context.out.result(&format!("Nothing to reissue: {}.\n", no_blocker(found)));
    if !found.is_empty() {
        context.out.result(&format!("\n{}", finding_sections(found)));
    }
    if restarts.is_empty() {
        let exit = nothing_to_restart(prepared, before, live, context)?;
        return Ok(if exit == Exit::Fine { exit_of_accepted(found) } else { exit });
    }
    if let Some(cri) = &cri {
        refuse_unstartable(cri, prepared.root(), &prepared.inventory.facts, &restarts)?;
    }
    let quorum = quorum(&prepared.inventory, restarts.has(Component::Etcd), live.host)?;
    let grace = live.host.grace.unsigned_abs();
    context.out.result(&restart_plan(&restarts, quorum.as_ref(), grace));
    if live.etcd_snapshot {
        prepared.look_at_etcd(None, live.archive_dir, context)?;
    }
    if live.dry_run {
        context.out.say("Dry run: nothing was restarted.");
        return Ok(exit_of_accepted(found));
    }
    context.confirm("Restart?", live.yes)?;
    prepared.lock(context)?;
    if live.etcd_snapshot {
        prepared.save_etcd(None, live.archive_dir, context)?;
    }
    let inventory = &prepared.inventory;
    let stage = Stage { prepared, inventory, cri: cri.as_ref(), quorum: quorum.as_ref(), live };
    stage.run(&restarts, context)?;
    let next_step = stage.afterwards(renewed(prepared), context)?;
    context.out.result(&next(&next_step));
    Ok(exit_of_accepted(found))
}

/// When the newest certificate below the PKI directory was written: this run has changed nothing.
fn renewed(prepared: &Prepared) -> Timestamp {
    let pki = &prepared.inventory.facts.pki_dir.value;
    let certificates = prepared.snapshot.iter().filter(|(path, _)| {
        path.starts_with(pki) && path.extension().is_some_and(|extension| extension == "crt")
    });
    certificates.map(|(_, entry)| entry.attributes.mtime).max().unwrap_or_else(clock::wall)
}

/// Everything on the node uses its files. A workload of the cluster may not: an earlier run was killed before it came to that.
fn nothing_to_restart(
    prepared: &Prepared,
    before: Report,
    live: &Live<'_>,
    context: &mut Context<'_>,
) -> Outcome {
    let root = prepared.root();
    let timeout = live.proof_timeout.min(SHORT_PROOF);
    let read = |path: &std::path::Path| root.file(path);
    let report = if before.is_green() || live.dry_run {
        before
    } else {
        prove(&prepared.inventory, &read, None, timeout, context)
    };
    live.show(&report, context);
    if !report.is_green() {
        context.out.result(
            "Nothing to reissue and nothing to restart, but not everything is healthy: see the table above.\n",
        );
        return Ok(Exit::Findings);
    }
    let inventory = &prepared.inventory;
    let rest = Afterwards { inventory, read: &read, since: renewed(prepared), rollout: live.rollout };
    let outdated = rest.outdated(live.dry_run, context);
    if outdated.is_empty() {
        context.out.result("Nothing to recover: everything uses the current files and is healthy.\n");
        context.out.say("hint: kuberescue certs renew all renews them all the same");
        return Ok(Exit::Fine);
    }
    context.out.result(&format!(
        "The node uses the current files and is healthy. Workloads that started before these were renewed: {}\n",
        outdated.join(", ")
    ));
    if live.dry_run {
        context.out.say("Dry run: nothing was restarted.");
        return Ok(Exit::Fine);
    }
    if live.rollout {
        context.confirm("Restart them?", live.yes)?;
    }
    rest.run(context)?;
    Ok(Exit::Fine)
}

fn outdated(prepared: &Prepared, cri: Option<&Cri>, before: &Report) -> Result<Restarts, Error> {
    let (inventory, snapshot): (_, &Snapshot) = (&prepared.inventory, &prepared.snapshot);
    let recorded = recorded(prepared.root())?;
    let is_lost =
        before.wrong().any(|check| matches!(check.code, Some(Code::LeaseStale | Code::NodeNotReady)));
    let pods = match cri {
        Some(cri) => outdated_pods(inventory, snapshot, &recorded, &cri.running()?),
        None if before.is_green() => Vec::new(),
        None => components(&inventory.facts)
            .into_iter()
            .map(|component| RestartTask { component, reason: RestartReason::NodeUnhealthy, running: true })
            .collect(),
    };
    let kubelet = outdated_kubelet(&kubelet::look(), inventory, snapshot, &recorded, is_lost);
    Ok(Restarts::of_tasks(kubelet.into_iter().chain(pods)))
}
