//! Every writing call fails once, or is the last one.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use nix::errno::Errno;

use super::*;
use crate::disk::effect::fault::{self, Fault};

const STAMP: &str = "20261125T203240Z";

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    #[expect(clippy::disallowed_methods, reason = "a test makes its file")]
    fn new(old: Option<&str>) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        if let Some(old) = old {
            std::fs::write(place.path(), old).unwrap();
            std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Content and mode by name.
    fn files(&self) -> BTreeMap<String, (String, u32)> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap().map(Result::unwrap);
        let file = |entry: std::fs::DirEntry| {
            let mode = entry.metadata().unwrap().mode() & 0o7777;
            (entry.file_name().into_string().unwrap(), (std::fs::read_to_string(entry.path()).unwrap(), mode))
        };
        entries.map(file).collect()
    }
}

/// How many writing calls a replacement makes.
fn calls(old: Option<&str>) -> u32 {
    let place = Place::new(old);
    let target = Target::open(&place.path()).unwrap();
    fault::set(u32::MAX, Fault::Expiry);
    target.replace(b"new", STAMP).unwrap();
    fault::clear()
}

#[test]
fn a_replacement_that_works() {
    let place = Place::new(Some("old"));
    let done = Target::open(&place.path()).unwrap().replace(b"new", STAMP).unwrap();
    let copy = format!("config.{STAMP}");
    assert_eq!(done.kept, Some(place.directory.path().join(&copy)));
    assert!(done.unsynced.is_none());
    let expected = [("config".to_owned(), ("new".to_owned(), 0o600)), (copy, ("old".to_owned(), 0o600))];
    assert_eq!(place.files(), BTreeMap::from(expected));
}

#[test]
fn a_call_that_fails_leaves_all_as_it_was() {
    for old in [Some("old"), None] {
        let all = calls(old);
        assert!(all > 8, "{all}");
        for at in 0..all {
            for errno in [Errno::ENOSPC, Errno::EIO, Errno::EROFS] {
                let place = Place::new(old);
                let before = place.files();
                let target = Target::open(&place.path()).unwrap();
                fault::set(at, Fault::Once(errno));
                let done = target.replace(b"new", STAMP);
                fault::clear();
                match done {
                    Err(_) => assert_eq!(place.files(), before, "call {at}"),
                    // The failed call was one after which all is done.
                    Ok(done) => {
                        assert_eq!(place.files()["config"], ("new".to_owned(), 0o600), "call {at}");
                        assert_eq!(done.kept.is_some(), old.is_some());
                    }
                }
            }
        }
    }
}

#[test]
fn an_end_at_any_call_leaves_old_or_new_and_nothing_wide() {
    for old in [Some("old"), None] {
        let (all, mut ends) = (calls(old), [false; 2]);
        for at in 0..all {
            let place = Place::new(old);
            let target = Target::open(&place.path()).unwrap();
            fault::set(at, Fault::Expiry);
            let _finished = target.replace(b"new", STAMP);
            fault::clear();
            let files = place.files();
            let now = files.get("config").map(|(content, _)| content.as_str());
            assert!(now == old || now == Some("new"), "call {at}: {now:?}");
            ends[usize::from(now == old)] = true;
            for (name, (content, mode)) in &files {
                if name != "config" || content == "new" {
                    assert_eq!(*mode, 0o600, "call {at}: {name}");
                }
                // A dated copy is complete.
                assert!(!name.starts_with("config.") || Some(content.as_str()) == old, "call {at}");
            }
            // The next run is not blocked by it.
            drop(target);
            let next = Target::open(&place.path()).unwrap();
            next.replace(b"newer", STAMP).unwrap();
            let files = place.files();
            assert_eq!(files["config"].0, "newer");
            assert!(files.keys().all(|name| !name.starts_with('.')), "call {at}: {:?}", files.keys());
        }
        assert_eq!(ends, [true; 2]);
    }
}

#[test]
fn a_copy_elsewhere_is_new_and_narrow() {
    let place = Place::new(None);
    for number in 0..3 {
        let kept = keep(place.directory.path(), "x", STAMP, b"old").unwrap();
        let expected = if number == 0 { format!("x.{STAMP}") } else { format!("x.{STAMP}-{number}") };
        assert_eq!(kept.path, place.directory.path().join(expected));
    }
    keep(place.directory.path(), "x", STAMP, b"no").unwrap().take_back();
    assert!(place.files().values().all(|file| *file == ("old".to_owned(), 0o600)));
    assert!(keep(&place.directory.path().join("none"), "x", STAMP, b"old").is_err());
}
