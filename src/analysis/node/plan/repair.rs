//! Whether a plan repairs its node: which blockers it removes, which remain, and under which conditions.

use serde::Serialize;

use super::changes::Changes;
use super::{Skipped, Step, Target, goes_with_reissue};
use crate::analysis::node::findings::{Finding, Remedy, keeps_from_signing};
use crate::analysis::node::inventory::Inventory;
use crate::formats::san::San;
use crate::state::Subject;
use crate::state::{Class, Code};

/// The effect of a plan on the blockers of its node.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    pub repaired: Vec<Blocker>,
    /// Blockers that remain, root cause first.
    pub remaining: Vec<Blocker>,
    /// What must be true and can't be checked from this node.
    pub conditions: Vec<Condition>,
}

/// A blocker as the plan sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    pub code: Code,
    pub subject: Subject,
    pub what: String,
    /// What to do if the plan doesn't remove it.
    pub remedy: Remedy,
}

/// What the user must check before a plan is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Certificates of another CA are replaced by ones of this node's CA: this must be the cluster's CA.
    SameCaOnAllNodes,
}

/// How far a plan repairs its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlook {
    NothingToDo,
    Repairable,
    InPart,
    NotRepairable,
}

impl Repair {
    /// The effect of what changes on `findings`; the reasons of `skipped` are the remedies of what remains.
    /// `beside` is whether a finding goes with what the plan does without a certificate.
    pub(super) fn of(
        findings: &[Finding],
        changes: &Changes<'_>,
        beside: impl Fn(&Finding) -> bool,
        skipped: &[Skipped],
    ) -> Self {
        let mut repair = Self::default();
        for finding in findings.iter().filter(|finding| finding.is_blocker()) {
            let mut blocker = Blocker {
                code: finding.code,
                subject: finding.subject.clone(),
                what: finding.what.clone(),
                remedy: finding.remedy.clone(),
            };
            if beside(finding) || is_repaired(finding, changes.steps) || goes_with_ca(finding, changes) {
                repair.repaired.push(blocker);
                continue;
            }
            if let Some(skipped) =
                skipped.iter().find(|skipped| finding.subject == skipped.name.as_str().into())
            {
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

    pub fn outlook(&self) -> Outlook {
        match (self.repaired.is_empty(), self.remaining.is_empty()) {
            (true, true) => Outlook::NothingToDo,
            (false, true) => Outlook::Repairable,
            (false, false) => Outlook::InPart,
            (true, false) => Outlook::NotRepairable,
        }
    }
}

/// Whether the blocker is about something other than credentials: new certificates don't help, and what is
/// restarted may not start again.
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

/// Whether a finding says that the kubelet trusts another CA than the node's.
pub fn kubelet_distrusts(inventory: &Inventory, finding: &Finding) -> bool {
    finding.code == Code::EmbeddedCaDiffers && finding.path == inventory.facts.kubelet_kubeconfig.value
}

/// Whether a finding goes with the renewal of a CA, or with its replacement.
fn goes_with_ca(finding: &Finding, changes: &Changes<'_>) -> bool {
    let of_date = matches!(finding.code, Code::CaExpired | Code::WeakSignature | Code::NegativeSerial);
    let renewed = changes.authorities.iter().any(|step| finding.subject == step.authority.into());
    let replaced = changes.replaced.is_some_and(|new| finding.subject == new.authority.into());
    let signs = finding.code == Code::SigningCaBundle && changes.signing.is_some();
    of_date && (renewed || replaced) || replaced && keeps_from_signing(finding.code) || signs
}

fn is_repaired(finding: &Finding, steps: &[Step]) -> bool {
    let step = |subject: &Subject| steps.iter().find(|step| step.subject() == *subject);
    match finding.code {
        Code::KubeletCrashLoop | Code::KubeletConfEmbedded => step(&Subject::KubeletClient).is_some(),
        Code::KubeletStoreBroken => {
            step(&Subject::KubeletClient).is_some_and(|step| matches!(step.target, Target::KubeletPem { .. }))
        }
        // A kubeconfig's copy of the CA is replaced together with its certificate.
        Code::EmbeddedCaDiffers => step(&finding.subject).is_some_and(|step| {
            matches!(step.target, Target::Splice { authority: true, .. } | Target::NewKubeconfig { .. })
        }),
        Code::NamesMissing => step(&finding.subject).is_some_and(|step| names_all(step, finding)),
        Code::UsageWrong => {
            step(&finding.subject).is_some_and(|step| step.usage.is_some() || step.profile.is_some())
        }
        code => goes_with_reissue(code) && step(&finding.subject).is_some(),
    }
}

/// Whether a step gives its certificate every name that the finding misses.
fn names_all(step: &Step, finding: &Finding) -> bool {
    let has = |name: &str| name.parse::<San>().is_ok_and(|name| step.names.contains(&name.to_string()));
    finding.missing.iter().all(|missing| has(&missing.name))
}
