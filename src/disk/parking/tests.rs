//! Manifests are parked only while a journal says so, and are restored wherever the process died.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::errno::Errno;

use super::*;
use crate::disk::Depth;
use crate::disk::effect::fault::{self, Fault};
use crate::state::Snapshot;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 5);
const DIRECTORY: &str = "/etc/kubernetes/manifests";
const NAMES: [&str; 4] =
    ["etcd.yaml", "kube-apiserver.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml"];

struct Node {
    directory: tempfile::TempDir,
    root: Root,
    old: Snapshot,
}

#[expect(clippy::disallowed_methods, reason = "a test makes its tree")]
fn node() -> Node {
    let shm = Path::new("/dev/shm");
    let directory =
        if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() };
    let at = directory.path().join(&DIRECTORY[1..]);
    std::fs::create_dir_all(&at).unwrap();
    for name in NAMES {
        std::fs::write(at.join(name), format!("kind: Pod # {name}")).unwrap();
        std::fs::set_permissions(at.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        xattr::set(at.join(name), "user.label", b"etc_t").unwrap();
    }
    std::fs::write(at.join("etcd-defrag.yaml"), "kind: Pod # not ours").unwrap();
    let root = Root::open(directory.path()).unwrap();
    let old = tree(&root);
    Node { directory, root, old }
}

/// Everything in the manifest directory, with its times; the directory's own time changes with each name.
fn tree(root: &Root) -> Snapshot {
    let mut found = Snapshot::default();
    root.read(&mut found, Path::new(DIRECTORY), Depth::Tree);
    found
        .iter()
        .filter(|(path, _)| *path != Path::new(DIRECTORY))
        .map(|(path, entry)| (path.to_owned(), entry.clone()))
        .collect()
}

fn manifests() -> Vec<PathBuf> {
    NAMES.iter().map(|name| Path::new(DIRECTORY).join(name)).collect()
}

impl Node {
    fn park(&self) -> Result<Parked, Error> {
        park(&self.root, &self.root.lock()?, &manifests(), NOW)
    }

    fn unpark(&self) -> Result<Unparked, Error> {
        unpark(&self.root, &self.root.lock()?)
    }

    fn host(&self, name: &str) -> PathBuf {
        self.directory.path().join(&DIRECTORY[1..]).join(name)
    }

