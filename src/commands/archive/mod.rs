//! `archive create|list|verify|diff|restore`: the verified archive of a node's old state.

mod create;
mod diff;
mod list;
mod restore;
mod verify;

use std::path::Path;

use crate::error::{Error, Outcome};
use crate::report::Damaged;
use crate::session::Context;

/// The archive commands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Archive the node's PKI, kubeconfigs, manifests and kubelet files, and verify the archive
    Create(create::Args),
    /// List the archives of a node
    List(list::Args),
    /// Verify archives (READY, RECOVERABLE, NOT RECOVERABLE, DAMAGED) and the history of the node
    Verify(verify::Args),
    /// Show what differs between an archive and the node, or between two archives
    Diff(diff::Args),
    /// Restore the node to the state in an archive
    Restore(restore::Args),
}

/// Runs an archive command.
///
/// # Errors
/// There is no readable node, or an archive cannot be written, cannot be read or is damaged.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Restore(args) => restore::run(args, context),
    }
}

fn damaged(file: &Path, error: &Error) -> Damaged {
    Damaged { path: file.display().to_string(), code: error.code, message: error.message.clone() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
