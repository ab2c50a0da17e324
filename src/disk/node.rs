//! A node's directory → [`Snapshot`]. Links resolve inside the root, as in a chroot, because each component
//! is opened relative to the handle of the previous one; no kernel feature newer than Linux 2.6.39 is needed.
//! Special files are never opened, sizes and numbers are capped, and what can't be read becomes an entry with
//! the reason. Nothing is opened for writing here.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::statvfs::fstatvfs;

use super::Error;
use super::handle::{self, Kind, Limit, failed, unread};
use super::limits::{MAX_BYTES, MAX_ENTRIES, MAX_NAMES, RESERVED_ENTRIES};
use super::root::{Root, There, Way};
use crate::analysis::node::host_state::Free;
use crate::state::{Attributes, Bytes, Content, Snapshot, Unread};

/// The deepest nesting: each level costs an open handle.
const MAX_DEPTH: usize = 64;
/// Limit of names held of directories that are being read: each level of nesting has its own.
const MAX_LISTED: usize = MAX_ENTRIES + MAX_ENTRIES / 4;
/// Limit of entries in a directory that is read only because a link leads there: the link may point at
/// anything, and must not use up what the node itself needs.
const MAX_LINKED_ENTRIES: usize = 1_000;
/// Limit of links out of a directory that are followed.
const MAX_LINKS_OUT: usize = 1_000;

/// How much of a path [`Root::read`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// A directory with everything below it, or a file.
    Tree,
    /// A file, or only the directory's own entry.
    File,
}

impl Root {
    /// Reads `path` (absolute inside the root) into `snapshot`: each link that is met, and what is at
    /// the end. Where nothing is, nothing is inserted. What can't be read becomes [`Content::Unread`].
    pub fn read(&self, snapshot: &mut Snapshot, path: &Path, depth: Depth) {
        let mut reader = Reader::new(self, None);
        reader.snapshot = std::mem::take(snapshot);
        reader.read(path, depth);
        *snapshot = reader.snapshot;
    }

    /// The current content of one file; `None` if it doesn't exist, is no file or can't be read.
    pub fn file(&self, path: &Path) -> Option<Bytes> {
        let mut snapshot = Snapshot::default();
        self.read(&mut snapshot, path, Depth::File);
        snapshot.file(path).cloned()
    }

    /// The first `most` bytes of a file and its size; `None` if it doesn't exist, is no file or can't be
    /// read.
    pub fn beginning(&self, path: &Path, most: usize) -> Option<(Vec<u8>, u64)> {
        let there = self.walk(path, &mut |_, _, _, _| ()).ok()??;
        let file = handle::open_file(&there.parent, &there.name).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes).ok()?;
        Some((bytes, metadata.len()))
    }

    /// Whether `path`, or the target of its links, is a directory.
    pub fn has_directory(&self, path: &Path) -> bool {
        let there = self.walk(path, &mut |_, _, _, _| ()).ok().flatten();
        there.is_some_and(|there| handle::open_directory(&there.parent, &there.name).is_ok())
    }

    /// Whether something is at `path`, or at the end of its links.
    pub fn is_there(&self, path: &Path) -> bool {
        self.walk(path, &mut |_, _, _, _| ()).is_ok_and(|there| there.is_some())
    }

    /// The names of the directories directly in `directory`, such as the homes in `/home`; links resolve
    /// inside the root. Empty if it can't be listed.
    pub fn names(&self, directory: &Path) -> Vec<OsString> {
        let there = self.walk(directory, &mut |_, _, _, _| ()).ok().flatten();
        let opened = there.and_then(|there| handle::open_directory(&there.parent, &there.name).ok());
        let Some(Ok((dir, mut names, _))) = opened.map(|open| handle::names(open, MAX_ENTRIES, |_| true))
        else {
            return Vec::new();
        };
        let is_directory = |name: &OsString| {
            handle::stat(&dir, name).ok().flatten().is_some_and(|found| Kind::of(&found) == Kind::Directory)
        };
        names.retain(is_directory);
        names.truncate(MAX_LINKED_ENTRIES);
        names
    }

    /// The file system that holds or will hold `path` (absolute inside the root), and its free space: the
    /// nearest existing directory above counts. Includes what is reserved for root.
    ///
    /// # Errors
    /// The directory can't be opened, or statfs fails.
    pub fn file_system(&self, path: &Path) -> Result<(u64, Free), Error> {
        for above in path.ancestors() {
            let there = self.walk(above, &mut |_, _, _, _| ());
            let there = there.map_err(|(path, error)| Error::io("open", path)(error))?;
            let Some(there) = there else { continue };
            let ask = |place: BorrowedFd<'_>| Ok((fstat(place)?.st_dev, fstatvfs(place)?));
            let asked = match handle::open_directory(&there.parent, &there.name) {
                Ok(directory) => ask(directory.as_fd()),
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => ask(there.parent.as_fd()),
                Err(error) => return Err(Error::io("open", there.path)(error)),
            };
            let asked =
                asked.map_err(|errno: Errno| Error::io("ask the space of", &there.path)(errno.into()));
            let (device, found) = asked?;
            let bytes = found.blocks_free().saturating_mul(found.fragment_size());
            // A file system that creates inodes on demand (btrfs) reports none.
            let files = (found.files() > 0).then(|| found.files_free());
            return Ok((device, Free { bytes, files }));
        }
        Err(Error::RootNotFound { path: self.path().to_owned() })
    }
}