    /// The files that the kubelet would read as manifests.
    fn seen(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.host("")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn assert_as_before(&self, when: &str) {
        let found = tree(&self.root);
        assert!(
            found == self.old,
            "{when}: {:?}",
            found.diff(&self.old, |_| true).iter().collect::<Vec<_>>()
        );
        assert_eq!(parked(&self.root).unwrap(), None, "{when}: still parked");
    }
}

#[test]
fn manifests_leave_the_kubelets_sight_and_come_back_as_they_were() {
    let node = node();
    let inode = |name: &str| std::fs::metadata(node.host(name)).unwrap().ino();
    let before = inode("etcd.yaml");
    let away = node.park().unwrap();
    assert_eq!(away.manifests.len(), 4);
    assert_eq!(node.seen(), ["etcd-defrag.yaml"]);
    let journal = parked(&node.root).unwrap().unwrap();
    assert_eq!((journal.manifests, journal.started), (away.manifests, NOW));
    assert!(matches!(node.park().unwrap_err(), Error::Parked));

    let back = node.unpark().unwrap();
    assert_eq!((back.back.clone(), back.is_complete()), (manifests(), true));
    node.assert_as_before("unparked");
    assert_eq!(inode("etcd.yaml"), before);
    assert_eq!(node.unpark().unwrap(), Unparked::default());
}

#[test]
fn killed_at_any_call_of_either_way_then_brought_back() {
    let mut points = 0;
    for at in 0.. {
        let node = node();
        let lock = node.root.lock().unwrap();
        fault::set(at, Fault::Expiry);
        let done = park(&node.root, &lock, &manifests(), NOW).is_ok();
        fault::clear();
        drop(lock);
        if done {
            points += at;
            break;
        }
        // A manifest is never parked without a journal that says so.
        if parked(&node.root).unwrap().is_none() {
            assert_eq!(node.seen().len(), 5, "away without a journal at {at}");
        }
        node.unpark().unwrap();
        node.assert_as_before(&format!("brought back after {at}"));
    }
    assert!(points > 8, "{points} points of parking");
    let mut points = 0;
    for at in 0.. {
        let node = node();
        node.park().unwrap();
        let lock = node.root.lock().unwrap();
        fault::set(at, Fault::Expiry);
        let done = unpark(&node.root, &lock).is_ok();
        fault::clear();
        drop(lock);
        if done {
            points += at;
            break;
        }
        node.unpark().unwrap();
        node.assert_as_before(&format!("brought back again after {at}"));
    }
    assert!(points > 8, "{points} points of bringing back");
}

#[test]
fn a_failing_call_leaves_all_in_place_or_says_that_they_are_away() {
    for make in [Fault::Once, Fault::FromThenOn] {
        for at in 0.. {
            let node = node();
            let lock = node.root.lock().unwrap();
            fault::set(at, make(Errno::EIO));
            let outcome = park(&node.root, &lock, &manifests(), NOW);
            let passed = fault::clear() <= at;
            match outcome {
                Ok(_) => assert_eq!(node.seen(), ["etcd-defrag.yaml"]),
                Err(Error::StillParked { .. }) => {
                    unpark(&node.root, &lock).unwrap();
                    node.assert_as_before(&format!("resumed after {at}"));
                }
                Err(_) => node.assert_as_before(&format!("failed at {at}")),
            }
            if passed {
                break;
            }
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the other tool")]
fn a_file_that_somebody_put_there_meanwhile_is_not_overwritten() {
    let node = node();
    node.park().unwrap();
    std::fs::write(node.host("etcd.yaml"), "from Ansible").unwrap();
    // The same content again is no conflict.
    std::fs::write(node.host("kube-scheduler.yaml"), "kind: Pod # kube-scheduler.yaml").unwrap();
    let done = node.unpark().unwrap();
    let superseded: Vec<_> = done.superseded.iter().map(|manifest| manifest.path.clone()).collect();
    assert_eq!(
        (superseded, done.back.len(), done.lost.len()),
        (vec![Path::new(DIRECTORY).join("etcd.yaml")], 3, 0)
    );
    assert_eq!(std::fs::read_to_string(node.host("etcd.yaml")).unwrap(), "from Ansible");
    let aside = node.host(".kuberescue-parked-etcd.yaml");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), "kind: Pod # etcd.yaml");
    assert_eq!(parked(&node.root).unwrap(), None);
    // The leftover does not matter.
    node.park().unwrap();
    assert!(node.unpark().unwrap().is_complete());
    assert_eq!(std::fs::read_to_string(node.host("etcd.yaml")).unwrap(), "from Ansible");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), "kind: Pod # etcd.yaml");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the other tool")]
fn a_lost_manifest_keeps_no_other_one_away() {
    let node = node();
    node.park().unwrap();
    std::fs::remove_file(node.host(".kuberescue-parked-kube-apiserver.yaml")).unwrap();
    let done = node.unpark().unwrap();
    assert_eq!((done.back.len(), done.lost.len(), done.is_complete()), (3, 1, false));
    assert_eq!(parked(&node.root).unwrap(), None);
}

#[test]
fn what_is_no_manifest_is_not_moved() {
    let node = node();
    let lock = node.root.lock().unwrap();
    for wrong in ["/etc/kubernetes/manifests/none.yaml", "/etc/kubernetes/manifests", "/nowhere/a.yaml"] {
        let error = park(&node.root, &lock, &[manifests().remove(0), PathBuf::from(wrong)], NOW).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{wrong}: {error}");
        node.assert_as_before(wrong);
    }
    assert_eq!(park(&node.root, &lock, &[], NOW).unwrap().manifests, []);
    assert_eq!(parked(&node.root).unwrap(), None);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays a hostile disk")]
fn a_foreign_journal_moves_nothing_but_parked_names() {
    let node = node();
    node.park().unwrap();
    let path = node.directory.path().join("var/lib/kuberescue/parked.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        (".kuberescue-parked-etcd.yaml", "../../shadow"),
        (".kuberescue-parked-etcd.yaml", ".kuberescue-parked-/../../x"),
        ("/etc/kubernetes/manifests/etcd.yaml", "/etc/kubernetes/manifests/../etcd.yaml"),
        ("\"format\":1", "\"format\":2"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        assert!(matches!(node.unpark().unwrap_err(), Error::Journal { .. }), "{to}");
    }
    std::fs::write(&path, good).unwrap();
    node.unpark().unwrap();
    node.assert_as_before("the right journal again");
}

#[test]
fn space_is_asked_of_what_is_there() {
    let node = node();
    let here = node.root.file_system(Path::new(DIRECTORY)).unwrap().1.bytes;
    let not_made_yet = node.root.file_system(Path::new("/var/lib/kuberescue/a/b")).unwrap().1.bytes;
    let of_a_file = node.root.file_system(&manifests().remove(0)).unwrap().1.bytes;
    assert!(here > 0);
    for other in [not_made_yet, of_a_file] {
        // Other processes write to the same file system meanwhile.
        assert!(other.abs_diff(here) < 1 << 30, "{here} {other}");
    }
}
