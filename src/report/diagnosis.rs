//! A diagnosis as text: verdict, cause and next step, the blocking problems and their consequences, warnings and notes.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::alike::{Alike, alike, folded};
use super::headline::{headline, next};
use super::json::document;
use super::sanitise::line;
use super::yaml;
use super::{SECTIONS, condition_text};
use crate::analysis::forensics::diagnosis::{Diagnosis, Expiry, RankedFinding, Role, State};
use crate::analysis::node::findings::Severity;
use crate::state::Situation;
use crate::state::time::minute;

/// The last heartbeat of a cluster that runs is not older: kubelets renew their Leases every ten seconds.
const ALIVE: SignedDuration = SignedDuration::from_mins(5);

/// The forms of a diagnosis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DiagnosisFormat {
    /// Text for a terminal
    #[default]
    #[value(alias = "text")]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// One HTML file
    Html,
    /// Metrics for node_exporter's textfile collector
    Prometheus,
    /// Who trusts whom, for Graphviz
    Dot,
    /// Who trusts whom, for Mermaid
    Mermaid,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'a> {
    /// Evidence and remedy of each finding.
    pub evidence: bool,
    /// The sentence about the first failure in the logs.
    pub logs: Option<&'a str>,
}

pub fn diagnosis_text(diagnosis: &Diagnosis, detail: Detail<'_>) -> String {
    let mut out = format!("{}\n\n", line(&introduction(diagnosis)));
    let verdict = &diagnosis.verdict;
    out.push_str(&headline(verdict, ""));
    let below = below(diagnosis, detail);
    if !below.is_empty() {
        let _ = writeln!(out, "\n{below}");
        out.push_str(&next("", &verdict.next));
    }
    out
}

/// Which node it is, as of when, and where it was read.
fn introduction(diagnosis: &Diagnosis) -> String {
    let node = &diagnosis.node;
    let name = node.name.as_deref().unwrap_or("unknown node");
    let role = match node.role {
        Role::ControlPlane => "control-plane node",
        Role::Worker => "worker node",
    };
    let version = node.version.as_ref().map(|version| format!(", Kubernetes {version}")).unwrap_or_default();
    format!("{name} ({role}{version}) at {}, read from {}", minute(diagnosis.at), diagnosis.source)
}

/// What stands between the first and the last NEXT: paragraphs, with an empty line between two.
fn below(diagnosis: &Diagnosis, detail: Detail<'_>) -> String {
    let mut paragraphs = vec![consequences(diagnosis, detail)];
    let sections = SECTIONS.map(|(severity, heading)| section(diagnosis, severity, heading, detail));
    paragraphs.extend(sections);
    paragraphs.push(horizon_text(&diagnosis.horizon));
    paragraphs.retain(|text| !text.is_empty());
    paragraphs.join("\n")
}

/// What happens to the workloads; the conditions of the command, and what it leaves; what else is known.
fn consequences(diagnosis: &Diagnosis, detail: Detail<'_>) -> String {
    let verdict = &diagnosis.verdict;
    let mut out = String::new();
    let mut add = |text: &str| {
        let _ = writeln!(out, "{}", line(text));
    };
    if matches!(verdict.state, State::Credentials | State::Other) {
        add(&verdict.workloads);
    }
    if let Some(last) =
        diagnosis.last_heartbeat.as_ref().filter(|last| diagnosis.at.duration_since(last.cluster) > ALIVE)
    {
        let own = last.node.map_or("none".to_owned(), minute);
        let (cluster, from) = (minute(last.cluster), &last.from);
        add(&format!(
            "Last heartbeat in etcd's database: of this node {own}, of the cluster {cluster} ({from})"
        ));
    }
    if let Some(logs) = detail.logs {
        add(&format!("Logs: {logs}"));
    }
    for condition in &verdict.conditions {
        add(&format!("Condition: {}", condition_text(*condition)));
    }
    if let Some(obstacle) = &verdict.obstacle {
        let heading = if verdict.repair.is_some() {
            "Manual action required as well"
        } else {
            "Manual action required"
        };
        add(&format!("{heading}: {obstacle}"));
    }
    out
}

/// JSON as YAML.
pub fn yaml_of(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    yaml::render(&value)
}

/// The diagnosis as JSON: `docs/diagnosis.schema.json`.
pub fn diagnosis_json(diagnosis: &Diagnosis) -> String {
    document("Diagnosis", diagnosis.at, diagnosis)
}

fn section(diagnosis: &Diagnosis, severity: Severity, heading: &str, detail: Detail<'_>) -> String {
    let mut out = String::new();
    let mut found = diagnosis.findings.iter().filter(|told| told.finding.severity == severity).peekable();
    if found.peek().is_none() {
        return out;
    }
    let _ = writeln!(out, "{heading}:");
    let mut said = None;
    for same in if detail.evidence { alike(found) } else { folded(found) } {
        let RankedFinding { finding, consequence } = same.first;
        let what =
            if detail.evidence { format!("{}: {}", same.subject(), finding.what) } else { same.sentence() };
        let _ = writeln!(out, "{}", line(&format!("  {:<23} {what}", finding.code.as_str())));
        // Several findings on one subject print their consequence once.
        if consequence.is_some() && said != *consequence {
            let _ = writeln!(out, "{}", line(&format!("  {:<23} → {}", "", consequence.unwrap_or_default())));
        }
        said = *consequence;
        if detail.evidence {
            out.push_str(&evidence(&same));
        }
    }
    out
}

/// What proves a finding, and what to do.
fn evidence(same: &Alike<'_, RankedFinding>) -> String {
    let mut out = String::new();
    for evidence in same.all().flat_map(|ranked| &ranked.finding.evidence) {
        let at = evidence.line.map(|line| format!(":{line}")).unwrap_or_default();
        let text =
            format!("  {:<23} {}{at} {} = {}", "", evidence.path.display(), evidence.field, evidence.value);
        let _ = writeln!(out, "{}", line(&text));
    }
    let remedy = &same.first.finding.remedy;
    let hint = match &remedy.command {
        Some(command) => format!("  {:<23} hint: sudo {command}", ""),
        None => format!("  {:<23} hint: {}", "", remedy.reason),
    };
    let _ = writeln!(out, "{}", line(&hint));
    if let Some(situation) = Situation::of(same.first.finding.code) {
        let _ = writeln!(out, "  {:<23} steps: kuberescue explain {situation}", "");
    }
    out
}

fn horizon_text(expiries: &[Expiry]) -> String {
    let mut out = String::new();
    if expiries.is_empty() {
        return out;
    }
    out.push_str("Expiring next:\n");
    for expiry in expiries {
        let text = format!("  {}  {:<26} → {}", minute(expiry.at), expiry.name, expiry.consequence);
        let _ = writeln!(out, "{}", line(&text));
    }
    out
}
