//! Which credentials of a node no longer work: CAs and certificates that have expired, and what is unusable for
//! another reason.

use jiff::Timestamp;

use crate::analysis::node::findings::{Class, Code, Finding};
use crate::analysis::node::inventory::Inventory;
use crate::state::{Subject, time};

pub(super) struct Unusable<'a> {
    pub(super) authorities: Expired<'a>,
    /// Leaf certificates, also those that keep nothing from working.
    pub(super) expired: Expired<'a>,
    /// How many leaf certificates the node has.
    pub(super) total: usize,
    /// Blockers of another code, without those that only follow from what has expired.
    pub(super) others: Vec<&'a Finding>,
}

/// What has expired, one finding a subject, and when.
#[derive(Default)]
pub(super) struct Expired<'a> {
    pub(super) findings: Vec<&'a Finding>,
    pub(super) expiries: Vec<Timestamp>,
}

impl Expired<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    fn has(&self, subject: &Subject) -> bool {
        self.findings.iter().any(|finding| finding.subject == *subject)
    }
}

impl<'a> Unusable<'a> {
    pub(super) fn of(inventory: &Inventory, findings: &'a [Finding]) -> Self {
        let mut authorities = Expired {
            findings: one_a_subject(findings, |finding| finding.code == Code::CaExpired),
            ..Expired::default()
        };
        let rows = inventory.authorities.iter();
        let rows = rows.filter_map(|row| Some((Subject::Ca(row.authority), row.certificate.get()?)));
        authorities.expiries = rows
            .filter(|(ca, _)| authorities.has(ca))
            .map(|(_, certificate)| certificate.not_after)
            .collect();
        let mut expired =
            Expired { findings: one_a_subject(findings, is_expired_leaf), ..Expired::default() };
        let rows = inventory.rows().filter(|row| expired.has(&row.subject()));
        expired.expiries = rows.filter_map(|row| Some(row.certificate.get()?.not_after)).collect();
        let needed = inventory.rows().filter(|row| !matches!(row.subject(), Subject::Path(_)));
        let others = one_a_subject(findings, |finding| {
            finding.is_blocker()
                && finding.code.page().class == Class::Credential
                && !expired.has(&finding.subject)
                && !is_expired_leaf(finding)
                && !follows(finding.code)
        });
        Self {
            total: needed.filter(|row| !row.certificate.is_missing()).count(),
            authorities,
            expired,
            others,
        }
    }
}

/// Whether a blocker of this code says no more than that something has expired.
fn follows(code: Code) -> bool {
    matches!(code, Code::KubeletCrashLoop | Code::KubeletConfEmbedded | Code::CaExpired)
}

fn is_expired_leaf(finding: &Finding) -> bool {
    matches!(finding.code, Code::Expired | Code::KubeletServingExpired)
        && !matches!(finding.subject, Subject::Path(_))
}

fn one_a_subject(findings: &[Finding], wanted: impl Fn(&Finding) -> bool) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = Vec::new();
    for finding in findings.iter().filter(|finding| wanted(finding)) {
        if !found.iter().any(|other| other.subject == finding.subject) {
            found.push(finding);
        }
    }
    found
}

/// Whether two expiries of one renewal are told apart.
pub(super) fn far_apart(first: Timestamp, last: Timestamp) -> bool {
    last.as_second() - first.as_second() > 2 * 86_400
}

/// ` 53 days ago`; with the first and the last if days lie between.
pub(super) fn ago(expiries: &[Timestamp], now: Timestamp) -> String {
    match (expiries.iter().min(), expiries.iter().max()) {
        (Some(first), Some(last)) if far_apart(*first, *last) => {
            format!(
                " (the first one {} ago, the last one {} ago)",
                time::span(now, *first),
                time::span(now, *last)
            )
        }
        (_, Some(last)) => format!(" {} ago", time::span(now, *last)),
        _ => String::new(),
    }
}
