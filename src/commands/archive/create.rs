//! `archive create`.

use std::path::{Path, PathBuf};

use super::shown;
use crate::disk::archive;
use crate::error::{Error, Exit, Outcome};
use crate::report::{CreatedArchive, DocumentFormat};
use crate::session::Context;
use crate::session::change::etcd_beside::Beside;
use crate::session::change::etcd_snapshot::Source;
use crate::session::forensics::archives::missing;
use crate::session::input::source::{RootArgs, about, archived};
use crate::state::Snapshot;

/// Arguments of `archive create`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 created; 2 could not run; 4 created, but a path of the node is not in it"
)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Directory for the archive [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Save a snapshot of etcd beside the archive first, as NAME.etcd.db
    #[arg(long)]
    etcd_snapshot: bool,
    /// Show what would be archived; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let (snapshot, inventory) = args.root.read_from(&root)?;
    let old = archived(&snapshot);
    let about = about(&inventory, "archive create", context);
    let beside = Beside { directory: args.archive_dir.as_deref(), about: &about };
    let etcd_snapshot = match (args.etcd_snapshot, args.dry_run) {
        (false, _) => None,
        (true, true) => Some(Source::of(&root, &inventory)?.look_beside(&beside)?),
        (true, false) => Some(Source::of(&root, &inventory)?.save_beside(&beside, context)?),
    };
    let mut created = CreatedArchive {
        path: None,
        sha256: None,
        dry_run: args.dry_run,
        etcd_snapshot,
        items: old.iter().filter(|(path, _)| !is_unread(&old, path)).map(|(path, _)| shown(path)).collect(),
        missing: missing(&old),
    };
    if !args.dry_run {
        let written = archive::write(&root, args.archive_dir.as_deref(), &old, &about)
            .map_err(|error| Error::from(error).hint("--archive-dir DIR writes it to another directory"))?;
        created.path = Some(shown(&written.path));
        created.sha256 = Some(written.sha256);
    }
    context.out.result(&created.render(args.output, context.now));
    if let Some(saved) = &created.etcd_snapshot {
        context.out.say(&saved.text());
    }
    context.out.say(if args.dry_run {
        "Dry run: nothing was written."
    } else {
        "Read back and verified. The archive holds private keys: protect it like the node itself."
    });
    let Some(missing) = created.missing_text() else { return Ok(Exit::Fine) };
    context.out.say(&missing);
    Ok(if args.dry_run { Exit::Findings } else { Exit::ActionRequired })
}

fn is_unread(snapshot: &Snapshot, path: &Path) -> bool {
    snapshot.unread().any(|(unread, _)| unread == path)
}
