//! kuberescue revives a kubeadm control-plane node whose certificates have expired.

pub mod analysis;
pub mod cli;
pub mod commands;
pub mod disk;
pub mod formats;
pub mod issue;
pub mod report;
pub mod state;
