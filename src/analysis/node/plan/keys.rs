//! The key of a certificate: a new one of which algorithm and encoding, or the old one.

use super::KeyPlan;
use super::decide::Decision;
use super::replacement::Issuer;
use crate::analysis::node::inventory::{Inventory, Parsed, Row};
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::state::catalog;

impl Decision<'_> {
    pub(super) fn key(
        &self,
        row: &Row,
        template: Option<&Certificate>,
        signer: &Issuer,
        notes: &mut Vec<String>,
    ) -> Result<KeyPlan, String> {
        let old = row.key.get();
        let algorithm = match (template, old) {
            (Some(certificate), _) => certificate.algorithm.clone(),
            (None, Some(key)) => key.algorithm.clone(),
            (None, None) => {
                let usual =
                    sibling_algorithm(self.inventory, row).unwrap_or_else(|| signer.algorithm.clone());
                match self.configured_key(row) {
                    Some((key, source)) if *key != usual => {
                        notes.push(format!("its key is {key}: encryptionAlgorithm of {source}"));
                        key.clone()
                    }
                    _ => usual,
                }
            }
        };
        if self.options.reuse_keys {
            let key =
                old.ok_or_else(|| format!("--reuse-keys: its key is not usable: {}", why_not(&row.key)))?;
            return Ok(KeyPlan { algorithm: key.algorithm.clone(), encoding: key.encoding, reuse: true });
        }
        let asked = self.options.key_algorithm.as_ref().filter(|_| !is_kubelets(&row.name));
        let algorithm = match asked {
            Some(asked) if *asked != algorithm => {
                notes.push(format!("new key {asked} instead of {algorithm} (--key-algorithm)"));
                asked.clone()
            }
            _ => algorithm,
        };
        if algorithm.can_be_generated() {
            let encoding = old.map(|key| key.encoding).filter(|encoding| fits(*encoding, &algorithm));
            let encoding = encoding.unwrap_or(KeyEncoding::of_kubeadm(&algorithm));
            return Ok(KeyPlan { algorithm, encoding, reuse: false });
        }
        let key = old.filter(|key| key.algorithm == algorithm).ok_or_else(|| {
            format!(
                "its key is {algorithm}, which can't be made here, and the old one is not usable: {}",
                why_not(&row.key)
            )
        })?;
        notes.push(format!("the old key is kept: a new {algorithm} key can't be made here"));
        Ok(KeyPlan { algorithm, encoding: key.encoding, reuse: true })
    }

    /// The kind of key that kubeadm would make for a certificate, and where it is configured.
    fn configured_key(&self, row: &Row) -> Option<(&KeyAlgorithm, &str)> {
        let configured = self.inventory.facts.configured.as_ref().filter(|_| !is_kubelets(&row.name))?;
        Some((configured.key.as_ref()?, &configured.source))
    }
}

/// Whether the kubelet makes it, in every cluster alike.
pub(super) fn is_kubelets(name: &str) -> bool {
    [catalog::KUBELET_CLIENT, catalog::KUBELET_SERVING].contains(&name)
}

pub(super) fn why_not<T>(item: &Parsed<T>) -> String {
    match item {
        Parsed::Missing => "it is missing".to_owned(),
        Parsed::Unreadable(reason) => reason.clone(),
        Parsed::Present(_) => "it belongs to another certificate".to_owned(),
    }
}

pub(super) fn fits(encoding: KeyEncoding, algorithm: &KeyAlgorithm) -> bool {
    encoding == KeyEncoding::Pkcs8 || encoding == KeyEncoding::of_kubeadm(algorithm)
}

/// The algorithm of another leaf certificate of the same CA: a cluster uses one for all.
pub(super) fn sibling_algorithm(inventory: &Inventory, row: &Row) -> Option<KeyAlgorithm> {
    if is_kubelets(&row.name) {
        // P-256 keys (client-go certificate_manager.go).
        return Some(KeyAlgorithm::EcdsaP256);
    }
    let authority = catalog::cert_spec(&row.name)?.authority;
    let sibling = inventory.leaves.iter().find(|leaf| {
        let known =
            leaf.row.certificate.get().is_some_and(|certificate| certificate.algorithm.can_be_generated());
        leaf.spec.authority == authority && known
    })?;
    sibling.row.certificate.get().map(|certificate| certificate.algorithm.clone())
}
