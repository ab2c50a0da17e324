//! Copies of the cluster's CA in kubeconfigs that are not the CA of this node.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{CaRow, Row};
use crate::formats::certificate::Certificate;
use crate::state::catalog::Ca;

/// A CA certificate inside a kubeconfig that is not the node's.
#[derive(Clone, Debug)]
pub struct ForeignCa {
    pub path: PathBuf,
    /// What is wrong with its copy.
    pub what: String,
    /// Whether certificates that the node's CA signs are valid under the copy too, its dates aside.
    pub same_key: bool,
    /// Expiry of its first certificate, if it has one.
    pub not_after: Option<Timestamp>,
}

/// What copies of a CA say of a certificate that the node's CA signs.
///
/// Go looks for the issuer by its name in DER, byte for byte, and then checks the signature with its key; the key
/// identifiers only decide the order (crypto/x509 `cert_pool.go` findPotentialParents, `verify.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The CA itself is among them, or the one that issued it.
    Yes,
    /// Another certificate of the same name and key is.
    SameKey,
    /// The key is the same, and the name is not, or not in the same encoding: Go finds no issuer.
    OtherName,
    /// None of them has to do with it.
    No,
}

/// Whether a client that trusts `copies` accepts what the CA `own` signs, their dates aside. `bundle` is its file.
pub fn trusts(copies: &[Certificate], own: &Certificate, bundle: &[Certificate]) -> Trust {
    let is = |copy: &Certificate| copy.der == own.der;
    if copies.iter().any(is) || is_issued_by(own, copies, bundle) {
        return Trust::Yes;
    }
    let same_key = || copies.iter().filter(|copy| copy.spki == own.spki);
    if same_key().any(|copy| copy.subject_der == own.subject_der) {
        return Trust::SameKey;
    }
    if same_key().next().is_some() { Trust::OtherName } else { Trust::No }
}

/// Whether one of `roots` issued an intermediate CA, by way of the certificates of its own file.
fn is_issued_by(own: &Certificate, roots: &[Certificate], bundle: &[Certificate]) -> bool {
    let mut next = Some(own);
    for _ in 0..=bundle.len() {
        let Some(current) = next.filter(|one| one.subject_der != one.issuer_der) else { return false };
        if roots.iter().any(|root| root.is_ca && current.signed_by(root).is_ok()) {
            return true;
        }
        next = bundle.iter().find(|above| above.is_ca && current.signed_by(above).is_ok());
    }
    false
}

/// The copies in these credentials that differ from the node's own CA.
pub(super) fn authorities<'a>(authorities: &[CaRow], rows: impl Iterator<Item = &'a Row>) -> Vec<ForeignCa> {
    let row = authorities.iter().find(|row| row.authority == Ca::Cluster);
    let Some((row, own)) = row.and_then(|row| Some((row, row.certificate.get()?))) else { return Vec::new() };
    let (mut found, mut good) = (Vec::new(), None);
    for (path, pem) in rows.filter_map(|row| row.embedded_authority.as_ref()) {
        if good == Some(pem) {
            continue;
        }
        let copies = Certificate::all_from_pem(pem);
        let (what, same_key) = match copies.as_ref().map(|copies| trusts(copies, own, &row.bundle)) {
            Ok(Trust::Yes) => {
                good = Some(pem);
                continue;
            }
            Ok(Trust::SameKey) => ("an older certificate of the same key", true),
            Ok(Trust::OtherName) => ("a certificate of the same key under another name (encoding)", false),
            Ok(Trust::No) => ("another CA", false),
            Err(_) => ("an unreadable CA", false),
        };
        let not_after = copies.ok().and_then(|copies| copies.first().map(|copy| copy.not_after));
        found.push(ForeignCa { path: path.clone(), what: what.to_owned(), same_key, not_after });
    }
    found
}

#[cfg(test)]
mod tests;
