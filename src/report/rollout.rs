//! The workloads that read renewed files: which are restarted, which are not, and why.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::sanitise::line;
use super::table;
use crate::analysis::cluster::rollout::{Candidate, Target, Verdict};
use crate::error::Error;
use crate::state::Code;
use crate::state::text::shell_word;
use crate::state::time::minute;

/// What `rollout restart` did, or would do: the document `Rollout`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout<'a> {
    pub dry_run: bool,
    /// Whether the items whose action is `restart` were restarted.
    pub restarted: bool,
    items: Vec<Item<'a>>,
    /// What could not be listed, and why.
    not_listed: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    namespace: &'a str,
    kind: &'static str,
    name: &'a str,
    action: &'static str,
    why: &'a [String],
    pods: usize,
    oldest: Option<Timestamp>,
}

impl<'a> Rollout<'a> {
    pub fn of(candidates: &'a [Candidate], not_listed: &'a [String], dry_run: bool) -> Self {
        Self { dry_run, restarted: false, items: candidates.iter().map(item).collect(), not_listed }
    }
}

fn item(candidate: &Candidate) -> Item<'_> {
    let Candidate { target, verdict, why, pods, oldest, .. } = candidate;
    let action = match verdict {
        Verdict::Restart => "restart",
        Verdict::Newer => "none-newer",
        Verdict::Uncertain => "none-uncertain",
        Verdict::OnDelete => "none-on-delete",
        Verdict::Paused => "none-paused",
    };
    let (kind, name) = (target.kind.singular(), target.name.as_str());
    Item { namespace: &target.namespace, kind, name, action, why, pods: *pods, oldest: *oldest }
}

/// The candidates with their actions. `not_listed` is what could not be listed, and why.
pub fn rollout_plan(candidates: &[Candidate], not_listed: &[String]) -> String {
    let mut out = String::new();
    let mut rows =
        vec![["NAMESPACE", "NAME", "ACTION", "PODS", "OLDEST SINCE", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(candidates.iter().map(row));
    if !candidates.is_empty() {
        out.push_str(&table::render(&rows));
    }
    for why in not_listed {
        let _ = writeln!(out, "not listed: {}", line(why));
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
        Verdict::Newer => "none: pods are newer",
        Verdict::Uncertain => "none: not certain",
        Verdict::OnDelete => "!none: OnDelete",
        Verdict::Paused => "!none: paused",
    };
    vec![
        candidate.target.namespace.clone(),
        candidate.target.shown(),
        action.to_owned(),
        candidate.pods.to_string(),
        candidate.oldest.map(minute).unwrap_or_default(),
        candidate.why.join("; "),
    ]
}

fn hint(candidate: &Candidate) -> Option<String> {
    let target = &candidate.target;
    match candidate.verdict {
        Verdict::OnDelete | Verdict::Paused => {
            rollout_obstacle(target, candidate.verdict, candidate.selector.as_deref())?.hints.pop()
        }
        Verdict::Uncertain => {
            Some(format!("if {} reads renewed files: {}", target.shown(), restart_command(target)))
        }
        Verdict::Restart | Verdict::Newer => None,
    }
}

/// Why one of them cannot be restarted.
pub fn rollout_obstacle(target: &Target, verdict: Verdict, selector: Option<&str>) -> Option<Error> {
    let (name, namespace) = (target.shown(), &target.namespace);
    match verdict {
        Verdict::OnDelete => {
            let what = format!(
                "cannot restart {name}: updateStrategy OnDelete replaces pods only after they are deleted"
            );
            let all =
                selector.map_or_else(|| "NAME".to_owned(), |selector| format!("-l {}", shell_word(selector)));
            Some(
                Error::refused(Code::OnDelete, what).hint(format!("kubectl -n {namespace} delete pod {all}")),
            )
        }
        Verdict::Paused => {
            let what = format!("cannot restart {name}: its rollout is paused");
            Some(
                Error::refused(Code::Paused, what)
                    .hint(format!("kubectl -n {namespace} rollout resume {name}")),
            )
        }
        _ => None,
    }
}

pub fn restart_command(target: &Target) -> String {
    format!("kuberescue rollout restart {} -n {}", target.shown(), target.namespace)
}
