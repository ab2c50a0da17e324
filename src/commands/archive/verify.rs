//! `archive verify`: one archive, many, or all of a node, and the node's history.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::disk::archive;
use crate::disk::history;
use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, Verification};
use crate::session::Context;
use crate::session::forensics::archives::{Found, Judging, find, verify_all};
use crate::session::input::arguments::parse_time;
use crate::session::input::source::{open_root, refuse_denied_archives};
use crate::state::Code;

/// Explains the states.
const STATES: &str = "READY: no blocking problem. RECOVERABLE: once it is restored, the named command repairs the node.\n\
    NOT RECOVERABLE: blocking problems remain, or archive restore leaves a part of it out.\n\
    DAMAGED: cut, changed, or no archive. UNREADABLE: permission denied, or compressed or encrypted by another program.\n\
    The findings are those of kuberescue diagnose --root ARCHIVE.";

/// Arguments of `archive verify`.
#[derive(clap::Args, Debug)]
#[command(after_help = STATES)]
pub struct Args {
    /// Archives, and directories of them (searched three levels deep) [default: all archives of the node]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Directory of archives, as in archive list
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Root directory of the node whose history is verified: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", alias = "rootfs")]
    root: PathBuf,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// PKI directory inside the archives [default: what the manifests say]
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let root =
        open_root(&args.root, "--root takes the root directory of the node whose history is to be checked")?;
    refuse_denied_archives(&root)?;
    let named = || args.paths.iter().chain(&args.archive_dir);
    let Found { files, unread } = match named().next() {
        Some(_) => find(named(), context)?,
        None => Found { files: archive::list(&root, None)?, unread: Vec::new() },
    };
    let mut history = history::verify(&root)?;
    let is_table = args.output == DocumentFormat::Table;
    let in_full = !is_table || files.len() + unread.len() == 1;
    let judging = Judging { cert_dir: args.cert_dir.as_deref(), now, in_full };
    let mut archives = verify_all(&files, judging, &mut history, context);
    archives.extend(unread);
    let is_empty = archives.is_empty();
    let verification = Verification::of(archives, history);
    if let Some(failure) = verification.only_failure() {
        // That it could not run is no result.
        if is_table || failure.exit() != Exit::Findings {
            return Err(failure.clone());
        }
        context.out.fail(failure);
    }
    if !is_empty || is_table {
        verification.show(args.output, now, context.out);
    }
    if is_empty {
        let what = format!("cannot verify: no archive of {} found", args.root.display());
        return Err(Error::could_not_run(what).code(Code::NoArchive).hint("sudo kuberescue archive create"));
    }
    for hint in verification.hints() {
        context.out.say(&format!("hint: {hint}"));
    }
    Ok(if verification.is_good() { Exit::Fine } else { Exit::Findings })
}
