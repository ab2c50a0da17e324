//! The commands that change a node, each with the node on which it begins and the two states it may end in.

use std::ffi::OsString;
use std::path::Path;

use super::common::{self, NOW, Node};
use super::judge::{End, Judge, New, told};
use super::tracer::kuberescue_on;
use super::tree::{OWN, Place, Tree};

pub fn words(root: &Path, command: &str) -> Vec<OsString> {
    kuberescue_on(root, command)
}

/// A command on a node.
pub struct Scenario {
    pub name: &'static str,
    tree: fn() -> Tree,
    /// What was done before.
    before: &'static [&'static str],
    command: &'static str,
    now: &'static str,
    /// Every how manyth point a quick run looks at.
    pub quick: usize,
    /// The same of a full run.
    pub full: usize,
}

const RENEW: &str = "certs renew all --accept-clock --at 2026-11-24T00:00:00Z";

const RECOVER: &str = "recover --yes --accept-clock --at 2027-12-01T00:00:00Z";

const IMPORT: &str = "csr import USB --yes --accept-clock --at 2026-11-24T00:00:00Z";

/// After the CAs have expired too.
const RENEW_CAS: &str = "recover --renew-cas --yes --accept-clock --at 2037-06-01T00:00:00Z";

/// The key of the cluster's CA is lost: a manifest changes too, and a file is made.
const REPLACE_CA: &str = "ca replace ca --yes --accept-clock --at 2026-11-24T00:00:00Z";
/// The same file goes again.
const FINISH: &str = "ca replace ca --finish --yes --accept-clock --at 2026-11-24T00:00:00Z";

pub const SCENARIOS: [Scenario; 14] = [
    Scenario {
        name: "certs renew all",
        tree: || Tree::of("ecdsa-p256"),
        before: &[],
        command: RENEW,
        now: NOW,
        quick: 8,
        full: 1,
    },
    Scenario {
        name: "recover",
        tree: || Tree::of("ecdsa-p256"),
        before: &[],
        command: RECOVER,
        now: "2027-12-01T00:00:00Z",
        quick: 12,
        full: 1,
    },
    Scenario {
        name: "recover --renew-cas",
        tree: || Tree::of("ecdsa-p256"),
        before: &[],
        command: RENEW_CAS,
        now: "2037-06-01T00:00:00Z",
        quick: 19,
        full: 1,
    },
    Scenario {
        name: "csr import",
        tree: || Tree::of_signed("ecdsa-p256"),
        before: &[],
        command: IMPORT,
        now: NOW,
        quick: 12,
        full: 1,
    },
    Scenario {
        name: "bundle apply",
        tree: with_bundle,
        before: &[],
        command: "bundle apply USB/cp-1.bundle.age --identity USB/id --yes --accept-clock --at 2026-11-24T00:00:00Z",
        now: NOW,
        quick: 19,
        full: 1,
    },
    Scenario {
        name: "rollback",
        tree: || Tree::of("ecdsa-p256"),
        before: &[RENEW],
        command: "rollback --yes",
        now: NOW,
        quick: 8,
        full: 1,
    },
    Scenario {
        name: "archive restore",
        tree: || Tree::of("ecdsa-p256"),
        before: &[RENEW],
        command: "archive restore ARCHIVE --yes",
        now: NOW,
        quick: 8,
        full: 1,
    },
    Scenario {
        name: "archive restore, files that were made go",
        tree: || Tree::of("ecdsa-p256"),
        before: &[RECOVER],
        command: "archive restore ARCHIVE --yes --exact",
        now: NOW,
        quick: 15,
        full: 1,
    },
    Scenario {
        name: "ca replace",
        tree: || Tree::of("ecdsa-p256"),
        before: &[],
        command: REPLACE_CA,
        now: NOW,
        quick: 19,
        full: 1,
    },
    Scenario {
        name: "ca replace --finish",
        tree: being_replaced,
        before: &[],
        command: FINISH,
        now: NOW,
        quick: 19,
        full: 1,
    },
    Scenario {
        name: "certs renew all, RSA keys",
        tree: || Tree::of("rsa2048"),
        before: &[],
        command: RENEW,
        now: NOW,
        quick: 79,
        full: 7,
    },
    Scenario {
        name: "certs renew all, strange attributes",
        tree: strange,
        before: &[],
        command: RENEW,
        now: NOW,
        quick: 19,
        full: 1,
    },
    Scenario {
        name: "certs renew kubelet-client, its store",
        tree: store,
        before: &[],
        command: "certs renew kubelet-client --enable-client-cert-rotation --accept-clock --at 2026-11-24T00:00:00Z",
        now: NOW,
        quick: 8,
        full: 1,
    },
    Scenario {
        name: "rollback, strange attributes",
        tree: strange,
        before: &[RENEW],
        command: "rollback --yes",
        now: NOW,
        quick: 19,
        full: 1,
    },
];

