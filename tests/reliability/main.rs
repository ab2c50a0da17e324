//! Nothing is lost: the promise of one whole state, old or new, put to the test.

#[cfg(target_arch = "x86_64")]
mod caller;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_arch = "x86_64")]
mod crash;
#[cfg(target_arch = "x86_64")]
mod decode;
#[cfg(target_arch = "x86_64")]
mod faults;
mod full_disk;
#[cfg(target_arch = "x86_64")]
mod harmless;
#[cfg(target_arch = "x86_64")]
mod judge;
mod lock;
#[cfg(target_arch = "x86_64")]
mod meanwhile;
#[cfg(target_arch = "x86_64")]
mod peers;
#[cfg(target_arch = "x86_64")]
mod power;
#[cfg(target_arch = "x86_64")]
mod requests;
#[cfg(target_arch = "x86_64")]
mod scenarios;
mod secrets;
#[cfg(target_arch = "x86_64")]
mod signals;
#[cfg(target_arch = "x86_64")]
mod tracer;
#[cfg(target_arch = "x86_64")]
mod tracing;
#[cfg(target_arch = "x86_64")]
mod tree;
