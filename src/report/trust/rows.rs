//! The graph as nested rows: anchors, below each what it signed, below that its consumers; the rest is at the
//! end.

use std::collections::BTreeSet;

use serde::Serialize;

use super::words::{Index, Status, expected_authority, mark};
use crate::analysis::forensics::trust::{Anchor, Consumer, Edge, Graph, Kind, Place, Relation, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    Heading,
    Ca,
    /// Another certificate of the CA above.
    Copy,
    Certificate,
    Key,
    /// A consumer of what is above.
    Consumer,
}

/// One line of the graph. All text is raw: the caller sanitises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// 0 for anchors and headings; rows below them are deeper.
    pub depth: usize,
    pub kind: RowKind,
    /// Id of its node in the graph; `None` for a heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    pub label: String,
    /// Its status, for the colour.
    pub status: Status,
    /// `ok`, or what is wrong in capitals (`EXPIRED 53 d ago`, `NOT SIGNED BY ca`).
    pub state: String,
    /// Dates and places.
    pub detail: String,
    /// What is wrong: a sentence each.
    pub notes: Vec<String>,
    /// What breaks if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_gone: Option<String>,
}

/// The graph as nested rows, in reading order.
pub fn rows(graph: &Graph) -> Vec<Row> {
    let mut tree = Tree { index: Index::of(graph), rows: Vec::new(), shown: BTreeSet::new() };
    tree.anchors();
    tree.orphans();
    tree.rows
}

struct Tree<'a> {
    index: Index<'a>,
    rows: Vec<Row>,
    shown: BTreeSet<usize>,
}

