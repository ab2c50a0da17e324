//! The fleet: `scripts/fleet`'s Ansible playbook on three test nodes whose etcds are one cluster of three members, over
//! real ssh and sshd (`scripts/testnode/fleet`). kubelet, API server, controller-manager and scheduler in them are
//! stand-ins.
//!
//! Ignored by `cargo test`: it needs root, Debian's packages and ansible-core. `make test-node` runs it.
#![allow(dead_code, reason = "each story uses a part of it")]

#[path = "../common/mod.rs"]
mod common;
mod controller;
#[path = "../live_node/node.rs"]
mod node;
mod replace;
mod stories;
#[path = "../live_node/story.rs"]
mod story;
mod workers;
