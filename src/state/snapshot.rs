//! A node's files as one value: path inside the root → content and attributes.
//!
//! A snapshot holds the files that were read, nothing of where they were read from: a directory and
//! an archive of it give the same snapshot. Every path is absolute inside the root (`/etc/…`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};
use std::ffi::OsString;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

use super::path::{Key, Tidy, below, tidied, tidy};
use super::{Bytes, ChangeSet};

/// How many links a path may cross before it is called a loop: Linux's own `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// So many links are compared with a path one by one; a node has two, in the kubelet's store.
const FEW_LINKS: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes, including the SELinux label.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// Why an existing file was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Larger than any file that a node keeps there.
    #[error("{size} bytes: larger than the {limit} bytes that are read of one file")]
    TooLarge {
        /// Bytes.
        size: u64,
        /// Bytes.
        limit: u64,
    },
    /// A FIFO, a socket or a device: opening one can block or have effects.
    #[error("a {0}, not a file")]
    Special(&'static str),
    #[error("permission denied")]
    Denied,
    /// A directory that was not read to its end: this many entries are read, and no more.
    #[error("not read to its end: the limit of {0} entries was reached")]
    TooMany(usize),
    /// Left out: this many bytes are read of all files of a node, and no more.
    #[error("not read: the limit of {0} bytes for all files was reached")]
    NoRoom(u64),
    /// Another error of the operating system.
    #[error("{0}")]
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    File(Bytes),
    /// A symbolic link and its target as written.
    Link(PathBuf),
    Directory,
    /// It exists, and could not or must not be read.
    Unread(Unread),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub content: Content,
    /// Mode, owner, times, extended attributes. For an unread entry: as far as known.
    pub attributes: Attributes,
}

impl Entry {
    /// Bytes of a file; 0 for everything else.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::File(bytes) => bytes.len() as u64,
            _ => 0,
        }
    }

    /// Bytes of its path, a link's target and its extended attributes.
    pub fn size_of_names(&self, path: &Path) -> u64 {
        let target = match &self.content {
            Content::Link(target) => target.as_os_str().len(),
            _ => 0,
        };
        let xattrs = self.attributes.xattrs.iter();
        let xattrs: usize = xattrs.map(|(name, value)| name.len() + value.len()).sum();
        (path.as_os_str().len() + target + xattrs) as u64
    }
}

/// The target of a path after all links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The path without any link in it.
    pub path: PathBuf,
    /// `None` if it doesn't exist.
    pub entry: Option<&'a Entry>,
}

/// A path could not be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: too many levels of symbolic links", .0.display())]
pub struct LinkError(pub PathBuf);

/// The files of a node that were read, by absolute path inside the root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snapshot {
    entries: BTreeMap<Key, Entry>,
    /// Which of them are links: most paths cross none, and are found at once.
    links: BTreeSet<PathBuf>,
    bytes: u64,
    names: u64,
}

