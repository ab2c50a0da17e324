//! What is restarted in a cluster and why, what isn't, and what to do about that.

use std::fmt::Write as _;

use super::sanitise::line;
use super::table;
use crate::analysis::cluster::rollout::{Candidate, Target, Verdict};
use crate::error::Error;
use crate::state::Code;

/// What is restarted, and what reads renewed files and isn't. `not_asked` is what couldn't be listed.
pub fn rollout_plan(candidates: &[Candidate], not_asked: &[String]) -> String {
    let mut out = String::new();
    let mut rows =
        vec![["NAMESPACE", "NAME", "ACTION", "PODS", "OLDEST SINCE", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(candidates.iter().map(row));
    if !candidates.is_empty() {
        out.push_str(&table::render(&rows));
    }
    for why in not_asked {
        let _ = writeln!(out, "not asked: {}", line(why));
    }
    for left in candidates {
        if let Some(hint) = hint(left) {
            let _ = writeln!(out, "hint: {}", line(&hint));
        }
    }
    out
}

fn row(candidate: &Candidate) -> Vec<String> {
    let action = match candidate.verdict {
        Verdict::Restart => "restart",
        Verdict::Newer => "none: its pods are newer",
        Verdict::Could => "none: it only could",
        Verdict::OnDelete => "!none: OnDelete",
        Verdict::Paused => "!none: paused",
    };
    vec![
        candidate.target.namespace.clone(),
        candidate.target.shown(),
        action.to_owned(),
        candidate.pods.to_string(),
        candidate.oldest.map(|at| at.to_string()).unwrap_or_default(),
        candidate.why.join("; "),
    ]
}

fn hint(candidate: &Candidate) -> Option<String> {
    let target = &candidate.target;
    match candidate.verdict {
        Verdict::OnDelete | Verdict::Paused => {
            rollout_obstacle(target, candidate.verdict, &candidate.selector)?.hints.pop()
        }
        Verdict::Could => {
            Some(format!("if {} does read what was renewed: {}", target.shown(), restart_command(target)))
        }
        Verdict::Restart | Verdict::Newer => None,
    }
}

/// Why one of them can't be restarted, if it can't.
pub fn rollout_obstacle(target: &Target, verdict: Verdict, selector: &str) -> Option<Error> {
    let (name, namespace) = (target.shown(), &target.namespace);
    match verdict {
        Verdict::OnDelete => {
            let what = format!(
                "{name} replaces its pods only once they are deleted (updateStrategy OnDelete): a restart would change nothing"
            );
            let all = if selector.is_empty() { "NAME".to_owned() } else { format!("-l {selector}") };
            Some(
                Error::refused(Code::OnDelete, what).hint(format!("kubectl -n {namespace} delete pod {all}")),
            )
        }
        Verdict::Paused => {
            let what = format!(
                "{name} is paused: it doesn't follow its template, so a restart would change nothing"
            );
            Some(
                Error::refused(Code::Paused, what)
                    .hint(format!("kubectl -n {namespace} rollout resume {name}")),
            )
        }
        _ => None,
    }
}

/// The command that restarts it.
pub fn restart_command(target: &Target) -> String {
    format!("kuberescue rollout restart {} -n {}", target.shown(), target.namespace)
}
