//! Keys and signatures: everything a run issues is made and checked here, in memory, before anything
//! is written.
//!
//! This room knows no files and no clock. Randomness comes from the operating system through ring;
//! what is to be issued, for whom and from when to when are parameters.

mod change_set;
mod creation;
mod error;
mod keys;
mod own_authority;
mod primes;
mod random;
mod renewal;
mod signer;
mod template;

pub use crate::analysis::node::plan::{Dates as Validity, Profile};
pub use change_set::change_set;
pub use creation::create;
pub use error::IssueError;
pub use keys::{KeyRequest, generate};
pub use renewal::renew;
pub use signer::Signer;
