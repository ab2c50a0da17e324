//! X.509 certificates (RFC 5280): the facts for inventory, plan and reports, and the raw parts that a renewal
//! keeps byte for byte.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::key::{KeyAlgorithm, PrivateKey, public_key_bits};
use super::pem::{self, PemError};
use super::reason;
use crate::state::{Bytes, Digest, Memo, digest};

/// The largest certificate that is parsed: Go's limit for a TLS message with an entire chain (crypto/tls,
/// `maxHandshakeCertificateMsg`).
const LARGEST: usize = 256 << 10;

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No certificate block in the file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The block exists and its content is not a certificate.
    #[error("not an X.509 certificate: {0}")]
    Malformed(String),
    /// Larger than the limit.
    #[error("a certificate of {0} bytes: larger than the {LARGEST} bytes that TLS takes")]
    TooLarge(usize),
}

/// Why a certificate was not issued by a CA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Its issuer is another CA.
    #[error("issued by \"{issuer}\", not by \"{authority}\"")]
    OtherIssuer { issuer: String, authority: String },
    /// The name matches and the signature doesn't: another key with the same name.
    #[error("signed by another key than that of \"{0}\"")]
    OtherKey(String),
    /// A kind of signature that cannot be verified here.
    #[error("its signature cannot be checked: {0}")]
    Unsupported(String),
}

/// A summary of a certificate, for documents and records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertSummary {
    pub subject: String,
    pub issuer: String,
    /// Hexadecimal.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Subject alternative names as openssl prints them: `DNS:node-1`, `IP:10.0.0.1`.
    pub names: Vec<String>,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Digest,
}

/// A certificate as it was read. It is passed around and kept in many places, and is the same one in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate(Arc<Parts>);

impl Deref for Certificate {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for Certificate {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// A copy where there are others.
impl DerefMut for Certificate {
    fn deref_mut(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The entire certificate in DER.
    pub der: Vec<u8>,
    pub subject: String,
    pub issuer: String,
    /// Subject in DER, byte for byte.
    pub subject_der: Vec<u8>,
    /// Issuer in DER, byte for byte.
    pub issuer_der: Vec<u8>,
    pub common_names: Vec<String>,
    /// The organizations of the subject.
    pub organizations: Vec<String>,
    /// Serial number as lower-case hexadecimal digits.
    pub serial: String,
    pub not_before: Timestamp,
    /// The certificate is still valid in this second (RFC 5280 section 4.1.2.5).
    pub not_after: Timestamp,
    /// DNS names, in the certificate's order.
    pub dns_names: Vec<String>,
    /// IP addresses, in the certificate's order.
    pub addresses: Vec<IpAddr>,
    /// Whether it has an extended key usage extension with at least one purpose.
    pub has_usage: bool,
    /// Whether that extension allows it to serve TLS; true without the extension (RFC 5280 section 4.2.1.12).
    pub may_serve: bool,
    /// Whether that extension allows it to be a TLS client; true without the extension.
    pub may_be_client: bool,
    /// Whether its key may sign a handshake: digitalSignature, or no key usage extension (section 4.2.1.3).
    pub may_sign: bool,
    /// basicConstraints CA:TRUE.
    pub is_ca: bool,
    /// basicConstraints present.
    pub has_basic_constraints: bool,
    pub key_id: Option<Vec<u8>>,
    /// Whether it names its issuer by serial number (RFC 5280 section 4.2.1.1): openssl then rejects a renewed one.
    pub names_issuer_by_serial: bool,
    /// Subject public key info in DER.
    pub spki: Vec<u8>,
    pub algorithm: KeyAlgorithm,
    /// The hash of its signature, if Go and openssl reject it: `MD5`, `SHA-1`.
    pub weak_hash: Option<&'static str>,
}

/// Certificates with the CA that has signed them: a change looks at each of them several times, and so does whoever reads many
/// backups of one node.
static VERIFIED: Memo = Memo::new();

impl Certificate {
    /// The first certificate of a PEM file: by convention the leaf certificate.
    ///
    /// # Errors
    /// There is none, or it cannot be parsed.
    pub fn from_pem(data: &[u8]) -> Result<Self, CertificateError> {
        let mut found = pem::certificates(data)?;
        Self::from_der(found.swap_remove(0))
    }

