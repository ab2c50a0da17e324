//! `verify cluster`: a line for each thing that was looked at, then what to do about what is wrong.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::expiration::Format;
use super::sanitise::line;
use super::table;
use crate::analysis::cluster::verify::{Check, Report, Verdict};

/// What was found in a cluster, to be shown.
pub struct ClusterReport<'a> {
    /// What was found.
    pub report: &'a Report,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: &'static str,
    green: bool,
    #[serde(flatten)]
    report: &'a Report,
}

impl ClusterReport<'_> {
    /// The whole report.
    pub fn render(&self, format: Format) -> String {
        format.render(|wide| self.text(wide), || self.document())
    }

    fn document(&self) -> Value {
        let document =
            Document { kind: "ClusterVerification", green: self.report.is_green(), report: self.report };
        // It holds nothing that JSON cannot.
        serde_json::to_value(document).unwrap_or_default()
    }

    fn text(&self, wide: bool) -> String {
        let mut heading = vec!["CHECK", "OBJECT"];
        if wide {
            heading.push("NODE");
        }
        heading.extend(["RESULT", "DETAIL"]);
        let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
        rows.extend(self.report.checks.iter().map(|check| row(check, wide)));
        let mut out = table::render(&rows);
        if wide {
            for check in &self.report.checks {
                if let Some(lines) = &check.lines {
                    let _ = writeln!(out, "{}: {}", line(&check.object), line(&lines.text));
                }
            }
        }
        out.push_str(&hints(self.report));
        out
    }
}

/// What was found, in few lines: for the end of another command.
pub fn cluster_lines(report: &Report) -> String {
    let mut out = String::new();
    for check in report.findings() {
        let what =
            format!("  {:<14} {} {}: {}", check.verdict.code(), check.part.name(), check.object, check.what);
        let _ = writeln!(out, "{}", line(&what));
    }
    if out.is_empty() {
        let mut well: Vec<_> = report
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Unknown)
            .map(|check| check.part.name())
            .collect();
        well.dedup();
        let _ = writeln!(out, "  nothing is wrong: {}", well.join(", "));
    }
    for check in report.checks.iter().filter(|check| check.verdict == Verdict::Unknown) {
        let _ = writeln!(out, "  {}", line(&format!("not looked at: {}: {}", check.part.name(), check.what)));
    }
    out.push_str(&hints(report));
    out
}

fn row(check: &Check, wide: bool) -> Vec<String> {
    let mark = if check.verdict.is_finding() { "!" } else { "" };
    let mut cells = vec![check.part.name().to_owned(), check.object.clone()];
    if wide {
        cells.push(check.node.clone().unwrap_or_default());
    }
    cells.push(format!("{mark}{}", check.verdict.code()));
    cells.push(check.what.clone());
    cells
}

/// What to do, each thing once.
fn hints(report: &Report) -> String {
    let mut hints: Vec<&str> = Vec::new();
    for hint in report.findings().filter_map(|check| check.hint.as_deref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.iter().map(|hint| format!("hint: {}\n", line(hint))).collect()
}
