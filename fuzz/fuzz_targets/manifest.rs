//! Static-pod manifests.
#![no_main]

use kuberescue::formats::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::parse(data) {
        let _version = manifest.minor_version();
        for name in manifest.flags.keys() {
            let _value = manifest.flag(name);
        }
    }
});
