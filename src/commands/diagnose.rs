//! `diagnose`: what is wrong, since when, why, and what to do.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::analysis::forensics::diagnosis::Diagnosis;
use crate::analysis::forensics::timeline::{Timeline, Wanted};
use crate::analysis::forensics::trust::Graph;
use crate::analysis::node::findings::Severity;
use crate::disk::logs::Given;
use crate::error::{Error, Exit, Outcome};
use crate::report::html::{Page, nodes_html};
use crate::report::{
    Detail, DiagnosisFormat, diagnosis_json, diagnosis_metrics, diagnosis_text, nodes_json, nodes_metrics,
    nodes_text, story, timeline_json, timeline_text, trust, yaml_of,
};
use crate::session::Context;
use crate::session::forensics::nodes::{Read, diagnose_all};
use crate::session::forensics::timeline::{Request, read as read_timeline};
use crate::session::input::arguments::{parse_duration, parse_time};
use crate::session::input::source::RootArgs;
use crate::state::Code;

/// The horizon of a saved report: it includes certificates issued now for a year.
const A_YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Arguments of `diagnose`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Nodes to be held side by side: root directories and archives [default: --root]
    #[arg(value_name = "NODE", conflicts_with = "root")]
    nodes: Vec<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Show what expires within this time, in order, such as 2y or 90d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    horizon: Option<SignedDuration>,
    /// Show who trusts whom instead: key, certificate, CA, component (-o table, json, yaml, dot or mermaid)
    #[arg(long, conflicts_with = "timeline")]
    trust: bool,
    /// Show what happened when instead: certificates, files, logs (-o table, json or yaml)
    #[arg(long)]
    timeline: bool,
    /// A log on this machine, or - for what is piped in (journalctl -u kubelet); may be given several times
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Read the logs of this container of kube-system too, beside those of the control plane; may be given several times
    #[arg(long, value_name = "NAME")]
    container: Vec<String>,
    /// Show what proves each finding, and what to do
    #[arg(short, long)]
    verbose: bool,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DiagnosisFormat,
}

/// Diagnoses a node; exit 1 if there is a blocker or a warning.
///
/// # Errors
/// There is no readable node.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    args.check()?;
    let now = args.at.unwrap_or(context.now);
    let source = match args.nodes.as_slice() {
        [] => &args.root.root,
        [one] => one,
        several => return side_by_side(several, args, context),
    };
    let root = RootArgs { root: source.clone(), cert_dir: args.root.cert_dir.clone() };
    let read = Read::of(&root, args.at)?;
    let timeline = args.timeline_of(&read, now)?;
    let diagnosis = args.diagnosis(&read, timeline.as_ref(), source, now);
    let text = args.rendered(&read, &diagnosis, timeline.as_ref(), now);
    context.out.result(&if args.output == DiagnosisFormat::Yaml { yaml_of(&text) } else { text });
    let worst = diagnosis.findings.iter().map(|told| told.finding.severity).max();
    Ok(if worst >= Some(Severity::Warning) { Exit::Findings } else { Exit::Fine })
}

impl Args {
    /// Refuses options that exclude each other.
    fn check(&self) -> Result<(), Error> {
        use DiagnosisFormat::{Dot, Html, Json, Mermaid, Prometheus, Table, Yaml};
        let wrong = |what: &str, hint: &str| Err(Error::usage(what).hint(hint));
        match self.output {
            Table | Json | Yaml => Ok(()),
            Html | Prometheus if self.trust || self.timeline => wrong(
                "cannot show a part of a diagnosis as html or prometheus",
                "leave --trust and --timeline out",
            ),
            Dot | Mermaid if self.timeline => wrong(
                "cannot show a timeline as a graph",
                "dot and mermaid show who trusts whom: leave --timeline out",
            ),
            Dot | Mermaid if self.nodes.len() > 1 => wrong(
                "cannot show several nodes as a graph",
                "run it for each of them, or take table, json, html or prometheus",
            ),
            Html | Prometheus | Dot | Mermaid => Ok(()),
        }?;
        if self.nodes.len() > 1 && (self.trust || self.timeline || !self.log.is_empty()) {
            return wrong(
                "cannot use --trust, --timeline or --log with several nodes",
                "run it for each of them",
            );
        }
        Ok(())
    }

