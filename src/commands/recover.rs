//! `recover`: the full repair in the safe order, with one command.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::forensics::diagnosis::verdict;
use crate::analysis::node::findings::{Finding, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{CaSelection, Condition, Options, Outlook, Plan, Selection};
use crate::error::{Error, Exit, Outcome};
use crate::report::{
    DocumentFormat, Expiration, Recovery, Restarting, Summary, cluster_plan, condition_text,
    finding_sections, manual_actions, next, next_steps, no_blocker, node_and_state, outside_text, plan_text,
    preflight_lines, remaining, renewed, restart_plan,
};
use crate::session::Context;
use crate::session::change::arguments::ChangeArgs;
use crate::session::change::{Issued, Prepared, prepare};
use crate::session::input::arguments::parse_duration;
use crate::session::recovery::host::HostArgs;
use crate::session::recovery::preflight::{Preflight, preflight};
use crate::session::recovery::{self, Live, Restart};
use crate::state::text::root_option;
use crate::state::{Code, Subject};

/// Arguments of `recover`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    host: HostArgs,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
    /// Renew the CAs that have expired, with their own keys, for ten years: what they have signed works again
    #[arg(long)]
    renew_cas: bool,
    /// Renew what expires within DURATION, such as 30d, before it stops the node: for timers. Where nothing is due and
    /// nothing blocks, nothing is written or restarted
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    renew_before: Option<SignedDuration>,
    /// Save a snapshot of etcd beside the archive before anything is stopped or changed, as NAME.etcd.db
    #[arg(long)]
    etcd_snapshot: bool,
    /// Restart static pods this way, on a running node
    #[arg(long, value_enum, default_value_t = Restart::Cri, value_name = "HOW")]
    restart: Restart,
    /// Wait this long for the node to be healthy again
    #[arg(long, default_value = "300s", value_name = "DURATION", value_parser = parse_duration)]
    proof_timeout: SignedDuration,
    /// Do not restart workloads that use old certificates; DaemonSets such as etcd-defrag are only listed
    #[arg(long)]
    no_rollout: bool,
    /// Roll back when the node is not healthy by then
    #[arg(long)]
    rollback_on_failure: bool,
    /// Show every finding, certificate and check
    #[arg(short, long)]
    verbose: bool,
}

impl Args {
    fn live(&self) -> Live<'_> {
        Live {
            host: &self.host,
            restart: self.restart,
            proof_timeout: self.proof_timeout.unsigned_abs(),
            rollback_on_failure: self.rollback_on_failure,
            etcd_snapshot: self.etcd_snapshot,
            archive_dir: self.change.write.archive_dir.as_deref(),
            rollout: !self.no_rollout,
            yes: self.change.write.yes,
            dry_run: self.change.write.dry_run,
            verbose: self.verbose,
            left: 0,
        }
    }

    /// The same command on the same node.
    fn on_this_node(&self, command: &str) -> String {
        let root = &self.change.write.root.root;
        if root == Path::new("/") {
            return format!("sudo kuberescue {command}");
        }
        format!("kuberescue {command}{}", root_option(root))
    }

    fn options(&self) -> Result<Options, Error> {
        let authorities = if self.renew_cas { CaSelection::Expired } else { CaSelection::None };
        Ok(Options { authorities, ..self.change.options(Selection::All, true, self.renew_before)? })
    }

    fn restarting<'a>(&self, prepared: &Prepared, looked: Option<&'a Preflight>) -> Restarting<'a> {
        match looked {
            Some(looked) => Restarting::Live {
                restarts: &looked.restarts,
                quorum: looked.quorum.as_ref(),
                proof: self.proof_timeout.unsigned_abs(),
                rollout: !self.no_rollout,
            },
            None if prepared.is_live() => Restarting::NotWanted,
            None => Restarting::Disk,
        }
    }

    fn on_host(&self, prepared: &Prepared) -> bool {
        prepared.is_live() && self.restart != Restart::None
    }
}

