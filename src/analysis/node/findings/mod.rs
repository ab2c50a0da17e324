//! What is wrong with a node at a given time, each finding with a stable code, evidence and a remedy.
//!
//! [`findings`] is the one judgement: `diagnose`, `recover`, `certs`, `archive verify` and every report show
//! its findings, in its order: root cause first.

mod access;
mod cluster;
mod credentials;
mod examine;
mod identity;
mod kubelet;
mod machine;
mod manifests;
pub(in crate::analysis) mod order;
mod places;
mod references;
mod store;

pub use credentials::{authority_key_problem, is_in_doubt, keeps_from_signing};
pub use examine::{Node, findings};
pub use identity::EXPIRES_SOON;
pub use order::consequence;
pub use places::is_secret;

pub use crate::state::{Class, Code, Evidence, Finding, MissingName, Remedy, Severity};
