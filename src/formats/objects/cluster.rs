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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_service() {
        let own = r#"{"metadata": {"name": "v1.apps"}, "spec": {"service": null, "group": "apps"}}"#;
        let own: ApiService = serde_json::from_str(own).unwrap();
        assert_eq!((own.metadata.name.as_str(), own.spec.service), ("v1.apps", None));
        let other = r#"{"metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {"service": {"namespace": "kube-system", "name": "metrics-server", "port": 443}, "caBundle": "QQ=="},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints",
                "message": null, "lastTransitionTime": "2026-11-24T22:00:00Z"}]}}"#;
        let other: ApiService = serde_json::from_str(other).unwrap();
        let service = ServiceName { namespace: "kube-system".to_owned(), name: "metrics-server".to_owned() };
        assert_eq!(other.spec.service, Some(service));
        let available = super::super::condition(&other.status.conditions, "Available").unwrap();
        assert_eq!((available.status.as_str(), available.reason.as_str()), ("False", "MissingEndpoints"));
        assert_eq!(available.message, "");
    }

    #[test]
    fn a_signing_request() {
        let text = r#"{"metadata": {"name": "csr-1", "creationTimestamp": "2026-11-24T22:00:00Z"},
            "spec": {"request": "UQ==", "signerName": "kubernetes.io/kubelet-serving", "username": "system:node:cp-1",
                "groups": ["system:nodes"], "usages": ["digital signature", "server auth"], "expirationSeconds": 3600},
            "status": {"conditions": [{"type": "Approved", "status": "True", "message": "by hand",
                "lastUpdateTime": "2026-11-24T22:01:00Z"}], "certificate": "QQ=="}}"#;
        let request: SigningRequest = serde_json::from_str(text).unwrap();
        let SigningRequestSpec { request: pem, signer_name, username, groups, usages } = request.spec;
        assert_eq!((pem.as_str(), username.as_str()), ("UQ==", "system:node:cp-1"));
        assert_eq!(signer_name, "kubernetes.io/kubelet-serving");
        assert_eq!((groups.len(), usages.last().map(String::as_str)), (1, Some("server auth")));
        let SigningRequestStatus { conditions, certificate } = request.status;
        assert_eq!(certificate, "QQ==");
        assert_eq!((conditions[0].kind.as_str(), conditions[0].message.as_str()), ("Approved", "by hand"));
        assert_eq!(conditions[0].last_update_time, "2026-11-24T22:01:00Z".parse().ok());
    }

    #[test]
    fn what_is_of_another_type_is_an_error() {
        for text in [r#"{"spec": {"service": "s"}}"#, r#"{"spec": {"service": {"name": 7}}}"#] {
            assert!(serde_json::from_str::<ApiService>(text).is_err(), "{text}");
        }
        for text in [r#"{"spec": {"usages": "server auth"}}"#, r#"{"status": {"conditions": [7]}}"#] {
            assert!(serde_json::from_str::<SigningRequest>(text).is_err(), "{text}");
        }
    }
}
