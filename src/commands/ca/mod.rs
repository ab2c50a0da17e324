//! `ca`: the CAs themselves, renewed with their own keys or replaced.

mod renew;
mod replace;

use crate::analysis::node::findings::Finding;
use crate::analysis::node::plan::Options;
use crate::error::{Exit, Outcome};
use crate::report::{Recovery, finding_lines, outside_text, plan_text};
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::{Prepared, prepare};
use crate::state::Subject;
use crate::state::catalog::{CAS, Ca};

/// Renew CAs before or after they expire, or replace them.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Renew CA certificates with their own keys: what they have signed stays valid
    Renew(renew::Args),
    /// Replace a CA whose key is lost or has leaked by a new one, in steps
    Replace(replace::Args),
}

/// # Errors
/// See [`Exit`].
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Renew(args) => renew::run(args, context),
        Command::Replace(args) => replace::run(args, context),
    }
}

/// Plans, shows and makes a change of CAs. `done` is what was done, in words, and what comes next.
fn change(
    write: &WriteArgs,
    options: &Options,
    refuse: impl Fn(&Prepared) -> Outcome,
    done: impl Fn(&Prepared) -> [String; 2],
    context: &mut Context<'_>,
) -> Outcome {
    context.out.reserve();
    let mut prepared = prepare(write, options, context)?;
    context.out.result(&plan_text(&prepared.plan));
    prepared.refuse(context)?;
    refuse(&prepared)?;
    let issued = prepared.issue()?;
    context.out.result(&format!("\n{}", outside_text(&prepared.outside())));
    if write.dry_run {
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        let exit = exit(&prepared, &issued.findings);
        context.out.document("Recovery", &Recovery::of(&prepared, None, &issued.findings, true, exit));
        return Ok(exit);
    }
    context.confirm("Apply this plan?", write.yes)?;
    prepared.lock(context)?;
    let made = prepared.carry_out(issued, write.archive_dir.as_deref(), context)?;
    let [what, next] = done(&prepared);
    context.out.say(&what);
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", made.archive.display()));
    let left: Vec<_> = made.findings.iter().filter(|finding| finding.is_blocker()).collect();
    if left.is_empty() {
        context.out.say(&next);
    } else {
        let lines = finding_lines(left.iter().copied());
        context.out.say(&format!("Blocking problems that remain:\n{}", lines.trim_end()));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = exit(&prepared, &made.findings);
    let archive = Some(made.archive.as_path());
    context.out.document("Recovery", &Recovery::of(&prepared, archive, &made.findings, false, exit));
    Ok(exit)
}

/// Whether a CA that was changed still has a blocking problem.
fn exit(prepared: &Prepared, after: &[Finding]) -> Exit {
    let plan = &prepared.plan;
    let renewed = || plan.authorities.iter().map(|step| step.authority);
    let replaced = plan.replacement.as_ref().map(|new| new.authority);
    let of_it = |finding: &Finding| renewed().chain(replaced).any(|ca| finding.subject == Subject::Ca(ca));
    if after.iter().any(|finding| finding.is_blocker() && of_it(finding)) {
        Exit::ActionRequired
    } else {
        Exit::Fine
    }
}

/// The CA of this name.
///
/// # Errors
/// There is none of this name; `others` are further names.
fn named(name: &str, others: &[&str]) -> Result<Ca, String> {
    CAS.into_iter().find(|ca| ca.name() == name).ok_or_else(|| {
        let names: Vec<_> = others.iter().copied().chain(CAS.iter().map(|ca| ca.name())).collect();
        format!("one of {}", names.join(", "))
    })
}
