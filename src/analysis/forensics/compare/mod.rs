//! Two states of a node side by side: what differs in facts (this certificate: another serial number, the
//! same key) and in bytes (this path: content, mode, owner). Holds no secret: of keys only the digest of the
//! public half.

mod facts;
mod paths;

use serde::Serialize;

pub use facts::{Certified, CredentialChange, State, credentials};
pub use paths::{Aspect, PathChange, PathKind, paths};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Credentials that differ, in kubeadm's order.
    pub credentials: Vec<CredentialChange>,
    /// Paths that are not the same, in path order.
    #[serde(rename = "items")]
    pub paths: Vec<PathChange>,
    /// How many paths are the same.
    pub same: usize,
}

impl Comparison {
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty() && self.paths.is_empty()
    }
}
