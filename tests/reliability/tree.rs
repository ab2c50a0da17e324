//! A whole node as a value: read from a directory, compared, and written into it again, so that one state can be
//! the beginning of many runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tempfile::TempDir;

use super::common::Node;

/// Where kuberescue keeps what is its own; the rest is the node.
pub const OWN: &str = "var/lib/kuberescue";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    File(Vec<u8>),
    Link(PathBuf),
    Directory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub content: Content,
    pub mode: u32,
    pub owner: (u32, u32),
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// Of a directory it isn't kept: it changes with what is done in it.
    pub mtime: Option<(i64, i64)>,
    times: [(i64, i64); 2],
}

impl Entry {
    /// All but the content and its time.
    pub fn has_attributes_of(&self, other: &Self) -> bool {
        let kind = |entry: &Self| std::mem::discriminant(&entry.content);
        (kind(self), self.mode, self.owner, &self.xattrs)
            == (kind(other), other.mode, other.owner, &other.xattrs)
    }

    fn same(&self, other: &Self) -> bool {
        self.has_attributes_of(other) && self.content == other.content && self.mtime == other.mtime
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::File(bytes) => bytes,
            _ => &[],
        }
    }
}

/// Paths are relative to the root.
#[derive(Clone, Debug, Default)]
pub struct Tree(pub BTreeMap<PathBuf, Entry>);

impl Tree {
    /// A tree of `testdata/nodes`.
    pub fn of(name: &str) -> Self {
        Self::read(Node::of(name).root())
    }

    /// The same with certificates that another machine has signed for it, in `/usb`.
    pub fn of_signed(name: &str) -> Self {
        let node = Node::of(name);
        node.sign_elsewhere();
        Self::read(node.root())
    }

    pub fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(root, Path::new(""));
        tree
    }

    fn add(&mut self, root: &Path, directory: &Path) {
        for found in std::fs::read_dir(root.join(directory)).unwrap() {
            let name = directory.join(found.unwrap().file_name());
            let entry = look(&root.join(&name));
            let inside = entry.content == Content::Directory;
            self.0.insert(name.clone(), entry);
            if inside {
                self.add(root, &name);
            }
        }
    }

    /// Makes the directory hold this and nothing else.
    pub fn write(&self, root: &Path) {
        for found in std::fs::read_dir(root).unwrap() {
            let path = found.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        for (name, entry) in &self.0 {
            let path = root.join(name);
            match &entry.content {
                Content::File(bytes) => std::fs::write(&path, bytes).unwrap(),
                Content::Link(target) => symlink(target, &path).unwrap(),
                Content::Directory => std::fs::create_dir(&path).unwrap(),
            }
        }
        // What is in a directory comes before its own time.
        for (name, entry) in self.0.iter().rev() {
            let path = root.join(name);
            lchown(&path, Some(entry.owner.0), Some(entry.owner.1)).unwrap();
            for (name, value) in &entry.xattrs {
                xattr::set(&path, name, value).unwrap();
            }
            if !matches!(entry.content, Content::Link(_)) {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode)).unwrap();
            }
            let [accessed, modified] = entry.times.map(|(seconds, nano)| TimeSpec::new(seconds, nano));
            let here = nix::fcntl::AT_FDCWD;
            utimensat(here, &path, &accessed, &modified, UtimensatFlags::NoFollowSymlink).unwrap();
        }
    }

    /// The node's paths that differ in anything, kuberescue's own left out.
    pub fn differences(&self, other: &Self) -> Vec<PathBuf> {
        let names: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |name: &&&PathBuf| match (self.0.get(**name), other.0.get(**name)) {
            (Some(one), Some(other)) => !one.same(other),
            _ => true,
        };
        let found = names.iter().filter(differs).filter(|name| !name.starts_with(OWN));
        found.map(|name| (*name).clone()).collect()
    }

    /// One of kuberescue's own files.
    pub fn own(&self, name: &str) -> Option<&[u8]> {
        self.0.get(&Path::new(OWN).join(name)).map(Entry::bytes)
    }

    /// The names of kuberescue's own files.
    pub fn own_names(&self) -> Vec<String> {
        let own = self.0.keys().filter_map(|path| path.strip_prefix(OWN).ok());
        own.map(|name| name.display().to_string()).filter(|name| !name.is_empty()).collect()
    }
}

fn look(path: &Path) -> Entry {
    let metadata = path.symlink_metadata().unwrap();
    let kind = metadata.file_type();
    let content = if kind.is_symlink() {
        Content::Link(std::fs::read_link(path).unwrap())
    } else if kind.is_dir() {
        Content::Directory
    } else {
        Content::File(std::fs::read(path).unwrap())
    };
    let xattrs = xattr::list(path)
        .map(|names| names.filter_map(|name| Some((name.clone(), xattr::get(path, &name).ok()??))).collect());
    let mtime = (metadata.mtime(), metadata.mtime_nsec());
    Entry {
        mtime: (content != Content::Directory).then_some(mtime),
        content,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        xattrs: if kind.is_symlink() { BTreeMap::new() } else { xattrs.unwrap_or_default() },
        times: [(metadata.atime(), metadata.atime_nsec()), mtime],
    }
}

/// A directory for one tree after the other, in memory where that is to be had: thousands are written.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let writable = nix::unistd::access(memory, nix::unistd::AccessFlags::W_OK).is_ok();
        if writable { Self::below(memory) } else { Self::on_disk() }
    }

    pub fn on_disk() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("kuberescue-").tempdir_in(parent).unwrap();
        std::fs::create_dir(directory.path().join("node")).unwrap();
        Self { directory }
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("node")
    }

    /// With this tree and nothing else.
    pub fn with(&self, tree: &Tree) -> PathBuf {
        tree.write(&self.root());
        self.root()
    }
}
