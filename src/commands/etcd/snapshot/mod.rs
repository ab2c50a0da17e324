//! `etcd snapshot …`: snapshots, as etcdctl saves them.

mod save;
mod status;
mod verify;

use std::path::PathBuf;

use crate::error::Outcome;
use crate::formats::bolt::ReadError;
use crate::formats::etcd::{Database, REGISTRY, Status, Totals};
use crate::report::DocumentFormat;
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

/// Which snapshot, and how it is shown.
#[derive(clap::Args, Debug)]
struct SnapshotArgs {
    /// Snapshot, or a database (member/snap/db)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

/// etcdctl's figures, the live keys and the small records: what reads every page.
fn figures(database: &mut Database<'_>) -> Result<(Totals, u64, Status), ReadError> {
    let totals = database.totals()?;
    let (resources, _) = database.resources(REGISTRY)?;
    Ok((totals, resources.total, database.status()?))
}
