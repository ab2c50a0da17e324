//! What differs between two states, and what a restore would change, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::DocumentFormat;
use super::sanitise::line;
use crate::analysis::forensics::compare::{
    Aspect, Certified, Comparison, CredentialChange, PathChange, PathKind, State,
};
use crate::analysis::forensics::restore::RestorePlan;
use crate::formats::certificate::CertSummary;
use crate::state::text;

/// How many paths that stay, or are left out, are named.
const NAMED: usize = 20;

/// Two states, and what differs: the document `ArchiveComparison`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared<'a> {
    /// An archive.
    #[serde(serialize_with = "text::serialize")]
    pub before: &'a Path,
    /// Another archive, or a node's root directory.
    #[serde(serialize_with = "text::serialize")]
    pub after: &'a Path,
    #[serde(flatten)]
    pub comparison: &'a Comparison,
}

impl Compared<'_> {
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("ArchiveComparison", now, self, |compared| comparison_text(compared.comparison))
    }
}

/// What `archive restore` did, or would do: the document `ArchiveRestore`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restoration<'a> {
    pub dry_run: bool,
    /// Whether files were replaced.
    pub restored: bool,
    /// The archive whose state is restored.
    #[serde(serialize_with = "text::serialize")]
    pub source: &'a Path,
    /// The archive of the state before; nothing where nothing was changed.
    #[serde(serialize_with = "text::optional")]
    pub archive: Option<&'a Path>,
    #[serde(flatten)]
    pub plan: &'a RestorePlan,
}

/// The comparison in words: credentials first, then paths.
fn comparison_text(comparison: &Comparison) -> String {
    let mut out = String::new();
    let Comparison { credentials, paths, same } = comparison;
    if comparison.is_empty() {
        let _ = writeln!(out, "No difference in {}.", text::count(*same, "path"));
        return out;
    }
    out.push_str(&credential_lines(credentials));
    out.push_str(&path_lines(paths));
    let _ = writeln!(out, "{}, {same} the same.", text::count_verb(paths.len(), "path", "differ"));
    out
}

pub fn restore_text(plan: &RestorePlan) -> String {
    let mut out = String::new();
    let node = plan.node.as_deref().unwrap_or("a node whose name is not known");
    let change = text::count_verb(plan.paths.len(), "path", "change");
    let _ = writeln!(out, "{}", line(&format!("Restore of {node}: {change}, {} the same", plan.same)));
    out.push_str(&restore_lines(plan));
    out
}

/// Credentials, paths, and what there is to know.
pub(super) fn restore_lines(plan: &RestorePlan) -> String {
    let mut out = credential_lines(&plan.credentials);
    out.push_str(&path_lines(&plan.paths));
    let named = |out: &mut String, heading: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(out, "{heading} ({}):", lines.len());
        for text in lines.iter().take(NAMED) {
            let _ = writeln!(out, "  {}", line(text));
        }
        if lines.len() > NAMED {
            let _ = writeln!(out, "  … and {} more", lines.len() - NAMED);
        }
    };
    let stays = plan.stays.iter().map(|path| path.display().to_string()).collect();
    named(&mut out, "Not in the archive, and stays (--exact removes it)", stays);
    let left = plan.left_out.iter().map(|left| format!("{}: {}", left.path.display(), left.why)).collect();
    named(&mut out, "In the archive, and not restored", left);
    for note in &plan.notes {
        let _ = writeln!(out, "NOTE: {}", line(note));
    }
    let names = plan.restarts.names();
    if !names.is_empty() {
        let _ = writeln!(out, "{}", line(&format!("To be restarted afterwards: {}", names.join(", "))));
    }
    out
}

fn credential_lines(changes: &[CredentialChange]) -> String {
    let mut out = String::new();
    for change in changes {
        let _ = writeln!(out, "  {}", line(&format!("{:<26} {}", change.name, sentence(change))));
    }
    if out.is_empty() { out } else { format!("Credentials:\n{out}") }
}

