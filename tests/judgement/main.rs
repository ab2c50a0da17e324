//! One judgement: on randomly broken nodes `diagnose`, `recover`, `archive verify` and `rollback` agree with each other.
//!
//! The trees and their breakages come from seeds, so that a failure can be seen again:
//! `KUBERESCUE_JUDGEMENT_SEED=17 cargo test --test judgement`. `KUBERESCUE_JUDGEMENT=1000` takes more trees.

#[path = "../common/mod.rs"]
mod common;

mod breakage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use breakage::{Draw, broken_node};
use common::{NOW, Node, Run};

/// Trees where no number is given.
const TREES: u64 = 60;

/// What is to hold on every tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Property {
    /// Every command answers: a known exit code, JSON that can be read.
    Answers,
    /// `recover` exits 0 ⇔ `diagnose` afterwards has no blocker.
    ZeroMeansWell,
    /// No blocker before: exit 0 and nothing changed.
    WellStaysAsItIs,
    /// `diagnose` names a repair ⇒ `recover` exits 0 or 4.
    RepairableIsRepaired,
    /// Exit 2 or 5: nothing changed.
    RefusedChangesNothing,
    /// The dry run ends as the real run does, and predicts which blockers remain.
    DryRunIsTrue,
    /// `archive verify` and `diagnose` judge an archive alike, and find in it what is wrong on the node.
    ArchiveIsJudgedAlike,
    /// `rollback` puts back every byte, mode, owner and link.
    RollbackIsExact,
    /// While a CA, a manifest or a directory is missing or unreadable, nothing advises to take a file away.
    NothingIsTakenAway,
}

const PROPERTIES: [Property; 9] = [
    Property::Answers,
    Property::ZeroMeansWell,
    Property::WellStaysAsItIs,
    Property::RepairableIsRepaired,
    Property::RefusedChangesNothing,
    Property::DryRunIsTrue,
    Property::ArchiveIsJudgedAlike,
    Property::RollbackIsExact,
    Property::NothingIsTakenAway,
];

impl Property {
    fn words(self) -> &'static str {
        match self {
            Self::Answers => "every command answers",
            Self::ZeroMeansWell => "exit 0 of recover <=> no blocker afterwards",
            Self::WellStaysAsItIs => "no blocker before => exit 0, nothing changed",
            Self::RepairableIsRepaired => "repairable here => recover exits 0 or 4",
            Self::RefusedChangesNothing => "exit 2 or 5 => nothing changed",
            Self::DryRunIsTrue => "dry run and real run agree",
            Self::ArchiveIsJudgedAlike => "archive verify and diagnose agree",
            Self::RollbackIsExact => "rollback is exact",
            Self::NothingIsTakenAway => "no advice to take files away in doubt",
        }
    }
}

/// A property that does not hold on a tree, and what shows it.
struct Failure {
    seed: u64,
    property: Property,
    breakages: Vec<String>,
    evidence: String,
}

/// What `diagnose -o json` says of a node or an archive.
struct Judgement {
    /// Code and subject of each blocker.
    blockers: BTreeSet<(String, String)>,
    /// A command repairs it.
    repairable: bool,
    /// What that command has beyond `recover`.
    flags: &'static str,
}

impl Judgement {
    fn of(run: &Run) -> Result<Self, String> {
        if ![0, 1].contains(&run.code) {
            return Err(format!("diagnose: {run}"));
        }
        let json: Value = serde_json::from_str(&run.out).map_err(|error| format!("{error}\n{run}"))?;
        let node = if json["items"].is_array() { &json["items"][0] } else { &json };
        let findings = node["findings"].as_array().ok_or_else(|| format!("no findings: {run}"))?;
        let blockers = findings.iter().filter(|finding| finding["severity"] == "blocker");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let renews_cas = text(&node["verdict"]["repair"]).contains(" --renew-cas");
        Ok(Self {
            flags: if renews_cas { " --renew-cas" } else { "" },
            blockers: blockers.map(|found| (text(&found["code"]), text(&found["subject"]))).collect(),
            repairable: node["verdict"]["repair"].is_string() || node["verdict"]["repair"].is_object(),
        })
    }

