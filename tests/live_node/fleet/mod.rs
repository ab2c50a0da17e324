//! The fleet: `scripts/fleet`'s Ansible playbook on three test nodes whose etcds are one cluster of three members, over
//! real ssh and sshd (`scripts/testnode/fleet`). It needs ansible-core beside what the other stories need.

mod controller;
mod replace;
mod stories;
mod workers;
