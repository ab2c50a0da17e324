//! Stories on a real Kubernetes: kubeadm, kubelet, API server, controller-manager and scheduler 1.20.2, etcd,
//! containerd and runc (`scripts/kubernetes`). Only systemd is a stand-in. What this can't do, such as a runtime that
//! refuses or a component that never stops, is told with the stand-ins of `tests/live_node`.
//!
//! All are ignored by `cargo test`: they need root and Debian's packages. `make test-kubernetes` runs them.

mod ca;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod healthy;
mod kills;
mod missing;
mod node;
mod recover;
