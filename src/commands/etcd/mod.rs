//! `etcd`: its members and its data.

pub mod rescue;

use crate::error::Outcome;
use crate::session::Context;

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Repair a lost quorum: make this node's member a cluster of one, when the others are gone for good
    Rescue(rescue::Args),
}

/// Runs the chosen subcommand.
///
/// # Errors
/// Those of the subcommand.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Rescue(args) => rescue::run(args, context),
    }
}
