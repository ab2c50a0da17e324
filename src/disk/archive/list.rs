//! Listing a node's archives.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::disk::handle::{self, Kind};
use crate::disk::state_dir::StateDir;
use crate::disk::{Error, Root};

pub const MAX_LISTED: usize = 10_000;
pub const EXTENSION: &str = ".tar.gz";

/// The archives in `directory` of the host, or in the node's own directory if none is given, by name: for one
/// node that is by time.
///
/// # Errors
/// The directory can't be read, or the given one doesn't exist. A node's own directory is created only when
/// needed.
pub fn list(root: &Root, directory: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    let mut archives = match directory {
        Some(directory) => on_host(directory)?,
        None => own(root)?,
    };
    archives.sort_unstable();
    Ok(archives)
}

fn on_host(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut archives = Vec::new();
    // Not sorted by the walk, which would hold all entries for that.
    for entry in walkdir::WalkDir::new(directory).min_depth(1).max_depth(1) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_named_so(entry.file_name()) => {
                archives.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) if error.depth() == 0 => {
                return Err(Error::no_archive("read the directory", directory)(error.into()));
            }
            // A file that was removed meanwhile.
            Err(_) => {}
        }
        if archives.len() == MAX_LISTED {
            break;
        }
    }
    Ok(archives)
}

/// The archives in the node's own directory. Links on the way resolve inside the root.
fn own(root: &Root) -> Result<Vec<PathBuf>, Error> {
    let Some(state) = StateDir::open(root)? else { return Ok(Vec::new()) };
    let names = handle::names(state.directory, MAX_LISTED, is_named_so);
    let (dir, names, _) = names.map_err(Error::io("read the directory", &state.path))?;
    let is_file = |name: &OsString| {
        handle::stat(&dir, name).ok().flatten().is_some_and(|found| Kind::of(&found) == Kind::File)
    };
    let files = names.into_iter().filter(is_file);
    Ok(files.map(|name| root.on_host(&state.path.join(name))).collect())
}

fn is_named_so(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(EXTENSION.as_bytes())
}
