//! One node: its [`facts`] and their [`scope`], the [`inventory`] of its credentials, its [`kind`], the
//! [`findings`] about them, the [`plan`] that repairs it, who reads its files ([`readers`]), what the node should serve ([`endpoints`]), what
//! still uses old files ([`changed`]), what of its CAs is in the cluster ([`copies`]) and elsewhere ([`outside`]), the kubelet's [`store`], and what stopping etcd would do ([`quorum`]).

pub mod changed;
pub mod copies;
pub mod endpoints;
pub mod facts;
pub mod findings;
pub mod host_state;
pub mod inventory;
pub mod kind;
pub mod outside;
pub mod plan;
pub mod quorum;
pub mod readers;
pub(in crate::analysis) mod references;
pub mod scope;
pub mod store;
#[cfg(test)]
pub(crate) mod tree;
