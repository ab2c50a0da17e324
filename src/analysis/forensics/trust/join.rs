//! Consumers and edges while the graph is built.

use std::path::Path;

use super::build::Builder;
use super::{Consumer, Edge, Fault, FaultKind, Kind, Relation, State};

impl Builder<'_> {
    /// The node of a consumer. The flags of one component that name the same kubeconfig are one consumer.
    pub(super) fn consumer(
        &mut self,
        component: &str,
        fields: Vec<String>,
        source: &Path,
        file: &Path,
        merged: bool,
    ) -> usize {
        let distinct = if merged { String::new() } else { fields.first().cloned().unwrap_or_default() };
        let key = (component.to_owned(), source.to_owned(), file.to_owned(), distinct);
        if let Some(id) = self.consumers.get(&key) {
            let id = *id;
            if let Some(Kind::Consumer(consumer)) = self.nodes.get_mut(id).map(|node| &mut node.kind) {
                let new: Vec<_> =
                    fields.into_iter().filter(|field| !consumer.fields.contains(field)).collect();
                consumer.fields.extend(new);
            }
            return id;
        }
        let (component, source, file) = (component.to_owned(), source.to_owned(), file.to_owned());
        let id = self.push(Kind::Consumer(Consumer { component, fields, source, file }));
        self.consumers.insert(key, id);
        id
    }

    /// Joins two nodes. Of two edges between them the one without a fault stays: a bundle may hold an old and
    /// a new certificate of one CA.
    pub(super) fn join(&mut self, edge: Edge) {
        let key = (edge.from, edge.to, edge.relation);
        match self.joined.get(&key).and_then(|at| self.edges.get_mut(*at)) {
            Some(known) => {
                if known.fault.is_some() && edge.fault.is_none() {
                    *known = edge;
                }
            }
            None => {
                self.joined.insert(key, self.edges.len());
                self.edges.push(edge);
            }
        }
    }

    /// Joins a key with the certificate beside it. A CA's key may be elsewhere on purpose.
    pub(super) fn pair(&mut self, key: usize, of: usize, may_be_elsewhere: bool) {
        let owner = match self.kind(of) {
            Some(Kind::Certificate(leaf)) => leaf.public_sha256,
            Some(Kind::Ca(anchor)) => anchor.public_sha256,
            _ => None,
        };
        let Some(Kind::Key(found)) = self.nodes.get_mut(key).map(|node| &mut node.kind) else { return };
        let name = found.places.first().map(ToString::to_string).unwrap_or_default();
        let fault = match (found.state, found.public_sha256, owner) {
            (State::Missing, ..) if may_be_elsewhere => {
                found.state = State::Unknown;
                found.why = Some("not on this node: an external authority".to_owned());
                None
            }
            (State::Missing, ..) => Some((FaultKind::KeyMissing, format!("its key {name} is missing"))),
            (State::Unreadable, ..) => {
                let why = found.why.clone().unwrap_or_default();
                Some((FaultKind::KeyUnreadable, format!("its key {name}: {why}")))
            }
            (_, Some(key), Some(owner)) if key != owner => {
                Some((FaultKind::KeyOfAnother, format!("the key {name} belongs to another certificate")))
            }
            _ => None,
        };
        let fault = fault.map(|(kind, why)| Fault { kind, why });
        self.join(Edge { fault, ..Edge::new(key, of, Relation::KeyOf) });
    }
}
