//! What a timer renews: only what expires soon.

use jiff::{SignedDuration, Timestamp};

use super::decide::Decision;
use super::{Action, Dates, Step, Why};
use crate::analysis::node::inventory::Row;

/// What a new certificate must be valid for beyond the old one: with its CA it would be due again, every day.
const GAIN: SignedDuration = SignedDuration::from_hours(24);

impl Decision<'_> {
    /// Whether a certificate expires within the time that was asked for.
    pub(super) fn expires_soon(&self, row: &Row) -> bool {
        let limit = self.limit();
        row.certificate.get().zip(limit).is_some_and(|(certificate, limit)| certificate.not_after <= limit)
    }

    /// Leaves out what isn't due: valid for longer than was asked for, and without a fault. On a node that is to be
    /// repaired everything is due.
    pub(super) fn leave_what_is_not_due(&mut self) {
        let Some(limit) = self.limit() else { return };
        if self.options.whole_node && self.findings.iter().any(|finding| self.options.stands(finding)) {
            return;
        }
        let steps = std::mem::take(&mut self.steps);
        let (due, not_due): (Vec<Step>, _) =
            steps.into_iter().partition(|step| step.action != Action::Renew || self.is_due(step, limit));
        self.steps = due;
        for step in not_due {
            let until = step.old.map_or(step.new.not_after, |old| old.not_after);
            self.skip(&step.name, step.long_name, Why::NotDue { until }, false);
        }
    }

    fn limit(&self) -> Option<Timestamp> {
        self.now.checked_add(self.options.due_within?).ok()
    }

    fn is_due(&self, step: &Step, limit: Timestamp) -> bool {
        let Some(Dates { not_after, .. }) = step.old else { return true };
        let gains = step.new.not_after.duration_since(not_after) >= GAIN;
        not_after <= self.now || (not_after <= limit && gains) || self.wants_reissue(&step.name)
    }
}
