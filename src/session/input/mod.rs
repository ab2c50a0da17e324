//! The input of a run: a node's files ([`source`]) and the state around them ([`host_state`]), kubeconfigs
//! ([`kubeconfigs`]), etcd's database ([`database`], for the facts [`records`]), and values of the command line ([`arguments`]).

pub mod arguments;
pub mod database;
pub mod host_state;
pub mod kubeconfigs;
mod records;
pub mod source;
pub mod who;
