//! The transaction stopped after every single writing call, in every way: the process dies, or a call fails
//! once or from then on.

use nix::errno::Errno;

use super::*;
use crate::disk::effect::fault::{self, Fault};

/// Runs `act` with a crash at every call; after each, `then` brings the node to one side.
fn every_crash(
    mut before: impl FnMut() -> Node,
    act: impl Fn(&Node) -> bool,
    mut then: impl FnMut(&Node, u32),
) -> u32 {
    for at in 0.. {
        let node = before();
        fault::set(at, Fault::Expiry);
        let done = act(&node);
        fault::clear();
        if done {
            return at;
        }
        then(&node, at);
    }
    unreachable!()
}

#[test]
fn killed_at_any_call_then_resumed_or_rolled_back() {
    let applied = |node: &Node| node.apply().is_ok();
    let (mut olds, mut news) = (0, 0);
    let points = every_crash(node, applied, |node, at| {
        let committed = matches!(node.resume().unwrap(), Resumed::Completed { .. });
        // The very last calls may have been made: then nothing is pending and all is new.
        if committed || last(&node.root).unwrap().is_some() {
            news += 1;
            node.assert(&node.wanted(), &format!("resumed after {at}"));
        } else {
            olds += 1;
            node.assert(&node.old, &format!("cleaned after {at}"));
        }
    });
    assert!(olds > 50 && news > 10, "{olds} old, {news} new of {points}");
    every_crash(node, applied, |node, at| {
        node.rollback().unwrap();
        node.assert(&node.old, &format!("rolled back after {at}"));
    });
    assert!(points > 50 && olds > 0 && news > 0, "{points} points: {olds} end old, {news} new");
}

/// A node whose change died in the middle of the renames.
pub(super) fn half_done(at: u32) -> Node {
    let node = node();
    fault::set(at, Fault::Expiry);
    assert!(node.apply().unwrap_err().committed());
    fault::clear();
    node
}

pub(super) fn committed_points() -> std::ops::Range<u32> {
    let mut first = None;
    let end = every_crash(
        node,
        |node| node.apply().is_ok(),
        |node, at| {
            let committed =
                pending(&node.root).unwrap().is_some_and(|journal| journal.state == State::Committed);
            if committed && first.is_none() {
                first = Some(at);
            }
        },
    );
    // At the first one the crash came between the rename of the journal and its sync: the run can't know.
    first.unwrap() + 1..end - 1
}

#[test]
fn killed_again_while_resuming_or_rolling_back() {
    let mut points = 0;
    for first in committed_points().step_by(3) {
        let half = || half_done(first);
        points += every_crash(
            half,
            |node| node.resume().is_ok(),
            |node, at| {
                node.resume().unwrap();
                node.assert(&node.wanted(), &format!("resumed twice after {first}, {at}"));
            },
        );
        points += every_crash(
            half,
            |node| node.rollback().is_ok(),
            |node, at| {
                // Both ways to continue a rollback that died.
                if at % 2 == 0 {
                    node.rollback().unwrap();
                    node.assert(&node.old, &format!("rolled back twice after {first}, {at}"));
                } else {
                    match node.resume().unwrap() {
                        Resumed::Completed { .. } => {
                            node.assert(&node.wanted(), &format!("forward {first}, {at}"))
                        }
                        _ => node.assert(&node.old, &format!("backward {first}, {at}")),
                    }
                }
            },
        );
    }
    // The rollback of a completed change.
    let done = || {
        let node = node();
        node.apply().unwrap();
        node
    };
    points += every_crash(
        done,
        |node| node.rollback().is_ok(),
        |node, at| match node.resume().unwrap() {
            Resumed::Cleaned { .. } => node.assert(&node.wanted(), &format!("undoing cleaned after {at}")),
            Resumed::Completed { .. } => node.assert(&node.old, &format!("undone after {at}")),
            _ if tree(&node.root) == node.old => {}
            _ => node.assert(&node.wanted(), &format!("undoing not begun at {at}")),
        },
    );
    // Again: it can still be undone, though the archive holds nothing to return to.
    points += every_crash(
        done,
        |node| node.rollback().is_ok(),
        |node, at| match node.rollback().unwrap() {
            RolledBack::Cleaned { .. } => node.assert(&node.wanted(), &format!("undoing cleaned after {at}")),
            _ => node.assert(&node.old, &format!("undone by another rollback after {at}")),
        },
    );
    assert!(points > 20, "{points} points");
}

#[test]
fn any_failing_call_leaves_all_old_or_says_that_it_is_committed() {
    for errno in [Errno::ENOSPC, Errno::EIO, Errno::EROFS] {
        for make in [Fault::Once, Fault::FromThenOn] {
            for at in 0.. {
                let node = node();
                fault::set(at, make(errno));
                let outcome = node.apply();
                let passed = fault::clear() <= at;
                let when = format!("{errno} at {at}");
                match outcome {
                    Ok(_) => node.assert(&node.wanted(), &when),
                    Err(error) if error.committed() => {
                        node.resume().unwrap();
                        node.assert(&node.wanted(), &when);
                    }
                    Err(Error::TakenBack { .. }) => {
                        node.assert(&node.old, &when);
                        assert_eq!(last(&node.root).unwrap(), None, "{when}");
                    }
                    Err(Error::NotCleaned { .. }) => {
                        assert!(!matches!(node.resume().unwrap(), Resumed::Completed { .. }), "{when}");
                        node.assert(&node.old, &when);
                    }
                    Err(error) => {
                        assert!(!error.to_string().contains("os error"), "{error}");
                        node.assert(&node.old, &when);
                    }
                }
                if passed {
                    break;
                }
            }
        }
    }
}

#[test]
fn secrets_are_staged_at_0600_and_not_in_the_journal() {
    let mut seen = 0;
    every_crash(
        node,
        |node| node.apply().is_ok(),
        |node, _| {
            for (path, entry) in tree(&node.root).iter() {
                if path.to_string_lossy().contains("a.key.kuberescue") {
                    assert_eq!(entry.attributes.mode, 0o600, "{}", path.display());
                    seen += 1;
                }
            }
            for name in ["staging.json", "journal.json", "last.json"] {
                if let Ok(text) =
                    std::fs::read_to_string(node.root.path().join("var/lib/kuberescue").join(name))
                {
                    assert!(!text.contains("new key"));
                }
            }
        },
    );
    assert!(seen > 10);
}
