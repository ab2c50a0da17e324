//! Power loss: real runs of the real program are recorded call by call, replayed onto a model of a disk that keeps
//! only what was synced, and after each of thousands of losses the node must be all old or all new.
//!
//! `cargo test --test reliability power -- --nocapture` looks at some 600 images; with `KUBERESCUE_RELIABILITY=full`
//! at more than 20,000. `KUBERESCUE_POWER_IMAGE="SCENARIO/NUMBER"`, from a failure's message, looks at that one.

mod disk;
mod image;
mod jobs;
mod log;
mod model;
mod scenario;
mod verdict;

use std::fmt;
use std::path::Path;

use disk::{Choice, Log, Loss, Op, Random, What};
use image::quick_directory;
use scenario::{Recording, SCENARIOS};
use verdict::{Due, Look, Way, Wrong, judge};

use super::crash::is_full;

const QUICK: usize = 28;
const FULL: usize = 1_000;
/// Of so many images one is completed by the program itself, and then renewed.
const BY_PROGRAM: usize = 20;

/// What the images of a scenario came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    images: usize,
    old: usize,
    new: usize,
    mixed: usize,
    unreadable: usize,
    /// Archives, leftovers, changes that can't be made afterwards.
    other: usize,
    failures: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.images += other.images;
        self.old += other.old;
        self.new += other.new;
        self.mixed += other.mixed;
        self.unreadable += other.unreadable;
        self.other += other.other;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, old, new, mixed, unreadable, other, .. } = self;
        write!(out, "{images:6} images: {old:6} old, {new:6} new, {mixed:3} mixed, ")?;
        write!(out, "{unreadable:3} unreadable, {other:3} otherwise wrong")
    }
}

/// The image of this number: where the power fails, what survives, and how the node is looked at.
fn image(name: &str, number: usize, log: &Log) -> (Loss, Way) {
    let mut random = Random(number as u64);
    for byte in name.bytes() {
        random = Random(random.next() ^ u64::from(byte));
    }
    let syncs = || (0..log.ops.len()).filter(|index| matches!(log.ops[*index].what, What::Sync));
    let at = match random.below(4) {
        // Before a sync most is open.
        0 | 1 if syncs().count() > 0 => syncs().nth(random.below(syncs().count())).unwrap(),
        0..=2 => random.below(log.ops.len() + 1),
        _ => log.ops.len() - random.below(log.ops.len() / 4 + 1),
    };
    let open = log.unsynced(at);
    let seed = random.next();
    let choice = match random.below(10) {
        0 => Choice::Nothing,
        1 => Choice::Everything,
        2 if !open.is_empty() => Choice::Only(open[random.below(open.len())]),
        3 if !open.is_empty() => Choice::AllBut(open[random.below(open.len())]),
        4 => Choice::Prefix(seed),
        5 => Choice::WholeInode(seed),
        6 => Choice::Ext4(seed),
        _ => Choice::Subset(seed),
    };
    (Loss { at, choice }, if number.is_multiple_of(2) { Way::Resume } else { Way::Rollback })
}

/// Looks at images, on as many threads as there are processors.
fn look_at(name: &str, recording: &Recording, numbers: &[usize]) -> Figures {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(numbers.len()).max(1);
    let some = |first: usize| {
        let directory = quick_directory();
        let mut figures = Figures::default();
        for number in numbers.iter().skip(first).step_by(threads) {
            one(name, *number, recording, directory.path(), &mut figures);
        }
        figures
    };
    let mut all = Figures::default();
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|first| scope.spawn(move || some(first))).collect();
        started.into_iter().for_each(|thread| all.add(thread.join().unwrap()));
    });
    all
}

fn one(name: &str, number: usize, recording: &Recording, directory: &Path, figures: &mut Figures) {
    let Recording { log, states, commit } = recording;
    let (loss, way) = image(name, number, log);
    let due = match commit {
        _ if loss.at == log.ops.len() => Due::New,
        Some((rename, _)) if loss.at <= *rename => Due::Old,
        Some((_, synced)) if loss.at >= *synced => Due::New,
        _ => Due::Either,
    };
    let look = Look { way, due, by_program: number % BY_PROGRAM < 2 };
    figures.images += 1;
    let wrong = match judge(&log.after(loss), states, look, directory) {
        Ok(state) if state == 0 || states.only_by_rollback == Some(state) => return figures.old += 1,
        Ok(_) => return figures.new += 1,
        Err(wrong) => wrong,
    };
    match wrong {
        Wrong::Mixed(_) => figures.mixed += 1,
        Wrong::Unreadable(_) => figures.unreadable += 1,
        _ => figures.other += 1,
    }
    let explained = log.explain(loss);
    figures
        .failures
        .push(format!("KUBERESCUE_POWER_IMAGE=\"{name}/{number}\": {wrong:?}\n{loss}{explained}"));
}

