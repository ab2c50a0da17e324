//! Containers and sandboxes as the runtime lists them, in plain values.

use std::collections::HashMap;

use jiff::Timestamp;

use super::proto;

/// Label with the container's name in its pod (kubelet, `pkg/kubelet/types/labels.go`).
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
pub const POD_NAME: &str = "io.kubernetes.pod.name";
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Label with the pod's UID; a static pod's is a digest of its manifest.
pub const POD_UID: &str = "io.kubernetes.pod.uid";
/// Annotation of a container: its pod's grace period in seconds.
pub const GRACE_PERIOD: &str = "io.kubernetes.pod.terminationGracePeriod";
/// Annotation of a sandbox: `file` for a static pod, `api` for one of the API server.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Such as `containerd`, `cri-o`, `docker`.
    pub runtime: String,
    /// The runtime's own version.
    pub version: String,
    /// CRI version of the connection: `v1` or `v1alpha2`.
    pub api: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Created, not yet started.
    Created,
    Running,
    Exited,
    /// The runtime doesn't know.
    Unknown,
}

impl ContainerState {
    fn from_wire(state: i32) -> Self {
        match state {
            0 => Self::Created,
            1 => Self::Running,
            2 => Self::Exited,
            _ => Self::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub sandbox: String,
    /// Its name in its pod, from its metadata.
    pub name: String,
    /// How often it was created before in this pod.
    pub attempt: u32,
    pub state: ContainerState,
    /// `None` if the runtime doesn't set it.
    pub created_at: Option<Timestamp>,
    pub labels: HashMap<String, String>,
    pub annotations: HashMap<String, String>,
}

impl Container {
    /// The label of this name; empty if there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub fn pod_uid(&self) -> &str {
        self.label(POD_UID)
    }

    pub fn pod_name(&self) -> &str {
        self.label(POD_NAME)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub id: String,
    /// Whether it is running. After a reboot the old ones are listed and aren't.
    pub ready: bool,
    pub pod_name: String,
    pub pod_namespace: String,
    pub pod_uid: String,
    /// How often a sandbox was created before for this pod.
    pub attempt: u32,
    /// `None` if the runtime doesn't set it.
    pub created_at: Option<Timestamp>,
    pub labels: HashMap<String, String>,
    pub annotations: HashMap<String, String>,
}

impl Sandbox {
    /// Whether its pod is static: created from a manifest on this node's disk.
    pub fn is_static(&self) -> bool {
        self.annotations.get(CONFIG_SOURCE).is_some_and(|source| source == "file")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    pub id: String,
    pub state: ContainerState,
    pub created_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Its process's exit code, if it has exited.
    pub exit_code: i32,
    /// Why it is in its state, one word: `Error`, `OOMKilled`; may be empty.
    pub reason: String,
    /// The reason as a sentence; may be empty.
    pub message: String,
    pub log_path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The runtime stopped it, or it had exited already.
    ByUs,
    /// It no longer existed.
    NotFound,
}

impl From<proto::Container> for Container {
    fn from(wire: proto::Container) -> Self {
        let metadata = wire.metadata.unwrap_or_default();
        Self {
            id: wire.id,
            sandbox: wire.pod_sandbox_id,
            name: metadata.name,
            attempt: metadata.attempt,
            state: ContainerState::from_wire(wire.state),
            created_at: time(wire.created_at),
            labels: wire.labels,
            annotations: wire.annotations,
        }
    }
}

impl From<proto::PodSandbox> for Sandbox {
    fn from(wire: proto::PodSandbox) -> Self {
        let metadata = wire.metadata.unwrap_or_default();
        Self {
            id: wire.id,
            ready: wire.state == 0,
            pod_name: metadata.name,
            pod_namespace: metadata.namespace,
            pod_uid: metadata.uid,
            attempt: metadata.attempt,
            created_at: time(wire.created_at),
            labels: wire.labels,
            annotations: wire.annotations,
        }
    }
}

impl From<proto::ContainerStatus> for ContainerStatus {
    fn from(wire: proto::ContainerStatus) -> Self {
        Self {
            id: wire.id,
            state: ContainerState::from_wire(wire.state),
            created_at: time(wire.created_at),
            started_at: time(wire.started_at),
            finished_at: time(wire.finished_at),
            exit_code: wire.exit_code,
            reason: wire.reason,
            message: wire.message,
            log_path: wire.log_path,
        }
    }
}

/// Nanoseconds since 1970; 0 or less is "not specified".
fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(nanoseconds.into()).ok()).flatten()
}
