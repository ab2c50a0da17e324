//! The kubeconfigs of a workstation: one that is about to replace another ([`credential`]), and the Secret that the
//! admin cluster keeps of it ([`secret`]).

pub mod credential;
pub mod secret;
