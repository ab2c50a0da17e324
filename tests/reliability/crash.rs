//! Every crash point: the real program is killed before each of its writing system calls; `resume` or `rollback`
//! after it must leave the node all old or all new. Then the same inside `resume` and `rollback`, to depth 3.
//!
//! `cargo test` looks at a part of the points, `KUBERESCUE_RELIABILITY=full` at all.

use std::time::Instant;

use nix::libc;

use super::decode::Op;
use super::judge::{End, Judge, New, bring_keys_back, complaint, leftovers, told};
use super::scenarios::{SCENARIOS, Scenario, words};
use super::tracer::{Answer, Finished, Watch, trace};
use super::tree::{Place, Tree};

pub fn is_full() -> bool {
    std::env::var("KUBERESCUE_RELIABILITY").is_ok_and(|how| how == "full")
}

/// Kills at the call of this number, from 1, and looks at how files are created.
pub struct KillAt {
    left: usize,
    wide: Vec<String>,
}

impl KillAt {
    pub fn new(number: usize) -> Self {
        Self { left: number, wide: Vec::new() }
    }

    /// Files that were created for others to read.
    pub fn wide(self) -> Vec<String> {
        self.wide
    }
}

impl Watch for KillAt {
    fn before(&mut self, op: &Op) -> Answer {
        if let Op::Open { path, flags, mode, existed: false } = op
            && flags & libc::O_CREAT != 0
            && mode & 0o077 != 0
        {
            self.wide.push(format!("{} is created with mode {mode:o}", path.display()));
        }
        self.left -= 1;
        if self.left == 0 { Answer::Kill } else { Answer::Go }
    }
}

/// What brings a node out of a crash.
const WAYS: [&str; 2] = ["resume", "rollback --yes"];

/// What is counted.
#[derive(Default)]
pub struct Figures {
    pub points: usize,
    pub old: usize,
    pub new: usize,
    pub wrong: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.old += other.old;
        self.new += other.new;
        self.wrong.extend(other.wrong);
    }

    pub fn print(&self, what: &str, began: Instant) {
        let Self { points, old, new, wrong } = self;
        let (mixed, seconds) =
            (wrong.iter().filter(|why| why.contains("MIXED")).count(), began.elapsed().as_secs());
        let others = wrong.len() - mixed;
        eprintln!(
            "{what}: {points} points, {old} finished old, {new} new, {mixed} mixed, {others} otherwise wrong, {seconds} s"
        );
    }

    pub fn assert_right(&self) {
        let first: Vec<_> = self.wrong.iter().take(8).map(String::as_str).collect();
        assert!(first.is_empty(), "{} wrong, such as\n{}", self.wrong.len(), first.join("\n"));
    }
}

/// A state of a node and a command that is killed on it.
struct Start<'a> {
    place: &'a Place,
    tree: &'a Tree,
    command: &'a str,
    judge: &'a Judge,
}

impl Start<'_> {
    /// The command, killed at this call; `None` where it finished before.
    fn killed_at(&self, number: usize) -> Option<(Tree, KillAt)> {
        let root = self.place.with(self.tree);
        let mut watch = KillAt::new(number);
        let finished: Finished = trace(&root, &words(&root, self.command), &mut watch);
        match finished.code {
            None => Some((Tree::read(&root), watch)),
            Some(0) => None,
            Some(_) => panic!("{}, not killed\n{finished}", self.command),
        }
    }

    /// Kills at every `stride`th call from `first` on, each time with the next way out; in a full run with every one.
    fn kill_everywhere(&self, first: usize, stride: usize) -> Figures {
        let mut figures = Figures::default();
        let mut number = first;
        while let Some((killed, watch)) = self.killed_at(number) {
            let what = format!("{} killed at call {number}", self.command);
            figures.points += 1;
            let seen = watch.wide.into_iter().chain(self.judge.exposed(&killed));
            figures.wrong.extend(seen.map(|wide| format!("{what}: {wide}")));
            for (index, way) in WAYS.iter().enumerate() {
                if !is_full() && (number / stride) % 2 != index {
                    continue;
                }
                let thorough = number.is_multiple_of(16);
                match self.way_out(&killed, way, thorough) {
                    Ok(End::Old) => figures.old += 1,
                    Ok(End::New) => figures.new += 1,
                    Err(why) => figures.wrong.push(format!("{what}, then {way}: {why}")),
                }
            }
            number += stride;
        }
        figures
    }

    fn way_out(&self, killed: &Tree, way: &str, thorough: bool) -> Result<End, String> {
        let root = self.place.with(killed);
        let run = told(&root, &format!("{way} -o json"));
        let tree = Tree::read(&root);
        let end = self.judge.end(&tree)?;
        if run.code != 0 {
            return Err(format!("finished {end:?}\n{run}"));
        }
        if way == "resume" && is_undoing(killed) && run.json()["result"] != "rolled-back" {
            return Err(format!("not said that it is undone\n{run}"));
        }
        if let Some(wanted) = demanded(killed, way, self.judge)
            && end != wanted
            && !self.judge.is_one_state()
        {
            return Err(format!("finished {end:?} and not {wanted:?}"));
        }
        let left = leftovers(&tree);
        if !left.is_empty() {
            return Err(format!("left over: {left:?}"));
        }
        let wide = self.judge.exposed(&tree);
        if !wide.is_empty() {
            return Err(format!("exposed: {wide:?}"));
        }
        let again = told(&root, "resume -o json");
        if again.code != 0 || again.json()["result"] != "nothing" {
            return Err(format!("a second resume\n{again}"));
        }
        let now = &self.judge.now;
        bring_keys_back(&root);
        // What is rolled back is as it was, good or not.
        let is_new = end == End::New && matches!(self.judge.new, New::Like(_));
        if is_new
            && (thorough || is_full())
            && let Some(bad) = complaint(&root, now)
        {
            return Err(format!("the new certificates\n{bad}"));
        }
        if thorough {
            let verified = told(&root, &format!("archive verify --at {now} -o json"));
            let chained = verified.json()["history"]["problems"] == serde_json::json!([]);
            let is_bad = |state: &str| verified.json()["total"][state] != 0;
            if !chained || is_bad("damaged") || is_bad("unreadable") || verified.err.contains("error [") {
                return Err(format!("history and archives\n{verified}"));
            }
            // The old CAs may have expired by then.
            let renew = if now.as_str() < "2036" { "certs renew all" } else { "recover --renew-cas --yes" };
            let renewed = told(&root, &format!("{renew} --accept-clock --at {now}"));
            if renewed.code != 0 {
                return Err(format!("renewing afterwards\n{renewed}"));
            }
        }
        Ok(end)
    }
}

