//! Documents: every command with `-o json` and `-o yaml`, and every kind against its schema in `docs/`.

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
#[path = "../probe/node.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod node;
#[path = "../common/schema.rs"]
mod schema;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod server;

mod commands;
mod kinds;
mod world;
