//! `archive verify`: one archive, or all of a node, and the history of what was done to it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::open;
use crate::analysis::node::findings::{Code, Finding, Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::disk::archive::{self, Verified};
use crate::disk::history;
use crate::error::{Error, Exit, Outcome};
use crate::report::{ArchiveReport, Format, Made, Verification};
use crate::session::Context;
use crate::session::input::arguments::{parse_format, parse_time};
use crate::session::input::source::{could_not, open_root, refuse_denied_archives};
use crate::session::input::who;
use crate::state::Snapshot;

/// How the path of the tool's own directory ends, wherever the root is.
const OWN: &str = "var/lib/kuberescue";

/// Arguments of `archive verify`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The archive [default: all archives of the node]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Root directory of the node whose history is checked: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", visible_alias = "rootfs")]
    root: PathBuf,
    /// Ask about another moment: 2027-03-01T12:00:00Z or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// The PKI directory inside the archive [default: what the manifests say]
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let root =
        open_root(&args.root, "--root takes the root directory of the node whose history is to be checked")?;
    refuse_denied_archives(&root)?;
    let files = match &args.file {
        Some(file) => vec![file.clone()],
        None => archive::list(&root, None),
    };
    let mut history = history::verify(&root).map_err(|error| could_not(&error))?;
    let (mut archives, mut broken): (_, Option<Error>) = (Vec::new(), None);
    for file in files {
        match open(&file)
            .and_then(|(read, sum)| Ok((who::refuse_worker(read, args.cert_dir.as_deref())?, sum)))
        {
            Ok((snapshot, verified)) => {
                history.problems.extend(another_than_recorded(&history, &file, &verified));
                archives.push(report(&file, &snapshot, &verified, args.cert_dir.as_deref(), now));
            }
            // Of one archive that was named it is the answer; of several the others count too.
            Err(failure) if args.file.is_some() => return Err(failure),
            Err(failure) => {
                context.out.fail(&failure);
                broken = Some(failure);
            }
        }
    }
    if archives.is_empty() && broken.is_none() {
        context.out.say("There is no archive here.");
    }
    let verification = Verification { archives, history };
    context.out.result(&if args.output == Format::Json { verification.json() } else { verification.text() });
    Ok(if verification.is_good() && broken.is_none() { Exit::Fine } else { Exit::Findings })
}

fn report(
    file: &Path,
    snapshot: &Snapshot,
    verified: &Verified,
    cert_dir: Option<&Path>,
    now: Timestamp,
) -> ArchiveReport {
    let inventory = Inventory::read(snapshot, cert_dir);
    let around = HostState::default();
    let found = findings(Node { snapshot, inventory: &inventory, around: &around }, now);
    let bad = |finding: &Finding| {
        !matches!(finding.code, Code::Expired | Code::EmbeddedCaDiffers | Code::CaExpired)
    };
    ArchiveReport {
        path: file.display().to_string(),
        sha256: verified.sha256,
        entries: verified.entries,
        bytes: verified.bytes,
        omitted: snapshot.unread().map(|(path, why)| format!("{}: {why}", path.display())).collect(),
        would_bring_the_node_back: inventory.is_kubeadm_node() && !found.iter().any(bad),
        made: verified.manifest.as_ref().map(|manifest| Made {
            created: manifest.created.to_string(),
            host: manifest.host.clone(),
            node: manifest.node.clone(),
            command: manifest.command.clone(),
            version: manifest.version.clone(),
        }),
        findings: found,
    }
}

/// An archive that a change has recorded must be the file that it was then. Another one of the same name may lie
/// elsewhere: only those in the tool's own directory are known by their names.
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
    (!is_recorded).then(|| format!("{}: whole, but not the file that the history names", file.display()))
}
