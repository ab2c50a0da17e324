//! Files outside their usual places that may hold keys: backups before a repair, copies carried from node to
//! node. Only small files with matching names are opened.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Root;
use super::handle::{self, Kind, Limit};
use crate::state::{Content, Snapshot};

/// Where keys are often left: with everything below, down to [`DEPTH`].
const PLACES: [&str; 4] = ["/root", "/tmp", "/var/tmp", "/opt"];
const HOMES: &str = "/home";
/// Copies of this directory: `/etc/kubernetes.old-20260101`, `/etc/kubernetes-backup`.
const COPIED: &str = "kubernetes";

const DEPTH: usize = 5;
const MOST_NAMES: usize = 50_000;
const MOST_FILES: usize = 500;
/// The largest file that is opened: a kubeconfig with a long CA bundle is smaller.
const LARGEST: u64 = 128 << 10;

impl Root {
    /// Files outside their usual places whose names look like keys or kubeconfigs. `known` are the files in
    /// their places.
    pub fn strays(&self, known: &Snapshot) -> Snapshot {
        let mut search = Search { known, found: Snapshot::default(), names_left: MOST_NAMES, files: 0 };
        let mut places: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        places.extend(self.names(Path::new(HOMES)).into_iter().map(|home| Path::new(HOMES).join(home)));
        let copies = self
            .names(Path::new("/etc"))
            .into_iter()
            .filter(|name| name.as_bytes().starts_with(COPIED.as_bytes()) && name != COPIED);
        places.extend(copies.map(|copy| Path::new("/etc").join(copy)));
        for place in places {
            let there = self.walk(&place, &mut |_, _, _, _| ());
            if let Ok(Some(there)) = there
                && let Ok(directory) = handle::open_directory(&there.parent, &there.name)
            {
                search.directory(directory, &there.path, DEPTH);
            }
        }
        search.found
    }
}

/// The same among the files of an archive: `known` are the files in their places.
pub fn strays_among(all: &Snapshot, known: &Snapshot) -> Snapshot {
    let is_copy = |path: &Path| {
        let below_etc = path.strip_prefix("/etc").ok().and_then(|rest| rest.components().next());
        below_etc.is_some_and(|name| {
            name.as_os_str().as_bytes().starts_with(COPIED.as_bytes()) && name.as_os_str() != COPIED
        })
    };
    let is_place =
        |path: &Path| PLACES.iter().chain([&HOMES]).any(|place| path.starts_with(place)) || is_copy(path);
    let mut found = Snapshot::default();
    for (path, entry) in all.iter().filter(|(path, _)| is_place(path) && known.get(path).is_none()) {
        if let (Content::File(bytes), Some(name)) = (&entry.content, path.file_name())
            && bytes.len() as u64 <= LARGEST
            && looks_like_a_key(name)
        {
            found.insert(path, entry.clone());
        }
    }
    found
}

struct Search<'a> {
    known: &'a Snapshot,
    found: Snapshot,
    names_left: usize,
    files: usize,
}

impl Search<'_> {
    fn directory(&mut self, directory: File, path: &Path, depth: usize) {
        let Ok((dir, names, _)) = handle::names(directory, self.names_left, |_| true) else { return };
        self.names_left = self.names_left.saturating_sub(names.len());
        for name in names {
            let at = path.join(&name);
            let Ok(Some(stat)) = handle::stat(&dir, &name) else { continue };
            match Kind::of(&stat) {
                Kind::Directory if depth > 0 && self.names_left > 0 => {
                    if let Ok(below) = handle::open_directory(&dir, &name) {
                        self.directory(below, &at, depth - 1);
                    }
                }
                Kind::File if self.is_wanted(&name, &at, stat.st_size) => {
                    if let Some((entry, _)) = handle::entry(&dir, &name, Limit { left: LARGEST })
                        && matches!(entry.content, Content::File(_))
                    {
                        self.files += 1;
                        self.found.insert(at, entry);
                    }
                }
                _ => {}
            }
        }
    }

    fn is_wanted(&self, name: &OsString, path: &Path, size: i64) -> bool {
        let small = u64::try_from(size).is_ok_and(|size| size > 0 && size <= LARGEST);
        small && self.files < MOST_FILES && looks_like_a_key(name) && self.known.get(path).is_none()
    }
}

/// By the name alone: `apiserver.key.bak`, `admin.conf`, `config`, `id.pem`, `kubeconfig-prod.yaml`.
fn looks_like_a_key(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    [&b".key"[..], b".pem", b".conf", b"kubeconfig"].iter().any(|part| has(part))
        || name == b"config"
        || name.starts_with(b"config.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_keys() {
        for name in [
            "apiserver.key",
            "CA.KEY.old",
            "admin.conf",
            "config",
            "config.bak",
            "my-kubeconfig.yaml",
            "x.pem",
        ] {
            assert!(looks_like_a_key(OsStr::new(name)), "{name}");
        }
        for name in ["keyboard", "notes.txt", "myconfig", "ca.crt", ""] {
            assert!(!looks_like_a_key(OsStr::new(name)), "{name}");
        }
    }
}
