//! `recover`: the main job, in the safe order, with one command.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::node::findings::{Finding, Severity, findings};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Selection;
use crate::error::{Error, Exit, Outcome};
use crate::report::{
    Expiration, cluster_plan, finding_lines, next_steps, plan_text, preflight_lines, restart_plan,
};
use crate::session::Context;
use crate::session::change::{ChangeArgs, prepare};
use crate::session::input::arguments::parse_duration;
use crate::session::recovery;
use crate::session::recovery::host::HostArgs;
use crate::session::recovery::preflight::preflight;
use crate::session::recovery::{Live, Restart};
use crate::state::Code;

/// Arguments of `recover`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    host: HostArgs,
    /// How static pods are restarted on a running node
    #[arg(long, value_enum, default_value_t = Restart::Cri, value_name = "HOW")]
    restart: Restart,
    /// How long the node may take to be well again
    #[arg(long, default_value = "300s", value_name = "DURATION", value_parser = parse_duration)]
    proof_timeout: SignedDuration,
    /// Don't restart what the cluster runs with old files (DaemonSets such as etcd-defrag), only name it
    #[arg(long)]
    no_rollout: bool,
    /// Put the old state back when the node isn't well by then
    #[arg(long)]
    rollback_on_failure: bool,
}

impl Args {
    fn live(&self) -> Live<'_> {
        Live {
            host: &self.host,
            restart: self.restart,
            proof_timeout: self.proof_timeout.unsigned_abs(),
            rollback_on_failure: self.rollback_on_failure,
            rollout: !self.no_rollout,
            yes: self.change.yes,
            dry_run: self.change.dry_run,
        }
    }
}

/// Reissues everything where something has ended or is broken; on a running node restarts what has to read it
/// and proves that the node is back.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let change = &args.change;
    let mut prepared = prepare(change, Selection::All, context)?;
    let on_host = prepared.is_live() && args.restart != Restart::None;
    if prepared.is_live() && change.at.is_some() && !change.dry_run {
        return Err(Error::could_not_run(
            "--at is for dry runs and for disks: a running node has its own clock",
        )
        .hint("leave --at out, or add --dry-run"));
    }
    let before = findings(&prepared.inventory, prepared.now);
    if !before.iter().any(is_blocker) {
        if on_host {
            return recovery::without_change(&mut prepared, &args.live(), &before, context);
        }
        return Ok(nothing_to_do(&before, context));
    }
    context.out.result(&format!("What is wrong ({} findings):\n{}\n", before.len(), finding_lines(&before)));
    context.out.result(&tables("Before", &prepared.inventory, prepared.now));
    context.out.result(&format!("\n{}\n", plan_text(&prepared.plan)));
    prepared.refuse(context)?;
    if prepared.plan.steps.is_empty() {
        let failure =
            Error::refused(Code::NothingToRenew, "nothing of this can be repaired by issuing certificates");
        return Err(failure.hint("see the reasons in the plan above"));
    }
    let changes = prepared.issue()?;
    let looked = if on_host {
        let elsewhere = change.archive_dir.is_some();
        let looked = preflight(&prepared, &changes, &args.host, args.restart == Restart::Cri, elsewhere)?;
        context.out.result(&format!("{}\n", preflight_lines(&looked.lines)));
        let grace = args.host.grace.unsigned_abs();
        context.out.result(&restart_plan(&looked.work.lines(), looked.quorum.as_ref(), grace));
        context.out.result(&format!(
            "Then every port, the API server, the nodes and this node's lease are probed, for at most {} s.\n",
            args.proof_timeout.as_secs()
        ));
        context.out.result(cluster_plan(!args.no_rollout));
        Some(looked)
    } else {
        None
    };
    if change.dry_run {
        let predicted = prepared.predicted(&changes);
        context.out.result(&format!("\n{}\n", tables("After (predicted)", &predicted, prepared.now)));
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Apply this plan?", change.yes)?;
    prepared.lock(context)?;
    let done = prepared.carry_out(&changes, change, context)?;
    context.out.result(&format!("\n{}\n", tables("After", &done.inventory, prepared.now)));
    let left = findings(&done.inventory, prepared.now);
    if !left.is_empty() {
        context.out.result(&format!("\nStill to be seen to:\n{}", finding_lines(&left)));
    }
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    match &looked {
        Some(looked) => {
            recovery::revive_and_prove(&prepared, &done.inventory, looked, &args.live(), context)?
        }
        None => {
            let steps = next_steps(&prepared.plan.restarts, prepared.is_live(), &prepared.names());
            context.out.result(&format!("\n{steps}"));
        }
    }
    let person = prepared.plan.needs_action() || left.iter().any(is_blocker);
    Ok(if person { Exit::ActionRequired } else { Exit::Fine })
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
