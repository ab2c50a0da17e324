//! `kubeconfig …`: the kubeconfigs of the machine on which this runs, an admin's workstation as a rule.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod check;
pub mod fetch;
pub mod install;
pub mod push;

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say for every context who its user is, until when, and whether its cluster's CA vouches for it
    Check(check::Args),
    /// Read the kubeconfig of a cluster from the Secret that the admin cluster keeps
    Fetch(fetch::Args),
    /// Put a new kubeconfig, once it works, in the place of the old one; the old one is kept
    Install(install::Args),
    /// Write the Secret that the admin cluster keeps from a control-plane node's admin.conf
    Push(push::Args),
}

/// Runs one of the commands.
///
/// # Errors
/// As the command says.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Check(args) => check::run(args, context),
        Command::Fetch(args) => fetch::run(args, context),
        Command::Install(args) => install::run(args, context),
        Command::Push(args) => push::run(args, context),
    }
}
