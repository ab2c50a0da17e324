//! Whether a plan repairs its node: which blockers go away with it, which stay, and what has to be true for it.

use serde::Serialize;

use super::{Skipped, Step, Target};
use crate::analysis::node::findings::{Finding, Remedy};
use crate::state::catalog::KUBELET_CLIENT;
use crate::state::{Class, Code, Severity};

/// What a plan does about the blockers of its node.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Blockers that its steps remove.
    pub repaired: Vec<Blocker>,
    /// Blockers that stay, what fails first at the top.
    pub remaining: Vec<Blocker>,
    /// What has to be true, and can't be seen from this node.
    pub conditions: Vec<Condition>,
}

/// A blocker, as far as a plan is concerned with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// Its code.
    pub code: Code,
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// What to do where the plan doesn't.
    pub remedy: Remedy,
}

/// What a person has to make sure of before a plan is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Certificates of another CA are replaced by ones of this node's CA: that one has to be the cluster's.
    SameCaOnAllNodes,
}

/// How far a plan brings its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlook {
    /// No blocker.
    NothingToDo,
    /// Every blocker goes away.
    Repairable,
    /// Some go away.
    InPart,
    /// None goes away.
    NotRepairable,
}

impl Repair {
    /// What `steps` do about `findings`; the reasons of `skipped` are the remedies of what they leave.
    pub(super) fn of(findings: &[Finding], steps: &[Step], skipped: &[Skipped]) -> Self {
        let mut repair = Self::default();
        for finding in findings.iter().filter(|finding| finding.severity == Severity::Blocker) {
            let mut blocker = Blocker {
                code: finding.code,
                subject: finding.subject.clone(),
                what: finding.what.clone(),
                remedy: finding.remedy.clone(),
            };
            if is_repaired(finding, steps) {
                repair.repaired.push(blocker);
                continue;
            }
            if let Some(skipped) = skipped.iter().find(|skipped| skipped.name == finding.subject) {
                blocker.remedy = Remedy { command: None, reason: skipped.why.to_string() };
            }
            repair.remaining.push(blocker);
        }
        let of_another_ca =
            |blocker: &Blocker| matches!(blocker.code, Code::CaReplaced | Code::WrongAuthority);
        if repair.repaired.iter().any(of_another_ca) {
            repair.conditions.push(Condition::SameCaOnAllNodes);
        }
        repair
    }

    /// How far the plan brings its node.
    pub fn outlook(&self) -> Outlook {
        match (self.repaired.is_empty(), self.remaining.is_empty()) {
            (true, true) => Outlook::NothingToDo,
            (false, true) => Outlook::Repairable,
            (false, false) => Outlook::InPart,
            (true, false) => Outlook::NotRepairable,
        }
    }
}

/// Whether the blocker is about something else than credentials: certificates that are made meanwhile help nobody, and
/// what is restarted may not come back.
pub(super) fn prevents(blocker: &Blocker) -> bool {
    match blocker.code.page().class {
        Class::Clock | Class::Disk | Class::Etcd | Class::Manifest | Class::Kubelet | Class::Change => true,
        Class::Credential
        | Class::Exposure
        | Class::Kubeconfig
        | Class::Probe
        | Class::Log
        | Class::Cluster
        | Class::Refusal => false,
    }
}

/// Whether a certificate that is made in the place of one with this finding is free of it.
pub fn goes_with_reissue(code: Code) -> bool {
    matches!(
        code,
        Code::Missing
            | Code::Unreadable
            | Code::FileEmpty
            | Code::FileTruncated
            | Code::FileNotPem
            | Code::Expired
            | Code::NotYetValid
            | Code::KeyMissing
            | Code::KeyUnreadable
            | Code::KeyMismatch
            | Code::CaReplaced
            | Code::WrongAuthority
            | Code::WeakSignature
            | Code::KubeletLinkMissing
            | Code::KubeletLinkDangling
            | Code::KubeletLinkOld
            | Code::KubeletServingExpired
    )
}

fn is_repaired(finding: &Finding, steps: &[Step]) -> bool {
    let step = |name: &str| steps.iter().find(|step| step.name == name);
    match finding.code {
        Code::KubeletCrashLoop | Code::KubeletConfEmbedded => step(KUBELET_CLIENT).is_some(),
        // A kubeconfig's copy of the CA is replaced with its certificate.
        Code::EmbeddedCaDiffers => step(&finding.subject).is_some_and(|step| {
            matches!(step.target, Target::Splice { authority: true, .. } | Target::NewKubeconfig { .. })
        }),
        code => goes_with_reissue(code) && step(&finding.subject).is_some(),
    }
}
