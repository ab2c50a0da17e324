//! Another program changes a file after a change was interrupted, or after it was made: from every state a command
//! leads out, and it leaves alone what isn't its own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::crashes::{committed_points, half_done};
use super::*;
use crate::disk::effect::fault::{self, Fault};

/// What another program does to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Rewrite,
    Remove,
    Directory,
    Link,
    Fifo,
    /// To the content that is staged beside it.
    RewriteStaged,
    RemoveStaged,
    DirectoryStaged,
    /// Its directory is moved elsewhere, and a link put in its place.
    MoveDirectory,
}

const ACTS: [Act; 9] = [
    Act::Rewrite,
    Act::Remove,
    Act::Directory,
    Act::Link,
    Act::Fifo,
    Act::RewriteStaged,
    Act::RemoveStaged,
    Act::DirectoryStaged,
    Act::MoveDirectory,
];

#[expect(clippy::disallowed_methods, reason = "the other program")]
fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Does it; false if there is nothing to do it to.
#[expect(clippy::disallowed_methods, reason = "the other program")]
fn disturb(root: &Path, path: &Path, act: Act) -> bool {
    let at = root.join(path.strip_prefix("/").unwrap());
    let parent = at.parent().unwrap();
    if !parent.is_dir() {
        return false;
    }
    let staged = || {
        let own = format!(".{}.kuberescue-", path.file_name().unwrap().to_str().unwrap());
        let names = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|name| name.file_name().unwrap().to_str().unwrap().starts_with(&own)).min()
    };
    let target = match act {
        Act::RewriteStaged | Act::RemoveStaged | Act::DirectoryStaged => match staged() {
            Some(staged) => staged,
            None => return false,
        },
        _ => at.clone(),
    };
    match act {
        Act::MoveDirectory => {
            let elsewhere = root.join("elsewhere");
            std::fs::rename(parent, &elsewhere).unwrap();
            std::os::unix::fs::symlink("/elsewhere", parent).unwrap();
            return true;
        }
        _ => remove(&target),
    }
    match act {
        Act::Rewrite | Act::RewriteStaged => std::fs::write(&target, "someone else's").unwrap(),
        Act::Directory | Act::DirectoryStaged => {
            std::fs::create_dir(&target).unwrap();
            std::fs::write(target.join("theirs"), "someone else's").unwrap();
        }
        Act::Link => std::os::unix::fs::symlink("someone else's", &target).unwrap(),
        Act::Fifo => nix::unistd::mkfifo(&target, nix::sys::stat::Mode::S_IRUSR).unwrap(),
        Act::Remove | Act::RemoveStaged | Act::MoveDirectory => {}
    }
    true
}

/// A state in which a change can be found.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Killed at this call.
    Killed(u32),
    /// Killed in the middle of the renames, and its rollback at this call.
    RollbackKilled(u32),
    Done,
    /// Done, and its rollback killed at this call.
    UndoingKilled(u32),
}

impl State {
    /// `None`: the run had finished by then.
    fn make(self) -> Option<Node> {
        let killed = |node: Node, at: u32, act: &dyn Fn(&Node) -> bool| {
            fault::set(at, Fault::Expiry);
            let done = act(&node);
            fault::clear();
            (!done).then_some(node)
        };
        match self {
            Self::Killed(at) => killed(node(), at, &|node| node.apply().is_ok()),
            Self::RollbackKilled(at) => {
                static MIDDLE: OnceLock<u32> = OnceLock::new();
                let half = half_done(*MIDDLE.get_or_init(|| committed_points().start + 3));
                killed(half, at, &|node| node.rollback().is_ok())
            }
            Self::Done => {
                let node = node();
                node.apply().unwrap();
                Some(node)
            }
            Self::UndoingKilled(at) => {
                killed(Self::Done.make().unwrap(), at, &|node| node.rollback().is_ok())
            }
        }
    }
}

/// Names of staged files anywhere below the root.
fn staged_files(root: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let ours = all.filter(|entry| {
        let name: &OsStr = entry.file_name();
        !entry.file_type().is_dir() && name.to_str().unwrap().contains(".kuberescue-")
    });
    ours.map(|entry| entry.path().to_owned()).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    cases: u32,
    /// Completed without an option.
    plain: u32,
    kept: u32,
    overwritten: u32,
    /// Something that can't be overwritten, then kept.
    kept_at_last: u32,
}

impl Count {
    fn case(&mut self, state: State, path: &Path, act: Act, undo: bool, theirs: Theirs) {
        let Some(node) = state.make() else { return };
        if !disturb(node.root.path(), path, act) {
            return;
        }
        self.cases += 1;
        let when = format!("{state:?}, {act:?} {}, undo {undo}, {theirs:?}", path.display());
        let found = tree(&node.root);
        let end = |theirs| match undo {
            true => node.rollback_with(theirs).map(|_| ()),
            false => node.resume_with(theirs).map(|_| ()),
        };
        match end(Theirs::Refuse) {
            Ok(()) => self.plain += 1,
            Err(error) => {
                assert!(error.refuses_rollback() || error.committed(), "{when}: {error}");
                assert!(tree(&node.root) == found, "{when}: {error}: touched");
                match end(theirs) {
                    Ok(()) if theirs == Theirs::Keep => self.kept += 1,
                    Ok(()) => self.overwritten += 1,
                    Err(_) => {
                        end(Theirs::Keep).unwrap_or_else(|error| panic!("{when}: {error}"));
                        self.kept_at_last += 1;
                    }
                }
            }
        }
        assert!(pending(&node.root).unwrap().is_none(), "{when}: pending");
        assert_eq!(staged_files(node.root.path()), Vec::<PathBuf>::new(), "{when}: staged files");
        if act != Act::MoveDirectory {
            whole(&node, path, &when);
        }
    }
}

