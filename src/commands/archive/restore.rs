//! `archive restore`: restores an archived state through the same transaction as every change.

use std::path::PathBuf;

use crate::analysis::forensics::restore::Options;
use crate::disk::archive;
use crate::error::{Exit, Outcome};
use crate::report::{ArchiveFormat, Restoration, restore_text};
use crate::session::Context;
use crate::session::change::restore::{carry_out, prepare};
use crate::session::input::source::RootArgs;

const KIND: &str = "ArchiveRestore";

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
    /// Output format; with json and yaml the plan in words goes to stderr
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: ArchiveFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let root = args.root.open()?;
    let (snapshot, verified) = archive::open(&args.file)?;
    let options = Options { exact: args.exact, accept_node: args.accept_node };
    let prepared = prepare(root, &args.root, &snapshot, verified.manifest.is_some(), options, context)?;
    context.out.result(&restore_text(&prepared.plan));
    prepared.refuse(context)?;
    let mut done = Restoration {
        dry_run: args.dry_run,
        restored: false,
        source: &args.file,
        archive: None,
        plan: &prepared.plan,
    };
    if prepared.changes.is_empty() || args.dry_run {
        context.out.document(KIND, &done);
        context.out.say(if prepared.changes.is_empty() {
            "Nothing to restore: the node is in the state of the archive."
        } else {
            "Dry run: nothing was written."
        });
        return Ok(Exit::Fine);
    }
    context.confirm("Restore this state?", args.yes)?;
    let old = carry_out(&prepared, args.archive_dir.as_deref(), context)?;
    (done.restored, done.archive) = (true, Some(old.as_path()));
    context.out.result("Restored: the node is in the state of the archive.\n");
    context.out.document(KIND, &done);
    context.out.say(&format!("hint: sudo kuberescue rollback undoes this, from {}", old.display()));
    if prepared.root.is_live() {
        context
            .out
            .say("hint: sudo kuberescue recover restarts what uses the old files, and verifies the node");
    }
    Ok(Exit::Fine)
}
