//! The history of a node, and the results of `resume` and `rollback`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::Output;
use super::sanitise::line;
use crate::disk::history::{Check, Done, Issued};
use crate::disk::transaction::{Difference, Journal};
use crate::state::Invoker;
use crate::state::text::count;
use crate::state::time::minute;

/// How many of the last changes are shown.
const SHOWN: usize = 10;

/// Empty for a node that was never changed.
pub(super) fn history_text(check: &Check) -> String {
    let mut out = String::new();
    let Some(first) = check.records.first() else {
        for problem in &check.problems {
            let _ = writeln!(out, "history: {}", line(problem));
        }
        return out;
    };
    let (records, since) = (check.records.len(), minute(first.time));
    let issued = check.records.iter().filter(|done| done.issued.is_some()).count();
    let what = match (records - issued, issued) {
        (changes, 0) => count(changes, "change"),
        (0, issued) => count(issued, "issued certificate"),
        (changes, issued) => {
            format!("{} and {}", count(changes, "change"), count(issued, "issued certificate"))
        }
    };
    let verdict = if check.problems.is_empty() { "intact" } else { "DAMAGED" };
    let _ = writeln!(out, "history: {what} since {since}: {verdict}");
    for problem in &check.problems {
        let _ = writeln!(out, "  {}", line(problem));
    }
    for done in check.records.iter().skip(records.saturating_sub(SHOWN)) {
        let _ = writeln!(out, "  {}", line(&sentence(done)));
    }
    out
}

fn sentence(done: &Done) -> String {
    let Done { time, operator, command, paths, .. } = done;
    if let Some(Issued { user, groups, serial, until, .. }) = &done.issued {
        let groups = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
        let until = minute(*until);
        let time = minute(*time);
        return format!(
            "{time}  {}  {command} (user {user}{groups}, serial {serial}, valid until {until})",
            who(operator)
        );
    }
    let rolled_back = if done.taken_back { ", rolled back before its end" } else { "" };
    let time = minute(*time);
    format!("{time}  {}  {command} ({}{rolled_back})", who(operator), count(*paths, "path"))
}

fn who(operator: &Invoker) -> String {
    let mut who = match &operator.sudo_user {
        Some(name) => format!("{name} as uid {}", operator.uid),
        None => format!("uid {}", operator.uid),
    };
    if let Some(tty) = &operator.tty {
        let _ = write!(who, " on {tty}");
    }
    who
}

/// The result for an interrupted or a past change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    Nothing,
    Planned,
    /// It had changed no file yet: what it had prepared was removed.
    Removed,
    /// All its files are the new ones.
    Resumed,
    /// All its files are the old ones.
    RolledBack,
    /// Only manifests were moved back, or would be.
    ManifestsRestored,
}

/// The result of `resume` and of `rollback`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoReport {
    pub result: Undone,
    pub dry_run: bool,
    pub command: Option<String>,
    pub started: Option<Timestamp>,
    pub items: Vec<String>,
    /// Manifests that an interrupted restart had moved away, and that are moved back.
    pub manifests: Vec<String>,
    /// Paths that something else had changed since: kept with `--keep-theirs`, replaced with `--overwrite`.
    pub changed_since: Vec<String>,
    /// In words.
    #[serde(skip)]
    pub text: String,
}

impl UndoReport {
    /// `theirs` are the paths that something else has changed since.
    pub fn of(
        journal: Option<&Journal>,
        manifests: Vec<String>,
        theirs: &[Difference],
        result: Undone,
        text: &str,
    ) -> Self {
        let paths = journal.into_iter().flat_map(|journal| &journal.changes);
        Self {
            result,
            dry_run: result == Undone::Planned,
            command: journal.map(|journal| journal.command.clone()),
            started: journal.map(|journal| journal.started),
            items: paths.map(|change| change.path.display().to_string()).collect(),
            manifests,
            changed_since: theirs.iter().map(|theirs| theirs.path.display().to_string()).collect(),
            text: text.to_owned(),
        }
    }

    /// Nothing was interrupted, or nothing is left to undo.
    pub fn nothing(text: &str, dry_run: bool) -> Self {
        let (result, items, manifests) = (Undone::Nothing, Vec::new(), Vec::new());
        let (changed_since, text) = (Vec::new(), format!("{text}\n"));
        Self { result, dry_run, command: None, started: None, items, manifests, changed_since, text }
    }

    /// `kind` is `ResumeResult` or `RollbackResult`.
    pub fn show(&self, kind: &str, out: &mut Output) {
        out.result(&self.text);
        out.document(kind, self);
    }
}
