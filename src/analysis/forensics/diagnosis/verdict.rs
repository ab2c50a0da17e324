//! The verdict: the one line that the reader sees first.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::headline;
use super::unusable::{Unusable, ago};
use crate::analysis::node::findings::order;
use crate::analysis::node::findings::{Class, Code, Finding, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{Condition, Outlook, Plan};
use crate::state::Subject;
use crate::state::catalog::Without;
use crate::state::text::{count, root_option, some};
use crate::state::time;

/// So many names stand in the line.
const NAMED: usize = 3;
const RECOVER: &str = "kuberescue recover";
const RENEW_CAS: &str = "kuberescue recover --renew-cas";
const DETAILS: &str = "kuberescue diagnose -v";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No blocking problem.
    Well,
    /// It works, with warnings.
    Warnings,
    /// Certificates, keys or kubeconfigs keep it from working.
    Credentials,
    /// Something else keeps it from working.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub state: State,
    /// The state in capitals and its extent, in at most two rows.
    pub headline: String,
    /// The root cause, or the first warning: what and when.
    pub cause: Option<String>,
    /// The one thing to do next: a command, if anything has to be done.
    pub next: String,
    /// All that is wrong in one line, without the remedy.
    pub line: String,
    /// What happens to the running workloads.
    pub workloads: String,
    /// The command that repairs the node, if one does.
    pub repair: Option<String>,
    /// What must be true before that command is run, and can't be checked from here.
    pub conditions: Vec<Condition>,
    /// What that command leaves, or what keeps it from running, root cause first.
    pub obstacle: Option<String>,
}

impl Verdict {
    /// For a disk that is mounted at `root`: the command repairs it there, where the machine's own would be another.
    pub fn on_disk(&mut self, root: &Path) {
        if let Some(repair) = &mut self.repair {
            repair.push_str(&root_option(root));
            self.next.clone_from(repair);
        }
    }
}

/// The verdict on a node. `plan` is what `recover` would do.
pub fn verdict(inventory: &Inventory, findings: &[Finding], plan: &Plan, now: Timestamp) -> Verdict {
    let blockers: Vec<_> = findings.iter().filter(|finding| finding.is_blocker()).collect();
    let (credentials, others): (Vec<&Finding>, Vec<&Finding>) =
        blockers.iter().partition(|finding| finding.code.page().class == Class::Credential);
    if blockers.is_empty() {
        return well(inventory, findings, plan, now);
    }
    let unusable = Unusable::of(inventory, findings);
    let mut causes = Vec::new();
    if let Some(first) = others.first() {
        let title = first.code.page().title;
        let cause = match first.subject {
            // Its sentence names the clock.
            Subject::Clock => format!("{title} ({})", first.what),
            _ => format!("{title} ({}: {})", first.subject, first.what),
        };
        let more: Vec<_> = others.iter().skip(1).map(|f| format!("{} ({})", f.subject, f.code)).collect();
        let more =
            if more.is_empty() { String::new() } else { format!(", also {}", some(more.iter(), NAMED)) };
        causes.push(format!("{cause}, not a certificate problem{more}"));
    }
    if !credentials.is_empty() {
        causes.push(unusable_line(inventory, &unusable, now));
        causes.extend(valid_authorities(inventory, now));
    }
    let (repair, obstacle) = way_out(inventory, plan);
    let degree = degree(inventory, &blockers);
    Verdict {
        state: if others.is_empty() { State::Credentials } else { State::Other },
        headline: headline::blocked(inventory, degree, others.first().copied(), &unusable, now),
        cause: headline::cause(inventory, findings, &unusable),
        next: next_step(repair.as_deref(), headline::page(inventory, findings, plan))
            .unwrap_or_else(|| DETAILS.to_owned()),
        line: format!("{} {degree}: {}", subject(inventory), causes.join("; ")),
        workloads: workloads(inventory, &blockers).to_owned(),
        conditions: if repair.is_some() { plan.repair.conditions.clone() } else { Vec::new() },
        repair,
        obstacle,
    }
}

