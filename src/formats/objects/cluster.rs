//! Nodes, aggregated APIs and certificate signing requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Condition, Metadata, nullable};

/// Prefix of a node's role labels.
pub const ROLE: &str = "node-role.kubernetes.io/";

/// Roles of control-plane nodes; the second one until 1.24 (kubeadm `constants.go`).
pub const CONTROL_PLANE: [&str; 2] = ["control-plane", "master"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Node {
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub spec: NodeSpec,
    #[serde(deserialize_with = "nullable")]
    pub status: NodeStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Whether it accepts no new pods.
    pub unschedulable: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Includes `Ready`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<Address>,
    #[serde(deserialize_with = "nullable")]
    pub node_info: NodeInfo,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeInfo {
    pub kubelet_version: String,
    pub os_image: String,
    pub kernel_version: String,
    /// Such as `containerd://1.6.20`.
    pub container_runtime_version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Address {
    /// `InternalIP`, `ExternalIP`, `Hostname`, `InternalDNS`, `ExternalDNS`.
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
}

/// A group and version of the API, and its server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiService {
    /// `VERSION.GROUP`.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub spec: ApiServiceSpec,
    #[serde(deserialize_with = "nullable")]
    pub status: Conditions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiServiceSpec {
    /// `None` if the API server itself serves it.
    pub service: Option<ServiceName>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServiceName {
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conditions {
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SigningRequest {
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub spec: SigningRequestSpec,
    #[serde(deserialize_with = "nullable")]
    pub status: SigningRequestStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SigningRequestSpec {
    /// The request: PEM in base64.
    #[serde(deserialize_with = "nullable")]
    pub request: String,
    #[serde(deserialize_with = "nullable")]
    pub signer_name: String,
    /// The authenticated user who sent it.
    #[serde(deserialize_with = "nullable")]
    pub username: String,
    /// That user's groups.
    #[serde(deserialize_with = "nullable")]
    pub groups: Vec<String>,
    /// Requested usages: `server auth`.
    #[serde(deserialize_with = "nullable")]
    pub usages: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SigningRequestStatus {
    /// `Approved`, `Denied`, `Failed`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<RequestCondition>,
    /// Base64 PEM; empty until it is issued.
    #[serde(deserialize_with = "nullable")]
    pub certificate: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestCondition {
    /// `Approved`, `Denied`, `Failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why, in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    pub last_update_time: Option<Timestamp>,
}
