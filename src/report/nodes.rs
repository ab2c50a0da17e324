//! Several nodes side by side, as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::json::document;
use super::sanitise::line;
use super::table;
use crate::analysis::forensics::diagnosis::{Diagnosis, Role};
use crate::analysis::forensics::fleet::{Brief, Cluster, Nodes, Unreadable};
use crate::state::text::count;

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
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&cluster_text(cluster));
    }
    if !nodes.unreadable.is_empty() {
        let _ = writeln!(out, "\nNot read ({}):", nodes.unreadable.len());
        for failed in &nodes.unreadable {
            let _ = writeln!(out, "  {}", line(&format!("{}: {}", failed.source, failed.why)));
        }
    }
    out
}

fn cluster_text(cluster: &Cluster) -> String {
    let Cluster { name, nodes, findings, etcd } = cluster;
    let done = nodes.iter().filter(|node| node.blockers == 0).count();
    let mut out = String::new();
    let what = format!(
        "Cluster {name}: {}, {done} in order, {} to be recovered",
        count(nodes.len(), "node"),
        nodes.len() - done
    );
    let _ = writeln!(out, "{}", line(&what));
    let heading =
        ["NODE", "ROLE", "STATE", "BLOCKERS", "WARNINGS", "NEXT END", "SOURCE"].map(str::to_owned).to_vec();
    let rows: Vec<_> = [heading].into_iter().chain(nodes.iter().map(row)).collect();
    out.push_str(&table::render(&rows));
    for finding in findings {
        let _ = writeln!(out, "{}", line(&format!("  {:<22} {}", finding.code.as_str(), finding.what)));
    }
    if let Some(etcd) = etcd {
        let _ = writeln!(out, "{}", line(&etcd.sentence()));
    }
    for node in nodes.iter().filter(|node| node.blockers > 0) {
        let _ = writeln!(out, "{}", line(&format!("{}: {}", node.name(), node.verdict.line)));
    }
    out
}

fn row(node: &Brief) -> Vec<String> {
    let role = match node.summary.role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
    };
    let state = if node.blockers > 0 { "to be recovered" } else { "in order" };
    let end = node.next_end.as_ref().map(|end| format!("{} {}", end.at.strftime("%Y-%m-%d"), end.name));
    vec![
        node.name().to_owned(),
        role.to_owned(),
        state.to_owned(),
        node.blockers.to_string(),
        node.warnings.to_string(),
        end.unwrap_or_default(),
        node.source.clone(),
    ]
}
