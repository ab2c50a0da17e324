//! Objects of the Kubernetes API in JSON, only with the fields that are read: the same object of another
//! version works too. A missing field and `null` are the default.

pub mod cluster;
pub mod pods;
pub mod workloads;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// `null` is the default.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    /// Empty if the kind has none.
    pub namespace: String,
    /// Distinguishes objects of the same name over time.
    pub uid: String,
    /// How often its specification was changed.
    pub generation: i64,
    pub creation_timestamp: Option<Timestamp>,
    /// The deadline of its deletion, if it is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `DaemonSet`, `ReplicaSet`, `Node`.
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// A condition in the status of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Such as `Ready`, `Available`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
}

pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::cluster::{ApiService, Node, SigningRequest};
    use super::pods::Pod;
    use super::workloads::Workload;

    #[test]
    fn what_is_missing_or_null_is_nothing() {
        let nulls = r#"{"metadata": {"name": "a", "creationTimestamp": null, "labels": null, "ownerReferences": null},
            "spec": {"template": {"metadata": {"creationTimestamp": null, "annotations": null},
            "spec": {"containers": null, "volumes": null}}, "selector": null, "updateStrategy": null,
            "containers": null}, "status": {"conditions": null, "containerStatuses": null, "addresses": null, "nodeInfo": null}}"#;
        for text in ["{}", r#"{"metadata": null, "spec": null, "status": null}"#, nulls] {
            serde_json::from_str::<Pod>(text).unwrap();
            serde_json::from_str::<Workload>(text).unwrap();
            serde_json::from_str::<Node>(text).unwrap();
            serde_json::from_str::<ApiService>(text).unwrap();
            serde_json::from_str::<SigningRequest>(text).unwrap();
        }
    }
}
