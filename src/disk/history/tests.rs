#![expect(clippy::disallowed_methods, reason = "a test alters the log")]

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::disk::transaction::{self, Context};
use crate::disk::{Depth, Root};
use crate::state::{Attributes, ChangeSet, Content, Entry, Invoker, Snapshot};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

struct Node {
    directory: tempfile::TempDir,
    root: Root,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        Self { directory, root }
    }

    fn change(&self, number: u32) {
        let file = |text: String| {
            let attributes = Attributes { mode: 0o600, ..Attributes::default() };
            Entry { content: Content::File(text.into_bytes().into()), attributes }
        };
        let before = self.entry();
        let mut changes = ChangeSet::default();
        let mut after = file(format!("text {number}"));
        if let Some(before) = &before {
            after.attributes = Attributes { mtime: Timestamp::default(), ..before.attributes.clone() };
        } else {
            let meta = std::fs::metadata(self.directory.path()).unwrap();
            use std::os::unix::fs::MetadataExt as _;
            (after.attributes.uid, after.attributes.gid) = (meta.uid(), meta.gid());
        }
        changes.put("/a", before, Some(after));
        let operator = Invoker { uid: number, sudo_user: Some("alice".to_owned()), tty: None };
        let context = Context { command: format!("change {number}"), operator, archive: None, now: NOW };
        transaction::apply(&self.root, &self.root.lock().unwrap(), &changes, &context).unwrap();
    }

    fn entry(&self) -> Option<Entry> {
        let mut there = Snapshot::default();
        self.root.read(&mut there, Path::new("/a"), Depth::File);
        there.get(Path::new("/a")).cloned()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("var/lib/kuberescue").join(name)
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(self.path(LOG)).unwrap().lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        std::fs::write(self.path(LOG), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
            .unwrap();
    }

    fn problems(&self) -> Vec<String> {
        verify(&self.root).unwrap().problems
    }
}

#[test]
fn each_change_is_recorded_and_chained() {
    let node = Node::new();
    assert_eq!(verify(&node.root).unwrap(), Check::default());
    (1..4).for_each(|number| node.change(number));
    let check = verify(&node.root).unwrap();
    assert_eq!(check.problems, Vec::<String>::new());
    let told: Vec<_> = check.records.iter().map(|done| (done.operator.uid, done.command.as_str())).collect();
    assert_eq!(told, [(1, "change 1"), (2, "change 2"), (3, "change 3")]);
    let last: Record = serde_json::from_str(node.lines().last().unwrap()).unwrap();
    assert_eq!((last.number, last.begun.time, last.completed), (3, NOW, None));
    assert_ne!(last.changes[0].before, last.changes[0].after);
    assert!(!node.path(NEXT).exists());
}

#[test]
fn what_was_altered_taken_out_or_cut_off_is_found() {
    let node = Node::new();
    (1..5).for_each(|number| node.change(number));
    let whole = node.lines();
    let found = |lines: Vec<String>, expected: &str| {
        node.write(&lines);
        let problems = node.problems();
        assert!(problems.len() == 1 && problems[0].ends_with(expected), "{expected}: {problems:?}");
    };
    let mut altered = whole.clone();
    altered[1] = altered[1].replace("change 2", "change 9");
    found(altered, "line 3: the record before it is another one than when it was written");
    let mut missing = whole.clone();
    missing.remove(0);
    found(missing, "line 1: the record before it is another one than when it was written");
    found(whole[..3].to_vec(), "the last change is not in it");
    let mut garbage = whole.clone();
    garbage[3] = "{}".to_owned();
    node.write(&garbage);
    let expected = ["line 4: not a record", "the last change is not in it"];
    let problems = node.problems();
    assert!(problems.iter().zip(expected).all(|(found, expected)| found.ends_with(expected)), "{problems:?}");
    // The chain continues anyway, and the damage stays visible.
    node.change(5);
    assert_eq!(node.problems().len(), 1);
    node.write(&whole);
    assert_eq!(node.problems(), ["/var/lib/kuberescue/history.jsonl: the last change is not in it"]);
}

#[test]
fn the_record_of_an_interrupted_change_hides_no_other() {
    let node = Node::new();
    node.change(1);
    std::fs::copy(node.path("last.json"), node.path("first")).unwrap();
    node.change(2);
    // Killed between the record and the end.
    std::fs::rename(node.path("last.json"), node.path("journal.json")).unwrap();
    std::fs::rename(node.path("first"), node.path("last.json")).unwrap();
    assert_eq!(node.problems(), Vec::<String>::new());
}

fn issued(user: &str) -> Issued {
    let (groups, serial) = (vec!["system:masters".to_owned()], "1f".to_owned());
    Issued { user: user.to_owned(), groups, serial, from: NOW, until: NOW }
}