    /// Something is missing or unreadable of which this node may have the only copy.
    fn is_in_doubt(&self) -> bool {
        let of_ca = |code: &str| code.starts_with("ca-") && !["ca-expired", "ca-expiring"].contains(&code);
        let code =
            |code: &str| of_ca(code) || code.starts_with("manifest-") || code.starts_with("etcd-data-");
        self.blockers.iter().any(|(found, _)| code(found))
    }

    /// The answer of `archive verify` that goes with it.
    fn answer(&self) -> Answer {
        match (self.blockers.is_empty(), self.repairable) {
            (true, _) => Answer::Ready,
            (false, true) => Answer::Recoverable,
            (false, false) => Answer::NotRecoverable,
        }
    }
}

/// The answer of `archive verify`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Ready,
    Recoverable,
    NotRecoverable,
}

impl Answer {
    fn of(text: &str) -> Option<Self> {
        let words = [
            ("NOT RECOVERABLE", Self::NotRecoverable),
            ("RECOVERABLE", Self::Recoverable),
            ("READY", Self::Ready),
        ];
        words.into_iter().find(|(word, _)| text.contains(word)).map(|(_, answer)| answer)
    }
}

/// One tree, and what was found on it.
struct Trial {
    seed: u64,
    node: Node,
    breakages: Vec<String>,
    failures: Vec<Failure>,
    /// How `recover` finished, whether it changed anything, and the code of its error.
    ending: Option<Ending>,
}

impl Trial {
    fn run(seed: u64) -> Self {
        let (node, breakages) = broken_node(&mut Draw::new(seed));
        let mut trial = Self { seed, node, breakages, failures: Vec::new(), ending: None };
        if let Err(evidence) = trial.judge() {
            trial.fails(Property::Answers, evidence);
        }
        trial
    }

    fn fails(&mut self, property: Property, evidence: impl Into<String>) {
        self.failures.push(Failure {
            seed: self.seed,
            property,
            breakages: self.breakages.clone(),
            evidence: evidence.into(),
        });
    }

    fn holds(&mut self, property: Property, holds: bool, evidence: impl FnOnce() -> String) {
        if !holds {
            self.fails(property, evidence());
        }
    }

    fn diagnose(&self) -> Result<Judgement, String> {
        Judgement::of(&self.node.run("diagnose -o json"))
    }

    fn judge(&mut self) -> Result<(), String> {
        let pristine = self.node.state();
        let before = self.diagnose()?;
        let dry = self.node.run(&format!("recover --dry-run{}", before.flags));
        let looked = self.node.state();
        let touched = pristine.differing(&looked);
        self.holds(Property::RefusedChangesNothing, touched.is_empty(), || {
            format!("diagnose or the dry run changed {touched:?}")
        });
        self.archive(&before)?;
        if before.is_in_doubt() {
            let advice = destructive(&self.node, NOW);
            self.holds(Property::NothingIsTakenAway, advice.is_empty(), || advice.join("\n"));
        }

        let real = self.node.run(&format!("recover --yes{}", before.flags));
        let changed = pristine.changed(&self.node.state());
        if ![0, 2, 4, 5].contains(&real.code) {
            return Err(format!("recover: {real}"));
        }
        let code = real.err.split("error [").nth(1).and_then(|rest| rest.split(']').next());
        self.ending = Some((real.code, !changed.is_empty(), code.unwrap_or_default().to_owned()));
        let after = self.diagnose()?;
        self.holds(Property::ZeroMeansWell, (real.code == 0) == after.blockers.is_empty(), || {
            format!("blockers afterwards: {:?}\nrecover: {real}", after.blockers)
        });
        let untouched = real.code == 0 && changed.is_empty();
        self.holds(Property::WellStaysAsItIs, !before.blockers.is_empty() || untouched, || {
            format!("changed: {changed:?}\nrecover: {real}")
        });
        let repaired = [0, 4].contains(&real.code);
        self.holds(Property::RepairableIsRepaired, !before.repairable || repaired, || {
            format!("blockers before: {:?}\nrecover: {real}", before.blockers)
        });
        let refused = [2, 5].contains(&real.code);
        self.holds(Property::RefusedChangesNothing, !refused || changed.is_empty(), || {
            format!("changed: {changed:?}\nrecover: {real}")
        });
        self.compare(&dry, &real, &after);
        if !changed.is_empty() {
            let undone = self.node.run("rollback --yes");
            let differing = pristine.changed(&self.node.state());
            self.holds(Property::RollbackIsExact, undone.code == 0 && differing.is_empty(), || {
                format!("differing: {differing:?}\nrollback: {undone}")
            });
        }
        Ok(())
    }

