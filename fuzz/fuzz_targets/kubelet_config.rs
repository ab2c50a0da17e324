//! The kubelet's configuration, flags and unit, crictl's configuration, etcd's flag with its members.
#![no_main]

use std::path::Path;

use kuberescue::formats::crictl::CrictlConfiguration;
use kuberescue::formats::etcd;
use kuberescue::formats::kubelet::{KubeletConfiguration, flags_in_assignments};
use kuberescue::formats::systemd::Service;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _crictl = CrictlConfiguration::parse(data);
    let flags = flags_in_assignments(data);
    for members in flags.values().map(|value| etcd::initial_cluster(value)) {
        assert!(members.iter().all(|member| !member.peer_urls.is_empty()));
    }
    let _configuration = KubeletConfiguration::parse(data);
    let text = String::from_utf8_lossy(data);
    let mut service = Service::default();
    service.add(Path::new("/kubelet.service"), &text);
    service.add_environment(Path::new("/kubelet.env"), &text);
    let _words = service.words();
});
