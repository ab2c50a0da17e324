//! Nodes, and the leases that their kubelets renew.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::objects::LeaseObject;
use super::{Api, ApiError, parse, segment};
use crate::formats::objects::cluster::{self, Address};
use crate::formats::objects::condition;
use crate::live::deadline::Deadline;

/// Default validity of a lease, in seconds (the kubelet's `nodeLeaseDurationSeconds`).
const LEASE_SECONDS: i64 = 40;

/// A node of the cluster, according to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub name: String,
    /// Its `Ready` condition: true, false or unknown.
    pub ready: Option<bool>,
    /// Why it is not ready, in the kubelet's or the controller-manager's words.
    pub reason: String,
    pub schedulable: bool,
    /// Roles from its labels, sorted.
    pub roles: Vec<String>,
    pub version: String,
    pub created: Option<Timestamp>,
    /// By type: InternalIP, ExternalIP, Hostname.
    pub addresses: Vec<Address>,
    pub os_image: String,
    pub kernel_version: String,
    /// Such as `containerd://1.6.20`.
    pub container_runtime: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the kubelet last renewed it.
    pub renewed: Timestamp,
    /// How long a renewal is valid.
    pub duration: SignedDuration,
    /// The server's clock at the request.
    pub asked: Option<Timestamp>,
}

impl Api {
    /// All nodes, as in `kubectl get nodes`.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn nodes(&self, deadline: Deadline) -> Result<Vec<Node>, ApiError> {
        let objects = self.node_objects(deadline)?;
        if objects.iter().any(|node| node.metadata.name.is_empty()) {
            return Err(ApiError::Unintelligible("a node without a name".to_owned()));
        }
        Ok(objects.into_iter().map(Node::from).collect())
    }

    /// One node: what its kubelet may read.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn node(&self, name: &str, deadline: Deadline) -> Result<Node, ApiError> {
        let path = format!("/api/v1/nodes/{}", segment("node", name)?);
        let node: cluster::Node = parse(&self.get(&path, deadline)?.good()?)?;
        Ok(node.into())
    }

    /// The lease that the kubelet of this node renews every ten seconds.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn lease(&self, node: &str, deadline: Deadline) -> Result<Lease, ApiError> {
        let node = segment("node", node)?;
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
        let answer = self.get(&path, deadline)?;
        let asked = answer.date;
        let lease: LeaseObject = parse(&answer.good()?)?;
        let never = || ApiError::Unintelligible("the lease was never renewed".to_owned());
        let seconds = lease.spec.seconds.filter(|seconds| *seconds > 0).unwrap_or(LEASE_SECONDS);
        let duration = SignedDuration::from_secs(seconds);
        Ok(Lease { renewed: lease.spec.renewed.ok_or_else(never)?, duration, asked })
    }
}

impl From<cluster::Node> for Node {
    fn from(node: cluster::Node) -> Self {
        let ready = condition(&node.status.conditions, "Ready");
        let role = |(label, value): (&String, &String)| match label.strip_prefix(cluster::ROLE) {
            Some(role) => Some(role.to_owned()).filter(|role| !role.is_empty()),
            None => (label == "kubernetes.io/role" && !value.is_empty()).then(|| value.clone()),
        };
        let mut roles: Vec<_> = node.metadata.labels.iter().filter_map(role).collect();
        roles.sort_unstable();
        roles.dedup();
        let info = node.status.node_info;
        Self {
            ready: match ready.map(|condition| condition.status.as_str()) {
                Some("True") => Some(true),
                Some("False") => Some(false),
                _ => None,
            },
            reason: ready.map(|condition| condition.message.clone()).unwrap_or_default(),
            name: node.metadata.name,
            schedulable: !node.spec.unschedulable,
            roles,
            version: info.kubelet_version,
            created: node.metadata.creation_timestamp,
            addresses: node.status.addresses,
            os_image: info.os_image,
            kernel_version: info.kernel_version,
            container_runtime: info.container_runtime_version,
        }
    }
}
