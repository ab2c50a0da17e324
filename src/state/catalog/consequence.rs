//! What breaks without a credential or component: one column for findings, trust graph and reports.

use super::table::CONSEQUENCES;
use crate::state::Component;

/// What the control plane is without a credential or component, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Without {
    /// The cluster continues; one way to reach it is lost.
    GoesOn,
    /// A part of it doesn't work.
    InPart,
    /// It runs, and doesn't come back once it is stopped.
    NotAgain,
    /// Whether it starts depends on more than is known here.
    Perhaps,
    /// It doesn't start.
    Dead,
}

/// What follows when the credential or component of this name is missing, expired or no longer accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Name in the catalog, a component's name, or `clock`.
    pub subject: &'static str,
    pub without: Without,
    /// Main clauses, without a full stop.
    pub text: &'static str,
    /// The static pod that presents it, where exactly one does.
    pub pod: Option<Component>,
}

/// The entry of a name, and how early in the chain it fails.
pub fn consequence(subject: &str) -> Option<(usize, &'static Consequence)> {
    CONSEQUENCES.iter().enumerate().find(|(_, row)| row.subject == subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalog::{CAS, CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING};

    #[test]
    fn everything_in_the_catalog_has_a_consequence() {
        let names = CERT_SPECS.iter().map(|spec| spec.name).chain(CAS.iter().map(|ca| ca.name()));
        let components = Component::STATIC_PODS.iter().map(|component| component.name());
        for name in names.chain(components).chain(["sa", "kubelet", KUBELET_CLIENT, KUBELET_SERVING]) {
            assert_eq!(CONSEQUENCES.iter().filter(|row| row.subject == name).count(), 1, "{name}");
        }
    }
}
