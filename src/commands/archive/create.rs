//! `archive create`.

use std::path::PathBuf;

use crate::disk::archive;
use crate::error::{Exit, Outcome};
use crate::session::Context;
use crate::session::input::source::{RootArgs, about, archived, could_not};

/// Arguments of `archive create`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Where to put it [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Show what would be archived, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let (snapshot, inventory) = args.root.read_from(&root)?;
    let old = archived(&snapshot);
    if args.dry_run {
        let paths: Vec<_> = old.iter().map(|(path, _)| path.display().to_string()).collect();
        context.out.lines(&paths);
        context.out.say("Dry run: nothing was written.");
        return Ok(Exit::Fine);
    }
    let about = about(&inventory, "archive create", context);
    let written = archive::write(&root, args.archive_dir.as_deref(), &old, &about)
        .map_err(|error| could_not(&error).hint("another place for the archive: --archive-dir DIR"))?;
    context.out.lines(&[written.path.display().to_string()]);
    for (path, why) in old.unread() {
        context.out.say(&format!("NOT IN THE ARCHIVE: {}: {why}", path.display()));
    }
    context.out.say("Read back and verified. It holds private keys: keep it as safe as the node itself.");
    Ok(Exit::Fine)
}
