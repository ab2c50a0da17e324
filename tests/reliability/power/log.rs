//! What real runs write below a directory, recorded as a [`Log`] for the disk that loses power.
//!
//! A call that the model doesn't know is a failure, and after each recording the model's disk must be the real one:
//! nothing is missed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::libc;

use super::super::caller::Handle;
use super::super::decode::Op as Call;
use super::super::tracer::{Answer, Done, Finished, Watch, trace};
use super::disk::{Attribute, Attributes, Ino, Inode, Kind, Log, Op, ROOT, What};
use super::image::{Tree, inode, is_ours};

/// Before which call a process is killed: the first, second, … one of which this is true.
#[derive(Clone, Copy)]
pub struct Kill(pub fn(&Call) -> bool, pub usize);

pub struct Recorder {
    root: PathBuf,
    /// As they were at the beginning, or as they were made.
    inodes: Vec<Inode>,
    ops: Vec<Op>,
    /// What each name stands for now.
    names: Vec<BTreeMap<OsString, Ino>>,
    by_number: HashMap<u64, Ino>,
    kill: Option<Kill>,
    calls: usize,
}

impl Recorder {
    /// Begins with what is there: all of it is on the disk.
    pub fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap();
        let mut recorder = Self {
            root: root.clone(),
            inodes: Vec::new(),
            ops: Vec::new(),
            names: Vec::new(),
            by_number: HashMap::new(),
            kill: None,
            calls: 0,
        };
        recorder.read(&root);
        recorder
    }

    fn read(&mut self, path: &Path) -> Ino {
        let found = path.symlink_metadata().unwrap();
        let number = self.add(inode(path), Some(found.ino()));
        if found.is_dir() {
            let mut names = BTreeMap::new();
            for entry in std::fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                names.insert(entry.file_name(), self.read(&entry.path()));
            }
            self.inodes[number].names = Arc::new(names.clone());
            self.names[number] = names;
        }
        number
    }

    fn add(&mut self, inode: Inode, real: Option<u64>) -> Ino {
        self.inodes.push(inode);
        self.names.push(BTreeMap::new());
        let number = self.inodes.len() - 1;
        self.by_number.insert(real.unwrap(), number);
        number
    }

    /// Records a run; with `kill` it is killed on the way.
    pub fn run(&mut self, words: &[OsString], kill: Option<Kill>) -> Finished {
        (self.kill, self.calls) = (kill, 0);
        let finished = trace(&self.root.clone(), words, self);
        let wanted = if kill.is_some() { None } else { Some(0) };
        assert_eq!(finished.code, wanted, "{words:?}\n{finished}");
        finished
    }

    /// The log of all runs.
    pub fn finish(mut self) -> Log {
        // Threads sync in any order; the same run shall give the same log.
        let is_sync = |op: &Op| matches!(op.what, What::Sync);
        for syncs in self.ops.chunk_by_mut(|one, other| is_sync(one) && is_sync(other)) {
            syncs.sort_by_key(|op| op.inode);
        }
        let log = Log::new(self.inodes, self.ops);
        let differences = Tree::of(&log.end()).differences(&Tree::read(&self.root));
        assert_eq!(differences, Vec::<String>::new(), "the recording is not what was done");
        log
    }

    fn make(&mut self, path: &Path, kind: Kind, mode: u32, done: Done) {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let attributes = Attributes { mode, uid, gid, xattrs: BTreeMap::new(), mtime: None };
        let made =
            self.add(Inode { kind, attributes, data: Arc::default(), names: Arc::default() }, done.inode);
        self.name(&[(path, Some(made))], format!("make {}", self.shown(path)));
    }

    /// Names in one directory, all at once.
    fn name(&mut self, names: &[(&Path, Option<Ino>)], label: String) {
        let directory = self.at(names[0].0.parent().unwrap());
        let mut updates = Vec::new();
        for (path, inode) in names {
            assert_eq!(self.at(path.parent().unwrap()), directory, "{label}: between directories");
            let name = path.file_name().unwrap().to_owned();
            match inode {
                Some(inode) => self.names[directory].insert(name.clone(), *inode),
                None => self.names[directory].remove(&name),
            };
            updates.push((name, *inode));
        }
        self.ops.push(Op { inode: directory, what: What::Names(updates), label });
    }

    fn at(&self, path: &Path) -> Ino {
        let inside = path.strip_prefix(&self.root).unwrap();
        inside.iter().fold(ROOT, |at, name| self.names[at][name])
    }

    fn shown(&self, path: &Path) -> String {
        format!("/{}", path.strip_prefix(&self.root).unwrap().display())
    }

    fn push(&mut self, file: &Handle, what: What, verb: &str) {
        let label = format!("{verb} {}", self.shown(&file.path));
        self.ops.push(Op { inode: self.by_number[&file.inode], what, label });
    }

    fn set(&mut self, file: &Handle, attribute: Attribute) {
        self.push(file, What::Set(attribute), "dress");
    }
}

