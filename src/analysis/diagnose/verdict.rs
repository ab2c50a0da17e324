//! The verdict: one line that a tired person reads first.

use jiff::Timestamp;
use serde::Serialize;

use super::order::is_needed_to_start;
use super::{Class, Code, Finding, Severity};
use crate::analysis::inventory::Inventory;
use crate::analysis::plan::{Options, Plan, Selection, decide};
use crate::formats::certificate::Certificate;
use crate::state::Snapshot;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing keeps it from working.
    Well,
    /// It works, and something should be seen to.
    Warnings,
    /// Certificates, keys or kubeconfigs keep it from working.
    Credentials,
    /// Something else does.
    Other,
}

/// The verdict on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// How it is.
    pub state: State,
    /// In one line.
    pub line: String,
    /// What becomes of the workloads that run.
    pub workloads: String,
    /// The command that repairs it, where one does.
    pub repair: Option<String>,
    /// Why it can't be repaired here, where it can't.
    pub obstacle: Option<String>,
}

/// What is to be said first.
pub fn verdict(snapshot: &Snapshot, inventory: &Inventory, findings: &[Finding], now: Timestamp) -> Verdict {
    let blockers: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    let what = if inventory.is_control_plane() { "control plane" } else { "kubelet" };
    if blockers.is_empty() {
        return well(inventory, findings, what, warnings, now);
    }
    let workloads =
        "Pods that run are not affected: they go on, and nothing can be managed until this is repaired.";
    // The first in causal order decides what kind of trouble it is.
    let first = blockers.first().map_or(Class::Credential, |finding| finding.code.page().class);
    let (state, repair, obstacle) = if first == Class::Credential {
        let (repair, obstacle) = repair(snapshot, inventory, now);
        (State::Credentials, repair, obstacle)
    } else {
        (State::Other, None, Some(blockers.first().map_or_else(String::new, |f| f.remedy.clone())))
    };
    let cannot_start = blockers.iter().any(|finding| is_needed_to_start(&finding.subject));
    let mut line = format!("{what} {}: ", if cannot_start { "cannot start" } else { "works only in part" });
    if state == State::Other
        && let Some(first) = blockers.first()
    {
        let certificates = blockers.iter().filter(|f| f.code.page().class == Class::Credential).count();
        line.push_str(&format!(
            "{} ({}: {}), which is not a certificate problem",
            first.code.page().title,
            first.subject,
            first.what
        ));
        if certificates > 0 {
            line.push_str(&format!("; {certificates} credentials are of no use besides"));
        }
    } else {
        line.push_str(&credentials(inventory, &blockers, now));
        line.push_str(&format!("; {}", authorities(inventory, now)));
    }
    match (&repair, &obstacle) {
        (Some(command), _) => line.push_str(&format!("; repairable here with: {command}")),
        (None, Some(obstacle)) if state == State::Credentials => {
            line.push_str(&format!("; not repairable here as it is: {obstacle}"));
        }
        _ => {}
    }
    Verdict { state, line, workloads: workloads.to_owned(), repair, obstacle }
}

fn well(inventory: &Inventory, findings: &[Finding], what: &str, warnings: usize, now: Timestamp) -> Verdict {
    let count = inventory.rows().filter(|row| row.certificate.get().is_some()).count();
    let certificates =
        inventory.rows().filter_map(|row| Some((row.name.as_str(), row.certificate.get()?.not_after)));
    let next = certificates.filter(|(_, end)| *end >= now).min_by_key(|(_, end)| *end);
    let mut line = format!("{what} is not kept from working by anything on this disk: {count} credentials");
    if let Some((name, end)) = next {
        line.push_str(&format!(", the first to end is {name} in {} ({end:.0})", days(end, now)));
    }
    line.push_str(&format!("; {}", authorities(inventory, now)));
    if warnings > 0 {
        line.push_str(&format!("; {warnings} warnings"));
    }
    let repair = findings.iter().any(|finding| finding.code == Code::Expiring);
    Verdict {
        state: if warnings > 0 { State::Warnings } else { State::Well },
        line,
        workloads: "Pods that run are not affected.".to_owned(),
        repair: repair.then(|| "kuberescue certs renew all".to_owned()),
        obstacle: None,
    }
}

