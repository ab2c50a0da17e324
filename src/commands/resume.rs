//! `resume`: finishes a change that was interrupted.

use crate::disk::transaction::{self, Resumed};
use crate::report::{Exit, Failure, Outcome};
use crate::session::Context;
use crate::session::change::locked;
use crate::session::source::{RootArgs, could_not};

/// Arguments of `resume`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Ask no question (it asks none; for symmetry)
    #[arg(short, long)]
    yes: bool,
}

/// Finishes an interrupted change, or clears away what is left of one that hadn't begun.
///
/// # Errors
/// A file is neither old nor new: then nothing is touched.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    if transaction::pending(&root).map_err(|error| could_not(&error))?.is_none() {
        context.out.result("Nothing to resume: no change was interrupted.\n");
        return Ok(Exit::Fine);
    }
    let lock = root.lock().map_err(|error| locked(&error))?;
    let resumed = transaction::resume(&root, &lock, context.now).map_err(|error| {
        Failure::needs_person(error)
            .hint("kuberescue rollback undoes the change; the archive holds the old state")
    })?;
    context.out.result(match resumed {
        Resumed::Nothing => "Nothing to resume: no change was interrupted.\n",
        Resumed::Cleaned { .. } => {
            "The change had not begun: its preparations were removed, everything is as before.\n"
        }
        Resumed::Completed { .. } => "The interrupted change is complete: everything is new.\n",
        Resumed::Undone { .. } => {
            "The interrupted rollback is complete: everything is as before the change.\n"
        }
    });
    Ok(Exit::Fine)
}
