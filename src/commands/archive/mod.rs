//! `archive create|list|verify|diff|restore`: the verified archive of a node's old state.

mod create;
mod diff;
mod list;
mod restore;
mod verify;

use std::path::Path;

use crate::disk::archive::{self, Verified};
use crate::error::{Error, Kind, Outcome};
use crate::session::Context;
use crate::state::Snapshot;

/// The archive commands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Make an archive of the node's PKI, kubeconfigs, manifests and kubelet files, and verify it
    Create(create::Args),
    /// List the archives of a node
    List(list::Args),
    /// Read archives through: is every byte right, and would they bring the node back? And the history: is it whole?
    Verify(verify::Args),
    /// Show what differs between an archive and the node, or between two archives
    Diff(diff::Args),
    /// Put the node into the state that an archive holds
    Restore(restore::Args),
}

/// Runs an archive command.
///
/// # Errors
/// There is no readable node, or an archive cannot be made or is broken.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Restore(args) => restore::run(args, context),
    }
}

/// Opens an archive that the operator has named.
fn open(file: &Path) -> Result<(Snapshot, Verified), Error> {
    archive::open(file).map_err(|error| {
        let what = match &error {
            // The others name the file themselves.
            crate::disk::Error::Archive { .. } => format!("{}: {error}", file.display()),
            _ => error.to_string(),
        };
        // What could not be read says nothing of the archive.
        let unread = matches!(error, crate::disk::Error::Io { .. });
        let kind = if file.is_file() && !unread { Kind::Findings } else { Kind::CouldNotRun };
        let failure = Error { kind, ..Error::could_not_run(what) };
        failure.hint("do not rely on this archive; kuberescue archive list shows the others")
    })
}
