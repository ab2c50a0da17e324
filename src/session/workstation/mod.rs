//! The kubeconfigs of a workstation: one that will replace another ([`credential`]), and its copy in a Secret
//! of the admin cluster ([`secret`]); and what a node's CA key issues for elsewhere: a new one ([`new`]), and what another node
//! needs ([`bundle`]).

pub mod bundle;
pub mod credential;
pub mod new;
pub mod secret;
