//! The trust graph: what it says of the trees of testdata/nodes, and that nothing on a disk can break its forms.
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

#[path = "../common/mod.rs"]
mod common;
mod drawn;
mod hostile;
mod mermaid_grammar;
mod node;
mod trees;
