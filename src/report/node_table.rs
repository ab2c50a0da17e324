//! Nodes as `kubectl get nodes` prints them.

use jiff::Timestamp;
use serde::Serialize;

use super::expiration::{residual_time, seconds_between};
use super::{json, table};
use crate::live::api::Node;

/// Output formats of `nodes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum NodesFormat {
    /// The columns of kubectl get nodes
    #[default]
    Table,
    /// The columns of kubectl get nodes -o wide
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// See `docs/nodes-list.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    server: &'a str,
    items: &'a [Node],
}

/// The nodes that an API server listed at `time`.
pub fn node_list_report(nodes: &[Node], server: &str, time: Timestamp, format: NodesFormat) -> String {
    let body = Body { server, items: nodes };
    match format {
        NodesFormat::Table | NodesFormat::Wide => render(nodes, time, format == NodesFormat::Wide),
        NodesFormat::Json => json::document("NodeList", time, &body),
        NodesFormat::Yaml => json::yaml_document("NodeList", time, &body),
    }
}

/// The columns of `kubectl get nodes`.
pub fn node_list(nodes: &[Node], time: Timestamp) -> String {
    render(nodes, time, false)
}

/// The columns of `kubectl get nodes`, and of `-o wide` (`printers/internalversion/printers.go` printNode).
pub(super) fn render(nodes: &[Node], time: Timestamp, wide: bool) -> String {
    let mut heading = vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION"];
    if wide {
        heading.extend(["INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"]);
    }
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(nodes.iter().map(|node| {
        let age = node.created.map(|created| residual_time(seconds_between(created, time)));
        let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
        let mut cells = vec![
            node.name.clone(),
            status(node),
            or(node.roles.join(","), "<none>"),
            age.unwrap_or_else(|| "<unknown>".to_owned()),
            node.version.clone(),
        ];
        if wide {
            let address = |kind: &str| node.addresses.iter().find(|address| address.kind == kind);
            let address = |kind| address(kind).map(|found| found.address.clone()).unwrap_or_default();
            cells.extend([or(address("InternalIP"), "<none>"), or(address("ExternalIP"), "<none>")]);
            let told = [&node.os_image, &node.kernel_version, &node.container_runtime];
            cells.extend(told.map(|text| or(text.clone(), "<unknown>")));
        }
        cells
    }));
    table::render(&rows)
}

fn status(node: &Node) -> String {
    let ready = match node.ready {
        Some(true) => "Ready",
        // kubectl prints this for an unknown state, too.
        Some(false) | None => "NotReady",
    };
    let schedulable = if node.schedulable { "" } else { ",SchedulingDisabled" };
    format!("{ready}{schedulable}")
}
