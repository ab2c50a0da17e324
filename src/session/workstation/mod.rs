//! The kubeconfigs of a workstation: one that will replace another ([`credential`]), and its copy in a Secret
//! of the admin cluster ([`secret`]); and a new one from a node's CA key ([`new`]).

pub mod credential;
pub mod new;
pub mod secret;
