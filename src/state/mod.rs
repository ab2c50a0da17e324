//! What a node is, as plain values: the tree of its files ([`Snapshot`]), a change to that tree
//! ([`ChangeSet`]) and the table of everything kubeadm issues ([`catalog`]).
//!
//! Pure: no file, clock or random number is touched here. Knows nothing of certificates.

pub mod catalog;
mod changes;
mod digest;
mod invoker;
mod snapshot;
pub mod text;

pub use changes::{Change, ChangeSet, Fingerprint};
pub use digest::Digest;
pub use invoker::Invoker;
pub use snapshot::{Attributes, Bytes, Content, Entry, LinkError, Resolved, Snapshot, Unread};
