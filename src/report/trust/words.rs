//! States and faults as text, and how severe they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::forensics::trust::{Edge, FaultKind, Graph, Kind, Relation, State};
use crate::state::catalog::{self, KUBELET_CLIENT};

/// The status of a line or a box of the graph; it selects the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    /// Nothing is known about it; this may be intended.
    Unknown,
    /// Valid itself, but it uses something that isn't.
    Affected,
    Faulty,
}

/// The name of the CA that should have signed this leaf certificate of the catalog.
pub(super) fn expected_authority(role: &str) -> Option<&'static str> {
    if role == KUBELET_CLIENT {
        return Some(catalog::Ca::Cluster.name());
    }
    Some(catalog::cert_spec(role)?.authority.name())
}

/// notBefore and notAfter of a certificate, if the node has one.
fn dates(kind: &Kind) -> Option<(Timestamp, Timestamp)> {
    let told = match kind {
        Kind::Certificate(leaf) => leaf.summary.as_ref(),
        Kind::Ca(anchor) => anchor.certificates.first().map(|copy| &copy.summary),
        Kind::Key(_) | Kind::Consumer(_) => None,
    };
    told.map(|told| (told.not_before, told.not_after))
}

/// A state in a word or two, with how long ago or how far off.
pub(super) fn state(kind: &Kind, now: Timestamp) -> String {
    let state = match kind {
        Kind::Key(key) => key.state,
        Kind::Certificate(leaf) => leaf.state,
        Kind::Ca(anchor) => anchor.state,
        Kind::Consumer(_) => State::Valid,
    };
    let span = |from: Timestamp, to: Timestamp| {
        let hours = to.as_second().saturating_sub(from.as_second()) / 3600;
        if hours >= 48 { format!("{} d", hours / 24) } else { format!("{hours} h") }
    };
    match (state, dates(kind)) {
        (State::Valid, _) => "ok".to_owned(),
        (State::Expired, Some((_, end))) => format!("EXPIRED {} ago", span(end, now)),
        (State::Expired, None) => "EXPIRED".to_owned(),
        (State::NotYetValid, Some((start, _))) => format!("STARTS IN {}", span(now, start)),
        (State::NotYetValid, None) => "NOT YET VALID".to_owned(),
        (State::NotAnAuthority, _) => "NOT A CA".to_owned(),
        (State::Unreadable, _) => "UNREADABLE".to_owned(),
        (State::Missing, _) => "MISSING".to_owned(),
        (State::Unknown, _) => "not here".to_owned(),
    }
}

/// A fault in capitals. `role` is that of the certificate that it concerns.
pub(super) fn mark(fault: FaultKind, role: Option<&str>) -> String {
    match (fault, role.and_then(expected_authority)) {
        (FaultKind::NotSignedBy, Some(authority)) => format!("NOT SIGNED BY {authority}"),
        (FaultKind::NotSignedBy, None) => "NOT SIGNED BY ITS ISSUER".to_owned(),
        (FaultKind::KeyOfAnother, _) => "KEY OF ANOTHER".to_owned(),
        (FaultKind::KeyMissing, _) => "KEY MISSING".to_owned(),
        (FaultKind::KeyUnreadable, _) => "KEY UNREADABLE".to_owned(),
        (FaultKind::UnknownIssuer, _) => "ISSUER UNKNOWN".to_owned(),
        (FaultKind::OldCopy, _) => "OLD COPY".to_owned(),
        (FaultKind::NotTrusted, _) => "NOT TRUSTED".to_owned(),
        (FaultKind::PublicHalfOfAnother, _) => "OF ANOTHER KEY".to_owned(),
    }
}

/// The edges of a graph by their ends, and the status of each node.
pub(super) struct Index<'a> {
    pub(super) graph: &'a Graph,
    pub(super) out: BTreeMap<usize, Vec<&'a Edge>>,
    pub(super) into: BTreeMap<usize, Vec<&'a Edge>>,
    statuses: Vec<Status>,
}

