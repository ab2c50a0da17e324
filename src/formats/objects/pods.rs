//! Pods: what they are made of, and how they fare.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Condition, Metadata, nullable};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Name, labels, owners.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// What it is made of.
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
    /// How it fares.
    #[serde(deserialize_with = "nullable")]
    pub status: PodStatus,
}

/// What a pod is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Where it runs.
    #[serde(deserialize_with = "nullable")]
    pub node_name: String,
    /// Whether containers that end are started again: `Always`, `OnFailure`, `Never`.
    #[serde(deserialize_with = "nullable")]
    pub restart_policy: String,
    /// What its containers can mount.
    #[serde(deserialize_with = "nullable")]
    pub volumes: Vec<Volume>,
    /// What runs before the containers.
    #[serde(deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
    /// Its containers.
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
}

/// What containers can mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// A path of the node.
    pub host_path: Option<HostPath>,
    /// A Secret's keys as files.
    pub secret: Option<SecretVolume>,
}

/// A path of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostPath {
    /// The path.
    pub path: String,
}

/// A Secret's keys as files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretVolume {
    /// The Secret.
    #[serde(deserialize_with = "nullable")]
    pub secret_name: String,
}

/// A container as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// What is run.
    #[serde(deserialize_with = "nullable")]
    pub command: Vec<String>,
    /// With what.
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<String>,
    /// In which environment.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<Variable>,
    /// Which volumes it sees.
    #[serde(deserialize_with = "nullable")]
    pub volume_mounts: Vec<Mount>,
}

/// A variable of the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, where it is given here.
    #[serde(deserialize_with = "nullable")]
    pub value: String,
}

/// Where a container sees a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    /// The volume.
    pub name: String,
    /// Where the container sees it.
    pub mount_path: String,
    /// Which part of it.
    #[serde(deserialize_with = "nullable")]
    pub sub_path: String,
}

/// How a pod fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    #[serde(deserialize_with = "nullable")]
    pub phase: String,
    /// Why, in a word.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// `PodScheduled`, `Ready` among them.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// What runs, or ran, before the containers.
    #[serde(deserialize_with = "nullable")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// Its containers.
    #[serde(deserialize_with = "nullable")]
    pub container_statuses: Vec<ContainerStatus>,
}

/// How a container fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name in the pod.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: i64,
    /// How it is.
    #[serde(deserialize_with = "nullable")]
    pub state: State,
    /// How the one before it ended.
    #[serde(deserialize_with = "nullable")]
    pub last_state: State,
}

/// How a container is; one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct State {
    /// It doesn't run yet, or not again yet.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Running>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// A container that doesn't run yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// `CrashLoopBackOff`, `ImagePullBackOff`, `ContainerCreating`.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// In a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
}

/// A container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    /// Since when.
    pub started_at: Option<Timestamp>,
}

/// A container that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// With what.
    pub exit_code: i64,
    /// `Completed`, `Error`, `OOMKilled`.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// In a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}
