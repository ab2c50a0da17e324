//! The kubelet's configuration and flags, crictl's configuration, etcd's flag with its members.
#![no_main]

use kuberescue::formats::crictl::CrictlConfiguration;
use kuberescue::formats::etcd;
use kuberescue::formats::kubelet::{KubeletConfiguration, flags_in_assignments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _crictl = CrictlConfiguration::parse(data);
    let flags = flags_in_assignments(data);
    for members in flags.values().map(|value| etcd::initial_cluster(value)) {
        assert!(members.iter().all(|member| !member.peer_urls.is_empty()));
    }
    let configuration = KubeletConfiguration::parse(data).unwrap_or_default();
    let _merged = configuration.with_flags(|name| flags.get(name).map(String::as_str));
});
