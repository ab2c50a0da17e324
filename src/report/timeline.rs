//! The timeline as text and as JSON.

use std::fmt::Write as _;

use jiff::{Timestamp, Unit};

use super::html::{Moment, Story};
use super::json::document;
use super::sanitise::line;
use super::table;
use crate::analysis::forensics::timeline::{Event, Kind, Timeline};
use crate::state::text::{count, size};
use crate::state::time;

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
        let folded = folded(group);
        Some(Moment {
            at: event.time,
            source: event.source.clone(),
            count: counted.or(files).filter(|_| folded.is_none()),
            path: event.path.clone().filter(|_| folded.is_none()),
            event: match (folded, event.code) {
                (Some(text), _) => text,
                (None, Some(code)) => format!("{} [{code}]", event.what),
                (None, None) => event.what.clone(),
            },
        })
    };
    let alike = |one: &Event, other: &Event| {
        let past = |event: &Event| event.time <= timeline.now;
        belong_together(one, other) || of_one_day(one, other) && past(one) == past(other)
    };
    let anomalies = timeline
        .anomalies
        .iter()
        .map(|anomaly| format!("{} {}: {}", shown(anomaly.time), anomaly.path.display(), anomaly.what));
    Story {
        first_failure: timeline.first_failure.as_ref().map(|first| first.sentence.clone()),
        remarks: anomalies.chain(undated(timeline)).chain(timeline.notes.iter().cloned()).collect(),
        moments: timeline.events.chunk_by(alike).filter_map(moment).collect(),
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

/// Certificates that begin, or end, on the same day.
fn of_one_day(one: &Event, other: &Event) -> bool {
    matches!(one.kind, Kind::ValidFrom | Kind::ValidUntil)
        && one.kind == other.kind
        && time::day(one.time) == time::day(other.time)
}

/// Several certificates of one day in one sentence.
fn folded(group: &[Event]) -> Option<String> {
    let (one, many) = match group.first()?.kind {
        Kind::ValidFrom => (" becomes valid", "become valid"),
        Kind::ValidUntil => (" expires", "expire"),
        _ => return None,
    };
    let names: Vec<&str> = group.iter().filter_map(|event| event.what.strip_suffix(one)).collect();
    let count = names.len();
    (count > 1).then(|| format!("{count} certificates {many}: {}", names.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::forensics::timeline::Scanned;

    #[test]
    fn certificates_that_end_on_one_day_are_one_moment_of_the_story() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let event =
            |time: &str, kind, what: &str| Event::new(at(time), "certificate", kind, what.to_owned(), None);
        let events = vec![
            event("2026-11-23T01:00:00Z", Kind::ValidFrom, "ca becomes valid"),
            event("2026-11-23T02:00:00Z", Kind::ValidUntil, "apiserver expires"),
            event("2026-11-24T01:00:00Z", Kind::ValidUntil, "etcd-peer expires"),
            event("2026-11-24T02:00:00Z", Kind::ValidUntil, "etcd-server expires"),
            // What is still to come is not among what has been.
            event("2026-11-24T23:00:00Z", Kind::ValidUntil, "kubelet-client expires"),
        ];
        let timeline = Timeline {
            now: at("2026-11-24T12:00:00Z"),
            first_failure: None,
            events,
            lines: Vec::new(),
            anomalies: Vec::new(),
            scanned: Scanned::default(),
            notes: Vec::new(),
        };
        let told: Vec<_> = story(&timeline).moments.into_iter().map(|moment| moment.event).collect();
        assert_eq!(
            told,
            [
                "ca becomes valid",
                "apiserver expires",
                "2 certificates expire: etcd-peer, etcd-server",
                "kubelet-client expires"
            ]
        );
    }
}
