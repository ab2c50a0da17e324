//! Certificates, in PEM or DER: what is read can be shown and compared, and is written and read the same.
#![no_main]

use jiff::Timestamp;
use kuberescue::formats::certificate::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let found = match data.starts_with(b"-----") {
        true => Certificate::all_from_pem(data).unwrap_or_default(),
        false => Certificate::from_der(data.to_vec()).into_iter().collect(),
    };
    for certificate in &found {
        let again = Certificate::from_pem(certificate.to_pem().as_bytes()).expect("what was written");
        assert_eq!(again.der, certificate.der);
        let _shown = (certificate.alternative_names(), certificate.fingerprint(), certificate.common_name());
        let _expired = certificate.expired_at(Timestamp::UNIX_EPOCH);
        let _signed = certificate.signed_by(certificate);
    }
});
