//! Keys and signatures: everything that a run issues is created and checked here, in memory, before anything
//! is written.
//!
//! Must not know files or the clock. Randomness comes from the operating system through ring; what is issued,
//! for whom and for which dates are parameters.

mod authority;
mod bundle;
mod change_set;
mod client;
mod composer;
mod cores;
mod creation;
pub mod encryption;
mod error;
mod keys;
mod own_authority;
mod random;
mod renewal;
mod replacement;
mod request;
mod rsa;
mod signer;
mod template;

pub use crate::analysis::node::plan::{Dates as Validity, Profile};
pub use authority::renew_authority;
pub use bundle::{Bundle, control_plane_bundle, with_authorities, worker_bundle};
pub use change_set::{change_set, delivered};
pub use client::client_kubeconfig;
pub use creation::create;
pub use error::IssueError;
pub use keys::{KeyRequest, generate};
pub use renewal::{Corrections, renew, renew_with};
pub use replacement::new_authority;
pub use request::{certificate_request, sign_request};
pub use signer::Signer;
