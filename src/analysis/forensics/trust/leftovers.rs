//! Keys beside something, stray keys, and unreferenced files of the PKI directory.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::build::Builder;
use super::flags::Use;
use super::{Edge, Fault, FaultKind, Kind, Relation};
use crate::analysis::node::scope::is_credential;

impl Builder<'_> {
    /// Takes unreferenced files of the PKI directory.
    pub(super) fn take_the_rest_of(&mut self, pki: &Path) {
        let Ok(resolved) = self.snapshot.resolve(pki) else { return };
        let snapshot = self.snapshot;
        for (at, _) in snapshot.iter().filter(|(path, _)| path.starts_with(&resolved.path)) {
            let path = pki.join(at.strip_prefix(&resolved.path).unwrap_or(at));
            if self.seen.contains(&path) || !is_credential(&path) {
                continue;
            }
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("key" | "pub") => {
                    self.key_file(&path);
                }
                Some("conf" | "kubeconfig") => {}
                _ => match self.guess(&path) {
                    Use::Trust => {
                        self.trusted_file(&path);
                    }
                    _ => {
                        self.presented_file(&path, None);
                    }
                },
            }
        }
    }

    /// Finds the owner of keys found by themselves, and keys beside a certificate of another key.
    pub(super) fn pair_lone_keys(&mut self) {
        let mut owners = HashMap::new();
        for node in &self.nodes {
            let (public, name) = match &node.kind {
                Kind::Certificate(leaf) => (leaf.public_sha256, &leaf.name),
                Kind::Ca(anchor) => (anchor.public_sha256, &anchor.name),
                Kind::Key(_) | Kind::Consumer(_) => continue,
            };
            if let Some(public) = public {
                owners.entry(public).or_insert_with(|| (node.id, name.clone()));
            }
        }
        let mut paired: BTreeSet<usize> = BTreeSet::new();
        let nodes = &self.nodes;
        for edge in self.edges.iter_mut().filter(|edge| edge.relation == Relation::KeyOf) {
            let Some(Fault { kind: FaultKind::KeyOfAnother, why }) = &mut edge.fault else {
                paired.insert(edge.from);
                continue;
            };
            if let Some(Kind::Key(key)) = nodes.get(edge.from).map(|node| &node.kind)
                && let Some((_, name)) = key.public_sha256.and_then(|public| owners.get(&public))
            {
                let at = key.places.first().map(ToString::to_string).unwrap_or_default();
                *why = format!("the key {at} is that of {name}");
            }
        }
        for id in 0..self.nodes.len() {
            if let Some(Kind::Key(key)) = self.kind(id)
                && !key.places.is_empty()
                && !paired.contains(&id)
                && let Some((owner, _)) = key.public_sha256.and_then(|public| owners.get(&public))
            {
                self.join(Edge::new(id, *owner, Relation::KeyOf));
            }
        }
    }
}
