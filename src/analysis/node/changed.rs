//! Which static pods read credentials that have changed since they started: a process keeps what it read at
//! its start. Sources: the manifests' flags and mounts, the files' times, and the journal of the last change
//! (a rollback restores the old times too).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::facts::Facts;
use super::scope::is_credential;
use crate::formats::manifest::Manifest;
use crate::state::Snapshot;

/// The credentials that one static pod reads, and when each last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    pub component: String,
    /// Path on the node → time of the last change.
    pub files: BTreeMap<PathBuf, Timestamp>,
}

impl Reads {
    /// The files that a process started at `started` may have read in an older version.
    pub fn changed_since(&self, started: Timestamp) -> Vec<PathBuf> {
        self.files.iter().filter(|(_, time)| **time > started).map(|(path, _)| path.clone()).collect()
    }
}

/// What each static pod reads. `recorded` are the paths of the last change by this tool, each with the time at
/// which it was put in place.
pub fn reads(facts: &Facts, snapshot: &Snapshot, recorded: &[(PathBuf, Timestamp)]) -> Vec<Reads> {
    let pods = facts.pods();
    pods.map(|(_, pod)| {
        let files = credentials(pod).into_iter().filter_map(|path| {
            let resolved = snapshot.resolve(&path).ok()?;
            let mtime = resolved.entry?.attributes.mtime;
            let by_us = recorded_at(recorded, &path, &resolved.path);
            Some((path, by_us.map_or(mtime, |time| time.max(mtime))))
        });
        Reads { component: pod.name.clone(), files: files.collect() }
    })
    .collect()
}

/// When a path, or what it leads to, was last put in place by this tool.
pub fn recorded_at(recorded: &[(PathBuf, Timestamp)], path: &Path, resolved: &Path) -> Option<Timestamp> {
    let ours = recorded.iter().filter(|(changed, _)| changed == resolved || changed == path);
    ours.map(|(_, time)| *time).max()
}

/// The files with credentials that a static pod reads when it starts: named by a flag, or mounted by
/// themselves.
pub fn credentials(pod: &Manifest) -> BTreeSet<PathBuf> {
    pod.paths().chain(pod.host_paths.iter().cloned()).filter(|path| is_credential(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Attributes, Content, Entry};

    const SCHEDULER: &[u8] = b"kind: Pod\nmetadata: {name: kube-scheduler}\nspec:\n  containers:\n  - image: x\n    command: [kube-scheduler, --kubeconfig=/etc/kubernetes/scheduler.conf, --bind-address=127.0.0.1]\n";

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn node(mtime: i64) -> Snapshot {
        let entry = |bytes: &[u8], second| Entry {
            content: Content::File(bytes.to_vec().into()),
            attributes: Attributes { mtime: time(second), ..Attributes::default() },
        };
        let mut snapshot = Snapshot::default();
        snapshot.insert("/etc/kubernetes/manifests/kube-scheduler.yaml", entry(SCHEDULER, 1));
        snapshot.insert("/etc/kubernetes/scheduler.conf", entry(b"x", mtime));
        for directory in ["/etc", "/etc/kubernetes", "/etc/kubernetes/manifests"] {
            let content = Content::Directory;
            snapshot.insert(directory, Entry { content, attributes: Attributes::default() });
        }
        snapshot
    }

    fn changed(mtime: i64, recorded: &[(PathBuf, Timestamp)], started: i64) -> usize {
        let snapshot = node(mtime);
        let reads = reads(&Facts::read(&snapshot, None), &snapshot, recorded);
        assert_eq!(reads.len(), 1);
        reads[0].changed_since(time(started)).len()
    }

    #[test]
    fn a_file_newer_than_the_process_counts() {
        assert_eq!(changed(100, &[], 200), 0);
        assert_eq!(changed(300, &[], 200), 1);
    }

    #[test]
    fn a_change_by_this_tool_counts_although_the_file_is_old() {
        let recorded = [(PathBuf::from("/etc/kubernetes/scheduler.conf"), time(300))];
        assert_eq!(changed(100, &recorded, 200), 1);
        assert_eq!(changed(100, &recorded, 400), 0);
    }
}
