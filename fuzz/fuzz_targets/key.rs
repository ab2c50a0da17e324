//! Private keys, in PEM or in DER of each kind: what is read is written in every form and read the same.
#![no_main]

use kuberescue::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey, public_key_bits};
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [KeyEncoding; 3] = [KeyEncoding::Pkcs1, KeyEncoding::Sec1, KeyEncoding::Pkcs8];

fuzz_target!(|data: &[u8]| {
    let _public = (KeyAlgorithm::of_spki(data), public_key_bits(data));
    let keys: Vec<PrivateKey> = match data.starts_with(b"-----") {
        true => PrivateKey::from_pem(data).into_iter().collect(),
        false => {
            let read = |encoding| PrivateKey::from_der(encoding, data.to_vec().into()).ok();
            ENCODINGS.into_iter().filter_map(read).collect()
        }
    };
    for key in keys {
        let again = PrivateKey::from_pem(key.to_pem().as_bytes()).expect("what was written");
        assert_eq!(again.spki(), key.spki());
        for encoding in ENCODINGS {
            if let Ok(other) = key.encoded_as(encoding) {
                assert_eq!(other.spki(), key.spki());
            }
        }
    }
});
