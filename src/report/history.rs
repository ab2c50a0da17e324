//! What `archive verify` says of the history.

use std::fmt::Write as _;

use super::sanitise::line;
use crate::disk::history::{Check, Done};
use crate::state::Invoker;

/// How many of the last changes are shown.
const SHOWN: usize = 10;

/// The history in words; nothing for a node that was never changed.
pub(super) fn history_text(check: &Check) -> String {
    let mut out = String::new();
    let Some(first) = check.records.first() else {
        for problem in &check.problems {
            let _ = writeln!(out, "history: {}", line(problem));
        }
        return out;
    };
    let (count, since) = (check.records.len(), first.time);
    let verdict = if check.problems.is_empty() { "every record fits the one before it" } else { "BROKEN" };
    let _ = writeln!(out, "history: {count} changes since {since:.0}: {verdict}");
    for problem in &check.problems {
        let _ = writeln!(out, "  {}", line(problem));
    }
    for done in check.records.iter().skip(count.saturating_sub(SHOWN)) {
        let _ = writeln!(out, "  {}", line(&sentence(done)));
    }
    out
}

fn sentence(done: &Done) -> String {
    let Done { time, operator, command, paths, .. } = done;
    let taken_back = if done.taken_back { ", taken back before its end" } else { "" };
    format!("{time:.0}  {}  {command} ({paths} paths{taken_back})", who(operator))
}

fn who(operator: &Invoker) -> String {
    let mut who = match &operator.sudo_user {
        Some(name) => format!("{name} as uid {}", operator.uid),
        None => format!("uid {}", operator.uid),
    };
    if let Some(tty) = &operator.tty {
        let _ = write!(who, " on {tty}");
    }
    who
}
