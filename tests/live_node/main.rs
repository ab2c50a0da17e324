//! The live node: stories on a test node with a real containerd, runc and etcd. The kubelet, the API server, the
//! controller-manager and the scheduler in them are stand-ins (`scripts/testnode/standins`).
//!
//! All are ignored by `cargo test`: they need root and Debian's packages. `make test-node` runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test: it writes trees, runs programs, and what fails shall fail loudly"
)]

mod cluster;
mod manifest;
mod node;
mod quorum;
mod recover;
mod restart;
mod smoke;
mod story;
mod systemd;
