//! Why certificates and keys cannot be read, in this program's words: the libraries' own texts name their types, and no
//! message shows them.

use ring::error::KeyRejected;
use x509_parser::error::X509Error;
use x509_parser::nom;

/// What is wrong with a certificate or a certificate request in DER.
pub fn x509(error: &nom::Err<X509Error>) -> &'static str {
    let error = match error {
        nom::Err::Incomplete(_) => return "truncated",
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
    };
    match error {
        X509Error::InvalidVersion => "its version cannot be read",
        X509Error::InvalidSerial => "its serial number cannot be read",
        X509Error::InvalidX509Name => "a name in it cannot be read",
        X509Error::InvalidDate => "its dates cannot be read",
        X509Error::InvalidSPKI => "its public key cannot be read",
        X509Error::InvalidExtensions => "its extensions cannot be read",
        X509Error::DuplicateExtensions => "it has an extension twice",
        X509Error::InvalidAttributes => "its attributes cannot be read",
        X509Error::DuplicateAttributes => "it has an attribute twice",
        X509Error::InvalidAlgorithmIdentifier | X509Error::InvalidSignatureValue => {
            "its signature cannot be read"
        }
        X509Error::Der(_) | X509Error::NomError(_) => "its DER is damaged or truncated",
        _ => "it cannot be read",
    }
}

/// What is wrong with a structure in DER.
pub fn der(error: &der::Error) -> &'static str {
    use der::ErrorKind as Kind;
    match error.kind() {
        Kind::Incomplete { .. } => "truncated",
        Kind::TrailingData { .. } => "bytes follow it",
        Kind::TagUnexpected { .. } | Kind::TagUnknown { .. } | Kind::TagNumberInvalid => {
            "it has another structure than expected"
        }
        Kind::DateTime => "X.509 has no such date",
        Kind::Overflow | Kind::Overlength => "it is too large",
        _ => "its DER is damaged",
    }
}

/// Why a private key cannot sign. The library tells its kinds apart by their texts alone.
pub fn rejected(error: &KeyRejected) -> &'static str {
    match error.to_string().as_str() {
        "TooSmall" => "it is smaller than is safe",
        "TooLarge" => "it is larger than is supported",
        "InconsistentComponents" => "its parts do not belong together",
        "InvalidComponent" => "a part of it is not valid",
        "InvalidEncoding" => "its encoding is not valid",
        "VersionNotSupported" => "its version is not supported",
        "WrongAlgorithm" => "it is of another algorithm",
        "PublicKeyIsMissing" => "its public key is missing",
        "PrivateModulusLenNotMultipleOf512Bits" => "its length is not a multiple of 512 bits",
        _ => "it is not accepted",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use der::Decode as _;
    use x509_parser::prelude::FromDer as _;

    use super::*;

    /// Each byte of a certificate and of a key is flipped: what is said of the results has no library's text in it.
    #[test]
    fn damaged_certificates_and_keys_are_told_in_our_own_words() {
        let params = rcgen::CertificateParams::new(vec!["node".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let good = params.self_signed(&key).unwrap().der().to_vec();
        let mut found = std::collections::BTreeSet::new();
        for index in 0..good.len() {
            for flip in [0x01, 0x10, 0x80] {
                let mut bad = good.clone();
                bad[index] ^= flip;
                found.extend(
                    x509_parser::certificate::X509Certificate::from_der(&bad)
                        .err()
                        .map(|error| format!("certificate: {}", x509(&error))),
                );
                found.extend(
                    der::Any::from_der(&bad).err().map(|error| format!("structure: {}", super::der(&error))),
                );
            }
        }
        let pkcs8 = key.serialize_der();
        for index in 0..pkcs8.len() {
            let mut bad = pkcs8.clone();
            bad[index] ^= 0x01;
            let random = ring::rand::SystemRandom::new();
            let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
            let error = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &bad, &random).err();
            found.extend(error.map(|error| format!("key: {}", rejected(&error))));
        }
        let mut text = String::new();
        found.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        insta::assert_snapshot!(text, @"
        certificate: it cannot be read
        certificate: its DER is damaged or truncated
        certificate: its dates cannot be read
        certificate: its extensions cannot be read
        certificate: its public key cannot be read
        certificate: its serial number cannot be read
        certificate: its signature cannot be read
        certificate: its version cannot be read
        certificate: truncated
        key: it is of another algorithm
        key: its encoding is not valid
        key: its parts do not belong together
        key: its version is not supported
        structure: bytes follow it
        structure: it has another structure than expected
        structure: its DER is damaged
        structure: truncated
        ");
    }
}
