//! `kubeconfig check`: the credentials of a workstation.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::analysis::workstation;
use crate::analysis::workstation::{Checked, Target};
use crate::error::{Error, Exit, Outcome};
use crate::live::handshake;
use crate::report::{KubeconfigFile, KubeconfigFormat, KubeconfigReport};
use crate::session::Context;
use crate::session::input::arguments::parse_time;
use crate::session::input::kubeconfigs;
use crate::session::input::kubeconfigs::Kubeconfigs;
use crate::state::Code;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Check these kubeconfigs; - is standard input [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Check only the current context
    #[arg(long)]
    current: bool,
    /// Fetch the certificate of each server (timeout 5s); no credential is sent, no proxy is used
    #[arg(long)]
    connect: bool,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: KubeconfigFormat,
}

/// Checks kubeconfigs: exit 1 if a context has a blocker, 2 if a file cannot be read.
///
/// # Errors
/// There is no kubeconfig.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let kubeconfigs = kubeconfigs::read(&args.files)?;
    let mut files = check(&kubeconfigs, args.current, now);
    if args.connect {
        connect(&mut files, now);
    }
    let report = KubeconfigReport { time: now, width: context.out.width(), files };
    context.out.result(&report.render(args.output));
    let mut exit = Exit::Fine;
    for file in &report.files {
        if let Some(failure) = failure(file, &kubeconfigs) {
            exit = context.out.fail(&failure);
        }
    }
    Ok(if exit == Exit::Fine && report.has_blocker() { Exit::Findings } else { exit })
}

fn check(kubeconfigs: &Kubeconfigs, only_current: bool, now: Timestamp) -> Vec<KubeconfigFile> {
    let readable: Vec<_> = kubeconfigs.files.iter().filter_map(|file| file.entries.as_ref().ok()).collect();
    // Of merged files, the first current-context counts.
    let of_all = readable.iter().find_map(|entries| entries.current.as_deref());
    let mut names: Vec<&str> = Vec::new();
    let mut files = Vec::new();
    for file in &kubeconfigs.files {
        let path = file.path.display().to_string();
        let entries = match &file.entries {
            Ok(entries) => entries,
            Err(unread) => {
                files.push(KubeconfigFile::unread(path, unread.why.clone()));
                continue;
            }
        };
        let own = [entries];
        let (all, current): (&[_], _) =
            if kubeconfigs.merged { (&readable, of_all) } else { (&own, entries.current.as_deref()) };
        let mut checked = workstation::check(&file.path, entries, all, current, &kubeconfigs.referenced, now);
        if kubeconfigs.merged {
            // The first context of a name counts, in whichever file.
            checked.retain(|context| !names.contains(&context.name.as_str()));
            names.extend(entries.contexts.iter().map(|context| context.name.as_str()));
        }
        if only_current {
            checked.retain(|context| context.current);
        }
        files.push(KubeconfigFile::read(path, current.map(str::to_owned), checked));
    }
    // No context to check is an error, not a good result.
    if only_current {
        let found = files.iter().any(|file| !file.contexts.is_empty());
        for file in files.iter_mut().filter(|file| file.contexts.is_empty() && file.error.is_none()) {
            if !(kubeconfigs.merged && found) {
                file.error = Some(no_current(file.current_context.as_deref()));
            }
        }
    }
    files
}

fn no_current(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("current-context \"{name}\" is not in the kubeconfig"),
        None => "no current-context".to_owned(),
    }
}

/// Connects to every server once, however many contexts use it.
fn connect(files: &mut [KubeconfigFile], now: Timestamp) {
    let usable = |checked: &&Checked| !checked.target.server.is_empty();
    let contexts = files.iter().flat_map(|file| &file.contexts).filter(usable);
    let mut targets: Vec<Target> = contexts.map(|checked| checked.target.clone()).collect();
    targets.sort_unstable();
    targets.dedup();
    let answers = handshake::handshake_all(&targets, now);
    for checked in files.iter_mut().flat_map(|file| &mut file.contexts) {
        let found = targets.binary_search(&checked.target).ok();
        if let Some(answer) = found.and_then(|index| answers.get(index)) {
            checked.connected(answer.clone());
        }
    }
}

fn failure(file: &KubeconfigFile, kubeconfigs: &Kubeconfigs) -> Option<Error> {
    let why = file.error.as_ref()?;
    let mut loaded = kubeconfigs.files.iter().filter(|loaded| loaded.path.display().to_string() == file.file);
    let hint = loaded.find_map(|loaded| loaded.entries.as_ref().err().map(|unread| unread.hint));
    let hint = hint.unwrap_or("run without --current to check all contexts");
    let what = format!("cannot check {}: {why}", file.file);
    Some(Error::could_not_run(what).code(Code::KubeconfigUnusable).hint(hint))
}
