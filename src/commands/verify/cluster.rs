//! `verify cluster`: whether the cluster is well.

use jiff::Timestamp;

use crate::error::{Exit, Outcome};
use crate::report::{ClusterReport, Format};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, ClusterArgs};
use crate::session::cluster::verify;
use crate::session::cluster::verify::Options;
use crate::session::input::arguments::{parse_format, parse_time};

/// Arguments of `verify cluster`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Read the logs from this moment on [default: from the start of each container]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Judge what it says by another moment: 2027-03-01T12:00:00Z or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// The pods of all namespaces, not only those of kube-system
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// table, wide, json or yaml
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

/// Looks at a cluster; exit 1 where something is wrong or could not be asked.
///
/// # Errors
/// Nothing can be asked.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let cluster = Cluster::connect(&args.cluster, context)?;
    let options = Options {
        now: args.at.unwrap_or(context.now),
        since: args.since,
        all_namespaces: args.all_namespaces,
    };
    let report = verify::look(&cluster, &options)?;
    context.out.result(&ClusterReport { report: &report }.render(args.output));
    Ok(if report.is_green() { Exit::Fine } else { Exit::Findings })
}
