//! What became of a restart, and what is going to be restarted.

use std::fmt::Write as _;
use std::time::Duration;

use super::sanitise::line;
use crate::analysis::node::quorum::Quorum;
use crate::error::Error;
use crate::live::restart::{Outcome, Phase, Report};

/// How many of a container's last lines are shown.
const LAST_LINES: usize = 10;

/// A component that is going to be restarted.
#[derive(Clone, Copy, Debug)]
pub struct ToRestart<'a> {
    /// Its name; `kubelet` too.
    pub component: &'a str,
    /// Why.
    pub why: &'a str,
    /// Whether it runs now, and is stopped.
    pub runs: bool,
}

/// What is going to be restarted, in this order, and what that does to etcd. `grace` is that of the stateless
/// three.
pub fn restart_plan(work: &[ToRestart<'_>], quorum: Option<&Quorum>, grace: Duration) -> String {
    // Its members only count where one of them is stopped.
    let quorum = quorum.filter(|_| work.iter().any(|pod| pod.component == "etcd"));
    let mut out = String::from("To be restarted, in this order:\n");
    for ToRestart { component, why, runs } in work {
        let how = match *component {
            _ if !runs => "the kubelet starts it".to_owned(),
            "etcd" => "it has its pod's own time to end".to_owned(),
            _ => format!("it has {} s to end", grace.as_secs()),
        };
        let text = match *component {
            "kubelet" => format!("  {component:<24} {why}"),
            _ => format!("  {component:<24} {why}; {how}"),
        };
        let _ = writeln!(out, "{}", line(&text));
    }
    if work.iter().filter(|pod| pod.component != "kubelet" && pod.runs).count() > 1 {
        out.push_str(if quorum.is_some_and(Quorum::has_others) {
            "  etcd is stopped first and has to be back before the others are.\n"
        } else {
            "  The static pods are stopped all at once.\n"
        });
    }
    if let Some(quorum) = quorum {
        let _ = writeln!(out, "  {}", line(&quorum.to_string()));
    }
    out
}

/// A failure for each component that is not back.
pub fn restart_failures(reports: &[Report]) -> Vec<Error> {
    reports.iter().filter_map(failure).collect()
}

fn failure(report: &Report) -> Option<Error> {
    let name = &report.component;
    Some(match &report.outcome {
        Outcome::Back { .. } | Outcome::Started { .. } | Outcome::StartedByItself { .. } => return None,
        Outcome::NotTried { why } => Error::manual_action(format!("{name} was not restarted: {why}"))
            .hint(format!("kuberescue restart {name}")),
        Outcome::Failed { phase, why, last_lines } => {
            let seconds = report.elapsed.as_secs();
            let failure = Error::manual_action(format!(
                "{name} is not back after {seconds} s; it hung in: {phase}: {why}"
            ));
            let again = match phase {
                Phase::WaitingForNew { .. } => format!(
                    "kuberescue restart kubelet {name}: a new kubelet does not wait for the end of a CrashLoopBackOff"
                ),
                _ => format!("kuberescue restart {name} tries again"),
            };
            let hint = format!("{again}; /var/log/pods has all of its log");
            failure
                .details(last_lines.iter().rev().take(LAST_LINES).rev().map(|text| line(text).into_owned()))
                .hint(hint)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::node::quorum::{Health, Voter};

    #[test]
    fn members_of_etcd_count_only_where_etcd_is_stopped() {
        let voter =
            |name: &str, here| Voter { name: name.to_owned(), here, health: Health::Healthy, ended: false };
        let voters = vec![voter("a", true), voter("b", false), voter("c", false)];
        let quorum = Quorum { voters, source: "etcd".to_owned() };
        let pod = |component| ToRestart { component, why: "asked for", runs: true };
        let said = |work: &[ToRestart<'_>]| restart_plan(work, Some(&quorum), Duration::from_secs(2));
        let stateless = said(&[pod("kube-apiserver"), pod("kube-scheduler")]);
        assert!(stateless.ends_with("  The static pods are stopped all at once.\n"), "{stateless}");
        let with_etcd = said(&[pod("etcd"), pod("kube-apiserver")]);
        assert!(with_etcd.contains("  etcd is stopped first"), "{with_etcd}");
        assert!(with_etcd.contains(&quorum.to_string()), "{with_etcd}");
    }
}
