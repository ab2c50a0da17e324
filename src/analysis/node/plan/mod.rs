//! What will be done to a node, decided before any key is made: steps, what is skipped and why, what is
//! refused, which components have to be restarted. Serialisable; holds no secret.

mod decide;
mod kubelet;
mod profile;
mod refuse;
mod repair;
pub(in crate::analysis) mod restarts;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

pub use self::decide::decide;
pub use self::profile::Profile;
pub use self::repair::{Blocker, Condition, Outlook, Repair, goes_with_reissue};
pub use self::restarts::{RestartReason, RestartTask, Restarts};
use super::facts::Fact;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::state::Code;
use crate::state::catalog::{Ca, CertSpec};

/// Seconds by which a new certificate starts before now, as kubeadm ≥1.31 and the cluster's signer do.
pub const BACKDATE_SECONDS: i64 = 300;
/// Days that a new leaf lives unless told otherwise: kubeadm's 8760 hours.
pub const DEFAULT_DAYS: u32 = 365;

/// What the operator asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which leafs.
    pub selection: Selection,
    /// Renew the kubelet's certificates too, even if they have not expired.
    pub kubelet: bool,
    /// Keep the keys that are there.
    pub reuse_keys: bool,
    /// Lifetime of the new leafs in days.
    pub days: u32,
    /// Go on without the leafs whose authority cannot sign.
    pub partial: bool,
    /// Blockers that are known and accepted: the plan goes on in spite of them.
    pub accept: Vec<Code>,
    /// The node has to work afterwards: a blocker that reissuing doesn't repair, and that is no matter of credentials,
    /// stops the plan.
    pub whole_node: bool,
}

impl Options {
    /// What `recover` does unless told otherwise.
    pub fn recovery() -> Self {
        Self {
            selection: Selection::All,
            kubelet: false,
            reuse_keys: false,
            days: DEFAULT_DAYS,
            partial: false,
            accept: Vec::new(),
            whole_node: true,
        }
    }
}

/// Which leaf certificates are renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything, and those of the kubelet's certificates that are of no use any more.
    All,
    /// One kubeadm leaf.
    One(&'static CertSpec),
    /// Only the kubelet's client certificate.
    Kubelet,
    /// Only the kubelet's serving certificate.
    KubeletServing,
}

/// A validity period, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dates {
    /// Start.
    pub not_before: Timestamp,
    /// End.
    pub not_after: Timestamp,
}

/// Why a certificate is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Action {
    /// The old certificate is the template.
    Renew,
    /// There is no usable one: the catalog and the node's facts are.
    Issue {
        /// What is wrong with the old one.
        because: String,
    },
}

/// The key of a new certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPlan {
    /// Algorithm and size.
    pub algorithm: KeyAlgorithm,
    /// How it is wrapped in its file.
    pub encoding: KeyEncoding,
    /// The key that is there stays.
    pub reuse: bool,
}

/// Where a new certificate and its key go. Paths are free of links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Target {
    /// Two PEM files.
    Pair {
        /// The certificate's.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// Values inside an existing kubeconfig.
    Splice {
        /// The kubeconfig.
        file: PathBuf,
        /// Its CA is replaced by the node's.
        authority: bool,
    },
    /// A kubeconfig written anew.
    NewKubeconfig {
        /// The kubeconfig.
        file: PathBuf,
        /// URL of the API server.
        server: String,
        /// Name of the cluster.
        cluster: String,
    },
    /// A dated PEM file of the kubelet and the link to it.
    KubeletPem {
        /// `kubelet-client-current.pem` or `kubelet-server-current.pem`.
        link: PathBuf,
        /// The dated file: what the link will lead to, absolute, as the kubelet writes it.
        file: PathBuf,
    },
}

impl Target {
    /// Whether both would write a file in common, as where one is a link to the other.
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

