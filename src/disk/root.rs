//! The root directory of a node, opened, and how a path is followed inside it: component by component from the handle
//! of the one before, links resolved as in a chroot, so that none leads outside.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::FileStat;

use super::Error;
use super::handle::{self, Kind};

/// Linux's own limit of links in one path.
const MAX_LINKS: usize = 40;
/// How many directories of a way stay open for the next one.
const MAX_KEPT: usize = 16;

/// The root directory of a node, opened: a running node's `/`, a mounted disk, a copied tree.
#[derive(Debug)]
pub struct Root {
    directory: Arc<File>,
    path: PathBuf,
}

impl Root {
    /// Opens the directory at `path` of the host.
    ///
    /// # Errors
    /// [`Error::RootNotFound`], [`Error::RootNotADirectory`], [`Error::RootDenied`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = |more: OFlag| File::options().read(true).custom_flags((flags | more).bits()).open(path);
        let opened = match open(OFlag::O_NOATIME) {
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => open(OFlag::empty()),
            opened => opened,
        };
        match opened {
            Ok(directory) => Ok(Self { directory: directory.into(), path: path.to_owned() }),
            Err(error) => Err(match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT) => Error::RootNotFound { path: path.to_owned() },
                Some(Errno::ENOTDIR) => Error::RootNotADirectory { path: path.to_owned() },
                Some(Errno::EACCES) => Error::RootDenied { path: path.to_owned() },
                _ => Error::io("open", path)(error),
            }),
        }
    }

    /// The path on the host, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the root directory of the running system and not a disk or a copy.
    pub fn is_live(&self) -> bool {
        let same = |here: std::fs::Metadata| {
            let there = std::fs::metadata("/").ok()?;
            Some(here.dev() == there.dev() && here.ino() == there.ino())
        };
        self.directory.metadata().ok().and_then(same).unwrap_or(false)
    }

    /// Where `inside`, which must be free of links, is on the host.
    pub fn on_host(&self, inside: &Path) -> PathBuf {
        self.path.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// The root's own handle.
    pub(super) fn directory(&self) -> &File {
        &self.directory
    }

    /// Follows `path` to its end. `met` is told of each link on the way.
    ///
    /// # Errors
    /// With the path that failed.
    pub(super) fn walk(
        &self,
        path: &Path,
        met: &mut dyn FnMut(&Path, PathBuf, &File, &OsStr),
    ) -> Result<Option<There>, (PathBuf, io::Error)> {
        self.follow(&mut Way::default(), path, met)
    }

    /// As [`Root::walk`], after another path: what both have in common is still open.
    pub(super) fn walk_along(
        &self,
        way: &mut Way,
        path: &Path,
        met: &mut dyn FnMut(&Path, PathBuf, &File, &OsStr),
    ) -> Result<Option<There>, (PathBuf, io::Error)> {
        let end = self.follow(way, path, met);
        way.0.truncate(MAX_KEPT);
        end
    }

    fn follow(
        &self,
        way: &mut Way,
        path: &Path,
        met: &mut dyn FnMut(&Path, PathBuf, &File, &OsStr),
    ) -> Result<Option<There>, (PathBuf, io::Error)> {
        let mut rest: VecDeque<Cow<'_, OsStr>> = VecDeque::new();
        push_components(&mut rest, path, Cow::Borrowed);
        // How many directories of the way lead to the current one.
        let mut depth: usize = 0;
        let mut at = PathBuf::with_capacity(path.as_os_str().len() + 1);
        at.push("/");
        let mut links = 0;
        let refused = |at: &Path, name: &OsStr, rest: &VecDeque<Cow<'_, OsStr>>, error: io::Error| {
            let mut path = at.join(name);
            path.extend(rest);
            (path, error)
        };
        while let Some(name) = rest.pop_front() {
            if *name == *"/" {
                depth = 0;
                at = PathBuf::from("/");
                continue;
            }
            if *name == *".." {
                depth = depth.saturating_sub(1);
                at.pop();
                continue;
            }
            let parent = way.directory(depth).unwrap_or(&self.directory).clone();
            let found = match handle::stat(&parent, &name) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(error) => return Err(refused(&at, &name, &rest, error)),
            };
            if Kind::of(&found) == Kind::Link {
                links += 1;
                let target = match handle::read_link(&parent, &name) {
                    Ok(target) => target,
                    Err(error) => return Err(refused(&at, &name, &rest, error)),
                };
                met(&at.join(&name), target.clone(), &parent, &name);
                if links > MAX_LINKS {
                    return Ok(None);
                }
                push_components(&mut rest, &target, |name| Cow::Owned(name.to_owned()));
                continue;
            }
            if rest.is_empty() {
                at.push(&name);
                return Ok(Some(There { path: at, parent, name: name.into_owned(), found: Some(found) }));
            }
            if Kind::of(&found) != Kind::Directory {
                // More components, or a trailing `..`, below a file.
                return Ok(None);
            }
            if let Err(error) = way.enter(depth, &parent, &name, &found) {
                return Err(refused(&at, &name, &rest, error));
            }
            depth += 1;
            at.push(&name);
        }
        // The last part is `..`, `/` or nothing: the directory is already open.
        let parent = way.directory(depth).unwrap_or(&self.directory).clone();
        Ok(Some(There { path: at, parent, name: OsString::from("."), found: None }))
    }
}

/// The directories below the root through which the last path led, each with its name in the one before.
#[derive(Default)]
pub(super) struct Way(Vec<(OsString, Id, Arc<File>)>);

/// Device and inode: no other file has them while this one is open.
type Id = (u64, u64);

fn id(stat: &FileStat) -> Id {
    (stat.st_dev, stat.st_ino)
}

impl Way {
    /// The directory at this depth; `None` for the root.
    fn directory(&self, depth: usize) -> Option<&Arc<File>> {
        self.0.get(depth.checked_sub(1)?).map(|(.., directory)| directory)
    }

    /// Opens the directory `name` in `parent`, which is at `depth`, unless the same one is open. It is another one if its
    /// name has led elsewhere since then.
    fn enter(&mut self, depth: usize, parent: &File, name: &OsStr, found: &FileStat) -> io::Result<()> {
        if self.0.get(depth).is_some_and(|(known, known_id, _)| known == name && *known_id == id(found)) {
            return Ok(());
        }
        let directory = handle::mark(parent, name)?;
        let opened = id(&handle::stat_open(&directory)?);
        self.0.truncate(depth);
        self.0.push((name.to_owned(), opened, directory.into()));
        Ok(())
    }
}

/// The end of a path, free of links.
pub(super) struct There {
    /// Absolute inside the root.
    pub(super) path: PathBuf,
    pub(super) parent: Arc<File>,
    /// The last component; `.` if `parent` itself is meant.
    pub(super) name: OsString,
    /// What the walk saw there.
    pub(super) found: Option<FileStat>,
}

/// Puts the components of `path` before the rest of the walk.
fn push_components<'a, 'p>(
    rest: &mut VecDeque<Cow<'a, OsStr>>,
    path: &'p Path,
    keep: impl Fn(&'p OsStr) -> Cow<'a, OsStr>,
) {
    for component in path.components().rev() {
        match component {
            Component::CurDir => {}
            component => rest.push_front(keep(component.as_os_str())),
        }
    }
}
