//! Daemon sets, deployments and stateful sets, and how they are restarted.

use jiff::Timestamp;
use serde_json::json;

use super::{Api, ApiError, Patch, segment};
use crate::formats::objects::workloads::{Kind, RESTARTED_AT, Workload};
use crate::live::deadline::Deadline;

impl Api {
    /// All of a kind in a namespace, or in all.
    ///
    /// # Errors
    /// No answer, or none that gives them.
    pub fn workloads(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        deadline: Deadline,
    ) -> Result<Vec<Workload>, ApiError> {
        let path = match namespace {
            Some(namespace) => {
                format!("/apis/apps/v1/namespaces/{}/{}", segment("namespace", namespace)?, kind.plural())
            }
            None => format!("/apis/apps/v1/{}", kind.plural()),
        };
        self.list(&path, deadline)
    }

    /// One of them.
    ///
    /// # Errors
    /// No answer, or none that gives it.
    pub fn workload(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        deadline: Deadline,
    ) -> Result<Workload, ApiError> {
        self.object(&path(kind, namespace, name)?, deadline)
    }

    /// Has all pods of one of them made anew, as `kubectl rollout restart` does (kubectl
    /// `pkg/cmd/rollout/rollout_restart.go`): its template says when, so that it is another one.
    ///
    /// # Errors
    /// No answer, after which nobody knows whether it was done; or a refusal.
    pub fn restart_workload(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<Workload, ApiError> {
        let path = format!("{}?fieldManager=kubectl-rollout", path(kind, namespace, name)?);
        let annotations = json!({ RESTARTED_AT: stamp(at) });
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        self.patch(&path, (Patch::Strategic, &patch), deadline)
    }
}

fn path(kind: Kind, namespace: &str, name: &str) -> Result<String, ApiError> {
    let (namespace, name) = (segment("namespace", namespace)?, segment(kind.singular(), name)?);
    Ok(format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", kind.plural()))
}

/// A time as kubectl writes it: RFC 3339, whole seconds.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
