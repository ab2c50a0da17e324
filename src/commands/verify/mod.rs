//! `verify …`: whether everything works again after a renewal.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;

pub mod cluster;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check nodes, pods, logs, aggregated APIs and certificate requests
    Cluster(cluster::Args),
}

pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Cluster(args) => cluster::run(args, context),
    }
}
