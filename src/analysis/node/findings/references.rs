//! What flags name besides kubeadm's credentials, and what of kubeadm's they don't name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Code, Evidence, Finding, Severity, manifests};
use crate::analysis::node::changed::credentials;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::references;
use crate::formats::certificate::Certificate;
use crate::formats::pem;
use crate::state::Subject;
use crate::state::time::expired_on;
use crate::state::{Component, Snapshot};

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = unused(snapshot, inventory);
    found.extend(expired(snapshot, inventory, now));
    found.extend(signing_bundle(snapshot, inventory));
    found
}

/// kube-controller-manager signs with a file of exactly one certificate, and stops otherwise.
fn signing_bundle(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    let (path, pod) = inventory.facts.pod(Component::ControllerManager)?;
    let of_flag = |name: &&str| {
        let file = pod.host(pod.flag(name)?);
        let several = pem::certificates(snapshot.file(&file)?).ok()?.len();
        (several > 1).then_some((file, several))
    };
    let (name, (file, several)) =
        references::SIGNING_FLAGS.iter().find_map(|name| Some((name, of_flag(name)?)))?;
    let what = format!(
        "--{name} in {}: the file has {several} certificates, and it takes exactly one",
        path.display()
    );
    let subject = Subject::Component(Component::ControllerManager);
    Some(Finding::new(Code::SigningCaBundle, Severity::Blocker, subject, file, what))
}

/// What is in kubeadm's place while the component reads another file.
fn unused(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let mut found = Vec::new();
    for leaf in &inventory.leaves {
        let place = references::place(&inventory.facts, leaf.spec).certificate;
        let is_read = inventory.rows().any(|row| references::is_same(snapshot, &row.path, &place));
        if is_read || snapshot.file(&place).is_none() {
            continue;
        }
        let what = format!("not used: {} is read instead", leaf.row.path.display());
        let subject = Subject::Path(place.to_path_buf());
        found.push(Finding::new(Code::UnusedPair, Severity::Note, subject, place, what));
    }
    found
}

/// Leaf certificates that flags name or pods mount by themselves, that no row of the inventory has.
fn expired(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let named: BTreeSet<_> = inventory.facts.pods().flat_map(|(_, pod)| credentials(pod)).collect();
    // One of an external etcd has a finding of its own.
    let etcd = inventory
        .facts
        .pod(Component::ApiServer)
        .and_then(|(_, pod)| Some(pod.host(pod.flag("etcd-certfile")?)));
    let others =
        named.into_iter().filter(|path| etcd.as_ref() != Some(path) && !manifests::is_known(inventory, path));
    let mut found = Vec::new();
    for path in others {
        let certificate = snapshot.file(&path).and_then(|bytes| Certificate::of(bytes).ok());
        if let Some(certificate) = certificate.filter(|leaf| !leaf.is_ca && leaf.expired_at(now)) {
            let what = expired_on(certificate.not_after, now);
            let subject = Subject::Path(path.to_path_buf());
            let mut finding = Finding::new(Code::Expired, Severity::Warning, subject, &path, what);
            finding.evidence.push(Evidence::field(&path, "notAfter", certificate.not_after));
            found.push(finding);
        }
    }
    found
}
