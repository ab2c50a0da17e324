//! `rollout …`: what runs in the cluster, of which nodes know nothing.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod restart;

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Have all pods of a daemon set, deployment or stateful set made anew, as kubectl does, and wait for them
    Restart(restart::Args),
}

/// Runs one of the commands.
///
/// # Errors
/// As the command says.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Restart(args) => restart::run(args, context),
    }
}
