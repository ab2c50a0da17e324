//! `recover`: the main job, in the safe order, with one command.

use crate::analysis::diagnose::{Finding, Severity, findings};
use crate::analysis::inventory::Inventory;
use crate::analysis::plan::Selection;
use crate::report::{Exit, Expiration, Failure, Outcome, finding_lines, next_steps, plan_text};
use crate::session::Context;
use crate::session::change::{ChangeArgs, Prepared, prepare};

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
    let blockers: Vec<_> =
        prepared.findings.iter().filter(|f| f.severity == Severity::Blocker).cloned().collect();
    if blockers.is_empty() {
        return Ok(nothing_to_do(&prepared, context));
    }
    context.out.result(&format!(
        "What is wrong ({} findings):\n{}\n",
        prepared.findings.len(),
        finding_lines(&prepared.findings)
    ));
    context.out.result(&tables("Before", &prepared.inventory, &prepared.findings, &prepared));
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
        let left = findings(&predicted, prepared.now);
        context.out.result(&tables("After (predicted)", &predicted, &left, &prepared));
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        return Ok(Exit::Fine);
    }
    if !args.yes {
        match context.out.ask("Apply this plan?") {
            Some(true) => {}
            Some(false) => return Err(Failure::could_not_run("not applied; nothing was changed")),
            None => {
                let failure = Failure::could_not_run("nobody is there to say yes; nothing was changed");
                return Err(failure.hint("run it again with --yes"));
            }
        }
    }
    prepared.lock()?;
    let done = prepared.carry_out(&changes, args, context)?;
    context.out.result(&tables("After", &done.inventory, &done.findings, &prepared));
    if !done.findings.is_empty() {
        context.out.result(&format!("\nStill to be seen to:\n{}", finding_lines(&done.findings)));
    }
    context.out.result(&format!("\n{}", next_steps(&prepared.plan.restarts, prepared.is_live())));
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let person =
        prepared.plan.needs_person() || done.findings.iter().any(|f| f.severity == Severity::Blocker);
    Ok(if person { Exit::NeedsPerson } else { Exit::Fine })
}

fn nothing_to_do(prepared: &Prepared, context: &mut Context<'_>) -> Exit {
    context
        .out
        .result("Nothing to recover: every certificate of this node is there, valid and matches its key.\n");
    if !prepared.findings.is_empty() {
        context.out.result(&format!("Worth knowing:\n{}", finding_lines(&prepared.findings)));
    }
    context.out.say("hint: kuberescue certs renew all renews them all the same");
    Exit::Fine
}

fn tables(heading: &str, inventory: &Inventory, findings: &[Finding], prepared: &Prepared) -> String {
    let report = Expiration { inventory, findings, now: prepared.now };
    format!("{heading}:\n\n{}", report.tables(false))
}
