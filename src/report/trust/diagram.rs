//! What DOT and Mermaid have in common: the text of boxes and arrows.

use super::words::{Index, Status, mark};
use crate::analysis::forensics::trust::{Edge, Kind, Place, Relation};
use crate::report::sanitise::line;

/// How many characters of a line are shown in a box.
const LONGEST: usize = 80;

/// Fill, border and text of the boxes of each status.
pub(super) const COLOURS: [(Status, &str, [&str; 3]); 4] = [
    (Status::Ok, "ok", ["#e6f4ea", "#188038", "#1f1f1f"]),
    (Status::Unknown, "unknown", ["#f1f3f4", "#5f6368", "#1f1f1f"]),
    (Status::Affected, "affected", ["#fef7e0", "#b06000", "#1f1f1f"]),
    (Status::Faulty, "faulty", ["#fce8e6", "#c5221f", "#1f1f1f"]),
];

/// The lines of a box, sanitised for a terminal and not yet escaped for a language.
pub(super) fn lines(index: &Index<'_>, id: usize) -> Vec<String> {
    let path = |places: &[Place]| match places {
        [] => None,
        [one] => Some(one.to_string()),
        [one, rest @ ..] => Some(format!("{one} (+{})", rest.len())),
    };
    let until = |end: jiff::Timestamp| format!("until {}", end.strftime("%Y-%m-%d"));
    let found = match index.kind(id) {
        None => Vec::new(),
        Some(Kind::Consumer(consumer)) => {
            let mut found = vec![consumer.component.clone()];
            found.extend(consumer.fields.iter().cloned());
            found
        }
        Some(Kind::Key(key)) => {
            let at = path(&key.places).or_else(|| path(&key.public_places));
            [Some(format!("key of {}", key.name)), at, Some(index.state(id))].into_iter().flatten().collect()
        }
        Some(Kind::Certificate(leaf)) => {
            let end = leaf.summary.as_ref().map(|told| until(told.not_after));
            let known = [Some(leaf.name.clone()), path(&leaf.places), end, Some(index.state(id))];
            known.into_iter().flatten().collect()
        }
        Some(Kind::Ca(anchor)) => {
            let copy = anchor.certificates.first();
            let at = copy.map_or_else(|| path(&anchor.places), |copy| path(&copy.places));
            let end = copy.map(|copy| until(copy.summary.not_after));
            let known = [Some(anchor.name.clone()), at, end, Some(index.state(id))];
            known.into_iter().flatten().collect()
        }
    };
    found.iter().map(|text| short(text)).collect()
}

/// The text of an arrow.
pub(super) fn arrow(index: &Index<'_>, edge: &Edge) -> Vec<String> {
    let role = match index.kind(edge.from) {
        Some(Kind::Certificate(leaf)) => leaf.role,
        _ => None,
    };
    let relation = match edge.relation {
        Relation::KeyOf => "key of",
        Relation::SignedBy => "signed by",
        Relation::ClaimsIssuer => "names as its issuer",
        Relation::TrustedBy => "trusted by",
        Relation::PresentedBy => "presented by",
        Relation::UsedBy => "used by",
        Relation::CheckedWith => "checked with",
    };
    let fault = edge.fault.as_ref().map(|fault| mark(fault.kind, role));
    std::iter::once(relation.to_owned()).chain(fault).collect()
}

/// A line without terminal control characters and without what XML forbids, shortened.
fn short(text: &str) -> String {
    let clean = line(text);
    let mut out: String = clean.chars().take(LONGEST).map(xml).collect();
    if clean.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// Noncharacters are not allowed in XML (1.0, section 2.2).
fn xml(c: char) -> char {
    if matches!(c, '\u{fffe}' | '\u{ffff}') { char::REPLACEMENT_CHARACTER } else { c }
}
