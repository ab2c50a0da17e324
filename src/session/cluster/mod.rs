//! The cluster's API server: connecting to it ([`connect`]), restarting workloads through it ([`rollout`]),
//! and verifying that everything works again ([`verify`]).

pub mod cluster_info;
pub mod connect;
pub mod kubeadm_config;
pub mod rollout;
pub mod verify;
