//! What is wrong, in every command: one shape with a stable code, evidence and a remedy.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::text::{self, shell_word};
use super::{Code, Severity, Snapshot, Subject};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    #[serde(with = "text")]
    pub path: PathBuf,
    /// The line, from 1, if the file is a text that a person would open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The field of a certificate, the flag of a manifest, the attribute of a file.
    pub field: String,
    pub value: String,
}

impl Evidence {
    pub fn field(path: &Path, field: &str, value: impl Display) -> Self {
        Self { path: path.to_owned(), line: None, field: field.to_owned(), value: value.to_string() }
    }

    /// The value of a manifest's flag, with its line.
    pub(crate) fn flag(snapshot: &Snapshot, manifest: &Path, flag: &str, value: impl Display) -> Self {
        let flag = format!("--{flag}");
        Self::field(manifest, &flag, value).on_line_in(snapshot, &flag)
    }

    /// Adds the line of its file that contains `needle`, if one does.
    #[must_use]
    pub(crate) fn on_line_in(self, snapshot: &Snapshot, needle: &str) -> Self {
        match snapshot.file(&self.path) {
            Some(text) => self.on_line_of(text, needle),
            None => self,
        }
    }

    /// Adds the line of `text` that contains `needle`, if one does.
    #[must_use]
    pub fn on_line_of(mut self, text: &[u8], needle: &str) -> Self {
        let text = String::from_utf8_lossy(text);
        self.line = text.lines().position(|line| line.contains(needle)).map(|index| index + 1);
        self
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// One command that can be pasted, where one is enough.
    pub command: Option<String>,
    /// The steps, and why.
    pub reason: String,
}

impl Remedy {
    /// As a hint: the command, where one is enough.
    pub fn hint(&self) -> &str {
        self.command.as_deref().unwrap_or(&self.reason)
    }

    /// The remedy of a code's page for this path, quoted for a shell.
    fn of(code: Code, path: &Path) -> Self {
        let directory = path.parent().unwrap_or(path);
        let quoted = |path: &Path| shell_word(&path.display().to_string());
        let reason = code.page().remedy.replace("FILE_DIR", &quoted(directory));
        Self { command: None, reason: reason.replace("FILE", &quoted(path)) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// For scripts and for `explain`.
    pub code: Code,
    pub severity: Severity,
    pub subject: Subject,
    #[serde(with = "text")]
    pub path: PathBuf,
    pub what: String,
    pub evidence: Vec<Evidence>,
    pub remedy: Remedy,
    /// Names that a serving certificate lacks.
    #[serde(skip)]
    pub missing: Vec<MissingName>,
}

/// A name that a server is asked by, and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingName {
    pub name: String,
    pub source: String,
}

impl AsRef<Self> for Finding {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Finding {
    /// A finding without evidence, with the remedy of its page.
    pub fn new(
        code: Code,
        severity: Severity,
        subject: impl Into<Subject>,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            subject: subject.into(),
            path: path.into(),
            what: what.into(),
            evidence: Vec::new(),
            remedy: Remedy::default(),
            missing: Vec::new(),
        }
        .with_code(code)
    }

    /// Whether it keeps what it is about from working.
    pub fn is_blocker(&self) -> bool {
        self.severity == Severity::Blocker
    }

    #[must_use]
    pub(crate) fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same finding with a more specific code.
    #[must_use]
    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { code, remedy: Remedy::of(code, &self.path), ..self }
    }
}
