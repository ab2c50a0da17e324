//! Several nodes side by side, as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::headline::{headline, next};
use super::json::document;
use super::sanitise::line;
use super::table;
use crate::analysis::forensics::diagnosis::{Diagnosis, Role};
use crate::analysis::forensics::fleet::{Across, Brief, Cluster, Nodes, Unreadable};
use crate::state::text::{count, some};
use crate::state::{Code, Situation, time};

/// So many certificates that were copied are named.
const NAMED: usize = 3;

/// See `docs/diagnosis-list.schema.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    /// Each as the document of one node, without its envelope.
    items: Vec<&'a Diagnosis>,
    clusters: &'a [Cluster],
    unreadable: &'a [Unreadable],
}

/// A `DiagnosisList`.
pub fn nodes_json(nodes: &Nodes) -> String {
    let items = nodes.clusters.iter().flat_map(|cluster| &cluster.nodes).map(|node| &node.diagnosis);
    let body = Body { items: items.collect(), clusters: &nodes.clusters, unreadable: &nodes.unreadable };
    document("DiagnosisList", nodes.at, &body)
}

pub fn nodes_text(nodes: &Nodes) -> String {
    let mut out = String::new();
    for cluster in &nodes.clusters {
        let _ = writeln!(out, "{}", cluster_text(cluster));
    }
    if !nodes.unreadable.is_empty() {
        let _ = writeln!(out, "Not read ({}):", nodes.unreadable.len());
        for failed in &nodes.unreadable {
            let _ = writeln!(out, "  {}", line(&format!("{}: {}", failed.source, failed.why)));
        }
        out.push('\n');
    }
    out.push_str(&next("", &next_step(nodes)));
    out
}

/// What to do first, and where. Where the nodes do not have the same CA, nothing must be signed before that is understood.
pub(super) fn next_step(nodes: &Nodes) -> String {
    let on = |node: &Brief| format!("on {}: {}", node.name(), node.verdict.next);
    let mut between = nodes.clusters.iter().flat_map(|cluster| &cluster.findings).map(|finding| finding.code);
    let first = between.clone().next();
    if between.any(|code| code == Code::NodesCaDiffers) {
        return format!("kuberescue explain {}", Code::NodesCaDiffers);
    }
    let broken: Vec<_> = nodes.latest().filter(|node| node.blockers > 0).collect();
    match (broken.as_slice(), first) {
        ([one], _) => on(one),
        ([], Some(code)) => format!("kuberescue explain {code}"),
        ([], None) => nodes.latest().find(|node| node.warnings > 0).map_or("nothing to do".to_owned(), on),
        _ => format!("kuberescue explain {}", Situation::SeveralNodes),
    }
}

fn cluster_text(cluster: &Cluster) -> String {
    let Cluster { nodes, etcd, .. } = cluster;
    let mut out = format!("{}\n", line(&heading(cluster)));
    let earlier = nodes.iter().any(|node| !node.latest);
    let columns = ["NODE", "ROLE", "STATE", "NEXT EXPIRY", "AS OF", "SOURCE"];
    let mut rows = vec![columns.map(str::to_owned)];
    // The newest state of each node stands above its earlier ones.
    for node in cluster.latest() {
        rows.push(row(node));
        let is_earlier = |other: &&Brief| !other.latest && other.identity() == node.identity();
        rows.extend(nodes.iter().rev().filter(is_earlier).map(row));
    }
    let kept = |index: usize| earlier || columns.get(index) != Some(&"AS OF");
    let cells = |row: [String; 6]| row.into_iter().enumerate().filter(|(index, _)| kept(*index));
    let rows: Vec<Vec<_>> = rows.into_iter().map(|row| cells(row).map(|(_, cell)| cell).collect()).collect();
    out.push_str(&table::render(&rows));
    for finding in across(cluster) {
        let _ = writeln!(out, "{}", line(&finding));
    }
    if let Some(etcd) = etcd {
        let _ = writeln!(out, "{}", line(&etcd.sentence()));
    }
    for node in cluster.latest().filter(|node| node.blockers > 0) {
        let _ = writeln!(out, "\n{}", line(&format!("{}, read from {}", node.name(), node.source)));
        out.push_str(&headline(&node.verdict, "  "));
    }
    out
}

/// `Cluster https://10.0.0.10:6443: 3 nodes, 1 in order, 2 to be recovered`.
pub(super) fn heading(cluster: &Cluster) -> String {
    let (all, broken) = (cluster.latest().count(), cluster.latest().filter(|node| node.blockers > 0).count());
    let states = if cluster.nodes.len() > all {
        format!(" in {}", count(cluster.nodes.len(), "state"))
    } else {
        String::new()
    };
    format!(
        "Cluster {}: {}{states}, {} in order, {broken} to be recovered",
        cluster.name,
        count(all, "node"),
        all - broken
    )
}

/// What is wrong between the nodes. What was copied from one node to another is one line.
pub(super) fn across(cluster: &Cluster) -> Vec<String> {
    let mut groups: Vec<(&Across, Vec<&str>)> = Vec::new();
    for finding in &cluster.findings {
        let is_copy = |known: &&Across| {
            finding.code == Code::NodesCopied && known.code == finding.code && known.nodes == finding.nodes
        };
        match groups.iter_mut().find(|(known, _)| is_copy(known)) {
            Some((_, subjects)) => subjects.push(&finding.subject),
            None => groups.push((finding, vec![&finding.subject])),
        }
    }
    let text = |(finding, subjects): &(&Across, Vec<&str>)| {
        let what = match subjects.len() {
            1 => finding.what.clone(),
            all => format!(
                "{} on {} are the same, so they were copied: {}",
                count(all, "certificate"),
                finding.nodes.join(", "),
                some(subjects.iter(), NAMED)
            ),
        };
        format!("  {:<22} {what}", finding.code.as_str())
    };
    groups.iter().map(text).collect()
}

/// `in order`, `3 warnings`, `10 blocking, 4 warnings`.
pub(super) fn state(node: &Brief) -> String {
    let warnings = (node.warnings > 0).then(|| count(node.warnings, "warning"));
    let blockers = (node.blockers > 0).then(|| format!("{} blocking", node.blockers));
    let all: Vec<_> = blockers.into_iter().chain(warnings).collect();
    if all.is_empty() { "in order".to_owned() } else { all.join(", ") }
}

pub(super) fn role(node: &Brief) -> &'static str {
    match node.summary.role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
    }
}

fn row(node: &Brief) -> [String; 6] {
    let name = if node.latest { node.name().to_owned() } else { format!("{} (earlier)", node.name()) };
    let end = node.next_end.as_ref().map(|end| format!("{} {}", time::day(end.at), end.name));
    let as_of = node.as_of.map(time::minute).unwrap_or_default();
    [name, role(node).to_owned(), state(node), end.unwrap_or_default(), as_of, node.source.clone()]
}
