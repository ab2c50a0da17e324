//! `archive create|list|verify`: the verified archive of a node's old state.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::analysis::diagnose::{Finding, findings};
use crate::analysis::inventory::Inventory;
use crate::disk::archive;
use crate::report::{ArchiveReport, Exit, Failure, Format, Made, Outcome, archive_list};
use crate::session::Context;
use crate::session::arguments::{parse_format, parse_time};
use crate::session::source::{RootArgs, about, archived, could_not};
use crate::state::Snapshot;

/// The archive commands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Make an archive of the node's PKI, kubeconfigs, manifests and kubelet files, and verify it
    Create(CreateArgs),
    /// List the archives of a node
    List(ListArgs),
    /// Read an archive through: is every byte right, and would it bring the node back?
    Verify(VerifyArgs),
}

/// Arguments of `archive create`.
#[derive(clap::Args, Debug)]
pub struct CreateArgs {
    #[command(flatten)]
    root: RootArgs,
    /// Where to put it [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    /// Show what would be archived, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `archive list`.
#[derive(clap::Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    root: RootArgs,
    /// Where the archives are [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
}

/// Arguments of `archive verify`.
#[derive(clap::Args, Debug)]
pub struct VerifyArgs {
    /// The archive
    #[arg(value_name = "FILE")]
    file: PathBuf,
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

/// Runs an archive command.
///
/// # Errors
/// There is no readable node, or the archive cannot be made or is broken.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Create(args) => create(args, context),
        Command::List(args) => list(args, context),
        Command::Verify(args) => verify(args, context),
    }
}

fn create(args: &CreateArgs, context: &mut Context<'_>) -> Outcome {
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
    for omitted in omitted(&old) {
        context.out.say(&format!("NOT IN THE ARCHIVE: {omitted}"));
    }
    context.out.say("Read back and verified. It holds private keys: keep it as safe as the node itself.");
    Ok(Exit::Fine)
}

fn list(args: &ListArgs, context: &mut Context<'_>) -> Outcome {
    let root = args.root.open()?;
    let found = archive::list(&root, args.archive_dir.as_deref());
    if found.is_empty() {
        context.out.say("There is no archive here.");
        return Ok(Exit::Fine);
    }
    let mut broken = false;
    let rows = found.into_iter().map(|path| {
        let name = path.display().to_string();
        match archive::open(&path) {
            Ok((_, Some(made))) => [name, made.created.to_string(), made.node, made.command],
            Ok((_, None)) => [name, String::new(), String::new(), "not made by kuberescue".to_owned()],
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

/// What was on the node and could not be archived.
fn omitted(snapshot: &Snapshot) -> Vec<String> {
    snapshot.unread().map(|(path, why)| format!("{}: {why}", path.display())).collect()
}

fn verify(args: &VerifyArgs, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let (snapshot, manifest) = archive::open(&args.file).map_err(|error| {
        let exit = if args.file.is_file() { Exit::Findings } else { Exit::CouldNotRun };
        let failure = Failure { exit, ..Failure::could_not_run(&error) };
        failure.hint("do not rely on this archive; kuberescue archive list shows the others")
    })?;
    let inventory = Inventory::read(&snapshot, args.cert_dir.as_deref());
    let found = findings(&inventory, now);
    let bad = |finding: &Finding| !matches!(finding.code, "expired" | "embedded-ca-differs" | "ca-expired");
    let report = ArchiveReport {
        path: args.file.display().to_string(),
        entries: snapshot.iter().count(),
        bytes: snapshot.size(),
        omitted: omitted(&snapshot),
        would_bring_the_node_back: inventory.is_kubeadm_node() && !found.iter().any(bad),
        made: manifest.as_ref().map(|manifest| Made {
            created: manifest.created.to_string(),
            host: manifest.host.clone(),
            node: manifest.node.clone(),
            command: manifest.command.clone(),
            version: manifest.version.clone(),
        }),
        findings: found,
    };
    context.out.result(&if args.output == Format::Json { report.json() } else { report.text() });
    Ok(if report.would_bring_the_node_back && manifest.is_some() { Exit::Fine } else { Exit::Findings })
}
