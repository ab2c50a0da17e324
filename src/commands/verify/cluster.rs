//! `verify cluster`: whether the cluster is healthy.

use jiff::{SignedDuration, Timestamp};

use crate::error::{Exit, Outcome};
use crate::report::{ClusterFormat, cluster_report};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, ClusterArgs};
use crate::session::cluster::verify;
use crate::session::cluster::verify::Options;
use crate::session::input::arguments::{parse_duration, parse_time};

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Read logs from TIME on [default: from the start of each container]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Evaluate as of TIME: 2027-03-01T12:00:00Z or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Check pods of all namespaces, not only those of kube-system
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Wait this long for new pods to be ready: those that have just started
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_duration)]
    settle: SignedDuration,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: ClusterFormat,
}

/// Checks a cluster; exit 1 if there is a finding.
///
/// # Errors
/// No part can be read.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let cluster = Cluster::connect(&args.cluster, context)?;
    let options = Options {
        now: args.at.unwrap_or(context.now),
        since: args.since,
        all_namespaces: args.all_namespaces,
    };
    let report = match args.at {
        // Nothing becomes ready at another time than now.
        Some(_) => verify::check(&cluster, &options)?,
        None => verify::check_settled(&cluster, &options, args.settle.unsigned_abs(), context)?,
    };
    context.out.result(&cluster_report(&report, args.output));
    Ok(if report.is_green() { Exit::Fine } else { Exit::Findings })
}
