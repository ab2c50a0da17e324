//! What another node needs from the machine with the CA keys: the content of a bundle, as a part of that node's files.
//!
//! A bundle is an archive (`disk::archive`) of this content, made for one node. `archive restore` has all that putting it in place
//! takes: what may be put where, the archive of the old state, the transaction. A CA's key is never in it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::change_set::authority_pem;
use super::client::client_certificate;
use super::{IssueError, change_set};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{ClientPlan, Plan};
use crate::formats::kubeconfig::{Kubeconfig, NewKubeconfig, render};
use crate::state::catalog::{self, Ca};
use crate::state::{Attributes, Bytes, Content, Entry, Snapshot};

const CA_FILE: &str = "/etc/kubernetes/pki/ca.crt";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// The files of a worker's kubelet as kubeadm and the kubelet itself lay them out: the cluster's CA, the client certificate of
/// `plan` in the kubelet's store, and a kubelet.conf for `server` that names it.
///
/// # Errors
/// The CA is gone since the plan, or something could not be made.
pub fn worker_bundle(inventory: &Inventory, plan: &ClientPlan, server: &str) -> Result<Snapshot, IssueError> {
    let (certificate, key) = client_certificate(inventory, plan)?;
    let vanished =
        || IssueError::Vanished { name: plan.profile.common_name.clone(), what: "its CA".to_owned() };
    let authority = authority_pem(inventory).ok_or_else(vanished)?;
    let (certificate_pem, key_pem) = (certificate.to_pem(), key.to_pem());
    let directory = Path::new(catalog::KUBELET_PKI_DIR);
    let link = directory.join(catalog::KUBELET_CLIENT_LINK);
    let dated = format!("kubelet-client-{}.pem", plan.dates.not_before.strftime("%Y-%m-%d-%H-%M-%S"));
    let dated = directory.join(dated);
    let embedded = render(&NewKubeconfig {
        cluster: &inventory.facts.cluster_name.value,
        user: &plan.profile.common_name,
        server,
        authority_pem: authority.as_bytes(),
        certificate_pem: certificate_pem.as_bytes(),
        key_pem: key_pem.as_bytes(),
    });
    let kubeconfig =
        Kubeconfig::parse(embedded.as_bytes())?.refer_to(embedded.as_bytes(), &link.display().to_string())?;
    let pem = Zeroizing::new([certificate_pem.as_bytes(), key_pem.as_bytes()].concat());
    Ok([
        file(CA_FILE, authority.into_bytes().into(), 0o644),
        file(KUBELET_CONF, kubeconfig.into(), 0o600),
        file(&dated, pem.into(), 0o600),
        entry(&link, Content::Link(dated.clone()), 0o777),
    ]
    .into_iter()
    .collect())
}

/// What `plan` makes of another control-plane node: `theirs` are its files with the CA keys of this machine, see [`with_keys`].
///
/// # Errors
/// As [`change_set`].
pub fn control_plane_bundle(
    theirs: &Snapshot,
    inventory: &Inventory,
    plan: &Plan,
) -> Result<Snapshot, IssueError> {
    let changes = change_set(theirs, inventory, plan)?;
    let is_key = |path: &Path| inventory.authorities.iter().any(|row| row.key_path == path);
    let made = changes.iter().filter(|change| !is_key(&change.path));
    let made = made.filter_map(|change| Some((change.path.clone(), change.after.clone()?)));
    // By this it is known for which cluster it is.
    let ca = inventory.authority(Ca::Cluster).and_then(|row| theirs.resolve(&row.certificate_path).ok());
    let ca = ca.and_then(|end| Some((end.path, end.entry?.clone())));
    Ok(ca.into_iter().chain(made).collect())
}

/// Another node's files with the keys of this machine's CAs beside its own CA certificates, where these are the same CAs: a
/// plan can be made for it as if it had them.
pub fn with_keys(theirs: &Snapshot, inventory: &Inventory, ours: &Inventory) -> Snapshot {
    let mut with_keys = theirs.clone();
    for row in &inventory.authorities {
        let own = ours.authority(row.authority).and_then(|own| own.key.get());
        if let (Some(certificate), Some(key)) = (row.certificate.get(), own)
            && certificate.is_of(key)
        {
            let pem = Zeroizing::new(key.to_pem().as_bytes().to_vec());
            let (path, entry) = file(&row.key_path, pem.into(), 0o600);
            with_keys.insert(path, entry);
        }
    }
    with_keys
}

fn file(path: impl AsRef<Path>, bytes: Bytes, mode: u32) -> (PathBuf, Entry) {
    entry(path.as_ref(), Content::File(bytes), mode)
}

fn entry(path: &Path, content: Content, mode: u32) -> (PathBuf, Entry) {
    (path.to_owned(), Entry { content, attributes: Attributes { mode, ..Attributes::default() } })
}
