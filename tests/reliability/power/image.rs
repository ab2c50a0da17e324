//! A disk of the model as a directory of this machine and back, and what a node's files are, for comparing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tempfile::TempDir;

use super::disk::{Attributes, Ino, Inode, Kind, ROOT};

/// Where kuberescue keeps what is its own.
pub const OWN: &str = "/var/lib/kuberescue";

/// A directory in memory, where a sync costs nothing; elsewhere where that knows no extended attributes.
pub fn quick_directory() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm").ok();
    let good = in_memory.filter(|directory| xattr::set(directory.path(), "user.try", b"1").is_ok());
    let directory = good.unwrap_or_else(|| tempfile::tempdir().unwrap());
    let _ = xattr::remove(directory.path(), "user.try");
    directory
}

/// The extended attributes that tests may set: a machine adds labels of its own.
pub fn xattrs(path: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let names = xattr::list(path).into_iter().flatten().filter(is_ours);
    names.filter_map(|name| Some((name.clone(), xattr::get(path, &name).ok()??))).collect()
}

pub fn is_ours(xattr: &OsString) -> bool {
    xattr.to_string_lossy().starts_with("user.")
}

/// Reads one entry; of a directory without its names.
pub fn inode(path: &Path) -> Inode {
    let found = path.symlink_metadata().unwrap();
    let kind = match found.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Link(path.read_link().unwrap()),
        kind => {
            assert!(kind.is_file(), "{} is none of the kinds that are modelled", path.display());
            Kind::File
        }
    };
    let data = if kind == Kind::File { std::fs::read(path).unwrap() } else { Vec::new() };
    let attributes = Attributes {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        xattrs: if matches!(kind, Kind::Link(_)) { BTreeMap::new() } else { xattrs(path) },
        mtime: Some((found.mtime(), found.mtime_nsec())),
    };
    Inode { kind, attributes, data: Arc::new(data), names: Arc::default() }
}

/// Writes a disk into a directory that is there and empty.
pub fn write(inodes: &[Inode], at: &Path) {
    let mut places = BTreeMap::new();
    fill(inodes, ROOT, at, &mut places);
}

fn fill(inodes: &[Inode], directory: Ino, at: &Path, places: &mut BTreeMap<Ino, PathBuf>) {
    for (name, child) in inodes[directory].names.iter() {
        let (path, inode) = (at.join(name), &inodes[*child]);
        if let Some(first) = places.get(child) {
            std::fs::hard_link(first, path).unwrap();
            continue;
        }
        match &inode.kind {
            Kind::Directory => {
                std::fs::create_dir(&path).unwrap();
                fill(inodes, *child, &path, places);
            }
            Kind::Link(target) => symlink(target, &path).unwrap(),
            Kind::File => {
                let mut options = File::options();
                let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
                file.write_all(&inode.data).unwrap();
            }
        }
        dress(inode, &path);
        places.insert(*child, path);
    }
}

fn dress(inode: &Inode, path: &Path) {
    let Attributes { mode, uid, gid, xattrs, mtime } = &inode.attributes;
    let made = path.symlink_metadata().unwrap();
    if (made.uid(), made.gid()) != (*uid, *gid) {
        std::os::unix::fs::lchown(path, Some(*uid), Some(*gid)).unwrap();
    }
    if !matches!(inode.kind, Kind::Link(_)) {
        for (name, value) in xattrs {
            xattr::set(path, name, value).unwrap();
        }
        if made.mode() & 0o7777 != *mode {
            std::fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
        }
    }
    if let Some((seconds, nanoseconds)) = mtime {
        let time = TimeSpec::new(*seconds, *nanoseconds);
        utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
    }
}

/// A node's files with all that matters of them, without what is kuberescue's own.
pub struct Tree(BTreeMap<PathBuf, Inode>);

impl Tree {
    pub fn of(inodes: &[Inode]) -> Self {
        let mut tree = Self(BTreeMap::new());
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, directory)) = open.pop() {
            for (name, child) in inodes[directory].names.iter() {
                let path = path.join(name);
                if tree.add(&path, inodes[*child].clone()) {
                    open.push((path, *child));
                }
            }
        }
        tree
    }

    pub fn read(root: &Path) -> Self {
        let mut tree = Self(BTreeMap::new());
        let mut open = vec![PathBuf::from("/")];
        while let Some(directory) = open.pop() {
            let here = root.join(directory.strip_prefix("/").unwrap());
            for entry in std::fs::read_dir(here).unwrap() {
                let entry = entry.unwrap();
                let path = directory.join(entry.file_name());
                if tree.add(&path, inode(&entry.path())) {
                    open.push(path);
                }
            }
        }
        tree
    }

    /// Whether to look into it too.
    fn add(&mut self, path: &Path, inode: Inode) -> bool {
        let is_directory = inode.kind == Kind::Directory;
        // Made for kuberescue's own where they are missing.
        if path == Path::new(OWN) {
            return false;
        }
        if path != Path::new("/var") && path != Path::new("/var/lib") {
            self.0.insert(path.to_owned(), inode);
        }
        is_directory
    }

    /// Forgets when what is not as in `old` was written.
    pub fn forget_times(&mut self, old: &Self) {
        for (path, inode) in &mut self.0 {
            if old.0.get(path).is_none_or(|old| old.attributes != inode.attributes) {
                inode.attributes.mtime = None;
            }
        }
    }

    /// In what `found` is another tree than this one. A time that this one doesn't know may be any, and so may a
    /// directory's, which changes with what is in it.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (path, inode) in &self.0 {
            let Some(other) = found.0.get(path) else {
                differences.push(format!("{} is gone", path.display()));
                continue;
            };
            let mut wanted = inode.attributes.clone();
            if inode.kind == Kind::Directory || wanted.mtime.is_none() {
                wanted.mtime = other.attributes.mtime;
            }
            if inode.kind != other.kind || inode.data != other.data {
                differences.push(format!("{} holds something else", path.display()));
            } else if wanted != other.attributes {
                differences.push(format!("{}: {:?} and not {wanted:?}", path.display(), other.attributes));
            }
        }
        let more = found.0.keys().filter(|path| !self.0.contains_key(*path));
        differences.extend(more.map(|path| format!("{} is too much", path.display())));
        differences
    }
}
