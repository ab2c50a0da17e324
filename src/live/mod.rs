//! The live room: what runs on this very machine, asked and restarted. Nothing here is used for a disk that
//! is only mounted.

pub(crate) mod clock;
pub mod kubelet;
