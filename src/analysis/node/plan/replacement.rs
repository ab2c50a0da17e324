//! What the replacement of a CA is, as data.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{Dates, KeyPlan};
use crate::formats::certificate::{Certificate, Parts};
use crate::formats::key::{KeyAlgorithm, PrivateKey};
use crate::formats::manifest::splice;
use crate::state::catalog::Ca;
use crate::state::{Component, Snapshot, text};

/// How far a replacement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Both CAs are trusted, and the old leaf certificates stay.
    Trust,
    /// The new one signs all that the old one has signed, too.
    Issue,
    /// The old one is no longer trusted.
    Finish,
}

/// The CA that another control-plane node has made already.
#[derive(Clone, Debug)]
pub struct GivenCa {
    pub certificate: Certificate,
    pub key: PrivateKey,
    /// Where it was read.
    pub source: PathBuf,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Replace {
    pub authority: Ca,
    /// `None` leaves the choice between [`Stage::Trust`] and [`Stage::Issue`] to the plan.
    pub stage: Option<Stage>,
    pub given: Option<Box<GivenCa>>,
}

/// A CA that is replaced.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaReplacement {
    /// kubeadm's name.
    pub name: &'static str,
    #[serde(skip)]
    pub authority: Ca,
    pub stage: Stage,
    pub subject: String,
    /// The CA's certificate file and its key, as configured.
    #[serde(with = "text")]
    pub path: PathBuf,
    #[serde(with = "text")]
    pub key_path: PathBuf,
    /// Every file of this node in which the new one stands beside the old one, or stays alone at the end. Free of links.
    #[serde(serialize_with = "text::list")]
    pub files: Vec<PathBuf>,
    pub signing: Signing,
    /// Validity of the old one, where it can be read.
    pub old: Option<Dates>,
    pub new: Dates,
    /// The new key, where one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyPlan>,
    /// Whether the old key is here and signs.
    #[serde(skip)]
    pub is_working: bool,
    /// The other members of etcd, whose turn comes before what is signed changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// The old ones, as far as they can be read.
    #[serde(skip)]
    pub olds: Vec<Certificate>,
    #[serde(skip)]
    pub given: Option<Box<GivenCa>>,
}

/// A new value for a flag of kube-controller-manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SigningFlag {
    pub name: &'static str,
    pub value: String,
}

/// Where kube-controller-manager finds the certificate that it signs with.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// Its manifest, where flags change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<PathBuf>,
    pub flags: Vec<SigningFlag>,
    /// Files with the new CA alone. Free of links.
    #[serde(serialize_with = "text::list")]
    pub alone: Vec<PathBuf>,
    /// The file that nothing reads any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<PathBuf>,
}

/// A manifest with these flags; `None` where they cannot be replaced in place.
pub fn with_flags(snapshot: &Snapshot, manifest: &Path, flags: &[SigningFlag]) -> Option<Vec<u8>> {
    let mut bytes = snapshot.file(manifest)?.to_vec();
    for flag in flags {
        bytes = splice::with_value(&bytes, Component::ControllerManager.name(), flag.name, &flag.value)?;
    }
    Some(bytes)
}

/// What a plan has to know of a CA that signs. It may not be made yet.
pub(super) struct Issuer {
    pub(super) subject: String,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl From<&Certificate> for Issuer {
    fn from(ca: &Certificate) -> Self {
        let Parts { subject, algorithm, not_before, not_after, .. } = Parts::clone(ca);
        Self { subject, algorithm, not_before, not_after }
    }
}

impl From<&CaReplacement> for Issuer {
    fn from(new: &CaReplacement) -> Self {
        let given = new.given.as_ref().map(|given| given.certificate.algorithm.clone());
        let made = new.key.as_ref().map(|key| key.algorithm.clone());
        Self {
            subject: new.subject.clone(),
            algorithm: given.or(made).unwrap_or(KeyAlgorithm::Rsa(2048)),
            not_before: new.new.not_before,
            not_after: new.new.not_after,
        }
    }
}
