//! Who trusts whom on a node: private key → certificate → issuer → anchor → consumer, each link checked, and what
//! breaks when one is gone.
//!
//! A value made of a snapshot, its inventory and a time. Nodes know each other by index, so it is serialised as it is.
//! What is the same certificate or the same key is one node, wherever copies of it lie: an authority that is embedded in
//! a kubeconfig is the one in `ca.crt` if name and key are the same. It holds no secret: of a private key only the
//! digest of its public half.

mod build;
mod consequence;
mod consumers;
mod files;
mod flags;
mod issuers;
mod join;
mod leftovers;
mod read;
mod rows;

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::node::inventory::Inventory;
use crate::formats::certificate::CertSummary;
use crate::formats::key::KeyAlgorithm;
use crate::state::{Digest, Snapshot, text};

/// The trust graph of a node at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// The time of asking; the `time` of the document.
    #[serde(skip)]
    pub at: Timestamp,
    /// Keys, certificates, authorities and consumers; each stands at the index that is its `id`.
    pub nodes: Vec<Node>,
    /// What connects them.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// The graph of a node. `snapshot` is what `inventory` was read of: files that a flag names and that are none of
    /// kubeadm's are read there.
    pub fn read(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Self {
        build::graph(snapshot, inventory, now)
    }

    /// The node of this id.
    pub fn node(&self, id: usize) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The edges that are wrong, each with its fault.
    pub fn faults(&self) -> impl Iterator<Item = (&Edge, &Fault)> {
        self.edges.iter().filter_map(|edge| Some((edge, edge.fault.as_ref()?)))
    }
}

/// A key, a certificate, an authority or a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its index in [`Graph::nodes`].
    pub id: usize,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// What breaks if it is gone: missing, ended or no longer accepted. Consumers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_gone: Option<String>,
}

/// What a node of the graph is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// A key, or the public half of one.
    Key(Key),
    /// A certificate that somebody presents.
    Certificate(Leaf),
    /// A certificate authority: a name and a key, and every certificate that is known of them.
    Ca(Anchor),
    /// A component's flag or configuration field that uses one of them.
    Consumer(Consumer),
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// The field in it, where the file is a kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.field.map_or(Ok(()), |field| write!(f, " {field}"))
    }
}

/// What can be said of a key or a certificate at the time of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there, and a certificate is within its dates.
    Valid,
    /// Its end has passed.
    Ended,
    /// Its start is still to come.
    NotYetValid,
    /// It stands where an authority should, and isn't one.
    NotAnAuthority,
    /// There is a file that can't be used.
    Unreadable,
    /// There is no such file.
    Missing,
    /// Something names it, and it is nowhere on this node; which may be meant so.
    Unknown,
}

/// A key, known by its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Name of what it belongs to, or a path.
    pub name: String,
    /// `valid`, `unreadable`, `missing`, or `unknown` where it is meant to be elsewhere.
    pub state: State,
    /// Why it can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// SHA-256 of the public half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_sha256: Option<Digest>,
    /// Algorithm and size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// Where the private key is, or should be.
    pub places: Vec<Place>,
    /// Where the public half is by itself (`sa.pub`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_places: Vec<Place>,
}

/// A certificate that somebody presents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaf {
    /// kubeadm's name, or the kubelet's, or a path.
    pub name: String,
    /// Its name in the catalog, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Its state at the time of asking.
    pub state: State,
    /// Why it can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where it is, or should be.
    pub places: Vec<Place>,
    /// SHA-256 of its public key, as of [`Key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_sha256: Option<Digest>,
    /// What it says; nothing where it can't be read.
    #[serde(flatten)]
    pub summary: Option<CertSummary>,
}

/// A certificate authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchor {
    /// kubeadm's name, or its common name, or a path.
    pub name: String,
    /// Its name in the catalog, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Its state at the time of asking: that of the first of its certificates.
    pub state: State,
    /// Why it can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Subject as text; of an unknown authority the issuer that a certificate names.
    pub subject: String,
    /// SHA-256 of its public key, as of [`Key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_sha256: Option<Digest>,
    /// Where it should be, when there is no certificate of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Its certificates. More than one after it was renewed with the same key: the node's own is first.
    pub certificates: Vec<Copied>,
}

/// One certificate of an authority, and where copies of it are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// Its state at the time of asking.
    pub state: State,
    /// Where copies of it are.
    pub places: Vec<Place>,
    /// What it says.
    #[serde(flatten)]
    pub summary: CertSummary,
}

/// What uses a key, a certificate or an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// Who: a static pod, `kubelet`, `kubectl`.
    pub component: String,
    /// The flags or fields that name it, the deciding one first.
    pub fields: Vec<String>,
    /// Where these were read: a manifest, the kubelet's configuration, a kubeconfig.
    #[serde(with = "text")]
    pub source: PathBuf,
    /// The file that they name.
    #[serde(with = "text")]
    pub file: PathBuf,
}

impl Consumer {
    /// Component and deciding field, as `kube-apiserver --tls-cert-file`.
    pub fn label(&self) -> String {
        let field = self.fields.first().map_or("", String::as_str);
        format!("{} {field}", self.component)
    }
}

/// A connection of two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Id of the node that it starts from.
    pub from: usize,
    /// Id of the node that it leads to.
    pub to: usize,
    /// What it means.
    pub relation: Relation,
    /// The field of a kubeconfig by which it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Which of an authority's certificates its consumer holds, where it isn't the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<usize>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// From a key to the certificate or authority beside which it lies; a fault where it belongs to another.
    KeyOf,
    /// From a certificate to the authority whose signature it bears; checked.
    SignedBy,
    /// From a certificate to the authority that it names as its issuer; the signature doesn't say so, or can't be
    /// checked.
    ClaimsIssuer,
    /// From an authority to a consumer that accepts what it signed.
    TrustedBy,
    /// From a certificate to the consumer that proves with it who it is.
    PresentedBy,
    /// From a key or an authority to a consumer that signs or checks with it.
    UsedBy,
    /// From the key with which tokens are signed to the public half with which they are checked; always a fault,
    /// because the two are one node where they fit.
    CheckedWith,
}

/// What is wrong with an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Of what kind.
    pub kind: FaultKind,
    /// In plain words.
    pub why: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The key belongs to another certificate.
    KeyOfAnother,
    /// There is no key.
    KeyMissing,
    /// There is a key file that can't be used.
    KeyUnreadable,
    /// Not signed by the authority that should have signed it.
    NotSignedBy,
    /// Its issuer is nowhere on this node.
    UnknownIssuer,
    /// The consumer holds another certificate of the authority than this node's, and that isn't valid.
    OldCopy,
    /// The other side of the connection doesn't trust the signer.
    NotTrusted,
    /// The public half is that of another key.
    PublicHalfOfAnother,
}
