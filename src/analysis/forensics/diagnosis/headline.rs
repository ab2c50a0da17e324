//! What is read first: what the node can do, why, and what to do next, each in at most two rows of a terminal.

use jiff::Timestamp;

use super::unusable::{Expired, Unusable, ago, far_apart};
use crate::analysis::node::findings::{Class, Code, Finding, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Plan;
use crate::state::text::{count, some};
use crate::state::time;
use crate::state::{Situation, Subject};

/// So many names stand in a line.
const NAMED: usize = 2;
/// A sentence with more characters is replaced by the title of its code's page, so that a line has room for it.
const LONGEST: usize = 90;

/// The state in capitals and its extent: `CANNOT START: 13 of 13 certificates expired 693 days ago`.
pub(super) fn blocked(
    inventory: &Inventory,
    degree: &str,
    other: Option<&Finding>,
    unusable: &Unusable<'_>,
    now: Timestamp,
) -> String {
    let kubelet = if inventory.is_control_plane() { "" } else { "KUBELET " };
    let mut extent: Vec<String> = other.map(|first| first.code.page().title.to_owned()).into_iter().collect();
    extent.extend(no_longer_works(inventory, unusable, now));
    format!("{kubelet}{}: {}", degree.to_uppercase(), extent.join("; "))
}

fn no_longer_works(inventory: &Inventory, unusable: &Unusable<'_>, now: Timestamp) -> Option<String> {
    let Unusable { authorities, expired, total, others } = unusable;
    if !authorities.is_empty() {
        let (count, of) = (authorities.findings.len(), inventory.authorities.len());
        return Some(format!("{count} of {of} CAs expired{}", ago(&authorities.expiries, now)));
    }
    if !expired.is_empty() {
        let count = expired.findings.len();
        let more = match others.len() {
            0 => String::new(),
            1 => ", 1 more no longer works".to_owned(),
            more => format!(", {more} more no longer work"),
        };
        return Some(format!("{count} of {total} certificates expired{}{more}", ago(&expired.expiries, now)));
    }
    let verb = if others.len() == 1 { "works" } else { "work" };
    (!others.is_empty()).then(|| format!("{} no longer {verb}", names(others)))
}

/// The root cause: what, and when.
pub(super) fn cause(inventory: &Inventory, findings: &[Finding], unusable: &Unusable<'_>) -> Option<String> {
    let is_credential = |finding: &&Finding| finding.code.page().class == Class::Credential;
    let blockers = || findings.iter().filter(|finding| finding.is_blocker());
    let root = blockers().find(|finding| !is_credential(finding)).or_else(|| blockers().next())?;
    if is_credential(&root) {
        if !unusable.authorities.is_empty() {
            let signed = match unusable.authorities.findings.len() {
                1 => "every certificate that it signed is rejected",
                _ => "every certificate that they signed is rejected",
            };
            return Some(format!("{}: {signed}", expired(&unusable.authorities)));
        }
        if root.code == Code::Expired && unusable.expired.findings.iter().any(|f| f.subject == root.subject) {
            let authorities = authorities(inventory).map(|valid| format!("; {valid}")).unwrap_or_default();
            return Some(format!("{}{authorities}", expired(&unusable.expired)));
        }
    }
    Some(sentence(&blockers().filter(|finding| finding.code == root.code).collect::<Vec<_>>()))
}

/// The first warning of a node that works.
pub(super) fn warning(findings: &[Finding]) -> Option<String> {
    let warnings = || findings.iter().filter(|finding| finding.severity == Severity::Warning);
    let first = warnings().next()?;
    Some(sentence(&warnings().filter(|finding| finding.code == first.code).collect::<Vec<_>>()))
}

/// `13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20`.
pub(super) fn valid(inventory: &Inventory, next: Option<(&str, Timestamp)>, now: Timestamp) -> String {
    let valid =
        inventory.rows().filter(|row| row.certificate.get().is_some_and(|c| !c.expired_at(now))).count();
    let mut parts = vec![format!("{} valid", count(valid, "certificate"))];
    parts.extend(
        next.map(|(_, end)| format!("the first until {} ({})", time::day(end), time::span(end, now))),
    );
    parts.extend(authorities(inventory));
    parts.join(", ")
}

/// Of findings with one code: `apiserver: its key does not match its certificate`.
fn sentence(same: &[&Finding]) -> String {
    let Some(first) = same.first() else { return String::new() };
    let title = first.code.page().title;
    let alike = same.iter().all(|finding| finding.what == first.what);
    // The title of a problem other than credentials stands in the verdict already.
    let fits = first.code.page().class != Class::Credential || first.what.chars().count() <= LONGEST;
    let what = if alike && fits { &first.what } else { title };
    match first.subject {
        // Its sentence names the clock.
        Subject::Clock => what.to_owned(),
        _ => format!("{}: {what}", names(same)),
    }
}

/// `etcd-server, etcd-peer and 11 more expired on 2024-12-31`.
fn expired(expired: &Expired<'_>) -> String {
    let ends = (expired.expiries.iter().min(), expired.expiries.iter().max());
    let when = match ends {
        (Some(first), Some(last)) if far_apart(*first, *last) => {
            format!(" between {} and {}", time::day(*first), time::day(*last))
        }
        (Some(first), Some(last)) if time::day(*first) != time::day(*last) => {
            format!(" by {}", time::day(*last))
        }
        (_, Some(day)) => format!(" on {}", time::day(*day)),
        _ => String::new(),
    };
    format!("{} expired{when}", names(&expired.findings))
}

/// Until when the CAs are valid.
fn authorities(inventory: &Inventory) -> Option<String> {
    let ends = inventory.authorities.iter().filter_map(|row| Some(row.certificate.get()?.not_after));
    let who = if inventory.is_control_plane() { "CAs" } else { "CA" };
    Some(format!("{who} valid until {}", time::day(ends.min()?)))
}

fn names(findings: &[&Finding]) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in findings.iter().map(|finding| finding.subject.to_string()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // "and 1 more" is no shorter than a name.
    let most = if names.len() == NAMED + 1 { names.len() } else { NAMED };
    some(names.iter(), most)
}

/// What to run where no command repairs the node: the page with the steps.
pub(super) fn page(inventory: &Inventory, findings: &[Finding], plan: &Plan) -> Option<String> {
    let first = findings.first().filter(|finding| finding.severity >= Severity::Warning)?;
    let left = plan.repair.remaining.first().map(|blocker| blocker.code);
    let refused = plan.refusals.first().map(|refusal| refusal.code);
    let code = if first.is_blocker() { refused.or(left).unwrap_or(first.code) } else { first.code };
    let situation = if inventory.is_control_plane() {
        match code {
            // It works with keys that are elsewhere; and what has expired and is not renewed here has another CA.
            Code::CaKeyMissing if !first.is_blocker() => Some(Situation::ExternalCa),
            Code::Expired if left == Some(code) => Some(Situation::ExternalCa),
            _ => Situation::of(code),
        }
    } else if code.page().class == Class::Credential {
        Some(Situation::Workers)
    } else {
        Situation::of(code)
    };
    Some(match situation {
        Some(situation) => format!("kuberescue explain {situation}"),
        None => format!("kuberescue explain {code}"),
    })
}

/// `nothing to do before 2027-11-23, when admin.conf expires`.
pub(super) fn nothing_to_do(next: Option<(&str, Timestamp)>) -> String {
    match next {
        Some((name, end)) => format!("nothing to do before {}, when {name} expires", time::day(end)),
        None => "nothing to do".to_owned(),
    }
}
