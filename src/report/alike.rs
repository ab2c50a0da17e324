//! Findings that differ in nothing but their path: a copied directory of keys is one line, not twenty.

use crate::analysis::node::findings::Finding;
use crate::state::Subject;

/// A finding, and those that say the same of other paths.
pub(super) struct Alike<'a, T> {
    pub(super) first: &'a T,
    pub(super) more: Vec<&'a T>,
}

/// In the order of the first of each. A blocker always stands alone: each one has to be repaired.
pub(super) fn alike<'a, T: AsRef<Finding>>(items: impl IntoIterator<Item = &'a T>) -> Vec<Alike<'a, T>> {
    let mut all: Vec<Alike<'a, T>> = Vec::new();
    for item in items {
        match all.iter_mut().find(|known| say_the_same(known.first.as_ref(), item.as_ref())) {
            Some(known) => known.more.push(item),
            None => all.push(Alike { first: item, more: Vec::new() }),
        }
    }
    all
}

impl<'a, T: AsRef<Finding>> Alike<'a, T> {
    /// `/root/ca.key`, `/root/ca.key and 2 more`.
    pub(super) fn subject(&self) -> String {
        let subject = &self.first.as_ref().subject;
        match self.more.len() {
            0 => subject.to_string(),
            more => format!("{subject} and {more} more"),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a T> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }
}

fn say_the_same(one: &Finding, other: &Finding) -> bool {
    let is_path = |finding: &Finding| matches!(finding.subject, Subject::Path(_));
    let of = |finding: &Finding| (finding.code, finding.severity);
    of(one) == of(other)
        && !one.is_blocker()
        && is_path(one)
        && is_path(other)
        && one.what == other.what
        && one.remedy == other.remedy
}
