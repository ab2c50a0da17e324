//! Reading nodes as evidence: their logs ([`timeline`]), one or several of them ([`nodes`]).

pub mod archives;
mod each;
pub mod nodes;
pub mod timeline;
