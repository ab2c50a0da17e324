//! Kubeconfigs of this machine: the named ones, or those that kubectl would use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::analysis::workstation::Files;
use crate::disk::workstation;
use crate::error::{Error, os_hint};
use crate::formats::kubeconfig::entries::Entries;
use crate::state::os;

pub struct Kubeconfigs {
    /// In the order of the command line.
    pub files: Vec<Loaded>,
    /// Whether kubectl merges them (`$KUBECONFIG`), so that a context of one may need a cluster of another.
    pub merged: bool,
    pub referenced: Files,
}

pub struct Loaded {
    pub path: PathBuf,
    pub entries: Result<Entries, Unread>,
}

pub struct Unread {
    pub why: String,
    pub hint: &'static str,
}

/// Reads the named kubeconfigs (`-` is standard input), or kubectl's if none is named.
///
/// # Errors
/// None is named and kubectl would find none.
pub fn read(named: &[PathBuf]) -> Result<Kubeconfigs, Error> {
    let merged = named.is_empty();
    let paths = if merged { found_by_kubectl()? } else { named.to_vec() };
    let files: Vec<_> = paths.into_iter().map(load).collect();
    let referenced = referenced(files.iter().filter_map(|file| file.entries.as_ref().ok()));
    Ok(Kubeconfigs { files, merged, referenced })
}

/// Reads the files that kubeconfigs refer to.
pub(in crate::session) fn referenced<'a>(all: impl IntoIterator<Item = &'a Entries>) -> Files {
    let mut files = Files::new();
    for path in all.into_iter().flat_map(Entries::files) {
        let read = || workstation::read_regular(path).map_err(|error| os::reason(&error));
        files.entry(path.to_path_buf()).or_insert_with(read);
    }
    files
}

/// Where kubectl looks (`$KUBECONFIG`, otherwise `~/.kube/config`), and which of these files exist.
pub fn of_kubectl() -> (&'static str, Vec<PathBuf>) {
    let set = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let (from, paths) = match (set("KUBECONFIG"), set("HOME")) {
        (Some(list), _) => {
            let paths: Vec<_> = std::env::split_paths(&list).filter(|path| path != Path::new("")).collect();
            ("$KUBECONFIG", paths)
        }
        (None, Some(home)) => ("~/.kube/config", vec![Path::new(&home).join(".kube/config")]),
        (None, None) => ("$KUBECONFIG and $HOME", Vec::new()),
    };
    // kubectl skips files that do not exist.
    (from, paths.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect())
}

fn found_by_kubectl() -> Result<Vec<PathBuf>, Error> {
    let (from, found) = of_kubectl();
    if found.is_empty() {
        let what = format!("cannot find a kubeconfig: {from} leads to none");
        return Err(Error::usage(what).hint("name one: kuberescue kubeconfig check FILE"));
    }
    Ok(found)
}

fn load(path: PathBuf) -> Loaded {
    let read = if path == Path::new("-") { workstation::read_input() } else { workstation::read(&path) };
    let entries = match read {
        Ok(bytes) => Entries::parse(&bytes, path.parent().unwrap_or(Path::new(""))).map_err(|error| Unread {
            why: error.to_string(),
            hint: "kubectl cannot read it either: copy it from its source again, or restore a backup",
        }),
        Err(error) => Err(Unread { why: os::reason(&error), hint: os_hint(&error) }),
    };
    Loaded { path, entries }
}
