//! What happened when: the dates of certificates, changes of files, and the known lines of logs, in one list
//! with the source of each event; when the first failure was logged, and what had expired by then; clocks
//! that must have been wrong.
//!
//! [`Scanner`] takes the bytes of one log, [`Logs`] merges several, [`Timeline::new`] builds the list.

mod anomaly;
mod clock;
pub mod cluster;
mod event;
mod failure;
mod gather;
mod place;
mod scanner;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub use self::anomaly::Anomaly;
pub use self::clock::Jump;
pub use self::event::{Event, Kind};
pub use self::failure::{Expiry, FirstFailure};
pub use self::gather::{Hit, Logs, Scanned};
pub use self::place::{CONTAINERS, PODS, Place, TEXT_LOGS, Wanted, is_compressed_otherwise};
pub use self::scanner::{MAX_LINE, Origin, Scan, Scanner};
use crate::analysis::node::inventory::Inventory;
use crate::state::Snapshot;

/// What happened on a node, according to the evidence on it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The present; `time` in JSON.
    #[serde(skip)]
    pub now: Timestamp,
    /// The first failure of a certificate in the logs.
    pub first_failure: Option<FirstFailure>,
    /// Everything that has a time, oldest first, including future expiries.
    pub events: Vec<Event>,
    /// The known lines of the logs: each with its meaning, a sample and a count. Includes those without a
    /// time, which are no events.
    pub lines: Vec<Hit>,
    /// Clocks that must have been wrong.
    pub anomalies: Vec<Anomaly>,
    pub scanned: Scanned,
    /// What was not read, and how to have it read.
    pub notes: Vec<String>,
}

impl Timeline {
    /// Merges what is known: the credentials of `inventory`, the files of `snapshot`, `logs`, and `others`,
    /// such as a history of changes.
    pub fn new(
        snapshot: &Snapshot,
        inventory: &Inventory,
        logs: Logs,
        others: Vec<Event>,
        now: Timestamp,
    ) -> Self {
        let mut events = others;
        events.extend(event::of_credentials(inventory));
        events.extend(event::of_files(snapshot, inventory));
        events.extend(event::of_logs(&logs));
        events.sort();
        events.dedup();
        let first_failure = failure::first(&logs, inventory);
        let anomalies = anomaly::find(&events, snapshot, inventory, &logs, now);
        let (lines, scanned, notes) = logs.into_parts();
        Self { now, first_failure, events, lines, anomalies, scanned, notes }
    }
}
