//! kuberescue revives a kubeadm control-plane node whose certificates have expired.

pub mod disk;
pub mod state;
