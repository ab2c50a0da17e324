//! Containers and sandboxes as the runtime lists them, in plain values.

use std::collections::HashMap;

use jiff::Timestamp;

use super::proto;

/// Label with the container's name in its pod (kubelet, `pkg/kubelet/types/labels.go`).
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// Label with the pod's name.
pub const POD_NAME: &str = "io.kubernetes.pod.name";
/// Label with the pod's namespace.
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Label with the pod's UID; a static pod's is a digest of its manifest.
pub const POD_UID: &str = "io.kubernetes.pod.uid";
/// Annotation of a container: its pod's grace period in seconds.
pub const GRACE_PERIOD: &str = "io.kubernetes.pod.terminationGracePeriod";
/// Annotation of a sandbox: `file` for a static pod, `api` for one of the API server.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";

/// Who answers at the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `containerd`, `cri-o`, `docker`.
    pub runtime: String,
    /// The runtime's own version.
    pub version: String,
    /// CRI's version that is spoken: `v1` or `v1alpha2`.
    pub api: &'static str,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, not yet started.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended.
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

/// A container as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// The sandbox in which it is.
    pub sandbox: String,
    /// Its name in its pod, from its metadata.
    pub name: String,
    /// How often it was made before in this pod.
    pub attempt: u32,
    /// Its state.
    pub state: ContainerState,
    /// When it was made; `None` where the runtime doesn't say.
    pub created_at: Option<Timestamp>,
    /// Labels.
    pub labels: HashMap<String, String>,
    /// Annotations.
    pub annotations: HashMap<String, String>,
}

impl Container {
    /// The label of this name; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// UID of its pod.
    pub fn pod_uid(&self) -> &str {
        self.label(POD_UID)
    }

    /// Name of its pod.
    pub fn pod_name(&self) -> &str {
        self.label(POD_NAME)
    }
}

/// A pod's sandbox as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Its ID.
    pub id: String,
    /// Whether it is up. After a reboot the old ones are listed and aren't.
    pub ready: bool,
    /// Name of its pod.
    pub pod_name: String,
    /// Namespace of its pod.
    pub pod_namespace: String,
    /// UID of its pod.
    pub pod_uid: String,
    /// How often a sandbox was made before for this pod.
    pub attempt: u32,
    /// When it was made; `None` where the runtime doesn't say.
    pub created_at: Option<Timestamp>,
    /// Labels.
    pub labels: HashMap<String, String>,
    /// Annotations.
    pub annotations: HashMap<String, String>,
}

impl Sandbox {
    /// Whether its pod is a static one, made from a manifest on this node's disk.
    pub fn is_static(&self) -> bool {
        self.annotations.get(CONFIG_SOURCE).is_some_and(|source| source == "file")
    }
}

/// What the runtime says of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its ID.
    pub id: String,
    /// Its state.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its process was started.
    pub started_at: Option<Timestamp>,
    /// When its process ended.
    pub finished_at: Option<Timestamp>,
    /// Its process's exit code, where it has ended.
    pub exit_code: i32,
    /// Why it is in its state, one word: `Error`, `OOMKilled`; may be empty.
    pub reason: String,
    /// The same in more words; may be empty.
    pub message: String,
    /// Its log file; may be empty.
    pub log_path: String,
}

/// How a container was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The runtime stopped it, or it had exited already.
    ByUs,
    /// It was gone.
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

/// Nanoseconds since 1970; 0 and less is "not specified".
fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(nanoseconds.into()).ok()).flatten()
}
