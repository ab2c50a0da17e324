//! `archive restore`: the state that an archive holds, through the same transaction as every change.

use std::path::PathBuf;

use super::open;
use crate::analysis::forensics::restore::Options;
use crate::error::{Exit, Outcome};
use crate::report::{Format, restore_json, restore_text};
use crate::session::Context;
use crate::session::change::restore::{carry_out, prepare};
use crate::session::input::arguments::parse_format;
use crate::session::input::source::RootArgs;

/// Arguments of `archive restore`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The archive: one of kuberescue's, or a tar of a node's root directory
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    root: RootArgs,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    /// Remove files below the PKI, manifest and kubelet PKI directories that the archive doesn't know
    #[arg(long)]
    exact: bool,
    /// Go on although the archive is another node's
    #[arg(long)]
    accept_node: bool,
    /// Where to put the archive of the present state [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Format of a dry run's plan: table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let (snapshot, verified) = open(&args.file)?;
    let options = Options { exact: args.exact, accept_node: args.accept_node };
    let prepared = prepare(root, &args.root, &snapshot, verified.manifest.is_some(), options, context)?;
    let json = args.dry_run && args.output == Format::Json;
    context.out.result(&if json { restore_json(&prepared.plan) } else { restore_text(&prepared.plan) });
    prepared.refuse(context)?;
    if prepared.changes.is_empty() {
        context.out.say("Nothing to restore: the node holds what the archive holds.");
        return Ok(Exit::Fine);
    }
    if args.dry_run {
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Put this state back?", args.yes)?;
    let archive = carry_out(&prepared, args.archive_dir.as_deref(), context)?;
    context.out.result("The archived state is back.\n");
    context.out.say(&format!("kuberescue rollback undoes this, from {}", archive.display()));
    if prepared.root.is_live() {
        context
            .out
            .say("hint: kuberescue recover restarts what has to read the files as they are now, and proves that all is well");
    }
    Ok(Exit::Fine)
}