/// The command that repairs the node, and what it leaves; or why there is none.
fn way_out(inventory: &Inventory, plan: &Plan) -> (Option<String>, Option<String>) {
    let first = plan.repair.remaining.first();
    let left =
        first.map(|blocker| format!("{} ({}): {}", blocker.subject, blocker.code, blocker.remedy.reason));
    if !inventory.is_control_plane() {
        return (None, left);
    }
    if let Some(refusal) = plan.refusals.first() {
        return (None, Some(format!("{} [{}]: {}", refusal.what, refusal.code, refusal.hint)));
    }
    match plan.repair.outlook() {
        Outlook::Repairable | Outlook::InPart => {
            let command = if plan.authorities.is_empty() { RECOVER } else { RENEW_CAS };
            (Some(command.to_owned()), left)
        }
        Outlook::NotRepairable | Outlook::NothingToDo => (None, left),
    }
}

/// The command that repairs, else the page with the steps.
fn next_step(repair: Option<&str>, page: Option<String>) -> Option<String> {
    repair.map(|command| format!("sudo {command}")).or(page)
}

fn subject(inventory: &Inventory) -> &'static str {
    if inventory.is_control_plane() { "control plane" } else { "kubelet" }
}

/// How severe the blockers are.
fn degree(inventory: &Inventory, blockers: &[&Finding]) -> &'static str {
    let worst = blockers.iter().map(|finding| order::without(finding)).max();
    match worst {
        Some(Without::Dead) => "cannot start",
        Some(Without::NotAgain) if !inventory.is_control_plane() => "cannot start",
        Some(Without::Perhaps) => "may not start",
        Some(Without::NotAgain) => "cannot start again once it is stopped",
        Some(Without::GoesOn | Without::InPart) | None => "works only in part",
    }
}

/// What happens to the running pods.
fn workloads(inventory: &Inventory, blockers: &[&Finding]) -> &'static str {
    let has = |code| blockers.iter().any(|finding| finding.code == code);
    let worst = blockers.iter().map(|finding| order::without(finding)).max();
    if has(Code::DiskFull) {
        "Running pods continue, except those that need disk space or that the kubelet evicts to free some."
    } else if has(Code::SaPairMismatch) {
        "Running pods continue, but those that use the API are rejected."
    } else if !inventory.is_control_plane() {
        "Running containers continue, but the cluster considers the node lost and starts its pods elsewhere after some minutes."
    } else if worst <= Some(Without::InPart) {
        "Running pods are not affected."
    } else if worst == Some(Without::NotAgain) {
        "Running pods are not affected, but this node's kubelet starts nothing new until this is repaired."
    } else {
        "Running pods are not affected, but nothing can be managed until this is repaired."
    }
}

fn well(inventory: &Inventory, findings: &[Finding], plan: &Plan, now: Timestamp) -> Verdict {
    let control_plane = inventory.is_control_plane();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    let mut line = format!("no blocking problem on this disk: the {} can work", subject(inventory));
    // Expired, but keeps nothing from working: admin.conf, homes.
    let expired = |f: &&Finding| f.code == Code::Expired && f.severity == Severity::Warning;
    let expired: Vec<_> = findings.iter().filter(expired).collect();
    if let Some(first) = expired.first() {
        let names: Vec<_> = expired.iter().map(|finding| finding.subject.to_string()).collect();
        let end = inventory.rows().find(|row| row.subject() == first.subject);
        let end = end.and_then(|row| Some(row.certificate.get()?.not_after));
        let ago = end.map(|end| format!(" {} ago", time::span(now, end))).unwrap_or_default();
        line.push_str(&format!(", but {} expired{ago}", some(names.iter(), NAMED)));
        if expired.iter().all(|finding| finding.subject.is_kubeconfig()) {
            let them = if names.len() == 1 { "it" } else { "them" };
            line.push_str(&format!(": kubectl with {them} is rejected"));
        }
    }
    let valid =
        inventory.rows().filter(|row| row.certificate.get().is_some_and(|c| !c.expired_at(now))).count();
    line.push_str(&format!("; {} valid", count(valid, "certificate")));
    // The kubelet renews its own.
    let leaves = inventory.leaves.iter().map(|leaf| &leaf.row);
    let next = leaves.chain((!control_plane).then_some(&inventory.kubelet_client));
    let next = next.filter_map(|row| Some((row.name.as_str(), row.certificate.get()?.not_after)));
    let next = next.filter(|(_, end)| *end >= now).min_by_key(|(_, end)| *end);
    if let Some((name, end)) = next {
        line.push_str(&format!(
            ", {name} expires first, on {} (in {})",
            time::day(end),
            time::span(end, now)
        ));
    }
    if let Some(valid) = valid_authorities(inventory, now) {
        line.push_str(&format!("; {valid}"));
    }
    if warnings > 0 {
        line.push_str(&format!("; {}", count(warnings, "warning")));
    }
    let repair = if control_plane { renewal(findings, plan) } else { None };
    let noted =
        if warnings > 0 { format!(", {}", count(warnings, "warning").to_uppercase()) } else { String::new() };
    Verdict {
        state: if warnings > 0 { State::Warnings } else { State::Well },
        headline: format!("NO BLOCKING PROBLEM{noted}: {}", headline::valid(inventory, next, now)),
        cause: headline::warning(findings),
        next: next_step(repair.as_deref(), headline::page(inventory, findings, plan))
            .unwrap_or_else(|| headline::nothing_to_do(next)),
        line,
        workloads: "Running pods are not affected.".to_owned(),
        repair,
        conditions: Vec::new(),
        obstacle: None,
    }
}

