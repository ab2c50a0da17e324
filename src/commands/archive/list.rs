//! `archive list`.

use std::path::PathBuf;

use super::damaged;
use crate::disk::archive;
use crate::error::{Exit, Outcome};
use crate::report::{ArchiveItem, ArchiveList, DocumentFormat};
use crate::session::Context;
use crate::session::forensics::archives::creation;
use crate::session::input::source::RootArgs;

/// Arguments of `archive list`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 every archive is intact; 1 one is damaged; 2 the directory cannot be read"
)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Directory of the archives [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let found = archive::list(&root, args.archive_dir.as_deref())?;
    let items = found.into_iter().map(|file| {
        let path = file.display().to_string();
        match archive::open(&file) {
            Ok((_, verified)) => {
                ArchiveItem { path, creation: verified.manifest.as_ref().map(creation), damage: None }
            }
            Err(error) => ArchiveItem { path, creation: None, damage: Some(damaged(&file, &error.into())) },
        }
    });
    let list = ArchiveList { items: items.collect() };
    context.out.result(&list.render(args.output, context.now));
    if list.items.is_empty() {
        context.out.say("No archives found.\nhint: sudo kuberescue archive create");
    }
    let is_damaged = list.items.iter().any(|item| item.damage.is_some());
    Ok(if is_damaged { Exit::Findings } else { Exit::Fine })
}
