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

/// The copies in these credentials that differ from the node's own CA.
pub(super) fn authorities<'a>(authorities: &[CaRow], rows: impl Iterator<Item = &'a Row>) -> Vec<ForeignCa> {
    let own = authorities.iter().find(|row| row.authority == Ca::Cluster);
    let Some(own) = own.and_then(|row| row.certificate.get()) else { return Vec::new() };
    let mut found = Vec::new();
    for (path, pem) in rows.filter_map(|row| row.embedded_authority.as_ref()) {
        let copies = Certificate::all_from_pem(pem);
        let (what, same_key) = match &copies {
            Ok(copies) if copies.iter().any(|copy| copy.der == own.der) => continue,
            Ok(copies) if copies.iter().any(|copy| copy.spki == own.spki) => {
                ("an older certificate of the same key", true)
            }
            Ok(_) => ("another CA", false),
            Err(_) => ("an unreadable CA", false),
        };
        let not_after = copies.ok().and_then(|copies| copies.first().map(|copy| copy.not_after));
        found.push(ForeignCa { path: path.clone(), what: what.to_owned(), same_key, not_after });
    }
    found
}
