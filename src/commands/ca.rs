//! `ca renew`: CA certificates reissued with their own keys.

use crate::analysis::node::findings::Finding;
use crate::analysis::node::plan::{CaSelection, DEFAULT_CA_DAYS, Options, Selection};
use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, Recovery, finding_lines, outside_text, plan_text};
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::{Prepared, prepare};
use crate::state::catalog::CAS;
use crate::state::{Code, Subject};

/// Renew CAs before or after they expire.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Renew CA certificates with their own keys: what they have signed stays valid
    Renew(Args),
}

/// Arguments of `ca renew`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// ca, etcd-ca, front-proxy-ca or all
    #[arg(value_name = "NAME", default_value = "all", value_parser = selection)]
    selection: CaSelection,
    #[command(flatten)]
    write: WriteArgs,
    /// Issue CA certificates that are valid for N days
    #[arg(long, default_value_t = DEFAULT_CA_DAYS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Print the result as a table or a document; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    let Command::Renew(args) = command;
    context.out.reserve();
    let mut prepared = prepare(&args.write, &args.options(), context)?;
    context.out.result(&plan_text(&prepared.plan));
    prepared.refuse(context)?;
    if prepared.plan.authorities.is_empty() {
        return Err(Error::refused(Code::NothingToRenew, "this node has no CA")
            .hint("sudo kuberescue certs check-expiration shows its certificates"));
    }
    let issued = prepared.issue()?;
    context.out.result(&format!("\n{}", outside_text(&prepared.outside())));
    if args.write.dry_run {
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        let exit = exit(&prepared, &issued.findings);
        context.out.document("Recovery", &Recovery::of(&prepared, None, &issued.findings, true, exit));
        return Ok(exit);
    }
    context.confirm("Apply this plan?", args.write.yes)?;
    prepared.lock(context)?;
    let done = prepared.carry_out(&issued.changes, args.write.archive_dir.as_deref(), context)?;
    context.out.say(&format!("Renewed with their own keys: {}", names(&prepared)));
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let left: Vec<_> = done.findings.iter().filter(|finding| finding.is_blocker()).collect();
    if left.is_empty() {
        context.out.say(if prepared.is_live() {
            "hint: sudo kuberescue recover restarts what has to read them, and updates cluster-info"
        } else {
            "hint: a node that boots from this disk reads them"
        });
    } else {
        let lines = finding_lines(left.iter().copied());
        context.out.say(&format!("Blocking problems that remain:\n{}", lines.trim_end()));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = exit(&prepared, &done.findings);
    let archive = Some(done.archive.as_path());
    context.out.document("Recovery", &Recovery::of(&prepared, archive, &done.findings, false, exit));
    Ok(exit)
}

impl Args {
    /// The plan's options: no leaf certificate is touched.
    fn options(&self) -> Options {
        Options {
            selection: Selection::Nothing,
            authorities: self.selection,
            ca_days: self.days,
            accept: self.write.accepted(),
            whole_node: false,
            ..Options::recovery()
        }
    }
}

fn names(prepared: &Prepared) -> String {
    prepared.plan.authorities.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

/// Whether a renewed CA still has a blocking problem.
fn exit(prepared: &Prepared, after: &[Finding]) -> Exit {
    let steps = &prepared.plan.authorities;
    let of_it = |finding: &Finding| steps.iter().any(|step| finding.subject == Subject::Ca(step.authority));
    if after.iter().any(|finding| finding.is_blocker() && of_it(finding)) {
        Exit::ActionRequired
    } else {
        Exit::Fine
    }
}

/// The CA of this name.
///
/// # Errors
/// There is none of this name.
fn selection(name: &str) -> Result<CaSelection, String> {
    if name == "all" {
        return Ok(CaSelection::All);
    }
    let ca = CAS.into_iter().find(|ca| ca.name() == name);
    ca.map(CaSelection::One).ok_or_else(|| {
        let names: Vec<_> = CAS.iter().map(|ca| ca.name()).collect();
        format!("one of all, {}", names.join(", "))
    })
}
