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

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod caller;
#[path = "../common/mod.rs"]
mod common;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod decode;
mod full_disk;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod harmless;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod power;
mod secrets;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracer;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracing;
