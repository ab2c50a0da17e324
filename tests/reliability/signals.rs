//! Ctrl-C, kill and a lost connection at the writing calls of a change: the node is left old or new, never between, with
//! nothing pending and nothing staged, and the exit code and the last words say which.

use nix::sys::signal::Signal;

use super::crash::is_full;
use super::decode::Op;
use super::judge::{End, Judge, leftovers};
use super::scenarios::{SCENARIOS, words};
use super::tracer::{Answer, Finished, Watch, trace};
use super::tree::{Place, Tree};

/// Sends a signal at the call of this number, from 1.
struct SignalAt {
    left: usize,
    signal: Signal,
}

impl Watch for SignalAt {
    fn before(&mut self, _op: &Op) -> Answer {
        self.left = self.left.saturating_sub(1);
        match self.left {
            0 if self.signal != Signal::SIGCONT => {
                // Once.
                Answer::Signal(std::mem::replace(&mut self.signal, Signal::SIGCONT))
            }
            _ => Answer::Go,
        }
    }
}

/// Why the node or what was said of it is wrong.
fn verdict(judge: &Judge, tree: &Tree, finished: &Finished) -> Result<End, String> {
    let end = judge.end(tree)?;
    // The archive of a run that was interrupted while it wrote one goes with the next run.
    let left: Vec<_> = leftovers(tree).into_iter().filter(|name| !name.ends_with(".partial")).collect();
    if !left.is_empty() {
        return Err(format!("left over: {left:?}"));
    }
    let said = |words: &str| finished.err.contains(words);
    match (finished.code, end) {
        (None, End::Old) | (Some(0), End::New) => Ok(end),
        (Some(2), End::Old) if said("[interrupted]") => Ok(end),
        (Some(4), End::New) if said("[interrupted]") => Ok(end),
        _ => Err(format!("finished {end:?}\n{finished}")),
    }
}

#[test]
fn a_signal_at_any_call_leaves_one_state() {
    let mut wrong = Vec::new();
    let (mut points, mut news) = (0, 0);
    for (index, scenario) in SCENARIOS.iter().take(6).enumerate() {
        let place = Place::new();
        let (old, command, judge) = scenario.prepare(&place);
        let stride = if is_full() { 1 } else { 13 };
        for number in (1 + index..).step_by(stride) {
            let signal = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP][number % 3];
            let root = place.with(&old);
            let mut watch = SignalAt { left: number, signal };
            let finished = trace(&root, &words(&root, &command), &mut watch);
            if watch.signal == signal {
                break;
            }
            points += 1;
            match verdict(&judge, &Tree::read(&root), &finished) {
                Ok(End::New) => news += 1,
                Ok(End::Old) => {}
                Err(why) => wrong.push(format!("{} with {signal} at call {number}: {why}", scenario.name)),
            }
        }
    }
    eprintln!("signals: {points} points, {news} finished new, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{} wrong, such as\n{}", wrong.len(), wrong[0]);
    assert!(news > 4 && points > news, "{points} points, {news} new");
}