    /// Whether the dry run has foreseen what the real run did.
    fn compare(&mut self, dry: &Run, real: &Run, after: &Judgement) {
        self.holds(Property::DryRunIsTrue, dry.code == real.code, || {
            format!("dry run: {dry}\nreal run: {real}")
        });
        if ![0, 4].contains(&dry.code) {
            return;
        }
        let foreseen: BTreeSet<_> = remaining(&dry.out);
        let left: BTreeSet<_> = after.blockers.iter().map(|(code, _)| code.clone()).collect();
        self.holds(Property::DryRunIsTrue, foreseen == left, || {
            format!("foreseen to remain: {foreseen:?}, remaining: {left:?}\ndry run: {dry}")
        });
    }

    /// Archives the node elsewhere, and lets both commands judge the archive.
    fn archive(&mut self, node: &Judgement) -> Result<(), String> {
        let elsewhere = tempfile::tempdir().unwrap();
        let created = self.node.run(&format!("archive create --archive-dir {}", elsewhere.path().display()));
        let file = std::fs::read_dir(elsewhere.path()).unwrap().flatten().map(|entry| entry.path());
        let Some(file) = file.into_iter().find(|path| path.to_string_lossy().ends_with(".gz")) else {
            // Without an archive there must be a reason, and `recover` has the same one.
            return if [2, 4, 5].contains(&created.code) {
                Ok(())
            } else {
                Err(format!("archive create: {created}"))
            };
        };
        let verified = self.node.run_as_given(&format!("archive verify --at {NOW} {}", file.display()));
        let mut command = common::kuberescue();
        command.args(["diagnose", "-o", "json", "--at", NOW]).arg(&file);
        let judged = Judgement::of(&common::run(command))?;
        let answer = Answer::of(&verified.out);
        self.holds(Property::ArchiveIsJudgedAlike, answer == Some(judged.answer()), || {
            format!("diagnose ARCHIVE: {:?}, {:?}\n{verified}", judged.answer(), judged.blockers)
        });
        // What an archive can't know: etcd's data is not in it.
        let known = |(code, _): &&(String, String)| !code.starts_with("etcd-data");
        let expected: BTreeSet<_> = node.blockers.iter().filter(known).cloned().collect();
        self.holds(Property::ArchiveIsJudgedAlike, expected == judged.blockers, || {
            format!("blockers on the node: {:?}, in its archive: {:?}", node.blockers, judged.blockers)
        });
        Ok(())
    }
}

/// The lines with which commands that only look advise to take a file away.
fn destructive(node: &Node, at: &str) -> Vec<String> {
    let elsewhere = tempfile::tempdir().unwrap();
    let created = node.run(&format!("archive create --archive-dir {}", elsewhere.path().display()));
    let mut said = String::new();
    for command in ["diagnose -v", "recover --dry-run", "certs renew all --dry-run"] {
        said.push_str(&node.run_as_given(&format!("{command} --at {at}")).to_string());
    }
    if created.code == 0 {
        said.push_str(
            &node.run_as_given(&format!("archive verify --at {at} {}", created.out.trim())).to_string(),
        );
    }
    let takes_away = |line: &&str| {
        let mut words = line.split([' ', '(', '`', ';', '\'']);
        words.any(|word| ["shred", "rm", "mv", "unlink", "rmdir", "move", "remove", "delete"].contains(&word))
    };
    // What etcd calls its member, a member of a healthy cluster alone can remove.
    let lines =
        said.lines().map(|line| line.replace("etcdctl member remove", "").replace("remove this one", ""));
    lines.filter(|line| takes_away(&line.as_str())).collect()
}