/// The command that renews what expires soon, or has expired and keeps nothing from working: only what it
/// would renew.
fn renewal(findings: &[Finding], plan: &Plan) -> Option<String> {
    let can = |subject: &Subject| plan.steps.iter().any(|step| step.subject() == *subject);
    let old = |f: &&Finding| matches!(f.code, Code::Expired | Code::Expiring) && can(&f.subject);
    let names: Vec<_> = findings.iter().filter(old).map(|finding| &finding.subject).collect();
    match names.as_slice() {
        [] => None,
        _ if !plan.refusals.is_empty() => None,
        [one] => Some(format!("kuberescue certs renew {one}")),
        _ => Some("kuberescue certs renew all".to_owned()),
    }
}

/// `9 of 14 credentials expired 53 days ago, unusable: etcd-peer (key-mismatch)`.
fn unusable_line(inventory: &Inventory, unusable: &Unusable<'_>, now: Timestamp) -> String {
    let Unusable { authorities, expired, total, others } = unusable;
    let mut parts = Vec::new();
    if !authorities.is_empty() {
        let who = match authorities.findings.as_slice() {
            [one] => format!("the CA {}", one.subject),
            some if some.len() == inventory.authorities.len() => format!("all {} CAs", some.len()),
            some => format!("{} of {} CAs", some.len(), inventory.authorities.len()),
        };
        let they = if authorities.findings.len() == 1 { "it" } else { "they" };
        parts.push(format!(
            "{who} expired{}, so every certificate that {they} signed is rejected",
            ago(&authorities.expiries, now)
        ));
    }
    if !expired.is_empty() {
        let who = match expired.findings.as_slice() {
            [one] => one.subject.to_string(),
            [one, two] => format!("{} and {}", one.subject, two.subject),
            all if all.len() == *total => format!("all {total} certificates"),
            some => format!("{} of {total} certificates", some.len()),
        };
        parts.push(format!("{who} expired{}", ago(&expired.expiries, now)));
    }
    if !others.is_empty() {
        let named: Vec<_> = others.iter().map(|f| format!("{} ({})", f.subject, f.code)).collect();
        parts.push(format!("unusable: {}", some(named.iter(), NAMED)));
    }
    parts.join("; ")
}

/// Until when the CAs are valid, if none has expired.
fn valid_authorities(inventory: &Inventory, now: Timestamp) -> Option<String> {
    let expiries =
        inventory.authorities.iter().filter_map(|row| Some(row.certificate.get()?.not_after)).min();
    match expiries {
        None => Some("no CA certificate can be read".to_owned()),
        Some(end) if end < now => None,
        Some(end) => {
            let who = if inventory.is_control_plane() { "CAs" } else { "CA" };
            Some(format!("{who} valid until {}", time::day(end)))
        }
    }
}
