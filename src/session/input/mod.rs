//! What a run starts from: a node's files ([`source`]), kubeconfigs ([`kubeconfigs`]), and values as they are typed
//! ([`arguments`]).

pub mod arguments;
pub mod kubeconfigs;
pub mod source;
