//! Who signed what, verified; and whether each side of a connection trusts the signer of the other's
//! certificate.

use std::collections::{BTreeSet, HashMap};

use super::build::Builder;
use super::flags::{self, MEETINGS, Use};
use super::{Anchor, Edge, Fault, FaultKind, Kind, Relation, State};
use crate::formats::certificate::{Certificate, ChainError};

/// How many CAs of one name are tried for a certificate: real nodes have only a few.
const CANDIDATES: usize = 8;
/// How many signatures are verified at most: each costs tens of microseconds, and a hostile disk may hold
/// many.
const CHECKS: usize = 40_000;
/// How many CAs a chain has at most.
const LONGEST_CHAIN: usize = 8;

/// What the known CAs show about a certificate's issuer.
enum Issuer {
    Signed(usize),
    /// Same name; the signature can't be verified.
    Unchecked(usize),
    /// Same name, another key.
    OtherKey(usize, String),
    Nobody,
}

impl Builder<'_> {
    /// Finds the issuer of each certificate.
    pub(super) fn find_issuers(&mut self) {
        let mut expected: HashMap<usize, (&'static str, BTreeSet<usize>)> = HashMap::new();
        for (leaf, name, path) in std::mem::take(&mut self.expected) {
            let may = self.bundles.get(&path).into_iter().flatten().map(|(id, _)| *id);
            expected.entry(leaf).or_insert_with(|| (name, may.collect()));
        }
        let mut unknown: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut checks = 0;
        for id in 0..self.nodes.len() {
            let leaf = matches!(self.kind(id), Some(Kind::Certificate(_)));
            let Some(certificate) = self.parsed.get(&id) else { continue };
            // Clients don't verify the signature of a trust anchor.
            if !leaf && certificate.subject_der == certificate.issuer_der {
                continue;
            }
            let issuer = self.issuer(id, certificate, &mut checks);
            if !leaf {
                if let Issuer::Signed(authority) = issuer {
                    self.join(Edge::new(id, authority, Relation::SignedBy));
                }
                continue;
            }
            let wanted = expected.get(&id);
            let edge = match issuer {
                Issuer::Signed(authority) => {
                    let wrong = wanted.filter(|(_, may)| !may.contains(&authority));
                    let fault =
                        wrong.map(|(name, _)| not_signed(format!("signed by another authority than {name}")));
                    Edge { fault, ..Edge::new(id, authority, Relation::SignedBy) }
                }
                Issuer::Unchecked(authority) => Edge::new(id, authority, Relation::ClaimsIssuer),
                Issuer::OtherKey(authority, why) => {
                    Edge { fault: Some(not_signed(why)), ..Edge::new(id, authority, Relation::ClaimsIssuer) }
                }
                Issuer::Nobody => {
                    let (subject, name) = (certificate.issuer_der.clone(), certificate.issuer.clone());
                    let fault = match wanted {
                        Some((wanted, _)) => not_signed(format!("issued by \"{name}\", not by {wanted}")),
                        None => Fault {
                            kind: FaultKind::UnknownIssuer,
                            why: format!("no certificate of its issuer \"{name}\" was found"),
                        },
                    };
                    let authority = match unknown.get(&subject) {
                        Some(known) => *known,
                        None => {
                            let new = self.push(unknown_authority(name));
                            unknown.insert(subject, new);
                            new
                        }
                    };
                    Edge { fault: Some(fault), ..Edge::new(id, authority, Relation::ClaimsIssuer) }
                }
            };
            self.join(edge);
        }
    }

    fn issuer(&self, id: usize, certificate: &Certificate, checks: &mut usize) -> Issuer {
        let mut found = Issuer::Nobody;
        let named = self.by_subject.get(&certificate.issuer_der).into_iter().flatten();
        for candidate in named.filter(|candidate| **candidate != id).take(CANDIDATES) {
            let Some(authority) = self.parsed.get(candidate) else { continue };
            *checks += 1;
            let signed = if *checks > CHECKS {
                Err(ChainError::Unsupported("too many certificates".to_owned()))
            } else {
                certificate.signed_by(authority)
            };
            match (signed, &found) {
                (Ok(()), _) => return Issuer::Signed(*candidate),
                (Err(ChainError::Unsupported(_)), _) => found = Issuer::Unchecked(*candidate),
                (Err(error), Issuer::Nobody) => found = Issuer::OtherKey(*candidate, error.to_string()),
                (Err(_), _) => {}
            }
        }
        found
    }

    /// Marks what is presented to a component that doesn't trust its signer.
    pub(super) fn check_meetings(&mut self) {
        let mut signer: HashMap<usize, usize> = HashMap::new();
        let mut trusted: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        let mut claims = BTreeSet::new();
        for edge in &self.edges {
            match edge.relation {
                Relation::SignedBy => drop(signer.insert(edge.from, edge.to)),
                Relation::ClaimsIssuer if edge.fault.is_some() => {
                    signer.insert(edge.from, edge.to);
                    claims.insert(edge.from);
                }
                Relation::TrustedBy => drop(trusted.entry(edge.to).or_default().insert(edge.from)),
                _ => {}
            }
        }
        // An unreadable anchor trusts nobody; it has its own fault.
        let usable = |id: &usize| match self.kind(*id) {
            Some(Kind::Ca(anchor)) => !anchor.certificates.is_empty(),
            _ => false,
        };
        trusted.retain(|_, anchors| anchors.iter().all(usable));
        let mut faults = Vec::new();
        for (at, edge) in self.edges.iter().enumerate() {
            if edge.relation != Relation::PresentedBy || !signer.contains_key(&edge.from) {
                continue;
            }
            let meetings = MEETINGS.iter().filter(|one| self.is_field(edge.to, one.presents));
            for meeting in meetings {
                let checkers = trusted.iter().filter(|(id, _)| self.is_field(**id, meeting.checks));
                let refusing = checkers
                    .filter(|(_, anchors)| {
                        claims.contains(&edge.from) || !leads_to(edge.from, &signer, anchors)
                    })
                    .filter_map(|(id, _)| match self.kind(*id) {
                        Some(Kind::Consumer(consumer)) => Some((*id, consumer.label())),
                        _ => None,
                    });
                if let Some((_, who)) = refusing.min() {
                    faults.push((at, format!("{who} doesn't trust who signed it")));
                    break;
                }
            }
        }
        for (at, why) in faults {
            if let Some(edge) = self.edges.get_mut(at) {
                edge.fault = Some(Fault { kind: FaultKind::NotTrusted, why });
            }
        }
    }

    fn is_field(&self, consumer: usize, (component, field): (&str, &str)) -> bool {
        let Some(Kind::Consumer(consumer)) = self.kind(consumer) else { return false };
        if component == flags::KUBECONFIGS {
            let first = consumer.fields.first().map_or("", String::as_str).trim_start_matches('-');
            // A kubeconfig in a home has no entry: it may be for another cluster.
            return flags::entry(&consumer.component, first).map(|flag| flag.does) == Some(Use::Kubeconfig);
        }
        consumer.component == component
            && consumer.fields.iter().any(|name| name.trim_start_matches('-') == field)
    }
}

/// Whether a certificate's chain of signatures reaches one of the anchors.
fn leads_to(leaf: usize, signer: &HashMap<usize, usize>, anchors: &BTreeSet<usize>) -> bool {
    let chain = std::iter::successors(signer.get(&leaf), |at| signer.get(at));
    chain.take(LONGEST_CHAIN).any(|authority| anchors.contains(authority))
}

fn not_signed(why: String) -> Fault {
    Fault { kind: FaultKind::NotSignedBy, why }
}

fn unknown_authority(issuer: String) -> Kind {
    Kind::Ca(Anchor {
        name: issuer.clone(),
        role: None,
        state: State::Unknown,
        why: Some("named as an issuer, and found nowhere".to_owned()),
        subject: issuer,
        public_sha256: None,
        places: Vec::new(),
        certificates: Vec::new(),
    })
}
