//! Whether an archived state works once it is restored: the verdict of `diagnose` in one word.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::diagnosis::Diagnosis;
use crate::analysis::node::facts::Facts;
use crate::analysis::node::findings::Finding;
use crate::analysis::node::plan::Condition;
use crate::state::{Code, Snapshot, text};

/// The kubelet's configuration and certificates.
const KUBELET_DIR: &str = "/var/lib/kubelet";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Readiness {
    /// No blocking problem.
    Ready,
    /// Blocking problems that `repair` removes.
    Recoverable,
    /// Blocking problems that no command of ours removes.
    NotRecoverable,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    pub readiness: Readiness,
    /// The command that repairs the node after the restore.
    pub repair: Option<String>,
    /// What must be true before that command is run.
    pub conditions: Vec<Condition>,
    /// Why it is not recoverable; for a recoverable one, what the command leaves.
    pub obstacle: Option<String>,
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// The judgement that `diagnose` makes of the same files at the same time.
    pub fn of(diagnosis: Diagnosis) -> Self {
        let verdict = diagnosis.verdict;
        let findings: Vec<_> = diagnosis.findings.into_iter().map(|told| told.finding).collect();
        let blocker = findings.iter().find(|finding| finding.is_blocker());
        let Some(first) = blocker else {
            let readiness = Readiness::Ready;
            return Self { readiness, repair: None, conditions: Vec::new(), obstacle: None, findings };
        };
        let readiness =
            if verdict.repair.is_some() { Readiness::Recoverable } else { Readiness::NotRecoverable };
        let obstacle = match (&verdict.repair, verdict.obstacle) {
            (None, None) => Some(format!("{} ({}): {}", first.subject, first.code, first.what)),
            (_, obstacle) => obstacle,
        };
        Self { readiness, repair: verdict.repair, conditions: verdict.conditions, obstacle, findings }
    }

    /// Files that do not form a node.
    pub fn no_node() -> Self {
        Self {
            readiness: Readiness::NotRecoverable,
            repair: None,
            conditions: Vec::new(),
            obstacle: Some(format!(
                "it holds no kubeadm node ({}): no CA, no kubeconfig, no API server manifest",
                Code::NotKubeadmNode
            )),
            findings: Vec::new(),
        }
    }
}

/// Which of a node's directories are in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scope {
    #[serde(serialize_with = "text::list")]
    pub holds: Vec<PathBuf>,
    #[serde(serialize_with = "text::list")]
    pub lacks: Vec<PathBuf>,
}

impl Scope {
    pub fn of(archive: &Snapshot, facts: &Facts) -> Self {
        let mut directories =
            vec![facts.pki_dir.value.clone(), facts.manifest_dir.value.clone(), PathBuf::from(KUBELET_DIR)];
        directories.dedup();
        let holds = |directory: &Path| archive.iter().any(|(path, _)| path.starts_with(directory));
        let (holds, lacks) = directories.into_iter().partition(|directory| holds(directory));
        Self { holds, lacks }
    }
}