    /// As [`Certificate::from_pem`], once for a file that is kept.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`].
    pub fn of(file: &Bytes) -> Result<&Self, &CertificateError> {
        file.parsed(Self::from_pem).as_ref()
    }

    /// Every certificate of a PEM file.
    ///
    /// # Errors
    /// There is none, or one cannot be parsed.
    pub fn all_from_pem(data: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Self::first_from_pem(data, usize::MAX)
    }

    /// The first `most` certificates of PEM text.
    ///
    /// # Errors
    /// There is none, or one of them cannot be parsed.
    pub fn first_from_pem(data: &[u8], most: usize) -> Result<Vec<Self>, CertificateError> {
        pem::certificates(data)?.into_iter().take(most).map(Self::from_der).collect()
    }

    /// Parses a certificate in DER.
    ///
    /// # Errors
    /// It cannot be parsed, or bytes follow it.
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let malformed = CertificateError::Malformed;
        if der.len() > LARGEST {
            return Err(CertificateError::TooLarge(der.len()));
        }
        let (rest, parsed) =
            X509Certificate::from_der(&der).map_err(|error| malformed(reason::x509(&error).to_owned()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes follow the certificate".to_owned()));
        }
        // A certificate without an expiry date has 9999-12-31T23:59:59Z (RFC 5280 section 4.1.2.5), a day
        // later than the latest Timestamp.
        let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let time = |seconds: i64| {
            Timestamp::from_second(seconds.clamp(first, last))
                .map_err(|_| malformed("its dates cannot be read".to_owned()))
        };
        let text = |values: Vec<Option<&str>>| values.into_iter().flatten().map(str::to_owned).collect();
        let subject = parsed.subject();
        let mut parts = Parts {
            subject: subject.to_string(),
            issuer: parsed.issuer().to_string(),
            subject_der: subject.as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            common_names: text(subject.iter_common_name().map(|name| name.as_str().ok()).collect()),
            organizations: text(subject.iter_organization().map(|name| name.as_str().ok()).collect()),
            serial: digest::hex(parsed.tbs_certificate.raw_serial()),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            has_usage: false,
            may_serve: true,
            may_be_client: true,
            may_sign: true,
            is_ca: false,
            has_basic_constraints: false,
            key_id: None,
            names_issuer_by_serial: false,
            spki: parsed.public_key().raw.to_vec(),
            algorithm: KeyAlgorithm::of_spki(parsed.public_key().raw)
                .unwrap_or_else(|_| KeyAlgorithm::Other("an unknown kind".to_owned())),
            weak_hash: weak_hash(&parsed.signature_algorithm.algorithm.to_id_string()),
            der: Vec::new(),
        };
        for extension in parsed.extensions() {
            parts.take_extension(extension.parsed_extension());
        }
        parts.der = der;
        Ok(parts.into())
    }

    /// Whether `key` is its private key. Compares the public keys, not the encoding of their algorithm: RSA's
    /// NULL parameters may be missing.
    pub fn is_of(&self, key: &PrivateKey) -> bool {
        key.algorithm == self.algorithm
            && match (public_key_bits(key.spki()), public_key_bits(&self.spki)) {
                (Ok(own), Ok(certified)) => own == certified,
                _ => false,
            }
    }

    pub fn common_name(&self) -> &str {
        self.common_names.first().map_or("", String::as_str)
    }

    /// Whether its serial number is below zero (RFC 5280 section 4.1.2.2 allows positive ones). A zero is read by all: kubeadm
    /// before 1.28 gave it to CAs.
    pub fn has_negative_serial(&self) -> bool {
        self.serial.starts_with(['8', '9', 'a', 'b', 'c', 'd', 'e', 'f'])
    }

