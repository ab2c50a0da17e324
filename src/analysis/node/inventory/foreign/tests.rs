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
        (vec![ca.clone()], Vouch::Yes),
        (vec![own("kubernetes", &other), ca.clone()], Vouch::Yes),
        (vec![own("kubernetes", &key)], Vouch::SameKey),
        (vec![encoded], Vouch::OtherName),
        (vec![own("kubernetes", &other)], Vouch::No),
        (Vec::new(), Vouch::No),
    ];
    for (copies, expected) in cases {
        assert_eq!(vouch(&copies, &ca, std::slice::from_ref(&ca)), expected);
    }
}

#[test]
fn the_root_vouches_for_an_intermediate() {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = own("corp-root", &root_key);
    let issuer = Issuer::new(params("corp-root"), &root_key);
    let signed = params("issuing").signed_by(&key, &issuer).unwrap();
    let intermediate = Certificate::from_der(signed.der().to_vec()).unwrap();
    let bundle = [intermediate.clone(), root.clone()];
    assert_eq!(vouch(std::slice::from_ref(&root), &intermediate, &bundle), Vouch::Yes);
    assert_eq!(vouch(std::slice::from_ref(&intermediate), &intermediate, &bundle), Vouch::Yes);
    assert_eq!(vouch(&[own("corp-root", &key)], &intermediate, &bundle), Vouch::OtherName);
}