/// A kubelet.conf that holds its certificate, a file in the place of the store's link, and what is left of a rotation: a file
/// becomes a link, a link goes, and a kubeconfig changes.
fn store() -> Tree {
    let node = Node::of("ecdsa-p256");
    let [current, updated] =
        ["current", "updated"].map(|end| format!("/var/lib/kubelet/pki/kubelet-client-{end}.pem"));
    let pem = node.read("/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem");
    node.remove(&current);
    node.write(&current, &pem);
    node.link(&updated, &current);
    let data = common::base64(&pem);
    for field in ["client-certificate", "client-key"] {
        let (old, new) = (format!("{field}: {current}"), format!("{field}-data: {data}"));
        node.replace("/etc/kubernetes/kubelet.conf", &old, &new);
    }
    Tree::read(node.root())
}

/// A node that has a bundle with all its certificates.
fn with_bundle() -> Tree {
    let node = Node::of("ecdsa-p256");
    node.make_bundle();
    Tree::read(node.root())
}

/// A tree with modes, owners and extended attributes as nobody has them by default.
fn strange() -> Tree {
    let mut tree = Tree::of("ecdsa-p256");
    for (index, (path, entry)) in tree.0.iter_mut().enumerate() {
        let is_file = !entry.bytes().is_empty();
        if !path.starts_with("etc/kubernetes") && !path.starts_with("var/lib/kubelet") || !is_file {
            continue;
        }
        let name = path.to_string_lossy();
        entry.mode = match index % 3 {
            0 if name.ends_with(".crt") => 0o604,
            0 => 0o400,
            1 => 0o640,
            _ => entry.mode,
        };
        if common::is_root() && index % 2 == 0 {
            entry.owner = (1000, 2000 + index as u32);
        }
        let value = format!("value {index}").into_bytes();
        entry.xattrs.insert("user.kuberescue.test".into(), value);
    }
    tree
}

/// A node whose CA was replaced, without the record of it: a rollback would undo that.
fn being_replaced() -> Tree {
    let place = Place::new();
    let root = place.with(&Tree::of("ecdsa-p256"));
    let run = told(&root, REPLACE_CA);
    assert_eq!(run.code, 0, "{run}");
    std::fs::remove_dir_all(root.join(OWN)).unwrap();
    Tree::read(&root)
}

impl Scenario {
    /// The node on which the command begins, and what may become of it.
    pub fn prepare(&self, place: &Place) -> (Tree, String, Judge) {
        let original = (self.tree)();
        let root = place.with(&original);
        for command in self.before {
            let run = told(&root, command);
            assert_eq!(run.code, 0, "{command}\n{run}");
        }
        let old = Tree::read(&root);
        let archive = old.own_names().into_iter().find(|name| name.ends_with(".tar.gz"));
        let archive = root.join(OWN).join(archive.unwrap_or_default());
        let command = self.command.replace("ARCHIVE", &archive.display().to_string());
        let command = command.replace("USB", &root.join("usb").display().to_string());
        let run = told(&root, &command);
        assert_eq!(run.code, 0, "{command}\n{run}");
        let reference = Tree::read(&root);
        assert!(!old.differences(&reference).is_empty(), "{command} changes nothing");
        // What undoes brings back exactly what was there.
        let new = if self.before.is_empty() { New::Like(reference) } else { New::Exactly(original) };
        let judge = Judge { old: old.clone(), new, now: self.now.to_owned() };
        assert_eq!(judge.end(&Tree::read(&root)), Ok(End::New), "{command}");
        (old, command, judge)
    }
}