impl Snapshot {
    /// Puts `entry` at `path`, which must be absolute inside the root.
    pub fn insert(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        let path = tidied(path.into());
        let _ = match entry.content {
            Content::Link(_) => self.links.insert(path.clone()),
            _ => self.links.remove(&path),
        };
        self.bytes += entry.size();
        self.names += entry.size_of_names(&path);
        match self.entries.entry(Key(path)) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
            btree_map::Entry::Occupied(mut place) => {
                let old = place.insert(entry);
                self.bytes -= old.size();
                self.names -= old.size_of_names(&place.key().0);
            }
        }
    }

    fn remove(&mut self, path: &Path) {
        self.links.remove(path);
        if let Some((Key(path), old)) = self.entries.remove_entry(&tidy(path) as &dyn Tidy) {
            self.bytes -= old.size();
            self.names -= old.size_of_names(&path);
        }
    }

    /// The entry at exactly this path, no link followed.
    pub fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(&tidy(path) as &dyn Tidy)
    }

    /// All entries in path order: a directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(Key(path), entry)| (path.as_path(), entry))
    }

    /// The entries that exist and were not read, with the reason.
    pub fn unread(&self) -> impl Iterator<Item = (&Path, &Unread)> {
        self.iter().filter_map(|(path, entry)| match &entry.content {
            Content::Unread(why) => Some((path, why)),
            _ => None,
        })
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.bytes
    }

    /// Bytes of all paths, links' targets and extended attributes.
    pub fn size_of_names(&self) -> u64 {
        self.names
    }

    /// The entries directly in `directory`, which is resolved first.
    pub fn children(&self, directory: &Path) -> Vec<(&Path, &Entry)> {
        let Ok(resolved) = self.resolve(directory) else {
            return Vec::new();
        };
        let path = Cow::Owned(resolved.path);
        let after = (Bound::Excluded(&path as &dyn Tidy), Bound::Unbounded);
        let all = self.entries.range::<dyn Tidy, _>(after).map(|(Key(at), entry)| (at.as_path(), entry));
        let below = all.map_while(|(at, entry)| Some((below(at, &path)?, at, entry)));
        let children = below.filter(|(rest, ..)| !rest.as_os_str().as_bytes().contains(&b'/'));
        children.map(|(_, at, entry)| (at, entry)).collect()
    }

    /// Follows every link of `path` inside the root, as a process chrooted there would: an absolute
    /// target starts at the root again, and `..` above the root stays at the root.
    ///
    /// # Errors
    /// More than 40 links, as Linux counts them.
    pub fn resolve(&self, path: &Path) -> Result<Resolved<'_>, LinkError> {
        if let Some(path) = self.plain(path) {
            return Ok(Resolved { entry: self.entries.get(&path as &dyn Tidy), path: path.into_owned() });
        }
        let mut rest: VecDeque<Component<'_>> = path.components().collect();
        let mut targets = 0;
        let mut at = PathBuf::from("/");
        while let Some(component) = rest.pop_front() {
            match component {
                Component::RootDir | Component::Prefix(_) => at = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => {
                    at.pop();
                }
                Component::Normal(name) => {
                    at.push(name);
                    if self.links.contains(&at)
                        && let Some(Entry { content: Content::Link(target), .. }) = self.get(&at)
                    {
                        targets += 1;
                        if targets > MAX_LINKS {
                            return Err(LinkError(path.to_owned()));
                        }
                        at.pop();
                        for component in target.components().rev() {
                            rest.push_front(component);
                        }
                    }
                }
            }
        }
        let entry = self.get(&at);
        Ok(Resolved { path: at, entry })
    }

    /// The same path, tidy, where it is seen at once that it leads nowhere else: no part of it is a link or leads up.
    fn plain<'p>(&self, path: &'p Path) -> Option<Cow<'p, Path>> {
        let path = tidy(path);
        let names = path.as_os_str().as_bytes().strip_prefix(b"/")?;
        let is_plain = names.split(|byte| *byte == b'/').all(|name| name != b"..")
            && self.links.len() <= FEW_LINKS
            && self.links.iter().all(|link| below(&path, link).is_none());
        is_plain.then_some(path)
    }

    /// The path without any link in it.
    ///
    /// # Errors
    /// As [`Snapshot::resolve`].
    pub fn real_path<'p>(&self, path: &'p Path) -> Result<Cow<'p, Path>, LinkError> {
        self.plain(path).map_or_else(|| self.resolve(path).map(|end| Cow::Owned(end.path)), Ok)
    }

    /// What is at the end of `path`, if it exists.
    pub fn target(&self, path: &Path) -> Option<&Entry> {
        match self.plain(path) {
            Some(path) => self.entries.get(&path as &dyn Tidy),
            None => self.resolve(path).ok()?.entry,
        }
    }

    /// The entry at `path` itself, as `lstat` sees it: links of its directory are followed, one at its end is not.
    pub fn entry_itself(&self, path: &Path) -> Option<&Entry> {
        let directory = self.resolve(path.parent()?).ok()?.path;
        self.get(&directory.join(path.file_name()?))
    }

    /// The bytes of the file at the target of `path`, if it exists and was read.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        match &self.target(path)?.content {
            Content::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether both hold the same, whenever it was changed.
    pub fn is_same_but_for_times(&self, other: &Self) -> bool {
        let is_same = |one: &Entry, other: &Entry| {
            let (a, b) = (&one.attributes, &other.attributes);
            one.content == other.content
                && (a.mode, a.uid, a.gid, &a.xattrs) == (b.mode, b.uid, b.gid, &b.xattrs)
        };
        let mut both = self.entries.iter().zip(&other.entries);
        self.count() == other.count()
            && both.all(|((at, one), (path, other))| at == path && is_same(one, other))
    }

    /// The snapshot after `changes`: a prediction of the node.
    #[must_use]
    pub fn with(&self, changes: &ChangeSet) -> Self {
        let mut after = self.clone();
        for change in changes.iter() {
            match &change.after {
                Some(entry) => after.insert(&change.path, entry.clone()),
                None => after.remove(&change.path),
            }
        }
        after
    }

    /// The change from `self` to `other`, for the paths that `concerns` selects. Entries that were not read
    /// on either side are left out.
    pub fn diff(&self, other: &Self, concerns: impl Fn(&Path) -> bool) -> ChangeSet {
        let mut changes = ChangeSet::default();
        let unread =
            |entry: Option<&Entry>| matches!(entry, Some(e) if matches!(e.content, Content::Unread(_)));
        for Key(path) in self.entries.keys().chain(other.entries.keys()) {
            let (before, after) = (self.get(path), other.get(path));
            if before != after && concerns(path) && !unread(before) && !unread(after) {
                changes.put(path.clone(), before.cloned(), after.cloned());
            }
        }
        changes
    }
}

