//! What became of a restart, and what is going to be restarted.

use std::fmt::Write as _;
use std::time::Duration;

use super::exit::Failure;
use super::sanitise::line;
use crate::analysis::quorum::Quorum;
use crate::live::restart::{Outcome, Report};

/// How many of a container's last lines are shown.
const LAST_LINES: usize = 10;

/// What is going to be restarted, each with its reason, and what that does to etcd. `grace` is that of the
/// stateless three.
pub fn restart_plan(work: &[(&str, &str)], quorum: Option<&Quorum>, grace: Duration) -> String {
    let mut out = String::from("To be restarted, in this order:\n");
    let together = quorum.is_none_or(|quorum| !quorum.has_others());
    for (name, why) in work {
        let how = match *name {
            "kubelet" => String::new(),
            "etcd" => ", with its pod's own time to end".to_owned(),
            _ => format!(", killed after {} s", grace.as_secs()),
        };
        let text = format!("  {name:<24} {why}{how}");
        let _ = writeln!(out, "{}", line(&text));
    }
    let pods = work.iter().filter(|(name, _)| *name != "kubelet").count();
    if let Some(quorum) = quorum {
        let _ = writeln!(out, "  {}", line(&quorum.to_string()));
    }
    if pods > 1 {
        out.push_str(if together {
            "  The static pods are stopped all at once.\n"
        } else {
            "  etcd is stopped first and has to be back before the others are.\n"
        });
    }
    out
}

/// A failure for each component that is not back.
pub fn restart_failures(reports: &[Report]) -> Vec<Failure> {
    reports.iter().filter_map(failure).collect()
}

fn failure(report: &Report) -> Option<Failure> {
    let name = &report.component;
    Some(match &report.outcome {
        Outcome::Back { .. } | Outcome::Started { .. } | Outcome::StartedByItself { .. } => return None,
        Outcome::NotTried { why } => Failure::needs_person(format!("{name} was not restarted: {why}"))
            .hint(format!("kuberescue restart {name}")),
        Outcome::Failed { phase, why, last_lines } => {
            let seconds = report.elapsed.as_secs();
            let failure = Failure::needs_person(format!(
                "{name} is not back after {seconds} s; it hung in: {phase}: {why}"
            ));
            let hint = format!("kuberescue restart {name} tries again; /var/log/pods has all of its log");
            failure
                .details(last_lines.iter().rev().take(LAST_LINES).rev().map(|text| line(text).into_owned()))
                .hint(hint)
        }
    })
}
