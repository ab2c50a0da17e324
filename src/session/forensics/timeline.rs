//! The timeline of a node: its logs, the history of changes by this tool, and its files' times, read and
//! merged.

use jiff::Timestamp;

use super::nodes::Read;
use crate::analysis::forensics::timeline::{Event, Kind, Timeline, Wanted, cluster};
use crate::disk::history;
use crate::disk::logs::{Given, etcd_times, scan_given, scan_root, scan_snapshot};
use crate::error::Error;
use crate::formats::log::Matcher;
use crate::state::Code;
use crate::state::Snapshot;
use crate::state::text::count;

#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Files that the user named, and standard input.
    pub given: Vec<Given>,
    /// Containers besides those of the control plane.
    pub wanted: Wanted,
}

/// Reads the logs of a node and merges everything that has a time. `snapshot` holds its files, and those of an archive
/// the logs too.
///
/// # Errors
/// A log that the user named can't be read.
pub fn read(node: &Read, snapshot: &Snapshot, request: &Request, now: Timestamp) -> Result<Timeline, Error> {
    let Read { inventory, root, .. } = node;
    let matcher = Matcher::new().map_err(Error::could_not_run)?;
    let mut logs = match root {
        Some(root) => scan_root(root, &matcher, &request.wanted, now),
        None => scan_snapshot(snapshot, &matcher, &request.wanted, now),
    };
    scan_given(&request.given, &matcher, now, &mut logs).map_err(|error| {
        Error::from(error)
            .code(Code::LogUnreadable)
            .hint("--log takes a file on this machine, or - for standard input")
    })?;
    let mut others = Vec::new();
    if let Some(root) = root {
        others.extend(etcd_times(root));
        match history::verify(root) {
            Ok(history) => others.extend(history.records.iter().map(change)),
            Err(error) => logs.note(error.to_string()),
        }
    }
    if let Some(records) = inventory.facts.cluster() {
        others.extend(cluster::heartbeats(records, &inventory.facts.etcd_database()));
        cluster::notes(records).into_iter().for_each(|note| logs.note(note));
    }
    Ok(Timeline::new(snapshot, inventory, logs, others, now))
}

fn change(done: &history::Done) -> Event {
    let back = if done.taken_back { ", taken back" } else { "" };
    let what = format!("{} ({}{back})", done.command, count(done.paths, "path"));
    Event::new(done.time, "kuberescue", Kind::Rescued, what, None)
}
