//! The runs that are recorded: a new one is a line of [`SCENARIOS`].

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::super::common::{NOW, Node};
use super::super::decode::Op as Call;
use super::super::tracer::kuberescue_on;
use super::disk::{Log, What};
use super::image::{Tree, quick_directory};
use super::jobs;
use super::log::{Kill, Recorder, is_staged};
use super::verdict::States;

pub struct Scenario {
    pub name: &'static str,
    /// How the node came to be as it is, not recorded.
    before: &'static [&'static str],
    steps: &'static [Step],
}

enum Step {
    /// A command line; `{archive}` stands for the node's first archive, `{usb}` for what another machine has signed.
    Run(&'static str),
    /// One that is killed before a call.
    Killed(&'static str, Kill),
    /// Something that this test's own program does.
    Job(&'static str),
    JobKilled(&'static str, Kill),
}
use Step::{Job, JobKilled, Killed, Run};

const RENEW: &str = "certs renew all --accept-clock";
const RECOVER: &str = "recover --yes --accept-clock --at 2027-12-01";
const RENEW_CAS: &str = "ca renew all --yes --accept-clock --days 4000";
const REPLACE_CA: &str = "ca replace ca --yes --accept-clock";
const FINISH: &str = "ca replace ca --finish --yes --accept-clock";
const IMPORT: &str = "csr import {usb} --yes --accept-clock";
const APPLY: &str = "bundle apply {usb}/cp-1.bundle.age --identity {usb}/id --yes --accept-clock";
const ROLLBACK: &str = "rollback --yes";
const RESTORE: &str = "archive restore {archive} --yes";

fn puts_in_place(call: &Call) -> bool {
    matches!(call, Call::Rename { from, .. } if is_staged(from.file_name()))
}

fn syncs_own_directory(call: &Call) -> bool {
    matches!(call, Call::Sync { file, .. } if file.path.ends_with("var/lib/kuberescue"))
}

fn syncs_lib(call: &Call) -> bool {
    matches!(call, Call::Sync { file, .. } if file.path.ends_with("var/lib"))
}

fn turns_back(call: &Call) -> bool {
    matches!(call, Call::Rename { to, .. } if to.ends_with("kuberescue/journal.json"))
}

fn removes_staged(call: &Call) -> bool {
    matches!(call, Call::Unlink { path, .. } if is_staged(path.file_name()))
}

fn parks(call: &Call) -> bool {
    matches!(call, Call::Rename { to, .. } if to.to_string_lossy().contains("/.kuberescue-parked-"))
}

fn links(call: &Call) -> bool {
    matches!(call, Call::Link { to, .. } if to.extension().is_some_and(|kind| kind == "yaml"))
}

const fn scenario(name: &'static str, before: &'static [&'static str], steps: &'static [Step]) -> Scenario {
    Scenario { name, before, steps }
}

pub const SCENARIOS: &[Scenario] = &[
    scenario("renew, the first change of a node", &[], &[Run(RENEW)]),
    scenario("renew, the third change", &[RENEW, ROLLBACK], &[Run(RENEW)]),
    scenario("recover, kubelet included", &[], &[Run(RECOVER)]),
    scenario("the CAs renewed", &[], &[Run(RENEW_CAS)]),
    scenario("a CA replaced", &[], &[Run(REPLACE_CA)]),
    scenario("the old CA removed", &[REPLACE_CA], &[Run(FINISH)]),
    scenario("certificates of an external CA", &["signed elsewhere"], &[Run(IMPORT)]),
    scenario("a bundle", &["a bundle"], &[Run(APPLY)]),
    scenario("rollback", &[RENEW], &[Run(ROLLBACK)]),
    scenario("rollback of the second change", &[RENEW, RECOVER], &[Run(ROLLBACK)]),
    scenario("archive restore", &[RENEW], &[Run(RESTORE)]),
    scenario("archive restore, rolled back", &[RENEW, RESTORE], &[Run(ROLLBACK)]),
    scenario("archive create", &[RENEW], &[Run("archive create")]),
    scenario("directories and links come and go", &[], &[Job("reshape")]),
    scenario("the same, rolled back", &["job reshape"], &[Run(ROLLBACK)]),
    scenario("manifests away and back", &[RENEW], &[Job("park and unpark")]),
    // Killed, and then the power fails while the next run cleans up: nothing that the first one had not synced is
    // on the disk yet.
    scenario("killed while renaming, resume", &[], &[Killed(RENEW, Kill(puts_in_place, 9)), Run("resume")]),
    scenario("killed while renaming, rollback", &[], &[Killed(RENEW, Kill(puts_in_place, 9)), Run(ROLLBACK)]),
    scenario(
        "killed at the commit, resume",
        &[],
        &[Killed(RENEW, Kill(syncs_own_directory, 3)), Run("resume")],
    ),
    scenario(
        "killed at the commit, rollback",
        &[],
        &[Killed(RENEW, Kill(syncs_own_directory, 3)), Run(ROLLBACK)],
    ),
    scenario(
        "killed while preparing, resume",
        &[],
        &[Killed(RENEW, Kill(syncs_own_directory, 2)), Run("resume")],
    ),
    scenario(
        "killed while making its directory, renew",
        &[],
        &[Killed(RENEW, Kill(syncs_lib, 1)), Run(RENEW)],
    ),
    scenario(
        "rollback of the interrupted, killed, resume",
        &[],
        &[Killed(RENEW, Kill(puts_in_place, 9)), Killed(ROLLBACK, Kill(puts_in_place, 3)), Run("resume")],
    ),
    scenario(
        "rollback of the interrupted, killed as it turns, resume",
        &[],
        &[Killed(RENEW, Kill(puts_in_place, 9)), Killed(ROLLBACK, Kill(turns_back, 1)), Run("resume")],
    ),
    scenario(
        "killed, resume killed as it cleans, rollback",
        &[RENEW],
        &[
            Killed(RECOVER, Kill(syncs_own_directory, 3)),
            Killed("resume", Kill(puts_in_place, 4)),
            Killed(ROLLBACK, Kill(removes_staged, 2)),
            Run(ROLLBACK),
        ],
    ),
    scenario(
        "directories killed, resume",
        &[],
        &[JobKilled("reshape", Kill(puts_in_place, 2)), Run("resume")],
    ),
    scenario(
        "directories killed, rollback",
        &[],
        &[JobKilled("reshape", Kill(puts_in_place, 2)), Run(ROLLBACK)],
    ),
    scenario(
        "manifests killed on their way out, resume",
        &[],
        &[JobKilled("park and unpark", Kill(parks, 3)), Run("resume")],
    ),
    scenario(
        "manifests killed on their way back, resume",
        &[],
        &[JobKilled("park and unpark", Kill(links, 3)), Run("resume")],
    ),
];

/// A scenario that was played.
pub struct Recording {
    pub log: Log,
    pub states: Arc<States>,
    /// Of a single run: up to the first op it must be old after a resume, from the second one on new.
    pub commit: Option<(usize, usize)>,
}

impl Scenario {
    pub fn record(&self) -> Recording {
        let node = Node::within(quick_directory()).filled("ecdsa-p256");
        let marked = node.path("/etc/kubernetes/pki/apiserver.key");
        let _ = xattr::set(marked, "user.note", b"kept");
        node.write("/etc/kubernetes/tmp/kubeadm-backup/etcd.yaml", "an old one\n");
        node.write("/etc/kubernetes/tmp/note", "a note\n");
        let mut before_the_last = None;
        for command in self.before {
            before_the_last = Some(Tree::read(node.root()));
            match command.strip_prefix("job ") {
                Some(job) => jobs::run(job, node.root()),
                None if *command == "signed elsewhere" => node.sign_elsewhere(),
                None if *command == "a bundle" => node.make_bundle(),
                None => drop(node.must(&with_archive(&node, command))),
            }
        }
        let mut trees = vec![Tree::read(node.root())];
        let mut recorder = Recorder::new(node.root());
        for step in self.steps {
            match step {
                Run(command) => drop(recorder.run(&words(&node, command), None)),
                Killed(command, kill) => drop(recorder.run(&words(&node, command), Some(*kill))),
                Job(job) => drop(recorder.run(&jobs::words(job, node.root()), None)),
                JobKilled(job, kill) => drop(recorder.run(&jobs::words(job, node.root()), Some(*kill))),
            }
            if matches!(step, Killed(..) | JobKilled(..)) {
                let mut resumed = resumed(node.root());
                resumed.forget_times(&trees[0]);
                trees.push(resumed);
            }
        }
        let log = recorder.finish();
        let new = trees.len();
        trees.push(Tree::of(&log.end()));
        let only_by_rollback = before_the_last.map(|tree| {
            trees.push(tree);
            trees.len() - 1
        });
        let commit = (self.steps.len() == 1).then(|| commit(&log)).flatten();
        Recording { log, states: Arc::new(States { trees, new, only_by_rollback }), commit }
    }
}

impl Recording {
    /// The same with another log of the same run.
    pub fn with(&self, log: Log) -> Self {
        let commit = commit(&log);
        Self { log, states: self.states.clone(), commit }
    }
}

fn words(node: &Node, command: &str) -> Vec<OsString> {
    let timeless = ["resume", "rollback", "archive"].iter().any(|word| command.starts_with(word));
    let mut command = with_archive(node, command).replace("{usb}", &node.path("/usb").display().to_string());
    if !timeless && !command.contains("--at ") {
        command.push_str(&format!(" --at {NOW}"));
    }
    kuberescue_on(node.root(), &command)
}

/// The command with the path of the node's first archive where it asks for it.
fn with_archive(node: &Node, command: &str) -> String {
    let Some((before, after)) = command.split_once("{archive}") else { return command.to_owned() };
    let own = std::fs::read_dir(node.path(super::image::OWN)).unwrap();
    let mut names: Vec<_> = own.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let first = names.iter().find(|name| name.extension().is_some_and(|kind| kind == "gz")).unwrap();
    format!("{before}{}{after}", first.display())
}

/// What `resume` makes of a node, which is left alone.
fn resumed(root: &Path) -> Tree {
    let copy = Node::within(quick_directory());
    let all = format!("{}/.", root.display());
    assert!(Command::new("cp").args(["-a", &all]).arg(copy.root()).status().unwrap().success());
    copy.must("resume");
    Tree::read(copy.root())
}

/// The rename of the journal that commits, and the sync that makes it last.
fn commit(log: &Log) -> Option<(usize, usize)> {
    let renames = |what: &What| match what {
        What::Names(names) => names.iter().any(|(name, to)| name == "journal.json" && to.is_some()),
        _ => false,
    };
    let rename = log.ops.iter().position(|op| renames(&op.what))?;
    let same = |op: &super::disk::Op| op.inode == log.ops[rename].inode && matches!(op.what, What::Sync);
    let sync = log.ops.iter().skip(rename).position(same)? + rename;
    Some((rename, sync + 1))
}
