//! What will be done to a node, decided before any key is created: steps, what is skipped and why, what is
//! refused, which components must be restarted. Serialisable; holds no secret.

mod authorities;
mod ca;
mod changes;
mod client;
mod corrections;
mod dates;
mod decide;
mod delivered;
mod due;
mod elsewhere;
mod keys;
mod kubeconfig;
mod kubelet;
mod options;
mod profile;
mod refuse;
mod reissue;
mod repair;
mod replace;
mod replacement;
mod requested;
pub(in crate::analysis) mod restarts;
mod signing;
mod store;
mod store_change;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

pub use self::ca::{CaSelection, CaStep};
pub use self::client::{ClientPlan, ClientRequest, client, server_elsewhere};
pub use self::corrections::Added;
pub use self::decide::decide;
pub use self::delivered::deliver;
pub use self::elsewhere::usage_of;
pub use self::options::{Elsewhere, Options, Selection};
pub use self::profile::Profile;
pub use self::reissue::goes_with_reissue;
pub use self::repair::{Blocker, Condition, Outlook, Repair, kubelet_distrusts};
pub use self::replacement::{CaReplacement, GivenCa, Replace, Signing, SigningFlag, Stage, with_flags};
pub use self::requested::more_than_kubeadm;
pub use self::restarts::{RestartReason, RestartTask, Restarts};
pub use self::store_change::{StoreAction, StoreChange};
use super::facts::Fact;
use super::readers::Narrowed;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::formats::san::San;
use crate::state::Code;
use crate::state::Subject;
use crate::state::catalog::{Ca, Usage};
use crate::state::time::minute;

/// Seconds by which a new certificate is backdated, as by kubeadm ≥1.31 and the cluster's signer.
pub const BACKDATE_SECONDS: i64 = 300;
/// Validity of a new leaf certificate in days: kubeadm's 8760 hours.
pub const DEFAULT_DAYS: u32 = 365;
/// Validity of a renewed CA certificate in days: kubeadm's ten years (`CertificateAuthorityValidity`).
pub const DEFAULT_CA_DAYS: u32 = 3650;

/// A validity period, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dates {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// Why a certificate is reissued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Action {
    /// The old certificate is the template.
    Renew,
    /// There is no usable one: the template is the catalog with the node's facts.
    Issue {
        /// What is wrong with the old one.
        because: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPlan {
    pub algorithm: KeyAlgorithm,
    pub encoding: KeyEncoding,
    pub reuse: bool,
}

/// Where a new certificate and its key are written. Paths are free of links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Target {
    Pair {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// Values inside an existing kubeconfig.
    Splice {
        file: PathBuf,
        /// Its CA is replaced by the node's.
        authority: bool,
        /// The context that is this cluster's, where the current one is another's.
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<String>,
    },
    NewKubeconfig {
        file: PathBuf,
        server: String,
        cluster: String,
    },
    /// A dated PEM file of the kubelet, and the link to it.
    KubeletPem {
        /// `kubelet-client-current.pem` or `kubelet-server-current.pem`.
        link: PathBuf,
        /// The dated file: the link's new target, absolute, as the kubelet writes it.
        file: PathBuf,
    },
}

impl Target {
    /// Whether both would write the same file, for example through a link.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.files().iter().any(|file| other.files().contains(file))
    }

    fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::Pair { certificate, key } => vec![certificate, key],
            Self::Splice { file, .. } | Self::NewKubeconfig { file, .. } => vec![file],
            Self::KubeletPem { link, file } => vec![link, file],
        }
    }

    /// The file that a new key is written to.
    pub(super) fn key_file(&self) -> &PathBuf {
        match self {
            Self::Pair { key: file, .. }
            | Self::Splice { file, .. }
            | Self::NewKubeconfig { file, .. }
            | Self::KubeletPem { file, .. } => file,
        }
    }

    /// The path to show.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Pair { certificate, .. } => certificate,
            Self::Splice { file, .. } | Self::NewKubeconfig { file, .. } => file,
            Self::KubeletPem { link, .. } => link,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    Ca(Ca),
    /// A CA with this common name, created for this one certificate; its key is not kept.
    Own(String),
}

impl SignedBy {
    /// kubeadm's name of the CA, or the common name of the created one.
    pub fn name(&self) -> &str {
        match self {
            Self::Ca(authority) => authority.name(),
            Self::Own(name) => name,
        }
    }

    /// The CA, if it is one of the cluster's.
    pub fn authority(&self) -> Option<Ca> {
        match self {
            Self::Ca(authority) => Some(*authority),
            Self::Own(_) => None,
        }
    }
}

impl Serialize for SignedBy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// kubeadm's name.
    pub name: String,
    /// kubeadm's description of it.
    #[serde(skip)]
    pub long_name: &'static str,
    pub action: Action,
    pub target: Target,
    pub authority: SignedBy,
    pub subject: String,
    pub names: Vec<String>,
    /// Those of `names` that the old certificate doesn't have, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Added>,
    /// Names of the old certificate, or the catalog, that it will not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<San>,
    /// The catalog's usage, where the old one is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The files of its key that fewer users may read than before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub narrowed: Vec<Narrowed>,
    pub key: KeyPlan,
    /// Validity of the old certificate, if there is one.
    pub old: Option<Dates>,
    pub new: Dates,
    /// It expires with its CA, before the requested days.
    pub cut_to_authority: bool,
    pub notes: Vec<String>,
    /// The old certificate, if it is the template.
    #[serde(skip)]
    pub template: Option<Certificate>,
    /// What to issue, if there is no template.
    #[serde(skip)]
    pub profile: Option<Profile>,
}

