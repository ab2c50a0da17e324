//! Objects of the Kubernetes API in JSON, only with the fields that are judged: the same object of another version is
//! as good. What is missing or `null` is nothing.

pub mod cluster;
pub mod pods;
pub mod workloads;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// `null` means the same as nothing.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace; empty where the kind has none.
    pub namespace: String,
    /// What tells it from another of the same name at another time.
    pub uid: String,
    /// How often its specification was changed.
    pub generation: i64,
    /// When it was made.
    pub creation_timestamp: Option<Timestamp>,
    /// By when it has to be gone, where it is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Whom it belongs to.
    #[serde(deserialize_with = "nullable")]
    pub owner_references: Vec<Owner>,
}

/// Whom an object belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `DaemonSet`, `ReplicaSet`, `Node`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Which one of that name.
    pub uid: String,
}

/// Something that is said to hold of an object, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What: `Ready`, `Available`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
}

/// The condition of this type.
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
