//! `probe`: one line for each check, then a hint for each problem, then the nodes as `kubectl get nodes`
//! prints them.

use serde::Serialize;

use super::{json, node_table, sanitise, table};
use crate::live::api::Node;
use crate::live::probe::{Check, Report};
use crate::state::{Severity, time};

/// Output formats of `probe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProbeFormat {
    /// One line a check
    #[default]
    Table,
    /// The table with fingerprints and files
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

pub struct ProbeReport<'a> {
    pub report: &'a Report,
}

/// See `docs/probe.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    green: bool,
    items: &'a [Check],
    nodes: &'a [Node],
}

impl ProbeReport<'_> {
    pub fn render(&self, format: ProbeFormat) -> String {
        let report = self.report;
        let body = Body { green: report.is_green(), items: &report.checks, nodes: &report.nodes };
        match format {
            ProbeFormat::Table | ProbeFormat::Wide => self.text(format == ProbeFormat::Wide),
            ProbeFormat::Json => json::document("Probe", report.time, &body),
            ProbeFormat::Yaml => json::yaml_document("Probe", report.time, &body),
        }
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
            out.push_str(&node_table::render(&self.report.nodes, self.report.time, wide));
        }
        out
    }

    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        for check in self.report.checks.iter().filter(|check| check.severity > Some(Severity::Note)) {
            if let Some(hint) = &check.hint
                && !hints.contains(hint)
            {
                hints.push(hint.clone());
            }
        }
        hints
    }
}

fn row(check: &Check, wide: bool) -> Vec<String> {
    let served = check.served.as_ref();
    let mark = if check.is_wrong() { "!" } else { "" };
    let mut cells = vec![
        check.name.to_owned(),
        check.address.clone().unwrap_or_default(),
        format!("{mark}{}", check.result()),
        served.map(|leaf| time::minute(leaf.not_after)).unwrap_or_default(),
    ];
    if wide {
        let short = |digest: &crate::state::Digest| digest.to_string().chars().take(16).collect::<String>();
        let disk = check.disk.as_ref();
        cells.push(served.map(|leaf| short(&leaf.fingerprint)).unwrap_or_default());
        cells.push(
            disk.and_then(|disk| disk.leaf.as_ref()).map(|leaf| short(&leaf.fingerprint)).unwrap_or_default(),
        );
        cells.push(disk.map(|disk| disk.path.display().to_string()).unwrap_or_default());
    }
    cells.push(check.what.clone());
    cells
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::formats::certificate::CertSummary;
    use crate::live::probe::{OnDisk, Phase, Phases};
    use crate::state::{Code, Digest};

    fn report() -> Report {
        let leaf = |end: &str| CertSummary {
            subject: "CN=cp-1".into(),
            issuer: "CN=etcd-ca".into(),
            serial: "01".into(),
            not_before: "2023-12-31T00:00:00Z".parse().unwrap(),
            not_after: end.parse().unwrap(),
            names: Vec::new(),
            fingerprint: Digest::of(end.as_bytes()),
        };
        let ok = Check {
            name: "kube-scheduler",
            address: Some("127.0.0.1:10259".into()),
            code: None,
            severity: None,
            what: "healthy".into(),
            hint: None,
            phases: Phases::default(),
            served: None,
            disk: None,
        };
        let old = Check {
            name: "etcd-client",
            address: Some("127.0.0.1:2379".into()),
            code: Some(Code::OldCertificateStillServed),
            severity: Some(Severity::Blocker),
            what: "still \u{1b}[31mold".into(),
            hint: Some("kuberescue restart etcd".into()),
            phases: Phases { tcp: Phase::Ok, tls: Phase::Ok, answer: Phase::Failed("503".into()) },
            served: Some(leaf("2024-12-31T00:00:00Z")),
            disk: Some(OnDisk {
                path: "/etc/kubernetes/pki/etcd/server.crt".into(),
                leaf: Some(leaf("2027-11-23T00:00:00Z")),
                error: None,
            }),
        };
        let node = Node {
            name: "cp-1".into(),
            ready: Some(true),
            schedulable: false,
            roles: vec!["control-plane".into(), "etcd".into()],
            version: "v1.36.0".into(),
            created: Some("2026-11-21T00:00:00Z".parse().unwrap()),
            ..Node::default()
        };
        let worker = Node {
            name: "w-1".into(),
            ready: None,
            schedulable: true,
            roles: vec![],
            created: None,
            ..node.clone()
        };
        Report {
            time: "2026-11-24T00:00:00Z".parse().unwrap(),
            checks: vec![old.clone(), old, ok],
            nodes: vec![node, worker],
        }
    }

    #[test]
    fn the_tables() {
        let report = report();
        let text = ProbeReport { report: &report }.render(ProbeFormat::Table);
        let old = "etcd-client      127.0.0.1:2379    !old-certificate-still-served   2024-12-31 00:00 UTC   still \\u{1b}[31mold";
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "NAME             ADDRESS           RESULT                          SERVED UNTIL           DETAIL",
                old,
                old,
                "kube-scheduler   127.0.0.1:10259   ok                                                     healthy",
                "hint: kuberescue restart etcd",
                "",
                "NAME      STATUS                     ROLES                AGE         VERSION",
                "cp-1      Ready,SchedulingDisabled   control-plane,etcd   3d          v1.36.0",
                "w-1       NotReady                   <none>               <unknown>   v1.36.0",
            ]
        );
        let wide = ProbeReport { report: &report }.render(ProbeFormat::Wide);
        assert!(wide.contains("/etc/kubernetes/pki/etcd/server.crt   still"), "{wide}");
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let report = report();
        let json = ProbeReport { report: &report }.render(ProbeFormat::Json);
        let yaml = ProbeReport { report: &report }.render(ProbeFormat::Yaml);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), value);
        assert_eq!(value["green"], false);
        assert_eq!(value["items"][0]["code"], "old-certificate-still-served");
        assert_eq!(
            value["items"][0]["phases"]["answer"],
            serde_json::json!({"state": "failed", "why": "503"})
        );
        assert_eq!(value["items"][0]["disk"]["path"], "/etc/kubernetes/pki/etcd/server.crt");
        assert_eq!(value["nodes"][1]["ready"], Value::Null);
    }
}
