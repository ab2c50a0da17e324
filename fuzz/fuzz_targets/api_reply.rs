//! Answers of the API server and of etcd's gateway.
#![no_main]

use kuberescue::formats::etcd::{initial_cluster, is_healthy, member_list};
use kuberescue::live::fuzzing::api_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _found = api_answer(data);
    let _healthy = is_healthy(data);
    let _members = member_list(data);
    let _flag = std::str::from_utf8(data).map(initial_cluster);
});
