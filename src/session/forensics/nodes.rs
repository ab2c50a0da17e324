//! Diagnosing many nodes in one run, on several threads, each node forgotten but for its diagnosis.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::each::each;
use crate::analysis::forensics::diagnosis::{Diagnosis, diagnose};
use crate::analysis::forensics::fleet::{Brief, Nodes, Unreadable};
use crate::analysis::forensics::timeline::Timeline;
use crate::analysis::node::findings::{Finding, Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::disk::Root;
use crate::error::Error;
use crate::session::Context;
use crate::session::input::host_state::{is_whole_disk, look_around, look_into};
use crate::session::input::source::RootArgs;
use crate::state::Snapshot;

pub struct Read {
    pub snapshot: Snapshot,
    pub inventory: Inventory,
    pub around: HostState,
    /// Where they were read from; `None` for an archive.
    pub root: Option<Root>,
    /// The entire content of an archive, including its logs.
    pub archive: Option<Snapshot>,
}

impl Read {
    /// Reads a node from its root or an archive. `at` is the time of evaluation, if the user set one.
    ///
    /// # Errors
    /// There is no readable node.
    pub fn of(args: &RootArgs, at: Option<Timestamp>) -> Result<Self, Error> {
        let (snapshot, inventory, root) = args.read_all()?;
        Ok(match root {
            Some(root) => {
                let around = look_around(&root, &snapshot, &inventory, at.is_none());
                Self { snapshot, inventory, around, root: Some(root), archive: None }
            }
            None => {
                let (own, around) = look_into(&snapshot, &inventory);
                Self { snapshot: own, inventory, around, root: None, archive: Some(snapshot) }
            }
        })
    }

    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let Self { snapshot, inventory, around, .. } = self;
        findings(Node { snapshot, inventory, around }, now)
    }

    pub fn diagnose(
        &self,
        source: &Path,
        timeline: Option<&Timeline>,
        now: Timestamp,
        horizon: SignedDuration,
    ) -> Diagnosis {
        let Self { snapshot, inventory, around, .. } = self;
        let node = Node { snapshot, inventory, around };
        let mut diagnosis = diagnose(node, timeline, &source.display().to_string(), now, horizon);
        if self.root.as_ref().is_some_and(|root| !root.is_live() && is_whole_disk(root)) {
            diagnosis.verdict.on_disk(source);
        }
        diagnosis
    }
}

pub fn diagnose_all(
    sources: &[PathBuf],
    cert_dir: Option<&Path>,
    at: Option<Timestamp>,
    horizon: SignedDuration,
    context: &mut Context<'_>,
) -> Nodes {
    let now = at.unwrap_or(context.now);
    let (mut briefs, mut unreadable) = (Vec::new(), Vec::new());
    let read = |source: &PathBuf| brief(source, cert_dir, at, now, horizon);
    for result in each(sources, "nodes", read, context) {
        match result {
            Ok(brief) => briefs.push(brief),
            Err(failed) => unreadable.push(failed),
        }
    }
    Nodes::of(briefs, unreadable, now)
}

fn brief(
    source: &Path,
    cert_dir: Option<&Path>,
    at: Option<Timestamp>,
    now: Timestamp,
    horizon: SignedDuration,
) -> Result<Brief, Unreadable> {
    let args = RootArgs { root: source.to_owned(), cert_dir: cert_dir.map(Path::to_owned) };
    match Read::of(&args, at) {
        Ok(read) => Ok(Brief::of(read.diagnose(source, None, now, horizon), &read.inventory)),
        Err(failure) => Err(Unreadable { source: source.display().to_string(), why: failure.message }),
    }
}
