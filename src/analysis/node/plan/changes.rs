//! What a plan changes, as far as findings and restarts depend on it.

use std::path::PathBuf;

use super::{CaReplacement, CaStep, Signing, Step, StoreChange};
use crate::state::catalog::Ca;

/// What a plan changes.
#[derive(Clone, Copy)]
pub(super) struct Changes<'a> {
    pub(super) authorities: &'a [CaStep],
    pub(super) replaced: Option<&'a CaReplacement>,
    pub(super) signing: Option<&'a Signing>,
    pub(super) steps: &'a [Step],
    pub(super) store: &'a [StoreChange],
}

impl Changes<'_> {
    /// The CAs that change, each with the files in which it does.
    pub(super) fn of_cas(&self) -> impl Iterator<Item = (Ca, &[PathBuf])> {
        let renewed = self.authorities.iter().map(|step| (step.authority, step.files.as_slice()));
        renewed.chain(self.replaced.map(|new| (new.authority, new.files.as_slice())))
    }
}
