//! Certificate signing requests (PKCS #10, RFC 2986): of kubelets, and for external CAs.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;

use super::certificate::address;
use super::reason;

/// Bytes; a kubelet's has less than a kibibyte.
const LARGEST: usize = 64 << 10;

/// Why a request cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RequestError(String);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub subject: String,
    pub common_names: Vec<String>,
    pub organizations: Vec<String>,
    /// How many parts the subject has in all.
    pub subject_parts: usize,
    pub dns_names: Vec<String>,
    pub addresses: Vec<IpAddr>,
    /// Names of other kinds (URIs, e-mail addresses), as text.
    pub other_names: Vec<String>,
    /// Whether it was signed with its own key.
    pub is_signed: bool,
    /// Whether it requests a CA certificate.
    pub wants_authority: bool,
    /// Purposes that it requests (extended key usage), as openssl names them.
    pub purposes: Vec<&'static str>,
    /// Subject in DER, byte for byte.
    pub subject_der: Vec<u8>,
    /// Subject public key info in DER.
    pub spki: Vec<u8>,
    /// The value of the subject alternative names that it requests, in DER.
    pub names_der: Option<Vec<u8>>,
}

impl Request {
    /// Reads the request of a CertificateSigningRequest: PEM in base64.
    ///
    /// # Errors
    /// It cannot be parsed.
    pub fn from_base64_pem(text: &str) -> Result<Self, RequestError> {
        let wrong = |what: &str| RequestError(what.to_owned());
        if text.len() > LARGEST {
            return Err(wrong("the request is larger than any that a kubelet makes"));
        }
        Self::from_pem(&STANDARD.decode(text).map_err(|_| wrong("the request is no base64"))?)
    }

    /// Reads the first request of PEM text.
    ///
    /// # Errors
    /// There is none, or it cannot be parsed.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RequestError> {
        let wrong = |what: &str| RequestError(what.to_owned());
        let (_, pem) = parse_x509_pem(pem).map_err(|_| wrong("the request is no PEM"))?;
        if !["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].contains(&pem.label.as_str()) {
            return Err(wrong("the PEM in the request is no certificate request"));
        }
        Self::from_der(&pem.contents)
    }

    /// Names and addresses as openssl prints them, and those of other kinds.
    pub fn alternative_names(&self) -> Vec<String> {
        let names = self.dns_names.iter().map(|name| format!("DNS:{name}"));
        let names = names.chain(self.addresses.iter().map(|address| format!("IP:{address}")));
        names.chain(self.other_names.iter().cloned()).collect()
    }

    /// Reads a request in DER.
    ///
    /// # Errors
    /// It cannot be parsed, or bytes follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let malformed = |what: String| RequestError(format!("not a certificate request: {what}"));
        let (rest, parsed) = X509CertificationRequest::from_der(der)
            .map_err(|error| malformed(reason::x509(&error).to_owned()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes follow it".to_owned()));
        }
        let subject = &parsed.certification_request_info.subject;
        let text = |values: Vec<Option<&str>>| values.into_iter().flatten().map(str::to_owned).collect();
        let mut request = Self {
            subject: subject.to_string(),
            common_names: text(subject.iter_common_name().map(|name| name.as_str().ok()).collect()),
            organizations: text(subject.iter_organization().map(|name| name.as_str().ok()).collect()),
            subject_parts: subject.iter_attributes().count(),
            is_signed: parsed.verify_signature().is_ok(),
            subject_der: subject.as_raw().to_vec(),
            spki: parsed.certification_request_info.subject_pki.raw.to_vec(),
            ..Self::default()
        };
        // The signer uses all such attributes.
        for attribute in parsed.certification_request_info.iter_attributes() {
            if let ParsedCriAttribute::ExtensionRequest(wanted) = attribute.parsed_attribute() {
                for extension in &wanted.extensions {
                    let parsed = extension.parsed_extension();
                    if matches!(parsed, ParsedExtension::SubjectAlternativeName(_)) {
                        request.names_der = Some(extension.value.to_vec());
                    }
                    request.take_extension(parsed);
                }
            }
        }
        Ok(request)
    }

    fn take_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::IPAddress(bytes) => match address(bytes) {
                            Some(address) => self.addresses.push(address),
                            None => self.other_names.push("an address of a wrong length".to_owned()),
                        },
                        GeneralName::URI(uri) => self.other_names.push(format!("URI:{uri}")),
                        GeneralName::RFC822Name(name) => self.other_names.push(format!("email:{name}")),
                        _ => self.other_names.push("a name of another kind".to_owned()),
                    }
                }
            }
            ParsedExtension::ParseError { .. } => {
                self.other_names.push("an extension that cannot be read".to_owned())
            }
            ParsedExtension::BasicConstraints(constraints) => self.wants_authority |= constraints.ca,
            ParsedExtension::KeyUsage(usage) => {
                self.wants_authority |= usage.key_cert_sign() || usage.crl_sign();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let others = usage.any
                    || usage.code_signing
                    || usage.email_protection
                    || usage.time_stamping
                    || usage.ocsp_signing
                    || !usage.other.is_empty();
                let wanted = [
                    (usage.server_auth, "serverAuth"),
                    (usage.client_auth, "clientAuth"),
                    (others, "others"),
                ];
                self.purposes.extend(wanted.iter().filter(|(is, _)| *is).map(|(_, name)| *name));
            }
            _ => {}
        }
    }
}