/// A name in a directory, and what it is where that was just looked at.
type Place<'a> = (BorrowedFd<'a>, &'a OsStr, Option<FileStat>);

/// Reads several paths of a root into one snapshot; the limits are those of all of them together.
pub struct Reader<'a> {
    root: &'a Root,
    earlier: Option<&'a Snapshot>,
    snapshot: Snapshot,
    way: Way,
    /// Of entries.
    limit: usize,
    entries_left: usize,
    bytes_left: u64,
    names_left: u64,
    /// Names that were listed and are still to be read, of all directories on the way.
    listed: usize,
    links: VecDeque<PathBuf>,
}

impl<'a> Reader<'a> {
    /// Files that are unchanged since `earlier`, a snapshot in memory, share its bytes.
    pub fn new(root: &'a Root, earlier: Option<&'a Snapshot>) -> Self {
        Self {
            root,
            earlier,
            snapshot: Snapshot::default(),
            way: Way::default(),
            limit: 0,
            entries_left: 0,
            bytes_left: 0,
            names_left: 0,
            listed: 0,
            links: VecDeque::new(),
        }
    }

    /// What was read so far.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }

    /// As [`Root::read`].
    pub fn read(&mut self, path: &Path, depth: Depth) {
        let limit = match depth {
            Depth::Tree => MAX_ENTRIES - RESERVED_ENTRIES,
            Depth::File => MAX_ENTRIES,
        };
        self.limit = limit;
        self.entries_left = limit.saturating_sub(self.snapshot.count());
        self.bytes_left = MAX_BYTES.saturating_sub(self.snapshot.size());
        self.names_left = MAX_NAMES.saturating_sub(self.snapshot.size_of_names());
        self.listed = 0;
        self.links.clear();
        self.path(path, depth);
        // Links found inside directories. A target can hold links itself: the queue grows, bounded.
        let mut followed = 0;
        while let Some(link) = self.links.pop_front() {
            followed += 1;
            if followed > MAX_LINKS_OUT {
                break;
            }
            let all = self.entries_left;
            self.entries_left = all.min(MAX_LINKED_ENTRIES);
            self.limit = if all > MAX_LINKED_ENTRIES { MAX_LINKED_ENTRIES } else { limit };
            let allowed = self.entries_left;
            self.linked(&link);
            self.entries_left = all - (allowed - self.entries_left);
        }
    }

    fn path(&mut self, path: &Path, depth: Depth) {
        let Some(there) = self.follow(path) else { return };
        let place = (there.parent.as_fd(), there.name.as_os_str(), there.found);
        self.capture(place, there.path, depth, 0);
    }