impl Step {
    /// As findings name it.
    pub fn subject(&self) -> Subject {
        (&self.name).into()
    }
}

/// A leaf certificate that is not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    pub name: String,
    #[serde(skip)]
    pub long_name: &'static str,
    pub why: Why,
    pub needs_person: bool,
}

/// Why a leaf certificate is not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind", content = "detail")]
pub enum Why {
    /// It doesn't exist, and not every node has it.
    NotOnThisNode,
    /// Its CA cannot sign; kubeadm calls it external if only the key is missing.
    Ca {
        #[serde(serialize_with = "by_name")]
        authority: Ca,
        /// The code of the finding or the refusal.
        code: Code,
        what: String,
        external: bool,
    },
    /// The kubeconfig does not embed a certificate.
    NotEmbedded(String),
    Unknown(String),
    /// Another program creates it.
    NotOurs(String),
    /// It is valid for longer than was asked for, or a new one would expire with its CA just as soon.
    NotDue {
        until: Timestamp,
    },
}

fn in_seconds<S: Serializer>(
    validity: &Option<Fact<SignedDuration>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let seconds =
        |fact: &Fact<SignedDuration>| Fact { value: fact.value.as_secs(), source: fact.source.clone() };
    validity.as_ref().map(seconds).serialize(serializer)
}

fn by_name<S: Serializer>(authority: &Ca, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(authority.name())
}

impl std::fmt::Display for Why {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOnThisNode => out.write_str("not on this node, and not every node has it"),
            Self::Ca { authority, what, .. } => {
                write!(out, "the CA {} cannot sign: {what}", authority.name())
            }
            Self::NotEmbedded(what) | Self::Unknown(what) | Self::NotOurs(what) => out.write_str(what),
            Self::NotDue { until } => write!(out, "not due, valid until {}", minute(*until)),
        }
    }
}

/// Something that is refused for safety.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub code: Code,
    pub what: String,
    pub hint: String,
    /// `--partial` continues without what this blocks.
    pub partial_helps: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub node: Option<Fact<String>>,
    pub pki_dir: Fact<PathBuf>,
    /// Whether etcd is a static pod of this node.
    pub local_etcd: Fact<bool>,
    /// The start of all new certificates, before backdating.
    pub at: Timestamp,
    /// CA certificates to be reissued with their own keys, before anything is signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<CaStep>,
    /// The CA that is replaced by a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<CaReplacement>,
    /// What kube-controller-manager signs with, where it has a file that it doesn't take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Validity of kubeadm's new certificates, where kubeadm-config says it: in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_seconds")]
    pub validity: Option<Fact<SignedDuration>>,
    /// Certificates to be created, in kubeadm's order.
    pub steps: Vec<Step>,
    /// The kubelet's kubeconfig, where only the CA in it is replaced by this node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
    /// What is done to the kubelet's store without a new certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub store: Vec<StoreChange>,
    pub skipped: Vec<Skipped>,
    pub refusals: Vec<Refusal>,
    pub restarts: Restarts,
    pub repair: Repair,
}

impl Plan {
    /// Whether it changes no file.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
            && self.replacement.is_none()
            && self.signing.is_none()
            && self.steps.is_empty()
            && self.trust.is_none()
            && self.store.is_empty()
    }

    /// Whether it changes no file because what could be renewed isn't due.
    pub fn is_nothing_due(&self) -> bool {
        self.is_empty() && self.skipped.iter().any(|skipped| matches!(skipped.why, Why::NotDue { .. }))
    }

    /// Why the change is not all that the node needs: with any of these it is reported as incomplete (exit code 4).
    pub fn manual_actions(&self) -> Vec<ManualAction<'_>> {
        let skipped = self.skipped.iter().filter(|skipped| skipped.needs_person).map(ManualAction::Skipped);
        skipped.chain(self.steps.iter().filter_map(|step| self.manual_action_of(step))).collect()
    }

    /// What one step leaves to a person.
    pub fn manual_action_of<'a>(&self, step: &'a Step) -> Option<ManualAction<'a>> {
        match &step.target {
            Target::Splice { file, context: Some(context), .. } => {
                Some(ManualAction::OtherContext { step, file, context })
            }
            _ => (step.authority == SignedBy::Ca(Ca::Etcd) && !self.local_etcd.value)
                .then_some(ManualAction::EtcdElsewhere(step)),
        }
    }
}

/// What a person has to see to after the change.
#[derive(Clone, Copy, Debug)]
pub enum ManualAction<'a> {
    Skipped(&'a Skipped),
    /// The current context of the kubeconfig `file` is another cluster's; `context` is this cluster's.
    OtherContext {
        step: &'a Step,
        file: &'a Path,
        context: &'a str,
    },
    /// etcd's own certificates are not seen on this node.
    EtcdElsewhere(&'a Step),
}

#[cfg(test)]
mod tests;
