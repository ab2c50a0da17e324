//! Pods as manifests describe them, and the names and hashes that the kubelet makes of them.

use std::collections::HashMap;

use serde::Deserialize;

use crate::Failure;

#[derive(Deserialize, Clone, Debug)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    /// `file` or `api`, as the annotation `kubernetes.io/config.source` has it.
    #[serde(skip)]
    pub(super) source: &'static str,
}

#[derive(Deserialize, Clone, Debug)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default = "default_namespace")]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) labels: HashMap<String, String>,
    #[serde(default)]
    pub(super) annotations: HashMap<String, String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) containers: Vec<Container>,
    #[serde(default)]
    pub(super) volumes: Vec<Volume>,
    #[serde(default = "default_grace")]
    pub(super) termination_grace_period_seconds: i64,
}

fn default_grace() -> i64 {
    30
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) volume_mounts: Vec<VolumeMount>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    pub(super) mount_path: String,
    #[serde(default)]
    pub(super) read_only: bool,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) host_path: Option<HostPath>,
}

#[derive(Deserialize, Clone, Debug)]
pub(super) struct HostPath {
    pub(super) path: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

/// A static pod: named after its node, its uid a hash of what it is.
pub(super) fn static_pod(text: &str, node: &str) -> Result<Pod, Failure> {
    let mut pod: Pod = serde_saphyr::from_str(text)?;
    pod.source = "file";
    pod.metadata.name = format!("{}-{node}", pod.metadata.name);
    pod.metadata.uid = hash(text, 32);
    Ok(pod)
}

/// A pod of the API server's.
pub(super) fn api_pod(text: &str) -> Result<Pod, Failure> {
    let mut pod: Pod = serde_saphyr::from_str(text)?;
    pod.source = "api";
    pod.metadata.uid = uuid(text);
    Ok(pod)
}

/// So many hexadecimal digits.
pub(super) fn hash(text: &str, digits: usize) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(digits).collect()
}

/// A hash in the shape of a UUID.
pub(super) fn uuid(text: &str) -> String {
    let hex = hash(text, 32);
    let mut shaped = String::new();
    for (at, digit) in hex.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            shaped.push('-');
        }
        shaped.push(digit);
    }
    shaped
}