/// The trees of the field, of which each is odd in its own way, healthy and with what they miss most.
#[test]
fn nothing_is_advised_away_on_odd_nodes() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/field");
    let mut archives: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    archives.sort();
    let mut told = String::new();
    for archive in archives {
        let name = archive.file_name().unwrap().to_str().unwrap().to_owned();
        // Thousands of files make it slow.
        if name.contains("many_small") || name.contains("pile") {
            continue;
        }
        let node = Node::empty().unpacked(&archive, false);
        for broken in ["", "/etc/kubernetes/pki/ca.key", "/etc/kubernetes/manifests", "/etc/kubernetes/pki"] {
            if !broken.is_empty() && node.path(broken).exists() {
                node.remove(broken);
            }
            if Judgement::of(&node.run("diagnose -o json")).is_ok_and(|found| found.is_in_doubt()) {
                let advice = destructive(&node, "2026-12-01T00:00:00Z");
                told.extend(advice.iter().map(|line| format!("{name} {broken}: {line}\n")));
            }
        }
    }
    assert!(told.is_empty(), "{told}");
}

/// The codes below the heading that says what remains.
fn remaining(out: &str) -> BTreeSet<String> {
    let lines = out.lines().skip_while(|line| !line.starts_with("Blocking problems that remain"));
    let lines = lines.skip(1).take_while(|line| line.starts_with(' '));
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable}={value}")))
}

/// How `recover` finished: its exit code, whether anything was changed, the code of its error.
type Ending = (i32, bool, String);

#[test]
fn commands_agree_on_broken_nodes() {
    let seeds: Vec<_> = match number("KUBERESCUE_JUDGEMENT_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("KUBERESCUE_JUDGEMENT").unwrap_or(TREES)).collect(),
    };
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let endings: Mutex<BTreeMap<Option<Ending>, usize>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(seeds.len()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let trial = Trial::run(*seed);
                    failures.lock().unwrap().extend(trial.failures);
                    *endings.lock().unwrap().entry(trial.ending).or_default() += 1;
                }
            });
        }
    });
    let (failures, endings) = (failures.into_inner().unwrap(), endings.into_inner().unwrap());
    for (ending, trees) in &endings {
        println!("{trees:>4} trees: exit code of recover, changed, error: {ending:?}");
    }
    assert!(failures.is_empty(), "{}", report(failures, seeds.len()));
    // The trees are as different as they should be: each way to end is among them.
    for ending in [(0, false), (0, true), (4, true), (5, false)] {
        let is_there = endings.keys().flatten().any(|(code, changed, _)| (*code, *changed) == ending);
        assert!(seeds.len() < TREES as usize || is_there, "no tree with {ending:?}");
    }
}

/// Each failure, then how many trees each property fails on.
fn report(mut failures: Vec<Failure>, trees: usize) -> String {
    failures.sort_by_key(|failure| (failure.property, failure.seed));
    let mut out = String::from("\n");
    let mut seeds: BTreeMap<Property, BTreeSet<u64>> = BTreeMap::new();
    for failure in &failures {
        seeds.entry(failure.property).or_default().insert(failure.seed);
        let _ = writeln!(out, "=== seed {}: {}", failure.seed, failure.property.words());
        let _ = writeln!(out, "    {}", failure.breakages.join("\n    "));
        let _ = writeln!(out, "{}\n", failure.evidence.trim_end());
    }
    let _ = writeln!(out, "{:<48} FAILS ON  SEEDS", "PROPERTY");
    for property in PROPERTIES {
        let seeds = seeds.get(&property).cloned().unwrap_or_default();
        let list: Vec<_> = seeds.iter().map(u64::to_string).collect();
        let _ = writeln!(out, "{:<48} {:>3}/{:<4}  {}", property.words(), seeds.len(), trees, list.join(" "));
    }
    out
}
