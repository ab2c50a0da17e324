//! A disk that loses power: what was written, in order, and what of it is there after the lights go out.
//!
//! Only a sync makes things last: of a file its data, size and attributes, but not its name; of a directory its
//! names. Everything else may be there or not, each update by itself; one update is atomic (a rename takes a name
//! away and gives another one), but written data may be torn. That is less than any file system in use promises: what
//! survives here survives there. What an inode is made with (kind, mode, owner, target of a link) comes with it, and
//! the attributes of a link, which nobody can sync, last with the directory that it is in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A file, directory or link: its place in [`Log::inodes`].
pub type Ino = usize;

/// The inode of the root directory.
pub const ROOT: Ino = 0;

const SECTOR: usize = 512;
const NEVER: usize = usize::MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Link(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// `None`: the time at which it was written.
    pub mtime: Option<(i64, i64)>,
}

#[derive(Clone, Debug)]
pub struct Inode {
    pub kind: Kind,
    pub attributes: Attributes,
    pub data: Arc<Vec<u8>>,
    pub names: Arc<BTreeMap<OsString, Ino>>,
}

#[derive(Clone, Debug)]
pub enum Attribute {
    Mode(u32),
    Owner(u32, u32),
    Xattr(OsString, Option<Vec<u8>>),
    Time(Option<(i64, i64)>),
}

#[derive(Clone, Debug)]
pub enum What {
    /// Names in a directory, all at once: what each stands for from now on.
    Names(Vec<(OsString, Option<Ino>)>),
    Write(usize, Arc<Vec<u8>>),
    Resize(usize),
    Set(Attribute),
    Sync,
}

/// One update of one inode.
#[derive(Clone, Debug)]
pub struct Op {
    pub inode: Ino,
    pub what: What,
    /// For people, and for tests that take some out.
    pub label: String,
}

/// What a run wrote, and on what.
#[derive(Clone, Default)]
pub struct Log {
    /// As they were before the run, or as they were made: all of that is on the disk.
    pub inodes: Vec<Inode>,
    pub ops: Vec<Op>,
    /// For each op the sync that makes it last.
    lasts_from: Vec<usize>,
    /// The same where any sync makes all names and attributes last, as on ext4.
    lasts_on_ext4_from: Vec<usize>,
}

/// Which of the updates that were not synced survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Nothing,
    Everything,
    Only(usize),
    AllBut(usize),
    /// Any of them, written data torn.
    Subset(u64),
    /// In each inode the first of them.
    Prefix(u64),
    /// All or none in each inode.
    WholeInode(u64),
    /// Names and attributes in the order in which they were made, data of files as it comes.
    Ext4(u64),
}

/// A power loss after the first `at` ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub at: usize,
    pub choice: Choice,
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "after op {}, {:?}", self.at, self.choice)
    }
}

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Whole,
    Torn(u64),
}

impl Log {
    /// The log with these ops; every new inode is among `inodes`.
    pub fn new(inodes: Vec<Inode>, ops: Vec<Op>) -> Self {
        let mut log = Self { inodes, ops, lasts_from: Vec::new(), lasts_on_ext4_from: Vec::new() };
        let mut home = BTreeMap::new();
        for op in &log.ops {
            if let What::Names(names) = &op.what {
                home.extend(names.iter().filter_map(|(_, inode)| inode.map(|inode| (inode, op.inode))));
            }
        }
        let (mut synced, mut any) = (BTreeMap::new(), NEVER);
        for (index, op) in log.ops.iter().enumerate().rev() {
            let is_link = matches!(log.inodes[op.inode].kind, Kind::Link(_));
            let place = if is_link { home.get(&op.inode).copied().unwrap_or(op.inode) } else { op.inode };
            let own = synced.get(&place).copied().unwrap_or(NEVER);
            let is_data = matches!(op.what, What::Write(..) | What::Resize(_));
            log.lasts_from.push(own);
            log.lasts_on_ext4_from.push(if is_data { own } else { any });
            if matches!(op.what, What::Sync) {
                synced.insert(op.inode, index);
                any = index;
            }
        }
        log.lasts_from.reverse();
        log.lasts_on_ext4_from.reverse();
        log
    }

    /// The same run, had these calls not been made.
    pub fn without(&self, mut left_out: impl FnMut(usize, &Op) -> bool) -> Self {
        let kept = self.ops.iter().enumerate().filter(|(index, op)| !left_out(*index, op));
        Self::new(self.inodes.clone(), kept.map(|(_, op)| op.clone()).collect())
    }

    /// What is not synced after the first `at` ops.
    pub fn unsynced(&self, at: usize) -> Vec<usize> {
        let pending =
            |index: &usize| !matches!(self.ops[*index].what, What::Sync) && self.lasts_from[*index] >= at;
        (0..at).filter(pending).collect()
    }

    /// The disk after a power loss.
    pub fn after(&self, loss: Loss) -> Vec<Inode> {
        let mut inodes = self.inodes.clone();
        for (op, fate) in self.ops.iter().zip(self.fates(loss)) {
            match fate {
                Fate::Lost => {}
                Fate::Whole => apply(&mut inodes[op.inode], &op.what, None),
                Fate::Torn(seed) => apply(&mut inodes[op.inode], &op.what, Some(Random(seed))),
            }
        }
        inodes
    }

    /// The disk as the run has left it, everything written.
    pub fn end(&self) -> Vec<Inode> {
        self.after(Loss { at: self.ops.len(), choice: Choice::Everything })
    }

