//! PEM: what is read is written and read the same.
#![no_main]

use kuberescue::formats::pem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _key = pem::private_key(data);
    if let Ok(certificates) = pem::certificates(data) {
        assert!(!certificates.is_empty());
    }
    let Ok(blocks) = pem::blocks(data) else { return };
    for block in blocks {
        let text = pem::encode(block.label, &block.der);
        let again = pem::blocks(text.as_bytes()).expect("what was written");
        assert!(again.len() == 1 && again[0].label == block.label && again[0].der == block.der);
    }
});