impl<'a> Tree<'a> {
    fn ids(&self, wanted: impl Fn(&'a Kind) -> bool) -> Vec<usize> {
        let graph: &'a Graph = self.index.graph;
        graph.nodes.iter().filter(|node| wanted(&node.kind)).map(|node| node.id).collect()
    }

    fn anchors(&mut self) {
        let known = |kind: &Kind| matches!(kind, Kind::Ca(anchor) if anchor.state != State::Unknown);
        let all = self.ids(known);
        let (below, roots): (Vec<usize>, Vec<usize>) = all
            .into_iter()
            .partition(|id| self.index.leaving(*id).iter().any(|edge| edge.relation == Relation::SignedBy));
        for id in roots {
            self.authority(id, 0);
        }
        // CAs that signed each other in a circle have no root.
        for id in below {
            if !self.shown.contains(&id) {
                self.authority(id, 0);
            }
        }
    }

    /// A CA and everything below it. A hostile file may hold a chain of any length: no recursion.
    fn authority(&mut self, root: usize, depth: usize) {
        let mut open = vec![(root, depth)];
        while let Some((id, depth)) = open.pop() {
            if !self.shown.insert(id) {
                continue;
            }
            let Some(Kind::Ca(anchor)) = self.index.kind(id) else { continue };
            self.node_row(id, depth, RowKind::Ca, anchor.name.clone(), anchor_detail(anchor));
            for copy in anchor.certificates.iter().skip(1) {
                let (detail, not_valid) =
                    (until(&copy.summary.not_after, &copy.places), copy.state != State::Valid);
                self.rows.push(Row {
                    depth: depth + 1,
                    kind: RowKind::Copy,
                    node: Some(id),
                    label: "another certificate of the same key".to_owned(),
                    status: if not_valid { Status::Faulty } else { Status::Ok },
                    state: if not_valid { "NOT VALID" } else { "ok" }.to_owned(),
                    detail,
                    notes: Vec::new(),
                    if_gone: None,
                });
            }
            self.keys_of(id, depth + 1);
            self.consumers(id, depth + 1);
            let mut below = Vec::new();
            for edge in self.index.entering(id).to_vec() {
                match (edge.relation, self.index.kind(edge.from)) {
                    (Relation::SignedBy, Some(Kind::Ca(_))) => below.push(edge.from),
                    (Relation::SignedBy | Relation::ClaimsIssuer, _) => self.leaf(edge.from, depth + 1),
                    _ => {}
                }
            }
            if let Some(role) = anchor.role {
                self.lost_leaves_of(role, depth + 1);
            }
            open.extend(below.into_iter().rev().map(|id| (id, depth + 1)));
        }
    }

    /// Missing or unreadable certificates are placed below their CA.
    fn lost_leaves_of(&mut self, authority: &str, depth: usize) {
        let lost = self.ids(|kind| {
            matches!(kind, Kind::Certificate(leaf) if leaf.summary.is_none()
                && leaf.role.and_then(expected_authority) == Some(authority))
        });
        for id in lost {
            self.leaf(id, depth);
        }
    }

    fn leaf(&mut self, id: usize, depth: usize) {
        let Some(Kind::Certificate(leaf)) = self.index.kind(id) else { return };
        if !self.shown.insert(id) {
            return;
        }
        let detail = match &leaf.summary {
            Some(told) => until(&told.not_after, &leaf.places),
            None => places(&leaf.places),
        };
        self.node_row(id, depth, RowKind::Certificate, leaf.name.clone(), detail);
        self.consumers(id, depth + 1);
    }

    fn keys_of(&mut self, id: usize, depth: usize) {
        for edge in self.index.entering(id).to_vec() {
            if edge.relation == Relation::KeyOf {
                self.key(edge.from, depth, "key");
            }
        }
    }

    fn key(&mut self, id: usize, depth: usize, label: &str) {
        let Some(Kind::Key(key)) = self.index.kind(id) else { return };
        self.shown.insert(id);
        let mut all = key.places.clone();
        all.extend(key.public_places.iter().cloned());
        self.node_row(id, depth, RowKind::Key, label.to_owned(), places(&all));
        self.consumers(id, depth + 1);
    }

    fn node_row(&mut self, id: usize, depth: usize, kind: RowKind, label: String, detail: String) {
        let why = match self.index.kind(id) {
            Some(Kind::Key(key)) => key.why.clone(),
            Some(Kind::Certificate(leaf)) => leaf.why.clone(),
            Some(Kind::Ca(anchor)) => anchor.why.clone(),
            Some(Kind::Consumer(_)) | None => None,
        };
        let faults = self.index.own_faults(id).into_iter().map(|(_, why)| why.to_owned());
        let (status, state) = (self.index.status(id), self.index.state(id));
        let notes = why.into_iter().chain(faults).collect();
        let if_gone = self.index.graph.node(id).and_then(|node| node.if_gone.clone());
        self.rows.push(Row { depth, kind, node: Some(id), label, status, state, detail, notes, if_gone });
    }

    fn consumers(&mut self, id: usize, depth: usize) {
        let broken = matches!(self.index.status(id), Status::Faulty | Status::Affected);
        for edge in self.index.leaving(id).to_vec() {
            let verb = match edge.relation {
                Relation::TrustedBy => "trusted by",
                Relation::PresentedBy => "presented by",
                Relation::UsedBy => "used by",
                _ => continue,
            };
            let Some(Kind::Consumer(consumer)) = self.index.kind(edge.to) else { continue };
            let fault = edge.fault.as_ref();
            let status = match fault {
                Some(_) => Status::Faulty,
                None if broken => Status::Affected,
                None => Status::Ok,
            };
            let state = match (fault, status) {
                (Some(fault), _) => mark(fault.kind, None),
                (None, Status::Affected) => "affected".to_owned(),
                _ => "ok".to_owned(),
            };
            self.rows.push(Row {
                depth,
                kind: RowKind::Consumer,
                node: Some(edge.to),
                label: format!("{verb} {}", consumer_label(consumer)),
                status,
                state,
                detail: consumer_detail(consumer, edge),
                notes: fault.map(|fault| fault.why.clone()).into_iter().collect(),
                if_gone: None,
            });
        }
    }

    /// What has no anchor: tokens' keys, and the rest.
    fn orphans(&mut self) {
        let unknown = self.ids(|kind| matches!(kind, Kind::Ca(anchor) if anchor.state == State::Unknown));
        self.section("unknown issuers", unknown, |tree, id| tree.authority(id, 1));

        let leaves = self.ids(|kind| matches!(kind, Kind::Certificate(_)));
        let rest = leaves.iter().copied().filter(|id| !self.shown.contains(id)).collect();
        self.section("certificates without an issuer", rest, |tree, id| tree.leaf(id, 1));

        let keys = self.ids(|kind| matches!(kind, Kind::Key(_)));
        let has = |tree: &Self, id: usize, relations: &[Relation]| {
            tree.index.leaving(id).iter().any(|edge| relations.contains(&edge.relation))
        };
        // Missing keys and certificates are reported by their counterpart.
        let alone: Vec<usize> = keys
            .into_iter()
            .filter(|id| {
                let mut owners =
                    self.index.leaving(*id).iter().filter(|edge| edge.relation == Relation::KeyOf);
                let there =
                    matches!(self.index.kind(*id), Some(Kind::Key(key)) if key.public_sha256.is_some());
                let owned = owners.clone().any(|edge| edge.fault.is_none());
                !owned && (there || owners.next().is_none())
            })
            .collect();
        let (used, unused): (Vec<usize>, Vec<usize>) =
            alone.into_iter().partition(|id| has(self, *id, &[Relation::UsedBy, Relation::CheckedWith]));
        let name = |tree: &mut Self, id: usize| {
            if let Some(Kind::Key(key)) = tree.index.kind(id) {
                tree.key(id, 1, &key.name);
            }
        };
        self.section("keys without a certificate, in use", used, name);
        self.section("keys without a certificate", unused, name);

        // An unreadable certificate says nothing about its key.
        let keyless = leaves.into_iter().filter(|id| {
            let readable =
                matches!(self.index.kind(*id), Some(Kind::Certificate(leaf)) if leaf.summary.is_some());
            let mut keys = self.index.entering(*id).iter().filter(|edge| edge.relation == Relation::KeyOf);
            readable && keys.all(|edge| edge.fault.is_some())
        });
        let keyless = keyless.collect();
        self.section("certificates without a key", keyless, |tree, id| {
            if let Some(Kind::Certificate(leaf)) = tree.index.kind(id) {
                let (label, detail) = (leaf.name.clone(), places(&leaf.places));
                let (kind, node, notes) = (RowKind::Certificate, Some(id), Vec::new());
                let (status, state) = (tree.index.status(id), tree.index.state(id));
                tree.rows.push(Row {
                    depth: 1,
                    kind,
                    node,
                    label,
                    status,
                    state,
                    detail,
                    notes,
                    if_gone: None,
                });
            }
        });
    }

    fn section(&mut self, heading: &str, ids: Vec<usize>, show: impl Fn(&mut Self, usize)) {
        if ids.is_empty() {
            return;
        }
        self.rows.push(Row {
            depth: 0,
            kind: RowKind::Heading,
            node: None,
            label: heading.to_owned(),
            status: Status::Ok,
            state: String::new(),
            detail: String::new(),
            notes: Vec::new(),
            if_gone: None,
        });
        for id in ids {
            show(self, id);
        }
    }
}

/// Component and flag, and how many more flags name the same kubeconfig.
fn consumer_label(consumer: &Consumer) -> String {
    match consumer.fields.len().saturating_sub(1) {
        more if more > 0
            && consumer.source != consumer.file
            && consumer.file.extension().is_some_and(|e| e == "conf") =>
        {
            format!("{} (+{more})", consumer.label())
        }
        _ => consumer.label(),
    }
}

fn consumer_detail(consumer: &Consumer, edge: &Edge) -> String {
    match edge.field {
        Some(field) => format!("{} {field}", consumer.file.display()),
        None => consumer.source.display().to_string(),
    }
}

fn anchor_detail(anchor: &Anchor) -> String {
    match anchor.certificates.first() {
        Some(copy) => until(&copy.summary.not_after, &copy.places),
        None => places(&anchor.places),
    }
}

fn until(end: &jiff::Timestamp, found: &[Place]) -> String {
    format!("until {}  {}", end.strftime("%Y-%m-%d"), places(found))
}

/// The first place, and how many more there are.
fn places(found: &[Place]) -> String {
    match found {
        [] => String::new(),
        [place] => place.to_string(),
        [place, rest @ ..] => format!("{place} (+{})", rest.len()),
    }
}
