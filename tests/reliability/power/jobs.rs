//! Changes that no command of today makes on a disk of another machine, made by this test's own program in a process
//! of its own, so that they can be recorded like the real one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use kuberescue::disk::archive::{self, About};
use kuberescue::disk::transaction::{ArchiveRef, Context, apply};
use kuberescue::disk::{Depth, Root, parking};
use kuberescue::state::{Attributes, Content, Entry, Invoker, Snapshot};

use super::super::common::{NOW, Node};

const JOB: &str = "KUBERESCUE_TEST_JOB";
const ROOT: &str = "KUBERESCUE_TEST_ROOT";

/// The command line that does a job on a root.
pub fn words(job: &str, root: &Path) -> Vec<OsString> {
    let mut place = OsString::from(format!("{ROOT}="));
    place.push(root);
    let program = std::env::current_exe().unwrap().into_os_string();
    let test = "power::jobs::jobs_do_what_they_should".into();
    vec!["env".into(), format!("{JOB}={job}").into(), place, program, "--exact".into(), test]
}

/// Does a job.
pub fn run(job: &str, root: &Path) {
    let words = words(job, root);
    let done = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert!(done.status.success(), "{job}: {}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn jobs_do_what_they_should() {
    if let (Ok(job), Some(root)) = (std::env::var(JOB), std::env::var_os(ROOT)) {
        return work(&job, Path::new(&root));
    }
    let node = Node::of("ecdsa-p256");
    node.write("/etc/kubernetes/tmp/kubeadm-backup/etcd.yaml", "an old one\n");
    node.write("/etc/kubernetes/tmp/note", "a note\n");
    let before = node.state();
    // In processes of their own: one of another test that is just being started would hold the lock too.
    run("park and unpark", node.root());
    before.assert_same(&node.state(), "away and back");
    run("reshape", node.root());
    assert!(node.exists("/etc/kubernetes/added/deep/link"));
    assert!(!node.exists("/etc/kubernetes/tmp/kubeadm-backup"));
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rolled back");
}

fn work(job: &str, root: &Path) {
    let root = Root::open(root).unwrap();
    let lock = root.lock().unwrap();
    let now = NOW.parse().unwrap();
    if job != "reshape" {
        let names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
        let place = |name| PathBuf::from(format!("/etc/kubernetes/manifests/{name}.yaml"));
        parking::park(&root, &lock, &names.map(place), now).unwrap();
        if job == "park and unpark" {
            parking::unpark(&root, &lock).unwrap();
        }
        return;
    }
    let mut old = Snapshot::default();
    root.read(&mut old, Path::new("/etc/kubernetes"), Depth::Tree);
    let about = About {
        version: "0".to_owned(),
        created: now,
        host: "host".to_owned(),
        node: "cp-1".to_owned(),
        command: job.to_owned(),
        reason: job.to_owned(),
    };
    let written = archive::write(&root, None, &old, &about).unwrap();
    let archive = Some(ArchiveRef { path: written.path, sha256: written.sha256 });
    let context = Context { command: job.to_owned(), operator: Invoker::default(), archive, now };
    apply(&root, &lock, &old.diff(&reshaped(&old), |_| true), &context).unwrap();
}

/// Two directories more, with files and a link; one with all that is in it less; a link in a file's place.
fn reshaped(old: &Snapshot) -> Snapshot {
    let mut new = Snapshot::default();
    for (path, entry) in
        old.iter().filter(|(path, _)| !path.starts_with("/etc/kubernetes/tmp/kubeadm-backup"))
    {
        new.insert(path, entry.clone());
    }
    let with = |mode, content| {
        let xattrs = [("user.note".into(), b"made".to_vec())].into();
        let attributes = Attributes { mode, xattrs, ..Attributes::default() };
        Entry { content, attributes }
    };
    let file = |text: &str| Content::File(text.as_bytes().to_vec().into());
    let link = || {
        let attributes = Attributes { mode: 0o777, ..Attributes::default() };
        Entry { content: Content::Link("../file".into()), attributes }
    };
    new.insert("/etc/kubernetes/added", with(0o711, Content::Directory));
    new.insert("/etc/kubernetes/added/deep", with(0o700, Content::Directory));
    new.insert("/etc/kubernetes/added/deep/file", with(0o640, file("in the deep")));
    new.insert("/etc/kubernetes/added/deep/link", link());
    new.insert("/etc/kubernetes/added/file", with(0o600, file(&"long\n".repeat(1000))));
    new.insert("/etc/kubernetes/tmp/note", link());
    new
}
