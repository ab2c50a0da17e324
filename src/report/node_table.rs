//! Nodes as `kubectl get nodes` prints them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::expiration::{Format, residual_time, seconds_between};
use super::table;
use crate::live::api::Node;

/// The nodes of a cluster, to be shown.
#[derive(Serialize)]
pub struct NodeList<'a> {
    /// When they were asked for.
    pub time: Timestamp,
    /// URL of the API server that told them.
    pub server: &'a str,
    /// The nodes.
    pub nodes: &'a [Node],
}

impl NodeList<'_> {
    /// The whole list.
    pub fn render(&self, format: Format) -> String {
        format.render(|wide| render(self.nodes, self.time, wide), || self.document())
    }

    fn document(&self) -> Value {
        // It holds nothing that JSON cannot.
        let mut document = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = document.as_object_mut() {
            fields.insert("kind".to_owned(), "Nodes".into());
        }
        document
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
        // kubectl's word where nobody knows, too.
        Some(false) | None => "NotReady",
    };
    let schedulable = if node.schedulable { "" } else { ",SchedulingDisabled" };
    format!("{ready}{schedulable}")
}
