//! One new file, written as a stream: it is complete and synced before it gets its name, has mode 0600, and
//! never replaces another file. Dropped before that it leaves nothing; a killed run leaves a hidden file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::state_dir::{PARTIAL, StateDir};
use super::{Error, Root, effect};

/// How often a name is tried: files of one node in one second.
const MAX_NAMES: u32 = 100;

#[derive(Debug)]
pub struct NewFile {
    directory: File,
    /// The directory on the host, for the user.
    shown: PathBuf,
    partial: OsString,
    stem: String,
    extension: &'static str,
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
        let partial = OsString::from(format!(".{stem}{extension}.{}{PARTIAL}", std::process::id()));
        let path = shown.join(format!("{stem}{extension}"));
        let file = effect::create(&directory, &partial).map_err(Error::io("write", path))?;
        // Distinguishes it from one that a dead process left behind.
        let _locked = file.try_lock();
        Ok(Self { directory, shown, partial, stem, extension, file, is_named: false })
    }

    /// Its path if nothing else takes the name, on the host.
    pub fn path(&self) -> PathBuf {
        self.shown.join(format!("{}{}", self.stem, self.extension))
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
        for number in 1..=MAX_NAMES {
            let name = match number {
                1 => format!("{}{}", self.stem, self.extension),
                number => format!("{}-{number}{}", self.stem, self.extension),
            };
            match effect::rename_new(&self.directory, &self.partial, name.as_ref()) {
                Ok(()) => {
                    self.is_named = true;
                    effect::sync(&self.directory).map_err(|error| failed(&self, error))?;
                    return Ok(self.shown.join(name));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&self, error)),
            }
        }
        Err(failed(&self, io::ErrorKind::AlreadyExists.into()))
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

fn open_directory(path: &Path) -> Result<File, Error> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.map_err(Error::io("open the directory", path))
}
