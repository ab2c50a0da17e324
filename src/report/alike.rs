//! Findings that differ in nothing but their path: a copied directory of keys is one line, not twenty.

use crate::analysis::node::findings::Finding;
use crate::state::text::{count, some};
use crate::state::{Code, Subject};

/// So many names stand in a folded line.
const NAMED: usize = 3;

/// A finding, and those that say the same of other paths.
pub(super) struct Alike<'a, T> {
    pub(super) first: &'a T,
    pub(super) more: Vec<&'a T>,
}

/// In the order of the first of each. A blocker always stands alone: each one has to be repaired.
pub(super) fn alike<'a, T: AsRef<Finding>>(items: impl IntoIterator<Item = &'a T>) -> Vec<Alike<'a, T>> {
    grouped(items, say_the_same)
}

/// Those that say the same word for word, of whatever subject: ten certificates that expired on one day. For an overview, which
/// shows neither evidence nor remedies.
pub(super) fn folded<'a, T: AsRef<Finding>>(items: impl IntoIterator<Item = &'a T>) -> Vec<Alike<'a, T>> {
    let key = |finding: &Finding| (finding.code, finding.severity);
    grouped(items, |one, other| key(one) == key(other) && one.what == other.what)
}

fn grouped<'a, T: AsRef<Finding>>(
    items: impl IntoIterator<Item = &'a T>,
    same: impl Fn(&Finding, &Finding) -> bool,
) -> Vec<Alike<'a, T>> {
    let mut all: Vec<Alike<'a, T>> = Vec::new();
    for item in items {
        match all.iter_mut().find(|known| same(known.first.as_ref(), item.as_ref())) {
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

    /// `apiserver: expired on 2024-12-31`, `9 certificates expired on 2024-12-31: etcd-server, etcd-peer and 7 more`.
    pub(super) fn sentence(&self) -> String {
        let finding = self.first.as_ref();
        let names: Vec<_> = self.all().map(|item| item.as_ref().subject.to_string()).collect();
        match names.as_slice() {
            [one] => format!("{one}: {}", finding.what),
            all if finding.code == Code::Expired => {
                format!("{} {}: {}", count(all.len(), "certificate"), finding.what, named(all))
            }
            all => format!("{}: {}", named(all), finding.what),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a T> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }
}

/// The first names; the last one is not "1 more".
fn named(names: &[String]) -> String {
    let most = if names.len() == NAMED + 1 { names.len() } else { NAMED };
    some(names.iter(), most)
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
