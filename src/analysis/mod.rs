//! What a snapshot means. By job, each importing only from those before it: the [`node`] itself, then
//! [`forensics`] over one or several nodes, kubeconfigs on a [`workstation`], and the objects of a
//! [`cluster`].
//!
//! Pure functions of a snapshot or of objects, and a time. An unreadable file is a row with a reason, never
//! an error; nothing here can fail.

pub mod cluster;
pub mod forensics;
pub mod node;
pub mod workstation;
