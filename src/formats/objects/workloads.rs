//! Workloads that replace their pods when their template changes: daemon sets, deployments, stateful sets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::pods::PodSpec;
use super::{Condition, Metadata, nullable};

/// The annotation of a template that `kubectl rollout restart` changes to replace every pod.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Kinds that can be restarted, in group `apps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    DaemonSet,
    Deployment,
    StatefulSet,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::DaemonSet, Self::Deployment, Self::StatefulSet];

    /// By kubectl's names.
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

    /// Its name in API paths.
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

    /// Its name in owner references.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Workload {
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub spec: WorkloadSpec,
    #[serde(deserialize_with = "nullable")]
    pub status: WorkloadStatus,
}

impl Workload {
    /// When it was last restarted by kubectl, or in the same way.
    pub fn restarted_at(&self) -> Option<&str> {
        self.spec.template.metadata.annotations.get(RESTARTED_AT).map(String::as_str)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// Not set for a daemon set.
    pub replicas: Option<i64>,
    /// A paused deployment doesn't follow its template.
    pub paused: bool,
    /// Selects its pods.
    #[serde(deserialize_with = "nullable")]
    pub selector: Selector,
    #[serde(deserialize_with = "nullable")]
    pub template: Template,
    /// How pods are replaced; not set for a deployment.
    #[serde(deserialize_with = "nullable")]
    pub update_strategy: UpdateStrategy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Template {
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// The parameters of a rolling update.
    pub rolling_update: Option<RollingUpdate>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    /// The pods of a stateful set below this number are not replaced.
    pub partition: Option<i64>,
}

/// The progress of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// The generation that the controller has seen.
    pub observed_generation: i64,
    /// Daemon set: wanted pods.
    pub desired_number_scheduled: i64,
    /// Daemon set: pods of the newest template.
    pub updated_number_scheduled: i64,
    /// Daemon set: pods that have been ready for long enough.
    pub number_available: i64,
    pub replicas: i64,
    /// Pods of the newest template.
    pub updated_replicas: i64,
    /// Pods that have been ready for long enough.
    pub available_replicas: i64,
    pub ready_replicas: i64,
    /// Stateful set: pods of the old template, or of the only one.
    pub current_replicas: i64,
    /// Stateful set: the old template, or the only one.
    #[serde(deserialize_with = "nullable")]
    pub current_revision: String,
    /// Stateful set: the newest template.
    #[serde(deserialize_with = "nullable")]
    pub update_revision: String,
    /// Includes `Progressing`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    #[serde(deserialize_with = "nullable")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements on labels.
    #[serde(deserialize_with = "nullable")]
    pub match_expressions: Vec<Requirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirement {
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// The values for `In` and `NotIn`.
    #[serde(deserialize_with = "nullable")]
    pub values: Vec<String>,
}

impl Selector {
    /// Whether a pod with these labels is selected. An empty selector selects none.
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

    /// The selector as `kubectl -l` takes it (apimachinery `pkg/labels/selector.go`), all of it: a part would select
    /// pods of others too. `None` if it selects nothing, or holds what no API server accepts.
    pub fn as_text(&self) -> Option<String> {
        let labels = self.match_labels.iter().map(|(key, value)| Some(format!("{key}={value}")));
        let further = self.match_expressions.iter().map(|Requirement { key, operator, values }| {
            let values = values.join(",");
            Some(match operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.clone(),
                "DoesNotExist" => format!("!{key}"),
                _ => return None,
            })
        });
        let text = labels.chain(further).collect::<Option<Vec<_>>>()?.join(",");
        let is_known = |c: char| c.is_ascii_alphanumeric() || "-_./=,!() ".contains(c);
        (!text.is_empty() && text.chars().all(is_known)).then_some(text)
    }
}
