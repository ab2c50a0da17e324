//! Everything that is wrong with a node, in order.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Class, Code, Finding, Remedy, Severity, access, cluster, credentials, identity, kubelet, machine,
    manifests, order, places, references,
};
use crate::analysis::node::facts::host_of;
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::{Inventory, LeafRow, Row};
use crate::formats::certificate::{Certificate, CertificateError};
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::pem::{self, PemError};
use crate::state::Component;
use crate::state::Snapshot;
use crate::state::Subject;
use crate::state::catalog::Ca;
use crate::state::catalog::Place;
use crate::state::text::shell_word;

#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub snapshot: &'a Snapshot,
    pub inventory: &'a Inventory,
    pub around: &'a HostState,
}

/// Everything that is wrong at `now`: blockers first, root cause first.
pub fn findings(node: Node<'_>, now: Timestamp) -> Vec<Finding> {
    let Node { snapshot, inventory, around } = node;
    let on_kubelet = kubelet::find(snapshot, inventory, now);
    let mut found = of_credentials(snapshot, inventory, now, &on_kubelet);
    found.extend(identity::find(snapshot, inventory, now));
    if !inventory.is_control_plane() {
        found.retain(concerns_a_worker);
    }
    found.extend(on_kubelet);
    found.extend(manifests::duplicate_keys(snapshot, inventory));
    found.extend(machine::interrupted(around));
    found.extend(machine::clock(inventory, around, now));
    found.extend(machine::space(around));
    found.extend(places::find(snapshot, inventory, around));
    if inventory.is_control_plane() {
        found.extend(manifests::find(snapshot, inventory));
        found.extend(access::find(snapshot, inventory));
        found.extend(machine::etcd(snapshot, inventory, around, now));
        found.extend(cluster::find(inventory, now));
        found.extend(machine::service_account(inventory));
        found.extend(several(snapshot, inventory));
        found.extend(references::find(snapshot, inventory, now));
        found.extend(super_admin(inventory));
        found.extend(inventory.leaves.iter().filter_map(|leaf| of_another_cluster(&leaf.row)));
    } else {
        found.extend(places::authority_keys(inventory));
        found.iter_mut().for_each(for_a_worker);
    }
    for finding in &mut found {
        weigh(finding, inventory, now);
    }
    order::sort(&mut found);
    found
}

/// The findings about single credentials, with a more specific code where the snapshot allows it.
fn of_credentials(
    snapshot: &Snapshot,
    inventory: &Inventory,
    now: Timestamp,
    on_kubelet: &[Finding],
) -> Vec<Finding> {
    let told = on_kubelet.iter().any(|finding| {
        matches!(
            finding.code,
            Code::KubeletLinkMissing | Code::KubeletLinkDangling | Code::KubeletConfMissing
        )
    });
    credentials::find(inventory, now)
        .into_iter()
        .filter(|finding| !is_of_another_cluster(snapshot, inventory, finding))
        .filter(|finding| {
            let is_same = matches!(finding.code, Code::Missing | Code::Unreadable | Code::KeyMissing);
            !(told && is_same && finding.subject == Subject::KubeletClient)
        })
        .map(|finding| {
            let code = closer(snapshot, inventory, &finding);
            finding.with_code(code)
        })
        .collect()
}

/// A worker has the kubelet's credentials, the cluster's CA and homes.
fn concerns_a_worker(finding: &Finding) -> bool {
    let no_key = matches!(finding.code, Code::CaKeyMissing | Code::CaKeyUnreadable | Code::CaKeyMismatch);
    match finding.subject {
        Subject::Path(_) => true,
        Subject::Ca(Ca::Cluster) => !no_key,
        _ => finding.subject.is_kubelets(),
    }
}

/// Nothing can be signed on a worker: the remedy is on a control-plane node.
fn for_a_worker(finding: &mut Finding) {
    let of_kubelet = finding.code.page().class == Class::Credential
        && matches!(finding.subject, Subject::KubeletClient | Subject::Component(Component::Kubelet));
    let helps = !matches!(
        finding.code,
        Code::Expiring | Code::KubeletLinkNoLink | Code::KubeletLinkOld | Code::NamesOfAnotherNode
    );
    if of_kubelet && helps {
        finding.remedy = Remedy { command: None, reason: kubelet::WORKER_REMEDY.to_owned() };
    }
}

