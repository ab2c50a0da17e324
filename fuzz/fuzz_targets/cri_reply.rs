//! Answers of the container runtime, and the end of a container's log.
#![no_main]

use kuberescue::live::fuzzing::{container_log, cri_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _texts = cri_reply(data);
    assert!(container_log(data).iter().all(|line| line.len() <= 2000 || !line.contains('\n')));
});
