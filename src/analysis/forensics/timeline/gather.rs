//! The results of several logs, merged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::clock::Jump;
use super::scanner::{Found, Scan};
use crate::formats::log::Nature;
use crate::state::{Code, Component, text};

/// More sources than a node has containers that matter. The rest counts as one source.
const MAX_SOURCES: usize = 200;
const OTHERS: &str = "others";
const MAX_EXPIRIES: usize = 16;
const MAX_JUMPS: usize = 100;

/// A known line: who wrote it, when, how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    pub source: String,
    pub code: Code,
    pub nature: Nature,
    pub meaning: &'static str,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub count: u64,
    /// How often without a time.
    pub undated: u64,
    /// The log of the first occurrence.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// The log of the last occurrence.
    #[serde(with = "text")]
    pub last_path: PathBuf,
    /// The first occurrence, at most 400 bytes.
    pub sample: String,
    /// Expiry times of the certificates that the lines name; the 16 earliest.
    pub expiries: Vec<Timestamp>,
}

impl Hit {
    fn new(path: &Path, source: String, found: Found) -> Self {
        Self {
            source,
            code: found.known.code,
            nature: found.known.nature,
            meaning: found.known.code.page().title,
            first: found.span.map(|span| span.0),
            last: found.span.map(|span| span.1),
            count: found.count,
            undated: found.undated,
            path: path.to_owned(),
            last_path: path.to_owned(),
            sample: found.sample,
            expiries: found.expiries.into_iter().collect(),
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.undated += other.undated;
        // A line with a time goes before one without.
        if other.first.is_some_and(|time| self.first.is_none_or(|first| time < first)) {
            (self.first, self.path, self.sample) = (other.first, other.path, other.sample);
        }
        if other.last > self.last {
            (self.last, self.last_path) = (other.last, other.last_path);
        }
        self.expiries.extend(other.expiries);
        self.expiries.sort_unstable();
        self.expiries.dedup();
        self.expiries.truncate(MAX_EXPIRIES);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scanned {
    pub files: u64,
    /// Bytes of text in them.
    pub bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Logs {
    hits: BTreeMap<(String, Code), Hit>,
    /// By source: the beginning and the end of its logs, and the files.
    covered: BTreeMap<String, (Edge, Edge)>,
    jumps: Vec<(PathBuf, Jump)>,
    scanned: Scanned,
    notes: Vec<String>,
}

/// The beginning or the end of a source's logs.
pub(super) type Edge = (Timestamp, PathBuf);

impl Logs {
    /// Adds the result of the log at `path`. `program` is set if one program wrote all of it.
    pub fn add(&mut self, path: &Path, program: Option<&str>, scan: Scan) {
        self.scanned.files += 1;
        self.scanned.bytes += scan.bytes;
        for found in scan.found {
            let known = self.hits.keys().any(|(source, _)| *source == found.source);
            let many = !known && self.hits.len() >= MAX_SOURCES;
            let source = if many { OTHERS.to_owned() } else { found.source.clone() };
            let hit = Hit::new(path, source, found);
            match self.hits.entry((hit.source.clone(), hit.code)) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(hit)),
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(hit),
            }
        }
        if let (Some(program), Some((first, last))) = (program, scan.covered)
            && (self.covered.contains_key(program) || self.covered.len() < MAX_SOURCES)
        {
            let new = || ((first, path.to_owned()), (last, path.to_owned()));
            let (begin, end) = self.covered.entry(program.to_owned()).or_insert_with(new);
            if first < begin.0 {
                *begin = (first, path.to_owned());
            }
            if last > end.0 {
                *end = (last, path.to_owned());
            }
        }
        let room = MAX_JUMPS.saturating_sub(self.jumps.len());
        self.jumps.extend(scan.jumps.into_iter().take(room).map(|jump| (path.to_owned(), jump)));
    }

    /// Adds a note about what was not read.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Removes a note if it no longer holds.
    pub fn drop_note(&mut self, note: &str, holds_no_longer: bool) {
        self.notes.retain(|other| !holds_no_longer || other != note);
    }

    /// Whether any log of this program was read, or a line of it in another log.
    pub fn has_program(&self, program: Component) -> bool {
        let name = program.name();
        self.covered.contains_key(name) || self.hits.keys().any(|(source, _)| source == name)
    }

    pub fn hits(&self) -> impl Iterator<Item = &Hit> {
        self.hits.values()
    }

    pub(super) fn covered(&self) -> impl Iterator<Item = (&str, &(Edge, Edge))> {
        self.covered.iter().map(|(source, edges)| (source.as_str(), edges))
    }

    pub(super) fn jumps(&self) -> &[(PathBuf, Jump)] {
        &self.jumps
    }

    pub fn scanned(&self) -> Scanned {
        self.scanned
    }

    pub fn into_notes(self) -> Vec<String> {
        self.notes
    }

    pub(super) fn into_parts(self) -> (Vec<Hit>, Scanned, Vec<String>) {
        (self.hits.into_values().collect(), self.scanned, self.notes)
    }
}