impl Watch for Recorder {
    fn before(&mut self, call: &Call) -> Answer {
        let Some(Kill(is_it, number)) = self.kill.filter(|kill| kill.0(call)) else { return Answer::Go };
        debug_assert!(is_it(call));
        self.calls += 1;
        if self.calls == number { Answer::Kill } else { Answer::Go }
    }

    fn after(&mut self, call: &Call, done: Done) {
        if done.result < 0 {
            return;
        }
        match call {
            Call::Open { path, mode, existed: false, .. } => self.make(path, Kind::File, *mode, done),
            Call::Open { path, flags, .. } if flags & libc::O_TRUNC != 0 => {
                let file = Handle { path: path.clone(), inode: done.inode.unwrap() };
                self.push(&file, What::Resize(0), "truncate");
            }
            Call::Open { .. } | Call::Look { .. } => {}
            Call::MakeDirectory { path, mode } => self.make(path, Kind::Directory, *mode, done),
            Call::Symlink { target, path } => {
                self.make(path, Kind::Link(PathBuf::from(target)), 0o777, done);
            }
            Call::Write { file, offset, data } => {
                let written = data[..usize::try_from(done.result).unwrap()].to_vec();
                self.push(file, What::Write(usize::try_from(*offset).unwrap(), Arc::new(written)), "write");
            }
            Call::Truncate { file, length } => {
                self.push(file, What::Resize(usize::try_from(*length).unwrap()), "resize");
            }
            Call::Sync { file, whole_system: false } => self.push(file, What::Sync, "sync"),
            Call::Rename { from, to, .. } => {
                let moved = self.at(from);
                let label = format!("rename {} to {}", self.shown(from), self.shown(to));
                self.name(&[(from, None), (to, Some(moved))], label);
            }
            Call::Link { from, to, .. } => {
                let linked = self.at(from);
                let label = format!("link {} as {}", self.shown(from), self.shown(to));
                self.name(&[(to, Some(linked))], label);
            }
            Call::Unlink { path, .. } => self.name(&[(path, None)], format!("remove {}", self.shown(path))),
            Call::Mode { file, mode } => self.set(file, Attribute::Mode(*mode)),
            Call::Owner { file, uid, gid } => {
                assert!(*uid != u32::MAX && *gid != u32::MAX, "half an owner");
                self.set(file, Attribute::Owner(*uid, *gid));
            }
            Call::Times { file, times } => match times {
                Some([_, (_, libc::UTIME_OMIT)]) => {}
                Some([_, (_, libc::UTIME_NOW)]) | None => self.set(file, Attribute::Time(None)),
                Some([_, time]) => self.set(file, Attribute::Time(Some(*time))),
            },
            Call::SetXattr { file, name, value } if is_ours(name) => {
                self.set(file, Attribute::Xattr(name.clone(), Some(value.clone())));
            }
            Call::RemoveXattr { file, name } if is_ours(name) => {
                self.set(file, Attribute::Xattr(name.clone(), None));
            }
            Call::SetXattr { .. } | Call::RemoveXattr { .. } => {}
            Call::Sync { .. } | Call::Other { .. } => panic!("the model does not know {call:?}"),
        }
    }
}

pub fn is_staged(name: Option<&OsStr>) -> bool {
    name.is_some_and(super::super::decode::is_staged)
}
