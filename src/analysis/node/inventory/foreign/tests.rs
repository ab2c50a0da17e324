use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::super::Parsed;
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

fn row(bundle: Vec<Certificate>) -> CaRow {
    CaRow {
        authority: Ca::Cluster,
        certificate_path: PathBuf::from("/ca.crt"),
        key_path: PathBuf::from("/ca.key"),
        certificate: Parsed::Present(bundle[0].clone()),
        key: Parsed::Missing,
        bundle,
    }
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
        assert_eq!(vouch(&copies, &row(vec![ca.clone()])), expected);
    }
}

#[test]
fn the_root_vouches_for_an_intermediate() {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = own("corp-root", &root_key);
    let issuer = Issuer::new(params("corp-root"), &root_key);
    let signed = params("issuing").signed_by(&key, &issuer).unwrap();
    let intermediate = Certificate::from_der(signed.der().to_vec()).unwrap();
    let row = row(vec![intermediate.clone(), root.clone()]);
    assert_eq!(vouch(std::slice::from_ref(&root), &row), Vouch::Yes);
    assert_eq!(vouch(&[intermediate], &row), Vouch::Yes);
    assert_eq!(vouch(&[own("corp-root", &key)], &row), Vouch::OtherName);
}
