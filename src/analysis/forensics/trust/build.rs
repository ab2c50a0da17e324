//! Building the graph: the same certificate or key becomes one node, by content.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Anchor, Copied, Edge, Graph, Key, Kind, Leaf, Node, Place, Relation, State};
use crate::analysis::node::inventory::{Inventory, Parsed};
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, PrivateKey, public_key_bits};
use crate::state::{Digest, Snapshot};

/// The graph of a node; see [`Graph::read`].
pub(super) fn graph(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Graph {
    let mut builder = Builder::new(snapshot, now);
    builder.take_inventory(inventory);
    builder.take_consumers(inventory);
    builder.take_the_rest_of(&inventory.facts.pki_dir.value);
    builder.pair_lone_keys();
    builder.find_issuers();
    builder.check_meetings();
    builder.tell_consequences(inventory);
    Graph { at: now, nodes: builder.nodes, edges: builder.edges }
}

/// A CA's node, and which of its certificates.
pub(super) type CopyOf = (usize, usize);

/// A kubeconfig in the graph.
#[derive(Clone)]
pub(super) struct Connected {
    /// The client certificate's node and the field that refers to it.
    pub(super) leaf: (usize, &'static str),
    /// The CAs that it trusts and the field that refers to them.
    pub(super) trusts: (Vec<CopyOf>, &'static str),
}

pub(super) struct Builder<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    /// The certificate of a leaf, or the first certificate of a CA.
    pub(super) parsed: HashMap<usize, Cow<'a, Certificate>>,
    /// Issuer → the CAs of that name.
    pub(super) by_subject: HashMap<Vec<u8>, Vec<usize>>,
    /// Leaf certificates and the file of the CA that should have signed them.
    pub(super) expected: Vec<(usize, &'static str, PathBuf)>,
    /// File → the CAs in it.
    pub(super) bundles: HashMap<PathBuf, Vec<CopyOf>>,
    /// Kubeconfig → its content.
    pub(super) connections: HashMap<PathBuf, Connected>,
    /// Files that have been read.
    pub(super) seen: HashSet<PathBuf>,
    embedded: HashMap<Digest, Vec<CopyOf>>,
    keys: HashMap<Digest, usize>,
    leaves: HashMap<Digest, usize>,
    authorities: HashMap<(Vec<u8>, Digest), usize>,
    copies: HashMap<Digest, CopyOf>,
    lost: HashMap<(&'static str, Place), usize>,
    placed: HashSet<(usize, Place)>,
    pub(super) consumers: HashMap<(String, PathBuf, PathBuf, String), usize>,
    pub(super) joined: HashMap<(usize, usize, Relation), usize>,
}

impl<'a> Builder<'a> {
    fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        Self {
            snapshot,
            now,
            nodes: Vec::new(),
            edges: Vec::new(),
            parsed: HashMap::new(),
            by_subject: HashMap::new(),
            expected: Vec::new(),
            bundles: HashMap::new(),
            connections: HashMap::new(),
            seen: HashSet::new(),
            embedded: HashMap::new(),
            keys: HashMap::new(),
            leaves: HashMap::new(),
            authorities: HashMap::new(),
            copies: HashMap::new(),
            lost: HashMap::new(),
            placed: HashSet::new(),
            consumers: HashMap::new(),
            joined: HashMap::new(),
        }
    }

    pub(super) fn push(&mut self, kind: Kind) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node { id, kind, if_gone: None });
        id
    }

    pub(super) fn kind(&self, id: usize) -> Option<&Kind> {
        self.nodes.get(id).map(|node| &node.kind)
    }

    /// Records a path of a node, once for each place.
    fn place(&mut self, id: usize, copy: usize, place: Place) {
        self.seen.insert(place.path.clone());
        if !self.placed.insert((id, place.clone())) {
            return;
        }
        match self.nodes.get_mut(id).map(|node| &mut node.kind) {
            Some(Kind::Key(key)) => key.places.push(place),
            Some(Kind::Certificate(leaf)) => leaf.places.push(place),
            Some(Kind::Ca(anchor)) => match anchor.certificates.get_mut(copy) {
                Some(copy) => copy.places.push(place),
                None => anchor.places.push(place),
            },
            Some(Kind::Consumer(_)) | None => {}
        }
    }

    /// The node of something missing or unusable: one for each place.
    pub(super) fn lost(
        &mut self,
        what: &'static str,
        place: Place,
        make: impl FnOnce(State, Option<String>) -> Kind,
        why: Option<&str>,
    ) -> usize {
        if let Some(id) = self.lost.get(&(what, place.clone())) {
            return *id;
        }
        let state = if why.is_some() { State::Unreadable } else { State::Missing };
        let id = self.push(make(state, why.map(str::to_owned)));
        self.lost.insert((what, place.clone()), id);
        self.place(id, 0, place);
        id
    }

    pub(super) fn state(&self, certificate: &Certificate) -> State {
        if certificate.expired_at(self.now) {
            State::Expired
        } else if certificate.not_yet_valid_at(self.now) {
            State::NotYetValid
        } else {
            State::Valid
        }
    }

    pub(super) fn private_key(&mut self, name: &str, key: &Parsed<PrivateKey>, place: Place) -> usize {
        let lost = |name: &str| {
            let name = name.to_owned();
            move |state, why| {
                let (places, public_places) = (Vec::new(), Vec::new());
                Kind::Key(Key {
                    name,
                    state,
                    why,
                    public_sha256: None,
                    algorithm: None,
                    places,
                    public_places,
                })
            }
        };
        match key {
            Parsed::Missing => self.lost("key", place, lost(name), None),
            Parsed::Unreadable(why) => self.lost("key", place, lost(name), Some(why)),
            Parsed::Present(key) => match public_sha256(key.spki()) {
                Some(digest) => {
                    let id = self.known_key(name, digest, key.algorithm.clone());
                    self.place(id, 0, place);
                    id
                }
                None => self.lost("key", place, lost(name), Some("its public half can't be read")),
            },
        }
    }

    /// The node of a public key in a file of its own.
    pub(super) fn public_key(&mut self, name: &str, spki: &[u8], place: Place) -> Option<usize> {
        let algorithm = KeyAlgorithm::of_spki(spki).ok()?;
        let id = self.known_key(name, public_sha256(spki)?, algorithm);
        self.seen.insert(place.path.clone());
        if self.placed.insert((id, place.clone()))
            && let Some(Kind::Key(key)) = self.nodes.get_mut(id).map(|node| &mut node.kind)
        {
            key.public_places.push(place);
        }
        Some(id)
    }

    fn known_key(&mut self, name: &str, digest: Digest, algorithm: KeyAlgorithm) -> usize {
        if let Some(id) = self.keys.get(&digest) {
            return *id;
        }
        let id = self.push(Kind::Key(Key {
            name: name.to_owned(),
            state: State::Valid,
            why: None,
            public_sha256: Some(digest),
            algorithm: Some(algorithm),
            places: Vec::new(),
            public_places: Vec::new(),
        }));
        self.keys.insert(digest, id);
        id
    }

    /// The node of a certificate that a component presents.
    pub(super) fn leaf(
        &mut self,
        name: &str,
        role: Option<&'static str>,
        certificate: Parsed<Cow<'a, Certificate>>,
        place: Place,
    ) -> usize {
        let make = |state, why, summary, public_sha256| {
            let (name, places) = (name.to_owned(), Vec::new());
            Kind::Certificate(Leaf { name, role, state, why, places, public_sha256, summary })
        };
        let certificate = match certificate {
            Parsed::Missing => {
                return self.lost("leaf", place, |state, why| make(state, why, None, None), None);
            }
            Parsed::Unreadable(reason) => {
                return self.lost("leaf", place, |state, why| make(state, why, None, None), Some(&reason));
            }
            Parsed::Present(certificate) => certificate,
        };
        let summary = certificate.summary();
        let id = match self.leaves.get(&summary.fingerprint) {
            Some(id) => *id,
            None => {
                let fingerprint = summary.fingerprint;
                let state = self.state(&certificate);
                let id = self.push(make(state, None, Some(summary), public_sha256(&certificate.spki)));
                self.leaves.insert(fingerprint, id);
                self.parsed.insert(id, certificate);
                id
            }
        };
        self.place(id, 0, place);
        id
    }

    /// The node of a CA that should be at `place` and isn't.
    pub(super) fn lost_authority(
        &mut self,
        name: &str,
        role: Option<&'static str>,
        why: Option<&str>,
        place: Place,
    ) -> usize {
        let make = |state, why| {
            let (name, subject) = (name.to_owned(), String::new());
            let (places, certificates) = (Vec::new(), Vec::new());
            Kind::Ca(Anchor { name, role, state, why, subject, public_sha256: None, places, certificates })
        };
        self.lost("authority", place, make, why)
    }

    /// The node of a CA, with this certificate added to its own.
    pub(super) fn authority(
        &mut self,
        name: Option<&str>,
        role: Option<&'static str>,
        certificate: Cow<'a, Certificate>,
        place: Place,
    ) -> CopyOf {
        let summary = certificate.summary();
        if let Some((id, copy)) = self.copies.get(&summary.fingerprint).copied() {
            self.place(id, copy, place);
            return (id, copy);
        }
        let (fingerprint, state) = (summary.fingerprint, self.state(&certificate));
        let public = public_sha256(&certificate.spki);
        let same = (certificate.subject_der.clone(), public.unwrap_or(fingerprint));
        let id = match self.authorities.get(&same) {
            Some(id) => *id,
            None => {
                let not_one = role.is_some() && !certificate.is_ca;
                let common_name = Some(certificate.common_name()).filter(|name| !name.is_empty());
                let id = self.push(Kind::Ca(Anchor {
                    name: name.or(common_name).unwrap_or(&certificate.subject).to_owned(),
                    role,
                    state: if not_one { State::NotAnAuthority } else { state },
                    why: not_one.then(|| "its certificate is not that of a CA".to_owned()),
                    subject: certificate.subject.clone(),
                    public_sha256: public,
                    places: Vec::new(),
                    certificates: Vec::new(),
                }));
                self.by_subject.entry(certificate.subject_der.clone()).or_default().push(id);
                self.authorities.insert(same, id);
                self.parsed.insert(id, certificate);
                id
            }
        };
        let mut copy = 0;
        if let Some(Kind::Ca(anchor)) = self.nodes.get_mut(id).map(|node| &mut node.kind) {
            copy = anchor.certificates.len();
            anchor.certificates.push(Copied { state, places: Vec::new(), summary });
        }
        self.copies.insert(fingerprint, (id, copy));
        self.place(id, copy, place);
        (id, copy)
    }

    /// The CAs in a bundle.
    pub(super) fn bundle(&mut self, certificates: Vec<Certificate>, place: &Place) -> Vec<CopyOf> {
        let certificates = certificates.into_iter();
        certificates.map(|one| self.authority(None, None, Cow::Owned(one), place.clone())).collect()
    }

    /// The CAs in a kubeconfig; many kubeconfigs may have the same bytes.
    pub(super) fn embedded_bundle(&mut self, pem: &[u8], place: &Place) -> Vec<CopyOf> {
        let digest = Digest::of(pem);
        if let Some(found) = self.embedded.get(&digest).cloned() {
            for (id, copy) in &found {
                self.place(*id, *copy, place.clone());
            }
            return found;
        }
        let found = match super::read::bundle(pem) {
            Ok(certificates) => self.bundle(certificates, place),
            // Each place has its own fault.
            Err(why) => {
                return vec![(self.lost_authority(&place.to_string(), None, Some(&why), place.clone()), 0)];
            }
        };
        self.embedded.insert(digest, found.clone());
        found
    }
}

impl Edge {
    pub(super) fn new(from: usize, to: usize, relation: Relation) -> Self {
        Self { from, to, relation, field: None, copy: None, fault: None }
    }
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), field: None }
    }

    pub(super) fn field(path: &Path, field: &'static str) -> Self {
        Self { path: path.to_owned(), field: Some(field) }
    }
}

/// The same key has the same digest, whatever the encoding of its algorithm.
pub(super) fn public_sha256(spki: &[u8]) -> Option<Digest> {
    public_key_bits(spki).ok().map(|bits| Digest::of(&bits))
}
