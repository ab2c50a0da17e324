//! What is signed on another machine: the key of the CA is not on this node.

use super::decide::Decision;
use super::options::Elsewhere;
use super::{SignedBy, Step, Why};
use crate::analysis::node::findings::{Finding, keeps_from_signing};
use crate::analysis::node::references;
use crate::formats::certificate::Certificate;
use crate::state::Code;
use crate::state::catalog::{self, Ca, Usage};

impl Decision<'_> {
    /// The certificate of a CA whose key is kept elsewhere.
    pub(super) fn signer_elsewhere(&self, authority: Ca) -> Result<&Certificate, (Why, bool)> {
        let unable = |code, what: &str| {
            let what = what.to_owned();
            (Why::Ca { authority, code, what, external: false }, true)
        };
        let row = self.inventory.authority(authority);
        let row = row.ok_or_else(|| unable(Code::CaMissing, "it is not on this node"))?;
        let found = |finding: &&Finding| {
            finding.subject == authority.into()
                && keeps_from_signing(finding.code)
                && finding.code != Code::CaKeyMissing
        };
        if let Some(finding) = self.findings.iter().find(found) {
            return Err(unable(finding.code, &finding.what));
        }
        if !row.key.is_missing() {
            let why = format!("the key of its CA is on this node: {}", row.key_path.display());
            return Err((Why::NotOurs(why), false));
        }
        row.certificate.get().ok_or_else(|| unable(Code::CaMissing, "its certificate is missing"))
    }

    /// Leaves out what this node signs itself, and what was not asked for by name.
    pub(super) fn leave_what_was_not_named(&mut self) {
        let Some(elsewhere) = &self.options.elsewhere else { return };
        let is_asked = |name: &String| match elsewhere {
            Elsewhere::All => true,
            Elsewhere::Named(names) => names.contains(name),
        };
        let is_known =
            |step: &Step| matches!(step.authority, SignedBy::Ca(_)) && usage_of(&step.name).is_some();
        self.steps.retain(|step| is_known(step) && is_asked(&step.name));
        self.skipped.retain(|skipped| is_asked(&skipped.name));
    }
}

/// What a certificate of this name is for: kubeadm's, one of the kubelet's, or one that the API server presents under
/// another name.
pub fn usage_of(name: &str) -> Option<Usage> {
    match name {
        catalog::KUBELET_CLIENT => Some(Usage::Client),
        catalog::KUBELET_SERVING => Some(Usage::Server),
        name => references::spec_of(name).map(|spec| spec.usage),
    }
}