    /// The file that a person would look at.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Pair { certificate, .. } => certificate,
            Self::Splice { file, .. } | Self::NewKubeconfig { file, .. } => file,
            Self::KubeletPem { link, .. } => link,
        }
    }
}

/// Who signs a new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// An authority of the cluster.
    Ca(Ca),
    /// An authority of this common name that is made for the one certificate; its key is not kept.
    Own(String),
}

impl SignedBy {
    /// kubeadm's name of the authority, or the common name of the one that is made.
    pub fn name(&self) -> &str {
        match self {
            Self::Ca(authority) => authority.name(),
            Self::Own(name) => name,
        }
    }

    /// The authority of the cluster, where it is one.
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

/// One certificate to be made.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// kubeadm's name.
    pub name: String,
    /// kubeadm's words for it.
    #[serde(skip)]
    pub long_name: &'static str,
    /// Renewed or issued.
    pub action: Action,
    /// Where it goes.
    pub target: Target,
    /// Who signs.
    pub authority: SignedBy,
    /// Subject, as text.
    pub subject: String,
    /// Subject alternative names.
    pub names: Vec<String>,
    /// Its key.
    pub key: KeyPlan,
    /// Validity of the old certificate, where there is one.
    pub old: Option<Dates>,
    /// Validity of the new one.
    pub new: Dates,
    /// It ends with its authority, before the days that were asked for.
    pub cut_to_authority: bool,
    /// What else the operator should know.
    pub notes: Vec<String>,
    /// The old certificate, where it is the template.
    #[serde(skip)]
    pub template: Option<Certificate>,
    /// What to issue, where there is no template.
    #[serde(skip)]
    pub profile: Option<Profile>,
}

/// A leaf that is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// kubeadm's name.
    pub name: String,
    /// kubeadm's words for it.
    #[serde(skip)]
    pub long_name: &'static str,
    /// Why.
    pub why: Why,
    /// Whether somebody has to see to it.
    pub needs_person: bool,
}

/// Why a leaf is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind", content = "detail")]
pub enum Why {
    /// Not there, and not every node has it.
    NotOnThisNode,
    /// Its authority cannot sign; kubeadm calls it external where only the key is missing.
    Ca {
        /// kubeadm's base name of the authority.
        base: &'static str,
        /// The finding, or the refusal.
        code: Code,
        /// What the authority lacks.
        what: String,
        /// The key is not on this node.
        external: bool,
    },
    /// The kubeconfig does not embed a certificate.
    NotEmbedded(String),
    /// Something that would be needed is not known.
    Unknown(String),
    /// Somebody else makes it.
    NotOurs(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOnThisNode => out.write_str("not on this node, and not every node has it"),
            Self::Ca { base, what, .. } => write!(out, "the CA {base} cannot sign: {what}"),
            Self::NotEmbedded(what) | Self::Unknown(what) | Self::NotOurs(what) => out.write_str(what),
        }
    }
}

/// Something that is not done, for safety.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Stable code.
    pub code: Code,
    /// What is wrong, in plain words.
    pub what: String,
    /// What to do.
    pub hint: String,
    /// `--partial` goes on without what this blocks.
    pub partial_helps: bool,
}

/// What will be done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The node.
    pub node: Option<Fact<String>>,
    /// Its PKI directory.
    pub pki_dir: Fact<PathBuf>,
    /// Whether etcd is a static pod of it.
    pub local_etcd: Fact<bool>,
    /// The time that all new certificates start from.
    pub at: Timestamp,
    /// Certificates to be made, in kubeadm's order.
    pub steps: Vec<Step>,
    /// What is left as it is.
    pub skipped: Vec<Skipped>,
    /// What stops the plan.
    pub refusals: Vec<Refusal>,
    pub restarts: Restarts,
    /// What becomes of the node's blockers.
    pub repair: Repair,
}

impl Plan {
    /// Whether somebody has to see to what is left out.
    pub fn needs_action(&self) -> bool {
        self.skipped.iter().any(|skipped| skipped.needs_person)
    }
}