/// Sets the severity, all findings considered.
fn weigh(finding: &mut Finding, inventory: &Inventory, now: Timestamp) {
    if finding.is_blocker() && order::goes_on_without(&finding.subject.to_string()) {
        finding.severity = Severity::Warning;
    }
    if finding.code == Code::EmbeddedCaDiffers && is_a_components(inventory, &finding.path) {
        let copy = inventory.foreign_authorities.iter().find(|copy| copy.path == finding.path);
        let good = copy.is_some_and(|copy| copy.same_key && copy.not_after.is_some_and(|end| end >= now));
        if !good {
            finding.severity = Severity::Blocker;
        }
    }
}

/// Whether a component reads this kubeconfig: without it a part of the cluster doesn't work.
fn is_a_components(inventory: &Inventory, path: &Path) -> bool {
    let reads = |leaf: &LeafRow| leaf.row.path == path && !order::goes_on_without(leaf.spec.name);
    path == inventory.facts.kubelet_kubeconfig.value || inventory.leaves.iter().any(reads)
}

/// A kubeconfig in a home whose CA and server belong to another cluster.
fn is_of_another_cluster(snapshot: &Snapshot, inventory: &Inventory, finding: &Finding) -> bool {
    let facts = &inventory.facts;
    if finding.code != Code::EmbeddedCaDiffers || !matches!(finding.subject, Subject::Path(_)) {
        return false;
    }
    let Some(config) = snapshot.file(&finding.path).and_then(|bytes| Kubeconfig::of(bytes).ok()) else {
        return false;
    };
    let own = [
        inventory.endpoint.as_ref().and_then(|url| host_of(&url.value)).map(str::to_owned),
        facts.advertise_address.as_ref().map(|address| address.value.to_string()),
        facts.node_name.as_ref().map(|name| name.value.clone()),
        Some("127.0.0.1".to_owned()),
        Some("localhost".to_owned()),
    ];
    host_of(&config.server).is_some_and(|host| !own.iter().flatten().any(|own| own == host))
}

/// The specific code for an unreadable file.
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

/// A leaf certificate's file that holds more certificates which aren't the chain of its issuers.
fn several(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let is_ours =
        |leaf: &&LeafRow| matches!(leaf.spec.place, Place::Pair(_)) && leaf.row.foreign_issuer.is_none();
    let pairs = inventory.served().filter(is_ours);
    pairs
        .filter_map(|leaf| {
            let all = pem::certificates(snapshot.file(&leaf.row.path)?).ok()?;
            if all.len() < 2 {
                return None;
            }
            let what =
                format!("{} certificates in one file, which are not a chain: the first counts", all.len());
            let is_chain = is_chain(all).ok()?;
            let row = &leaf.row;
            (!is_chain).then(|| {
                Finding::new(Code::SeveralCertificates, Severity::Warning, &row.name, &row.path, what)
            })
        })
        .collect()
}

/// Whether each certificate's issuer follows it. One is parsed at a time: a hostile file has thousands.
fn is_chain(all: Vec<Vec<u8>>) -> Result<bool, CertificateError> {
    let mut issuer = None;
    for der in all {
        let certificate = Certificate::from_der(der)?;
        if issuer.is_some_and(|issuer| issuer != certificate.subject_der) {
            return Ok(false);
        }
        issuer = Some(certificate.issuer_der.clone());
    }
    Ok(true)
}

/// A kubeconfig of this node whose current context leads to another cluster.
fn of_another_cluster(row: &Row) -> Option<Finding> {
    let (context, server) = row.beside.as_ref()?;
    let what = format!("its current-context is another cluster's ({server})");
    let mut finding = Finding::new(Code::AnotherCluster, Severity::Blocker, &row.name, &row.path, what);
    let (context, file) = (shell_word(context), shell_word(&row.path.display().to_string()));
    finding.remedy.command = Some(format!("kubectl config use-context {context} --kubeconfig {file}"));
    Some(finding)
}

fn super_admin(inventory: &Inventory) -> Option<Finding> {
    let version = inventory.facts.minor_version.as_ref()?;
    let row = inventory.row("super-admin.conf")?;
    if !row.certificate.is_missing() {
        return None;
    }
    let what = format!("not found; kubeadm init of 1.{} creates it", version.value);
    Some(Finding::new(Code::SuperAdminMissing, Severity::Note, &row.name, &row.path, what))
}