    /// What was lost and what was not, of that which was not synced.
    pub fn explain(&self, loss: Loss) -> String {
        let mut text = String::new();
        let fates = self.fates(loss);
        for index in self.unsynced(loss.at) {
            text.push_str(&format!("\n  {index} {:?}: {}", fates[index], self.ops[index].label));
        }
        match self.ops.get(loss.at) {
            Some(next) => text.push_str(&format!("\n  {} not reached: {}", loss.at, next.label)),
            None => text.push_str("\n  the run had finished"),
        }
        text
    }

    fn fates(&self, loss: Loss) -> Vec<Fate> {
        let seed = match loss.choice {
            Choice::Subset(seed) | Choice::Prefix(seed) | Choice::WholeInode(seed) | Choice::Ext4(seed) => {
                seed
            }
            _ => 0,
        };
        let mut random = Random(seed);
        let odds = [10, 50, 90][random.below(3)];
        let cut = random.below(loss.at + 1);
        let lasts_from = match loss.choice {
            Choice::Ext4(_) => &self.lasts_on_ext4_from,
            _ => &self.lasts_from,
        };
        let mut open: BTreeMap<Ino, bool> = BTreeMap::new();
        let mut fates = Vec::with_capacity(loss.at);
        for (index, op) in self.ops.iter().enumerate().take(loss.at) {
            if lasts_from[index] < loss.at {
                fates.push(Fate::Whole);
                continue;
            }
            // Its own numbers: what one op asks for doesn't shift the others.
            let mut random = Random(seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9));
            let is_write = matches!(op.what, What::Write(..));
            let torn = |random: &mut Random| {
                if is_write && random.below(2) == 0 { Fate::Torn(random.next()) } else { Fate::Whole }
            };
            fates.push(match loss.choice {
                Choice::Nothing => Fate::Lost,
                Choice::Everything => Fate::Whole,
                Choice::Only(chosen) if chosen == index => Fate::Whole,
                Choice::Only(_) => Fate::Lost,
                Choice::AllBut(chosen) if chosen == index => Fate::Lost,
                Choice::AllBut(_) => Fate::Whole,
                Choice::Subset(_) if random.below(100) < odds => torn(&mut random),
                Choice::Subset(_) => Fate::Lost,
                Choice::Prefix(_) => {
                    let open = open.entry(op.inode).or_insert(true);
                    // The last one of the prefix is the one that may be torn.
                    let last = *open && random.below(4) == 0;
                    match std::mem::replace(open, *open && !last) {
                        true if last && random.below(2) == 0 => torn(&mut random),
                        true if !last => Fate::Whole,
                        _ => Fate::Lost,
                    }
                }
                Choice::WholeInode(_) => match open.entry(op.inode).or_insert_with(|| random.below(2) == 0) {
                    true => Fate::Whole,
                    false => Fate::Lost,
                },
                Choice::Ext4(_) if matches!(op.what, What::Names(_) | What::Set(_)) => {
                    if index < cut {
                        Fate::Whole
                    } else {
                        Fate::Lost
                    }
                }
                Choice::Ext4(_) if random.below(2) == 0 => torn(&mut random),
                Choice::Ext4(_) => Fate::Lost,
            });
        }
        fates
    }
}

fn apply(inode: &mut Inode, what: &What, torn: Option<Random>) {
    match what {
        What::Names(names) => {
            let own = Arc::make_mut(&mut inode.names);
            for (name, inode) in names {
                match inode {
                    Some(inode) => own.insert(name.clone(), *inode),
                    None => own.remove(name),
                };
            }
        }
        What::Write(at, bytes) => {
            write(Arc::make_mut(&mut inode.data), *at, bytes, torn);
            inode.attributes.mtime = None;
        }
        What::Resize(size) => {
            Arc::make_mut(&mut inode.data).resize(*size, 0);
            inode.attributes.mtime = None;
        }
        What::Set(Attribute::Mode(mode)) => inode.attributes.mode = *mode,
        What::Set(Attribute::Owner(uid, gid)) => (inode.attributes.uid, inode.attributes.gid) = (*uid, *gid),
        What::Set(Attribute::Xattr(name, Some(value))) => {
            inode.attributes.xattrs.insert(name.clone(), value.clone());
        }
        What::Set(Attribute::Xattr(name, None)) => {
            inode.attributes.xattrs.remove(name);
        }
        What::Set(Attribute::Time(time)) => inode.attributes.mtime = *time,
        What::Sync => {}
    }
}

/// Torn: a beginning, or some sectors with zeros between them, or the size alone.
fn write(data: &mut Vec<u8>, at: usize, bytes: &[u8], torn: Option<Random>) {
    let grow = |data: &mut Vec<u8>, end: usize| data.resize(data.len().max(end), 0);
    let Some(mut random) = torn else {
        grow(data, at + bytes.len());
        data[at..at + bytes.len()].copy_from_slice(bytes);
        return;
    };
    let how = random.below(3);
    if how == 0 {
        let end = random.below(bytes.len() + 1);
        return write(data, at, &bytes[..end], None);
    }
    grow(data, at + bytes.len());
    for (index, byte) in bytes.iter().enumerate().filter(|_| how == 1) {
        let sector = ((at + index) / SECTOR) as u64;
        if Random(random.0 ^ sector).next() & 1 == 0 {
            data[at + index] = *byte;
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Clone, Copy)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
