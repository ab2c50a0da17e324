//! `rollback`: undoes the last change, from its archive.

use std::path::PathBuf;

use crate::disk::parking::parked;
use crate::disk::transaction::RolledBack;
use crate::error::{Exit, Outcome};
use crate::session::Context;
use crate::session::change::undo::{last_change, undo};
use crate::session::change::{sweep, take_lock};
use crate::session::input::source::{RootArgs, could_not};
use crate::session::recovery::manifests::{beside, bring_back};

/// Arguments of `rollback`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    /// Show what would be put back, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The archive of the old state [default: the one that the change recorded]
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

/// Puts back what the last change replaced; before that, manifests that an interrupted restart has moved away.
///
/// # Errors
/// The archive is gone or broken, or files have changed since: then no file of the change is touched.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let away = parked(&root).map_err(|error| could_not(&error))?;
    let change = last_change(&root)?;
    if let Some(away) = &away {
        let count = away.manifests.len();
        context.out.say(&format!("Brings {count} manifests back that an interrupted restart has moved away"));
    }
    let Some(journal) = change else {
        if away.is_some() {
            if args.dry_run {
                context.out.say("Dry run: nothing was written.");
                return Ok(Exit::Fine);
            }
            let lock = take_lock(&root, context)?;
            return bring_back(&root, &lock, context);
        }
        if !args.dry_run {
            sweep(&root, context);
        }
        context
            .out
            .result("Nothing to roll back: kuberescue has changed nothing here, or it is undone already.\n");
        return Ok(Exit::Fine);
    };
    let paths: Vec<_> = journal.changes.iter().map(|change| change.path.display().to_string()).collect();
    // Of a change that was done only what isn't undone yet comes here.
    let verb = if journal.is_undoing() { "Completes" } else { "Undoes" };
    context.out.say(&format!("{verb} \"{}\" of {}: {} paths", journal.command, journal.started, paths.len()));
    if args.dry_run {
        context.out.lines(&paths);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Put the old state back?", args.yes)?;
    let lock = take_lock(&root, context)?;
    let exit = bring_back(&root, &lock, context).map_err(|failure| beside(failure, Some(&journal)))?;
    let done = undo(&root, &lock, &journal, args.archive.as_deref(), &context.operator, context.now)?;
    context.out.result(match &done {
        RolledBack::Nothing => "Nothing to roll back.\n",
        RolledBack::Cleaned { .. } => {
            "The change had not begun: its preparations were removed, everything is as before.\n"
        }
        RolledBack::Undone { .. } => "The old state is back.\n",
    });
    if matches!(done, RolledBack::Cleaned { .. }) && journal.undoes.is_some() {
        context.out.say("hint: that was a rollback which had not begun; kuberescue rollback begins it anew");
    }
    if root.is_live() {
        context
            .out
            .say("hint: kuberescue restart restarts what runs with the files that were there until now");
    }
    Ok(exit)
}
