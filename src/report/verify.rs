//! `verify cluster`: a line for each check, then a hint for each finding.

use std::fmt::Write as _;

use serde::Serialize;

use super::sanitise::line;
use super::{json, table};
use crate::analysis::cluster::verify::{Check, Report, Verdict};

/// Output formats of `verify cluster`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ClusterFormat {
    /// One line a check
    #[default]
    Table,
    /// The table with nodes, and the last error of each log
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// See `docs/cluster.schema.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    server: &'a str,
    green: bool,
    items: &'a [Check],
}

const KIND: &str = "ClusterVerification";

pub fn cluster_report(report: &Report, format: ClusterFormat) -> String {
    let body = Body { server: &report.server, green: report.is_green(), items: &report.checks };
    match format {
        ClusterFormat::Table | ClusterFormat::Wide => text(report, format == ClusterFormat::Wide),
        ClusterFormat::Json => json::document(KIND, report.time, &body),
        ClusterFormat::Yaml => json::yaml_document(KIND, report.time, &body),
    }
}

fn text(report: &Report, wide: bool) -> String {
    let mut heading = vec!["CHECK", "OBJECT"];
    if wide {
        heading.push("NODE");
    }
    heading.extend(["RESULT", "DETAIL"]);
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
    rows.extend(report.checks.iter().map(|check| row(check, wide)));
    let mut out = table::render(&rows);
    if wide {
        for check in &report.checks {
            if let Some(lines) = &check.lines {
                let _ = writeln!(out, "{}: {}", line(&check.object), line(&lines.text));
            }
        }
    }
    out.push_str(&hints(report));
    out
}

/// The findings in few lines: for the end of another command.
pub fn cluster_lines(report: &Report) -> String {
    let mut out = String::new();
    for check in report.findings() {
        let what = format!(
            "  {:<14} {} {}: {}",
            check.verdict.as_str(),
            check.part.name(),
            check.object,
            check.what
        );
        let _ = writeln!(out, "{}", line(&what));
    }
    let is_served = |check: &&Check| check.verdict != Verdict::NotServed;
    if out.is_empty() {
        let mut parts: Vec<_> =
            report.checks.iter().filter(is_served).map(|check| check.part.name()).collect();
        parts.dedup();
        let _ = writeln!(out, "  ok: {}", parts.join(", "));
    }
    for check in report.checks.iter().filter(|check| !is_served(check)) {
        let _ = writeln!(out, "  {}", line(&format!("not checked: {}: {}", check.part.name(), check.what)));
    }
    out.push_str(&hints(report));
    out
}

fn row(check: &Check, wide: bool) -> Vec<String> {
    let mark = if check.is_finding() { "!" } else { "" };
    let mut cells = vec![check.part.name().to_owned(), check.object.clone()];
    if wide {
        cells.push(check.node.clone().unwrap_or_default());
    }
    cells.push(format!("{mark}{}", check.verdict.as_str()));
    cells.push(check.what.clone());
    cells
}

fn hints(report: &Report) -> String {
    let mut hints: Vec<&str> = Vec::new();
    for hint in report.findings().filter_map(|check| check.hint.as_deref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.iter().map(|hint| format!("hint: {}\n", line(hint))).collect()
}