impl FromIterator<(PathBuf, Entry)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (PathBuf, Entry)>>(entries: I) -> Self {
        let mut snapshot = Self::default();
        for (path, entry) in entries {
            snapshot.insert(path, entry);
        }
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Entry {
        Entry { content: Content::File(text.as_bytes().to_vec().into()), attributes: Attributes::default() }
    }

    fn link(target: &str) -> Entry {
        Entry { content: Content::Link(target.into()), attributes: Attributes::default() }
    }

    fn tree(entries: &[(&str, Entry)]) -> Snapshot {
        entries.iter().map(|(path, entry)| (PathBuf::from(path), entry.clone())).collect()
    }

    #[test]
    fn an_absolute_link_stays_inside_the_root() {
        let node = tree(&[("/pki/current", link("/pki/dated.pem")), ("/pki/dated.pem", file("x"))]);
        let resolved = node.resolve(Path::new("/pki/current")).unwrap();
        assert_eq!(resolved.path, Path::new("/pki/dated.pem"));
        assert_eq!(resolved.entry, Some(&file("x")));
    }

    #[test]
    fn dot_dot_above_the_root_stays_at_the_root() {
        let node = tree(&[("/etc/a", link("../../../../b")), ("/b", file("x"))]);
        assert_eq!(node.resolve(Path::new("/etc/a")).unwrap().path, Path::new("/b"));
    }

    #[test]
    fn a_linked_directory_is_crossed() {
        let node = tree(&[("/etc/kubernetes", link("/opt/k8s")), ("/opt/k8s/pki/ca.crt", file("x"))]);
        let resolved = node.resolve(Path::new("/etc/kubernetes/pki/ca.crt")).unwrap();
        assert_eq!(resolved.path, Path::new("/opt/k8s/pki/ca.crt"));
        assert!(resolved.entry.is_some());
    }

