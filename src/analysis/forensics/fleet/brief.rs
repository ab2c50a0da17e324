//! What is kept of one node of many.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::forensics::diagnosis::{Diagnosis, Summary, Verdict};
use crate::analysis::node::findings::Severity;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::quorum::on_disk;
use crate::formats::etcd::Member;
use crate::formats::key::public_key_bits;
use crate::state::Subject;
use crate::state::catalog::Ca;
use crate::state::catalog::Leaf;
use crate::state::{Component, Digest};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// Where it was read from.
    pub source: String,
    #[serde(flatten)]
    pub summary: Summary,
    /// The newest timestamp in it: when the node was in this state.
    pub as_of: Option<Timestamp>,
    /// Whether it is the newest state of its node among all that were read: the one that counts.
    pub latest: bool,
    pub verdict: Verdict,
    /// Number of blocking findings.
    pub blockers: usize,
    pub warnings: usize,
    /// What expires next, and when.
    pub next_end: Option<End>,
    /// SHA-256 of the public key of each CA.
    pub authorities: BTreeMap<&'static str, Digest>,
    /// SHA-256 of the public half of `sa.key`.
    pub service_accounts: Option<Digest>,
    /// URL of the API server in its kubeconfigs.
    pub endpoint: Option<String>,
    /// All that is known of it: an item of the document.
    #[serde(skip)]
    pub diagnosis: Diagnosis,
    /// SHA-256 of each leaf's public key.
    #[serde(skip)]
    pub leaves: BTreeMap<String, Digest>,
    /// SHA-256 of what its API server encrypts with, where that is known; that of nothing where it doesn't.
    #[serde(skip)]
    pub encryption: Option<Digest>,
    /// Members in etcd's manifest.
    #[serde(skip)]
    pub members: Vec<Member>,
    /// Whether etcd's credentials here no longer work.
    #[serde(skip)]
    pub etcd_is_blocked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    pub name: String,
    pub at: Timestamp,
}

impl Brief {
    /// Of a diagnosis and the inventory that it was made of.
    pub fn of(diagnosis: Diagnosis, inventory: &Inventory) -> Self {
        let count =
            |severity| diagnosis.findings.iter().filter(|told| told.finding.severity == severity).count();
        let next = diagnosis.credentials.iter().filter(|validity| validity.not_after >= diagnosis.at);
        let next = next.min_by_key(|validity| validity.not_after);
        let authorities = inventory
            .authorities
            .iter()
            .filter_map(|row| Some((row.authority.name(), key_digest(&row.certificate.get()?.spki)?)));
        let leaves = inventory
            .leaves
            .iter()
            .filter_map(|leaf| Some((leaf.row.name.clone(), key_digest(&leaf.row.certificate.get()?.spki)?)));
        let blocks_etcd = |subject: &Subject| {
            matches!(
                subject,
                Subject::Ca(Ca::Etcd)
                    | Subject::Leaf(Leaf::EtcdServer | Leaf::EtcdPeer)
                    | Subject::Component(Component::Etcd)
            )
        };
        let sa = inventory.service_account.key.get().map(|key| key.spki().to_vec());
        Self {
            source: diagnosis.source.clone(),
            summary: diagnosis.node.clone(),
            as_of: inventory.newest_evidence.as_ref().map(|(time, _)| *time),
            latest: true,
            verdict: diagnosis.verdict.clone(),
            blockers: count(Severity::Blocker),
            warnings: count(Severity::Warning),
            next_end: next.map(|validity| End { name: validity.name.clone(), at: validity.not_after }),
            authorities: authorities.collect(),
            service_accounts: sa
                .or_else(|| inventory.service_account.public.get().cloned())
                .and_then(|spki| key_digest(&spki)),
            endpoint: inventory.endpoint.as_ref().map(|endpoint| endpoint.value.clone()),
            leaves: leaves.collect(),
            encryption: match &inventory.encryption {
                Some(file) => file.get().copied(),
                None => inventory.facts.pod(Component::ApiServer).map(|_| Digest::of(&[])),
            },
            members: on_disk(&inventory.facts).map(|told| told.members).unwrap_or_default(),
            etcd_is_blocked: diagnosis
                .findings
                .iter()
                .any(|told| told.finding.is_blocker() && blocks_etcd(&told.finding.subject)),
            diagnosis,
        }
    }

    /// Its name, or where it was read from.
    pub fn name(&self) -> &str {
        self.summary.name.as_deref().unwrap_or(&self.source)
    }

    /// What two copies of one node share, whenever they were made: its name, and the key of the cluster's CA.
    pub fn identity(&self) -> Option<(&str, &Digest)> {
        Some((self.summary.name.as_deref()?, self.authorities.get("ca")?))
    }

    /// Its name among these: two nodes of one name are distinguished by their paths.
    pub(super) fn label(&self, among: &[&Self]) -> String {
        let namesakes = among.iter().filter(|other| other.name() == self.name()).count();
        if namesakes > 1 { format!("{} ({})", self.name(), self.source) } else { self.name().to_owned() }
    }
}

fn key_digest(spki: &[u8]) -> Option<Digest> {
    public_key_bits(spki).ok().map(|bits| Digest::of(&bits))
}
