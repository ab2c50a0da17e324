//! The pairs and kubeconfigs that flags name: these are read and renewed, not what is in kubeadm's place.

use super::{CaRow, LeafRow, Reader, Row};
use crate::analysis::node::references;
use crate::state::catalog::{CertSpec, Place};

impl Reader<'_> {
    pub(super) fn leaf(&self, spec: &CertSpec) -> Row {
        let files = references::leaf(self.facts, spec);
        match spec.place {
            Place::Pair(_) => self.pair(spec.name, files.certificate, files.key),
            Place::Kubeconfig(_) => self.kubeconfig(spec.name, &files.certificate),
        }
    }

    /// What the API server presents to those who ask for a name, as far as nothing else here is the same pair.
    pub(super) fn served_by_name(&self, leaves: &[LeafRow]) -> Vec<LeafRow> {
        let mut found: Vec<LeafRow> = Vec::new();
        let mut specs = references::SERVED_BY_NAME.iter();
        for files in references::served_by_name(self.facts) {
            let known = |leaf: &LeafRow| leaf.row.path == files.certificate;
            if !leaves.iter().any(known)
                && !found.iter().any(known)
                && let Some(spec) = specs.next()
            {
                found.push(LeafRow { spec, row: self.pair(spec.name, files.certificate, files.key) });
            }
        }
        found
    }
}

/// One pair for several uses is one row, that of its first use.
pub(super) fn without_repeated(leaves: &mut Vec<LeafRow>) {
    let pairs: Vec<_> =
        leaves.iter().map(|leaf| (leaf.row.path.clone(), leaf.row.key_path.clone())).collect();
    let mut index = 0..;
    leaves.retain(|leaf| {
        let before = pairs.iter().take(index.next().unwrap_or(0));
        !before.into_iter().any(|(path, key)| *path == leaf.row.path && *key == leaf.row.key_path)
    });
}

/// Marks what none of this cluster's CAs issued and a flag names: somebody else renews it.
pub(super) fn mark_foreign(reader: &Reader<'_>, authorities: &[CaRow], leaves: &mut [LeafRow]) {
    let own: Vec<_> = authorities.iter().filter_map(|row| row.certificate.get()).collect();
    for LeafRow { spec, row } in leaves {
        let is_judged = authorities
            .iter()
            .any(|authority| authority.authority == spec.authority && authority.certificate.get().is_some());
        let is_named = row.files.is_some() || references::place(reader.facts, spec).certificate != row.path;
        if let Some(certificate) = row.certificate.get().filter(|_| is_judged && is_named)
            && !own.iter().any(|authority| authority.subject_der == certificate.issuer_der)
        {
            row.foreign_issuer = Some(certificate.issuer.clone());
        }
    }
}
