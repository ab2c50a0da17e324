//! The running node: its containers, its kubelet, what its components serve and answer. Effects on processes,
//! none on files; nothing here is used for a disk that is only mounted. Foreign text (names, messages, log
//! lines) is returned raw; the report layer sanitises it.

pub mod api;
pub mod clock;
pub mod cri;
pub mod deadline;
pub mod etcd;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod handshake;
pub mod https;
pub mod invoker;
pub mod kubelet;
pub mod probe;
pub mod registry;
pub mod restart;

pub use fault::Fault;