fn sentence(change: &CredentialChange) -> String {
    let key = match change.same_key {
        Some(true) => ", the same key",
        Some(false) => ", another key",
        None => "",
    };
    match (&change.before, &change.after) {
        (State::Present(old), State::Present(new)) => match (&old.certificate, &new.certificate) {
            (Some(before), Some(after)) if before == after => {
                format!("the same certificate{key}{}", key_problem(old, new))
            }
            (Some(before), Some(after)) => {
                format!("another certificate{key}{}: {}", key_problem(old, new), differences(before, after))
            }
            _ => format!("a key pair without certificate{key}"),
        },
        (before, after) => format!("{} → {}", state(before), state(after)),
    }
}

fn key_problem(old: &Certified, new: &Certified) -> String {
    match (&old.key_problem, &new.key_problem) {
        (old, new) if old == new => String::new(),
        (_, Some(problem)) => format!(", whose key is {problem}"),
        (Some(problem), None) => format!(", whose key was {problem}"),
        (None, None) => String::new(),
    }
}

fn differences(before: &CertSummary, after: &CertSummary) -> String {
    let mut parts = vec![format!("serial {} → {}", before.serial, after.serial)];
    let mut differs = |what: &str, old: &str, new: &str| {
        if old != new {
            parts.push(format!("{what} {old} → {new}"));
        }
    };
    differs("expires", &before.not_after.to_string(), &after.not_after.to_string());
    differs("subject", &before.subject, &after.subject);
    differs("issuer", &before.issuer, &after.issuer);
    let only = |a: &[String], b: &[String], sign: char| -> Vec<String> {
        a.iter().filter(|name| !b.contains(name)).map(|name| format!("{sign}{name}")).collect()
    };
    let names = [only(&after.names, &before.names, '+'), only(&before.names, &after.names, '-')].concat();
    if !names.is_empty() {
        parts.push(format!("names {}", names.join(" ")));
    }
    parts.join("; ")
}

fn state(state: &State) -> String {
    match state {
        State::Missing => "missing".to_owned(),
        State::Unreadable { why } => format!("unreadable ({why})"),
        State::Present(Certified { certificate: Some(summary), .. }) => {
            format!("certificate {} until {}", summary.serial, summary.not_after)
        }
        State::Present(_) => "there".to_owned(),
    }
}

fn path_lines(changes: &[PathChange]) -> String {
    let mut out = String::new();
    for change in changes {
        let (word, detail) = match &change.kind {
            PathKind::Added { mode, owner: (uid, gid) } => {
                let mode = mode.map(|mode| format!("mode {mode:04o}, ")).unwrap_or_default();
                ("added", format!("  {mode}owner {uid}:{gid}"))
            }
            PathKind::Removed => ("removed", String::new()),
            PathKind::Unknown { why } => ("unknown", format!("  {why}")),
            PathKind::Changed { aspects } => {
                // A different time is implied by different content.
                let is_only_time = aspects.len() == 1;
                let told = aspects.iter().filter(|what| is_only_time || !matches!(what, Aspect::Time { .. }));
                let aspects: Vec<_> = told.map(aspect).collect();
                ("changed", format!("  {}", aspects.join(", ")))
            }
        };
        let _ = writeln!(out, "  {}", line(&format!("{word:<8} {}{detail}", change.path.display())));
    }
    if out.is_empty() { out } else { format!("Paths:\n{out}") }
}

fn aspect(aspect: &Aspect) -> String {
    match aspect {
        Aspect::Type => "another kind of thing".to_owned(),
        Aspect::Content { before, after } if before == after => format!("content ({before} bytes)"),
        Aspect::Content { before, after } => format!("content ({before} → {after} bytes)"),
        Aspect::Target { before, after } => format!("leads to {} → {}", before.display(), after.display()),
        Aspect::Mode { before, after } => format!("mode {before:04o} → {after:04o}"),
        Aspect::Owner { before, after } => {
            format!("owner {}:{} → {}:{}", before.0, before.1, after.0, after.1)
        }
        Aspect::Attributes => "extended attributes".to_owned(),
        Aspect::Time { before, after } => format!("time {before:.0} → {after:.0}"),
    }
}
