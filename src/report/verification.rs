//! Results of `archive verify`: one archive in detail, of many one row each.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::archive::ArchiveReport;
use super::history::history_text;
use super::json::in_parts;
use super::sanitise::line;
use super::{DocumentFormat, Output, table};
use crate::analysis::forensics::readiness::{Judgement, Readiness};
use crate::disk::history;
use crate::error::Error;
use crate::state::text::{count, shell_word, thousands};
use crate::state::{Code, Digest};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ArchiveState {
    Ready,
    Recoverable,
    NotRecoverable,
    /// Cut, changed, or no archive.
    Damaged,
    /// It cannot be read here, or another program has compressed or encrypted it.
    Unreadable,
}

impl ArchiveState {
    const ALL: [Self; 5] =
        [Self::Ready, Self::Recoverable, Self::NotRecoverable, Self::Damaged, Self::Unreadable];

    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Recoverable => "RECOVERABLE",
            Self::NotRecoverable => "NOT RECOVERABLE",
            Self::Damaged => "DAMAGED",
            Self::Unreadable => "UNREADABLE",
        }
    }
}

/// One of the archives.
pub struct VerifiedArchive {
    pub path: PathBuf,
    /// Digest of the archive file, if it could be read.
    pub sha256: Option<Digest>,
    node: Option<String>,
    made: Option<Timestamp>,
    state: ArchiveState,
    /// Why it is not READY.
    why: String,
    /// Why it could not be read.
    failure: Option<Error>,
    /// All that is known, where that is shown.
    report: Option<Box<ArchiveReport>>,
}

impl VerifiedArchive {
    /// One that could be read. `node` is the name that its files say, `in_full` whether more than a row of it is shown.
    pub fn read(path: &Path, report: ArchiveReport, node: Option<String>, in_full: bool) -> Self {
        let creation = report.creation.as_ref();
        Self {
            path: path.to_owned(),
            sha256: Some(report.sha256),
            node: creation.map(|creation| creation.node.clone()).filter(|node| !node.is_empty()).or(node),
            made: creation.map(|creation| creation.created),
            state: match report.judgement.readiness {
                Readiness::Ready => ArchiveState::Ready,
                Readiness::Recoverable => ArchiveState::Recoverable,
                Readiness::NotRecoverable => ArchiveState::NotRecoverable,
            },
            why: why(&report),
            failure: None,
            report: in_full.then(|| Box::new(report)),
        }
    }

    pub fn failed(path: &Path, failure: Error) -> Self {
        let name = path.display().to_string();
        let reason = failure.message.split_once(&format!("{name}: "));
        let reason = reason.or_else(|| failure.message.split_once(": ")).map(|(_, reason)| reason);
        Self {
            path: path.to_owned(),
            sha256: None,
            node: None,
            made: None,
            state: match failure.code {
                Some(Code::ArchiveDamaged) => ArchiveState::Damaged,
                Some(Code::WorkerNode) => ArchiveState::NotRecoverable,
                _ => ArchiveState::Unreadable,
            },
            why: reason.unwrap_or(&failure.message).to_owned(),
            failure: Some(failure),
            report: None,
        }
    }

    fn item(&self) -> Option<Item<'_>> {
        if let Some(report) = &self.report {
            return Some(Item::Read(report));
        }
        let failure = self.failure.as_ref()?;
        let error = Failure { code: failure.code, message: &failure.message };
        Some(Item::Failed { path: self.path.display().to_string(), error })
    }

    /// By node, then by time; those of which neither is known come last.
    fn order(&self, other: &Self) -> Ordering {
        let key = |archive: &Self| (archive.node.is_none(), archive.made.is_none());
        key(self)
            .cmp(&key(other))
            .then_with(|| self.node.cmp(&other.node))
            .then_with(|| self.made.cmp(&other.made))
            .then_with(|| self.path.cmp(&other.path))
    }
}

fn why(report: &ArchiveReport) -> String {
    let Judgement { readiness, cause, repair, obstacle, .. } = &report.judgement;
    let cause = cause.as_ref().or(obstacle.as_ref()).cloned().unwrap_or_default();
    match (readiness, repair) {
        (Readiness::Ready, _) if report.missing.is_empty() => String::new(),
        (Readiness::Ready, _) => format!("{} of the node not in it", count(report.missing.len(), "path")),
        (Readiness::Recoverable, Some(repair)) => format!("{cause} (with: {repair})"),
        (Readiness::Recoverable | Readiness::NotRecoverable, _) => cause,
    }
}

/// The result for all of them.
pub struct Verification {
    archives: Vec<VerifiedArchive>,
    history: history::Check,
}

/// See `docs/archive-verification.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    /// They are added one by one.
    items: [Item<'a>; 0],
    total: Total,
    history: &'a history::Check,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Read(&'a ArchiveReport),
    Failed { path: String, error: Failure<'a> },
}

#[derive(Serialize)]
struct Failure<'a> {
    code: Option<Code>,
    message: &'a str,
}

/// How many archives are in which state.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    archives: usize,
    ready: usize,
    recoverable: usize,
    not_recoverable: usize,
    damaged: usize,
    unreadable: usize,
}

