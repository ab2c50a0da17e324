//! Times that contradict each other: the node's clock was wrong once, or is now.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::event::{Event, Kind, certificates};
use super::failure::passed;
use super::gather::Logs;
use crate::analysis::node::inventory::Inventory;
use crate::formats::log::Nature;
use crate::state::text::count;
use crate::state::{Code, Snapshot, text};

/// A log that is written while it is read is slightly ahead of the start of this run.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Certificates are backdated: not at all by old kubeadm, by up to a day by others (openshift/installer
/// #10591).
const BACKDATED: SignedDuration = SignedDuration::from_hours(24);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Anomaly {
    pub code: Code,
    pub time: Timestamp,
    pub what: String,
    #[serde(with = "text")]
    pub path: PathBuf,
}

/// All anomalies, by code and time.
pub(super) fn find(
    events: &[Event],
    snapshot: &Snapshot,
    inventory: &Inventory,
    logs: &Logs,
    now: Timestamp,
) -> Vec<Anomaly> {
    let mut found = in_the_future(events, now);
    for (name, path, certificate) in certificates(inventory) {
        let Ok(resolved) = snapshot.resolve(path) else { continue };
        let Some(written) = resolved.entry.map(|entry| entry.attributes.mtime) else { continue };
        let before = certificate.not_before.duration_since(written);
        if written != Timestamp::UNIX_EPOCH && before > BACKDATED {
            let what = format!(
                "the file was last changed {} before {name} becomes valid: the clock was wrong when one of the two was made",
                passed(before)
            );
            found.push(Anomaly {
                code: Code::OlderThanItsCertificate,
                time: written,
                what,
                path: resolved.path,
            });
        }
    }
    for (path, jump) in logs.jumps() {
        let what = format!(
            "the line after {} is of {}: the clock was set back by {}",
            jump.from,
            jump.to,
            passed(jump.from.duration_since(jump.to))
        );
        found.push(Anomaly { code: Code::LogGoesBack, time: jump.to, what, path: path.clone() });
    }
    for hit in logs.hits().filter(|hit| hit.nature == Nature::Clock) {
        if let Some(time) = hit.first {
            let what = format!("{}: {} ({})", hit.source, hit.meaning, count(hit.count, "time"));
            found.push(Anomaly { code: hit.code, time, what, path: hit.path.clone() });
        }
    }
    found
}

/// What is later than now: the latest event of each kind.
fn in_the_future(events: &[Event], now: Timestamp) -> Vec<Anomaly> {
    let mut found: Vec<(Kind, Anomaly, usize)> = Vec::new();
    // Events are sorted: the last one of a kind is the latest.
    for event in events.iter().rev() {
        let ahead = event.time.duration_since(now);
        if event.kind == Kind::ValidUntil || ahead <= AHEAD {
            continue;
        }
        if let Some((.., more)) = found.iter_mut().find(|(kind, ..)| *kind == event.kind) {
            *more += 1;
            continue;
        }
        let what = format!("{}: {}: {} later than the present time", event.source, event.what, passed(ahead));
        let path = event.path.clone().unwrap_or_default();
        let anomaly = Anomaly { code: Code::EventInTheFuture, time: event.time, what, path };
        found.push((event.kind, anomaly, 0));
    }
    let mut found: Vec<Anomaly> = found
        .into_iter()
        .map(|(_, mut anomaly, more)| {
            if more > 0 {
                anomaly.what.push_str(&format!(", and {more} more"));
            }
            anomaly
        })
        .collect();
    found.sort_by_key(|anomaly| anomaly.time);
    found
}
