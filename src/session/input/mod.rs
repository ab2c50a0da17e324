//! What a run starts from: a node's files ([`source`]) and what is around them ([`host_state`]), kubeconfigs ([`kubeconfigs`]), and values as they are typed
//! ([`arguments`]).

pub mod arguments;
pub mod host_state;
pub mod kubeconfigs;
pub mod source;
pub mod who;
