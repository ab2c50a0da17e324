//! A tree of testdata/nodes in memory, to be broken and asked.

use std::path::Path;

use kuberescue::analysis::forensics::trust::{Edge, Fault, Graph, Kind, Relation};
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::disk::archive;
use kuberescue::state::{Attributes, Content, Entry, Snapshot};

use crate::common::{NOW, fixture};

pub const TREES: [&str; 7] =
    ["rsa2048", "ecdsa-p256", "expired-all", "expired-ca", "external-ca", "mixed", "v120-expired"];

pub struct Node(pub Snapshot);

impl Node {
    pub fn of(name: &str) -> Self {
        Self(archive::read(std::fs::File::open(fixture(name)).unwrap()).unwrap().0)
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        self.0.file(Path::new(path)).unwrap_or_else(|| panic!("no {path}")).to_vec()
    }

    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    pub fn write(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        let content = Content::File(bytes.into().into());
        self.0.insert(path, Entry { content, attributes: Attributes::default() });
    }

    pub fn remove(&mut self, path: &str) {
        let left = self.0.iter().filter(|(at, _)| *at != Path::new(path));
        self.0 = left.map(|(at, entry)| (at.to_owned(), entry.clone())).collect();
    }

    pub fn replace(&mut self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, text.replace(from, to));
    }

    pub fn graph(&self) -> Graph {
        self.graph_at(NOW)
    }

    pub fn graph_at(&self, now: &str) -> Graph {
        Graph::read(&self.0, &Inventory::read(&self.0, None), now.parse().unwrap())
    }
}

/// A node's name, or who it is.
pub fn name(graph: &Graph, id: usize) -> String {
    match &graph.node(id).unwrap().kind {
        Kind::Key(key) => {
            let place = key.places.first().or(key.public_places.first());
            format!("key {}", place.map(|place| file_name(&place.path)).unwrap_or_default())
        }
        Kind::Certificate(leaf) => leaf.name.clone(),
        Kind::Ca(anchor) => anchor.name.clone(),
        Kind::Consumer(consumer) => consumer.label(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

pub fn find(graph: &Graph, wanted: &str) -> usize {
    let found = graph.nodes.iter().find(|node| name(graph, node.id) == wanted);
    found.unwrap_or_else(|| panic!("no {wanted}")).id
}

/// The faults, each as `from relation to: kind: why`.
pub fn faults(graph: &Graph) -> Vec<String> {
    let text = |(edge, fault): (&Edge, &Fault)| {
        let (from, to) = (name(graph, edge.from), name(graph, edge.to));
        format!("{from} {:?} {to}: {:?}: {}", edge.relation, fault.kind, fault.why)
    };
    graph.faults().map(text).collect()
}

pub fn joined(graph: &Graph, from: &str, relation: Relation, to: &str) -> bool {
    let same = |edge: &&Edge| {
        edge.relation == relation && name(graph, edge.from) == from && name(graph, edge.to) == to
    };
    graph.edges.iter().any(|edge| same(&edge))
}
