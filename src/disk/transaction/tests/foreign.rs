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
        let announced = announced(&node.root, undo);
        let outcome = end(Theirs::Refuse);
        if let Some(announced) = announced {
            assert_eq!(announced, refused(&outcome), "{when}");
        }
        match outcome {
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

/// What [`differences`] says beforehand; `None` where only the archive could tell.
fn announced(root: &Root, undo: bool) -> Option<Vec<PathBuf>> {
    let journal = pending(root).unwrap().or_else(|| last(root).unwrap().filter(|_| undo))?;
    let with_archive = undo && (journal.direction == Direction::Backward || journal.undoes.is_some());
    let paths = |found: Vec<Difference>| found.into_iter().map(|found| found.path).collect();
    (!with_archive).then(|| paths(differences(root, &journal, undo).unwrap()))
}

/// The paths for which a command has refused.
fn refused(outcome: &Result<(), Error>) -> Vec<PathBuf> {
    match outcome {
        Ok(()) => Vec::new(),
        Err(Error::Differs { differences, .. }) => {
            differences.iter().map(|found| found.path.clone()).collect()
        }
        Err(Error::AfterCommit { source, .. }) => match &**source {
            Error::Differs { differences, .. } => {
                differences.iter().map(|found| found.path.clone()).collect()
            }
            other => panic!("{other}"),
        },
        Err(other) => panic!("{other}"),
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

const THEIRS: &[u8] = b"someone else's";

/// What becomes of a write at one call of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Before the commit.
    Refused,
    /// After it, before the first rename: nothing was put in place.
    Begun,
    TakenBack,
    /// Replaced, and told.
    Lost,
    /// In place, and told.
    Foreign,
    /// In place: written after the last look.
    Since,
    /// It makes no difference: the content is the old or the new one.
    None,
}

/// Another program writes before each writing call of `end`: how often which comes of it.
fn fates(
    make: &dyn Fn() -> Node,
    end: &dyn Fn(&Node) -> Result<Meanwhile, Error>,
    is_staged: bool,
) -> String {
    let (path, mut found) = ("etc/k/pki/a.crt", std::collections::BTreeMap::<Fate, u32>::new());
    for at in 0.. {
        let node = make();
        let root = node.root.path().to_owned();
        fault::meanwhile(at, move || rewrite(&root, path, is_staged));
        let outcome = end(&node);
        if fault::clear() <= at {
            break;
        }
        let is_theirs = std::fs::read(node.root.path().join(path)).unwrap() == THEIRS;
        let about_it = |paths: &[PathBuf]| {
            assert!(paths.iter().all(|other| other == &Path::new("/").join(path)), "{at}: {paths:?}");
            !paths.is_empty()
        };
        let fate = match outcome {
            Err(Error::TakenBack { .. }) => Fate::TakenBack,
            Err(Error::Changed { .. } | Error::ReadBack { .. }) => Fate::Refused,
            Err(error) => {
                assert!(error.refuses_rollback() || error.committed(), "{at}: {error}");
                node.resume_with(Theirs::Keep).unwrap();
                Fate::Begun
            }
            Ok(meanwhile) => match (is_theirs, about_it(&meanwhile.lost), about_it(&meanwhile.foreign)) {
                (true, _, true) => Fate::Foreign,
                (true, false, false) => Fate::Since,
                (false, true, false) => Fate::Lost,
                (false, false, false) => Fate::None,
                other => panic!("{at}: {other:?}"),
            },
        };
        assert!(is_staged || (fate == Fate::Lost || fate == Fate::None) != is_theirs, "{at}: {fate:?}");
        assert_eq!(staged_files(node.root.path()), Vec::<PathBuf>::new(), "{at}");
        *found.entry(fate).or_default() += 1;
    }
    let found: Vec<_> = found.iter().map(|(fate, number)| format!("{number} {fate:?}")).collect();
    found.join(", ")
}

fn applied(node: &Node) -> Result<Meanwhile, Error> {
    node.apply().map(|done| done.meanwhile)
}

#[test]
fn what_is_written_meanwhile_is_never_lost_in_silence() {
    insta::assert_snapshot!(fates(&node, &applied, false), @"59 Refused, 7 Begun, 3 Lost, 17 Foreign, 5 Since");
}

/// What is staged is read back before the commit, once more before it is put in place, and then in its place.
#[test]
fn staged_content_that_is_changed_meanwhile_is_found() {
    insta::assert_snapshot!(fates(&node, &applied, true), @"27 Refused, 7 TakenBack, 3 Foreign, 54 None");
}

#[test]
fn resume_and_rollback_tell_what_is_written_meanwhile() {
    let committed = committed_points().start;
    let (begun, half) = (|| half_done(committed + 1), || half_done(committed + 5));
    let done = || State::Done.make().unwrap();
    let resumed = |node: &Node| node.resume().map(|done| done.meanwhile());
    let undone = |node: &Node| node.rollback().map(|done| done.meanwhile());
    let mut found = String::new();
    for (what, is_staged) in [("the path", false), ("what is staged", true)] {
        for (name, make, end) in [
            ("resume", &begun as &dyn Fn() -> Node, &resumed as &dyn Fn(&Node) -> _),
            ("rollback of a half-done change", &half, &undone),
            ("rollback", &done, &undone),
        ] {
            found += &format!("{name}, {what}: {}\n", fates(make, end, is_staged));
        }
    }
    insta::assert_snapshot!(found, @"
    resume, the path: 4 Begun, 10 Lost, 17 Foreign, 5 Since
    rollback of a half-done change, the path: 40 Begun, 10 Lost, 20 Foreign, 5 Since
    rollback, the path: 63 Refused, 11 Begun, 3 Lost, 21 Foreign, 5 Since
    resume, what is staged: 4 Begun, 10 Foreign, 22 None
    rollback of a half-done change, what is staged: 25 Begun, 10 Foreign, 40 None
    rollback, what is staged: 36 Refused, 7 TakenBack, 3 Foreign, 57 None
    ");
}