/// Reissues everything that has expired or is broken; on a running node restarts what must read it and proves
/// that the node is healthy.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let change = &args.change.write;
    context.out.reserve();
    let options = args.options()?;
    let mut prepared = prepare(change, &options, context)?;
    change.refuse_other_time(prepared.root())?;
    let is_due = args.renew_before.is_some() && !prepared.plan.is_empty();
    if !prepared.findings.iter().any(|finding| options.stands(finding)) && !is_due {
        let findings = prepared.findings.clone();
        if args.on_host(&prepared) && args.renew_before.is_none() {
            let exit = recovery::without_change(&mut prepared, &args.live(), &findings, context)?;
            context.out.document("Recovery", &Recovery::of(&prepared, None, &findings, change.dry_run, exit));
            return Ok(exit);
        }
        let exit = if args.renew_before.is_some() {
            nothing_due(&findings, context)
        } else {
            nothing_to_do(&prepared.plan, &findings, context)
        };
        context.out.document("Recovery", &Recovery::of(&prepared, None, &findings, change.dry_run, exit));
        return Ok(exit);
    }
    let verdict = verdict(&prepared.inventory, &prepared.findings, &prepared.plan, prepared.now);
    context.out.result(&node_and_state(&prepared.inventory, &verdict, prepared.now));
    let mut details = format!(
        "{}\n{}\n{}\n",
        finding_sections(&prepared.findings),
        tables("Before", &prepared.inventory, prepared.now),
        plan_text(&prepared.plan)
    );
    let is_repairable = prepared.plan.repair.outlook() != Outlook::NotRepairable;
    if !prepared.plan.refusals.is_empty() || !is_repairable {
        let shown = if args.verbose { details } else { finding_sections(&prepared.findings) };
        context.out.result(&format!("\n{shown}\n"));
        prepared.refuse(context)?;
        return Err(not_repairable(&prepared));
    }
    let issued = prepared.issue_shown(context)?;
    let directory = change.archive_dir.as_deref();
    if args.etcd_snapshot {
        prepared.look_at_etcd(Some(&issued.inventory), directory, context)?;
    }
    let looked = look(args, &prepared, &issued, &mut details)?;
    if change.dry_run {
        details.push_str(&format!("\n{}\n", tables("After (predicted)", &issued.inventory, prepared.now)));
    }
    if args.verbose {
        context.out.result(&format!("\n{details}\n"));
    }
    let left: Vec<_> = issued.findings.iter().filter(|finding| finding.is_blocker()).collect();
    let things = prepared.plan.manual_actions().len() + left.len();
    let exit = if things > 0 { Exit::ActionRequired } else { Exit::Fine };
    let summary = Summary {
        verdict: &verdict,
        plan: &prepared.plan,
        archive: &prepared.planned_archive(directory, context),
        restarting: args.restarting(&prepared, looked.as_ref()),
        undo: &args.on_this_node("rollback"),
        is_short: !args.verbose,
    };
    context.out.result(&summary.text());
    context.out.result(&remaining(left));
    for condition in &prepared.plan.repair.conditions {
        context.out.result(&format!("Condition: {}\n", condition_text(*condition)));
    }
    if change.dry_run {
        context.out.result(&outside_text(&prepared.outside()));
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        context.out.result(&next(&args.on_this_node("recover")));
        context.out.document("Recovery", &Recovery::of(&prepared, None, &issued.findings, true, exit));
        return Ok(exit);
    }
    confirm(&prepared.plan.repair.conditions, change.yes, context)?;
    prepared.lock(context)?;
    if args.etcd_snapshot {
        prepared.save_etcd(Some(&issued.inventory), directory, context)?;
    }
    carry_out(args, &prepared, issued, looked.as_ref(), details, context)
}

/// Applies the plan, restarts what must read it, and reports what remains.
fn carry_out(
    args: &Args,
    prepared: &Prepared,
    issued: Issued,
    looked: Option<&Preflight>,
    mut details: String,
    context: &mut Context<'_>,
) -> Outcome {
    let directory = args.change.write.archive_dir.as_deref();
    let done = prepared.carry_out(issued, directory, context)?;
    let mut after = format!("\n{}\n", tables("After", &done.inventory, prepared.now));
    if !done.findings.is_empty() {
        after.push_str(&format!("\n{}", finding_sections(&done.findings)));
    }
    details.push_str(&after);
    let steps = next_steps(&prepared.plan.restarts, prepared.is_live(), &prepared.names());
    prepared.keep_report(directory, &format!("{details}\n{steps}"), context);
    if args.verbose {
        context.out.result(&after);
    }
    let left: Vec<_> = done.findings.iter().filter(|finding| finding.is_blocker()).collect();
    let things = prepared.plan.manual_actions().len() + left.len();
    let next_step = match looked {
        Some(looked) => {
            let live = Live { left: things, ..args.live() };
            recovery::revive_and_prove(prepared, &done.inventory, looked, &live, context)?
        }
        None => {
            context.out.result(&renewed(prepared.plan.steps.len(), things));
            if args.verbose {
                context.out.result(&format!("\n{steps}"));
            }
            match prepared.is_live() {
                true => "sudo kuberescue recover restarts what still uses old files, and verifies the node"
                    .to_owned(),
                false => {
                    "start the node from this disk; where it runs already, sudo kuberescue recover on it"
                        .to_owned()
                }
            }
        }
    };
    context.out.result(&remaining(left));
    context.out.result(&manual_actions(&prepared.plan));
    context.out.result(&outside_text(&prepared.outside()));
    context.out.result(&next(&next_step));
    let exit = if things > 0 { Exit::ActionRequired } else { Exit::Fine };
    let archive = Some(done.archive.as_path());
    context.out.document("Recovery", &Recovery::of(prepared, archive, &done.findings, false, exit));
    Ok(exit)
}

