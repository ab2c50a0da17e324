//! A diagnosis in words: the verdict, what keeps the node from working and what follows from it, the rest.

use std::fmt::Write as _;

use super::sanitise::{document, line};
use super::yaml;
use crate::analysis::forensics::diagnosis::{Diagnosis, Expiry, Role, Told};
use crate::analysis::node::findings::Severity;

/// The forms of a diagnosis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiagnosisFormat {
    /// Words for a terminal.
    #[default]
    Table,
    /// JSON: `docs/diagnosis.schema.json`.
    Json,
    /// The same as YAML.
    Yaml,
    /// One HTML file.
    Html,
    /// Prometheus' text format, for node_exporter's textfile collector.
    Prometheus,
    /// Who trusts whom, for Graphviz.
    Dot,
    /// Who trusts whom, for Mermaid.
    Mermaid,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'a> {
    /// Evidence and remedy of each finding.
    pub evidence: bool,
    /// What the logs say of the first failure.
    pub logs: Option<&'a str>,
}

/// The diagnosis for a terminal.
pub fn diagnosis_text(diagnosis: &Diagnosis, detail: Detail<'_>) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        let _ = writeln!(out, "{}", line(text));
    };
    let node = &diagnosis.node;
    let name = node.name.as_deref().unwrap_or("a node whose name is not known");
    let role = match node.role {
        Role::ControlPlane => "control-plane node",
        Role::Worker => "worker",
    };
    let version = node.version.as_ref().map(|version| format!(", Kubernetes {version}")).unwrap_or_default();
    add(&format!("{name} ({role}{version}) at {:.0}, read from {}", diagnosis.at, diagnosis.source));
    add("");
    add(&format!("VERDICT: {}", diagnosis.verdict.line));
    add(&diagnosis.verdict.workloads);
    if let Some(logs) = detail.logs {
        add(&format!("The logs: {logs}"));
    }
    section(
        &mut out,
        diagnosis,
        Severity::Blocker,
        "What keeps it from working, what fails first at the top:",
        detail,
    );
    section(&mut out, diagnosis, Severity::Warning, "What should be seen to:", detail);
    section(&mut out, diagnosis, Severity::Note, "Good to know:", detail);
    out.push_str(&horizon_text(&diagnosis.horizon));
    out
}

/// What is JSON as YAML.
pub fn yaml_of(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    yaml::render(&value)
}

/// The diagnosis as JSON: `docs/diagnosis.schema.json`.
pub fn diagnosis_json(diagnosis: &Diagnosis) -> String {
    document(diagnosis)
}

fn section(out: &mut String, diagnosis: &Diagnosis, severity: Severity, heading: &str, detail: Detail<'_>) {
    let found: Vec<_> = diagnosis.findings.iter().filter(|told| told.finding.severity == severity).collect();
    if found.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{heading}");
    let mut said = None;
    for Told { finding, consequence } in found {
        let _ = writeln!(
            out,
            "{}",
            line(&format!("  {:<23} {}: {}", finding.code.as_str(), finding.subject, finding.what))
        );
        // Of several findings on one subject the consequence is told once.
        if consequence.is_some() && said != *consequence {
            let _ = writeln!(out, "{}", line(&format!("  {:<23} → {}", "", consequence.unwrap_or_default())));
        }
        said = *consequence;
        if !detail.evidence {
            continue;
        }
        for evidence in &finding.evidence {
            let at = evidence.line.map(|line| format!(":{line}")).unwrap_or_default();
            let text = format!(
                "  {:<23} {}{at} {} = {}",
                "",
                evidence.path.display(),
                evidence.field,
                evidence.value
            );
            let _ = writeln!(out, "{}", line(&text));
        }
        let _ = writeln!(out, "{}", line(&format!("  {:<23} do: {}", "", finding.remedy.reason)));
    }
}

fn horizon_text(expiries: &[Expiry]) -> String {
    let mut out = String::new();
    if expiries.is_empty() {
        return out;
    }
    out.push_str("\nWhat ends next:\n");
    for death in expiries {
        let text = format!("  {:.0}  {:<26} → {}", death.at, death.name, death.consequence);
        let _ = writeln!(out, "{}", line(&text));
    }
    out
}
