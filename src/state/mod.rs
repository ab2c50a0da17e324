//! What a node is, as plain values: the tree of its files ([`Snapshot`]), a change to that tree
//! ([`ChangeSet`]) and the table of everything kubeadm issues ([`catalog`]);
//! and the vocabulary of findings: [`Code`], [`Severity`], [`Component`], [`Subject`].
//!
//! Pure: no file, clock or random number is touched here. Knows nothing of certificates.

pub mod catalog;
mod changes;
mod code;
mod component;
mod digest;
mod invoker;
pub mod os;
mod snapshot;
mod subject;
pub mod text;
pub mod time;

pub use changes::{Change, ChangeSet, Fingerprint};
pub use code::{CODES, Class, Code, Page, Severity};
pub use component::Component;
pub use digest::Digest;
pub use invoker::Invoker;
pub use snapshot::{Attributes, Bytes, Content, Entry, LinkError, Resolved, Snapshot, Unread};
pub use subject::Subject;
