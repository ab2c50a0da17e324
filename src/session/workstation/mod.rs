//! The kubeconfigs of a workstation: one that will replace another ([`credential`]), and its copy in a Secret
//! of the admin cluster ([`secret`]).

pub mod credential;
pub mod secret;
