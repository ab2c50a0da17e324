//! Several nodes side by side: which belong together, whether they hold what all nodes of a cluster must share, what
//! was copied between them, who is done, and whether etcd can have a quorum.
//!
//! Of each node only a [`Brief`] and its diagnosis are kept, which hold no key and no file: a thousand archives fit into memory.

mod brief;
mod cluster;

use jiff::Timestamp;
use serde::Serialize;

pub use brief::{Brief, End};
pub use cluster::{Across, Cluster, EtcdState};

/// Several nodes.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// The moment that is asked about.
    pub at: Timestamp,
    /// The nodes by cluster.
    pub clusters: Vec<Cluster>,
    /// What couldn't be read.
    pub unreadable: Vec<Unreadable>,
}

/// A source that is no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// As it was named.
    pub source: String,
    /// Why not.
    pub why: String,
}

impl Nodes {
    /// Puts nodes that belong together side by side, in the order of their names.
    pub fn of(briefs: Vec<Brief>, mut unreadable: Vec<Unreadable>, at: Timestamp) -> Self {
        unreadable.sort_by(|a, b| a.source.cmp(&b.source));
        Self { at, clusters: cluster::group(briefs), unreadable }
    }

    /// Whether anything should be seen to.
    pub fn has_findings(&self) -> bool {
        let bad = |cluster: &Cluster| {
            !cluster.findings.is_empty() || cluster.nodes.iter().any(|node| node.blockers + node.warnings > 0)
        };
        !self.unreadable.is_empty() || self.clusters.iter().any(bad)
    }
}
