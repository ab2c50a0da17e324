//! `etcd snapshot save`.

use std::path::PathBuf;

use jiff::SignedDuration;

use crate::disk::NewFile;
use crate::error::{Error, Exit, Outcome};
use crate::report::DocumentFormat;
use crate::session::Context;
use crate::session::change::etcd_snapshot::Source;
use crate::session::input::arguments::parse_duration;
use crate::session::input::source::RootArgs;

const EXAMPLES: &str = "\
From etcd itself where it answers, with the client certificate of its health check; otherwise, and with --root, \
from its database on the disk. FILE ends with the SHA-256 digest of its content, as etcdctl writes it: \
etcdctl snapshot restore and etcdutl snapshot restore take it.

Examples:
  sudo kuberescue etcd snapshot save /root/etcd.db
  sudo kuberescue etcd snapshot save etcd.db --root /mnt

Exit codes: 0 saved, read back and verified; 2 could not run, nothing was written";

/// Arguments of `etcd snapshot save`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// File to write (mode 0600); it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    root: RootArgs,
    /// Wait this long for the snapshot of a running etcd
    #[arg(long, default_value = "30m", value_name = "DURATION", value_parser = parse_duration)]
    timeout: SignedDuration,
    /// Show what would be saved; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    if args.file.symlink_metadata().is_ok() {
        let what = format!("cannot write {}: it already exists", args.file.display());
        return Err(Error::usage(what).hint("name a new file: a snapshot never replaces a file"));
    }
    let root = args.root.open()?;
    let (_, inventory) = args.root.read_from(&root)?;
    let source = Source::of(&root, &inventory)?;
    let saved = if args.dry_run {
        source.look(args.file.clone())?
    } else {
        source.save(NewFile::at(&args.file)?, args.timeout.unsigned_abs(), context)?
    };
    context.out.result(&saved.render(args.output, context.now));
    context.out.say(&saved.text());
    context.out.say(if args.dry_run {
        "Dry run: nothing was written."
    } else {
        "It holds the cluster's Secrets: protect it like the node itself."
    });
    Ok(Exit::Fine)
}
