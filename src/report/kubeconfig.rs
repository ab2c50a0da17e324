//! `kubeconfig check`: one line for each context of each file, its findings below, then the connections.

use jiff::Timestamp;
use serde::Serialize;

use super::expiration::{date, residual_time, seconds_between};
use super::{json, sanitise, table};
use crate::analysis::workstation::{Checked, Connection};
use crate::state::{Code, Finding, Severity};

/// Output formats of `kubeconfig check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum KubeconfigFormat {
    /// One line a context
    #[default]
    Table,
    /// The table with issuers, serial numbers, CAs and proxies
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigFile {
    /// As the user named it.
    pub file: String,
    pub current_context: Option<String>,
    /// Why it cannot be read, or has no such context.
    pub error: Option<String>,
    pub contexts: Vec<Checked>,
}

impl KubeconfigFile {
    pub fn read(file: String, current_context: Option<String>, contexts: Vec<Checked>) -> Self {
        Self { file, current_context, error: None, contexts }
    }

    pub fn unread(file: String, why: String) -> Self {
        Self { file, current_context: None, error: Some(why), contexts: Vec::new() }
    }
}

/// Kubeconfigs at a time, in the order of the command line.
pub struct KubeconfigReport {
    pub time: Timestamp,
    /// The columns of a row; `None` if there is no limit.
    pub width: Option<usize>,
    pub files: Vec<KubeconfigFile>,
}

/// See `docs/kubeconfig.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    green: bool,
    items: &'a [KubeconfigFile],
}

const KIND: &str = "KubeconfigCheck";

impl KubeconfigReport {
    pub fn has_blocker(&self) -> bool {
        self.files.iter().flat_map(|file| &file.contexts).any(Checked::has_blocker)
    }

    pub fn render(&self, format: KubeconfigFormat) -> String {
        let unread = self.files.iter().any(|file| file.error.is_some());
        let body = Body { green: !self.has_blocker() && !unread, items: &self.files };
        match format {
            KubeconfigFormat::Table | KubeconfigFormat::Wide => self.text(format == KubeconfigFormat::Wide),
            KubeconfigFormat::Json => json::document(KIND, self.time, &body),
            KubeconfigFormat::Yaml => json::yaml_document(KIND, self.time, &body),
        }
    }

