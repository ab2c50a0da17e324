//! What `archive` says.

use serde::Serialize;

use super::history::history_text;
use super::sanitise::{document, line};
use super::table;
use crate::disk::history;
use crate::state::Digest;

/// What `archive verify` found.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verification {
    /// The archives that could be read.
    pub archives: Vec<ArchiveReport>,
    /// The history of the node.
    pub history: history::Check,
}

impl Verification {
    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        let good = |report: &ArchiveReport| report.would_bring_the_node_back && report.made.is_some();
        self.archives.iter().all(good) && self.history.problems.is_empty()
    }

    /// In words.
    pub fn text(&self) -> String {
        let archives: Vec<_> = self.archives.iter().map(ArchiveReport::text).collect();
        let mut text = archives.join("\n");
        let history = history_text(&self.history);
        if !text.is_empty() && !history.is_empty() {
            text.push('\n');
        }
        text + &history
    }

    /// As JSON.
    pub fn json(&self) -> String {
        document(self)
    }
}

/// The verdict on an archive.
#[derive(Serialize)]
pub struct ArchiveReport {
    /// The archive.
    pub path: String,
    /// Digest of the archive file.
    pub sha256: Digest,
    /// Files, links and directories whose digests are right.
    pub entries: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// When it was made, on which node, by what; absent where the archive isn't ours.
    pub made: Option<Made>,
    /// Files that were on the node and are not in the archive.
    pub omitted: Vec<String>,
    /// Whether every CA has its key and every leaf chains, whatever has ended.
    pub would_bring_the_node_back: bool,
    /// What is wrong with the PKI inside.
    pub findings: Vec<crate::analysis::node::findings::Finding>,
}

/// Where an archive comes from.
#[derive(Serialize)]
pub struct Made {
    /// When.
    pub created: String,
    /// Name of the host.
    pub host: String,
    /// Name of the node.
    pub node: String,
    /// The command that made it.
    pub command: String,
    /// Version of kuberescue.
    pub version: String,
}

impl ArchiveReport {
    fn text(&self) -> String {
        let mut out = String::new();
        let mut add = |text: String| {
            out.push_str(&line(&text));
            out.push('\n');
        };
        let verdict = if self.made.is_some() { "every digest is right" } else { "it can be read to its end" };
        add(format!("{}: {} entries, {} bytes: {verdict}", self.path, self.entries, self.bytes));
        match &self.made {
            Some(made) => add(format!(
                "made {} on node {} (host {}) by kuberescue {}: {}",
                made.created, made.node, made.host, made.version, made.command
            )),
            None => {
                add("not made by kuberescue: there are no digests to check, only what is inside".to_owned())
            }
        }
        for omitted in &self.omitted {
            add(format!("NOT IN THE ARCHIVE: {omitted}"));
        }
        let verdict = if self.would_bring_the_node_back {
            "it would bring the node back: every CA has its matching key, every leaf chains to its CA"
        } else {
            "it would NOT bring the node back as it is:"
        };
        add(verdict.to_owned());
        out.push_str(&super::finding_lines(&self.findings));
        out
    }
}

/// A table of archives: path, when, node, command.
pub fn archive_list(rows: Vec<[String; 4]>) -> String {
    let heading = ["ARCHIVE", "MADE", "NODE", "BY"].map(str::to_owned).to_vec();
    let rows: Vec<_> = [heading].into_iter().chain(rows.into_iter().map(|row| row.to_vec())).collect();
    table::render(&rows)
}
