//! `diagnose`: what broke, when, why, and what to do.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::diagnose::Severity;
use crate::analysis::trust::Graph;
use crate::report::html::Page;
use crate::report::{
    Detail, DiagnosisFormat, Exit, Failure, Outcome, diagnosis_json, diagnosis_metrics, diagnosis_text,
    nodes_json, nodes_text, trust,
};
use crate::session::Context;
use crate::session::arguments::{parse_diagnosis_format, parse_duration, parse_time};
use crate::session::nodes::{Read, diagnose_all};
use crate::session::source::RootArgs;

/// The horizon of a report that is kept and sent on: what is issued now for a year is in it.
const A_YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Arguments of `diagnose`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Nodes to be held side by side: root directories and archives [default: --root]
    #[arg(value_name = "NODE", conflicts_with = "root")]
    nodes: Vec<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Ask about another moment: 2027-03-01T12:00:00Z or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Show what ends within this time, in order: 2y, 90d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    horizon: Option<SignedDuration>,
    /// Show what proves each finding, and what to do
    #[arg(short, long)]
    verbose: bool,
    /// table, json, html (one file), or prometheus (for node_exporter's textfile collector)
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_diagnosis_format)]
    output: DiagnosisFormat,
}

/// Diagnoses a node; exit 1 where something keeps it from working, or should be seen to.
///
/// # Errors
/// There is no readable node.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let source = match args.nodes.as_slice() {
        [] => &args.root.root,
        [one] => one,
        several => return side_by_side(several, args, context),
    };
    let root = RootArgs { root: source.clone(), cert_dir: args.root.cert_dir.clone() };
    let read = Read::of(&root, args.at)?;
    let horizon = args.horizon.unwrap_or(match args.output {
        DiagnosisFormat::Html => A_YEAR,
        _ => SignedDuration::ZERO,
    });
    let diagnosis = read.diagnose(source, now, horizon);
    context.out.result(&match args.output {
        DiagnosisFormat::Json => diagnosis_json(&diagnosis),
        DiagnosisFormat::Html => {
            let rows = trust::rows(&Graph::read(&read.snapshot, &read.inventory, now));
            Page { diagnosis: &diagnosis, trust: &rows, timeline: None }.render()
        }
        DiagnosisFormat::Prometheus => diagnosis_metrics(&diagnosis),
        DiagnosisFormat::Table => diagnosis_text(&diagnosis, Detail { evidence: args.verbose }),
    });
    let worst = diagnosis.findings.iter().map(|told| told.finding.severity).max();
    Ok(if worst >= Some(Severity::Warning) { Exit::Findings } else { Exit::Fine })
}

fn side_by_side(nodes: &[PathBuf], args: &Args, context: &mut Context<'_>) -> Outcome {
    if matches!(args.output, DiagnosisFormat::Html | DiagnosisFormat::Prometheus) {
        return Err(Failure::could_not_run("html and prometheus are of one node")
            .hint("run it for each of them, or take table or json"));
    }
    let nodes = diagnose_all(nodes, args.root.cert_dir.as_deref(), args.at, context);
    if nodes.clusters.is_empty() {
        for failed in &nodes.unreadable {
            context.out.fail(&Failure::could_not_run(format!("{}: {}", failed.source, failed.why)));
        }
        return Err(Failure::could_not_run("none of these is a node that can be read")
            .hint("name root directories of nodes, or archives of them (tar, tar.gz)"));
    }
    context.out.result(&match args.output {
        DiagnosisFormat::Json => nodes_json(&nodes),
        _ => nodes_text(&nodes),
    });
    Ok(if nodes.has_findings() { Exit::Findings } else { Exit::Fine })
}
