//! Daemon sets, deployments and stateful sets, and restarting them.

use jiff::Timestamp;
use serde_json::json;

use super::{Api, ApiError, Patch, segment};
use crate::formats::objects::workloads::{Kind, RESTARTED_AT, Workload};
use crate::live::deadline::Deadline;

impl Api {
    /// All of a kind in a namespace, or in all.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
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
    /// No answer, or an unexpected one.
    pub fn workload(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        deadline: Deadline,
    ) -> Result<Workload, ApiError> {
        self.object(&path(kind, namespace, name)?, deadline)
    }

    /// Recreates all pods of a workload, as `kubectl rollout restart` does (kubectl
    /// `pkg/cmd/rollout/rollout_restart.go`): an annotation with the time changes its template.
    ///
    /// # Errors
    /// No answer, which leaves open whether it was done; or a refusal.
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