    /// Logs are read only on request: there may be gigabytes.
    fn timeline_of(&self, read: &Read, now: Timestamp) -> Result<Option<Timeline>, Error> {
        let asked = self.timeline || !self.log.is_empty() || self.output == DiagnosisFormat::Html;
        if !asked {
            return Ok(None);
        }
        let given = self.log.iter().map(|path| Given::new(path)).collect();
        let wanted = Wanted { containers: self.container.clone() };
        let request = Request { given, wanted };
        let files = read.archive.as_ref().unwrap_or(&read.snapshot);
        let mut timeline = read_timeline(read, files, &request, now)?;
        if self.at.is_some() {
            // With another time of evaluation, later events on the disk are expected.
            timeline.anomalies.retain(|anomaly| anomaly.code != Code::EventInTheFuture);
        }
        Ok(Some(timeline))
    }

    fn diagnosis(
        &self,
        read: &Read,
        timeline: Option<&Timeline>,
        source: &Path,
        now: Timestamp,
    ) -> Diagnosis {
        read.diagnose(source, timeline, now, self.horizon_or_default())
    }

    fn horizon_or_default(&self) -> SignedDuration {
        self.horizon.unwrap_or(match self.output {
            DiagnosisFormat::Html => A_YEAR,
            _ => SignedDuration::ZERO,
        })
    }

    fn rendered(
        &self,
        read: &Read,
        diagnosis: &Diagnosis,
        timeline: Option<&Timeline>,
        now: Timestamp,
    ) -> String {
        use DiagnosisFormat::{Dot, Html, Json, Mermaid, Prometheus, Table, Yaml};
        let graph = || Graph::read(&read.snapshot, &read.inventory, now);
        match (self.output, timeline) {
            (Dot, _) => trust::dot(&graph()),
            (Mermaid, _) => trust::mermaid(&graph()),
            (Json | Yaml, _) if self.trust => trust::trust_json(&graph()),
            (_, _) if self.trust => trust::tree(&graph()),
            (Json | Yaml, Some(timeline)) if self.timeline => timeline_json(timeline),
            (_, Some(timeline)) if self.timeline => timeline_text(timeline),
            (Html, timeline) => {
                let (rows, story) = (trust::rows(&graph()), timeline.map(story));
                Page { diagnosis, trust: &rows, timeline: story.as_ref() }.render()
            }
            (Prometheus, _) => diagnosis_metrics(diagnosis),
            (Json | Yaml, _) => diagnosis_json(diagnosis),
            (Table, timeline) => {
                let first = timeline.and_then(|timeline| timeline.first_failure.as_ref());
                let logs = first.map(|first| first.sentence.as_str());
                diagnosis_text(diagnosis, Detail { evidence: self.verbose, logs })
            }
        }
    }
}

fn side_by_side(nodes: &[PathBuf], args: &Args, context: &mut Context<'_>) -> Outcome {
    let horizon = args.horizon_or_default();
    let nodes = diagnose_all(nodes, args.root.cert_dir.as_deref(), args.at, horizon, context);
    if nodes.clusters.is_empty() {
        for failed in &nodes.unreadable {
            context.out.fail(
                &Error::could_not_run(format!("cannot diagnose {}: {}", failed.source, failed.why))
                    .code(Code::RootUnreadable),
            );
        }
        return Err(Error::could_not_run("cannot diagnose: none of these is a node that can be read")
            .code(Code::RootUnreadable)
            .hint("name root directories of nodes, or archives of them (tar, tar.gz)"));
    }
    context.out.result(&match args.output {
        DiagnosisFormat::Json => nodes_json(&nodes),
        DiagnosisFormat::Yaml => yaml_of(&nodes_json(&nodes)),
        DiagnosisFormat::Html => nodes_html(&nodes),
        DiagnosisFormat::Prometheus => nodes_metrics(&nodes),
        _ => nodes_text(&nodes),
    });
    Ok(if nodes.has_findings() { Exit::Findings } else { Exit::Fine })
}
