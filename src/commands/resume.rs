//! `resume`: finishes what was interrupted: restores parked manifests, then completes the change.

use crate::disk::parking::parked;
use crate::disk::rescue::Rescue;
use crate::disk::transaction::{self, Direction, Journal, Resumed, State};
use crate::disk::{self, Root};
use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, UndoReport, Undone};
use crate::session::Context;
use crate::session::change::meanwhile::{NOW, tell};
use crate::session::change::undo::TheirsArgs;
use crate::session::change::{sweep, take_lock};
use crate::session::input::source::RootArgs;
use crate::session::recovery::manifests::{beside, bring_back, moved};
use crate::session::recovery::rescue;
use crate::state::Code;
use crate::state::text::count;

const KIND: &str = "ResumeResult";

/// Arguments of `resume`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Skip confirmation (resume asks for none)
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    theirs: TheirsArgs,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Restores parked manifests, and completes an interrupted change, or removes what an uncommitted one had
/// staged.
///
/// # Errors
/// A file is neither old nor new: then nothing is changed. A manifest can't be restored.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let root = args.root.open()?;
    if let Some(rescue) = disk::rescue::pending(&root)? {
        return resume_rescue(args, &root, rescue, context);
    }
    let away = parked(&root)?;
    let pending = transaction::pending(&root)?;
    let moved = moved(away.as_ref());
    if away.is_none() && pending.is_none() {
        if !args.dry_run {
            sweep(&root, context);
        }
        UndoReport::nothing("Nothing to resume: no change was interrupted.", args.dry_run)
            .show(KIND, context.out);
        return Ok(Exit::Fine);
    }
    if let Some(away) = &away {
        let manifests = count(away.manifests.len(), "manifest");
        context.out.say(&format!("Restores {manifests} that an interrupted restart has moved away"));
    }
    if let Some(journal) = &pending {
        context.out.say(&plan_text(journal));
    }
    let theirs = match &pending {
        Some(journal) => args.theirs.settle(&root, journal, false, context)?,
        None => Vec::new(),
    };
    if args.dry_run {
        UndoReport::of(pending.as_ref(), moved, &theirs, Undone::Planned, "").show(KIND, context.out);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    let lock = take_lock(&root, context)?;
    // First: until they are restored the control plane is down.
    let exit = bring_back(&root, &lock, context).map_err(|failure| beside(failure, pending.as_ref()))?;
    if pending.is_none() {
        UndoReport::of(None, moved, &theirs, Undone::ManifestsRestored, "").show(KIND, context.out);
        return Ok(exit);
    }
    args.theirs.archive(&root, &args.root, &theirs, context)?;
    context.hold_signals();
    let how = args.theirs.theirs();
    let resumed =
        transaction::resume(&root, &lock, how, &context.operator, context.now).map_err(|error| {
            Error::manual_action(error)
                .code(Code::InterruptedChange)
                .hint("sudo kuberescue rollback undoes the change; the archive holds the old state")
        })?;
    context.changed = true;
    let meanwhile = resumed.meanwhile();
    let but = args.theirs.but(&theirs, &meanwhile);
    let (result, text) = match resumed {
        Resumed::Nothing => (Undone::Nothing, "Nothing to resume: no change was interrupted.\n".to_owned()),
        Resumed::Cleaned { .. } => {
            (Undone::Removed, "Removed what the change had prepared: no file had changed.\n".to_owned())
        }
        Resumed::Completed { journal, .. } if journal.undoes.is_none() => (
            Undone::Resumed,
            format!("Resumed: the interrupted change is complete, every file is the new one{but}.\n"),
        ),
        Resumed::Completed { .. } | Resumed::Undone { .. } => (
            Undone::RolledBack,
            format!("Rolled back: the interrupted rollback is complete, every file is the old one{but}.\n"),
        ),
    };
    UndoReport::of(pending.as_ref(), moved, &theirs, result, &text).show(KIND, context.out);
    tell(&meanwhile, NOW, context)?;
    if root.is_live() {
        context
            .out
            .say("hint: sudo kuberescue recover restarts what uses the old files, and verifies the node");
    }
    Ok(args.theirs.judge(&root, &args.root, &theirs, exit, context))
}

fn resume_rescue(args: &Args, root: &Root, rescue: Rescue, context: &mut Context<'_>) -> Outcome {
    context.out.say(&rescue::in_words(&rescue, false));
    if args.dry_run {
        rescue::planned(&rescue).show(KIND, context.out);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    rescue::end(&args.root, root, rescue, false, context)?.show(KIND, context.out);
    context.out.say("hint: kuberescue probe");
    Ok(Exit::Fine)
}

fn plan_text(journal: &Journal) -> String {
    let Journal { command, started, changes, .. } = journal;
    let paths = count(changes.len(), "path");
    let how = match (journal.state, journal.direction) {
        (State::Committed, Direction::Forward) if journal.undoes.is_some() => {
            "was committed: completes it, every file will be the old one"
        }
        (State::Staging, _) => "was not committed: removes what it has prepared, no file changes",
        (_, Direction::Forward) => "was committed: completes it, every file will be the new one",
        (_, Direction::Backward) => "was being rolled back: completes that, every file will be the old one",
    };
    format!("\"{command}\" of {started:.0} ({paths}) {how}")
}
