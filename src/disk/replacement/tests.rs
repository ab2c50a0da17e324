//! Every writing call fails once, or is the last one; what another program does to the file, and what is refused.

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
                    Err(error) => {
                        assert!(matches!(error, Error::Io { .. }), "call {at}: {error}");
                        assert_eq!(place.files(), before, "call {at}");
                    }
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

#[expect(clippy::disallowed_methods, reason = "the other program")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn what_is_there_is_told() {
    let place = Place::new(Some("old"));
    let link = place.directory.path().join("link");
    std::os::unix::fs::symlink("config", &link).unwrap();
    let told = |path: &Path| {
        let target = Target::open(path).unwrap();
        (target.old().map(<[u8]>::to_vec), target.behind_link(), target.too_wide())
    };
    let real = place.path().canonicalize().unwrap();
    assert_eq!(told(&place.path()), (Some(b"old".to_vec()), None, Some(0o644)));
    assert_eq!(told(&link), (Some(b"old".to_vec()), Some(real), Some(0o644)));
    assert_eq!(told(&place.directory.path().join("none")), (None, None, None));
    Target::open(&place.path()).unwrap().narrow().unwrap();
    assert_eq!(told(&place.path()), (Some(b"old".to_vec()), None, None));
    assert_eq!(place.files()["config"], ("old".to_owned(), 0o600));
    let done = Target::open(&link).unwrap().replace(b"new", STAMP).unwrap();
    assert_eq!(
        done.kept,
        Some(place.directory.path().canonicalize().unwrap().join(format!("config.{STAMP}")))
    );
}

#[test]
fn the_time_stays_where_only_the_mode_changes() {
    let place = Place::new(Some("old"));
    let time = || place.path().metadata().unwrap().mtime();
    let file = std::fs::File::options().append(true).open(place.path()).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    Target::open(&place.path()).unwrap().narrow().unwrap();
    assert_eq!(time(), 1_000_000_000);
}

#[test]
fn what_is_no_path_of_a_file_is_refused() {
    let place = Place::new(Some("old"));
    let at = |name: &str| place.directory.path().join(name);
    std::os::unix::fs::symlink("none", at("dangling")).unwrap();
    let refused = |name: &str| {
        let error = Target::open(&at(name)).err().unwrap().to_string();
        error.replace(place.directory.path().to_str().unwrap(), "DIR")
    };
    assert_eq!(refused(""), "cannot use DIR/: it is a directory");
    assert_eq!(refused("none/"), "cannot use DIR/none/: that is no path of a file");
    assert_eq!(refused("dangling"), "cannot use DIR/dangling: it is a link to a file that is not there");
    assert_eq!(refused("config/x"), "cannot read DIR/config/x: a part of the path is not a directory");
}

#[test]
fn what_another_program_has_changed_meanwhile_stays() {
    for old in [Some("old"), None] {
        let place = Place::new(old);
        let target = Target::open(&place.path()).unwrap();
        write(&place.path(), "theirs");
        let before = place.files();
        let error = target.replace(b"new", STAMP).unwrap_err();
        assert!(matches!(&error, Error::Changed { path } if *path == place.path()), "{error}");
        assert_eq!(place.files(), before);
    }
    // A new file, after the last look.
    let place = Place::new(None);
    let target = Target::open(&place.path()).unwrap();
    let staged = target.directory.stage(&target.name, "new", b"new", None).unwrap();
    write(&place.path(), "theirs");
    let error = target.put(staged).unwrap_err();
    assert!(matches!(&error, Error::Changed { path } if *path == place.path()), "{error}");
    assert_eq!(place.files().keys().collect::<Vec<_>>(), ["config"]);
}

#[test]
fn only_root_replaces_the_file_of_another_user() {
    let may = |me: u32, owner: u32| may_replace(Uid::from_raw(me), owner);
    assert_eq!([may(0, 0), may(0, 7), may(7, 7), may(7, 0), may(7, 8)], [true, true, true, false, false]);
}

/// Root gives a new file to the directory's owner, and leaves an old one to its own.
#[test]
fn a_new_file_belongs_to_whom_it_should() {
    let place = Place::new(None);
    let is_root = Uid::effective().is_root();
    if is_root {
        std::os::unix::fs::chown(place.directory.path(), Some(7), Some(8)).unwrap();
    }
    let owner = |path: &Path| {
        let found = path.metadata().unwrap();
        (found.uid(), found.gid())
    };
    let own = owner(place.directory.path());
    Target::open(&place.path()).unwrap().replace(b"new", STAMP).unwrap();
    assert_eq!(owner(&place.path()), own);
    if is_root {
        std::os::unix::fs::chown(place.path(), Some(9), Some(10)).unwrap();
        let done = Target::open(&place.path()).unwrap().replace(b"newer", STAMP).unwrap();
        assert_eq!([owner(&place.path()), owner(&done.kept.unwrap())], [(9, 10); 2]);
    }
}

#[test]
fn a_leftover_that_is_in_use_or_is_no_file_is_left() {
    let place = Place::new(Some("old"));
    let hidden = place.directory.path().join(".config.kuberescue-new");
    write(&hidden, "another run's");
    let open = std::fs::File::open(&hidden).unwrap();
    open.try_lock().unwrap();
    let refused = || {
        let error = Target::open(&place.path()).unwrap().replace(b"new", STAMP).unwrap_err().to_string();
        error.replace(place.directory.path().to_str().unwrap(), "DIR")
    };
    let busy = "cannot use DIR/.config.kuberescue-new: another kuberescue is about to write there";
    assert_eq!(refused(), busy);
    assert_eq!(place.files()["config"], ("old".to_owned(), 0o644));
    drop(open);
    Target::open(&place.path()).unwrap().replace(b"new", STAMP).unwrap();
    std::os::unix::fs::symlink("config", &hidden).unwrap();
    assert_eq!(refused(), "cannot remove DIR/.config.kuberescue-new: not a file");
}

#[test]
fn a_leftover_is_its_name_and_its_file() {
    let place = Place::new(Some("old"));
    let directory = Directory::open(place.directory.path()).unwrap();
    let busy = || unsupported(Path::new("x"), "busy");
    let gone = directory.remove_leftover(OsStr::new("none"), Path::new("none"), &busy);
    assert!(gone.is_ok(), "{gone:?}");
    let file = std::fs::File::open(place.path()).unwrap();
    let name = OsStr::new("config");
    assert!(directory.is_named(&file, name));
    effect::remove(&directory.handle, name).unwrap();
    assert!(!directory.is_named(&file, name));
    write(&place.path(), "another");
    assert!(!directory.is_named(&file, name));
}

/// A disk that stays full is no other run, and no file that is there already.
#[test]
fn calls_that_go_on_failing_are_told_as_such() {
    for old in [Some("old"), None] {
        for at in 0..calls(old) {
            let place = Place::new(old);
            let target = Target::open(&place.path()).unwrap();
            fault::set(at, Fault::FromThenOn(Errno::ENOSPC));
            let done = target.replace(b"new", STAMP);
            fault::clear();
            assert!(matches!(done, Ok(_) | Err(Error::Io { .. })), "call {at}: {done:?}");
        }
    }
}

/// Root may: then there is nothing to see.
#[test]
fn the_file_of_another_user_is_refused() {
    let path = Path::new("/etc/passwd");
    if !Uid::effective().is_root() {
        let error = Target::open(path).unwrap().replace(b"", STAMP).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot use /etc/passwd: it belongs to another user: run it as that user, or as root"
        );
    }
}