    fn text(&self, wide: bool) -> String {
        let mut out = String::new();
        // Why a file cannot be read goes to stderr.
        for file in self.files.iter().filter(|file| file.error.is_none()) {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("{}\n", sanitise::line(&file.file)));
            if file.contexts.is_empty() {
                out.push_str("no contexts\n");
                continue;
            }
            out.push_str(&self.contexts(file, wide));
            for checked in &file.contexts {
                for finding in &checked.findings {
                    out.push_str(&finding_line(finding));
                }
            }
            for hint in hints(file) {
                out.push_str(&format!("hint: {}\n", sanitise::line(hint)));
            }
            let answers: Vec<_> = file
                .contexts
                .iter()
                .filter_map(|checked| Some((checked, checked.connection.as_ref()?)))
                .collect();
            if !answers.is_empty() {
                out.push('\n');
                out.push_str(&self.connections(&answers));
            }
        }
        out
    }

    fn contexts(&self, file: &KubeconfigFile, wide: bool) -> String {
        let mut heading = vec![
            "CURRENT",
            "NAME",
            "CLUSTER",
            "SERVER",
            "USER",
            "IDENTITY",
            "EXPIRES",
            "RESIDUAL TIME",
            "CA EXPIRES",
        ];
        if wide {
            heading.extend(["ISSUER", "SERIAL", "CA", "PROXY"]);
        }
        heading.push("STATE");
        let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
        rows.extend(file.contexts.iter().map(|checked| self.row(checked, wide)));
        table::table_or_blocks(&rows, self.width)
    }

    fn row(&self, checked: &Checked, wide: bool) -> Vec<String> {
        let end = checked.end();
        let authority = checked.authorities.iter().map(|authority| authority.not_after).max();
        let mut cells = vec![
            if checked.current { "*" } else { "" }.to_owned(),
            checked.name.clone(),
            checked.cluster.clone(),
            checked.server.clone(),
            checked.user.clone(),
            identity(checked),
            end.map(date).unwrap_or_default(),
            end.map(|end| residual_time(seconds_between(self.time, end))).unwrap_or_default(),
            authority.map(date).unwrap_or_default(),
        ];
        if wide {
            let certificate = checked.certificate.as_ref();
            let known =
                certificate.map(|leaf| (leaf.certificate.issuer.clone(), leaf.certificate.serial.clone()));
            let (issuer, serial) = known.unwrap_or_default();
            let subjects: Vec<_> = checked.authorities.iter().map(|ca| ca.subject.as_str()).collect();
            cells.extend([issuer, serial, subjects.join("; "), checked.proxy.clone().unwrap_or_default()]);
        }
        cells.push(state(checked));
        cells
    }

    fn connections(&self, answers: &[(&Checked, &Connection)]) -> String {
        let heading = ["NAME", "ADDRESS", "RESULT", "SERVED UNTIL", "RESIDUAL TIME", "SUBJECT", "DETAIL"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(answers.iter().map(|(checked, answer)| {
            let result = match (&answer.error, answer.verified) {
                (Some(_), _) => "!failed",
                (None, true) => "ok",
                (None, false) => "not verified",
            };
            let end = answer.served.as_ref().map(|served| served.not_after);
            vec![
                checked.name.clone(),
                answer.address.clone(),
                result.to_owned(),
                end.map(date).unwrap_or_default(),
                end.map(|end| residual_time(seconds_between(self.time, end))).unwrap_or_default(),
                answer.served.as_ref().map(|served| served.subject.clone()).unwrap_or_default(),
                answer.error.clone().or_else(|| answer.note.clone()).unwrap_or_default(),
            ]
        }));
        table::render(&rows)
    }
}

/// The Kubernetes user, or the method that determines it.
pub(super) fn identity(checked: &Checked) -> String {
    let mut parts = Vec::new();
    if let Some(leaf) = &checked.certificate {
        let groups = leaf.organizations.iter().map(|group| format!(", O={group}"));
        parts.push(format!("CN={}{}", leaf.common_name, groups.collect::<String>()));
    }
    if let Some(token) = &checked.token {
        parts.push(match (&token.subject, token.jwt) {
            (Some(subject), _) => format!("token of {subject} (not verified)"),
            (None, true) => "token (not verified)".to_owned(),
            (None, false) => "token (opaque)".to_owned(),
        });
    }
    let named = |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {name}"));
    parts.extend(named("exec (not run)", &checked.exec));
    parts.extend(named("auth provider (not asked)", &checked.auth_provider));
    parts.extend(named("password of", &checked.username));
    let unread = |finding: &Finding| [Code::Unreadable, Code::Missing].contains(&finding.code);
    match parts.is_empty() {
        true if checked.findings.iter().any(unread) => "<unreadable>".to_owned(),
        true => "<none>".to_owned(),
        false => parts.join("; "),
    }
}

/// `ok`, or the codes of the findings, blockers first and marked.
fn state(checked: &Checked) -> String {
    let mut codes: Vec<String> = Vec::new();
    let mut findings: Vec<&Finding> = checked.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        let mark = if finding.is_blocker() { "!" } else { "" };
        let code = format!("{mark}{}", finding.code);
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    if codes.is_empty() { "ok".to_owned() } else { codes.join(",") }
}

pub(super) fn finding_line(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Blocker => "blocker",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let text = format!("{word} [{}]: {}: {}", finding.code, finding.subject, finding.what);
    format!("{}\n", sanitise::line(&text))
}

/// What to do about the blockers, each remedy once.
fn hints(file: &KubeconfigFile) -> Vec<&str> {
    let mut hints = Vec::new();
    let findings = file.contexts.iter().flat_map(|checked| &checked.findings);
    for finding in findings.filter(|finding| finding.is_blocker()) {
        let hint = finding.remedy.hint();
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}