impl Verification {
    pub fn of(mut archives: Vec<VerifiedArchive>, history: history::Check) -> Self {
        archives.sort_by(VerifiedArchive::order);
        Self { archives, history }
    }

    /// Whether every archive is READY, and the history intact.
    pub fn is_good(&self) -> bool {
        self.archives.iter().all(|archive| archive.state == ArchiveState::Ready)
            && self.history.problems.is_empty()
    }

    /// Why the only archive could not be read: that is the result then.
    pub fn only_failure(&self) -> Option<&Error> {
        match self.archives.as_slice() {
            [only] => only.failure.as_ref(),
            _ => None,
        }
    }

    /// Writes the result.
    pub fn show(&self, format: DocumentFormat, now: Timestamp, out: &mut Output) {
        if format == DocumentFormat::Table {
            return out.result(&self.text());
        }
        let body = Body { items: [], total: self.total(), history: &self.history };
        let form = ("ArchiveVerification", now, format == DocumentFormat::Yaml);
        in_parts(form, &body, self.archives.iter().filter_map(VerifiedArchive::item), |part| {
            out.result(part)
        });
    }

    fn total(&self) -> Total {
        let of = |state| self.count(state);
        Total {
            archives: self.archives.len(),
            ready: of(ArchiveState::Ready),
            recoverable: of(ArchiveState::Recoverable),
            not_recoverable: of(ArchiveState::NotRecoverable),
            damaged: of(ArchiveState::Damaged),
            unreadable: of(ArchiveState::Unreadable),
        }
    }

    fn count(&self, state: ArchiveState) -> usize {
        self.archives.iter().filter(|archive| archive.state == state).count()
    }

    fn text(&self) -> String {
        let mut text = match self.archives.as_slice() {
            [] => String::new(),
            [VerifiedArchive { report: Some(report), .. }] => report.text(),
            several => rows(several) + &self.total_line(),
        };
        let history = history_text(&self.history);
        if !text.is_empty() && !history.is_empty() {
            text.push('\n');
        }
        text + &history
    }

    /// `1,000 archives: 997 READY, 1 RECOVERABLE, 2 DAMAGED`.
    fn total_line(&self) -> String {
        let states = ArchiveState::ALL.map(|state| (state.word(), self.count(state)));
        let states = states.into_iter().filter(|(_, count)| *count > 0);
        let states: Vec<_> = states.map(|(word, count)| format!("{} {word}", thousands(count))).collect();
        let all = self.archives.len();
        let unit = if all == 1 { "archive" } else { "archives" };
        format!("{} {unit}: {}\n", thousands(all), states.join(", "))
    }

    /// What shows more, a command for each kind of trouble.
    pub fn hints(&self) -> Vec<String> {
        let first = |is: &dyn Fn(&VerifiedArchive) -> bool| self.archives.iter().find(|archive| is(archive));
        let judged = first(&|archive| archive.state != ArchiveState::Ready && archive.failure.is_none());
        // Of one alone all is shown already.
        let judged = judged.filter(|_| self.archives.len() > 1);
        let judged = judged.map(|archive| {
            format!("kuberescue archive verify {}", shell_word(&archive.path.display().to_string()))
        });
        let damaged = first(&|archive| archive.state == ArchiveState::Damaged);
        let damaged = damaged.map(|_| format!("kuberescue explain {}", Code::ArchiveDamaged));
        let mut hints: Vec<_> = judged.into_iter().chain(damaged).collect();
        // Of each program that has packed some, the command for the first.
        let mut programs = Vec::new();
        for failure in self.archives.iter().filter_map(|archive| archive.failure.as_ref()) {
            let command = failure.hints.first().filter(|_| failure.code == Some(Code::ArchivePacked));
            let Some(command) = command else { continue };
            let program = command.split(' ').next().unwrap_or_default();
            if !programs.contains(&program) {
                programs.push(program);
                hints.push(command.clone());
            }
        }
        hints
    }
}

/// A table; what all paths begin with stands above it.
fn rows(archives: &[VerifiedArchive]) -> String {
    let directory = common_directory(archives);
    let heading = ["ARCHIVE", "NODE", "MADE (UTC)", "STATE", "WHY"].map(str::to_owned).to_vec();
    let row = |archive: &VerifiedArchive| {
        let path = directory.and_then(|directory| archive.path.strip_prefix(directory).ok());
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            path.unwrap_or(&archive.path).display().to_string(),
            known(archive.node.clone()),
            known(archive.made.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string())),
            archive.state.word().to_owned(),
            archive.why.clone(),
        ]
    };
    let rows: Vec<_> = [heading].into_iter().chain(archives.iter().map(row)).collect();
    let mut out = String::new();
    if let Some(directory) = directory {
        let _ = writeln!(out, "{}", line(&format!("Archives in {}", directory.display())));
    }
    for row in table::render(&rows).lines() {
        let _ = writeln!(out, "{}", row.trim_end());
    }
    out
}

/// The directory that all are in.
fn common_directory(archives: &[VerifiedArchive]) -> Option<&Path> {
    let (first, rest) = archives.split_first()?;
    let is_common = |directory: &&Path| rest.iter().all(|archive| archive.path.starts_with(directory));
    let found = first.path.ancestors().skip(1).find(is_common)?;
    found.file_name().map(|_| found)
}
