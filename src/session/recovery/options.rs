//! How a running node is revived: what the commands pass on.

use std::path::Path;
use std::time::Duration;

use super::host::HostArgs;
use crate::live::probe::Report;
use crate::report::{ProbeFormat, ProbeReport};
use crate::session::Context;

/// How static pods are restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Restart {
    /// Their containers are stopped through the container runtime's socket
    Cri,
    /// Their manifests are moved away and back: for a runtime that can't be asked
    Manifest,
    /// Not at all: what is left to do is printed
    None,
}

pub struct Live<'a> {
    pub host: &'a HostArgs,
    pub restart: Restart,
    /// How long the node may take to be healthy.
    pub proof_timeout: Duration,
    /// Whether the old state is restored if it isn't.
    pub rollback_on_failure: bool,
    /// Whether a snapshot of etcd is saved before anything is stopped.
    pub etcd_snapshot: bool,
    /// The directory of archives, if it isn't the default.
    pub archive_dir: Option<&'a Path>,
    /// Whether workloads that read renewed files are restarted.
    pub rollout: bool,
    /// Whether confirmation is skipped.
    pub yes: bool,
    pub dry_run: bool,
    /// Whether every check is shown, also where all is well.
    pub verbose: bool,
    /// How many things are left to do after the change.
    pub left: usize,
}

impl Live<'_> {
    /// Shows the checks, if something is wrong or all of them are wanted.
    pub(super) fn show(&self, report: &Report, context: &mut Context<'_>) {
        if self.verbose || !report.is_green() {
            context.out.result(&format!("\n{}\n", ProbeReport { report }.render(ProbeFormat::Table)));
        }
    }
}
