//! The command line: kubeadm's words wherever kubeadm has one.

use clap::{Parser, Subcommand};

use crate::commands::{
    archive, check_expiration, diagnose, explain, kubeconfig, nodes, probe, recover, renew, restart, resume,
    rollback, rollout, verify,
};
use crate::error::{Exit, Outcome};
use crate::session::Context;

/// Revives a kubeadm control-plane node whose certificates have expired. It needs nothing but this
/// binary: no kubeadm, openssl, network or working API server.
///
/// Exit codes: 0 fine; 1 something is wrong with what was looked at; 2 could not run, nothing changed;
/// 3 failed and rolled back; 4 changed, and a person is needed; 5 refused for safety, nothing changed.
#[derive(Parser, Debug)]
#[command(name = "kuberescue", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Reissue everything that has ended or is broken: the main job, one command
    Recover(recover::Args),
    /// Say what broke, when, why, and what to do; reads only
    Diagnose(diagnose::Args),
    /// Say what the code of a finding means, how it comes about, what to do
    Explain(explain::Args),
    /// Look at certificates, renew them (kubeadm's commands)
    #[command(subcommand)]
    Certs(Certs),
    /// Make, list, verify, compare and restore archives of a node's state
    #[command(subcommand)]
    Archive(archive::Command),
    /// Look at the kubeconfigs of this machine, and bring new ones to it
    #[command(subcommand)]
    Kubeconfig(kubeconfig::Command),
    /// Ask what the node really serves and answers: ports, certificates, API server, nodes
    Probe(probe::Args),
    /// Show the nodes of the cluster, as kubectl get nodes does
    Nodes(nodes::Args),
    /// Restart static pods of the control plane: by default what runs with old files
    Restart(restart::Args),
    /// Restart what the cluster runs with old files: daemon sets, deployments, stateful sets
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Look whether a cluster is well after its certificates were renewed
    #[command(subcommand)]
    Verify(verify::Command),
    /// Finish a change that was interrupted
    Resume(resume::Args),
    /// Undo the last change, from its archive
    Rollback(rollback::Args),
}

/// `kubeadm certs …`.
#[derive(Subcommand, Debug)]
pub enum Certs {
    /// Show when the certificates end
    CheckExpiration(check_expiration::Args),
    /// Renew certificates, with the authorities on the node
    Renew(renew::Args),
}

impl Cli {
    /// Runs the command, and tells why it failed if it does.
    pub fn run(&self, context: &mut Context<'_>) -> Exit {
        match self.dispatch(context) {
            Ok(exit) => exit,
            Err(failure) => context.out.end_with(&failure),
        }
    }

    fn dispatch(&self, context: &mut Context<'_>) -> Outcome {
        match &self.command {
            Command::Recover(args) => recover::run(args, context),
            Command::Diagnose(args) => diagnose::run(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Certs(Certs::CheckExpiration(args)) => check_expiration::run(args, context),
            Command::Certs(Certs::Renew(args)) => renew::run(args, context),
            Command::Archive(command) => archive::run(command, context),
            Command::Kubeconfig(command) => kubeconfig::run(command, context),
            Command::Probe(args) => probe::run(args, context),
            Command::Nodes(args) => nodes::run(args, context),
            Command::Restart(args) => restart::run(args, context),
            Command::Rollout(command) => rollout::run(command, context),
            Command::Verify(command) => verify::run(command, context),
            Command::Resume(args) => resume::run(args, context),
            Command::Rollback(args) => rollback::run(args, context),
        }
    }
}
