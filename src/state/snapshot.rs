//! A node's files as one value: path inside the root → content and attributes.
//!
//! A snapshot holds the files that were read, nothing of where they were read from: a directory and
//! an archive of it give the same snapshot. Every path is absolute inside the root (`/etc/…`).

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{ChangeSet, Digest};

/// How many links a path may cross before it is called a loop: Linux's own `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// The bytes of a file. They may hold a private key: zeroized when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct Bytes(Arc<Shared>);

struct Shared {
    bytes: Zeroizing<Vec<u8>>,
    parsed: OnceLock<Box<Parsed>>,
}

/// What bytes were parsed to, one value a type.
struct Parsed {
    value: Box<dyn Any + Send + Sync>,
    next: OnceLock<Box<Self>>,
}

impl Bytes {
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// What `parse` makes of the bytes, which it is asked only once: the value is kept as long as they are. Each type
    /// has one way to be parsed.
    pub fn parsed<T: Any + Send + Sync>(&self, parse: fn(&[u8]) -> T) -> &T {
        let mut slot = &self.0.parsed;
        loop {
            let parsed =
                slot.get_or_init(|| Box::new(Parsed { value: Box::new(parse(self)), next: OnceLock::new() }));
            match parsed.value.downcast_ref() {
                Some(value) => return value,
                None => slot = &parsed.next,
            }
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Bytes {}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Zeroizing::new(bytes).into()
    }
}

impl From<Zeroizing<Vec<u8>>> for Bytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        // A directory may hold thousands of empty files: they are one in memory.
        static EMPTY: OnceLock<Bytes> = OnceLock::new();
        let new = |bytes| Self(Arc::new(Shared { bytes, parsed: OnceLock::new() }));
        if bytes.is_empty() { EMPTY.get_or_init(|| new(bytes)).clone() } else { new(bytes) }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.len())
    }
}

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
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    /// Puts `entry` at `path`, which must be absolute inside the root.
    pub fn insert(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        self.entries.insert(path.into(), entry);
    }

    /// The entry at exactly this path, no link followed.
    pub fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All entries in path order: a directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// The entries that exist and were not read, with the reason.
    pub fn unread(&self) -> impl Iterator<Item = (&Path, &Unread)> {
        self.iter().filter_map(|(path, entry)| match &entry.content {
            Content::Unread(why) => Some((path, why)),
            _ => None,
        })
    }

    pub fn size(&self) -> u64 {
        self.entries.values().map(Entry::size).sum()
    }

    /// The entries directly in `directory`, which is resolved first.
    pub fn children(&self, directory: &Path) -> Vec<(&Path, &Entry)> {
        let Ok(resolved) = self.resolve(directory) else {
            return Vec::new();
        };
        self.iter().filter(|(path, _)| path.parent() == Some(&resolved.path)).collect()
    }

    /// Follows every link of `path` inside the root, as a process chrooted there would: an absolute
    /// target starts at the root again, and `..` above the root stays at the root.
    ///
    /// # Errors
    /// More than 40 links, as Linux counts them.
    pub fn resolve(&self, path: &Path) -> Result<Resolved<'_>, LinkError> {
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
                    if let Some(Entry { content: Content::Link(target), .. }) = self.get(&at) {
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

    /// The entry at `path` itself, as `lstat` sees it: links of its directory are followed, one at its end is not.
    pub fn entry_itself(&self, path: &Path) -> Option<&Entry> {
        let directory = self.resolve(path.parent()?).ok()?.path;
        self.get(&directory.join(path.file_name()?))
    }

    /// The bytes of the file at the target of `path`, if it exists and was read.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        match &self.resolve(path).ok()?.entry?.content {
            Content::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The snapshot after `changes`: a prediction of the node.
    #[must_use]
    pub fn with(&self, changes: &ChangeSet) -> Self {
        let mut entries = self.entries.clone();
        for change in changes.iter() {
            match &change.after {
                Some(entry) => entries.insert(change.path.clone(), entry.clone()),
                None => entries.remove(&change.path),
            };
        }
        Self { entries }
    }

    /// The change from `self` to `other`, for the paths that `concerns` selects. Entries that were not read
    /// on either side are left out.
    pub fn diff(&self, other: &Self, concerns: impl Fn(&Path) -> bool) -> ChangeSet {
        let mut changes = ChangeSet::default();
        let unread =
            |entry: Option<&Entry>| matches!(entry, Some(e) if matches!(e.content, Content::Unread(_)));
        for path in self.entries.keys().chain(other.entries.keys()) {
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
        Self { entries: entries.into_iter().collect() }
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
    fn bytes_are_parsed_once_to_each_type() {
        let file = Bytes::from(b"12".to_vec());
        let copy = file.clone();
        let number: &u8 = file.parsed(|bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap());
        assert_eq!(*number, 12);
        assert_eq!(*file.parsed(<[u8]>::len), 2);
        assert_eq!(*copy.parsed::<u8>(|_| panic!("parsed again")), 12);
        assert_eq!(*copy.parsed::<usize>(|_| panic!("parsed again")), 2);
    }

    #[test]
    fn bytes_are_not_shown() {
        assert_eq!(format!("{:?}", Bytes::from(b"secret".to_vec())), "Bytes(6 bytes)");
    }
}