    #[test]
    fn the_entry_itself_is_found_through_a_linked_directory() {
        let node =
            tree(&[("/k", link("/data/k")), ("/data/k/now", link("/k/dated")), ("/data/k/dated", file("x"))]);
        assert_eq!(node.entry_itself(Path::new("/k/now")), Some(&link("/k/dated")));
        assert_eq!(node.entry_itself(Path::new("/k")), Some(&link("/data/k")));
        assert_eq!(node.entry_itself(Path::new("/k/gone")), None);
    }

    #[test]
    fn a_loop_is_an_error_and_a_dangling_link_is_nothing() {
        let node = tree(&[("/a", link("/b")), ("/b", link("/a")), ("/c", link("/nowhere"))]);
        assert_eq!(node.resolve(Path::new("/a")), Err(LinkError("/a".into())));
        assert_eq!(node.resolve(Path::new("/c")).unwrap().entry, None);
    }

    #[test]
    fn with_of_diff_gives_the_other_snapshot_and_the_inverse_leads_back() {
        let old = tree(&[("/a", file("1")), ("/b", file("2")), ("/l", link("/a"))]);
        let new = tree(&[("/a", file("1")), ("/c", file("3")), ("/l", link("/c"))]);
        let changes = old.diff(&new, |_| true);
        assert_eq!(changes.len(), 3);
        assert_eq!(old.with(&changes), new);
        assert_eq!(new.with(&changes.inverted()), old);
        assert_eq!(old.diff(&new, |path| path == Path::new("/c")).len(), 1);
    }

    #[test]
    fn what_differs_in_times_alone_is_the_same() {
        let node = |second, mode, text: &str| {
            let mtime = Timestamp::from_second(second).unwrap();
            let attributes = Attributes { mtime, mode, ..Attributes::default() };
            let entry = Entry { attributes, ..file(text) };
            tree(&[("/a", entry), ("/l", link("/a"))])
        };
        let one = node(1, 0o600, "x");
        assert!(one.is_same_but_for_times(&node(2, 0o600, "x")));
        assert!(!one.is_same_but_for_times(&node(1, 0o644, "x")));
        assert!(!one.is_same_but_for_times(&node(1, 0o600, "y")));
        assert!(!one.is_same_but_for_times(&tree(&[("/l", link("/a"))])));
        assert!(!tree(&[("/a", file("x"))]).is_same_but_for_times(&tree(&[("/b", file("x"))])));
    }

    /// What is held in all, whatever was replaced or removed.
    #[test]
    fn sizes_follow_what_is_put_and_removed() {
        let mut node = tree(&[("/a", file("123")), ("/b/", file("4")), ("/l", link("/a"))]);
        assert_eq!((node.count(), node.size(), node.size_of_names()), (3, 4, 8));
        node.insert("//b", link("/abc"));
        assert_eq!((node.count(), node.size(), node.size_of_names()), (3, 3, 12));
        assert_eq!(node.target(Path::new("/b")), None);
        node.insert("/b", file("5"));
        assert_eq!(node.target(Path::new("/b")), Some(&file("5")));
        node.remove(Path::new("/a"));
        assert_eq!((node.count(), node.size(), node.size_of_names()), (2, 1, 6));
        assert_eq!(node, tree(&[("/b", file("5")), ("/l", link("/a"))]));
    }

    #[test]
    fn many_links_are_followed_too() {
        let links: Vec<_> = (0..20).map(|at| (format!("/l{at:02}"), link("/d"))).collect();
        let mut node = tree(&[("/d/x", file("x"))]);
        for (path, entry) in links {
            node.insert(path, entry);
        }
        assert_eq!(node.real_path(Path::new("/l19/x")).unwrap(), Path::new("/d/x"));
        assert_eq!(node.real_path(Path::new("/d/../l07//x")).unwrap(), Path::new("/d/x"));
        assert_eq!(node.file(Path::new("/l00/x")), node.file(Path::new("/d/x")));
        let children = |path: &str| node.children(Path::new(path)).len();
        assert_eq!([children("/"), children("/d"), children("/l03"), children("/x")], [20, 1, 1, 0]);
    }
}
