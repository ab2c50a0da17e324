//! `probe` against real TLS servers: what is served, how it is refused, what hangs. openssl and etcd are the judges
//! of what the small servers here can't show. No test depends on the day: certificates are valid from 1975 to
//! 4096 or ended long ago, and the time of judging is given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test: openssl and etcd are processes, their input are files, and what fails shall fail loudly"
)]

mod api;
mod https;
mod judges;
mod node;
mod server;
mod verdicts;
