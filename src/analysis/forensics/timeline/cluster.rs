//! What etcd's database adds: when each kubelet renewed its Lease last.

use std::path::Path;

use super::event::{Event, Kind};
use crate::formats::etcd::ClusterRecords;
use crate::state::text::count;

/// More nodes than Kubernetes supports in a cluster have a part of them left out.
const MOST: usize = 5000;

/// The last heartbeat of each node, and so that of the cluster. A kubelet renews its Lease every ten seconds.
pub fn heartbeats(records: &ClusterRecords, database: &Path) -> Vec<Event> {
    let newest = records.heartbeats.iter().map(|(_, time)| *time).max();
    let events = records.heartbeats.iter().take(MOST).map(|(node, time)| {
        let of = if Some(*time) == newest { "the cluster: node" } else { "node" };
        let what = format!("last heartbeat of {of} {node}");
        Event::new(*time, "etcd", Kind::LastHeartbeat, what, Some(database))
    });
    events.collect()
}

/// What of the database could not be read.
pub fn notes(records: &ClusterRecords) -> Vec<String> {
    let encrypted = records.encrypted.chunk_by(|one, other| one.0 == other.0).filter_map(|objects| {
        let (provider, _) = objects.first()?;
        Some(format!("etcd's database: {} encrypted ({provider}), not read", count(objects.len(), "object")))
    });
    let left_out = (records.left_out > 0)
        .then(|| format!("etcd's database: {} not read", count(records.left_out, "object")));
    encrypted.chain(left_out).collect()
}
