//! A diagnosis as one self-contained HTML file, for a ticket, a dark screen, or paper: no script, no external
//! resource, and a content security policy that says so.
//!
//! Whatever a colour says is also said by a word or a shape.

mod axis;
mod chart;
mod findings;
mod markup;
mod nodes;
mod tables;
mod verdict;

use std::path::PathBuf;

use self::markup::Markup;
pub use self::nodes::nodes_html;
use super::trust::Row;
use crate::analysis::forensics::diagnosis::Diagnosis;
use crate::analysis::node::findings::Severity;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The first failure and what had expired by then, in one sentence.
    pub first_failure: Option<String>,
    /// Wrong clocks, and what was not read; a sentence each.
    pub remarks: Vec<String>,
    /// Everything that has a time, oldest first, including future expiries.
    pub moments: Vec<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: jiff::Timestamp,
    /// The source: a component for its log, a file, a certificate.
    pub source: String,
    pub event: String,
    pub count: Option<u64>,
    /// The file of the event.
    pub path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub diagnosis: &'a Diagnosis,
    /// The trust graph as rows; the section is left out if there are none.
    pub trust: &'a [Row],
    /// `None` if no logs were read.
    pub timeline: Option<&'a Story>,
}

impl Page<'_> {
    pub fn render(self) -> String {
        let Self { diagnosis, .. } = self;
        let mut main = verdict::header(diagnosis);
        main.raw("<main>\n").piece(&self.sections()).raw("</main>\n");
        document(&title(diagnosis), &main, &diagnosis.source, diagnosis.at)
    }

    /// The verdict and all that is known.
    fn sections(self) -> Markup {
        let Self { diagnosis, trust, timeline } = self;
        let mut page = verdict::verdict(diagnosis);
        page.piece(&contents(diagnosis, trust, timeline));
        for severity in [Severity::Blocker, Severity::Warning, Severity::Note] {
            page.piece(&findings::section(diagnosis, severity));
        }
        page.piece(&chart::section(diagnosis)).piece(&tables::horizon(diagnosis));
        page.piece(&tables::timeline(timeline, diagnosis.at))
            .piece(&tables::trust(trust))
            .piece(&tables::credentials(diagnosis));
        page
    }
}

/// A file of its own around this body.
fn document(title: &str, body: &Markup, source: &str, at: jiff::Timestamp) -> String {
    let mut page = Markup::default();
    page.raw(HEAD).text(title).raw("</title>\n<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    page.piece(body).raw("<footer><p>").text(&format!(
        "Written by kuberescue {} from {source}, for {at:.0}. Nothing was changed. No key is in this file.",
        env!("CARGO_PKG_VERSION"),
    ));
    page.raw("</p></footer>\n</body>\n</html>\n");
    page.into_string()
}

const HEAD: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"color-scheme\" content=\"light dark\">\n",
    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>"
);
const STYLE: &str = include_str!("style.css");

fn name(diagnosis: &Diagnosis) -> &str {
    diagnosis.node.name.as_deref().unwrap_or("a node whose name is not known")
}

fn title(diagnosis: &Diagnosis) -> String {
    format!("{}: {} – kuberescue", name(diagnosis), verdict::badge(diagnosis.verdict.state))
}

/// The table of contents, with the number of entries.
fn contents(diagnosis: &Diagnosis, trust: &[Row], timeline: Option<&Story>) -> Markup {
    let mut nav = Markup::default();
    nav.raw("<nav aria-label=\"Contents\">\n<ul>\n");
    for (severity, link, one, many) in [
        (Severity::Blocker, "<li><a href=\"#blockers\">", "blocker", "blockers"),
        (Severity::Warning, "<li><a href=\"#warnings\">", "warning", "warnings"),
        (Severity::Note, "<li><a href=\"#notes\">", "note", "notes"),
    ] {
        let count = diagnosis.findings.iter().filter(|told| told.finding.severity == severity).count();
        if count > 0 {
            nav.wrapped(link, &format!("{count} {}", if count == 1 { one } else { many }), "</a></li>");
        }
    }
    let sections = [
        (!diagnosis.credentials.is_empty(), "<li><a href=\"#validity\">Validity</a></li>\n"),
        (!diagnosis.horizon.is_empty(), "<li><a href=\"#horizon\">What expires next</a></li>\n"),
        (timeline.is_some(), "<li><a href=\"#timeline\">Timeline</a></li>\n"),
        (!trust.is_empty(), "<li><a href=\"#trust\">Trust</a></li>\n"),
        (!diagnosis.credentials.is_empty(), "<li><a href=\"#credentials\">Credentials</a></li>\n"),
    ];
    for (_, link) in sections.into_iter().filter(|(there, _)| *there) {
        nav.raw(link);
    }
    nav.raw("</ul>\n</nav>\n");
    nav
}

#[cfg(test)]
mod tests;
