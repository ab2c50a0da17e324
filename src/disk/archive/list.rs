//! Which archives a node has.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::disk::Root;
use crate::disk::handle::{self, Kind};
use crate::disk::state_dir::StateDir;

/// The most archives that are listed.
const MAX_LISTED: usize = 10_000;
/// How archives end.
const EXTENSION: &str = ".tar.gz";

/// The archives in `directory` of the host, or of the node's own place where none is given, by name: for
/// one node that is by time. What can't be listed has none.
pub fn list(root: &Root, directory: Option<&Path>) -> Vec<PathBuf> {
    let mut archives = match directory {
        // A place of the host.
        Some(directory) => {
            // Not sorted by the walk, which would hold everything that lies there for that.
            let walk = walkdir::WalkDir::new(directory).min_depth(1).max_depth(1);
            let files = walk.into_iter().flatten().filter(|entry| entry.file_type().is_file());
            let archives = files.filter(|entry| is_named_so(entry.file_name()));
            archives.map(walkdir::DirEntry::into_path).take(MAX_LISTED).collect()
        }
        None => own(root).unwrap_or_default(),
    };
    archives.sort_unstable();
    archives
}

/// The archives in the node's own place. The links on the way are followed inside the root, as everywhere.
fn own(root: &Root) -> Option<Vec<PathBuf>> {
    let state = StateDir::open(root).ok()??;
    let (dir, names, _) = handle::names(state.directory, MAX_LISTED, is_named_so).ok()?;
    let is_file = |name: &OsString| {
        handle::stat(&dir, name).ok().flatten().is_some_and(|found| Kind::of(&found) == Kind::File)
    };
    let files = names.into_iter().filter(is_file);
    Some(files.map(|name| root.on_host(&state.path.join(name))).collect())
}

fn is_named_so(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(EXTENSION.as_bytes())
}
