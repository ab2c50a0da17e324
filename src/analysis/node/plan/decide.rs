//! The decisions: for each leaf certificate, whether it is renewed, issued, skipped or refused.

use std::path::Path;

use jiff::Timestamp;

use super::changes::Changes;
use super::repair::Repair;
use super::replacement::Issuer;
use super::{
    Action, CaReplacement, CaStep, Dates, Options, Plan, Profile, Selection, SignedBy, Skipped, Stage, Step,
    StoreChange, Target, Why, ca, goes_with_reissue, kubelet_distrusts, refuse, restarts,
};
use crate::analysis::node::findings::{Finding, keeps_from_signing};
use crate::analysis::node::inventory::{Inventory, Parsed, Row, ServingForm};
use crate::analysis::node::{readers, references};
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::KubeconfigError;
use crate::state::Subject;
use crate::state::catalog::Leaf;
use crate::state::catalog::{self, Ca, CertSpec, Names, Place};
use crate::state::{Code, Snapshot};

/// Decides what to do about a node with these findings at `now`.
pub fn decide(
    snapshot: &Snapshot,
    inventory: &Inventory,
    findings: &[Finding],
    options: &Options,
    now: Timestamp,
) -> Plan {
    let mut decision = Decision::new(snapshot, inventory, findings, options, now);
    let (mut told, mut refusals): (Vec<Ca>, Vec<_>) = decision.authorities().into_iter().unzip();
    if let Some(asked) = &options.replace {
        match decision.replacement(asked) {
            Ok(replacement) => decision.replaced = Some(replacement),
            Err(refusal) => {
                told.push(asked.authority);
                refusals.push(refusal);
            }
        }
    }
    for one in options.selection.each() {
        decision.select(one);
    }
    decision.signed_by_replaced();
    if options.kubelet && options.selection.is_by_name() {
        let named = options.selection.each();
        if !named.contains(&Selection::Kubelet) {
            decision.kubelet_client(true);
        }
        if !named.contains(&Selection::KubeletServing) {
            decision.kubelet_serving(true);
        }
    }
    decision.leave_what_is_not_due();
    decision.leave_what_was_not_named();
    let (trust, validity) = (decision.trust(), decision.configured_validity());
    let signing = decision.signing_repair();
    let Decision { authorities, replaced, mut steps, store, skipped, .. } = decision;
    for step in &mut steps {
        let file = step.target.key_file();
        // A key that is kept in a file of its own is not written.
        if !step.key.reuse || file == step.target.path() {
            step.narrowed.extend(readers::narrowed(snapshot, inventory, file));
        }
    }
    // On a worker the findings name the remedy.
    let reasons = if inventory.is_control_plane() { skipped.as_slice() } else { &[] };
    let changed = Changes {
        authorities: &authorities,
        replaced: replaced.as_ref(),
        signing: signing.as_ref(),
        steps: &steps,
        store: &store,
    };
    let beside = |finding: &Finding| {
        trust.is_some() && kubelet_distrusts(inventory, finding)
            || store.iter().any(|change| change.mends(finding))
    };
    let repair = Repair::of(findings, &changed, beside, reasons);
    refusals.extend(refuse::clock(findings));
    refusals.extend(refuse::pki_dir(inventory, findings));
    refusals.extend(refuse::authorities(inventory, &skipped, &told));
    refusals.extend(ca::named_by_serial(inventory, &authorities, &steps));
    refusals.extend(refuse::names(inventory, findings, &steps));
    refusals.extend(refuse::kubelet(inventory, findings, &options.selection, &steps));
    if options.whole_node {
        refusals.extend(refuse::blockers(&repair));
    }
    refusals.retain(|refusal| !options.accept.contains(&refusal.code));
    if options.partial {
        // If no CA can sign, reissuing the kubelet's self-signed certificate alone is not worth a change.
        let signed = steps.iter().any(|step| step.authority.authority().is_some()) || !store.is_empty();
        refusals.retain(|refusal| !refusal.partial_helps || !signed);
    }
    Plan {
        node: inventory.facts.node_name.clone(),
        pki_dir: inventory.facts.pki_dir.clone(),
        local_etcd: inventory.facts.local_etcd.clone(),
        at: now,
        validity,
        restarts: restarts::of(inventory, &changed, trust.as_deref()),
        authorities,
        replacement: replaced,
        signing,
        steps,
        trust,
        store,
        skipped,
        refusals,
        repair,
    }
}

pub(super) struct Decision<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) inventory: &'a Inventory,
    pub(super) findings: &'a [Finding],
    pub(super) options: &'a Options,
    pub(super) now: Timestamp,
    pub(super) authorities: Vec<CaStep>,
    pub(super) replaced: Option<CaReplacement>,
    pub(super) steps: Vec<Step>,
    pub(super) store: Vec<StoreChange>,
    pub(super) skipped: Vec<Skipped>,
}

