//! What makes pods and makes them anew when its template changes: daemon sets, deployments, stateful sets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::pods::PodSpec;
use super::{Condition, Metadata, nullable};

/// The annotation of a template that `kubectl rollout restart` changes so that every pod is made anew.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What can be restarted, in group `apps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pod on each node.
    DaemonSet,
    /// Any number of equal pods.
    Deployment,
    /// Numbered pods.
    StatefulSet,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DaemonSet, Self::Deployment, Self::StatefulSet];

    /// The kind that kubectl means by this word.
    pub fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = word.strip_suffix(".v1.apps").or_else(|| word.strip_suffix(".apps")).unwrap_or(&word);
        Some(match word {
            "daemonset" | "daemonsets" | "ds" => Self::DaemonSet,
            "deployment" | "deployments" | "deploy" => Self::Deployment,
            "statefulset" | "statefulsets" | "sts" => Self::StatefulSet,
            _ => return None,
        })
    }

    /// Its name in paths of the API.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::DaemonSet => "daemonsets",
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
        }
    }

    /// Its name on kubectl's command line.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::DaemonSet => "daemonset",
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
        }
    }

    /// How owner references call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// A daemon set, deployment or stateful set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Name, namespace, generation.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// What it shall be.
    #[serde(deserialize_with = "nullable")]
    pub spec: WorkloadSpec,
    /// How far that is so.
    #[serde(deserialize_with = "nullable")]
    pub status: WorkloadStatus,
}

impl Workload {
    /// When it was last restarted by kubectl or as kubectl does.
    pub fn restarted_at(&self) -> Option<&str> {
        self.spec.template.metadata.annotations.get(RESTARTED_AT).map(String::as_str)
    }
}

/// What a workload shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// How many pods, except of a daemon set.
    pub replicas: Option<i64>,
    /// Whether a deployment doesn't follow its template.
    pub paused: bool,
    /// Which pods are its own.
    #[serde(deserialize_with = "nullable")]
    pub selector: Selector,
    /// What its pods are made of.
    #[serde(deserialize_with = "nullable")]
    pub template: Template,
    /// How pods are replaced, except of a deployment.
    #[serde(deserialize_with = "nullable")]
    pub update_strategy: UpdateStrategy,
}

/// What pods are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Labels and annotations.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Volumes and containers.
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
}

/// How pods are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// How a rolling update goes.
    pub rolling_update: Option<RollingUpdate>,
}

/// How a rolling update goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    /// The pods of a stateful set below this number stay as they are.
    pub partition: Option<i64>,
}

/// How far a workload is what it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// The generation that the controller has seen.
    pub observed_generation: i64,
    /// Of a daemon set: pods that shall be.
    pub desired_number_scheduled: i64,
    /// Of a daemon set: pods of the newest template.
    pub updated_number_scheduled: i64,
    /// Of a daemon set: pods that have been ready for long enough.
    pub number_available: i64,
    /// Pods.
    pub replicas: i64,
    /// Pods of the newest template.
    pub updated_replicas: i64,
    /// Pods that have been ready for long enough.
    pub available_replicas: i64,
    /// Pods that are ready.
    pub ready_replicas: i64,
    /// Of a stateful set: pods of the old template, or of the only one.
    pub current_replicas: i64,
    /// Of a stateful set: the old template, or the only one.
    #[serde(deserialize_with = "nullable")]
    pub current_revision: String,
    /// Of a stateful set: the newest template.
    #[serde(deserialize_with = "nullable")]
    pub update_revision: String,
    /// `Progressing` among them.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

/// Which pods are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that a pod has.
    #[serde(deserialize_with = "nullable")]
    pub match_labels: BTreeMap<String, String>,
    /// What else has to hold of its labels.
    #[serde(deserialize_with = "nullable")]
    pub match_expressions: Vec<Requirement>,
}

/// What has to hold of a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// The values of the first two.
    #[serde(deserialize_with = "nullable")]
    pub values: Vec<String>,
}

impl Selector {
    /// Whether these labels are of a pod that is meant. A selector of nothing means none.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let holds = |requirement: &Requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        };
        let says = !(self.match_labels.is_empty() && self.match_expressions.is_empty());
        says && self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(holds)
    }

    /// The selector as `kubectl -l` takes it; only its labels, where it has expressions too.
    pub fn labels(&self) -> String {
        self.match_labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
}
