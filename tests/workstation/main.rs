//! `kubeconfig fetch`, `install` and `push`: real HTTPS between the program and stand-ins of two API servers, the admin
//! cluster's and the cluster's own; files on a real disk, judged by kubectl, by openssl and by strace. The stand-ins
//! keep what they are given and know conflicts; they are no API servers.

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;

mod context;
mod disk;
mod fetch;
mod install;
mod judges;
mod push;
mod scene;
mod wire;
