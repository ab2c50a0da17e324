//! `kubeconfig …`: the kubeconfigs of an admin's workstation, and new ones.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod check;
pub mod fetch;
pub mod install;
pub mod new;
pub mod push;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check every context: user, expiry, and whether the cluster's CA issued the certificate
    Check(check::Args),
    /// Fetch a cluster's kubeconfig from its Secret in the admin cluster
    Fetch(fetch::Args),
    /// Replace an expired kubeconfig with a new one that works; the old one is kept
    Install(install::Args),
    /// Create a kubeconfig with the CA key of this node
    New(new::Args),
    /// Update a cluster's Secret in the admin cluster from a control-plane node's admin.conf
    Push(push::Args),
}

pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Check(args) => check::run(args, context),
        Command::Fetch(args) => fetch::run(args, context),
        Command::Install(args) => install::run(args, context),
        Command::New(args) => new::run(args, context),
        Command::Push(args) => push::run(args, context),
    }
}
