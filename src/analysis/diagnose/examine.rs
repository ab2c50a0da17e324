//! Everything that is wrong with a node, in order.

use std::path::Path;

use jiff::Timestamp;

use super::{Code, Finding, Severity, findings, identity, kubelet, machine, manifests, order, places};
use crate::analysis::inventory::Inventory;
use crate::analysis::surroundings::Surroundings;
use crate::formats::pem::{self, PemError};
use crate::state::Snapshot;
use crate::state::catalog::{KUBELET_CLIENT, Place};

/// A node as far as it is known.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    /// Its files.
    pub snapshot: &'a Snapshot,
    /// What they mean.
    pub inventory: &'a Inventory,
    /// What is around them.
    pub around: &'a Surroundings,
}

/// Everything that is wrong at `now`: blockers first, and of these what fails first.
pub fn examine(node: Node<'_>, now: Timestamp) -> Vec<Finding> {
    let Node { snapshot, inventory, around } = node;
    let on_kubelet = kubelet::find(snapshot, inventory, now);
    let mut found = credentials(snapshot, inventory, now, &on_kubelet);
    found.extend(on_kubelet);
    found.extend(machine::clock(inventory, around, now));
    found.extend(machine::space(around));
    found.extend(places::find(snapshot, inventory, around));
    if inventory.is_control_plane() {
        found.extend(identity::find(inventory, now));
        found.extend(manifests::find(snapshot, inventory));
        found.extend(machine::etcd(snapshot, inventory, around, now));
        found.extend(machine::service_account(inventory));
        found.extend(several(snapshot, inventory));
        found.extend(super_admin(inventory));
    } else {
        found.extend(places::authority_keys(inventory));
    }
    order::sort(&mut found);
    found
}

/// What the narrow look finds, told more closely.
fn credentials(
    snapshot: &Snapshot,
    inventory: &Inventory,
    now: Timestamp,
    on_kubelet: &[Finding],
) -> Vec<Finding> {
    let of_worker = |finding: &Finding| {
        let subject = finding.subject.as_str();
        let is_its_ca = subject == "ca"
            && matches!(finding.code, Code::CaMissing | Code::CaUnreadable | Code::NotACa | Code::CaExpired);
        subject.starts_with("kubelet") || subject.starts_with('/') || is_its_ca
    };
    let told_by_link = on_kubelet
        .iter()
        .any(|finding| matches!(finding.code, Code::KubeletLinkMissing | Code::KubeletLinkDangling));
    findings(inventory, now)
        .into_iter()
        .filter(|finding| inventory.is_control_plane() || of_worker(finding))
        .filter(|finding| {
            let is_same = matches!(finding.code, Code::Missing | Code::Unreadable | Code::KeyMissing);
            !(told_by_link && is_same && finding.subject == KUBELET_CLIENT)
        })
        .map(|mut finding| {
            let code = closer(snapshot, inventory, &finding);
            if code != finding.code {
                finding.code = code;
                code.page().remedy.clone_into(&mut finding.remedy);
            }
            finding
        })
        .collect()
}

/// What kind of unreadable a file is.
fn closer(snapshot: &Snapshot, inventory: &Inventory, finding: &Finding) -> Code {
    match finding.code {
        Code::Expired if kubelet::is_own_serving(inventory, &finding.subject) => Code::KubeletServingExpired,
        Code::Unreadable => match snapshot.file(&finding.path).map(|bytes| pem::blocks(bytes)) {
            Some(Err(PemError::Empty)) => Code::FileEmpty,
            Some(Err(PemError::Truncated)) => Code::FileTruncated,
            Some(Err(PemError::NotPem)) if is_pem_place(&finding.path) => Code::FileNotPem,
            _ => Code::Unreadable,
        },
        code => code,
    }
}

fn is_pem_place(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "crt" || extension == "pem")
}

/// A leaf's file with more than the leaf.
fn several(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let pairs = inventory.leafs.iter().filter(|leaf| matches!(leaf.slot.place, Place::Pair(_)));
    pairs
        .filter_map(|leaf| {
            let count = pem::certificates(snapshot.file(&leaf.row.path)?).ok()?.len();
            let what = format!("{count} certificates in one file, of which the first counts");
            let row = &leaf.row;
            (count > 1).then(|| {
                Finding::new(Code::SeveralCertificates, Severity::Warning, &row.name, &row.path, what)
            })
        })
        .collect()
}

fn super_admin(inventory: &Inventory) -> Option<Finding> {
    let version = inventory.facts.minor_version.as_ref()?;
    let row = inventory.row("super-admin.conf")?;
    if version.value < 29 || !row.certificate.is_missing() {
        return None;
    }
    let what = format!("it is not there; kubeadm init of 1.{} makes it", version.value);
    Some(Finding::new(Code::SuperAdminMissing, Severity::Note, &row.name, &row.path, what))
}
