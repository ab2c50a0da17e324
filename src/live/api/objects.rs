//! The API's objects, only with the fields that are asked for: the same object of another version is as good.

use jiff::Timestamp;
use serde::Deserialize;

use super::nodes::{Address, Node};
use crate::formats::objects::nullable;

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct List<T> {
    pub(super) metadata: ListMetadata,
    /// Some aggregated APIs say `null` where there are none.
    #[serde(deserialize_with = "nullable")]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct ListMetadata {
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NodeObject {
    pub(super) metadata: NodeMetadata,
    #[serde(default)]
    pub(super) spec: NodeSpec,
    #[serde(default)]
    pub(super) status: NodeStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeMetadata {
    pub(super) name: String,
    pub(super) creation_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub(super) labels: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
pub(super) struct NodeSpec {
    #[serde(default)]
    pub(super) unschedulable: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeStatus {
    pub(super) conditions: Vec<Condition>,
    pub(super) addresses: Vec<NodeAddress>,
    pub(super) node_info: NodeInfo,
}

#[derive(Deserialize)]
pub(super) struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeInfo {
    pub(super) kubelet_version: String,
    pub(super) os_image: String,
    pub(super) kernel_version: String,
    pub(super) container_runtime_version: String,
}

#[derive(Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct LeaseObject {
    pub(super) spec: LeaseSpec,
}

#[derive(Deserialize)]
pub(super) struct LeaseSpec {
    #[serde(rename = "leaseDurationSeconds")]
    pub(super) seconds: Option<i64>,
    #[serde(rename = "renewTime")]
    pub(super) renewed: Option<Timestamp>,
}

impl From<NodeObject> for Node {
    fn from(node: NodeObject) -> Self {
        let ready = node.status.conditions.into_iter().find(|condition| condition.kind == "Ready");
        let role = |(label, value): (&String, &String)| match label.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()).filter(|role| !role.is_empty()),
            None => (label == "kubernetes.io/role" && !value.is_empty()).then(|| value.clone()),
        };
        let mut roles: Vec<_> = node.metadata.labels.iter().filter_map(role).collect();
        roles.sort_unstable();
        roles.dedup();
        let info = node.status.node_info;
        Self {
            name: node.metadata.name,
            ready: match ready.as_ref().map(|condition| condition.status.as_str()) {
                Some("True") => Some(true),
                Some("False") => Some(false),
                _ => None,
            },
            reason: ready.map(|condition| condition.message).unwrap_or_default(),
            schedulable: !node.spec.unschedulable,
            roles,
            version: info.kubelet_version,
            created: node.metadata.creation_timestamp,
            addresses: node
                .status
                .addresses
                .into_iter()
                .map(|NodeAddress { kind, address }| Address { kind, address })
                .collect(),
            os_image: info.os_image,
            kernel_version: info.kernel_version,
            container_runtime: info.container_runtime_version,
        }
    }
}
