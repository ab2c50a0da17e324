use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;

fn params(name: impl Into<rcgen::DnValue>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn own(name: impl Into<rcgen::DnValue>, key: &KeyPair) -> Certificate {
    Certificate::from_der(params(name).self_signed(key).unwrap().der().to_vec()).unwrap()
}

#[test]
fn a_copy_is_judged_by_name_and_key() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let ca = own("kubernetes", &key);
    let printable = rcgen::string::PrintableString::try_from("kubernetes").unwrap();
    let encoded = own(rcgen::DnValue::PrintableString(printable), &key);
    assert_eq!(encoded.subject, ca.subject);
    let cases = [
        (vec![ca.clone()], Trust::Yes),
        (vec![own("kubernetes", &other), ca.clone()], Trust::Yes),
        (vec![own("kubernetes", &key)], Trust::SameKey),
        (vec![encoded], Trust::OtherName),
        (vec![own("kubernetes", &other)], Trust::No),
        (Vec::new(), Trust::No),
    ];
    for (copies, expected) in cases {
        assert_eq!(trusts(&copies, &ca, std::slice::from_ref(&ca)), expected);
    }
}

#[test]
fn a_client_of_the_root_trusts_an_intermediate() {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = own("corp-root", &root_key);
    let issuer = Issuer::new(params("corp-root"), &root_key);
    let signed = params("issuing").signed_by(&key, &issuer).unwrap();
    let intermediate = Certificate::from_der(signed.der().to_vec()).unwrap();
    let bundle = [intermediate.clone(), root.clone()];
    assert_eq!(trusts(std::slice::from_ref(&root), &intermediate, &bundle), Trust::Yes);
    assert_eq!(trusts(std::slice::from_ref(&intermediate), &intermediate, &bundle), Trust::Yes);
    assert_eq!(trusts(&[own("corp-root", &key)], &intermediate, &bundle), Trust::OtherName);
}
