//! `rollback`: undoes the last change, from its archive.

use std::path::{Path, PathBuf};

use crate::disk::parking::parked;
use crate::disk::transaction::{self, Journal, RolledBack};
use crate::disk::{Root, archive};
use crate::report::{Exit, Failure, Outcome};
use crate::session::Context;
use crate::session::change::locked;
use crate::session::manifests::bring_back;
use crate::session::source::{RootArgs, could_not};
use crate::state::Snapshot;

/// Arguments of `rollback`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Ask no question
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
            let lock = root.lock().map_err(|error| locked(&error))?;
            return bring_back(&root, &lock, context);
        }
        context
            .out
            .result("Nothing to roll back: kuberescue has changed nothing here, or it is undone already.\n");
        return Ok(Exit::Fine);
    };
    let paths: Vec<_> = journal.changes.iter().map(|change| change.path.display().to_string()).collect();
    context.out.say(&format!("Undoes \"{}\" of {}: {} paths", journal.command, journal.started, paths.len()));
    if args.dry_run {
        context.out.lines(&paths);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Put the old state back?", args.yes)?;
    let lock = root.lock().map_err(|error| locked(&error))?;
    let exit = bring_back(&root, &lock, context)?;
    let old = old_state(&root, &journal, args)?;
    let done = transaction::rollback(&root, &lock, &old, context.now).map_err(|error| {
        let failure = if error.committed() {
            Failure::needs_person(&error)
        } else {
            Failure::refused("rollback", &error)
        };
        failure.hint("files that were changed since are left alone; what they were is in the archive")
    })?;
    context.out.result(match done {
        RolledBack::Nothing => "Nothing to roll back.\n",
        RolledBack::Cleaned { .. } => {
            "The change had not begun: its preparations were removed, everything is as before.\n"
        }
        RolledBack::Undone { .. } => "The old state is back.\n",
    });
    Ok(exit)
}

fn last_change(root: &Root) -> Result<Option<Journal>, Failure> {
    if let Some(pending) = transaction::pending(root).map_err(|error| could_not(&error))? {
        return Ok(Some(pending));
    }
    let last = transaction::last(root).map_err(|error| could_not(&error))?;
    Ok(last.filter(|journal| !journal.is_undoing()))
}

/// The archive where the change recorded it, or by its name in the root's own place: a disk that was
/// mounted then may be the machine's own by now.
fn recorded_archive(root: &Root, recorded: &Path) -> PathBuf {
    let same_name = |path: &PathBuf| path.file_name() == recorded.file_name();
    let moved = || archive::list(root, None).into_iter().find(same_name);
    if recorded.is_file() { recorded.to_owned() } else { moved().unwrap_or_else(|| recorded.to_owned()) }
}

fn old_state(root: &Root, journal: &Journal, args: &Args) -> Result<Snapshot, Failure> {
    let recorded = journal.archive.as_ref();
    let path = match (&args.archive, recorded) {
        (Some(path), _) => path.clone(),
        (None, Some(archive)) => recorded_archive(root, &archive.path),
        // A change that hadn't begun needs none.
        (None, None) => return Ok(Snapshot::default()),
    };
    let (snapshot, _) = archive::open(&path).map_err(|error| {
        could_not(&error).hint("nothing was changed; name the archive of the old state with --archive FILE")
    })?;
    Ok(snapshot)
}
