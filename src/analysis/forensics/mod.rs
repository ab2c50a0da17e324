//! Nodes as evidence: the [`diagnosis`] that every report shows, who trusts whom ([`trust`]), what happened when
//! ([`timeline`]), what differs from another state ([`compare`]) and what would bring that back ([`restore`]), whether that would work ([`readiness`]), whether files that
//! another machine made are for this node ([`bundle`]), and several nodes side by side ([`fleet`]).

mod admission;
pub mod bundle;
pub mod compare;
pub mod diagnosis;
pub mod fleet;
pub mod readiness;
pub mod restore;
pub mod timeline;
pub mod trust;