#[test]
fn after_a_power_loss_a_node_is_all_old_or_all_new() {
    let chosen = std::env::var("KUBERESCUE_POWER_IMAGE").ok();
    let chosen = chosen.as_deref().and_then(|text| text.rsplit_once('/'));
    let mut all = Figures::default();
    for scenario in SCENARIOS {
        let numbers: Vec<usize> = match chosen {
            Some((name, number)) if name == scenario.name => vec![number.parse().unwrap()],
            Some(_) => continue,
            None => (0..if is_full() { FULL } else { QUICK }).collect(),
        };
        let figures = look_at(scenario.name, &scenario.record(), &numbers);
        eprintln!("{:58} {figures}", scenario.name);
        all.add(figures);
    }
    eprintln!("{:58} {all}", "in all");
    let first: Vec<_> = all.failures.iter().take(5).cloned().collect();
    assert!(all.failures.is_empty(), "{} images are wrong\n{}", all.failures.len(), first.join("\n"));
}

/// Without which syncs there would be mixed states, unreadable journals or torn archives: the model finds them.
#[test]
fn each_sync_that_is_left_out_is_found() {
    type LeftOut = fn(&Op, bool) -> bool;
    fn is(op: &Op, part: &str) -> bool {
        matches!(op.what, What::Sync) && op.label.contains(part)
    }
    fn ends(op: &Op, part: &str) -> bool {
        matches!(op.what, What::Sync) && op.label.ends_with(part)
    }
    let staged_names: LeftOut = |op, committed| !committed && is(op, "/etc/") && !is(op, ".kuberescue-");
    let cases: [(&str, LeftOut); 8] = [
        ("the staged files", |op, _| is(op, ".kuberescue-")),
        ("the names of the staged files", staged_names),
        ("the commit", |op, committed| committed && ends(op, "/var/lib/kuberescue")),
        ("the new names", |op, committed| committed && is(op, "/etc/")),
        ("the journal", |op, _| is(op, ".staging.json.new")),
        ("the record for the history", |op, _| is(op, "history.next")),
        ("the archive", |op, _| is(op, ".partial")),
        ("the directory of the tool's own", |op, _| ends(op, "/var/lib")),
    ];
    let scenario = &SCENARIOS[0];
    let recording = scenario.record();
    let numbers: Vec<usize> = (0..if is_full() { FULL } else { 200 }).collect();
    for (what, left_out) in cases {
        let (rename, _) = recording.commit.unwrap();
        let log = recording.log.without(|index, op| left_out(op, index > rename));
        assert!(log.ops.len() < recording.log.ops.len(), "{what} is not synced");
        let figures = look_at(scenario.name, &recording.with(log), &numbers);
        eprintln!("without a sync of {what:40} {figures}");
        assert!(!figures.failures.is_empty(), "{what}: left out, and nothing is found");
    }
}

/// Which images a power loss leaves is drawn by chance, and these seldom are: that the commit of a killed run is lost, and
/// what was written on the strength of it is not.
#[test]
fn a_commit_lasts_before_anything_is_built_on_it() {
    for (name, next) in [
        ("killed at the commit, rollback", "make /var/lib/kuberescue/.journal.json.new"),
        ("killed at the commit, resume", "make /var/lib/kuberescue/.history.next.new"),
    ] {
        let scenario = SCENARIOS.iter().find(|one| one.name == name).unwrap();
        let ops = scenario.record().log.ops;
        let find = |from: usize, part: &str| {
            ops.iter().skip(from).position(|op| op.label.contains(part)).unwrap() + from
        };
        let committed = find(0, "staging.json to ");
        let next = find(committed, next);
        let synced = |op: &Op| matches!(op.what, What::Sync) && op.label.ends_with("/var/lib/kuberescue");
        assert!(ops[committed..next].iter().any(synced), "{name}: {committed} {next}");
    }
}
