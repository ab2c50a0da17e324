//! What a snapshot means: facts and rows ([`inventory`]), what is wrong ([`diagnose`]), what to do
//! about it ([`plan`]), what differs from another state ([`compare`]), what would bring that back ([`restore`]), what the node should serve ([`endpoints`]) and what happened when ([`timeline`]).
//! And what a cluster's objects mean: pods that don't fare well ([`pods`]), what has to be restarted and how far that is
//! ([`rollout`]), what is wrong beyond the node ([`verify`]).
//!
//! Pure functions of a snapshot or of objects, and a time. A file that cannot be read is a row with a reason, never an
//! error; nothing here can fail.

pub mod changed;
pub mod compare;
pub mod contexts;
pub mod diagnose;
pub mod endpoints;
pub mod facts;
pub mod inventory;
pub mod nodes;
pub mod plan;
pub mod pods;
pub mod quorum;
pub mod restore;
pub mod rollout;
pub mod scope;
pub mod surroundings;
pub mod timeline;
pub mod trust;
pub mod verify;
