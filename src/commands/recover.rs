//! `recover`: the main job, in the safe order, with one command.

use jiff::Timestamp;

use crate::analysis::diagnose::{Finding, Severity, findings};
use crate::analysis::inventory::Inventory;
use crate::analysis::plan::Selection;
use crate::report::{Exit, Expiration, Failure, Outcome, finding_lines, next_steps, plan_text};
use crate::session::Context;
use crate::session::change::{ChangeArgs, prepare};

/// Arguments of `recover`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Reissues everything where something has ended or is broken.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let args = &args.change;
    let mut prepared = prepare(args, Selection::All, context)?;
    let before = findings(&prepared.inventory, prepared.now);
    if !before.iter().any(is_blocker) {
        return Ok(nothing_to_do(&before, context));
    }
    context.out.result(&format!("What is wrong ({} findings):\n{}\n", before.len(), finding_lines(&before)));
    context.out.result(&tables("Before", &prepared.inventory, prepared.now));
    context.out.result(&format!("\n{}\n", plan_text(&prepared.plan)));
    prepared.refuse(context)?;
    if prepared.plan.steps.is_empty() {
        let failure =
            Failure::refused("nothing-to-renew", "nothing of this can be repaired by issuing certificates");
        return Err(failure.hint("see the reasons in the plan above"));
    }
    let changes = prepared.issue()?;
    if args.dry_run {
        let predicted = prepared.predicted(&changes);
        context.out.result(&tables("After (predicted)", &predicted, prepared.now));
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Apply this plan?", args.yes)?;
    prepared.lock()?;
    let done = prepared.carry_out(&changes, args, context)?;
    context.out.result(&tables("After", &done.inventory, prepared.now));
    let left = findings(&done.inventory, prepared.now);
    if !left.is_empty() {
        context.out.result(&format!("\nStill to be seen to:\n{}", finding_lines(&left)));
    }
    context.out.result(&format!("\n{}", next_steps(&prepared.plan.restarts, prepared.is_live())));
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let person = prepared.plan.needs_person() || left.iter().any(is_blocker);
    Ok(if person { Exit::NeedsPerson } else { Exit::Fine })
}

fn is_blocker(finding: &Finding) -> bool {
    finding.severity == Severity::Blocker
}

fn nothing_to_do(findings: &[Finding], context: &mut Context<'_>) -> Exit {
    context
        .out
        .result("Nothing to recover: every certificate of this node is there, valid and matches its key.\n");
    if !findings.is_empty() {
        context.out.result(&format!("Worth knowing:\n{}", finding_lines(findings)));
    }
    context.out.say("hint: kuberescue certs renew all renews them all the same");
    Exit::Fine
}

fn tables(heading: &str, inventory: &Inventory, now: Timestamp) -> String {
    let report = Expiration { inventory, findings: &[], now };
    format!("{heading}:\n\n{}", report.tables(false))
}
