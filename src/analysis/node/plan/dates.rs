//! From when to when a new certificate is valid.

use jiff::{SignedDuration, Timestamp};

use super::decide::Decision;
use super::{BACKDATE_SECONDS, Dates};
use crate::formats::certificate::Certificate;

impl Decision<'_> {
    pub(super) fn dates(&self, signer: &Certificate) -> Result<(Dates, bool), String> {
        let Dates { not_before, not_after } = self.life(BACKDATE_SECONDS, self.options.days)?;
        let cut = not_after > signer.not_after;
        let not_after = if cut { signer.not_after } else { not_after };
        Ok((Dates { not_before: not_before.max(whole(signer.not_before)), not_after: whole(not_after) }, cut))
    }

    /// From `backdate` seconds before now, for `days` days.
    pub(super) fn life(&self, backdate: i64, days: u32) -> Result<Dates, String> {
        let start = self.now.checked_sub(SignedDuration::from_secs(backdate));
        let not_before = whole(start.map_err(|_| "the time is too early for a certificate".to_owned())?);
        let life = SignedDuration::from_hours(i64::from(days) * 24);
        let end = self.now.checked_add(life);
        let not_after = whole(end.map_err(|_| {
            format!("--days {days}: later than any date that a certificate can have")
        })?);
        Ok(Dates { not_before, not_after })
    }
}

/// X.509 has whole seconds.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
