//! The live node: stories on a test node with a real containerd, runc and etcd. The kubelet, the API server, the
//! controller-manager and the scheduler in them are stand-ins (`scripts/testnode/standins`).
//!
//! All are ignored by `cargo test`: they need root and Debian's packages. `make test-node` runs them.
#![allow(dead_code, reason = "each story uses a part of it")]

mod bundle;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod fleet;
mod images;
mod kills;
mod manifest;
mod node;
mod quorum;
mod recover;
mod rescue;
mod restart;
mod smoke;
mod story;
mod systemd;
mod vip;
