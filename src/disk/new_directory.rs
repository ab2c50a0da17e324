//! A directory of the machine on which the command runs, into which it writes files: a new or an empty one.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Error, Root, effect, handle};

#[derive(Debug)]
pub struct NewDirectory {
    pub(super) open: File,
    pub(super) path: PathBuf,
}

impl NewDirectory {
    /// Whether there is nothing at `path`, or an empty directory.
    ///
    /// # Errors
    /// It is something else, or cannot be read.
    pub fn is_free(path: &Path) -> Result<bool, Error> {
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(true);
        }
        let names = handle::names(open_directory(path)?, 1, |name| name != "lost+found");
        let (_, names, _) = names.map_err(Error::io("read the directory", path))?;
        Ok(names.is_empty())
    }

    /// Opens it, or makes it with mode 0700.
    ///
    /// # Errors
    /// It can't be made or opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_err() {
            let name = path
                .file_name()
                .ok_or_else(|| Error::io("make the directory", path)(Errno::EINVAL.into()))?;
            let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            effect::make_directory(open_directory(parent)?, name, 0o700)
                .map_err(Error::io("make the directory", path))?;
        }
        Ok(Self { open: open_directory(path)?, path: path.to_owned() })
    }

    /// A directory below `root`, free of links that lead out of it.
    ///
    /// # Errors
    /// There is none.
    pub fn below(root: &Root, inside: &Path) -> Result<Self, Error> {
        let there = root.walk(inside, &mut |_, _, _, _| ());
        let there = there.map_err(|(path, error)| Error::io("open the directory", path)(error))?;
        let none = || Error::io("open the directory", inside)(Errno::ENOENT.into());
        let there = there.ok_or_else(none)?;
        let open = handle::open_directory(&there.parent, &there.name);
        let open = open.map_err(Error::io("open the directory", inside))?;
        Ok(Self { open, path: root.on_host(&there.path) })
    }

    /// Removes a file that this run has written. Best effort: the next run says that the directory is not empty.
    pub fn take_back(&self, name: &str) {
        let _removed = effect::remove(&self.open, name.as_ref());
    }
}

/// The directory at a path of the machine, opened.
pub(super) fn open_directory(path: &Path) -> Result<File, Error> {
    let opened = File::options().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(path);
    opened.map_err(Error::io("open the directory", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_new_or_an_empty_directory_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let made = NewDirectory::open(&at("new")).unwrap();
        assert_eq!(at("new").metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        effect::make_directory(&made.open, "lost+found".as_ref(), 0o700).unwrap();
        drop(effect::create(&made.open, "file".as_ref()).unwrap());
        assert!(NewDirectory::is_free(&at("none")).unwrap());
        assert!(!NewDirectory::is_free(&at("new")).unwrap());
        made.take_back("file");
        assert!(NewDirectory::is_free(&at("new")).unwrap());
        assert_eq!(NewDirectory::open(&at("new")).unwrap().path, at("new"));
        drop(effect::create(&made.open, "file".as_ref()).unwrap());
        for path in [at("new/file"), at("new/file/x"), at("none/x")] {
            let (free, opened) = (NewDirectory::is_free(&path), NewDirectory::open(&path));
            assert_eq!((free.is_ok(), opened.is_ok()), (path == at("none/x"), false), "{}", path.display());
        }
    }
}
