//! `archive diff`: what differs between an archive and the node, or between two archives.

use std::path::PathBuf;

use crate::analysis::forensics::compare::{Comparison, credentials, paths};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::scope;
use crate::disk::archive::{self, Verified};
use crate::error::{Exit, Outcome};
use crate::report::{ArchiveFormat, Compared};
use crate::session::Context;
use crate::session::input::source::{RootArgs, archived};
use crate::state::Snapshot;

/// Arguments of `archive diff`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archive with the first state
    #[arg(value_name = "ARCHIVE")]
    before: PathBuf,
    /// Archive with the second state [default: the node as it is now]
    #[arg(value_name = "OTHER")]
    after: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: ArchiveFormat,
}

/// Exit 1 if anything differs, as in `diff`.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let (before, verified) = archive::open(&args.before)?;
    let (before, before_inventory) = comparable(before, &verified, args)?;
    let (after, after_inventory) = match &args.after {
        Some(other) => {
            let (snapshot, verified) = archive::open(other)?;
            comparable(snapshot, &verified, args)?
        }
        None => {
            let root = args.root.open()?;
            let (snapshot, inventory) = args.root.read_beside(&root, &before)?;
            (archived(&snapshot), inventory)
        }
    };
    let (paths, same) = paths(&before, &after);
    let comparison =
        Comparison { credentials: credentials(&before_inventory, &after_inventory), paths, same };
    let after = args.after.as_ref().unwrap_or(&args.root.root);
    let compared = Compared { before: &args.before, after, comparison: &comparison };
    context.out.result(&compared.render(args.output, context.now));
    Ok(if comparison.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// A plain tar may hold an entire disk: only what this tool archives is compared.
fn comparable(
    snapshot: Snapshot,
    verified: &Verified,
    args: &Args,
) -> Result<(Snapshot, Inventory), crate::error::Error> {
    let inventory = args.root.inventory_of(&snapshot)?;
    let snapshot = match &verified.manifest {
        Some(_) => snapshot,
        None => scope::within(&snapshot, &inventory.facts),
    };
    Ok((snapshot, inventory))
}
