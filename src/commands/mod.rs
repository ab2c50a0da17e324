//! One file per subcommand: its arguments beside its `run`. What several of them share is in the session.

pub mod archive;
pub mod bundle;
pub mod ca;
pub mod check_expiration;
pub mod completions;
pub mod csr;
pub mod diagnose;
pub mod etcd;
pub mod explain;
pub mod help;
pub mod kubeconfig;
pub mod man;
pub mod nodes;
pub mod probe;
pub mod recover;
pub mod renew;
pub mod restart;
pub mod resume;
pub mod rollback;
pub mod rollout;
pub mod verify;
pub mod version;
