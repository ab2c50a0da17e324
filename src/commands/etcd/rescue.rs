//! `etcd rescue`: a lost quorum.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, EtcdRescue, RescuePlan};
use crate::session::Context;
use crate::session::input::arguments::parse_duration;
use crate::session::input::source::RootArgs;
use crate::session::recovery::rescue::{carry_out, prepare};
use crate::state::Code;

/// Arguments of `etcd rescue`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Confirm that these members are gone for good, such as cp-2,cp-3: every member but this node's
    #[arg(long, value_name = "MEMBER", value_delimiter = ',')]
    lost: Vec<String>,
    /// Wait this long for etcd to stop, and to be healthy
    #[arg(long, default_value = "600s", value_name = "DURATION", value_parser = parse_duration)]
    timeout: SignedDuration,
    /// Show the plan and exit
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation of the plan; the lost members are confirmed with --lost
    #[arg(short, long)]
    yes: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Makes this node's etcd a cluster of one.
///
/// # Errors
/// The quorum isn't lost, this node's etcd can't be rescued, or a step failed.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let prepared = prepare(&args.root, context)?;
    let plan = &prepared.plan;
    context.out.result(&plan.text(args.timeout.unsigned_abs()));
    if args.dry_run {
        context.out.say("Dry run: nothing was changed.");
        context.out.document("EtcdRescue", &EtcdRescue::of(plan, None));
        return Ok(Exit::Fine);
    }
    confirm_lost(args, plan, context)?;
    context.confirm("Apply this plan?", args.yes)?;
    let done = carry_out(&prepared, args.timeout.unsigned_abs(), context)?;
    context.out.result(&done.text(plan));
    context.out.document("EtcdRescue", &EtcdRescue::of(plan, Some(&done)));
    Ok(Exit::Fine)
}

/// The confirmation that nothing else replaces: whether a member is gone for good can't be seen from here.
fn confirm_lost(args: &Args, plan: &RescuePlan, context: &mut Context<'_>) -> Result<(), Error> {
    let lost = plan.lost_names();
    if args.lost.is_empty() && !args.yes {
        let question =
            format!("Are {} gone for good, and will their disks never run etcd again?", lost.join(" and "));
        return context.confirm(&question, false);
    }
    let wanted: BTreeSet<&str> = lost.iter().map(String::as_str).collect();
    let named: BTreeSet<&str> = args.lost.iter().map(String::as_str).collect();
    if named == wanted {
        return Ok(());
    }
    let what = if named.is_empty() {
        "--yes does not say that the other members are gone for good".to_owned()
    } else {
        format!("--lost names {}, and the other members are {}", args.lost.join(", "), lost.join(", "))
    };
    Err(Error::could_not_run(format!("{what}; nothing was changed"))
        .code(Code::NotConfirmed)
        .hint(format!("if they are: sudo kuberescue etcd rescue --lost {}", lost.join(","))))
}
