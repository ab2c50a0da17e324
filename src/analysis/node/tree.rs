//! The nodes of testdata/nodes in memory, for tests.

use std::path::Path;

use crate::state::{Attributes, Content, Entry, Snapshot};

/// A tree of testdata/nodes, its files put through `edit`: `None` removes one.
pub(crate) fn tree(name: &str, edit: impl Fn(&str, String) -> Option<String>) -> Snapshot {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/nodes/{name}.tar.gz"));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let mut snapshot = Snapshot::default();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = Path::new("/").join(entry.path().unwrap().strip_prefix(".").unwrap());
        let content = match entry.link_name().unwrap() {
            Some(target) => Content::Link(target.into_owned()),
            None if entry.header().entry_type().is_dir() => Content::Directory,
            None => {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
                match edit(path.to_str().unwrap(), text) {
                    Some(text) => Content::File(text.into_bytes().into()),
                    None => continue,
                }
            }
        };
        snapshot.insert(path, Entry { content, attributes: Attributes::default() });
    }
    snapshot
}
