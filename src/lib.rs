//! kuberescue revives a kubeadm control-plane node whose certificates have expired.

pub mod analysis;
pub mod formats;
pub mod issue;
pub mod report;
pub mod state;
