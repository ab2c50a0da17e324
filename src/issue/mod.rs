//! Keys and signatures: everything a run issues is made and checked here, in memory, before anything
//! is written.
//!
//! This room knows no files and no clock. Randomness comes from the operating system through ring;
//! what is to be issued, for whom and from when to when are parameters.

mod creation;
mod error;
mod keys;
mod primes;
mod random;
mod renewal;
mod signer;
mod template;

pub use creation::{Profile, create};
pub use error::IssueError;
pub use keys::{KeyRequest, generate};
pub use renewal::{Validity, renew};
pub use signer::{Signer, is_key_of};
