//! One new file, written as a stream: it is complete and synced before it gets its name, has mode 0600, and
//! never replaces another file. Dropped before that it leaves nothing; a killed run leaves a hidden file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::fstatvfs;

use super::new_directory::{NewDirectory, open_directory};
use super::state_dir::{PARTIAL, StateDir};
use super::{Error, Root, effect};
use crate::formats::bolt::Pages;

/// How often a name is tried: files of one node in one second.
const MAX_NAMES: u32 = 100;

#[derive(Debug)]
pub struct NewFile {
    directory: File,
    /// The directory on the host, for the user.
    shown: PathBuf,
    partial: OsString,
    stem: OsString,
    extension: &'static str,
    /// How many names are tried.
    names: u32,
    file: File,
    is_named: bool,
}

impl NewFile {
    /// Begins `STEM.EXTENSION`, or `STEM-2.EXTENSION` and so on if that exists, in `dir` on the host, or by
    /// default in the node's own `/var/lib/kuberescue`, which is created if needed.
    ///
    /// # Errors
    /// There is no such directory, or it can't be written.
    pub fn begin(
        root: &Root,
        dir: Option<&Path>,
        stem: String,
        extension: &'static str,
    ) -> Result<Self, Error> {
        let (directory, shown) = match dir {
            Some(dir) => (open_directory(dir)?, dir.to_owned()),
            None => {
                let state = StateDir::create(root)?;
                state.sweep_partials();
                (state.directory, root.on_host(&state.path))
            }
        };
        Self::create(directory, shown, stem.into(), extension, MAX_NAMES)
    }

    /// Begins the file at `path` on the host, with no other name.
    ///
    /// # Errors
    /// It exists, or its directory doesn't or can't be written.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let exists = || Error::io("write", path)(Errno::EEXIST.into());
        let name = path.file_name().ok_or_else(exists)?.to_owned();
        if path.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        Self::create(open_directory(parent)?, parent.to_owned(), name, "", 1)
    }

    /// Begins a result at `path` on the host, for everyone to read (mode 0644), which may take the place of another file
    /// with [`NewFile::replace`].
    ///
    /// # Errors
    /// It is no name of a file, or its directory doesn't exist or can't be written.
    pub fn result(path: &Path) -> Result<Self, Error> {
        let is_directory = || Error::io("write", path)(Errno::EISDIR.into());
        let name = path.file_name().filter(|_| !path.is_dir()).ok_or_else(is_directory)?.to_owned();
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let new = Self::create(open_directory(parent)?, parent.to_owned(), name, "", 1)?;
        effect::set_mode(&new.file, 0o644).map_err(Error::io("write", path))?;
        Ok(new)
    }

    /// Begins the file `name` in `directory`, with no other name.
    ///
    /// # Errors
    /// It exists, or the directory can't be written.
    pub fn within(directory: &NewDirectory, name: &str) -> Result<Self, Error> {
        let open = directory.open.try_clone().map_err(Error::io("open the directory", &directory.path))?;
        Self::create(open, directory.path.clone(), name.into(), "", 1)
    }

    fn create(
        directory: File,
        shown: PathBuf,
        stem: OsString,
        extension: &'static str,
        names: u32,
    ) -> Result<Self, Error> {
        let mut partial = OsString::from(".");
        partial.push(&stem);
        partial.push(format!("{extension}.{}{PARTIAL}", std::process::id()));
        let file = effect::create(&directory, &partial);
        let new = Self {
            file: file.map_err(Error::io("write", shown.join(&stem)))?,
            directory,
            shown,
            partial,
            stem,
            extension,
            names,
            is_named: false,
        };
        // Distinguishes it from one that a dead process left behind.
        let _locked = new.file.try_lock();
        Ok(new)
    }

    fn numbered(&self, number: u32) -> OsString {
        let mut name = self.stem.clone();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(self.extension);
        name
    }

    /// Its path if nothing else takes the name, on the host.
    pub fn path(&self) -> PathBuf {
        self.shown.join(self.numbered(1))
    }

    /// Free bytes of its file system, including what is reserved for root; `None` if it doesn't tell.
    pub fn free(&self) -> Option<u64> {
        let found = fstatvfs(&self.directory).ok()?;
        Some(found.blocks_free().saturating_mul(found.fragment_size()))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// They can't be written: the disk is full, for example.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        effect::Through(&self.file).write_all(bytes).map_err(Error::io("write", self.path()))
    }

    /// Begins again, with nothing in it.
    ///
    /// # Errors
    /// It can't be emptied.
    pub fn restart(&mut self) -> Result<(), Error> {
        effect::empty(&self.file).and_then(|()| self.file.rewind()).map_err(Error::io("write", self.path()))
    }

    /// Syncs its content.
    ///
    /// # Errors
    /// It may not be on the disk.
    pub fn sync(&self) -> Result<(), Error> {
        effect::sync(&self.file).map_err(Error::io("write", self.path()))
    }

    /// Gives the file, which must be synced, the first free name. Returns its path on the host.
    ///
    /// # Errors
    /// No name is free, or it can't be written; then nothing of it is left.
    pub fn name(mut self) -> Result<PathBuf, Error> {
        let failed = |file: &Self, error| Error::io("write", file.path())(error);
        for number in 1..=self.names {
            let name = self.numbered(number);
            match effect::rename_new(&self.directory, &self.partial, &name) {
                Ok(()) => {
                    self.is_named = true;
                    effect::sync(&self.directory).map_err(|error| failed(&self, error))?;
                    return Ok(self.shown.join(name));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&self, error)),
            }
        }
        Err(failed(&self, Errno::EEXIST.into()))
    }
}

impl NewFile {
    /// Gives the file, which must be synced, its name at once in the place of what has it; a link is replaced, not followed.
    ///
    /// # Errors
    /// It can't be written; then what was there is still there.
    pub fn replace(mut self) -> Result<PathBuf, Error> {
        let name = self.numbered(1);
        let failed = |error| Error::io("write", self.path())(error);
        effect::rename(&self.directory, &self.partial, &name).map_err(failed)?;
        effect::sync(&self.directory).map_err(failed)?;
        self.is_named = true;
        Ok(self.path())
    }
}

/// What was written so far.
impl Pages for NewFile {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_named {
            // The first error is the one that counts.
            let _removed = effect::remove(&self.directory, &self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_there_once_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let mut new = NewFile::at(&path).unwrap();
        new.write(b"something long").unwrap();
        new.restart().unwrap();
        new.write(b"short").unwrap();
        assert_eq!(names(directory.path()), [format!(".a.db.{}.partial", std::process::id())]);
        new.sync().unwrap();
        assert_eq!(new.name().unwrap(), path);
        assert_eq!(names(directory.path()), ["a.db"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays the other program")]
    fn it_replaces_nothing_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        drop(NewFile::at(&path).unwrap());
        assert!(names(directory.path()).is_empty());
        let new = NewFile::at(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        new.name().unwrap_err();
        let told = NewFile::at(&path).unwrap_err().to_string();
        assert_eq!(told, format!("cannot write {}: it already exists", path.display()));
        assert_eq!(names(directory.path()), ["a.db"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        NewFile::at(&directory.path().join("none/a.db")).unwrap_err();
        NewFile::at(&directory.path().join("..")).unwrap_err();
    }
}
