//! `kubeconfig check`: one line for each context of each file, what is wrong with it below, then what answered.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::expiration::{Format, date, residual_time, seconds_between};
use super::{sanitise, table};
use crate::analysis::node::findings::Code;
use crate::analysis::workstation::{Checked, Connection, Problem, Weight};

/// A kubeconfig that was looked at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigFile {
    /// Its path as it was named.
    pub file: String,
    /// What `current-context` says.
    pub current_context: Option<String>,
    /// Why it cannot be read, or has not what was asked for.
    pub error: Option<String>,
    /// Its contexts.
    pub contexts: Vec<Checked>,
}

impl KubeconfigFile {
    /// One that was read.
    pub fn read(file: String, current_context: Option<String>, contexts: Vec<Checked>) -> Self {
        Self { file, current_context, error: None, contexts }
    }

    /// One that was not.
    pub fn unread(file: String, why: String) -> Self {
        Self { file, current_context: None, error: Some(why), contexts: Vec::new() }
    }
}

/// Kubeconfigs at a time, to be shown.
pub struct KubeconfigReport {
    /// The time of asking.
    pub time: Timestamp,
    /// The files, in the order in which they were named.
    pub files: Vec<KubeconfigFile>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: &'static str,
    time: Timestamp,
    fine: bool,
    files: &'a [KubeconfigFile],
}

impl KubeconfigReport {
    /// Whether something is wrong with a context.
    pub fn is_wrong(&self) -> bool {
        self.files.iter().flat_map(|file| &file.contexts).any(Checked::is_wrong)
    }

    /// The whole report.
    pub fn render(&self, format: Format) -> String {
        format.render(|wide| self.text(wide), || self.document())
    }

    fn document(&self) -> Value {
        let unread = self.files.iter().any(|file| file.error.is_some());
        let fine = !self.is_wrong() && !unread;
        let document = Document { kind: "KubeconfigCheck", time: self.time, fine, files: &self.files };
        // It holds nothing that JSON cannot.
        serde_json::to_value(document).unwrap_or_default()
    }

    fn text(&self, wide: bool) -> String {
        let mut out = String::new();
        // Why a file cannot be read is told on the other stream.
        for file in self.files.iter().filter(|file| file.error.is_none()) {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("{}\n", sanitise::line(&file.file)));
            if file.contexts.is_empty() {
                out.push_str("it has no contexts\n");
                continue;
            }
            out.push_str(&self.contexts(file, wide));
            for checked in &file.contexts {
                for problem in &checked.problems {
                    out.push_str(&problem_line(checked, problem));
                }
            }
            for hint in hints(file) {
                out.push_str(&format!("hint: {hint}\n"));
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
        table::render(&rows)
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
            let known = certificate.map(|leaf| (leaf.issuer.clone(), leaf.serial.clone()));
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

/// Who the user is for Kubernetes, or how it finds out.
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
            (None, false) => "token (says nothing of itself)".to_owned(),
        });
    }
    let named = |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {name}"));
    parts.extend(named("exec (not run)", &checked.exec));
    parts.extend(named("auth provider (not asked)", &checked.auth_provider));
    parts.extend(named("password of", &checked.username));
    let unread = |problem: &Problem| [Code::Unreadable, Code::Missing].contains(&problem.code);
    match parts.is_empty() {
        true if checked.problems.iter().any(unread) => "<unreadable>".to_owned(),
        true => "<none>".to_owned(),
        false => parts.join("; "),
    }
}

/// `ok`, or the codes of what is wrong, the wrong ones marked.
fn state(checked: &Checked) -> String {
    let mut codes: Vec<String> = Vec::new();
    let mut problems: Vec<&Problem> = checked.problems.iter().collect();
    problems.sort_by_key(|problem| problem.weight == Weight::Warning);
    for problem in problems {
        let mark = if problem.weight == Weight::Wrong { "!" } else { "" };
        let code = format!("{mark}{}", problem.code);
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    if codes.is_empty() { "ok".to_owned() } else { codes.join(",") }
}

pub(super) fn problem_line(checked: &Checked, problem: &Problem) -> String {
    let word = match problem.weight {
        Weight::Wrong => "wrong",
        Weight::Warning => "warning",
    };
    let text = format!("{word} [{}]: {}: {}", problem.code, checked.name, problem.what);
    format!("{}\n", sanitise::line(&text))
}

/// What to do, each thing once.
fn hints(file: &KubeconfigFile) -> Vec<&'static str> {
    let mut hints = Vec::new();
    let problems = file.contexts.iter().flat_map(|checked| &checked.problems);
    for problem in problems.filter(|problem| problem.weight == Weight::Wrong) {
        let hint = match problem.code {
            Code::Expired
            | Code::WrongAuthority
            | Code::KeyMismatch
            | Code::KeyMissing
            | Code::KeyUnreadable
            | Code::Missing
            | Code::Unreadable => {
                "take the credential from its source again: admin.conf of a control-plane node, where kuberescue \
                 certs renew admin.conf renews it, or a new login for a token"
            }
            Code::NotYetValid | Code::CaNotYetValid => {
                "compare the clock of this machine with that of the cluster"
            }
            Code::CaExpired | Code::CaUnreadable => {
                "take the CA from a control-plane node: /etc/kubernetes/pki/ca.crt; kuberescue diagnose there says \
                 whether it has ended"
            }
            Code::NotReachable => "kuberescue probe on a control-plane node says what is served there",
            _ => continue,
        };
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}
