//! `diagnose`: what broke, when, why, and what to do.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::diagnose::{Node, Severity, diagnose};
use crate::report::{Detail, Exit, Format, Outcome, diagnosis_json, diagnosis_text};
use crate::session::Context;
use crate::session::arguments::{parse_duration, parse_format, parse_time};
use crate::session::source::RootArgs;
use crate::session::surroundings::{look_around, look_into};

/// Arguments of `diagnose`.
#[derive(clap::Args, Debug)]
pub struct Args {
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
    /// table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

/// Diagnoses a node; exit 1 where something keeps it from working, or should be seen to.
///
/// # Errors
/// There is no readable node.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let now = args.at.unwrap_or(context.now);
    let (snapshot, inventory, root) = args.root.read_all()?;
    let (snapshot, around) = match root {
        Some(root) => {
            let around = look_around(&root, &snapshot, &inventory, args.at.is_none());
            (snapshot, around)
        }
        None => look_into(&snapshot, &inventory),
    };
    let node = Node { snapshot: &snapshot, inventory: &inventory, around: &around };
    let horizon = args.horizon.unwrap_or(SignedDuration::ZERO);
    let diagnosis = diagnose(node, &args.root.root.display().to_string(), now, horizon);
    context.out.result(&match args.output {
        Format::Json => diagnosis_json(&diagnosis),
        _ => diagnosis_text(&diagnosis, Detail { evidence: args.verbose }),
    });
    let worst = diagnosis.findings.iter().map(|told| told.finding.severity).max();
    Ok(if worst >= Some(Severity::Warning) { Exit::Findings } else { Exit::Fine })
}
