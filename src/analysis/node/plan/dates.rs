//! From when to when a new certificate is valid.

use jiff::{SignedDuration, Timestamp};

use super::decide::Decision;
use super::keys::is_kubelets;
use super::replacement::Issuer;
use super::{BACKDATE_SECONDS, DEFAULT_DAYS, Dates};
use crate::analysis::node::facts::Fact;
use crate::analysis::node::inventory::Row;

impl Decision<'_> {
    /// How long kubeadm's certificates among the steps are valid, where kubeadm-config says something else than 365 days
    /// and the operator says nothing.
    pub(super) fn configured_validity(&self) -> Option<Fact<SignedDuration>> {
        // None of the kubelet's certificates is kubeadm's.
        let is_any = self.steps.iter().any(|step| !is_kubelets(&step.name));
        self.configured().filter(|_| is_any)
    }

    fn configured(&self) -> Option<Fact<SignedDuration>> {
        let configured = self.inventory.facts.configured.as_ref();
        let configured = configured.filter(|_| self.options.days.is_none())?;
        let source = format!("certificateValidityPeriod of {}", configured.source);
        Some(Fact { value: configured.validity?, source })
    }

    pub(super) fn dates(&self, row: &Row, signer: &Issuer) -> Result<(Dates, bool), String> {
        let configured = self.configured().filter(|_| !is_kubelets(&row.name));
        let validity = configured.map_or_else(|| self.requested(), |fact| fact.value);
        let Dates { not_before, not_after } = self.life(BACKDATE_SECONDS, validity)?;
        let cut = not_after > signer.not_after;
        let not_after = if cut { signer.not_after } else { not_after };
        Ok((Dates { not_before: not_before.max(whole(signer.not_before)), not_after: whole(not_after) }, cut))
    }

    /// The requested days, or 365.
    pub(super) fn requested(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.options.days.unwrap_or(DEFAULT_DAYS)) * 24)
    }

    /// From `backdate` seconds before now, valid for so long from now on.
    pub(super) fn life(&self, backdate: i64, validity: SignedDuration) -> Result<Dates, String> {
        let start = self.now.checked_sub(SignedDuration::from_secs(backdate));
        let not_before = whole(start.map_err(|_| "the time is too early for a certificate".to_owned())?);
        let end = self.now.checked_add(validity);
        let not_after = whole(end.map_err(|_| {
            format!("{} days: later than any date that a certificate can have", validity.as_hours() / 24)
        })?);
        Ok(Dates { not_before, not_after })
    }
}

/// X.509 has whole seconds.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
