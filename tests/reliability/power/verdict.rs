//! What becomes of a node after a power loss, once `resume` or `rollback` has run: it must be one whole state, and
//! nothing that the tool keeps for itself may be unreadable.

use std::path::Path;

use kuberescue::disk::transaction::{self, Journal, Theirs, pending};
use kuberescue::disk::{Root, history, parking};
use kuberescue::session::change::undo::{last_change, undo};
use kuberescue::state::{Digest, Invoker};

use super::super::common::{NOW, kuberescue, run};
use super::super::judge::bring_keys_back;
use super::disk::Inode;
use super::image::{self, OWN, Tree};

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Neither one state nor another.
    Mixed(String),
    /// A journal, a record of parked manifests or the history is not what it should be.
    Unreadable(String),
    /// The archive that the journal names is not whole.
    Archive(String),
    /// What should be gone is there.
    Leftover(String),
    /// The next change can't be made.
    Next(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Resume,
    Rollback,
}

/// A node's states, each of them whole.
pub struct States {
    /// The first one is that before the runs.
    pub trees: Vec<Tree>,
    /// That after the runs.
    pub new: usize,
    /// One that only a rollback leads to.
    pub only_by_rollback: Option<usize>,
}

/// In which of the states the node may be after a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Old,
    New,
    Either,
}

/// How an image is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub way: Way,
    pub due: Due,
    /// Whether the program itself is run; otherwise what it is made of is called.
    pub by_program: bool,
}

/// Puts the disk into `directory`, ends there what was interrupted, and looks. Answers which of the states the node is in.
///
/// # Errors
/// What is wrong.
pub fn judge(inodes: &[Inode], states: &States, look: Look, directory: &Path) -> Result<usize, Wrong> {
    let Look { way, by_program, .. } = look;
    let place = directory.join("root");
    if place.exists() {
        std::fs::remove_dir_all(&place).unwrap();
    }
    std::fs::create_dir(&place).unwrap();
    image::write(inodes, &place);
    let root = Root::open(&place).map_err(|error| Wrong::Unreadable(error.to_string()))?;
    records(&root, &place)?;
    let finished = if by_program { end_by_program(&place, way) } else { end(&root, way) };
    finished.map_err(Wrong::Mixed)?;

    let found = Tree::read(&place);
    let state = which(states, look, &found)?;
    let left = own_names(&place).into_iter().filter(|name| {
        ["staging.json", "journal.json", "history.next", "parked.json"].contains(&name.as_str())
    });
    none_left(left.collect())?;
    whole_history(&root)?;
    if by_program {
        next_change(&place)?;
    }
    Ok(state)
}

fn which(states: &States, look: Look, found: &Tree) -> Result<usize, Wrong> {
    let mut nearest: Option<Vec<String>> = None;
    for (index, tree) in states.trees.iter().enumerate() {
        let may_be = match (look.way, look.due) {
            (Way::Rollback, _) => true,
            (Way::Resume, Due::Either) => states.only_by_rollback != Some(index),
            (Way::Resume, Due::Old) => index == 0,
            (Way::Resume, Due::New) => index == states.new,
        };
        if !may_be {
            continue;
        }
        let differences = tree.differences(found);
        if differences.is_empty() {
            return Ok(index);
        }
        if nearest.as_ref().is_none_or(|nearest| nearest.len() > differences.len()) {
            nearest = Some(differences);
        }
    }
    Err(Wrong::Mixed(format!("{:?} {:?}: {}", look.way, look.due, nearest.unwrap_or_default().join(", "))))
}

/// What the tool finds on the disk before it does anything.
fn records(root: &Root, place: &Path) -> Result<(), Wrong> {
    let unreadable = |error: kuberescue::disk::Error| Wrong::Unreadable(error.to_string());
    let pending = pending(root).map_err(unreadable)?;
    let last = transaction::last(root).map_err(unreadable)?;
    parking::parked(root).map_err(unreadable)?;
    whole_history(root)?;
    let own = place.join(OWN.trim_start_matches('/'));
    let committed = own.join("journal.json").exists();
    if committed && let Ok(next) = std::fs::read(own.join("history.next")) {
        let lines = next.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for line in lines {
            serde_json::from_slice::<serde_json::Value>(line)
                .map_err(|error| Wrong::Unreadable(format!("history.next: {error}")))?;
        }
    }
    for journal in pending.iter().filter(|_| committed).chain(&last) {
        whole_archive(&own, journal)?;
    }
    Ok(())
}

fn whole_archive(own: &Path, journal: &Journal) -> Result<(), Wrong> {
    let Some(archive) = &journal.archive else { return Ok(()) };
    let name = archive.path.file_name().unwrap();
    let bytes = std::fs::read(own.join(name)).map_err(|error| Wrong::Archive(error.to_string()))?;
    if Digest::of(&bytes) != archive.sha256 {
        return Err(Wrong::Archive(format!("{} is torn", name.display())));
    }
    Ok(())
}

fn whole_history(root: &Root) -> Result<(), Wrong> {
    let check = history::verify(root).map_err(|error| Wrong::Unreadable(error.to_string()))?;
    if check.problems.is_empty() { Ok(()) } else { Err(Wrong::Unreadable(check.problems.join(", "))) }
}

/// What the commands do.
fn end(root: &Root, way: Way) -> Result<(), String> {
    let text = |error: kuberescue::disk::Error| error.to_string();
    let failed = |failure: kuberescue::error::Error| format!("{failure:?}");
    let (operator, now) = (Invoker::default(), NOW.parse().unwrap());
    let lock = root.lock().map_err(text)?;
    let back = parking::unpark(root, &lock).map_err(text)?;
    if !back.is_complete() {
        return Err(format!("{back:?}"));
    }
    match way {
        Way::Resume => {
            transaction::resume(root, &lock, Theirs::Refuse, &operator, now).map_err(text)?;
        }
        Way::Rollback => {
            if let Some(journal) = last_change(root).map_err(failed)? {
                undo(root, &lock, &journal, None, Theirs::Refuse, &operator, now).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn end_by_program(place: &Path, way: Way) -> Result<(), String> {
    program(place, if way == Way::Resume { "resume" } else { "rollback --yes" })
}

fn program(place: &Path, words: &str) -> Result<(), String> {
    let mut command = kuberescue();
    command.args(words.split_whitespace()).arg("--root").arg(place);
    let done = run(command);
    if done.code == 0 { Ok(()) } else { Err(format!("{words}: {done}")) }
}

/// The node can be changed again, and after that nothing of an unfinished run is left.
fn next_change(place: &Path) -> Result<(), Wrong> {
    bring_keys_back(place);
    program(place, &format!("certs renew all --accept-clock --at {NOW}")).map_err(Wrong::Next)?;
    let left = own_names(place).into_iter().filter(|name| {
        let archive = [".tar.gz", ".txt"].iter().any(|end| name.ends_with(end)) && !name.starts_with('.');
        !archive && !["lock", "last.json", "history.jsonl", "csr.json"].contains(&name.as_str())
    });
    none_left(left.collect())
}

fn none_left(left: Vec<String>) -> Result<(), Wrong> {
    if left.is_empty() { Ok(()) } else { Err(Wrong::Leftover(left.join(", "))) }
}

fn own_names(place: &Path) -> Vec<String> {
    let names = std::fs::read_dir(place.join(OWN.trim_start_matches('/'))).into_iter().flatten();
    names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
