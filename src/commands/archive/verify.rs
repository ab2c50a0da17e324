//! `archive verify`: one archive, or all of a node, and the node's history.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::missing;
use super::{creation, damaged};
use crate::analysis::forensics::diagnosis::diagnose;
use crate::analysis::forensics::readiness::{Judgement, Scope};
use crate::analysis::node::findings::Node;
use crate::analysis::node::inventory::Inventory;
use crate::disk::archive::{self, Verified};
use crate::disk::history;
use crate::error::{Error, Exit, Outcome};
use crate::report::{ArchiveReport, DocumentFormat, Verification};
use crate::session::Context;
use crate::session::input::arguments::parse_time;
use crate::session::input::host_state::look_into;
use crate::session::input::source::{open_root, refuse_denied_archives};
use crate::session::input::who;
use crate::state::{Code, Snapshot};

/// The end of the path of the tool's own directory, wherever the root is.
const OWN: &str = "var/lib/kuberescue";

/// Explains the exit code.
const EXIT_CODES: &str = "READY: no blocking problem. RECOVERABLE: once it is restored, the named command repairs the node.\n\
    NOT RECOVERABLE: blocking problems remain. The findings are those of kuberescue diagnose --root ARCHIVE.\n\n\
    Exit codes: 0 every archive is READY or RECOVERABLE; 1 one is NOT RECOVERABLE or damaged, or the history is;\n\
    2 there is no archive, or it cannot be read";

/// Arguments of `archive verify`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Archive [default: all archives of the node]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Root directory of the node whose history is verified: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", alias = "rootfs")]
    root: PathBuf,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// PKI directory inside the archive [default: what the manifests say]
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
    let files = match &args.file {
        Some(file) => vec![file.clone()],
        None => archive::list(&root, None)?,
    };
    let mut history = history::verify(&root)?;
    let (mut items, mut unusable) = (Vec::new(), Vec::new());
    for file in &files {
        let read = archive::open(file).map_err(Error::from).and_then(|(snapshot, verified)| {
            Ok((who::refuse_worker(snapshot, args.cert_dir.as_deref())?, verified))
        });
        match read {
            Ok((snapshot, verified)) => {
                history.problems.extend(another_than_recorded(&history, file, &verified));
                items.push(report(file, &snapshot, &verified, args.cert_dir.as_deref(), now));
            }
            // For one named archive the error is the result; for several the others count too.
            Err(error) if args.file.is_some() => return Err(error),
            Err(failure) => {
                context.out.fail(&failure);
                unusable.push(damaged(file, &failure));
            }
        }
    }
    let verification = Verification { items, damaged: unusable, history };
    if !files.is_empty() || args.output == DocumentFormat::Table {
        context.out.result(&verification.render(args.output, now));
    }
    if files.is_empty() {
        return Err(Error::could_not_run(format!(
            "cannot verify: no archive of {} found",
            args.root.display()
        ))
        .code(Code::NoArchive)
        .hint("sudo kuberescue archive create"));
    }
    Ok(if verification.is_good() { Exit::Fine } else { Exit::Findings })
}

fn report(
    file: &Path,
    archive: &Snapshot,
    verified: &Verified,
    cert_dir: Option<&Path>,
    now: Timestamp,
) -> ArchiveReport {
    let inventory = Inventory::read(archive, cert_dir);
    let path = file.display().to_string();
    let judgement = if inventory.is_kubeadm_node() {
        let (snapshot, around) = look_into(archive, &inventory);
        let node = Node { snapshot: &snapshot, inventory: &inventory, around: &around };
        Judgement::of(diagnose(node, None, &path, now, SignedDuration::ZERO))
    } else {
        Judgement::no_node()
    };
    ArchiveReport {
        path,
        sha256: verified.sha256,
        entries: verified.entries,
        bytes: verified.bytes,
        creation: verified.manifest.as_ref().map(creation),
        scope: verified.manifest.is_none().then(|| Scope::of(archive, &inventory.facts)),
        missing: missing(archive),
        judgement,
    }
}

/// A recorded archive must be the file that it was then. Another one of the same name may be elsewhere: only
/// those in the tool's own directory are known by their names.
fn another_than_recorded(history: &history::Check, file: &Path, verified: &Verified) -> Option<String> {
    let is_own = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with(OWN));
    if !is_own(file) {
        return None;
    }
    let named = history.records.iter().filter_map(|done| done.archive.as_ref());
    let named = named.filter(|archive| is_own(&archive.path));
    let mut named = named.filter(|archive| archive.path.file_name() == file.file_name()).peekable();
    named.peek()?;
    let is_recorded = named.any(|archive| archive.sha256 == verified.sha256);
    (!is_recorded).then(|| format!("{}: intact, but not the file that the history records", file.display()))
}
