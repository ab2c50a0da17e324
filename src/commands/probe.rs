//! `probe`: live ports, served certificates and API health.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Exit, Outcome};
use crate::live::probe::{Options, probe};
use crate::report::{ProbeFormat, ProbeReport};
use crate::session::Context;
use crate::session::input::arguments::{parse_duration, parse_time};
use crate::session::input::source::RootArgs;
use crate::session::recovery::host::not_a_host;

/// Arguments of `probe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Evaluate certificates as of TIME: 2027-03-01T12:00:00Z or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: ProbeFormat,
    /// Limit the time for all checks together: 10s, 1m
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = parse_duration)]
    timeout: SignedDuration,
}

/// Probes every port of the node and the API server; exit 1 if anything is wrong.
///
/// # Errors
/// There is no readable node, or it is a disk and not the running machine.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    // Checked first: a disk's addresses may be those of another running machine.
    if args.root.root.is_file() {
        return Err(not_a_host(&args.root.root));
    }
    let root = args.root.open()?;
    if !root.is_live() {
        return Err(not_a_host(&args.root.root));
    }
    let (snapshot, inventory) = args.root.read_from(&root)?;
    let options = Options {
        now: args.at.unwrap_or(context.now),
        timeout: Duration::try_from(args.timeout).unwrap_or_default(),
        renewed_since: None,
    };
    let report = probe(&inventory, &|path| snapshot.file(path).cloned(), &options);
    context.out.result(&ProbeReport { report: &report }.render(args.output));
    Ok(if report.is_green() { Exit::Fine } else { Exit::Findings })
}
