//! `archive restore`: restores an archived state through the same transaction as every change.

use std::path::PathBuf;

use crate::analysis::forensics::restore::Options;
use crate::disk::archive;
use crate::error::{Exit, Outcome};
use crate::report::{ArchiveFormat, restore_json, restore_text, yaml_of};
use crate::session::Context;
use crate::session::change::restore::{carry_out, prepare};
use crate::session::input::source::RootArgs;

/// Arguments of `archive restore`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archive: one of kuberescue's, or a tar of a node's root directory
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
    /// Remove files in the PKI, manifest and kubelet PKI directories that are not in the archive
    #[arg(long)]
    exact: bool,
    /// Restore although the archive is from another node
    #[arg(long)]
    accept_node: bool,
    /// Directory for the archive of the present state [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Output format of the plan
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: ArchiveFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let (snapshot, verified) = archive::open(&args.file)?;
    let options = Options { exact: args.exact, accept_node: args.accept_node };
    let prepared = prepare(root, &args.root, &snapshot, verified.manifest.is_some(), options, context)?;
    context.out.result(&match args.output {
        ArchiveFormat::Table => restore_text(&prepared.plan),
        ArchiveFormat::Json => restore_json(&prepared.plan),
        ArchiveFormat::Yaml => yaml_of(&restore_json(&prepared.plan)),
    });
    prepared.refuse(context)?;
    if prepared.changes.is_empty() {
        context.out.say("Nothing to restore: the node is in the state of the archive.");
        return Ok(Exit::Fine);
    }
    if args.dry_run {
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    context.confirm("Restore this state?", args.yes)?;
    let old = carry_out(&prepared, args.archive_dir.as_deref(), context)?;
    let done = "Restored: the node is in the state of the archive.";
    if args.output == ArchiveFormat::Table {
        context.out.result(&format!("{done}\n"));
    } else {
        context.out.say(done);
    }
    context.out.say(&format!("hint: sudo kuberescue rollback undoes this, from {}", old.display()));
    if prepared.root.is_live() {
        context
            .out
            .say("hint: sudo kuberescue recover restarts what uses the old files, and verifies the node");
    }
    Ok(Exit::Fine)
}
