//! CA certificates that are reissued with their own keys: what such a step is, what keeps one from it, and the files with
//! copies.
//!
//! Name, key and key identifiers stay, so that whoever has the new certificate accepts everything that the old one
//! signed, and what the new one signs is accepted by whoever still has the old one, as long as that has not expired.

use std::path::PathBuf;

use serde::Serialize;

use super::{Dates, Refusal, Step};
use crate::analysis::node::findings::authority_key_problem;
use crate::analysis::node::inventory::{CaRow, Inventory, Parsed};
use crate::formats::ca_copies;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::KubeconfigError;
use crate::state::catalog::{self, Ca};
use crate::state::text;
use crate::state::{Code, Content, Snapshot};

/// Which CA certificates are reissued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaSelection {
    None,
    /// Those that have expired.
    Expired,
    All,
    One(Ca),
}

/// A CA certificate that is reissued with its own key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaStep {
    /// kubeadm's name.
    pub name: &'static str,
    #[serde(skip)]
    pub authority: Ca,
    pub subject: String,
    /// The CA's certificate file, as configured.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// Every file of this node with a copy of it, its own among them. Free of links.
    #[serde(serialize_with = "text::list")]
    pub files: Vec<PathBuf>,
    pub old: Dates,
    pub new: Dates,
    /// The old one with the new dates: what can be signed with it is known before it is made.
    #[serde(skip)]
    pub renewed: Certificate,
}

/// The CA's certificate, if it can be reissued with its own key; otherwise why not.
pub(super) fn obstacle(row: &CaRow) -> Result<&Certificate, (Code, String)> {
    let certificate = match &row.certificate {
        Parsed::Missing => return Err((Code::CaMissing, "its certificate is missing".to_owned())),
        Parsed::Unreadable(why) => return Err((Code::CaUnreadable, why.clone())),
        Parsed::Present(certificate) => certificate,
    };
    if !certificate.is_ca {
        return Err((Code::NotACa, "its certificate is not a CA certificate".to_owned()));
    }
    if certificate.subject_der != certificate.issuer_der {
        let why =
            format!("it is an intermediate CA, issued by {}, which has to renew it", certificate.issuer);
        return Err((Code::Unsupported, why));
    }
    if let Some(problem) = authority_key_problem(row, certificate) {
        return Err(problem);
    }
    let file = row.key_path.display();
    match row.key.get().map(|key| (key, key.unsupported())) {
        Some((_, Some(kind))) => {
            Err((Code::Unsupported, format!("kuberescue cannot sign with its key ({kind})")))
        }
        Some((key, None)) if !key.can_sign() => {
            Err((Code::CaKeyUnreadable, format!("its key {file} is damaged")))
        }
        _ => Ok(certificate),
    }
}

/// The files with a copy of a CA; or one in which it cannot be replaced, and why.
pub(super) fn copies(snapshot: &Snapshot, ca: &Certificate) -> Result<Vec<PathBuf>, (PathBuf, String)> {
    changing(snapshot, |bytes| Ok(ca_copies::replaced(bytes, ca, ca)?.is_some()))
}

/// The files in which copies of a CA would change; or one in which they cannot, and why.
pub(super) fn changing(
    snapshot: &Snapshot,
    changes: impl Fn(&[u8]) -> Result<bool, KubeconfigError>,
) -> Result<Vec<PathBuf>, (PathBuf, String)> {
    let mut files = Vec::new();
    for (path, entry) in snapshot.iter() {
        let Content::File(bytes) = &entry.content else { continue };
        if path.starts_with(catalog::RESCUE_DIR) {
            continue;
        }
        match changes(bytes) {
            Ok(false) => {}
            Ok(true) => files.push(path.to_owned()),
            Err(why) => return Err((path.to_owned(), why.to_string())),
        }
    }
    Ok(files)
}

/// Leaf certificates that name their CA by its serial number, which is another one afterwards, and are not reissued.
pub(super) fn named_by_serial(
    inventory: &Inventory,
    authorities: &[CaStep],
    steps: &[Step],
) -> Option<Refusal> {
    let stays = |name: &str| !steps.iter().any(|step| step.name == name);
    let is_of = |certificate: &Certificate| {
        authorities.iter().any(|step| certificate.signed_by(&step.renewed).is_ok())
    };
    let row = inventory.rows().find(|row| {
        let named = row.certificate.get().filter(|certificate| certificate.names_issuer_by_serial);
        named.is_some_and(|certificate| stays(&row.name) && is_of(certificate))
    })?;
    Some(Refusal {
        code: Code::WrongAuthority,
        what: format!(
            "{} names its CA by serial number ({}): openssl would reject it under the renewed CA",
            row.name,
            row.path.display()
        ),
        hint: "reissue it first: sudo kuberescue certs renew all".to_owned(),
        partial_helps: false,
    })
}
