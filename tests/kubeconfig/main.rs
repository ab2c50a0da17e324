//! `kubeconfig check`: what the credentials of a workstation are worth. Judged by openssl, by kubectl, and by real
//! TLS servers. No test depends on the day: the time of asking is given.

#[path = "../common/mod.rs"]
mod common;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;

mod connect;
mod credentials;
mod desk;
mod files;
mod judges;
mod properties;
mod tokens;
