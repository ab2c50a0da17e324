//! `resume`: finishes what was interrupted: brings manifests back that a restart has moved away, then ends the
//! change.

use crate::disk::parking::parked;
use crate::disk::transaction::{self, Direction, Journal, Resumed, State};
use crate::error::{Error, Exit, Outcome};
use crate::session::Context;
use crate::session::change::{sweep, take_lock};
use crate::session::input::source::{RootArgs, could_not};
use crate::session::recovery::manifests::{beside, bring_back};

/// Arguments of `resume`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Skip confirmation (it asks none; for symmetry)
    #[arg(short, long)]
    yes: bool,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
}

/// Brings manifests back, and finishes an interrupted change or clears away what is left of one that hadn't begun.
///
/// # Errors
/// A file is neither old nor new: then nothing is touched. A manifest can't be brought back.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let away = parked(&root).map_err(|error| could_not(&error))?;
    let pending = transaction::pending(&root).map_err(|error| could_not(&error))?;
    if away.is_none() && pending.is_none() {
        if !args.dry_run {
            sweep(&root, context);
        }
        context.out.result("Nothing to resume: no change was interrupted.\n");
        return Ok(Exit::Fine);
    }
    if let Some(away) = &away {
        let count = away.manifests.len();
        context.out.say(&format!("Brings {count} manifests back that an interrupted restart has moved away"));
    }
    if let Some(journal) = &pending {
        context.out.say(&what_is_left(journal));
    }
    if args.dry_run {
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    let lock = take_lock(&root, context)?;
    // First of all: until they are back the control plane is down.
    let exit = bring_back(&root, &lock, context).map_err(|failure| beside(failure, pending.as_ref()))?;
    if pending.is_none() {
        return Ok(exit);
    }
    let resumed = transaction::resume(&root, &lock, &context.operator, context.now).map_err(|error| {
        Error::manual_action(error)
            .hint("kuberescue rollback undoes the change; the archive holds the old state")
    })?;
    context.out.result(match resumed {
        Resumed::Nothing => "Nothing to resume: no change was interrupted.\n",
        Resumed::Cleaned { .. } => {
            "The change had not begun: its preparations were removed, everything is as before.\n"
        }
        Resumed::Completed { journal } if journal.undoes.is_none() => {
            "The interrupted change is complete: everything is new.\n"
        }
        Resumed::Completed { .. } | Resumed::Undone { .. } => {
            "The interrupted rollback is complete: everything is as before the change.\n"
        }
    });
    if root.is_live() {
        context.out.say("hint: kuberescue recover restarts what has to read the files as they are now, and proves that all is well");
    }
    Ok(exit)
}

fn what_is_left(journal: &Journal) -> String {
    let Journal { command, started, changes, .. } = journal;
    let paths = changes.len();
    let how = match (journal.state, journal.direction) {
        (State::Committed, Direction::Forward) if journal.undoes.is_some() => {
            "was committed: completes it, everything will be as before the change that it undoes"
        }
        (State::Staging, _) => "had not begun: takes its preparations away, everything stays as it was",
        (_, Direction::Forward) => "was committed: completes it, everything will be new",
        (_, Direction::Backward) => "was being rolled back: completes that, everything will be as before it",
    };
    format!("\"{command}\" of {started:.0} ({paths} paths) {how}")
}
