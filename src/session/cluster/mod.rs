//! The cluster's API server: connecting to it ([`connect`]), restarting workloads through it ([`rollout`]), and
//! whether all came back ([`verify`]).

pub mod connect;
pub mod rollout;
pub mod verify;