/// On a running node: checks the requirements of the change and the restart, and adds both to the details.
fn look(
    args: &Args,
    prepared: &Prepared,
    issued: &Issued,
    details: &mut String,
) -> Result<Option<Preflight>, Error> {
    if !args.on_host(prepared) {
        return Ok(None);
    }
    let elsewhere = args.change.write.archive_dir.is_some();
    let looked = preflight(prepared, issued, &args.host, args.restart == Restart::Cri, elsewhere)?;
    details.push_str(&format!("{}\n", preflight_lines(&looked.lines)));
    let grace = args.host.grace.unsigned_abs();
    details.push_str(&restart_plan(&looked.restarts, looked.quorum.as_ref(), grace));
    details.push_str(&format!(
        "Then all ports, the API server, the nodes and this node's lease are checked for up to {} s.\n",
        args.proof_timeout.as_secs()
    ));
    details.push_str(cluster_plan(!args.no_rollout));
    Ok(Some(looked))
}

/// Asks for each condition separately, then for the plan.
fn confirm(conditions: &[Condition], yes: bool, context: &mut Context<'_>) -> Result<(), Error> {
    for condition in conditions {
        let question = match condition {
            Condition::SameCaOnAllNodes => "Is the CA on this node the same on all control-plane nodes?",
        };
        context.confirm(question, yes)?;
    }
    context.confirm("Apply this plan?", yes)
}

/// Nothing in this plan would remove a blocker.
fn not_repairable(prepared: &Prepared) -> Error {
    let remaining = &prepared.plan.repair.remaining;
    let first = remaining.first();
    let (code, what, hint) = first.map_or((Code::NotRepairable, String::new(), String::new()), |blocker| {
        (blocker.code, format!("{}: {}", blocker.subject, blocker.what), blocker.remedy.reason.clone())
    });
    Error::refused(code, format!("reissuing certificates does not repair this node: {what}")).hint(hint)
}

/// What a timer hears every night.
fn nothing_due(findings: &[Finding], context: &mut Context<'_>) -> Exit {
    context.out.result(&format!("Nothing is due: {}.\n", no_blocker(findings)));
    context.out.say("Nothing was written or restarted.");
    recovery::exit_of_accepted(findings)
}

fn nothing_to_do(plan: &Plan, findings: &[Finding], context: &mut Context<'_>) -> Exit {
    context.out.result(&format!("Nothing to recover: {}.\n", no_blocker(findings)));
    if !findings.is_empty() {
        context.out.result(&format!("\n{}", finding_sections(findings)));
    }
    if plan.refusals.is_empty() {
        context.out.say(&format!("hint: {}", last_hint(findings)));
    }
    recovery::exit_of_accepted(findings)
}

/// What to do where nothing blocks: renew what expires, or else the command of the first warning, or `diagnose`.
fn last_hint(findings: &[Finding]) -> String {
    let kubeadms = |finding: &&Finding| matches!(finding.subject, Subject::Leaf(_));
    let expired = |finding: &&Finding| matches!(finding.code, Code::Expired | Code::Expiring);
    let names: Vec<_> = findings.iter().filter(expired).filter(kubeadms).map(|f| &f.subject).collect();
    let first = findings.iter().find(|finding| finding.severity >= Severity::Warning);
    match (names.as_slice(), first) {
        ([one], _) => format!("sudo kuberescue certs renew {one}"),
        ([], Some(Finding { remedy, .. })) => {
            let all = || "sudo kuberescue diagnose shows what to do about each of these".to_owned();
            remedy.command.as_ref().map_or_else(all, |command| format!("sudo {command}"))
        }
        _ => "sudo kuberescue certs renew all renews certificates before they expire".to_owned(),
    }
}

fn tables(heading: &str, inventory: &Inventory, now: Timestamp) -> String {
    let report = Expiration { inventory, findings: &[], now, width: None };
    format!("{heading}:\n\n{}", report.tables(false))
}
