//! Results of `archive create` and `list`, and what `verify` says of one archive.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::sanitise::line;
use super::{DocumentFormat, SavedSnapshot, condition_text, finding_sections, table};
use crate::analysis::forensics::readiness::{Judgement, Readiness, Scope};
use crate::state::text::{count, size};
use crate::state::time::minute;
use crate::state::{Code, Digest};

#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    pub path: String,
    pub reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedArchive {
    /// Absent in a dry run.
    pub path: Option<String>,
    /// Absent in a dry run.
    pub sha256: Option<Digest>,
    pub dry_run: bool,
    /// Absent if none was asked for.
    pub etcd_snapshot: Option<SavedSnapshot>,
    /// Paths of the node that are in it.
    pub items: Vec<String>,
    /// Paths of the node that are not in it.
    pub missing: Vec<Missing>,
}

impl CreatedArchive {
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("Archive", now, self, Self::text)
    }

    fn text(&self) -> String {
        let paths = match &self.path {
            Some(path) => std::slice::from_ref(path),
            None => &self.items,
        };
        paths.iter().map(|path| format!("{}\n", line(path))).collect()
    }

    /// The last message: what is not in the archive.
    pub fn missing_text(&self) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        let mut out = format!("Not in the archive ({}):", count(self.missing.len(), "path"));
        for missing in &self.missing {
            let _ = write!(out, "\n  {}", line(&format!("{}: {}", missing.path, missing.reason)));
        }
        Some(out)
    }
}

#[derive(Serialize)]
pub struct ArchiveList {
    pub items: Vec<ArchiveItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveItem {
    pub path: String,
    /// Absent if it was not created by kuberescue, or is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation: Option<Creation>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damaged>,
}

/// Why an archive cannot be used.
#[derive(Serialize)]
pub struct Damaged {
    pub path: String,
    pub code: Option<Code>,
    pub message: String,
}

impl ArchiveList {
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("ArchiveList", now, self, Self::text)
    }

    fn text(&self) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        let heading = ["ARCHIVE", "CREATED", "NODE", "COMMAND"].map(str::to_owned).to_vec();
        let rows = self.items.iter().map(|item| {
            let path = item.path.clone();
            match (&item.creation, &item.damage) {
                (_, Some(damage)) => {
                    vec![path, "-".into(), "-".into(), format!("damaged: {}", damage.message)]
                }
                (Some(creation), None) => {
                    vec![path, minute(creation.created), creation.node.clone(), creation.command.clone()]
                }
                (None, None) => vec![path, "-".into(), "-".into(), "not created by kuberescue".into()],
            }
        });
        table::render(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
    }
}

/// The verdict on an archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveReport {
    pub path: String,
    /// Digest of the archive file.
    pub sha256: Digest,
    /// Number of files, links and directories; in an archive of ours the digests of all are verified.
    pub entries: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Absent if it was not created by kuberescue.
    pub creation: Option<Creation>,
    /// What of a node it holds, if it was not created by kuberescue.
    pub scope: Option<Scope>,
    /// Paths that were on the node and are not in the archive.
    pub missing: Vec<Missing>,
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// Where an archive comes from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    pub created: Timestamp,
    /// Name of the machine on which kuberescue ran.
    pub host: String,
    pub node: String,
    pub command: String,
    /// Version of kuberescue.
    pub version: String,
}

impl ArchiveReport {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let mut add = |text: String| {
            out.push_str(&line(&text));
            out.push('\n');
        };
        add(format!("{}: {}", self.path, self.verdict()));
        let size = format!("{}, {}", count(self.entries, "entry"), size(self.bytes));
        match &self.creation {
            Some(Creation { created, host, node, command, version }) => {
                add(format!("  {size}; every digest matches"));
                add(format!(
                    "  created {} on node {node} (host {host}) by kuberescue {version}: {command}",
                    minute(*created)
                ));
            }
            None => add(format!("  {size}; not created by kuberescue: no digests to compare with")),
        }
        if let Some(Scope { holds, lacks }) = &self.scope
            && !lacks.is_empty()
        {
            add(format!("  scope: only {}; not in the archive: {}", paths(holds), paths(lacks)));
        }
        for missing in &self.missing {
            add(format!("  not in the archive: {}: {}", missing.path, missing.reason));
        }
        for condition in &self.judgement.conditions {
            add(format!("  condition: {}", condition_text(*condition)));
        }
        if let (Some(_), Some(left)) = (&self.judgement.repair, &self.judgement.obstacle) {
            add(format!("  remains after that: {left}"));
        }
        let left = &self.judgement.left_out;
        if !left.is_empty() {
            add(format!("In the archive, and not restored ({}):", left.len()));
        }
        for left in left {
            add(format!("  {}: {}", left.path.display(), left.why));
        }
        out.push_str(&finding_sections(&self.judgement.findings));
        out
    }

    fn verdict(&self) -> String {
        let Judgement { readiness, repair, obstacle, .. } = &self.judgement;
        match readiness {
            Readiness::Ready => "READY".to_owned(),
            Readiness::Recoverable => {
                format!("RECOVERABLE (with: {})", repair.as_deref().unwrap_or_default())
            }
            Readiness::NotRecoverable => {
                format!("NOT RECOVERABLE ({})", obstacle.as_deref().unwrap_or_default())
            }
        }
    }
}

fn paths(paths: &[std::path::PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "other files".to_owned() } else { names.join(", ") }
}
