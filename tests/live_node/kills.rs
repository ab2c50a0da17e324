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

fn is_full() -> bool {
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
    let strace = ["strace", "-f", "-o", TRACE, "-e", &trace, "-e", &inject, env!("CARGO_BIN_EXE_kuberescue")];
    let _gone = std::fs::remove_file(node.path(TRACE));
    let mut going = node.begin_command(&[&strace, arguments].concat());
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
    assert_eq!(node.pods().len(), COMPONENTS.len(), "{when}: {}", node.story());
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_restart_over_cri_is_finished_by_the_same_run() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let (manifests, namesakes, restart) =
        (node.manifests(), node.namesakes(), ["restart", "--all", "--yes", "--grace", "1s"]);
    let stride = if is_full() { 1 } else { 9 };
    let (mut points, mut killed) = (0, 0);
    for number in (1..=SENT).step_by(stride) {
        let signal = ["KILL", "TERM", "KILL", "INT", "KILL", "HUP"][points % 6];
        let point = Point { call: "sendto", number, signal };
        let Some(_) = struck(&node, point, &restart) else { break };
        points += 1;
        killed += usize::from(signal == "KILL");
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
    eprintln!("restart over CRI: {points} points ({killed} kills), all completed clean");
    assert!(points >= SENT / stride, "{points} points");
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn manifests_that_are_away_come_back_with_resume_or_the_same_run() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    let manifests = node.manifests();
    let recover = ["recover", "--yes", "--restart=manifest"];
    let all = MOVES.into_iter().flat_map(|(call, most)| (1..=most).map(move |number| (call, number)));
    let all: Vec<_> = all.flat_map(|(call, number)| [(call, number, true), (call, number, false)]).collect();
    let (first, stride) = if is_full() { (0, 1) } else { (4, 7) };
    let (mut points, mut away) = (0, 0);
    for (index, (call, number, kill)) in all.into_iter().enumerate().skip(first).step_by(stride) {
        let signal = if kill { "KILL" } else { ["TERM", "INT", "HUP"][index / 2 % 3] };
        let point = Point { call, number, signal };
        let when = format!("after {point:?}");
        // So that there is something to restart.
        let renewed = node.kuberescue(&["certs", "renew", "all", "--yes"]);
        assert_eq!(renewed.code, 0, "{renewed:?}");
        let Some(_) = struck(&node, point, &recover) else { continue };
        points += 1;
        let again: &[&str] = if kill {
            away += usize::from(node.manifests() != manifests);
            // It is killed too, at one of its calls if it makes that many.
            let second =
                [("linkat", 1 + index % 4), ("unlinkat", 1 + index % 5), ("fsync", 1)][index / 2 % 3];
            struck(&node, Point { call: second.0, number: second.1, signal: "KILL" }, &["resume"]);
            let resumed = node.kuberescue(&["resume", "--yes"]);
            assert_eq!(resumed.code, 0, "{when}: {resumed:?}");
            assert_eq!(node.manifests(), manifests, "{when}");
            &["recover", "--yes"]
        } else {
            assert_eq!(node.manifests(), manifests, "{when}");
            &recover
        };
        let run = node.kuberescue(again);
        assert_eq!(run.code, 0, "{when}: {run:?}\n{}", node.story());
        assert_clean(&node, &when);
        node.assert_green();
        assert_eq!(node.manifests(), manifests, "{when}");
    }
    eprintln!("manifests moved away: {points} points, {away} with manifests away, all completed clean");
    assert!(points > 4 && away > 0, "{points} points, {away} with manifests away");
}
