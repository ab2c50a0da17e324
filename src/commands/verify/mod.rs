//! `verify …`: whether all came back after certificates were renewed.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod cluster;

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Ask the API server for pods that don't run, TLS errors in the control plane's logs, waiting kubelets
    Cluster(cluster::Args),
}

/// Runs one of the commands.
///
/// # Errors
/// As the command says.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Cluster(args) => cluster::run(args, context),
    }
}