impl<'a> Index<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let (mut out, mut into): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
        for edge in &graph.edges {
            out.entry(edge.from).or_default().push(edge);
            into.entry(edge.to).or_default().push(edge);
        }
        let mut index = Self { graph, out, into, statuses: Vec::new() };
        index.statuses = graph.nodes.iter().map(|node| index.own_status(node.id, &node.kind)).collect();
        // Certificates before consumers: a certificate of an expired CA is as good as expired.
        for certificates in [true, false] {
            let concerned = graph.nodes.iter().filter(|node| match node.kind {
                Kind::Certificate(_) => certificates,
                Kind::Consumer(_) => !certificates,
                Kind::Key(_) | Kind::Ca(_) => false,
            });
            let affected: Vec<_> =
                concerned.map(|node| node.id).filter(|id| index.is_affected(*id)).collect();
            for id in affected {
                if let Some(known) = index.statuses.get_mut(id).filter(|known| **known == Status::Ok) {
                    *known = Status::Affected;
                }
            }
        }
        index
    }

    pub(super) fn kind(&self, id: usize) -> Option<&'a Kind> {
        self.graph.node(id).map(|node| &node.kind)
    }

    pub(super) fn leaving(&self, id: usize) -> &[&'a Edge] {
        self.out.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn entering(&self, id: usize) -> &[&'a Edge] {
        self.into.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What is wrong with the node itself: with its key and with its issuer.
    pub(super) fn own_faults(&self, id: usize) -> Vec<(FaultKind, &'a str)> {
        let issuer = |edge: &&&Edge| {
            matches!(edge.relation, Relation::SignedBy | Relation::ClaimsIssuer | Relation::CheckedWith)
        };
        let key = |edge: &&&Edge| edge.relation == Relation::KeyOf;
        let edges = self.leaving(id).iter().filter(issuer).chain(self.entering(id).iter().filter(key));
        edges.filter_map(|edge| edge.fault.as_ref()).map(|fault| (fault.kind, fault.why.as_str())).collect()
    }

    /// The state of a node with the marks of its faults.
    pub(super) fn state(&self, id: usize) -> String {
        let Some(kind) = self.kind(id) else { return String::new() };
        let role = match kind {
            Kind::Certificate(leaf) => leaf.role,
            _ => None,
        };
        let own = state(kind, self.graph.at);
        if self.status(id) == Status::Affected {
            return "affected".to_owned();
        }
        let mut words: Vec<String> =
            self.own_faults(id).iter().map(|(fault, _)| mark(*fault, role)).collect();
        if own != "ok" || words.is_empty() {
            words.insert(0, own);
        }
        words.join(", ")
    }

    pub(super) fn status(&self, id: usize) -> Status {
        self.statuses.get(id).copied().unwrap_or(Status::Unknown)
    }

    fn own_status(&self, id: usize, kind: &Kind) -> Status {
        let own = match kind {
            Kind::Key(key) => key.state,
            Kind::Certificate(leaf) => leaf.state,
            Kind::Ca(anchor) => anchor.state,
            Kind::Consumer(_) => State::Valid,
        };
        match own {
            _ if !self.own_faults(id).is_empty() => Status::Faulty,
            State::Valid => Status::Ok,
            State::Unknown => Status::Unknown,
            _ => Status::Faulty,
        }
    }

    /// Whether something that it depends on is broken: for a consumer what it uses, for a certificate its
    /// signer.
    fn is_affected(&self, id: usize) -> bool {
        let broken = |id: usize| matches!(self.status(id), Status::Faulty | Status::Affected);
        match self.kind(id) {
            Some(Kind::Consumer(_)) => {
                self.entering(id).iter().any(|edge| edge.fault.is_some() || broken(edge.from))
            }
            _ => {
                let mut out = self.leaving(id).iter();
                out.any(|edge| edge.relation == Relation::SignedBy && broken(edge.to))
            }
        }
    }
}
