//! The error for a root that is no control-plane node: what it is, and the next command.

use std::path::Path;

use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::kind::{NodeKind, SIGNS};
use crate::disk::{Depth, Root};
use crate::error::Error;
use crate::state::text::shell_word;
use crate::state::{Code, Snapshot};

/// Where the signs of a kind are read.
pub enum Signs<'a> {
    Disk(&'a Root),
    Archive(&'a Snapshot),
}

pub fn kind(signs: &Signs<'_>, inventory: &Inventory) -> NodeKind {
    if inventory.is_control_plane() {
        return NodeKind::ControlPlane;
    }
    match signs {
        Signs::Archive(snapshot) => NodeKind::of(snapshot, inventory),
        Signs::Disk(root) => {
            let mut there = Snapshot::default();
            for path in SIGNS {
                root.read(&mut there, Path::new(path), Depth::File);
            }
            NodeKind::of(&there, inventory)
        }
    }
}

/// Nothing can be signed on a worker; the remedy is a bundle from a control-plane node.
pub fn worker(inventory: &Inventory, verb: &str) -> Error {
    let node = inventory.facts.node_name.as_ref().map_or("NODE", |name| name.value.as_str());
    let mut error = Error::could_not_run(format!("cannot {verb}: {node} is a worker node and has no CA key"))
        .code(Code::WorkerNode)
        .hint(format!("on a control-plane node: sudo kuberescue bundle create --node {node}"));
    error.hints.push(format!(
        "copy {node}.bundle.age to {node}; there: sudo kuberescue bundle apply {node}.bundle.age"
    ));
    error
}

/// Refuses an archive of a worker: no control plane comes back from it.
///
/// # Errors
/// It is of a worker.
pub fn refuse_worker(archive: &Snapshot, inventory: &Inventory) -> Result<(), Error> {
    match NodeKind::of(archive, inventory) {
        NodeKind::Worker => Err(worker(inventory, "bring back a control plane from this archive")),
        _ => Ok(()),
    }
}

/// The error that says what `root` is instead of a kubeadm node.
pub fn not_kubeadm(kind: NodeKind, root: &Path, snapshot: &Snapshot, inventory: &Inventory) -> Error {
    let (code, what, hint) = match kind {
        NodeKind::K3s => (Code::K3sNode, "this is a k3s node".to_owned(), service("k3s", "k3s")),
        NodeKind::Rke2 => (Code::Rke2Node, "this is an RKE2 node".to_owned(), service("rke2", "rke2-server")),
        NodeKind::Rke1 => (
            Code::Rke1Node,
            "this is an RKE node (first generation)".to_owned(),
            "where cluster.yml of the cluster is: rke cert rotate --config cluster.yml".to_owned(),
        ),
        NodeKind::Workstation => (
            Code::Workstation,
            "this is a workstation: kubeconfigs of users, no kubelet".to_owned(),
            "kuberescue kubeconfig check".to_owned(),
        ),
        NodeKind::Inside(path) => {
            let levels = Path::new(path).components().count();
            let above = root.ends_with(path).then(|| root.ancestors().nth(levels)).flatten();
            let above = above.filter(|above| !above.as_os_str().is_empty());
            let node =
                above.map_or_else(|| "NODE".to_owned(), |above| shell_word(&above.display().to_string()));
            (
                Code::RootInsideNode,
                format!("this is /{path} of a node"),
                format!("kuberescue diagnose --root {node}"),
            )
        }
        NodeKind::ControlPlane | NodeKind::Worker | NodeKind::Unknown => unknown(snapshot, inventory),
    };
    Error::could_not_run(format!("cannot use --root {}: {what}", root.display())).code(code).hint(hint)
}

fn unknown(snapshot: &Snapshot, inventory: &Inventory) -> (Code, String, String) {
    let hint = "name the node's root directory with --root, or its PKI directory with --cert-dir".to_owned();
    match snapshot.unread().next() {
        Some((path, why)) => (Code::RootUnreadable, format!("cannot read {}: {why}", path.display()), hint),
        None => {
            let pki = inventory.facts.pki_dir.value.display();
            let what = format!(
                "not a kubeadm node: no CA in {pki}, no kubeconfig in /etc/kubernetes, no API server manifest"
            );
            (Code::NotKubeadmNode, what, hint)
        }
    }
}

fn service(tool: &str, unit: &str) -> String {
    format!("sudo sh -c 'systemctl stop {unit} && {tool} certificate rotate && systemctl start {unit}'")
}
