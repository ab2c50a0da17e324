//! What breaks without a node of the graph: by its name in the catalog, or else by who uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::build::Builder;
use super::flags::{self, KUBECTL};
use super::{Kind, Relation};
use crate::analysis::node::inventory::Inventory;
use crate::state::catalog;

/// The sentence for something that no component names.
const NOBODY: &str = "nothing on this node is seen to use it";
/// How many consumers' sentences are combined.
const SENTENCES: usize = 2;

impl Builder<'_> {
    /// Sets what breaks without each key, certificate and CA.
    pub(super) fn tell_consequences(&mut self, inventory: &Inventory) {
        let mut consumers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut signs: BTreeSet<usize> = BTreeSet::new();
        let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
        for edge in &self.edges {
            match edge.relation {
                Relation::TrustedBy | Relation::PresentedBy | Relation::UsedBy => {
                    consumers.entry(edge.from).or_default().push(edge.to);
                }
                Relation::SignedBy | Relation::ClaimsIssuer => drop(signs.insert(edge.to)),
                Relation::KeyOf => drop(owners.insert(edge.from, edge.to)),
                Relation::CheckedWith => {}
            }
        }
        let mut sentences = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let users = consumers.get(&node.id).map_or(&[][..], Vec::as_slice);
            let role = match &node.kind {
                Kind::Certificate(leaf) => leaf.role,
                Kind::Ca(anchor) => anchor.role,
                Kind::Key(key) => (key.name == "sa").then_some("sa"),
                Kind::Consumer(_) => {
                    sentences.push(None);
                    continue;
                }
            };
            // A key has the consequence of its certificate, except a CA's, which only signs.
            let owner = owners.get(&node.id).and_then(|owner| self.kind(*owner));
            let sentence = match (owner, role.and_then(catalog::consequence)) {
                (Some(Kind::Certificate(leaf)), _) => format!("{} can't be used any more", leaf.name),
                (Some(Kind::Ca(anchor)), _) => {
                    format!("nothing can be signed by {} any more; what it signed stays valid", anchor.name)
                }
                (_, Some((_, known)))
                    if users.is_empty()
                        && known.pod.is_some_and(|pod| inventory.facts.pod(pod).is_some()) =>
                {
                    format!("{NOBODY}: its component names another file")
                }
                (_, Some((_, known))) => known.text.to_owned(),
                _ => self.told_by(users, signs.contains(&node.id)),
            };
            sentences.push(Some(sentence));
        }
        for (node, sentence) in self.nodes.iter_mut().zip(sentences) {
            node.if_gone = sentence;
        }
    }

    /// The consequences for its consumers.
    fn told_by(&self, users: &[usize], signs: bool) -> String {
        let mut sentences: Vec<String> = Vec::new();
        for user in users {
            let Some(Kind::Consumer(consumer)) = self.kind(*user) else { continue };
            let fields = consumer.fields.iter().map(|field| field.trim_start_matches('-'));
            let known = fields.filter_map(|field| flags::entry(&consumer.component, field)).next();
            let sentence = match known {
                Some(flag) => flag.breaks.text().to_owned(),
                None if consumer.component == KUBECTL => {
                    format!("kubectl with {} is rejected; the cluster continues", consumer.file.display())
                }
                None => format!("{} fails, which names it", consumer.label()),
            };
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
            if sentences.len() == SENTENCES {
                break;
            }
        }
        match (sentences.is_empty(), signs) {
            (false, _) => sentences.join("; "),
            (true, true) => "no certificate that it signed can be checked".to_owned(),
            (true, false) => NOBODY.to_owned(),
        }
    }
}
