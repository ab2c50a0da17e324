//! Which CA certificates are reissued with their own keys.

use jiff::SignedDuration;

use super::ca::{copies, obstacle};
use super::decide::Decision;
use super::{BACKDATE_SECONDS, CaSelection, CaStep, Dates, Refusal, Selection, refuse};
use crate::analysis::node::inventory::CaRow;
use crate::formats::certificate::Parts;
use crate::state::Code;
use crate::state::catalog::Ca;
use crate::state::time::minute;

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
        let old = match obstacle(row) {
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
            renewed: Parts { not_before: new.not_before, not_after: new.not_after, ..Parts::clone(old) }
                .into(),
        })
    }
}
