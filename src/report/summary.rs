//! The first screen of `recover`: the node, what is wrong with it and what will be done, in the rows that a terminal of
//! 80×24 has above the question. All else is in the details (`-v`, and the report beside the archive).

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::headline;
use super::plan::{LeftToDo, corrections, store_change};
use super::sanitise::line;
use crate::analysis::forensics::diagnosis::Verdict;
use crate::analysis::node::facts::Recorded;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{Action, Plan, Restarts, Step};
use crate::analysis::node::quorum::Quorum;
use crate::state::Component;
use crate::state::text::{count, some};
use crate::state::time::{day, minute, span};

/// So many names stand in a row.
const NAMED: usize = 3;
/// So many rows of one kind are shown.
const ROWS: usize = 3;
/// The column of the time in the first row.
const TIME_COLUMN: usize = 58;

/// What is restarted afterwards.
pub enum Restarting<'a> {
    /// The disk is not that of this machine.
    Disk,
    /// `--restart=none`.
    NotWanted,
    Live {
        restarts: &'a Restarts,
        quorum: Option<&'a Quorum>,
        /// How long the node may take to be healthy.
        proof: Duration,
        /// Whether workloads of the cluster are restarted too.
        rollout: bool,
    },
}

/// The plan in short, below the [`node_and_state`].
pub struct Summary<'a> {
    pub verdict: &'a Verdict,
    pub plan: &'a Plan,
    /// Where the archive of the old state will be.
    pub archive: &'a Path,
    pub restarting: Restarting<'a>,
    /// The command that undoes it.
    pub undo: &'a str,
    /// Whether there are details that are not shown.
    pub is_short: bool,
}

