//! `kubeconfig …`: the kubeconfigs of the machine on which this runs, an admin's workstation as a rule.

use clap::Subcommand;

use crate::report::Outcome;
use crate::session::Context;

pub mod check;

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say for every context who its user is, until when, and whether its cluster's CA vouches for it
    Check(check::Args),
}

/// Runs one of the commands.
///
/// # Errors
/// As the command says.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Check(args) => check::run(args, context),
    }
}
