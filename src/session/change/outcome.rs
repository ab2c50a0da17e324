//! The result of a change, as a document.

use std::path::Path;

use super::Prepared;
use crate::analysis::node::findings::Finding;
use crate::error::Exit;
use crate::report::{LeftToDo, Recovery};

impl<'a> Recovery<'a> {
    /// The result, or the predicted one: `archive` is set once the node has been changed; `after` is what
    /// remains wrong.
    pub fn of(
        prepared: &'a Prepared,
        archive: Option<&'a Path>,
        after: &'a [Finding],
        dry_run: bool,
        exit: Exit,
    ) -> Self {
        let (plan, before) = (&prepared.plan, prepared.findings.as_slice());
        let (changed, exit_code) = (archive.is_some(), exit as u8);
        let etcd_snapshot = prepared.etcd_snapshot.as_ref();
        let manual_actions = LeftToDo::of(plan);
        let outside = prepared.outside();
        Self {
            dry_run,
            changed,
            exit_code,
            archive,
            etcd_snapshot,
            plan,
            manual_actions,
            outside,
            before,
            after,
        }
    }
}
