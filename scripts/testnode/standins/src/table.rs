//! The Table that the API server makes of Nodes for `kubectl get nodes`.

use serde_json::{Value, json};

pub(crate) fn nodes(nodes: &[Value]) -> Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": "string", "format": kind, "description": "", "priority": 0 });
    let rows: Vec<Value> = nodes.iter().map(row).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "1" },
        "columnDefinitions": [
            column("Name", "name"), column("Status", ""), column("Roles", ""), column("Age", ""), column("Version", ""),
        ],
        "rows": rows,
    })
}

fn row(node: &Value) -> Value {
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let status = if text("/status/conditions/0/status") == "True" { "Ready" } else { "NotReady" };
    let age = text("/metadata/creationTimestamp")
        .parse::<jiff::Timestamp>()
        .map(|at| jiff::Timestamp::now().duration_since(at).as_secs())
        .unwrap_or_default();
    json!({
        "cells": [text("/metadata/name"), status, "control-plane", format!("{age}s"), text("/status/nodeInfo/kubeletVersion")],
        "object": { "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": node["metadata"] },
    })
}