/// Every other path is as before the change, or every one as after it.
fn whole(node: &Node, path: &Path, when: &str) {
    let now = tree(&node.root);
    let another = |at: &Path| at.to_str().unwrap().contains(".kuberescue-");
    let about = |at: &Path| !at.starts_with(path) && !path.starts_with(at) && !another(at);
    let names = |other: &Snapshot| other.diff(&now, about).iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    let (old, new) = (names(&node.old), names(&node.wanted()));
    assert!(old.is_empty() || new.is_empty(), "{when}: mixed: {old:?} and {new:?}");
}

/// With `KUBERESCUE_RELIABILITY=full` each state, otherwise a sample.
#[test]
fn from_every_state_a_command_leads_out() {
    let full = std::env::var_os("KUBERESCUE_RELIABILITY").is_some_and(|how| how == "full");
    let step = if full { 1 } else { 14 };
    let mut count = Count::default();
    let paths: Vec<PathBuf> = node().changes.iter().map(|change| change.path.clone()).collect();
    let committed = committed_points();
    let mut states = vec![State::Done];
    states.extend((0..committed.start).step_by(2 * step).map(State::Killed));
    states.extend(committed.step_by(step).map(State::Killed));
    states.extend((0..100).step_by(step + 3).map(State::RollbackKilled));
    states.extend((0..130).step_by(step + 16).map(State::UndoingKilled));
    for (index, state) in states.into_iter().enumerate() {
        for (number, path) in paths.iter().enumerate() {
            for (act, undo) in ACTS.into_iter().flat_map(|act| [(act, false), (act, true)]) {
                // Each state and each path is tried with both, not each pair of them.
                let theirs = if (index + number) % 2 == 0 { Theirs::Keep } else { Theirs::Overwrite };
                count.case(state, path, act, undo, theirs);
            }
        }
    }
    if full {
        insta::assert_debug_snapshot!(count, @r"
        Count {
            cases: 10572,
            plain: 6119,
            kept: 2225,
            overwritten: 462,
            kept_at_last: 1766,
        }
        ");
    } else {
        insta::assert_debug_snapshot!(count, @"
        Count {
            cases: 1908,
            plain: 995,
            kept: 448,
            overwritten: 104,
            kept_at_last: 361,
        }
        ");
    }
}

/// Writes into `path`, as `kubeadm certs renew` does, or into what is staged beside it.
fn rewrite(root: &Path, path: &str, is_staged: bool) {
    let at = root.join(path);
    let own = format!(".{}.kuberescue-", at.file_name().unwrap().to_str().unwrap());
    let names = std::fs::read_dir(at.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut staged = names.filter(|name| name.file_name().unwrap().to_str().unwrap().starts_with(&own));
    let Some(target) = (if is_staged { staged.next() } else { Some(at) }) else { return };
    let mut open = std::fs::File::options().write(true).truncate(true).open(target).unwrap();
    std::io::Write::write_all(&mut open, b"someone else's").unwrap();
}

/// Before each writing call of a change.
#[test]
fn what_is_written_meanwhile_is_never_lost_in_silence() {
    let (mut refused, mut begun, mut told, mut before, mut after) = (0, 0, 0, 0, 0);
    for at in 0.. {
        let node = node();
        let root = node.root.path().to_owned();
        fault::meanwhile(at, move || rewrite(&root, "etc/k/pki/a.crt", false));
        let outcome = node.apply();
        if fault::clear() <= at {
            break;
        }
        let now = std::fs::read(node.root.path().join("etc/k/pki/a.crt")).unwrap();
        match outcome {
            Err(error) => {
                assert!(error.refuses_rollback() || error.committed(), "{at}: {error}");
                assert_eq!(now, b"someone else's", "{at}: {error}");
                match error {
                    Error::Changed { .. } => refused += 1,
                    _ => begun += 1,
                }
                node.resume_with(Theirs::Keep).unwrap();
            }
            Ok(outcome) if now == b"someone else's" => {
                assert_eq!(outcome.meanwhile.lost, Vec::<PathBuf>::new());
                after += 1;
            }
            Ok(outcome) if outcome.meanwhile.lost == [Path::new("/etc/k/pki/a.crt")] => told += 1,
            Ok(_) => before += 1,
        }
        assert_eq!(staged_files(node.root.path()), Vec::<PathBuf>::new(), "{at}");
    }
    insta::assert_snapshot!(
        format!("{refused} refused, {begun} after the commit, {told} told, {after} after the rename, {before} unseen"),
        @"59 refused, 7 after the commit, 3 told, 22 after the rename, 0 unseen"
    );
}

/// What is staged is read back before the commit, and once more before it is put in place.
#[test]
fn staged_content_that_is_changed_meanwhile_is_found() {
    let (mut refused, mut taken_back, mut made, mut put) = (0, 0, 0, 0);
    for at in 0.. {
        let node = node();
        let root = node.root.path().to_owned();
        fault::meanwhile(at, move || rewrite(&root, "etc/k/pki/a.crt", true));
        let outcome = node.apply();
        if fault::clear() <= at {
            break;
        }
        match outcome {
            Err(Error::ReadBack { .. }) => refused += 1,
            Err(Error::TakenBack { .. }) => taken_back += 1,
            Err(error) => panic!("{at}: {error}"),
            Ok(_) => {
                let now = std::fs::read(node.root.path().join("etc/k/pki/a.crt")).unwrap();
                if now == b"someone else's" { put += 1 } else { made += 1 }
            }
        }
    }
    insta::assert_snapshot!(
        format!("{refused} refused, {taken_back} taken back, {made} made, {put} put in place"),
        @"27 refused, 7 taken back, 54 made, 3 put in place"
    );
}