    /// Reads the target of a link found inside a directory, if it was not read already.
    fn linked(&mut self, link: &Path) {
        let Some(there) = self.follow(link) else { return };
        let holds_the_link = link.starts_with(&there.path);
        if !holds_the_link && self.snapshot.get(&there.path).is_none() {
            let place = (there.parent.as_fd(), there.name.as_os_str(), there.found);
            self.capture(place, there.path, Depth::Tree, 0);
        }
    }

    /// The target of `path`; the links on the way become entries, and so does an error.
    fn follow(&mut self, path: &Path) -> Option<There> {
        let root = self.root;
        let mut met = |at: &Path, _: PathBuf, parent: &File, name: &OsStr| {
            if self.snapshot.get(at).is_none()
                && let Some((entry, _)) = handle::entry(parent, name, Limit::FILE)
            {
                self.names_left = self.names_left.saturating_sub(entry.size_of_names(at));
                self.snapshot.insert(at, entry);
            }
        };
        match root.walk_along(&mut self.way, path, &mut met) {
            Ok(there) => there,
            Err((refused, error)) => {
                self.snapshot.insert(refused, unread(failed(&error), Attributes::default()));
                None
            }
        }
    }

    fn capture(&mut self, place: Place<'_>, path: PathBuf, depth: Depth, level: usize) {
        let known = self.snapshot.get(&path);
        match known.map(|entry| &entry.content) {
            Some(Content::File(_)) => return,
            Some(Content::Link(_)) => return self.links.push_back(path),
            _ => {}
        }
        let is_known = known.is_some();
        let ((parent, name, found), limit) = (place, Limit { left: self.bytes_left });
        let read = match found {
            Some(found) => Some(handle::entry_found(parent, name, &found, limit)),
            None => handle::entry(parent, name, limit),
        };
        let Some((mut entry, mut directory)) = read else { return };
        let names = entry.size_of_names(&path);
        if names > self.names_left {
            // Without what made it too large: its attributes would be lost if it were replaced.
            let why =
                Unread::Failed("not read: the names and attributes read so far are too large".to_owned());
            entry = unread(why, Attributes { xattrs: Default::default(), ..entry.attributes });
            directory = None;
        }
        self.names_left = self.names_left.saturating_sub(names);
        match &mut entry.content {
            Content::File(bytes) => {
                self.bytes_left -= (bytes.len() as u64).min(self.bytes_left);
                if let Some(Content::File(same)) =
                    self.earlier.and_then(|earlier| earlier.get(&path)).map(|entry| &entry.content)
                    && same == bytes
                {
                    *bytes = same.clone();
                }
            }
            Content::Link(_) => self.links.push_back(path.clone()),
            Content::Directory | Content::Unread(_) => {}
        }
        let attributes = entry.attributes.clone();
        self.snapshot.insert(&path, entry);
        self.entries_left = self.entries_left.saturating_sub(usize::from(!is_known));
        if let (Some(directory), Depth::Tree) = (directory, depth)
            && let Err(why) = self.children(directory, &path, level)
        {
            self.snapshot.insert(path, unread(why, attributes));
        }
    }

    /// Everything below a directory. An error says why the directory was not read completely.
    fn children(&mut self, directory: File, path: &Path, level: usize) -> Result<(), Unread> {
        if level == MAX_DEPTH {
            return Err(Unread::Failed(format!("not read: more than {MAX_DEPTH} directories deep")));
        }
        let limit = self.entries_left.min(MAX_LISTED.saturating_sub(self.listed));
        let (dir, names, more) = handle::names(directory, limit, |_| true).map_err(|error| failed(&error))?;
        let too_many = Unread::TooMany(self.limit);
        let above = self.listed;
        self.listed += names.len();
        for name in names {
            self.listed = self.listed.saturating_sub(1);
            if self.entries_left == 0 || self.names_left == 0 {
                self.listed = above;
                return Err(too_many);
            }
            self.capture((dir.as_fd(), &name, None), path.join(&name), Depth::Tree, level + 1);
        }
        if more { Err(too_many) } else { Ok(()) }
    }
}
