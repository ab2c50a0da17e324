//! A value of any bytes: in Kubernetes' protobuf, JSON or CBOR, encrypted or nothing; and a configuration of a cluster.
#![no_main]

use kuberescue::formats::etcd::{ClusterConfiguration, Content, KeyValue, Stored};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    look(data);
    // A record of the bucket `key` holds one.
    if let Ok(entry) = KeyValue::parse(data) {
        look(entry.value);
    }
    let prefixes: [&[u8]; 3] = [b"k8s\0", b"\xd9\xd9\xf7", b"{"];
    for prefix in prefixes {
        look(&[prefix, data].concat());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = ClusterConfiguration::parse(text);
    }
});

fn look(value: &[u8]) {
    match Stored::parse(value) {
        Stored::Object(object) => {
            let size = match &object.content {
                Content::ConfigMap(data) => data.iter().map(|(key, value)| key.len() + value.len()).sum(),
                Content::Secret { data, .. } => data.iter().map(|(key, value)| key.len() + value.len()).sum(),
                _ => 0,
            };
            // What is no UTF-8 becomes up to three bytes for one.
            assert!(size <= 3 * value.len(), "nothing is told twice");
        }
        Stored::Encrypted(provider) => assert!(provider.len() <= 3 * value.len()),
        Stored::Other(why) => assert!(!why.is_empty()),
    }
}