/// Where a pending change has to end, by its journal alone.
pub fn demanded(killed: &Tree, way: &str, judge: &Judge) -> Option<End> {
    let committed = killed.own("journal.json");
    let bytes = committed.or(killed.own("staging.json"))?;
    let journal: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let undoes = journal["undoes"].as_str();
    // What undoes another change is completed by both.
    // A rollback that hadn't begun is begun again by another.
    let goes_on = match committed {
        Some(_) => journal["direction"] == "forward" && (way == "resume" || undoes.is_some()),
        None => undoes.is_some() && way.starts_with("rollback"),
    };
    // Where it undoes the judged command itself, that was done: the way on leads from new to old.
    let back = undoes.is_some_and(|undone| judge.before().as_deref() != Some(undone));
    Some(if goes_on != back { End::New } else { End::Old })
}

/// Whether the undoing of another change is committed.
fn is_undoing(killed: &Tree) -> bool {
    let journal = killed.own("journal.json");
    let journal: Option<serde_json::Value> = journal.map(|bytes| serde_json::from_slice(bytes).unwrap());
    journal.is_some_and(|journal| journal["undoes"].is_string())
}

/// Where to look: every `stride`th point of each depth, from `first` on.
struct Sample {
    first: usize,
    /// Crashes of the command itself.
    outer: usize,
    /// Crashes of what brings it out of that, and of what brings that out.
    inner: usize,
}

/// Kills the command, then each way out of that; a third crash after every `third`th of those.
fn kill_again(scenario: &Scenario, place: &Place, sample: &Sample, third: Option<&Sample>) -> [Figures; 2] {
    let (tree, command, judge) = scenario.prepare(place);
    let start = Start { place, tree: &tree, command: &command, judge: &judge };
    let (mut twice, mut thrice) = (Figures::default(), Figures::default());
    let mut number = sample.first;
    while let Some((killed, _)) = start.killed_at(number) {
        number += sample.outer;
        if !is_pending(&killed) {
            continue;
        }
        let new = match &judge.new {
            // What is new each time was made by the run that was killed.
            New::Like(_) => New::Exactly(resumed(place, &killed)),
            known => known.clone(),
        };
        let judge = Judge { new, ..judge.clone() };
        for way in WAYS {
            let again = Start { place, tree: &killed, command: way, judge: &judge };
            twice.add(again.kill_everywhere(1 + number % sample.inner, sample.inner));
            let Some(third) = third else { continue };
            let mut inner = third.first;
            while let Some((killed, _)) = again.killed_at(inner) {
                inner += third.outer;
                for way in WAYS {
                    let last = Start { place, tree: &killed, command: way, judge: &judge };
                    thrice.add(last.kill_everywhere(1 + inner % third.inner, third.inner));
                }
            }
        }
    }
    [twice, thrice]
}

pub fn is_pending(tree: &Tree) -> bool {
    tree.own("journal.json").or(tree.own("staging.json")).is_some()
}

/// The state to which `resume` brings a node.
pub fn resumed(place: &Place, killed: &Tree) -> Tree {
    let root = place.with(killed);
    let run = told(&root, "resume");
    assert_eq!(run.code, 0, "resume\n{run}");
    Tree::read(&root)
}

#[test]
fn a_crash_in_what_follows_a_crash_ends_all_old_or_all_new() {
    let place = Place::new();
    let (mut twice, mut thrice) = (Figures::default(), Figures::default());
    for scenario in SCENARIOS.iter().filter(|scenario| !scenario.name.contains(',')) {
        let began = Instant::now();
        let (sample, third) = if is_full() {
            (Sample { first: 1, outer: 9, inner: 1 }, Sample { first: 2, outer: 29, inner: 11 })
        } else {
            (Sample { first: 23, outer: 53, inner: 17 }, Sample { first: 2, outer: 61, inner: 29 })
        };
        let [second, last] = kill_again(scenario, &place, &sample, Some(&third));
        second.print(&format!("{}, a crash after a crash", scenario.name), began);
        last.print(&format!("{}, a third crash", scenario.name), began);
        twice.add(second);
        thrice.add(last);
    }
    twice.assert_right();
    thrice.assert_right();
}

#[test]
fn every_crash_point_ends_all_old_or_all_new() {
    let place = Place::new();
    let mut all = Figures::default();
    for scenario in &SCENARIOS {
        let began = Instant::now();
        let (tree, command, judge) = scenario.prepare(&place);
        let start = Start { place: &place, tree: &tree, command: &command, judge: &judge };
        let stride = if is_full() { scenario.full } else { scenario.quick };
        let figures = start.kill_everywhere(1, stride);
        figures.print(scenario.name, began);
        all.add(figures);
    }
    all.assert_right();
    assert!(!is_full() || all.points >= 500, "only {} points", all.points);
}
