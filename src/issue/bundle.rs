//! What another node needs from the machine with the CA keys: the content of a bundle, as a part of that node's files.
//!
//! A bundle is an archive (`disk::archive`) of this content, made for one node. `archive restore` has all that putting it in place
//! takes: what may be put where, the archive of the old state, the transaction. A CA's key is never in it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::client::{Client, client};
use super::{IssueError, change_set};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{ClientPlan, Plan};
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::Kubeconfig;
use crate::state::catalog;
use crate::state::{Attributes, Bytes, Content, Entry, Snapshot};

/// The content of a bundle, and what was issued for it.
pub struct Bundle {
    /// A part of the other node's files.
    pub files: Snapshot,
    /// The new certificates by their names.
    pub certificates: Vec<(String, Certificate)>,
}

/// The files of a worker's kubelet as kubeadm and the kubelet itself lay them out: the cluster's CA, the client certificate of
/// `plan` in the kubelet's store, and a kubelet.conf for `server` that names it.
///
/// # Errors
/// The CA is gone since the plan, or something could not be made.
pub fn worker_bundle(inventory: &Inventory, plan: &ClientPlan, server: &str) -> Result<Bundle, IssueError> {
    let Client { certificate, key, authority, kubeconfig } = client(inventory, plan, server)?;
    let link = Path::new(catalog::KUBELET_PKI_DIR).join(catalog::KUBELET_CLIENT_LINK);
    let dated = format!("kubelet-client-{}.pem", plan.dates.not_before.strftime("%Y-%m-%d-%H-%M-%S"));
    let dated = link.with_file_name(dated);
    let embedded = kubeconfig.as_bytes();
    let kubeconfig = Kubeconfig::parse(embedded)?.refer_to(embedded, &link.display().to_string())?;
    let pem = Zeroizing::new([certificate.to_pem().as_bytes(), key.to_pem().as_bytes()].concat());
    let files = [
        file(catalog::CA_FILE, authority.into_bytes().into(), 0o644),
        file(catalog::KUBELET_CONF, kubeconfig.into(), 0o600),
        file(&dated, pem.into(), 0o600),
        entry(&link, Content::Link(dated.clone()), 0o777),
    ];
    let certificates = vec![(catalog::KUBELET_CLIENT.to_owned(), certificate)];
    Ok(Bundle { files: files.into_iter().collect(), certificates })
}

/// What `plan` makes of another control-plane node: `theirs` are its files with the CAs of this machine, see [`with_authorities`].
///
/// # Errors
/// As [`change_set`].
pub fn control_plane_bundle(
    theirs: &Snapshot,
    inventory: &Inventory,
    plan: &Plan,
) -> Result<Bundle, IssueError> {
    let changes = change_set(theirs, inventory, plan)?;
    let is_key = |path: &Path| inventory.authorities.iter().any(|row| row.key_path == path);
    let made = changes.iter().filter(|change| !is_key(&change.path));
    let made = made.filter_map(|change| Some((change.path.clone(), change.after.clone()?)));
    // By these it is known for which cluster it is.
    let cas = inventory.authorities.iter().filter_map(|row| {
        let end = theirs.resolve(&row.certificate_path).ok()?;
        Some((end.path, end.entry?.clone()))
    });
    let after = Inventory::with_facts(&theirs.with(&changes), inventory.facts.clone());
    let issued = plan
        .steps
        .iter()
        .filter_map(|step| Some((step.name.clone(), after.row(&step.name)?.certificate.get()?.clone())));
    let certificates = issued.collect();
    Ok(Bundle { files: cas.chain(made).collect(), certificates })
}

/// Another node's files with the CAs of this machine, where these have the same keys: their private keys, so that a plan can be
/// made for it as if it had them, and their certificates, which may have been renewed here.
pub fn with_authorities(
    (theirs, inventory): (&Snapshot, &Inventory),
    (ours, own): (&Snapshot, &Inventory),
) -> Snapshot {
    let mut with = theirs.clone();
    for row in &inventory.authorities {
        let Some(own) = own.authority(row.authority) else { continue };
        let (Some(certificate), Some(key)) = (row.certificate.get(), own.key.get()) else { continue };
        if !certificate.is_of(key) {
            continue;
        }
        let pem = Zeroizing::new(key.to_pem().as_bytes().to_vec());
        let (path, entry) = file(&row.key_path, pem.into(), 0o600);
        with.insert(path, entry);
        let is_here = |other: &Certificate| own.bundle.iter().any(|one| one.spki == other.spki);
        if row.bundle.iter().all(is_here)
            && let (Ok(place), Some(bytes)) =
                (theirs.resolve(&row.certificate_path), ours.file(&own.certificate_path))
            && let Some(there) = place.entry
        {
            with.insert(&place.path, Entry { content: Content::File(bytes.clone()), ..there.clone() });
        }
    }
    with
}

fn file(path: impl AsRef<Path>, bytes: Bytes, mode: u32) -> (PathBuf, Entry) {
    entry(path.as_ref(), Content::File(bytes), mode)
}

fn entry(path: &Path, content: Content, mode: u32) -> (PathBuf, Entry) {
    (path.to_owned(), Entry { content, attributes: Attributes { mode, ..Attributes::default() } })
}
