//! What a node is, as plain values: the tree of its files ([`Snapshot`]), a change to that tree
//! ([`ChangeSet`]) and the table of everything kubeadm issues ([`catalog`]);
//! and what is wrong with it: [`Finding`], with [`Code`], [`Severity`], [`Component`], [`Subject`].
//!
//! Pure: no file, clock or random number is touched here. Knows nothing of certificates.

mod bytes;
pub mod catalog;
mod changes;
mod code;
mod component;
pub(crate) mod digest;
mod finding;
mod invoker;
mod memo;
pub mod os;
pub(crate) mod path;
mod situation;
mod snapshot;
mod subject;
pub mod text;
pub mod time;

pub use bytes::Bytes;
pub use changes::{Change, ChangeSet, Fingerprint};
pub use code::{CODES, Class, Code, Page, Severity};
pub use component::{Component, STATIC_POD_NAMESPACE};
pub use digest::Digest;
pub use finding::{Evidence, Finding, MissingName, Remedy};
pub use invoker::Invoker;
pub use memo::Memo;
pub use situation::{SITUATIONS, Situation, Steps};
pub use snapshot::{Attributes, Content, Entry, LinkError, Resolved, Snapshot, Unread};
pub use subject::Subject;