impl Summary<'_> {
    pub fn text(&self) -> String {
        let mut out = "Plan\n".to_owned();
        for (label, text) in self.rows() {
            let _ = writeln!(out, "{}", line(&format!("  {label:<9} {text}")));
        }
        let _ = writeln!(out, "{}\nUndo at any time: {}", self.verdict.workloads, line(self.undo));
        if self.is_short {
            out.push_str("Details: -v\n");
        }
        out
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.made();
        capped(&mut rows, "change", self.changes());
        let archive = format!("{}, verified before any change", self.archive.display());
        rows.push(("archive", archive));
        self.restarted(&mut rows);
        let by_hand =
            LeftToDo::of(self.plan).into_iter().map(|left| format!("{}: {}", left.name, left.what)).collect();
        capped(&mut rows, "by hand", by_hand);
        rows
    }

    /// What is renewed and issued, and until when.
    fn made(&self) -> Vec<(&'static str, String)> {
        let plan = self.plan;
        let mut rows = Vec::new();
        if !plan.authorities.is_empty() {
            let names: Vec<_> = plan.authorities.iter().map(|step| step.name).collect();
            let until = self.until(plan.authorities.iter().map(|step| step.new.not_after));
            let their = if names.len() == 1 { "CA, its own key" } else { "CAs, their own keys" };
            rows.push(("renew", format!("{} {until} ({their})", names.join(", "))));
        }
        let (issued, renewed): (Vec<_>, Vec<_>) =
            plan.steps.iter().partition(|step| matches!(step.action, Action::Issue { .. }));
        if !renewed.is_empty() {
            rows.push(("renew", self.steps(&renewed)));
        }
        for step in issued.iter().take(ROWS) {
            if let Action::Issue { because } = &step.action {
                rows.push(("issue", format!("{}: {because}", self.steps(&[step]))));
            }
        }
        if let Some(rest) = issued.get(ROWS..).filter(|rest| !rest.is_empty()) {
            rows.push(("issue", self.steps(rest)));
        }
        let cut: Vec<_> = plan.steps.iter().filter(|step| step.cut_to_authority).collect();
        if let Some(first) = cut.iter().min_by_key(|step| step.new.not_after) {
            let (ca, end) = (first.authority.name(), minute(first.new.not_after));
            rows.push((
                "NOTE",
                format!("{} with the CA, earlier than requested ({ca}: {end})", expire(&cut)),
            ));
        }
        rows
    }

    /// `13 certificates and kubeconfigs until 2027-11-26 (365 days), new keys`.
    fn steps(&self, steps: &[&Step]) -> String {
        let what = match steps.len() {
            1..=NAMED => steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", "),
            many => {
                let kubeconfigs = steps.iter().any(|step| step.subject().is_kubeconfig());
                format!("{many} certificates{}", if kubeconfigs { " and kubeconfigs" } else { "" })
            }
        };
        let kept = steps.iter().filter(|step| step.key.reuse).count();
        let keys = match (kept, steps.len()) {
            (0, 1) => "new key".to_owned(),
            (0, _) => "new keys".to_owned(),
            (1, 1) => "existing key".to_owned(),
            (kept, all) if kept == all => "existing keys".to_owned(),
            (kept, _) => format!("{kept} with existing keys"),
        };
        format!("{what} {}, {keys}", self.until(steps.iter().map(|step| step.new.not_after)))
    }

    /// `until 2027-11-26 (365 days)`: the earliest of several.
    fn until(&self, expiries: impl Iterator<Item = Timestamp> + Clone) -> String {
        let Some(first) = expiries.clone().min() else { return String::new() };
        let later = if expiries.map(day).any(|other| other != day(first)) { " or later" } else { "" };
        format!("until {}{later} ({})", day(first), span(first, self.plan.at))
    }

    /// What differs besides dates and keys.
    fn changes(&self) -> Vec<String> {
        let plan = self.plan;
        let of_step = |step: &Step| {
            corrections(step).into_iter().map(|what| format!("{}: {what}", step.name)).collect::<Vec<_>>()
        };
        let mut changes: Vec<_> = plan.steps.iter().flat_map(of_step).collect();
        if let Some(file) = &plan.trust {
            changes.push(format!("{}: this node's CA replaces another one", file.display()));
        }
        if plan.signing.is_some() {
            changes.push("kube-controller-manager: signs with a file of one certificate".to_owned());
        }
        changes.extend(plan.store.iter().map(store_change));
        changes
    }

    fn restarted(&self, rows: &mut Vec<(&'static str, String)>) {
        let (restarts, quorum, proof, rollout) = match &self.restarting {
            Restarting::Disk => {
                return rows.push(("restart", "nothing: this disk is not a running node".to_owned()));
            }
            Restarting::NotWanted => return rows.push(("restart", "nothing (--restart=none)".to_owned())),
            Restarting::Live { restarts, quorum, proof, rollout } => (restarts, quorum, proof, rollout),
        };
        let names: Vec<_> = restarts.tasks.iter().map(|task| task.component.name()).collect();
        let stopped = |component| restarts.pods().any(|task| task.component == component && task.running);
        let away = if stopped(Component::ApiServer) { " (about 15 s without API)" } else { "" };
        rows.push(("restart", format!("{}{away}", names.join(", "))));
        if let Some(quorum) = quorum.filter(|quorum| quorum.has_others() && restarts.has(Component::Etcd)) {
            rows.push(("quorum", quorum.to_string()));
        }
        let patience = match proof.as_secs() {
            seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        };
        rows.push(("check", format!("ports, /readyz, node Ready, lease (up to {patience})")));
        let then = if *rollout { "restarted" } else { "listed" };
        rows.push(("rollout", format!("workloads that still use old certificates are {then}")));
    }
}

/// The node and its state, in two to five rows.
pub fn node_and_state(inventory: &Inventory, verdict: &Verdict, now: Timestamp) -> String {
    let facts = &inventory.facts;
    let name = facts.node_name.as_ref().map_or("unknown node", |name| name.value.as_str());
    let version = facts.minor_version.as_ref().map(|minor| format!(", Kubernetes 1.{}", minor.value));
    let members = match &facts.recorded {
        Some(Recorded::Read(records)) => Some(records.status.members.len()),
        _ => None,
    };
    let etcd = match (facts.local_etcd.value, members) {
        (false, _) => ", external etcd".to_owned(),
        (true, Some(members @ 1..)) => format!(", {}", count(members, "etcd member")),
        (true, _) => String::new(),
    };
    let node = format!("{name}  control plane{}{etcd}", version.unwrap_or_default());
    format!("{:<TIME_COLUMN$}  {}\n{}", line(&node), minute(now), headline::state(verdict, ""))
}

fn expire(steps: &[&Step]) -> String {
    let names = some(steps.iter().map(|step| step.name.as_str()), NAMED);
    format!("{names} expire{}", if steps.len() == 1 { "s" } else { "" })
}

/// Adds a row for each text, as far as there is space.
fn capped(rows: &mut Vec<(&'static str, String)>, label: &'static str, texts: Vec<String>) {
    let more = texts.len().saturating_sub(ROWS);
    rows.extend(texts.into_iter().take(ROWS).map(|text| (label, text)));
    if more > 0 {
        rows.push((label, format!("and {more} more (-v)")));
    }
}
