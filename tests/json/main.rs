//! Documents: every command with `-o json` and `-o yaml`, and every kind against its schema in `docs/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test: it writes trees, runs programs, and what fails shall fail loudly"
)]

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
#[path = "../probe/node.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod node;
#[path = "../common/schema.rs"]
mod schema;
#[path = "../probe/server.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod server;

mod commands;
mod kinds;
mod world;
