//! The objects of a cluster: pods in trouble ([`pods`]), what has to be restarted and how far that is ([`rollout`]),
//! what is wrong beyond the node ([`verify`]).

pub mod pods;
pub mod rollout;
pub mod verify;
