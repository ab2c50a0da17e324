//! `rollback`: undoes the last change, from its archive.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::disk::parking::parked;
use crate::disk::rescue::Rescue;
use crate::disk::transaction::{Journal, RolledBack};
use crate::disk::{self, Root, history};
use crate::error::{Exit, Outcome};
use crate::report::{DocumentFormat, UndoReport, Undone};
use crate::session::Context;
use crate::session::change::meanwhile::{NOW, tell};
use crate::session::change::undo::{TheirsArgs, last_change, sweep_unbegun, undo};
use crate::session::change::{sweep, take_lock};
use crate::session::input::source::RootArgs;
use crate::session::recovery::manifests::{beside, bring_back, moved};
use crate::session::recovery::rescue;
use crate::state::text::{count, root_option, shell_word};

const KIND: &str = "RollbackResult";

/// Arguments of `rollback`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    theirs: TheirsArgs,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Archive of the old state [default: the one that the change recorded]
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Restores what the last change replaced; before that, manifests that an interrupted restart has parked.
///
/// # Errors
/// The archive is missing or damaged, or files have changed since: then no file of the change is touched.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let root = args.root.open()?;
    if let Some(rescue) = disk::rescue::pending(&root)? {
        return roll_rescue_back(args, &root, rescue, context);
    }
    if !args.dry_run {
        sweep_unbegun(&root, context)?;
    }
    let away = parked(&root)?;
    let change = last_change(&root)?;
    let manifests = moved(away.as_ref());
    if let Some(away) = &away {
        let manifests = count(away.manifests.len(), "manifest");
        context.out.say(&format!("Restores {manifests} that an interrupted restart has moved away"));
    }
    let Some(journal) = change else {
        if away.is_some() {
            return only_manifests(&root, manifests, args.dry_run, context);
        }
        if !args.dry_run {
            sweep(&root, context);
        }
        nothing(args, &root, context);
        return Ok(Exit::Fine);
    };
    // A completed change is here only if it isn't undone yet.
    let verb = if journal.is_undoing() { "Completes the rollback" } else { "Rolls back" };
    let Journal { command, started, changes, .. } = &journal;
    context.out.say(&format!("{verb} \"{command}\" of {started:.0} ({})", count(changes.len(), "path")));
    let theirs = args.theirs.settle(&root, &journal, true, context)?;
    if args.dry_run {
        let paths = changes.iter().map(|change| format!("{}\n", change.path.display()));
        UndoReport::of(Some(&journal), manifests, &theirs, Undone::Planned, &paths.collect::<String>())
            .show(KIND, context.out);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Restore the old state?", args.yes)?;
    let lock = take_lock(&root, context)?;
    let exit = bring_back(&root, &lock, context).map_err(|failure| beside(failure, Some(&journal)))?;
    context.hold_signals();
    args.theirs.archive(&root, &args.root, &theirs, context)?;
    let archive = args.archive.as_deref();
    let done = undo(&root, &lock, &journal, archive, args.theirs.theirs(), &context.operator, context.now)?;
    context.changed = true;
    let meanwhile = done.meanwhile();
    let (result, text) = match &done {
        RolledBack::Nothing => (Undone::Nothing, "Nothing to roll back.\n".to_owned()),
        RolledBack::Cleaned { .. } => {
            (Undone::Removed, "Removed what the change had prepared: no file had changed.\n".to_owned())
        }
        RolledBack::Undone { .. } => {
            let text =
                format!("Rolled back: the old state is restored{}.\n", args.theirs.but(&theirs, &meanwhile));
            (Undone::RolledBack, text)
        }
    };
    UndoReport::of(Some(&journal), manifests, &theirs, result, &text).show(KIND, context.out);
    tell(&meanwhile, NOW, context)?;
    if root.is_live() {
        context.out.say(restart_hint(&args.root, &root, context.now));
    }
    Ok(args.theirs.judge(&root, &args.root, &theirs, exit, context))
}

/// Says what still stands of what was done before the change that was rolled back, and how to undo that too.
fn nothing(args: &Args, root: &Root, context: &mut Context<'_>) {
    let check = history::verify(root).unwrap_or_default();
    let Some(earlier) = check.standing() else {
        let text =
            "Nothing to roll back: kuberescue has changed nothing here, or it was rolled back already.";
        return UndoReport::nothing(text, args.dry_run).show(KIND, context.out);
    };
    let text = "Nothing to roll back: the last change was rolled back already.";
    UndoReport::nothing(text, args.dry_run).show(KIND, context.out);
    let (time, paths) = (earlier.time, count(earlier.paths, "path"));
    context
        .out
        .say(&format!("An earlier change still stands: \"{}\" of {time:.0} ({paths})", earlier.command));
    if let Some(archive) = earlier.archive.as_ref().filter(|archive| archive.path.is_file()) {
        let root = match root.is_live() {
            true => String::new(),
            false => root_option(&args.root.root),
        };
        let file = shell_word(&archive.path.display().to_string());
        context
            .out
            .say(&format!("hint: sudo kuberescue archive restore {file}{root} restores the state before it"));
    }
}

/// What comes next on a running node. Nothing would start with certificates that have expired.
fn restart_hint(args: &RootArgs, root: &Root, now: Timestamp) -> &'static str {
    let expired = args.read_from(root).is_ok_and(|(_, inventory)| {
        let leaves = inventory.leaves.iter().map(|leaf| &leaf.row).chain([&inventory.kubelet_client]);
        leaves.filter_map(|row| row.certificate.get()).any(|leaf| leaf.expired_at(now))
    });
    match expired {
        true => {
            "hint: the restored certificates have expired: what runs goes on with what it has read, and nothing would start with them; sudo kuberescue recover renews them"
        }
        false => "hint: sudo kuberescue restart restarts what uses the replaced files",
    }
}

fn roll_rescue_back(args: &Args, root: &Root, rescue: Rescue, context: &mut Context<'_>) -> Outcome {
    context.out.say(&rescue::in_words(&rescue, true));
    if args.dry_run {
        rescue::planned(&rescue).show(KIND, context.out);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Restore the old state?", args.yes)?;
    rescue::end(&args.root, root, rescue, true, context)?.show(KIND, context.out);
    context.out.say("hint: the quorum is lost as before; sudo kuberescue etcd rescue begins again");
    Ok(Exit::Fine)
}

/// No change, but an interrupted restart.
fn only_manifests(root: &Root, manifests: Vec<String>, dry_run: bool, context: &mut Context<'_>) -> Outcome {
    let (mut report, mut exit) = (UndoReport::nothing("", dry_run), Exit::Fine);
    report.manifests = manifests;
    if dry_run {
        report.result = Undone::Planned;
        context.out.say("Dry run: nothing was written.");
    } else {
        report.result = Undone::ManifestsRestored;
        let lock = take_lock(root, context)?;
        exit = bring_back(root, &lock, context)?;
    }
    context.out.document(KIND, &report);
    Ok(exit)
}
