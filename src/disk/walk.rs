//! Following a path inside a root: component by component from the previous handle, links resolved as in a
//! chroot, so that none leads outside.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use super::handle::{self, Kind};
use super::node::Root;

/// Linux's own limit of links in one path.
const MAX_LINKS: usize = 40;

impl Root {
    /// Follows `path` to its end. `met` is called with each link on the way.
    ///
    /// # Errors
    /// With the path that failed.
    pub(super) fn walk(
        &self,
        path: &Path,
        met: &mut dyn FnMut(&Path, PathBuf, &OwnedFd, &OsStr),
    ) -> Result<Option<There>, (PathBuf, io::Error)> {
        let mut rest: VecDeque<OsString> = VecDeque::new();
        push_components(&mut rest, path);
        // The directories from the root (not in the list) to the current one.
        let mut chain: Vec<OwnedFd> = Vec::new();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let refused = |at: &Path, name: &OsStr, rest: &VecDeque<OsString>, error: io::Error| {
            let mut path = at.join(name);
            path.extend(rest);
            (path, error)
        };
        let root = || self.directory().try_clone().map(OwnedFd::from);
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
            let parent = match chain.last().map_or_else(root, OwnedFd::try_clone) {
                Ok(parent) => parent,
                Err(error) => return Err(refused(&at, &name, &rest, error)),
            };
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
                push_components(&mut rest, &target);
                continue;
            }
            if rest.is_empty() {
                at.push(&name);
                return Ok(Some(There { path: at, parent, name }));
            }
            if Kind::of(&found) != Kind::Directory {
                // More components, or a trailing `..`, below a file.
                return Ok(None);
            }
            match handle::mark(&parent, &name) {
                Ok(directory) => chain.push(directory),
                Err(error) => return Err(refused(&at, &name, &rest, error)),
            }
            at.push(&name);
        }
        // The path ended in `..`, `/` or nothing: the directory is already open.
        match chain.pop().map_or_else(root, Ok) {
            Ok(parent) => Ok(Some(There { path: at, parent, name: OsString::from(".") })),
            Err(error) => Err((at, error)),
        }
    }
}

/// The end of a path, free of links.
pub(super) struct There {
    /// Absolute inside the root.
    pub(super) path: PathBuf,
    pub(super) parent: OwnedFd,
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