impl<'a> Decision<'a> {
    /// Plans what is asked for.
    fn select(&mut self, selection: &Selection) {
        let inventory = self.inventory;
        match selection {
            Selection::Nothing | Selection::Several(_) => {}
            Selection::All => {
                for leaf in inventory.served() {
                    self.leaf(leaf.spec, &leaf.row);
                }
                if inventory.has_kubelet() {
                    self.kubelet_where_useless();
                }
            }
            Selection::One(spec) => match inventory.leaves.iter().find(|leaf| leaf.spec == *spec) {
                Some(leaf) => self.leaf(leaf.spec, &leaf.row),
                None => self.skip(spec.name, spec.long_name, Why::NotOnThisNode, false),
            },
            Selection::Kubelet => self.kubelet_client(true),
            Selection::KubeletServing => self.kubelet_serving(true),
        }
    }

    pub(super) fn new(
        snapshot: &'a Snapshot,
        inventory: &'a Inventory,
        findings: &'a [Finding],
        options: &'a Options,
        now: Timestamp,
    ) -> Self {
        let (authorities, replaced, steps, store, skipped) = Default::default();
        Self { snapshot, inventory, findings, options, now, authorities, replaced, steps, store, skipped }
    }
}

impl Decision<'_> {
    pub(super) fn skip(&mut self, name: &str, long_name: &'static str, why: Why, needs_person: bool) {
        self.skipped.push(Skipped { name: name.to_owned(), long_name, why, needs_person });
    }

    /// Whether a credential has a finding that a reissue removes.
    pub(super) fn wants_reissue(&self, name: &str) -> bool {
        let found = |finding: &Finding| finding.subject == name.into() && goes_with_reissue(finding.code);
        self.findings.iter().any(found) || self.has_wrong_usage(name)
    }

    /// Whether a credential was copied from another node.
    pub(super) fn is_of_another_node(&self, name: &str) -> Option<&Finding> {
        refuse::of_another_node(self.findings, name)
    }

    /// What a CA that is replaced has signed, once the new one signs.
    fn signed_by_replaced(&mut self) {
        let Some(new) = self.replaced.as_ref().filter(|new| new.stage == Stage::Issue) else { return };
        let authority = new.authority;
        for leaf in self.inventory.served().filter(|leaf| leaf.spec.authority == authority) {
            self.leaf(leaf.spec, &leaf.row);
        }
        if authority == Ca::Cluster && self.inventory.has_kubelet() {
            self.kubelet_client(true);
            if self.inventory.serving_form == ServingForm::Signed {
                self.kubelet_serving(true);
            }
        }
    }

    fn leaf(&mut self, spec: &'static CertSpec, row: &Row) {
        if spec.is_optional() && row.certificate.is_missing() && !self.options.selection.is_by_name() {
            return self.skip(spec.name, spec.long_name, Why::NotOnThisNode, false);
        }
        if let Some(error) = &row.not_replaceable {
            let needs_person = !matches!(error, KubeconfigError::NotEmbedded { .. });
            return self.skip(spec.name, spec.long_name, Why::NotEmbedded(error.to_string()), needs_person);
        }
        let kubelet = &self.inventory.kubelet_client.path;
        if row.files.as_ref().is_some_and(|(file, _)| references::is_same(self.snapshot, file, kubelet)) {
            let why = format!("it uses the kubelet's own certificate, {}", kubelet.display());
            return self.skip(spec.name, spec.long_name, Why::NotOurs(why), false);
        }
        if let Some(issuer) = &row.foreign_issuer {
            let why = Why::NotOurs(format!("issued by {issuer}, whose key is not on this node"));
            let is_asked = self.options.selection.is_by_name();
            return self.skip(spec.name, spec.long_name, why, is_asked || self.wants_reissue(spec.name));
        }
        if catalog::cert_spec(spec.name).is_none() && row.certificate.get().is_none() {
            let why = "the names that it is for are not known: it is missing or unreadable".to_owned();
            return self.skip(spec.name, spec.long_name, Why::Unknown(why), true);
        }
        let profile = || Profile::of(spec, self.inventory);
        let pair = |decision: &Self, certificate: &Path, key: &Path| {
            let certificate = decision.resolved(certificate)?;
            Ok(Target::Pair { certificate, key: decision.resolved(key)? })
        };
        let target = |decision: &Self| match (spec.place, &row.files) {
            (Place::Pair(_), _) => pair(decision, &row.path, &row.key_path),
            (Place::Kubeconfig(_), Some((certificate, key))) => pair(decision, certificate, key),
            (Place::Kubeconfig(_), None) => decision.kubeconfig_target(row, spec),
        };
        match self.step(row, spec.name, spec.long_name, spec.authority, profile, target) {
            Ok(mut step) => match self.steps.iter().find(|other| other.target.overlaps(&step.target)) {
                Some(other) => {
                    let why =
                        format!("it shares the file {} with {}", step.target.path().display(), other.name);
                    self.skip(spec.name, spec.long_name, Why::Unknown(why), true);
                }
                None => {
                    self.correct_usage(&mut step, spec.usage);
                    if spec.names != Names::None {
                        self.correct_names(&mut step);
                    }
                    self.steps.push(step);
                }
            },
            Err((why, needs_person)) => self.skip(spec.name, spec.long_name, why, needs_person),
        }
    }

    pub(super) fn step(
        &self,
        row: &Row,
        name: &str,
        long_name: &'static str,
        authority: Ca,
        profile: impl Fn() -> Result<Profile, String>,
        target: impl Fn(&Self) -> Result<Target, String>,
    ) -> Result<Step, (Why, bool)> {
        let signer = self.signer(authority)?;
        let unknown = |what: String| (Why::Unknown(what), true);
        let target = target(self).map_err(unknown)?;
        // kubeadm refuses a template without a usage too; unlike kubeadm, the catalog knows it.
        let template = row.certificate.get().filter(|certificate| certificate.has_usage);
        let (action, profile) = match (template, &row.certificate) {
            (Some(_), _) => (Action::Renew, None),
            (None, item) => {
                let because = match item {
                    Parsed::Missing => "it is missing".to_owned(),
                    Parsed::Unreadable(reason) => reason.clone(),
                    Parsed::Present(_) => "it names no purpose (extended key usage)".to_owned(),
                };
                let missing = |fact: String| unknown(format!("it can't be issued without {fact}"));
                (Action::Issue { because }, Some(profile().map_err(missing)?))
            }
        };
        let mut notes = Vec::new();
        let key = self.key(row, template, &signer, &mut notes).map_err(unknown)?;
        if profile.as_ref().is_some_and(|profile| !profile.addresses.is_empty()) {
            notes.extend(self.source_of_names(&row.subject()));
        }
        let (new, cut_to_authority) = self.dates(row, &signer).map_err(unknown)?;
        Ok(Step {
            name: name.to_owned(),
            long_name,
            action,
            target,
            authority: SignedBy::Ca(authority),
            subject: profile
                .as_ref()
                .map(Profile::subject)
                .or(template.map(|old| old.subject.clone()))
                .unwrap_or_default(),
            names: profile
                .as_ref()
                .map(Profile::alternative_names)
                .or(template.map(Certificate::alternative_names))
                .unwrap_or_default(),
            added: Vec::new(),
            removed: Vec::new(),
            usage: None,
            narrowed: Vec::new(),
            key,
            old: row
                .certificate
                .get()
                .map(|old| Dates { not_before: old.not_before, not_after: old.not_after }),
            new,
            cut_to_authority,
            notes,
            template: template.cloned(),
            profile,
        })
    }

    pub(super) fn signer(&self, authority: Ca) -> Result<Issuer, (Why, bool)> {
        let unable =
            |code, what: &str, external| (Why::Ca { authority, code, what: what.to_owned(), external }, true);
        let missing = |what| unable(Code::CaMissing, what, false);
        if let Some(step) = self.authorities.iter().find(|step| step.authority == authority) {
            return Ok((&step.renewed).into());
        }
        if let Some(new) = self.replaced.as_ref().filter(|new| new.authority == authority) {
            return Ok(new.into());
        }
        if self.options.elsewhere.is_some() {
            return self.signer_elsewhere(authority).map(Issuer::from);
        }
        let row = self.inventory.authority(authority).ok_or_else(|| missing("it is not on this node"))?;
        let found =
            |finding: &&Finding| finding.subject == authority.into() && keeps_from_signing(finding.code);
        if let Some(finding) = self.findings.iter().find(found) {
            // An expired external CA is not merely external.
            return Err(unable(finding.code, &finding.what, finding.code == Code::CaKeyMissing));
        }
        // On a worker no finding reports it.
        if row.key.get().is_none() {
            return Err(unable(
                Code::CaKeyMissing,
                &format!("its key {} is missing", row.key_path.display()),
                true,
            ));
        }
        if let Some(kind) = row.key.get().and_then(PrivateKey::unsupported) {
            let what = format!("kuberescue cannot sign with its key ({kind})");
            return Err(unable(Code::Unsupported, &what, false));
        }
        if let Some(key) = row.key.get().filter(|key| !key.can_sign()) {
            let what = format!("its key {} is damaged ({})", row.key_path.display(), key.algorithm);
            return Err(unable(Code::CaKeyUnreadable, &what, false));
        }
        row.certificate.get().map(Issuer::from).ok_or_else(|| missing("its certificate is missing"))
    }

    /// Whether the names of a certificate without a predecessor are all that were configured.
    fn source_of_names(&self, subject: &Subject) -> Option<String> {
        let facts = &self.inventory.facts;
        if let Some(configured) = &facts.configured {
            return Some(format!("its names are complete: {}", configured.source));
        }
        let why = facts.not_configured.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        (*subject == Subject::Leaf(Leaf::ApiServer)).then(|| {
            format!("certSANs that were configured beyond the node's own names are not known{why}: compare with another control-plane node")
        })
    }
}

#[cfg(test)]
mod tests;
