//! Grouping nodes into clusters.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::brief::Brief;
use crate::analysis::forensics::diagnosis::{EtcdPlace, Role};
use crate::analysis::node::findings::Code;
use crate::analysis::node::references::ENCRYPTION;
use crate::state::Digest;
use crate::state::text::count;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The API server's URL, or the first node's name.
    pub name: String,
    /// Sorted by name, the states of a node by time.
    pub nodes: Vec<Brief>,
    pub findings: Vec<Across>,
    /// Set if etcd's members are known.
    pub etcd: Option<EtcdState>,
}

/// A problem between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Across {
    pub code: Code,
    pub subject: String,
    pub nodes: Vec<String>,
    pub what: String,
}

/// Whether etcd can have a quorum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdState {
    /// Names of its members, from the manifests.
    pub members: Vec<String>,
    /// How many members a quorum needs.
    pub needed: usize,
    /// Members whose credentials are valid.
    pub ready: Vec<String>,
    /// Members whose credentials no longer work.
    pub blocked: Vec<String>,
    /// Members whose nodes were not read.
    pub unknown: Vec<String>,
}

impl EtcdState {
    pub fn sentence(&self) -> String {
        let Self { members, needed, ready, blocked, unknown } = self;
        let unknown_too = if unknown.is_empty() {
            String::new()
        } else {
            format!(", not looked at: {}", unknown.join(", "))
        };
        let state = if ready.len() >= *needed {
            "a quorum is possible".to_owned()
        } else if ready.len() + unknown.len() >= *needed {
            "whether a quorum is possible hangs on those that were not looked at".to_owned()
        } else {
            format!("no quorum until {} more are recovered", needed - ready.len() - unknown.len())
        };
        format!(
            "etcd: {}, {needed} needed; in order: {}; not usable: {}{unknown_too}: {state}",
            count(members.len(), "member"),
            list(ready),
            list(blocked)
        )
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Groups nodes that share a CA's key, an API server's URL, or a member of etcd.
pub(super) fn group(mut briefs: Vec<Brief>) -> Vec<Cluster> {
    briefs.sort_by(|a, b| (a.name(), a.as_of, &a.source).cmp(&(b.name(), b.as_of, &b.source)));
    mark_latest(&mut briefs);
    let mut owner: BTreeMap<String, usize> = BTreeMap::new();
    let mut parents: Vec<usize> = (0..briefs.len()).collect();
    for (index, brief) in briefs.iter().enumerate() {
        for mark in marks(brief) {
            let first = *owner.entry(mark).or_insert(index);
            join(&mut parents, first, index);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Brief>> = BTreeMap::new();
    for (index, brief) in briefs.into_iter().enumerate() {
        groups.entry(root(&parents, index)).or_default().push(brief);
    }
    groups.into_values().map(Cluster::of).collect()
}

/// Of the copies of one node only the newest is its state. They are sorted by time.
fn mark_latest(briefs: &mut [Brief]) {
    let mut newest: BTreeMap<(String, Digest), usize> = BTreeMap::new();
    for (index, brief) in briefs.iter().enumerate() {
        if let Some((name, ca)) = brief.identity() {
            newest.insert((name.to_owned(), *ca), index);
        }
    }
    for (index, brief) in briefs.iter_mut().enumerate() {
        let identity = brief.identity().map(|(name, ca)| (name.to_owned(), *ca));
        brief.latest = identity.is_none_or(|identity| newest.get(&identity) == Some(&index));
    }
}

/// What only nodes of one cluster share.
fn marks(brief: &Brief) -> Vec<String> {
    let mut marks: Vec<_> = brief.authorities.get("ca").map(|key| format!("ca {key}")).into_iter().collect();
    marks.extend(brief.endpoint.iter().map(|url| format!("endpoint {url}")));
    let urls = brief.members.iter().flat_map(|member| &member.peer_urls);
    marks.extend(urls.map(|url| format!("peer {url}")));
    marks
}

fn root(parents: &[usize], mut index: usize) -> usize {
    while let Some(parent) = parents.get(index).copied().filter(|parent| *parent != index) {
        index = parent;
    }
    index
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    if let Some(parent) = parents.get_mut(a.max(b)) {
        *parent = a.min(b);
    }
}

impl Cluster {
    fn of(nodes: Vec<Brief>) -> Self {
        let name = nodes.iter().find_map(|node| node.endpoint.clone());
        let first = nodes.first().map_or("", Brief::name).to_owned();
        let now: Vec<_> = nodes.iter().filter(|node| node.latest).collect();
        Self { name: name.unwrap_or(first), findings: findings(&now), etcd: etcd(&now), nodes }
    }

    /// Each node once, as it was last seen.
    pub fn latest(&self) -> impl Iterator<Item = &Brief> {
        self.nodes.iter().filter(|node| node.latest)
    }
}

fn findings(nodes: &[&Brief]) -> Vec<Across> {
    let mut found = Vec::new();
    for authority in ["ca", "etcd-ca", "front-proxy-ca"] {
        let keys = nodes.iter().filter_map(|node| Some((*node, *node.authorities.get(authority)?)));
        found.extend(differs(Code::NodesCaDiffers, authority, nodes, keys, "has another key"));
    }
    let keys = nodes.iter().filter_map(|node| Some((*node, node.service_accounts?)));
    found.extend(differs(Code::NodesSaDiffers, "sa", nodes, keys, "is another pair"));
    let files = nodes.iter().filter_map(|node| Some((*node, node.encryption?)));
    let flag = format!("--{ENCRYPTION}");
    found.extend(differs(Code::NodesEncryptionDiffers, &flag, nodes, files, "is another file, or none,"));
    found.extend(copied(nodes));
    found
}

/// Whether what all nodes must share is the same everywhere.
fn differs<'a>(
    code: Code,
    subject: &str,
    nodes: &[&Brief],
    keys: impl Iterator<Item = (&'a Brief, Digest)>,
    how: &str,
) -> Option<Across> {
    let mut by_key: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (node, key) in keys {
        by_key.entry(key).or_default().push(node.label(nodes));
    }
    if by_key.len() < 2 {
        return None;
    }
    let mut groups: Vec<_> = by_key.into_values().collect();
    groups.sort_by_key(|names| (std::cmp::Reverse(names.len()), names.clone()));
    let sides: Vec<_> = groups.iter().map(|names| names.join(", ")).collect();
    Some(Across {
        code,
        subject: subject.to_owned(),
        nodes: groups.concat(),
        what: format!("{subject} {how} on some nodes than on others: {}", sides.join(" | ")),
    })
}

/// Leaf certificates with the same key on nodes of different names. (A node that was set up again with the same
/// name has others.)
fn copied(nodes: &[&Brief]) -> Vec<Across> {
    let mut by_key: BTreeMap<(&str, Digest), BTreeSet<&str>> = BTreeMap::new();
    for node in nodes {
        for (name, key) in &node.leaves {
            by_key.entry((name, *key)).or_default().insert(node.name());
        }
    }
    let shared = by_key.into_iter().filter(|(_, names)| names.len() > 1);
    shared
        .map(|((leaf, _), names)| {
            let nodes: Vec<_> = names.into_iter().map(str::to_owned).collect();
            let what = format!("{leaf} is the same on {}: it was copied", nodes.join(", "));
            Across { code: Code::NodesCopied, subject: leaf.to_owned(), nodes, what }
        })
        .collect()
}

fn etcd(nodes: &[&Brief]) -> Option<EtcdState> {
    let mut members: BTreeSet<String> = BTreeSet::new();
    // The manifest of a cluster's first node names only that node: the union counts.
    for node in nodes.iter().filter(|node| node.summary.etcd == EtcdPlace::Local) {
        members.extend(node.members.iter().map(|member| member.name.clone()));
    }
    if members.is_empty() {
        return None;
    }
    // Of several nodes of one name the last in the list counts.
    let known: BTreeMap<&str, bool> = nodes
        .iter()
        .filter(|node| node.summary.role == Role::ControlPlane)
        .map(|node| (node.name(), node.etcd_is_blocked))
        .collect();
    let (mut ready, mut blocked, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for member in &members {
        match known.get(member.as_str()) {
            Some(false) => ready.push(member.clone()),
            Some(true) => blocked.push(member.clone()),
            None => unknown.push(member.clone()),
        }
    }
    let needed = members.len() / 2 + 1;
    Some(EtcdState { members: members.into_iter().collect(), needed, ready, blocked, unknown })
}
