//! Which logs a root has: directories are listed and files are checked, but none is read.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::sys::stat::FileStat;

use crate::analysis::forensics::timeline::{
    CONTAINERS, Event, Logs, Origin, PODS, Place, TEXT_LOGS, Wanted, is_compressed_otherwise,
};
use crate::disk::Root;
use crate::disk::handle::{self, Kind};
use crate::state::os;

/// Limit of names in one directory: a node runs some hundred pods.
const MAX_NAMES: usize = 10_000;
const MAX_LOGS: usize = 10_000;

const ETCD: &str = "/var/lib/etcd/member";

pub(super) struct Log {
    /// Where it was found; a link may lead elsewhere.
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
    pub(super) size: u64,
}

impl Log {
    /// Opens it, and returns when it was last written.
    pub(super) fn open(&self, root: &Root) -> io::Result<(File, Timestamp)> {
        let there = root.walk(&self.path, &mut |_, _, _, _| ()).map_err(|(_, error)| error)?;
        let there = there.ok_or(io::ErrorKind::NotFound)?;
        let (file, stat) = handle::open_file(&there.parent, &there.name).and_then(handle::checked)?;
        // It may have been replaced since it was found.
        if Kind::of(&stat) != Kind::File {
            return Err(io::Error::other("not a file any more"));
        }
        Ok((file, handle::mtime(&stat)))
    }
}

/// The wanted logs, by path in each directory, each file once whatever links to it.
pub(super) fn logs(root: &Root, wanted: &Wanted, logs: &mut Logs) -> Vec<Log> {
    let mut search = Search { root, wanted, logs, seen: BTreeSet::new(), found: Vec::new() };
    search.pods();
    search.directory(Path::new(CONTAINERS));
    search.directory(Path::new(TEXT_LOGS));
    search.found
}

struct Search<'a> {
    root: &'a Root,
    wanted: &'a Wanted,
    logs: &'a mut Logs,
    /// Device and inode of each file.
    seen: BTreeSet<(u64, u64)>,
    found: Vec<Log>,
}

impl Search<'_> {
    fn pods(&mut self) {
        for pod in self.names(Path::new(PODS)) {
            let namespace = pod.to_str().and_then(|pod| pod.split_once('_')).map(|(namespace, _)| namespace);
            let Some(namespace) = namespace.filter(|namespace| self.wanted.namespace(namespace)) else {
                continue;
            };
            let directory = Path::new(PODS).join(&pod);
            for container in self.names(&directory) {
                if container.to_str().is_some_and(|name| self.wanted.container(namespace, name)) {
                    self.directory(&directory.join(container));
                }
            }
        }
    }

    fn directory(&mut self, directory: &Path) {
        for name in self.names(directory) {
            let path = directory.join(&name);
            if let Some(place) = Place::of(&path, self.wanted) {
                self.log(path, place.origin);
            } else if let Some(plain) = name.to_str().filter(|name| is_compressed_otherwise(name))
                && let Some((stem, _)) = plain.rsplit_once('.')
                && Place::of(&directory.join(stem), self.wanted).is_some()
            {
                self.logs.note(format!("{}: not read: compressed, and not with gzip", path.display()));
            }
        }
    }

    fn log(&mut self, path: PathBuf, origin: Origin) {
        match stat(self.root, &path) {
            Ok(Some(stat)) if Kind::of(&stat) == Kind::File => {
                if !self.seen.insert((stat.st_dev, stat.st_ino)) {
                    return;
                }
                if self.found.len() == MAX_LOGS {
                    self.logs.note(format!("more than {MAX_LOGS} log files: the others are not read"));
                    return;
                }
                self.found.push(Log { path, origin, size: u64::try_from(stat.st_size).unwrap_or(0) });
            }
            // A removed container leaves a dangling link behind; no log is a directory or a device.
            Ok(_) => {}
            Err(error) => self.logs.note(format!("{}: not read: {}", path.display(), os::reason(&error))),
        }
    }

    fn names(&mut self, directory: &Path) -> Vec<OsString> {
        match names(self.root, directory) {
            Ok((names, more)) => {
                if more {
                    self.logs.note(format!(
                        "{}: more than {MAX_NAMES} names: the others are not read",
                        directory.display()
                    ));
                }
                names
            }
            Err(error) => {
                self.logs.note(format!("{}: not read: {}", directory.display(), os::reason(&error)));
                Vec::new()
            }
        }
    }
}

fn names(root: &Root, directory: &Path) -> io::Result<(Vec<OsString>, bool)> {
    let there = root.walk(directory, &mut |_, _, _, _| ()).map_err(|(_, error)| error)?;
    let Some(there) = there else { return Ok((Vec::new(), false)) };
    let is_directory =
        handle::stat(&there.parent, &there.name)?.is_some_and(|stat| Kind::of(&stat) == Kind::Directory);
    if !is_directory {
        return Ok((Vec::new(), false));
    }
    let opened = handle::open_directory(&there.parent, &there.name).and_then(handle::checked)?.0;
    let (_, names, more) = handle::names(opened, MAX_NAMES, |_| true)?;
    Ok((names, more))
}

/// The target of `path`.
fn stat(root: &Root, path: &Path) -> io::Result<Option<FileStat>> {
    let there = root.walk(path, &mut |_, _, _, _| ()).map_err(|(_, error)| error)?;
    there.map_or(Ok(None), |there| handle::stat(&there.parent, &there.name))
}

pub(super) fn is_directory(root: &Root, path: &Path) -> bool {
    stat(root, path).ok().flatten().is_some_and(|stat| Kind::of(&stat) == Kind::Directory)
}

pub(super) fn etcd_times(root: &Root) -> Vec<Event> {
    let mut events = Vec::new();
    for (directory, suffix, what) in [
        ("snap", "db", "etcd's database last written"),
        ("snap", ".snap", "etcd's newest snapshot written"),
        ("wal", ".wal", "etcd's write-ahead log last written"),
    ] {
        let directory = Path::new(ETCD).join(directory);
        let names = names(root, &directory).map(|(names, _)| names).unwrap_or_default();
        let wanted = names.into_iter().filter(|name| {
            name.to_str()
                .is_some_and(|name| if suffix == "db" { name == suffix } else { name.ends_with(suffix) })
        });
        let files = wanted.filter_map(|name| {
            let path = directory.join(name);
            let stat = stat(root, &path).ok().flatten().filter(|stat| Kind::of(stat) == Kind::File)?;
            Some((handle::mtime(&stat), path))
        });
        events.extend(files.max().map(|(time, path)| Event::of_file(time, what, &path)));
    }
    events
}
