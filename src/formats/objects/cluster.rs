//! Nodes, aggregated APIs and certificate signing requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Condition, Metadata, nullable};

/// What a node's label with its role begins with.
pub const ROLE: &str = "node-role.kubernetes.io/";

/// Roles of control-plane nodes; the second one until 1.24 (kubeadm `constants.go`).
pub const CONTROL_PLANE: [&str; 2] = ["control-plane", "master"];

/// A node, with the addresses that it is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Name and labels.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// What is wanted of it.
    #[serde(deserialize_with = "nullable")]
    pub spec: NodeSpec,
    /// What is known of it.
    #[serde(deserialize_with = "nullable")]
    pub status: NodeStatus,
}

/// What is wanted of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Whether it takes no new pods.
    pub unschedulable: bool,
}

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// `Ready` among them.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// Names and addresses.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<Address>,
    /// What runs on it.
    #[serde(deserialize_with = "nullable")]
    pub node_info: NodeInfo,
}

/// What runs on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeInfo {
    /// Version of its kubelet.
    pub kubelet_version: String,
    /// Its operating system.
    pub os_image: String,
    /// Its kernel.
    pub kernel_version: String,
    /// Its container runtime: `containerd://1.6.20`.
    pub container_runtime_version: String,
}

/// A name or an address of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Address {
    /// `InternalIP`, `ExternalIP`, `Hostname`, `InternalDNS`, `ExternalDNS`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name or address.
    pub address: String,
}

/// A group and version of the API, and who serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiService {
    /// `VERSION.GROUP`.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Who serves it.
    #[serde(deserialize_with = "nullable")]
    pub spec: ApiServiceSpec,
    /// Whether it can be asked.
    #[serde(deserialize_with = "nullable")]
    pub status: Conditions,
}

/// Who serves a group and version of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiServiceSpec {
    /// The service; the API server itself where there is none.
    pub service: Option<ServiceName>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServiceName {
    /// Its namespace.
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// A status that is conditions alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// The conditions.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

/// A CertificateSigningRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SigningRequest {
    /// Its name, and when it was made.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Who asks for what.
    #[serde(deserialize_with = "nullable")]
    pub spec: SigningRequestSpec,
    /// What became of it.
    #[serde(deserialize_with = "nullable")]
    pub status: SigningRequestStatus,
}

/// Who asks for what certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SigningRequestSpec {
    /// The request: PEM in base64.
    #[serde(deserialize_with = "nullable")]
    pub request: String,
    /// Who shall sign it.
    #[serde(deserialize_with = "nullable")]
    pub signer_name: String,
    /// Whom the API server took the client for who made it.
    #[serde(deserialize_with = "nullable")]
    pub username: String,
    /// That client's groups.
    #[serde(deserialize_with = "nullable")]
    pub groups: Vec<String>,
    /// What the certificate shall be good for: `server auth`.
    #[serde(deserialize_with = "nullable")]
    pub usages: Vec<String>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SigningRequestStatus {
    /// `Approved`, `Denied`, `Failed`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<RequestCondition>,
    /// The certificate, once it is issued.
    #[serde(deserialize_with = "nullable")]
    pub certificate: String,
}

/// What somebody decided about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestCondition {
    /// `Approved`, `Denied`, `Failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why, in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// When.
    pub last_update_time: Option<Timestamp>,
}
