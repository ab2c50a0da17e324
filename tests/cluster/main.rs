//! The rest of the cluster, over the API: real HTTPS with client certificates against a stand-in of the API server that
//! begins with recorded objects of a real one; kubectl is asked the same where it can be.

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;

mod cluster_info;
mod found;
mod hostile;
mod kubeadm_config;
mod kubectl;
mod rollout;
mod scene;
mod signing;
mod verify;
