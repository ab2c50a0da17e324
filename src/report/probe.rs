//! `probe`: one line for each check, then what to do about what is wrong, then the nodes as `kubectl get nodes`
//! prints them.

use serde::Serialize;
use serde_json::Value;

use super::expiration::{Format, residual_time, seconds_between};
use super::{sanitise, table, yaml};
use crate::live::probe::{Check, Node, Report, Severity};

/// What a probe found, to be shown.
pub struct ProbeReport<'a> {
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

impl ProbeReport<'_> {
    /// The whole report.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Table | Format::Wide => self.text(format == Format::Wide),
            Format::Json => {
                let text = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
                format!("{}\n", sanitise::json(&text))
            }
            Format::Yaml => yaml::render(&self.document()),
        }
    }

    fn document(&self) -> Value {
        let document = Document { kind: "Probe", green: self.report.is_green(), report: self.report };
        // It holds nothing that JSON cannot.
        serde_json::to_value(document).unwrap_or_default()
    }

    fn text(&self, wide: bool) -> String {
        let mut heading = vec!["NAME", "ADDRESS", "RESULT", "SERVED UNTIL"];
        if wide {
            heading.extend(["SERVED", "ON DISK", "FILE"]);
        }
        heading.push("DETAIL");
        let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
        rows.extend(self.report.checks.iter().map(|check| row(check, wide)));
        let mut out = table::render(&rows);
        for line in self.hints() {
            out.push_str(&format!("hint: {}\n", sanitise::line(&line)));
        }
        if !self.report.nodes.is_empty() {
            out.push('\n');
            out.push_str(&self.nodes());
        }
        out
    }

    /// What to do, each thing once.
    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        for check in self.report.checks.iter().filter(|check| check.severity > Severity::Fine) {
            if let Some(hint) = &check.hint
                && !hints.contains(hint)
            {
                hints.push(hint.clone());
            }
        }
        hints
    }

    /// The columns of `kubectl get nodes` (`printers/internalversion/printers.go` printNode).
    fn nodes(&self) -> String {
        let mut rows = vec![["NAME", "STATUS", "ROLES", "AGE", "VERSION"].map(str::to_owned).to_vec()];
        rows.extend(self.report.nodes.iter().map(|node| {
            let age = node.created.map(|created| residual_time(seconds_between(created, self.report.time)));
            let roles = node.roles.join(",");
            vec![
                node.name.clone(),
                status(node),
                if roles.is_empty() { "<none>".to_owned() } else { roles },
                age.unwrap_or_else(|| "<unknown>".to_owned()),
                node.version.clone(),
            ]
        }));
        table::render(&rows)
    }
}

fn row(check: &Check, wide: bool) -> Vec<String> {
    let served = check.served.as_ref();
    let mark = if check.severity == Severity::Wrong { "!" } else { "" };
    let mut cells = vec![
        check.name.to_owned(),
        check.address.clone().unwrap_or_default(),
        format!("{mark}{}", check.verdict.code()),
        served.map(|leaf| leaf.not_after.to_string()).unwrap_or_default(),
    ];
    if wide {
        let short = |digest: &crate::state::Digest| digest.to_string().chars().take(16).collect::<String>();
        let disk = check.disk.as_ref();
        cells.push(served.map(|leaf| short(&leaf.sha256)).unwrap_or_default());
        cells.push(
            disk.and_then(|disk| disk.leaf.as_ref()).map(|leaf| short(&leaf.sha256)).unwrap_or_default(),
        );
        cells.push(disk.map(|disk| disk.path.display().to_string()).unwrap_or_default());
    }
    cells.push(check.what.clone());
    cells
}

fn status(node: &Node) -> String {
    let ready = match node.ready {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        // kubectl's word for a condition Unknown too.
        None => "NotReady",
    };
    let schedulable = if node.schedulable { "" } else { ",SchedulingDisabled" };
    format!("{ready}{schedulable}")
}
