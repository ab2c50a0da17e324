//! `etcd snapshot …`: snapshots, as etcdctl saves them.

mod save;
mod status;
mod verify;

use crate::error::Outcome;
use crate::session::Context;

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Save a snapshot of this node's etcd, as etcdctl snapshot save does
    Save(save::Args),
    /// Show hash, revision, keys and size, as etcdctl snapshot status does
    Status(status::Args),
    /// Verify the SHA-256 at the end of a snapshot, and read every page and record
    Verify(verify::Args),
}

pub(super) fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Save(args) => save::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Verify(args) => verify::run(args, context),
    }
}
