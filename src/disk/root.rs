//! The root directory of a node, opened, and how a path is followed inside it: component by component from the handle
//! of the one before, links resolved as in a chroot, so that none leads outside.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Error;
use super::handle::{self, Kind};

/// Linux's own limit of links in one path.
const MAX_LINKS: usize = 40;

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
        let mut rest: VecDeque<OsString> = VecDeque::new();
        push_components(&mut rest, path);
        // The directories from the root (not in the list) to the current one.
        let mut chain: Vec<Arc<File>> = Vec::new();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let refused = |at: &Path, name: &OsStr, rest: &VecDeque<OsString>, error: io::Error| {
            let mut path = at.join(name);
            path.extend(rest);
            (path, error)
        };
        while let Some(name) = rest.pop_front() {
            if name == "/" {
                chain.clear();
                at = PathBuf::from("/");
                continue;
            }
            if name == ".." {
                chain.pop();
                at.pop();
                continue;
            }
            let parent = chain.last().unwrap_or(&self.directory);
            let found = match handle::stat(parent, &name) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(error) => return Err(refused(&at, &name, &rest, error)),
            };
            if Kind::of(&found) == Kind::Link {
                links += 1;
                let target = match handle::read_link(parent, &name) {
                    Ok(target) => target,
                    Err(error) => return Err(refused(&at, &name, &rest, error)),
                };
                met(&at.join(&name), target.clone(), parent, &name);
                if links > MAX_LINKS {
                    return Ok(None);
                }
                push_components(&mut rest, &target);
                continue;
            }
            if rest.is_empty() {
                at.push(&name);
                return Ok(Some(There { path: at, parent: parent.clone(), name }));
            }
            if Kind::of(&found) != Kind::Directory {
                // More components, or a trailing `..`, below a file.
                return Ok(None);
            }
            match handle::mark(parent, &name) {
                Ok(directory) => chain.push(directory.into()),
                Err(error) => return Err(refused(&at, &name, &rest, error)),
            }
            at.push(&name);
        }
        // The last part is `..`, `/` or nothing: the directory is already open.
        let parent = chain.pop().unwrap_or_else(|| self.directory.clone());
        Ok(Some(There { path: at, parent, name: OsString::from(".") }))
    }
}

/// The end of a path, free of links.
pub(super) struct There {
    /// Absolute inside the root.
    pub(super) path: PathBuf,
    pub(super) parent: Arc<File>,
    /// The last component; `.` if `parent` itself is meant.
    pub(super) name: OsString,
}

/// Puts the components of `path` before the rest of the walk.
fn push_components(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::CurDir => {}
            component => rest.push_front(component.as_os_str().to_owned()),
        }
    }
}
