//! Who trusts whom on a node: private key → certificate → issuer → anchor → consumer, each link verified, and
//! what breaks when one is gone.
//!
//! Built from a snapshot, its inventory and a time. Nodes refer to each other by index, so the graph is
//! serialised as it is. The same certificate or key is one node, wherever its copies are: a CA embedded in a
//! kubeconfig is the one in `ca.crt` if name and key are the same. Holds no secret: of a private key only the
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// The time of evaluation; `time` in JSON.
    #[serde(skip)]
    pub at: Timestamp,
    /// Each is at the index that is its `id`.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

impl Graph {
    /// The graph of a node. `inventory` was read from `snapshot`, which also holds files that flags name and
    /// that aren't kubeadm's.
    pub fn read(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Self {
        build::graph(snapshot, inventory, now)
    }

    pub fn node(&self, id: usize) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The edges that are wrong, each with its fault.
    pub fn faults(&self) -> impl Iterator<Item = (&Edge, &Fault)> {
        self.edges.iter().filter_map(|edge| Some((edge, edge.fault.as_ref()?)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its index in [`Graph::nodes`].
    pub id: usize,
    #[serde(flatten)]
    pub kind: Kind,
    /// What breaks if it is missing, expired or rejected. `None` for consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_gone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// A key, or its public half.
    Key(Key),
    /// A certificate that a component presents.
    Certificate(Leaf),
    /// A CA: a name and a key, and all known certificates of them.
    Ca(Anchor),
    /// A component's flag or configuration field that uses one of them.
    Consumer(Consumer),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    #[serde(with = "text")]
    pub path: PathBuf,
    /// The field in it, if the file is a kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.field.map_or(Ok(()), |field| write!(f, " {field}"))
    }
}

/// The state of a key or a certificate at the time of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It exists, and a certificate is within its dates.
    Valid,
    Expired,
    /// Its notBefore is in the future.
    NotYetValid,
    /// It is used as a CA, and isn't one.
    NotAnAuthority,
    /// There is a file that can't be used.
    Unreadable,
    /// There is no such file.
    Missing,
    /// It is referred to, but nowhere on this node; this may be intended.
    Unknown,
}

/// A key, identified by its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Name of its certificate, or a path.
    pub name: String,
    /// `valid`, `unreadable`, `missing`, or `unknown` if it is elsewhere on purpose.
    pub state: State,
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
    /// Where the public half is in a file of its own (`sa.pub`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_places: Vec<Place>,
}

/// A certificate that a component presents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaf {
    /// kubeadm's name, or the kubelet's, or a path.
    pub name: String,
    /// Its name in the catalog, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    pub state: State,
    /// Why it can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where it is, or should be.
    pub places: Vec<Place>,
    /// SHA-256 of its public key, as in [`Key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_sha256: Option<Digest>,
    /// Its fields; `None` if it can't be read.
    #[serde(flatten)]
    pub summary: Option<CertSummary>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchor {
    /// kubeadm's name, or its common name, or a path.
    pub name: String,
    /// Its name in the catalog, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The state of its first certificate.
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Subject as text; for an unknown CA the issuer that a certificate names.
    pub subject: String,
    /// SHA-256 of its public key, as in [`Key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_sha256: Option<Digest>,
    /// Where it should be, if it has no certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// More than one after a renewal with the same key: the node's own is first.
    pub certificates: Vec<Copied>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    pub state: State,
    pub places: Vec<Place>,
    #[serde(flatten)]
    pub summary: CertSummary,
}

/// What uses a key, a certificate or a CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// A static pod, `kubelet`, `kubectl`.
    pub component: String,
    /// The flags or fields that name it, the most important one first.
    pub fields: Vec<String>,
    /// Where these were read: a manifest, the kubelet's configuration, a kubeconfig.
    #[serde(with = "text")]
    pub source: PathBuf,
    #[serde(with = "text")]
    pub file: PathBuf,
}

impl Consumer {
    /// Component and first field, as `kube-apiserver --tls-cert-file`.
    pub fn label(&self) -> String {
        let field = self.fields.first().map_or("", String::as_str);
        format!("{} {field}", self.component)
    }
}

/// A connection of two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub relation: Relation,
    /// The field of a kubeconfig that makes the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Which of a CA's certificates its consumer holds, if it isn't the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// From a key to the certificate or CA beside it; a fault if it belongs to another.
    KeyOf,
    /// From a certificate to the CA that signed it; verified.
    SignedBy,
    /// From a certificate to the CA that it names as its issuer; the signature differs, or can't be verified.
    ClaimsIssuer,
    /// From a CA to a consumer that accepts what it signed.
    TrustedBy,
    /// From a certificate to the consumer that presents it.
    PresentedBy,
    /// From a key or a CA to a consumer that signs or verifies with it.
    UsedBy,
    /// From the key that signs tokens to the public half that verifies them; always a fault, because they are
    /// one node if they match.
    CheckedWith,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub kind: FaultKind,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The key belongs to another certificate.
    KeyOfAnother,
    KeyMissing,
    /// There is a key file that can't be used.
    KeyUnreadable,
    /// Not signed by the expected CA.
    NotSignedBy,
    /// Its issuer is nowhere on this node.
    UnknownIssuer,
    /// The consumer holds another certificate of the CA than this node's, and that one isn't valid.
    OldCopy,
    /// The other side of the connection doesn't trust the signer.
    NotTrusted,
    /// The public half of another key.
    PublicHalfOfAnother,
}
