//! Distinguished names by their parts, for monitoring.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// The parts of a name with a short name, with their object identifiers (X.520).
const PARTS: [(&str, &str); 6] = [
    ("C", "2.5.4.6"),
    ("ST", "2.5.4.8"),
    ("L", "2.5.4.7"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("CN", "2.5.4.3"),
];

/// The parts of a name in DER: the first value of each, in the order of the table above. Empty if the name
/// can't be parsed.
pub fn parts(name: &[u8]) -> Vec<(&'static str, String)> {
    let Ok((_, name)) = X509Name::from_der(name) else { return Vec::new() };
    let first = |oid: &str| {
        let mut values = name.iter_attributes().filter(|part| part.attr_type().to_id_string() == oid);
        values.find_map(|part| part.as_str().ok()).map(str::to_owned)
    };
    PARTS.iter().filter_map(|(word, oid)| Some((*word, first(oid)?))).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;
    use crate::formats::certificate::Certificate;

    #[test]
    fn a_name_falls_into_its_parts() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "a, CN=b \"c\" \\");
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CountryName, "CH");
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let certificate = Certificate::from_der(der).unwrap();
        let found = parts(&certificate.subject_der);
        let expected = [("C", "CH"), ("O", "system:masters"), ("CN", "a, CN=b \"c\" \\")];
        assert_eq!(found, expected.map(|(word, value)| (word, value.to_owned())));
        assert_eq!(parts(&[]), []);
        assert_eq!(parts(&[0x30, 0x80, 1, 2]), []);
    }
}
