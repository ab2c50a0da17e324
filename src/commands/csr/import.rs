//! `csr import DIR`: what was signed goes into its places, in one change.

use std::path::PathBuf;

use super::certificate_name;
use crate::analysis::node::findings::Finding;
use crate::error::{Exit, Outcome};
use crate::report::{DocumentFormat, Recovery, finding_lines, plan_text};
use crate::session::Context;
use crate::session::change::Prepared;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::csr::directory::Directory;
use crate::session::change::csr::import::Import;
use crate::state::text::count;

const EXAMPLES: &str = "\
Each certificate is checked first: signed by the CA of this node, with the key that waits for it, and with the user, groups, \
names and usage that this node needs. A directory of kubeadm certs generate-csr, with its keys, is taken too.

Examples:
  sudo kuberescue csr import /media/usb/cp-1 --dry-run
  sudo kuberescue csr import /media/usb/cp-1";

/// Arguments of `csr import`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The directory with the requests and the signed certificates
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only these, such as apiserver or admin.conf [default: all that were requested]
    #[arg(value_name = "NAME", value_parser = certificate_name)]
    names: Vec<String>,
    #[command(flatten)]
    write: WriteArgs,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let directory = Directory::open(&args.directory)?;
    let mut import = Import::read(&directory, &args.names, &args.write, context)?;
    if import.prepared.plan.steps.is_empty() {
        context.out.say("Everything is in place already: nothing was written.");
        if import.has_keys_to_forget() && !args.write.dry_run {
            import.prepared.lock(context)?;
            import.forget_keys()?;
        }
        let found = &import.prepared.findings;
        let exit = exit(&import.prepared, found);
        context.out.document("Recovery", &Recovery::of(&import.prepared, None, found, false, exit));
        return Ok(exit);
    }
    context.out.result(&plan_text(&import.prepared.plan));
    let issued = import.issue()?;
    if args.write.dry_run {
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        let exit = exit(&import.prepared, &issued.findings);
        let done = Recovery::of(&import.prepared, None, &issued.findings, true, exit);
        context.out.document("Recovery", &done);
        return Ok(exit);
    }
    context.confirm("Apply this plan?", args.write.yes)?;
    import.prepared.lock(context)?;
    let directory = args.write.archive_dir.as_deref();
    let done = import.prepared.carry_out(issued, directory, context)?;
    if let Err(error) = import.forget_keys() {
        context.out.note(&format!(
            "the imported keys are still in /var/lib/kuberescue/csr.json: {error}",
            error = error.message
        ));
    }
    let number = import.prepared.plan.steps.len();
    context.out.say(&format!("Imported {}", count(number, "certificate")));
    if import.prepared.is_live() {
        context.out.say("hint: kuberescue restart restarts what has to read them");
    }
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let left: Vec<_> = done.findings.iter().filter(|finding| finding.is_blocker()).collect();
    if !left.is_empty() {
        let lines = finding_lines(left.iter().copied());
        context.out.say(&format!("Blocking problems that remain:\n{}", lines.trim_end()));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = exit(&import.prepared, &done.findings);
    let archive = Some(done.archive.as_path());
    context.out.document("Recovery", &Recovery::of(&import.prepared, archive, &done.findings, false, exit));
    Ok(exit)
}

/// Whether what was imported still has a blocking problem.
fn exit(prepared: &Prepared, after: &[Finding]) -> Exit {
    let plan = &prepared.plan;
    let of_it = |finding: &Finding| plan.steps.iter().any(|step| finding.subject == step.subject());
    let left = after.iter().any(|finding| finding.is_blocker() && of_it(finding));
    let other_context = plan.steps.iter().any(|step| plan.manual_action_of(step).is_some());
    if left || other_context { Exit::ActionRequired } else { Exit::Fine }
}
