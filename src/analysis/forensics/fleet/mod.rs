//! Several nodes side by side: which belong together, whether they hold what all nodes of a cluster must
//! share, what was copied between them, which are repaired, and whether etcd can have a quorum.
//!
//! Of each node only a [`Brief`] and its diagnosis are kept, which hold no key and no file: a thousand archives fit into memory.

mod brief;
mod cluster;

use jiff::Timestamp;
use serde::Serialize;

pub use brief::{Brief, End};
pub use cluster::{Across, Cluster, EtcdState};

#[derive(Clone, Debug)]
pub struct Nodes {
    /// The moment that is asked about.
    pub at: Timestamp,
    pub clusters: Vec<Cluster>,
    pub unreadable: Vec<Unreadable>,
}

/// A source that is not a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// As the user named it.
    pub source: String,
    pub why: String,
}

impl Nodes {
    /// Groups nodes into clusters, sorted by name.
    pub fn of(briefs: Vec<Brief>, mut unreadable: Vec<Unreadable>, at: Timestamp) -> Self {
        unreadable.sort_by(|a, b| a.source.cmp(&b.source));
        Self { at, clusters: cluster::group(briefs), unreadable }
    }

    /// Each node once, as it was last seen, those of a cluster together.
    pub fn latest(&self) -> impl Iterator<Item = &Brief> {
        self.clusters.iter().flat_map(Cluster::latest)
    }

    /// Whether there is any finding. What a node was like before is none.
    pub fn has_findings(&self) -> bool {
        let bad = |cluster: &Cluster| {
            !cluster.findings.is_empty() || cluster.latest().any(|node| node.blockers + node.warnings > 0)
        };
        !self.unreadable.is_empty() || self.clusters.iter().any(bad)
    }
}