#[test]
fn what_was_issued_is_chained_between_changes() {
    let node = Node::new();
    let context = Context {
        command: "issue".to_owned(),
        operator: Invoker { uid: 0, sudo_user: None, tty: None },
        archive: None,
        now: NOW,
    };
    let issue = |user| {
        transaction::record_issued(&node.root.lock().unwrap(), issued(user), &context).unwrap();
    };
    let resume = || {
        let (lock, theirs) = (node.root.lock().unwrap(), transaction::Theirs::Refuse);
        transaction::resume(&node.root, &lock, theirs, &context.operator, NOW).unwrap();
    };
    issue("first");
    node.change(1);
    node.change(2);
    // Killed after its commit, and before its record was in place.
    std::fs::rename(node.path(LOG), node.path(NEXT)).unwrap();
    let lines = std::fs::read_to_string(node.path(NEXT)).unwrap();
    node.write(&lines.lines().take(2).map(str::to_owned).collect::<Vec<_>>());
    std::fs::rename(node.path("last.json"), node.path("journal.json")).unwrap();
    issue("second");
    resume();
    let check = verify(&node.root).unwrap();
    assert_eq!(check.problems, Vec::<String>::new());
    let users = check.records.iter().map(|done| done.issued.as_ref().map(|issued| issued.user.as_str()));
    assert_eq!(users.collect::<Vec<_>>(), [Some("first"), None, Some("second"), None]);
    // Killed once more, with its record in place.
    std::fs::rename(node.path("last.json"), node.path("journal.json")).unwrap();
    issue("third");
    resume();
    let check = verify(&node.root).unwrap();
    assert_eq!((check.problems, check.records.len()), (Vec::new(), 5));
}

#[test]
fn what_was_issued_sets_a_full_file_aside() {
    let node = Node::new();
    node.change(1);
    let mut record: Record = serde_json::from_str(&node.lines()[0]).unwrap();
    record.command = "x".repeat(FULL_AT);
    node.write(&[serde_json::to_string(&record).unwrap()]);
    let context = Context { command: String::new(), operator: Invoker::default(), archive: None, now: NOW };
    transaction::record_issued(&node.root.lock().unwrap(), issued("alice"), &context).unwrap();
    assert_eq!((node.problems(), node.lines().len()), (Vec::new(), 1));
    assert!(node.path("history-1.jsonl").exists());
}

#[test]
fn a_full_file_is_set_aside() {
    let node = Node::new();
    node.change(1);
    let mut record: Record = serde_json::from_str(&node.lines()[0]).unwrap();
    record.command = "x".repeat(FULL_AT);
    node.write(&[serde_json::to_string(&record).unwrap()]);
    node.change(2);
    node.change(3);
    assert_eq!(node.problems(), Vec::<String>::new());
    assert_eq!(verify(&node.root).unwrap().records.len(), 3);
    assert_eq!(node.lines().len(), 2);
    // Interrupted between the two renames: the next one finds its predecessor.
    assert!(node.path("history-1.jsonl").exists());
    let rest = node.lines();
    std::fs::remove_file(node.path(LOG)).unwrap();
    node.change(4);
    let next: Record = serde_json::from_str(&node.lines()[0]).unwrap();
    assert_eq!(next.number, 2);
    assert_eq!(rest.len(), 2);
}

#[test]
fn a_log_that_is_no_file_stops_a_change_before_it_begins() {
    let node = Node::new();
    node.change(1);
    std::fs::remove_file(node.path(LOG)).unwrap();
    std::fs::create_dir(node.path(LOG)).unwrap();
    let before = node.entry();
    let mut changes = ChangeSet::default();
    changes.put("/a", before.clone(), None);
    let context = Context { command: "x".to_owned(), operator: Invoker::default(), archive: None, now: NOW };
    let error = transaction::apply(&node.root, &node.root.lock().unwrap(), &changes, &context).unwrap_err();
    assert!(!error.committed() && error.to_string().ends_with("not a file"), "{error}");
    assert_eq!(node.entry(), before);
    assert_eq!(transaction::pending(&node.root).unwrap(), None);
}

#[test]
fn a_log_that_something_else_has_filled_is_set_aside() {
    let node = Node::new();
    node.change(1);
    node.change(2);
    let file = std::fs::File::options().append(true).open(node.path(LOG)).unwrap();
    file.set_len(MAX_LOG + 1).unwrap();
    node.change(3);
    let names = std::fs::read_dir(node.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let number = parse(node.lines()[0].as_bytes()).unwrap().number;
    insta::assert_snapshot!(format!("{names:?}, then {number}\n{:?}", node.problems()).replace(node.path("").to_str().unwrap(), "OWN/"), @r#"
    ["history-3.jsonl", "history.jsonl", "last.json", "lock"], then 4
    ["/var/lib/kuberescue/history-3.jsonl: too large to be checked", "/var/lib/kuberescue/history.jsonl, line 1: the record before it is another one than when it was written"]
    "#);
}
