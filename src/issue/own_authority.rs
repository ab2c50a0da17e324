//! A CA for one certificate: a kubelet creates it for its self-signed serving certificate (client-go
//! `util/cert/cert.go` GenerateSelfSignedCertKey). Its key is not kept, so that it never signs anything else.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyIdMethod, KeyUsagePurpose,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};

use super::creation::{name_reason, text};
use super::renewal;
use super::template::{Template, key_id};
use super::{IssueError, KeyRequest, Signer};
use crate::analysis::node::plan::Dates;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey, public_key_bits};

/// The kind of key that the kubelet generates for such a CA.
pub(super) fn key_request() -> KeyRequest {
    KeyRequest { algorithm: KeyAlgorithm::Rsa(2048), encoding: KeyEncoding::Pkcs1 }
}

/// A new self-signed CA certificate. `key` is an RSA key.
///
/// # Errors
/// A name that a certificate cannot hold, dates that cannot be expressed, signing failed, or the result
/// failed its check.
pub(super) fn own_authority(
    name: &str,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let key_bits = public_key_bits(key.spki())?.to_vec();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, text(name));
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id(&key_bits));
    let unsigned = params.self_signed(&Unsigned { key_bits }).map_err(|error| IssueError::Name {
        name: name.to_owned(),
        reason: name_reason(&error).to_owned(),
    })?;
    // It has subject and key by now, which is all that a signer needs to sign it again with the real key.
    let unsigned = Certificate::from_der(unsigned.der().to_vec())?;
    let signer = Signer::new(&unsigned, key)?;
    let issued = Template::from_der(&unsigned.der)?.issue(&signer, key, validity, &[])?;
    renewal::checked(issued, &signer, key, validity)
}

/// The real public key, and a placeholder for the signature.
struct Unsigned {
    key_bits: Vec<u8>,
}

impl PublicKeyData for Unsigned {
    fn der_bytes(&self) -> &[u8] {
        &self.key_bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Unsigned {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 256])
    }
}
