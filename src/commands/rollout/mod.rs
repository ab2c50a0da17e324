//! `rollout …`: workloads of the cluster.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod restart;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Restart workloads that still use old certificates, and wait for their new pods
    Restart(restart::Args),
}

pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Restart(args) => restart::run(args, context),
    }
}
