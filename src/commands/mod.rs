//! One file a subcommand: its arguments beside what it does. What several of them do alike is the session's.

pub mod archive;
pub mod check_expiration;
pub mod diagnose;
pub mod explain;
pub mod kubeconfig;
pub mod nodes;
pub mod probe;
pub mod recover;
pub mod renew;
pub mod restart;
pub mod resume;
pub mod rollback;
pub mod rollout;
pub mod verify;
