//! Kubeconfigs: a splice changes the values and no other byte, and what it makes is read again with the new values.
#![no_main]

use kuberescue::formats::kubeconfig::{Credential, Kubeconfig};
use libfuzzer_sys::fuzz_target;

const NEW: [&[u8]; 3] = [b"new certificate, longer than the old one may be", b"new key", b"new CA"];

fuzz_target!(|data: &[u8]| {
    let Ok(parsed) = Kubeconfig::parse(data) else { return };
    let Credential::Embedded(old) = &parsed.credential else { return };
    let authority = parsed.authority_pem().map(|_| NEW[2]);
    let spliced = parsed.splice(data, NEW[0], NEW[1], authority).expect("it has a credential");
    let again = Kubeconfig::parse(&spliced).expect("what was spliced");
    assert_eq!((&again.user, &again.cluster, &again.server), (&parsed.user, &parsed.cluster, &parsed.server));
    let Credential::Embedded(new) = &again.credential else { panic!("its credential is gone") };
    assert_eq!((&**new.certificate_pem(), &**new.key_pem()), (NEW[0], NEW[1]));
    assert_eq!(again.authority_pem().map(|pem| &**pem), authority);
    // Back to the old values: every byte as it was, but for values that were no canonical base64.
    let authority = parsed.authority_pem().map(|pem| &**pem);
    let back = again.splice(&spliced, old.certificate_pem(), old.key_pem(), authority).expect("once more");
    let twice = Kubeconfig::parse(&back).expect("what was spliced back");
    let once_more = twice.splice(&back, NEW[0], NEW[1], authority.map(|_| NEW[2])).expect("and again");
    assert_eq!(*once_more, *spliced, "other bytes changed");
});
