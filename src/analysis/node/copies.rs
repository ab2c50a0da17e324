//! Copies of this node's CAs in the cluster's objects: what is outside of the node, and has to follow when a CA is renewed or
//! replaced.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::facts::host_of;
use super::inventory::{Inventory, Trust, trusts};
use crate::formats::certificate::Certificate;
use crate::formats::etcd::{CaCopy, ClusterRecords, Place};
use crate::state::catalog::Ca;

/// So many certificates of a copy are looked at.
const MOST: usize = 16;

/// How a copy compares with the node's own CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Who trusts it accepts what the node's CA signs.
    Same,
    /// Another certificate of the same name and key, as before a renewal.
    SameKey,
    /// The same key under another name, or in another encoding.
    OtherName,
    /// Another CA of the same name, as before a replacement.
    OtherKey,
}

/// A copy of a CA in an object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOfCa<'a> {
    pub copy: &'a CaCopy,
    pub ca: Ca,
    pub state: State,
    /// Expiry of the copy, the latest of several certificates.
    pub not_after: Timestamp,
}

/// The copies of this node's CAs. A webhook with a CA of its own has none, and a kubeconfig of another cluster neither,
/// although kubeadm gives every cluster's CA the same name.
pub fn of_cluster<'a>(records: &'a ClusterRecords, inventory: &Inventory) -> Vec<CopyOfCa<'a>> {
    let mut known = BTreeMap::new();
    let own = own_clusters(records, inventory);
    let copies = records.copies.iter().filter_map(|copy| {
        let ca = if copy.place == Place::RequestHeaderCa { Ca::FrontProxy } else { Ca::Cluster };
        let judged = *known.entry((&copy.pem, ca)).or_insert_with(|| compare(&copy.pem, ca, inventory));
        let (state, not_after) = judged?;
        let is_ours = state != State::OtherKey || is_of_this_cluster(copy, &own);
        is_ours.then_some(CopyOfCa { copy, ca, state, not_after })
    });
    copies.collect()
}

fn compare(pem: &[u8], ca: Ca, inventory: &Inventory) -> Option<(State, Timestamp)> {
    let row = inventory.authority(ca)?;
    let own = row.certificate.get()?;
    let copies = Certificate::first_from_pem(pem, MOST).ok()?;
    let state = match trusts(&copies, own, &row.bundle) {
        Trust::Yes => State::Same,
        Trust::SameKey => State::SameKey,
        Trust::OtherName => State::OtherName,
        Trust::No => State::OtherKey,
    };
    let is_meant = |copy: &&Certificate| match state {
        State::Same => true,
        State::SameKey | State::OtherName => copy.spki == own.spki,
        State::OtherKey => copy.subject_der == own.subject_der,
    };
    Some((state, copies.iter().filter(is_meant).map(|copy| copy.not_after).max()?))
}

/// Namespace and name of the clusters of Cluster API that are this one, by their servers.
fn own_clusters<'a>(records: &'a ClusterRecords, inventory: &Inventory) -> Vec<(&'a str, &'a str)> {
    let endpoint = inventory.endpoint.as_ref().and_then(|url| host_of(&url.value)).map(str::to_owned);
    let address = inventory.facts.advertise_address.as_ref().map(|address| address.value.to_string());
    let is_own = |server: &str| {
        let host = host_of(server);
        host.is_some() && (host == endpoint.as_deref() || host == address.as_deref())
    };
    let clusters = records.copies.iter().filter_map(|copy| match &copy.place {
        Place::ClusterKubeconfig { server } if is_own(server) => cluster(copy),
        _ => None,
    });
    clusters.collect()
}

fn cluster(copy: &CaCopy) -> Option<(&str, &str)> {
    let name = copy.name.strip_suffix("-kubeconfig").or_else(|| copy.name.strip_suffix("-ca"))?;
    Some((&copy.namespace, name))
}

/// Whether a CA of this cluster's name and another key was once this cluster's.
fn is_of_this_cluster(copy: &CaCopy, own: &[(&str, &str)]) -> bool {
    match &copy.place {
        Place::ClusterInfo | Place::ClientCa | Place::RequestHeaderCa | Place::RootCa | Place::ApiService => {
            true
        }
        Place::ValidatingWebhook { has_url, .. }
        | Place::MutatingWebhook { has_url, .. }
        | Place::Conversion { has_url } => !has_url,
        Place::ClusterCa | Place::ClusterKubeconfig { .. } => {
            cluster(copy).is_some_and(|cluster| own.contains(&cluster))
        }
    }
}

impl CopyOfCa<'_> {
    /// Whether who trusts the copy refuses what the node's CA signs now.
    pub fn is_refused_at(&self, now: Timestamp) -> bool {
        match self.state {
            State::Same => false,
            State::SameKey => self.not_after < now,
            State::OtherName | State::OtherKey => true,
        }
    }

    /// The object, as kubectl names it, and the field where it has several.
    pub fn object(&self) -> String {
        let CaCopy { namespace, name, .. } = self.copy;
        match &self.copy.place {
            Place::ClusterInfo => name.clone(),
            Place::RootCa => format!("{name} in {namespace}"),
            Place::ClientCa => format!("{name} (client-ca-file)"),
            Place::RequestHeaderCa => format!("{name} (requestheader-client-ca-file)"),
            Place::ApiService => format!("APIService {name}"),
            Place::ValidatingWebhook { webhook, .. } => {
                format!("ValidatingWebhookConfiguration {name} ({webhook})")
            }
            Place::MutatingWebhook { webhook, .. } => {
                format!("MutatingWebhookConfiguration {name} ({webhook})")
            }
            Place::Conversion { .. } => format!("CustomResourceDefinition {name} (conversion)"),
            Place::ClusterCa | Place::ClusterKubeconfig { .. } => format!("Secret {namespace}/{name}"),
        }
    }
}