    /// Whether it has expired at `now`.
    pub fn expired_at(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    /// Whether its notBefore is later than `now`.
    pub fn not_yet_valid_at(&self, now: Timestamp) -> bool {
        now < self.not_before
    }

    pub fn summary(&self) -> CertSummary {
        CertSummary {
            subject: self.subject.clone(),
            issuer: self.issuer.clone(),
            serial: self.serial.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            names: self.alternative_names(),
            fingerprint: self.fingerprint(),
        }
    }

    /// SHA-256 of the DER, as openssl's `-fingerprint -sha256`.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// Names and addresses as openssl prints them.
    pub fn alternative_names(&self) -> Vec<String> {
        let names = self.dns_names.iter().map(|name| format!("DNS:{name}"));
        names.chain(self.addresses.iter().map(|address| format!("IP:{address}"))).collect()
    }

    /// Verifies issuer and signature against `authority`. Dates are not checked.
    ///
    /// # Errors
    /// That CA did not issue it, or this cannot be verified.
    pub fn signed_by(&self, authority: &Self) -> Result<(), ChainError> {
        if self.issuer_der != authority.subject_der {
            // Go compares names byte by byte: the same letters in another string type are another name.
            let same_letters = self.issuer == authority.subject;
            let how = if same_letters { " in another encoding" } else { "" };
            return Err(ChainError::OtherIssuer {
                issuer: format!("{}{how}", self.issuer),
                authority: authority.subject.clone(),
            });
        }
        let pair = Digest::of(&[self.der.as_slice(), &authority.der].concat());
        if VERIFIED.get(&pair).is_some() {
            return Ok(());
        }
        self.verify(authority)?;
        VERIFIED.keep(pair, true);
        Ok(())
    }

    fn verify(&self, authority: &Self) -> Result<(), ChainError> {
        let unsupported = |reason: &str| ChainError::Unsupported(reason.to_owned());
        let (_, leaf) = X509Certificate::from_der(&self.der).map_err(|_| unsupported("unreadable"))?;
        let (_, parent) = X509Certificate::from_der(&authority.der).map_err(|_| unsupported("unreadable"))?;
        match leaf.verify_signature(Some(parent.public_key())) {
            Ok(()) => Ok(()),
            // ring verifies with RSA keys of 2048 to 8192 bits alone.
            Err(_) if matches!(authority.algorithm, KeyAlgorithm::Rsa(..2048 | 8193..)) => {
                Err(unsupported(&format!("a key of {}", authority.algorithm)))
            }
            Err(x509_parser::error::X509Error::SignatureVerificationError) => {
                Err(ChainError::OtherKey(authority.subject.clone()))
            }
            Err(_) => Err(unsupported("an algorithm that is not supported here")),
        }
    }

    pub fn to_pem(&self) -> String {
        pem::encode(pem::Label::Certificate, &self.der).to_string()
    }
}

impl Parts {
    fn take_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.has_usage = usage.any
                    || usage.server_auth
                    || usage.client_auth
                    || usage.code_signing
                    || usage.email_protection
                    || usage.time_stamping
                    || usage.ocsp_signing
                    || !usage.other.is_empty();
                self.may_serve = usage.any || usage.server_auth;
                self.may_be_client = usage.any || usage.client_auth;
            }
            ParsedExtension::KeyUsage(usage) => self.may_sign = usage.digital_signature(),
            ParsedExtension::BasicConstraints(constraints) => {
                self.has_basic_constraints = true;
                self.is_ca = constraints.ca;
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.names_issuer_by_serial = id.authority_cert_serial.is_some();
            }
            _ => {}
        }
    }
}

/// RFC 8017 appendix A.2.4, RFC 3279 section 2.2.3.
fn weak_hash(algorithm: &str) -> Option<&'static str> {
    match algorithm {
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" => Some("SHA-1"),
        _ => None,
    }
}

/// The address in a certificate: four bytes or sixteen.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_without_an_end_is_read() {
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(9999, 12, 31);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let certificate = Certificate::from_der(der).unwrap();
        assert_eq!(certificate.not_after.strftime("%Y").to_string(), "9999");
        assert!(!certificate.expired_at("9000-01-01T00:00:00Z".parse().unwrap()));
    }
}