/// `9 of 14 credentials ended 53 days ago, 1 is of no use otherwise`.
fn credentials(inventory: &Inventory, blockers: &[&Finding], now: Timestamp) -> String {
    let needed = inventory.rows().filter(|row| !row.name.starts_with('/'));
    let total = needed.filter(|row| !row.certificate.is_missing()).count();
    let subjects = |wanted: &dyn Fn(Code) -> bool| {
        let mut subjects: Vec<_> = blockers
            .iter()
            .filter(|finding| wanted(finding.code) && finding.code.page().class == Class::Credential)
            .map(|finding| finding.subject.as_str())
            .collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    };
    let ended = subjects(&|code| code == Code::Expired);
    let other: Vec<_> =
        subjects(&|code| !matches!(code, Code::Expired | Code::KubeletCrashLoop | Code::KubeletConfEmbedded))
            .into_iter()
            .filter(|name| !ended.contains(name))
            .collect();
    let mut parts = Vec::new();
    if !ended.is_empty() {
        let ends = inventory.rows().filter(|row| ended.contains(&row.name.as_str()));
        let ends: Vec<_> = ends.filter_map(|row| Some(row.certificate.get()?.not_after)).collect();
        let ago = match (ends.iter().min(), ends.iter().max()) {
            (Some(first), Some(last)) if last.as_second() - first.as_second() > 2 * 86_400 => {
                format!(", the first one {} ago, the last one {} ago", days(now, *first), days(now, *last))
            }
            (_, Some(last)) => format!(" {} ago", days(now, *last)),
            _ => String::new(),
        };
        parts.push(format!("{} of {total} credentials ended{ago}", ended.len()));
    }
    if !other.is_empty() {
        let more = if other.len() > 3 { format!(" and {} more", other.len() - 3) } else { String::new() };
        let named: Vec<_> = other.iter().take(3).copied().collect();
        parts.push(format!("of no use: {}{more}", named.join(", ")));
    }
    if parts.is_empty() {
        parts.push(blockers.first().map_or_else(String::new, |f| f.code.page().title.to_owned()));
    }
    parts.join(", ")
}

fn authorities(inventory: &Inventory, now: Timestamp) -> String {
    let valid = |row: &&Certificate| !row.expired_at(now);
    let all: Vec<_> = inventory.authorities.iter().filter_map(|row| row.certificate.get()).collect();
    let ended = all.iter().filter(|certificate| !valid(certificate)).count();
    match all.iter().map(|certificate| certificate.not_after).min() {
        None => "no CA can be read".to_owned(),
        Some(_) if ended > 0 => format!("{ended} of {} CAs have ended", all.len()),
        Some(end) => format!("CAs valid until {}", end.strftime("%Y-%m-%d")),
    }
}

/// Whether issuing certificates here brings the node back.
fn repair(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> (Option<String>, Option<String>) {
    if !inventory.is_control_plane() {
        return (
            None,
            Some(
                "a worker has no CA key: kubeadm join it again, or sign for it on a control-plane node"
                    .to_owned(),
            ),
        );
    }
    let options = Options {
        selection: Selection::All,
        kubelet: false,
        reuse_keys: false,
        days: crate::analysis::plan::DEFAULT_DAYS,
        partial: false,
        accept_clock: true,
    };
    let Plan { refusals, steps, .. } = decide(snapshot, inventory, &options, now);
    match refusals.first() {
        Some(refusal) => (None, Some(refusal.what.clone())),
        None if steps.is_empty() => {
            (None, Some("nothing of this is repaired by issuing certificates".to_owned()))
        }
        None => (Some("kuberescue recover".to_owned()), None),
    }
}

/// `53 days`, `1 day`, `5 hours`.
fn days(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.as_second().saturating_sub(earlier.as_second()).max(0);
    let plural = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds / 86_400 {
        0 => plural(seconds / 3600, "hour"),
        days => plural(days, "day"),
    }
}
