//! CA certificates that are reissued with their own keys: which ones, what keeps one from it, and the files with copies.
//!
//! Name, key and key identifiers stay, so that whoever has the new certificate accepts everything that the old one
//! signed, and what the new one signs is accepted by whoever still has the old one, as long as that has not expired.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Serialize;

use super::decide::Decision;
use super::{BACKDATE_SECONDS, Dates, Refusal, Selection, Step, refuse};
use crate::analysis::node::inventory::{CaRow, Inventory, Parsed};
use crate::formats::ca_copies;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::state::catalog::{self, Ca};
use crate::state::text;
use crate::state::time::minute;
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

impl Decision<'_> {
    /// Plans the selected CAs, and returns what keeps the others of the selection from it.
    pub(super) fn authorities(&mut self) -> Vec<(Ca, Refusal)> {
        let mut refusals = Vec::new();
        for row in &self.inventory.authorities {
            let wanted = match self.options.authorities {
                CaSelection::None => false,
                CaSelection::Expired => row.certificate.get().is_some_and(|ca| ca.expired_at(self.now)),
                CaSelection::All => true,
                CaSelection::One(authority) => authority == row.authority,
            };
            if !wanted {
                continue;
            }
            match self.authority(row) {
                Ok(step) => self.authorities.push(step),
                Err(refusal) => refusals.push((row.authority, refusal)),
            }
        }
        if let CaSelection::One(authority) = self.options.authorities
            && self.inventory.authority(authority).is_none()
        {
            let what = format!("cannot renew the CA {}: this node has none", authority.name());
            let hint = "sudo kuberescue certs check-expiration shows the CAs of this node".to_owned();
            refusals.push((authority, Refusal { code: Code::CaMissing, what, hint, partial_helps: false }));
        }
        refusals
    }

    fn authority(&self, row: &CaRow) -> Result<CaStep, Refusal> {
        let name = row.authority.name();
        let refused = |code, why: &str, hint| Refusal {
            code,
            what: format!("cannot renew the CA {name} ({}): {why}", row.certificate_path.display()),
            hint,
            partial_helps: true,
        };
        let old = match obstacle(row, |key| self.signs(row.authority, key)) {
            Ok(certificate) => certificate,
            Err((code, why)) => {
                let leaves = self.options.selection != Selection::Nothing;
                let partial = if leaves { refuse::or_partial(code) } else { "" };
                return Err(refused(code, &why, format!("{}{partial}", refuse::authority_hint(code, row))));
            }
        };
        let impossible =
            |why: String| refused(Code::IssueFailed, &why, "choose fewer days with --days N".to_owned());
        let validity = SignedDuration::from_hours(i64::from(self.options.ca_days) * 24);
        let new = self.life(BACKDATE_SECONDS, validity).map_err(impossible)?;
        if new.not_after <= old.not_after {
            let why = format!(
                "it is valid until {} already, and would expire earlier with {} days",
                minute(old.not_after),
                self.options.ca_days
            );
            let hint = "ask for more days: --days N".to_owned();
            return Err(refused(Code::NothingToRenew, &why, hint));
        }
        let files = copies(self.snapshot, old).map_err(|(path, why)| {
            let why = format!("its copy in {} cannot be replaced: {why}", path.display());
            let hint = format!("write certificate-authority-data in {} on one line", path.display());
            refused(Code::NotReplaceable, &why, hint)
        })?;
        Ok(CaStep {
            name,
            authority: row.authority,
            subject: old.subject.clone(),
            path: row.certificate_path.clone(),
            files,
            old: Dates { not_before: old.not_before, not_after: old.not_after },
            new,
            renewed: Certificate { not_before: new.not_before, not_after: new.not_after, ..old.clone() },
        })
    }
}

/// The CA's certificate, if it can be reissued with its own key; otherwise why not.
pub(super) fn obstacle(
    row: &CaRow,
    signs: impl Fn(&PrivateKey) -> bool,
) -> Result<&Certificate, (Code, String)> {
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
    let file = row.key_path.display();
    match &row.key {
        Parsed::Missing => Err((Code::CaKeyMissing, format!("its key {file} was not found"))),
        Parsed::Unreadable(why) => Err((Code::CaKeyUnreadable, format!("its key {file}: {why}"))),
        Parsed::Present(key) if !certificate.is_of(key) => {
            Err((Code::CaKeyMismatch, format!("its key {file} does not match its certificate")))
        }
        Parsed::Present(key) => match key.unsupported() {
            Some(kind) => Err((Code::Unsupported, format!("kuberescue cannot sign with its key ({kind})"))),
            None if !signs(key) => Err((Code::CaKeyUnreadable, format!("its key {file} is damaged"))),
            None => Ok(certificate),
        },
    }
}

/// The files with a copy of a CA; or one in which it cannot be replaced, and why.
fn copies(snapshot: &Snapshot, ca: &Certificate) -> Result<Vec<PathBuf>, (PathBuf, String)> {
    let mut files = Vec::new();
    for (path, entry) in snapshot.iter() {
        let Content::File(bytes) = &entry.content else { continue };
        if path.starts_with(catalog::RESCUE_DIR) {
            continue;
        }
        match ca_copies::replaced(bytes, ca, ca) {
            Ok(None) => {}
            Ok(Some(_)) => files.push(path.to_owned()),
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
