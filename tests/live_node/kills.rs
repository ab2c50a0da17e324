//! Kills and signals at each call of a restart, over CRI and while manifests are moved away: a documented command ends
//! it, with every manifest in its place, nothing pending and every container running.
//!
//! strace stops the program at the Nth call of a kind (of whichever thread makes it first), the signal is sent to the
//! process as `kill` sends it, and what is still alive goes on.

use crate::node::{COMPONENTS, Options, PATIENCE, Run, TestNode};
use crate::story::MANIFESTS;

const TRACE: &str = "/var/tmp/trace";
/// What a thread sends to the runtime: to the end of the stopping, and some polls of what comes back.
const SENT: usize = 60;
/// The calls that move manifests away and back, each as often as it is made or more.
const MOVES: [(&str, usize); 4] = [("fsync", 6), ("renameat", 5), ("linkat", 4), ("unlinkat", 6)];

/// After more restarts than these the kubelet's back-off is longer than a restart waits: the next points get a node of
/// their own.
const POINTS_A_NODE: usize = 7;

pub(crate) fn is_full() -> bool {
    std::env::var_os("KUBERESCUE_RELIABILITY").is_some_and(|how| how == "full")
}

/// The Nth call of a kind, and the signal that arrives there.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: &'static str,
    number: usize,
    signal: &'static str,
}

/// Runs the program with a signal at a call; `None` if it made fewer such calls.
fn struck(node: &TestNode, point: Point, arguments: &[&str]) -> Option<Run> {
    let Point { call, number, signal } = point;
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=STOP:when={number}"));
    let strace = ["strace", "-f", "-o", TRACE, "-e", &trace, "-e", &inject];
    let strace = [&strace[..], &[env!("CARGO_BIN_EXE_kuberescue")]].concat();
    let _gone = std::fs::remove_file(node.path(TRACE));
    let mut going = node.begin_command(&[&strace[..], arguments].concat());
    let stopped = node.wait_until("it is stopped or has exited", PATIENCE, || {
        let has_exited = going.has_exited();
        let text = std::fs::read_to_string(node.path(TRACE)).unwrap_or_default();
        match text.contains("stopped by SIGSTOP") {
            false => has_exited.then_some(false),
            true => Some(true),
        }
    });
    if !stopped {
        let run = going.end(node, PATIENCE);
        assert_eq!(run.code, 0, "{point:?}: {run:?}");
        return None;
    }
    node.signal_kuberescue(signal);
    node.wait_until("it has exited", PATIENCE, || {
        // Other threads stop at their Nth calls too.
        node.exec(&["sh", "-c", "kill -CONT $(pidof kuberescue)"]);
        going.has_exited().then_some(())
    });
    let run = going.end(node, PATIENCE);
    assert!(!run.err.contains("panicked"), "{point:?}: {run:?}");
    match signal {
        "KILL" => assert_eq!(run.code, 128 + 9, "{point:?}: {run:?}"),
        // Before anything is stopped or moved it ends the run as usual, after it with a word of what is done.
        _ if run.code > 128 => assert!(!run.err.contains("stopping"), "{point:?}: {run:?}"),
        _ => {
            assert_eq!(run.code, 4, "{point:?}: {run:?}");
            let said = format!("[interrupted]: interrupted by SIG{signal}");
            assert!(run.err.contains(&said), "{point:?}: {run:?}");
        }
    }
    Some(run)
}

/// Nothing is moved away, nothing pending, and all of the control plane runs.
fn assert_clean(node: &TestNode, when: &str) {
    let own = node.path("/var/lib/kuberescue");
    for name in ["parked.json", "journal.json", "staging.json"] {
        assert!(!own.join(name).exists(), "{when}: {name}");
    }
    let names = std::fs::read_dir(node.path(MANIFESTS)).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, COMPONENTS.map(|name| format!("{name}.yaml")), "{when}");
    // One that came up before etcd did may give up once more.
    let all = || (node.pods().len() == COMPONENTS.len()).then_some(());
    node.wait_until(&format!("{when}: all of them run"), PATIENCE, all);
}

