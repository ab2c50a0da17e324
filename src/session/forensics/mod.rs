//! Reading nodes as evidence: what is around their files ([`host_state`]), their logs ([`timeline`]), one or several of
//! them ([`nodes`]).

pub mod host_state;
pub mod nodes;
pub mod timeline;
