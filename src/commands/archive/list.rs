//! `archive list`.

use std::path::PathBuf;

use crate::disk::archive;
use crate::error::{Exit, Outcome};
use crate::report::archive_list;
use crate::session::Context;
use crate::session::input::source::RootArgs;

/// Arguments of `archive list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Where the archives are [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let found = archive::list(&root, args.archive_dir.as_deref());
    if found.is_empty() {
        context.out.say("There is no archive here.");
        return Ok(Exit::Fine);
    }
    let mut broken = false;
    let rows = found.into_iter().map(|path| {
        let name = path.display().to_string();
        match archive::open(&path).map(|(_, verified)| verified.manifest) {
            Ok(Some(made)) => [name, made.created.to_string(), made.node, made.command],
            Ok(None) => [name, String::new(), String::new(), "not made by kuberescue".to_owned()],
            Err(error) => {
                broken = true;
                [name, String::new(), String::new(), error.to_string()]
            }
        }
    });
    let table = archive_list(rows.collect());
    context.out.result(&table);
    Ok(if broken { Exit::Findings } else { Exit::Fine })
}
