//! What would keep a path from being replaced by a rename, seen before anything is written: attributes of the file and
//! of its directory, a mount on it, a directory that can't be written.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, StatxAttributes, StatxFlags, accessat, statx};
use rustix::io::Errno;

/// Why a path can't be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// `chattr +i`
    Immutable,
    /// `chattr +a`
    AppendOnly,
    /// Something is mounted on it.
    Mount,
    ReadOnly,
    Denied,
}

impl Obstacle {
    pub fn what(self) -> &'static str {
        match self {
            Self::Immutable => "has the attribute immutable",
            Self::AppendOnly => "has the attribute append-only",
            Self::Mount => "is a mount point",
            Self::ReadOnly => "is on a read-only file system",
            Self::Denied => "cannot be written: permission denied",
        }
    }

    /// The command that removes it from `path`.
    pub fn remedy(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Immutable => format!("chattr -i {path}"),
            Self::AppendOnly => format!("chattr -a {path}"),
            Self::Mount => format!("umount {path} (findmnt {path} shows what is mounted there)"),
            Self::ReadOnly => format!("mount -o remount,rw MOUNT (findmnt -T {path} shows which)"),
            Self::Denied => "run it with sudo".to_owned(),
        }
    }
}

/// Adds what keeps `name` in `directory` (`path` on the host) from being replaced or removed. Older kernels than 5.8 don't
/// tell mounts; what can't be asked isn't known.
pub(super) fn look(directory: &File, path: &Path, name: &OsStr, found: &mut BTreeSet<(PathBuf, Obstacle)>) {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let writable = accessat(directory, ".", Access::WRITE_OK, AtFlags::EACCESS);
    let of_directory = match writable {
        Err(Errno::ROFS) => Some(Obstacle::ReadOnly),
        Err(Errno::ACCESS) => Some(Obstacle::Denied),
        _ => attribute(directory, OsStr::new("."), false),
    };
    if let Some(obstacle) = of_directory {
        found.insert((parent.to_owned(), obstacle));
        return;
    }
    if let Some(obstacle) = attribute(directory, name, true) {
        found.insert((path.to_owned(), obstacle));
    }
}

fn attribute(directory: &File, name: &OsStr, mounts: bool) -> Option<Obstacle> {
    let found = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()).ok()?;
    let has = |attribute| found.stx_attributes.contains(attribute);
    if has(StatxAttributes::IMMUTABLE) {
        Some(Obstacle::Immutable)
    } else if has(StatxAttributes::APPEND) {
        Some(Obstacle::AppendOnly)
    } else if mounts && has(StatxAttributes::MOUNT_ROOT) {
        Some(Obstacle::Mount)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_command() {
        let all = [
            Obstacle::Immutable,
            Obstacle::AppendOnly,
            Obstacle::Mount,
            Obstacle::ReadOnly,
            Obstacle::Denied,
        ];
        let told = all.map(|one| format!("/x {}: {}", one.what(), one.remedy(Path::new("/x"))));
        insta::assert_snapshot!(told.join("\n"), @"
        /x has the attribute immutable: chattr -i /x
        /x has the attribute append-only: chattr -a /x
        /x is a mount point: umount /x (findmnt /x shows what is mounted there)
        /x is on a read-only file system: mount -o remount,rw MOUNT (findmnt -T /x shows which)
        /x cannot be written: permission denied: run it with sudo
        ");
    }

    /// What is always mounted, and can be written by root: the file systems of every Linux.
    #[test]
    fn a_mount_is_one_and_what_is_below_it_is_not() {
        let look_at = |directory: &str, name: &str| {
            let (open, path) = (File::open(directory).unwrap(), Path::new(directory).join(name));
            attribute(&open, OsStr::new(name), true).map(|obstacle| (path, obstacle))
        };
        assert_eq!(look_at("/", "proc"), Some(("/proc".into(), Obstacle::Mount)));
        assert_eq!(look_at("/proc", "version"), None);
        assert_eq!(attribute(&File::open("/").unwrap(), OsStr::new("proc"), false), None);
    }
}
