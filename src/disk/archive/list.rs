//! Which archives a node has.

use std::path::{Path, PathBuf};

use super::super::{Depth, Root};
use crate::state::{Snapshot, catalog};

/// The most archives that are listed.
const MAX_LISTED: usize = 10_000;
/// How archives end.
const EXTENSION: &str = ".tar.gz";

/// The archives in `directory` of the host, or of the node's own place where none is given, by name: for
/// one node that is by time. What can't be listed has none.
pub fn list(root: &Root, directory: Option<&Path>) -> Vec<PathBuf> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => {
            // The links on the way are followed inside the root, as everywhere.
            let mut way = Snapshot::default();
            let own = Path::new(catalog::RESCUE_DIR);
            root.read(&mut way, own, Depth::File);
            let real = way.resolve(own).map_or_else(|_| own.to_owned(), |resolved| resolved.path);
            root.on_host(&real)
        }
    };
    // Not sorted by the walk, which would hold everything that lies there for that.
    let walk = walkdir::WalkDir::new(directory).min_depth(1).max_depth(1);
    let files = walk.into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let archives = files.filter(|entry| entry.file_name().as_encoded_bytes().ends_with(EXTENSION.as_bytes()));
    let mut archives: Vec<_> = archives.map(walkdir::DirEntry::into_path).take(MAX_LISTED).collect();
    archives.sort_unstable();
    archives
}
