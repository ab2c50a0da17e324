//! A credential in one line, its findings, and the comparison of two kubeconfigs.

use jiff::Timestamp;
use serde::Serialize;

use super::kubeconfig::{finding_line, identity};
use super::{DocumentFormat, sanitise, table};
use crate::analysis::workstation::Checked;
use crate::analysis::workstation::difference::Difference;
use crate::live::api::Node;
use crate::state::time::{day, expired_on, expires_on};

/// Whose credential it is, when it expires, and for which server.
pub fn credential_line(source: &str, checked: &Checked, now: Timestamp) -> String {
    let end = checked.end().map(|end| {
        let state = if end < now { expired_on(end, now) } else { expires_on(end, now) };
        format!(", {state}")
    });
    let serial = checked.certificate.as_ref().map(|leaf| format!(", serial {}", leaf.certificate.serial));
    let text = format!(
        "{source}: {}{}{}, server {}",
        identity(checked),
        serial.unwrap_or_default(),
        end.unwrap_or_default(),
        checked.server
    );
    sanitise::line(&text).into_owned()
}

/// All findings, a line each.
pub fn credential_finding_lines(checked: &Checked) -> String {
    let lines = checked.findings.iter().map(finding_line);
    lines.collect::<String>().trim_end().to_owned()
}

/// Findings that do not keep the context from working, a line each.
pub fn warning_lines(checked: &Checked) -> String {
    let warnings = checked.findings.iter().filter(|finding| !finding.is_blocker());
    warnings.map(finding_line).collect::<String>().trim_end().to_owned()
}

/// A warning if the old credential expires later than the new one, or nothing.
pub fn later_line(old: &Checked, new: &Checked) -> String {
    match (old.end(), new.end()) {
        (Some(old), Some(new)) if old > new => {
            format!(
                "warning: the old credential expires on {}, later than the new one ({})",
                day(old),
                day(new)
            )
        }
        _ => String::new(),
    }
}

/// See `docs/kubeconfig-comparison.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    old: &'a str,
    new: &'a str,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// `names` are those of the old and the new kubeconfig.
pub fn difference(
    difference: &Difference,
    names: (&str, &str),
    time: Timestamp,
    format: DocumentFormat,
) -> String {
    let body = Body { old: names.0, new: names.1, difference };
    format.render("KubeconfigComparison", time, &body, |body| difference_text(body.difference, names))
}

/// What `kubeconfig install` and `push` did, or would do: the document `KubeconfigReplacement`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replacement {
    pub dry_run: bool,
    /// False where the target is up to date too.
    pub replaced: bool,
    /// The file, or the Secret.
    pub target: String,
    /// Where the new credential is from.
    pub source: String,
    /// The file that keeps the old one.
    pub kept: Option<String>,
    /// Of the old and the new one, where there is an old one that can be read.
    pub comparison: Option<Difference>,
    /// The nodes as the new one lists them; none where it was not tried.
    pub nodes: Vec<Node>,
}

impl Replacement {
    pub const KIND: &str = "KubeconfigReplacement";

    /// Nothing is replaced yet.
    pub fn of(target: String, source: &str, dry_run: bool) -> Self {
        let source = source.to_owned();
        Self { dry_run, replaced: false, target, source, kept: None, comparison: None, nodes: Vec::new() }
    }
}

/// The comparison as a table.
pub fn difference_text(difference: &Difference, (old, new): (&str, &str)) -> String {
    let mut rows = vec![vec!["WHAT".to_owned(), old.to_owned(), new.to_owned(), String::new()]];
    rows.extend(difference.rows.iter().map(|row| {
        let mark = if row.same { "same" } else { "differs" };
        vec![row.what.to_owned(), row.old.clone(), row.new.clone(), mark.to_owned()]
    }));
    table::render(&rows)
}
