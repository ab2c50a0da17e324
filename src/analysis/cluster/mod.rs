//! The objects of a cluster: pods that are not ready ([`pods`]), what must be restarted and its progress
//! ([`rollout`]), what is wrong beyond the node ([`verify`]).

pub mod pods;
pub mod rollout;
pub mod verify;
