//! Nothing is lost: the promise of one whole state, old or new, put to the test.
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
mod full_disk;
mod lock;
mod secrets;