fn ready_node() -> TestNode {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    node
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_restart_over_cri_is_finished_by_the_same_run() {
    let stride = if is_full() { 1 } else { 9 };
    let numbers: Vec<_> = (1..=SENT).step_by(stride).collect();
    let signals = ["KILL", "TERM", "KILL", "INT", "KILL", "HUP"];
    let points: Vec<_> = numbers
        .iter()
        .zip(signals.iter().cycle())
        .map(|(number, signal)| Point { call: "sendto", number: *number, signal })
        .collect();
    let struck: Vec<_> = points.chunks(POINTS_A_NODE).flat_map(strike_restarts).collect();
    let killed = struck.iter().filter(|point| point.signal == "KILL").count();
    eprintln!("restart over CRI: {} points ({killed} kills), all clean", struck.len());
    assert!(struck.len() >= SENT / stride, "{struck:?}");
}

/// The points that a restart comes to, each on the same node; after each the same run restarts all.
fn strike_restarts(points: &[Point]) -> Vec<Point> {
    let node = ready_node();
    let (manifests, namesakes) = (node.manifests(), node.namesakes());
    let restart = ["restart", "--all", "--yes", "--grace", "1s"];
    let mut done = Vec::new();
    for point in points {
        let Some(_) = struck(&node, *point, &restart) else { break };
        done.push(*point);
        let before = node.pods();
        let run = node.kuberescue(&restart);
        assert_eq!(run.code, 0, "after {point:?}: {run:?}\n{}", node.story());
        let when = format!("after {point:?}");
        assert_clean(&node, &when);
        let after = node.pods();
        assert!(before.iter().all(|(name, old)| after[name].id != old.id), "{when}: not restarted");
        assert_eq!((node.manifests(), node.namesakes()), (manifests.clone(), namesakes.clone()), "{when}");
    }
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
    done
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn manifests_that_are_away_come_back_with_resume_or_the_same_run() {
    let all = MOVES.into_iter().flat_map(|(call, most)| (1..=most).map(move |number| (call, number)));
    let all = all.flat_map(|(call, number)| [(call, number, true), (call, number, false)]);
    let (first, stride) = if is_full() { (0, 1) } else { (4, 7) };
    let points: Vec<_> = all.enumerate().skip(first).step_by(stride).map(Strike::of).collect();
    let struck: Vec<_> = points.chunks(POINTS_A_NODE).flat_map(strike_moves).collect();
    let (points, away) = (struck.len(), struck.iter().filter(|away| **away).count());
    eprintln!("manifests moved away: {points} points, {away} with manifests away, all clean");
    assert!(points > 4 && away > 0, "{points} points, {away} with manifests away");
}

/// A point of a change whose manifests are moved away, and after a kill the point where `resume` is killed too.
struct Strike {
    point: Point,
    second: Option<Point>,
}

impl Strike {
    fn of((index, (call, number, kill)): (usize, (&'static str, usize, bool))) -> Self {
        let signal = if kill { "KILL" } else { ["TERM", "INT", "HUP"][index / 2 % 3] };
        let again = [("linkat", 1 + index % 4), ("unlinkat", 1 + index % 5), ("fsync", 1)][index / 2 % 3];
        let second = kill.then_some(Point { call: again.0, number: again.1, signal: "KILL" });
        Self { point: Point { call, number, signal }, second }
    }
}

/// For each point that `recover` comes to: whether manifests were away after it.
fn strike_moves(strikes: &[Strike]) -> Vec<bool> {
    let node = ready_node();
    let manifests = node.manifests();
    let recover = ["recover", "--yes", "--restart=manifest"];
    let mut done = Vec::new();
    for Strike { point, second } in strikes {
        let when = format!("after {point:?}");
        // So that there is something to restart.
        let renewed = node.kuberescue(&["certs", "renew", "all", "--yes"]);
        assert_eq!(renewed.code, 0, "{renewed:?}");
        let Some(_) = struck(&node, *point, &recover) else { continue };
        done.push(node.manifests() != manifests);
        let again: &[&str] = match second {
            Some(second) => {
                // At one of its calls, if it makes that many.
                struck(&node, *second, &["resume"]);
                let resumed = node.kuberescue(&["resume", "--yes"]);
                assert_eq!(resumed.code, 0, "{when}: {resumed:?}");
                &["recover", "--yes"]
            }
            None => &recover,
        };
        assert_eq!(node.manifests(), manifests, "{when}");
        let run = node.kuberescue(again);
        assert_eq!(run.code, 0, "{when}: {run:?}\n{}", node.story());
        assert_clean(&node, &when);
        node.assert_green();
        assert_eq!(node.manifests(), manifests, "{when}");
    }
    done
}
