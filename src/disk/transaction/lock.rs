//! One run at a time on a node. The kernel releases the lock when its process exits, in any way, so a lock
//! never has to be broken; the file's content is only for the message.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek};

use crate::disk::handle::{self, Kind};
use crate::disk::state_dir::{LOCK, StateDir};
use crate::disk::{Error, Holder, Root, effect};

/// The right to change a node, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    pub(in crate::disk) state: StateDir,
    pub(in crate::disk) boot: String,
    left_by: Option<Holder>,
}

impl Root {
    /// Takes the node's lock, creating `/var/lib/kuberescue` if needed, and removes unfinished files of
    /// killed runs from it. Doesn't wait.
    ///
    /// # Errors
    /// [`Error::Locked`] at once if another run holds it; or the lock file can't be created.
    pub fn lock(&self) -> Result<Lock, Error> {
        let state = StateDir::create(self)?;
        let path = state.path.join(LOCK);
        // A device or a socket must not even be opened.
        if let Some(found) =
            handle::stat(&state.directory, OsStr::new(LOCK)).map_err(Error::io("lock", &path))?
            && Kind::of(&found) != Kind::File
        {
            return Err(Error::Unsupported { path, why: "the lock is not a file" });
        }
        let mut file =
            effect::open_or_create(&state.directory, OsStr::new(LOCK)).map_err(Error::io("lock", &path))?;
        let found = holder(&mut file);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { holder: found }),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        let boot = boot_id();
        let me = Holder { pid: std::process::id(), boot: boot.clone() };
        // The text is only for the message of another run: a full disk must not prevent the lock.
        let _told = serde_json::to_vec(&me).map(|text| rewrite(&mut file, &text));
        state.sweep();
        Ok(Lock { file, state, boot, left_by: found })
    }
}

/// Whether killed runs have left unfinished files in `/var/lib/kuberescue`: taking the lock removes them.
pub fn has_unfinished(root: &Root) -> bool {
    let state = StateDir::open(root).ok().flatten();
    state.and_then(|state| state.unfinished().ok()).is_some_and(|names| !names.is_empty())
}

impl Lock {
    /// The run that held the lock before and died with it: it was killed, or the machine went down (then the
    /// boot is another one).
    pub fn left_by(&self) -> Option<&Holder> {
        self.left_by.as_ref()
    }

    /// Whether `holder` ran since the last boot.
    pub fn is_of_this_boot(&self, holder: &Holder) -> bool {
        holder.boot == self.boot
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file means that this run exited normally.
        let _emptied = effect::empty(&self.file);
    }
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn rewrite(file: &mut File, text: &[u8]) -> std::io::Result<()> {
    effect::empty(file)?;
    file.rewind()?;
    effect::write(file, text)
}

/// The id of the running kernel's boot; empty without `/proc`.
fn boot_id() -> String {
    let mut text = String::new();
    match File::open("/proc/sys/kernel/random/boot_id")
        .and_then(|file| file.take(64).read_to_string(&mut text))
    {
        Ok(_) => text.trim().to_owned(),
        Err(_) => String::new(),
    }
}
