//! Differences of two nodes, credential by credential.

use std::path::PathBuf;

use serde::Serialize;

use crate::analysis::node::inventory::{CaRow, Inventory, Parsed, Row, ServiceAccount};
use crate::formats::certificate::{CertSummary, Certificate};
use crate::formats::key::{PrivateKey, public_key_bits};
use crate::state::{Digest, text};

/// A credential that differs between the two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialChange {
    /// kubeadm's name, or a path.
    pub name: String,
    #[serde(with = "text")]
    pub path: PathBuf,
    pub before: State,
    pub after: State,
    /// `None` if it can't be determined.
    pub same_key: Option<bool>,
}

/// A credential in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    Missing,
    /// There is a file that can't be used.
    Unreadable {
        why: String,
    },
    Present(Certified),
}

/// A credential that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certified {
    /// The service-account key has none.
    #[serde(flatten)]
    pub certificate: Option<CertSummary>,
    /// SHA-256 of the private key's public half, where the key is there.
    pub key: Option<Digest>,
    /// Why the private key can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_problem: Option<String>,
}

/// The credentials that differ: authorities, the service-account key, kubeadm's leaf certificates, the kubelet's, those
/// in homes.
pub fn credentials(before: &Inventory, after: &Inventory) -> Vec<CredentialChange> {
    let (before, after) = (all(before), all(after));
    let missing = |named: &Named| Named { state: State::Missing, ..named.clone() };
    let mut found = Vec::new();
    for old in &before {
        let new = after.iter().find(|new| new.name == old.name).cloned().unwrap_or_else(|| missing(old));
        found.extend(change(old, &new));
    }
    let is_new = |named: &&Named| !before.iter().any(|old| old.name == named.name);
    for new in after.iter().filter(is_new) {
        found.extend(change(&missing(new), new));
    }
    found
}

#[derive(Clone)]
struct Named {
    name: String,
    path: PathBuf,
    state: State,
}

fn all(inventory: &Inventory) -> Vec<Named> {
    let row = |row: &Row| Named {
        name: row.name.clone(),
        path: row.path.clone(),
        state: state(&row.certificate, &row.key),
    };
    let authority = |row: &CaRow| Named {
        name: row.authority.name().to_owned(),
        path: row.certificate_path.clone(),
        state: state(&row.certificate, &row.key),
    };
    let mut all: Vec<_> = inventory.authorities.iter().map(authority).collect();
    all.push(service_account(&inventory.service_account));
    all.extend(inventory.leaves.iter().map(|leaf| row(&leaf.row)));
    all.extend([&inventory.kubelet_client, &inventory.kubelet_serving].map(row));
    all.extend(inventory.elsewhere.iter().map(row));
    all
}

fn service_account(pair: &ServiceAccount) -> Named {
    let state = match &pair.key {
        Parsed::Missing => State::Missing,
        Parsed::Unreadable(why) => State::Unreadable { why: why.clone() },
        Parsed::Present(key) => {
            State::Present(Certified { certificate: None, key: digest(key), key_problem: None })
        }
    };
    Named { name: "sa".to_owned(), path: pair.key_path.clone(), state }
}

fn state(certificate: &Parsed<Certificate>, key: &Parsed<PrivateKey>) -> State {
    match certificate {
        Parsed::Missing => State::Missing,
        Parsed::Unreadable(why) => State::Unreadable { why: why.clone() },
        Parsed::Present(certificate) => {
            let key_problem = match key {
                Parsed::Missing => Some("missing".to_owned()),
                Parsed::Unreadable(why) => Some(why.clone()),
                Parsed::Present(key) if !certificate.is_of(key) => Some("of another certificate".to_owned()),
                Parsed::Present(_) => None,
            };
            let key = key.get().and_then(digest);
            State::Present(Certified { certificate: Some(certificate.summary()), key, key_problem })
        }
    }
}

/// The same key in another encoding has the same digest.
fn digest(key: &PrivateKey) -> Option<Digest> {
    public_key_bits(key.spki()).ok().map(|bits| Digest::of(&bits))
}

fn change(before: &Named, after: &Named) -> Option<CredentialChange> {
    if before.state == after.state {
        return None;
    }
    let same_key = match (&before.state, &after.state) {
        (State::Present(old), State::Present(new)) => old.key.zip(new.key).map(|(old, new)| old == new),
        _ => None,
    };
    Some(CredentialChange {
        name: after.name.clone(),
        path: after.path.clone(),
        before: before.state.clone(),
        after: after.state.clone(),
        same_key,
    })
}
