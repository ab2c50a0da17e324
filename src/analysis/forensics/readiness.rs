//! Whether an archived state works once it is restored: the verdict of `diagnose` in one word.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::admission::{self, LeftOut};
use super::diagnosis::{Diagnosis, Verdict};
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
    /// The root cause: what, and when. Absent where there is no blocking problem.
    pub cause: Option<String>,
    /// The command that repairs the node after the restore.
    pub repair: Option<String>,
    /// What must be true before that command is run.
    pub conditions: Vec<Condition>,
    /// Why it is not recoverable; for a recoverable one, what the command leaves.
    pub obstacle: Option<String>,
    /// Paths of an archive of ours that are not restored, and why: none of one that is as it was written.
    pub left_out: Vec<LeftOut>,
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// The judgement that `diagnose` makes of the same files at the same time.
    pub fn of(diagnosis: Diagnosis) -> Self {
        let verdict = diagnosis.verdict;
        let findings: Vec<_> = diagnosis.findings.into_iter().map(|told| told.finding).collect();
        let blocker = findings.iter().find(|finding| finding.is_blocker());
        let Some(first) = blocker else { return Self { findings, ..Self::without(Readiness::Ready) } };
        let readiness =
            if verdict.repair.is_some() { Readiness::Recoverable } else { Readiness::NotRecoverable };
        let obstacle = match (&verdict.repair, verdict.obstacle) {
            (None, None) => Some(format!("{} ({}): {}", first.subject, first.code, first.what)),
            (_, obstacle) => obstacle,
        };
        let Verdict { cause, repair, conditions, .. } = verdict;
        Self { cause, repair, conditions, obstacle, findings, ..Self::without(readiness) }
    }

    fn without(readiness: Readiness) -> Self {
        let (conditions, left_out, findings) = (Vec::new(), Vec::new(), Vec::new());
        Self { readiness, cause: None, repair: None, conditions, obstacle: None, left_out, findings }
    }

    /// The same of an archive of ours: what `archive restore` leaves out does not come back, whatever the files say. That is
    /// nothing where the archive is as it was written and the node works.
    #[must_use]
    pub fn of_ours(self, archive: &Snapshot, facts: &Facts) -> Self {
        let (left_out, is_altered) = admission::not_restored(archive, facts);
        let Some(first) = left_out.first().filter(|_| is_altered || self.readiness == Readiness::Ready)
        else {
            return Self { left_out, ..self };
        };
        let more = match left_out.len() {
            1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        let altered = if is_altered { "it is not as kuberescue wrote it; " } else { "" };
        let why = format!("{altered}not restored: {}{more}", first.path.display());
        let (readiness, repair, conditions) = (Readiness::NotRecoverable, None, Vec::new());
        Self {
            readiness,
            repair,
            conditions,
            cause: Some(why.clone()),
            obstacle: Some(why),
            left_out,
            ..self
        }
    }

    /// Files that do not form a node.
    pub fn no_node() -> Self {
        let why = "it holds no kubeadm node";
        let details = "no CA, no kubeconfig, no API server manifest";
        Self {
            cause: Some(format!("{why}: {details}")),
            obstacle: Some(format!("{why} ({}): {details}", Code::NotKubeadmNode)),
            ..Self::without(Readiness::NotRecoverable)
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
