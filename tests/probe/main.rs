//! `probe` against real TLS servers: what is served, how it is refused, what hangs. openssl and etcd are the judges
//! of what the small servers here can't show. No test depends on the day: certificates are valid from 1975 to
//! 4096 or expired long ago, and the time of judging is given.

mod api;
#[path = "../common/mod.rs"]
mod common;
mod https;
mod judges;
mod node;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;
mod snapshot;
mod verdicts;
