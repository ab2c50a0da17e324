//! The timeline as text and as JSON.

use std::fmt::Write as _;

use jiff::{Timestamp, Unit};

use super::html::{Moment, Story};
use super::json::document;
use super::sanitise::line;
use super::table;
use crate::analysis::forensics::timeline::{Event, Kind, Timeline};
use crate::state::text::{count, size};

/// The timeline as text: the first failure, everything that has a time, the lines without one, wrong clocks.
pub fn timeline_text(timeline: &Timeline) -> String {
    let mut out = String::new();
    if let Some(first) = &timeline.first_failure {
        let _ = writeln!(out, "{}\n", line(&first.sentence));
    }
    let mut rows = vec![row("TIME", "SOURCE", "COUNT", "EVENT")];
    let mut now_shown = false;
    for group in timeline.events.chunk_by(belong_together) {
        let Some(event) = group.first() else { continue };
        if !now_shown && event.time > timeline.now {
            rows.push(now(timeline.now));
            now_shown = true;
        }
        let count = event.count.filter(|_| event.kind == Kind::FirstSeen).unwrap_or(group.len() as u64);
        let count = if count > 1 { count.to_string() } else { String::new() };
        rows.push(row(&shown(event.time), &event.source, &count, &what(event, group.len())));
    }
    if !now_shown {
        rows.push(now(timeline.now));
    }
    out.push_str(&table::render(&rows));
    section(&mut out, "Known lines without a time", undated(timeline));
    let contradictions = timeline.anomalies.iter().map(|anomaly| {
        let path = anomaly.path.display();
        format!("{} [{}] {path}: {}", shown(anomaly.time), anomaly.code, anomaly.what)
    });
    section(&mut out, "Times that can't be right", contradictions.collect());
    let mut notes = timeline.notes.clone();
    if timeline.scanned.files > 0 {
        let scanned = timeline.scanned;
        notes.insert(0, format!("Read {} with {}", count(scanned.files, "log file"), size(scanned.bytes)));
    }
    section(&mut out, "Notes", notes);
    out
}

pub fn story(timeline: &Timeline) -> Story {
    let moment = |group: &[Event]| {
        let event = group.first()?;
        let counted = event.count.filter(|count| event.kind == Kind::FirstSeen && *count > 1);
        let files = (group.len() > 1).then_some(group.len() as u64);
        Some(Moment {
            at: event.time,
            source: event.source.clone(),
            event: match event.code {
                Some(code) => format!("{} [{code}]", event.what),
                None => event.what.clone(),
            },
            count: counted.or(files),
            path: event.path.clone(),
        })
    };
    let anomalies = timeline
        .anomalies
        .iter()
        .map(|anomaly| format!("{} {}: {}", shown(anomaly.time), anomaly.path.display(), anomaly.what));
    Story {
        first_failure: timeline.first_failure.as_ref().map(|first| first.sentence.clone()),
        remarks: anomalies.chain(undated(timeline)).chain(timeline.notes.iter().cloned()).collect(),
        moments: timeline.events.chunk_by(belong_together).filter_map(moment).collect(),
    }
}

pub fn timeline_json(timeline: &Timeline) -> String {
    document("Timeline", timeline.now, timeline)
}

fn row(time: &str, source: &str, count: &str, event: &str) -> Vec<String> {
    [time, source, count, event].map(str::to_owned).into()
}

fn now(now: Timestamp) -> Vec<String> {
    row(&shown(now), "", "", "--- now ---")
}

/// To the second: more is only in the JSON.
fn shown(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}

/// Files that were written in the same second, as by `kubeadm init` or a copy: one line for all of them.
fn belong_together(one: &Event, other: &Event) -> bool {
    let is_file = |event: &Event| event.kind == Kind::FileChanged;
    is_file(one) && is_file(other) && one.what == other.what && shown(one.time) == shown(other.time)
}

fn what(event: &Event, group: usize) -> String {
    let path = event.path.as_ref().map(|path| path.display().to_string());
    let mut text = match (event.kind, path) {
        (Kind::FileChanged, Some(path)) if group > 1 => {
            format!("{path} and {} more: {}", group - 1, event.what)
        }
        (Kind::FileChanged, Some(path)) => format!("{path}: {}", event.what),
        (Kind::FirstSeen, Some(path)) if event.count > Some(1) => {
            format!("first: {} ({path})", event.what)
        }
        (Kind::LastSeen, Some(path)) => format!("last: {} ({path})", event.what),
        (_, Some(path)) => format!("{} ({path})", event.what),
        (_, None) => event.what.clone(),
    };
    if let Some(code) = event.code {
        let _ = write!(text, " [{code}]");
    }
    text
}

fn undated(timeline: &Timeline) -> Vec<String> {
    let hits = timeline.lines.iter().filter(|hit| hit.undated > 0);
    hits.map(|hit| format!("{} {}: {} [{}]", count(hit.undated, "time"), hit.source, hit.meaning, hit.code))
        .collect()
}

fn section(out: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(out, "\n{title}:\n");
    for text in lines {
        let _ = writeln!(out, "  {}", line(&text));
    }
}
