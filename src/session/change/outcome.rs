//! What became of a node, as a document.

use std::path::Path;

use super::Prepared;
use crate::analysis::node::findings::Finding;
use crate::error::Exit;
use crate::report::Recovery;

impl<'a> Recovery<'a> {
    /// What became of a node, or would: `archive` is there once it is changed, `after` is what is wrong then.
    pub fn of(
        prepared: &'a Prepared,
        archive: Option<&'a Path>,
        after: &'a [Finding],
        dry_run: bool,
        exit: Exit,
    ) -> Self {
        let (plan, before) = (&prepared.plan, prepared.findings.as_slice());
        Self { dry_run, changed: archive.is_some(), exit_code: exit as u8, archive, plan, before, after }
    }
}
