//! The running node: what its components serve and answer.

pub mod api;
pub(crate) mod clock;
pub mod deadline;
mod fault;
pub mod https;
pub mod probe;

pub use fault::Fault;
