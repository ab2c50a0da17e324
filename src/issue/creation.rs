//! A certificate without a predecessor, in the form of kubeadm 1.36.
//!
//! rcgen writes subject and extensions. Its certificate is only a template, never signed: the rest is the
//! same as for a renewal, so issuer, serial, dates and key identifier are set in one place.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Encode as _, Tag};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm,
    SigningKey,
};

use super::renewal;
use super::template::{AUTHORITY_KEY_ID, Oid, Template};
use super::{IssueError, Signer};
use crate::analysis::node::plan::{Dates, Profile};
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::state::catalog::Usage;

/// The order in which Go's `x509.CreateCertificate` writes extensions: key usage, extended key usage, basic
/// constraints, authority key identifier, subject alternative names.
pub(super) const GO_ORDER: [Oid; 5] =
    [&[0x55, 0x1d, 0x0f], &[0x55, 0x1d, 0x25], &[0x55, 0x1d, 0x13], AUTHORITY_KEY_ID, &[0x55, 0x1d, 0x11]];

/// X.520, id-at-organizationName.
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// X.520, id-at-commonName.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A new certificate from `profile`, for `key`, signed by `signer`.
///
/// The form is that of kubeadm since about 1.21 (`util/pkiutil` `NewSignedCert`): O before CN,
/// PrintableString where possible and UTF8String elsewhere, critical key usage digitalSignature and
/// keyEncipherment (for EC keys too), critical basicConstraints CA:FALSE, the CA's key identifier if it has
/// one, no subject key identifier.
///
/// # Errors
/// A name that a certificate cannot hold, dates that cannot be expressed, signing failed, or the result
/// failed its check.
pub fn create(
    signer: &Signer<'_>,
    profile: &Profile,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let unsigned = unsigned(profile, signer.authority().key_id.as_deref())?;
    let subject = (profile.organizations.len() > 1).then(|| subject(profile)).transpose()?;
    let mut template = Template::from_der(&unsigned)?;
    template.order_extensions(&GO_ORDER);
    if let Some(subject) = &subject {
        template.put_subject(subject)?;
    }
    let issued = template.issue(signer, key, validity, &[])?;
    let issued = renewal::checked(issued, signer, key, validity)?;
    if !carries_the_names_of(&issued, profile) {
        return Err(IssueError::FailedCheck("it carries other names than asked for".to_owned()));
    }
    Ok(issued)
}

/// Organizations are a set: their order is that of their encoding.
fn carries_the_names_of(issued: &Certificate, profile: &Profile) -> bool {
    issued.common_name() == profile.common_name
        && sorted(&issued.organizations) == sorted(&profile.organizations)
        && issued.dns_names == profile.dns_names
        && issued.addresses == profile.addresses
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A subject with several organizations, in DER: rcgen takes one of a kind. They are one set, as Go writes them
/// (`crypto/x509/pkix` `Name.ToRDNSequence`); a set is sorted by its encoding (X.690 section 11.6).
pub(super) fn subject(profile: &Profile) -> Result<Vec<u8>, IssueError> {
    let mut organizations = profile
        .organizations
        .iter()
        .map(|name| attribute(ORGANIZATION, name))
        .collect::<Result<Vec<_>, IssueError>>()?;
    organizations.sort();
    let mut name = AnyRef::new(Tag::Set, &organizations.concat())?.to_der()?;
    let common_name = attribute(COMMON_NAME, &profile.common_name)?;
    name.extend(AnyRef::new(Tag::Set, &common_name)?.to_der()?);
    Ok(AnyRef::new(Tag::Sequence, &name)?.to_der()?)
}

/// RFC 5280 section 4.1.2.4, AttributeTypeAndValue.
fn attribute(kind: ObjectIdentifier, value: &str) -> Result<Vec<u8>, IssueError> {
    let tag = match text(value) {
        DnValue::PrintableString(_) => Tag::PrintableString,
        _ => Tag::Utf8String,
    };
    let mut attribute = kind.to_der()?;
    attribute.extend(AnyRef::new(tag, value.as_bytes())?.to_der()?);
    Ok(AnyRef::new(Tag::Sequence, &attribute)?.to_der()?)
}

/// Subject, names and usage of a profile.
pub(super) fn params(profile: &Profile) -> Result<CertificateParams, IssueError> {
    let refused =
        |name: &str, reason: &str| IssueError::Name { name: name.to_owned(), reason: reason.to_owned() };
    if profile.common_name.is_empty() {
        return Err(refused("", "the common name is empty"));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = profile.organizations.first() {
        params.distinguished_name.push(DnType::OrganizationName, text(organization));
    }
    params.distinguished_name.push(DnType::CommonName, text(&profile.common_name));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    params.extended_key_usages = match profile.usage {
        Usage::Server => vec![server],
        Usage::Client => vec![client],
        Usage::ServerAndClient => vec![server, client],
    };
    for name in &profile.dns_names {
        let ascii = name.as_str().try_into().map_err(|_| refused(name, "a DNS name is ASCII"))?;
        params.subject_alt_names.push(SanType::DnsName(ascii));
    }
    params.subject_alt_names.extend(profile.addresses.iter().copied().map(SanType::IpAddress));
    // rcgen's own ExplicitNoCa adds a subject key identifier, which kubeadm's leaf certificates don't have.
    params.is_ca = IsCa::NoCa;
    let mut no_authority = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    no_authority.set_criticality(true);
    params.custom_extensions = vec![no_authority];
    Ok(params)
}

/// A template for what has this profile. It is not signed.
pub(super) fn unsigned(profile: &Profile, authority_key_id: Option<&[u8]>) -> Result<Vec<u8>, IssueError> {
    let mut params = params(profile)?;
    params.use_authority_key_identifier_extension = authority_key_id.is_some();

    let mut authority = CertificateParams::default();
    authority.key_identifier_method =
        KeyIdMethod::PreSpecified(authority_key_id.unwrap_or_default().to_vec());
    let issuer = Issuer::from_params(&authority, Placeholder);
    let made = params.signed_by(&Placeholder, &issuer).map_err(|error| IssueError::Name {
        name: profile.common_name.clone(),
        reason: name_reason(&error).to_owned(),
    })?;
    Ok(made.der().to_vec())
}

/// Why a certificate with this subject or these names cannot be encoded.
pub(super) const fn name_reason(error: &rcgen::Error) -> &'static str {
    match error {
        rcgen::Error::InvalidAsn1String(_) => "it has a character that a certificate cannot hold",
        _ => "it cannot be encoded",
    }
}

/// The string type that Go chooses.
pub(super) fn text(value: &str) -> DnValue {
    match value.try_into() {
        Ok(printable) => DnValue::PrintableString(printable),
        Err(_) => DnValue::Utf8String(value.to_owned()),
    }
}

/// A placeholder for key and signature.
pub(super) struct Placeholder;

impl PublicKeyData for Placeholder {
    fn der_bytes(&self) -> &[u8] {
        &[0; 32]
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Placeholder {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 64])
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, KeyPair};

    use super::*;
    use crate::formats::key::KeyEncoding;

    fn profile(organizations: &[&str]) -> Profile {
        Profile {
            common_name: "kube-apiserver".to_owned(),
            organizations: organizations.iter().map(|&name| name.to_owned()).collect(),
            usage: Usage::Server,
            dns_names: vec!["cp-1".to_owned()],
            addresses: vec!["10.0.0.1".parse().unwrap()],
        }
    }

    fn created(profile: &Profile) -> Certificate {
        let (ca_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = Certificate::from_der(ca.self_signed(&ca_key).unwrap().der().to_vec()).unwrap();
        let key =
            |pair: &KeyPair| PrivateKey::from_der(KeyEncoding::Pkcs8, pair.serialize_der().into()).unwrap();
        let time = |text: &str| text.parse().unwrap();
        let validity =
            Dates { not_before: time("2026-01-01T00:00:00Z"), not_after: time("2027-01-01T00:00:00Z") };
        create(&Signer::new(&ca, &key(&ca_key)).unwrap(), profile, &key(&leaf_key), validity).unwrap()
    }

    /// The one that is shorter first, whatever the order in the profile; what is no PrintableString is a UTF8String.
    #[test]
    fn several_organizations_are_one_set() {
        let name = |oid: u8, tag: u8, text: &str| {
            let length = text.len() as u8;
            let attribute = [&[0x06, 3, 0x55, 4, oid, tag, length][..], text.as_bytes()].concat();
            [&[0x30, length + 7][..], &attribute].concat()
        };
        let set = |names: &[Vec<u8>]| [&[0x31, names.concat().len() as u8][..], &names.concat()].concat();
        let organizations = set(&[name(10, 0x0c, "a@b"), name(10, 0x13, "system")]);
        let subject = [organizations, set(&[name(3, 0x13, "kube-apiserver")])].concat();
        let subject = [&[0x30, subject.len() as u8][..], &subject].concat();
        assert_eq!(created(&profile(&["system", "a@b"])).subject_der, subject);
        assert_eq!(created(&profile(&["a@b", "system"])).subject_der, subject);
    }

    #[test]
    fn other_names_than_asked_for_are_found() {
        let asked = profile(&["a", "b"]);
        let made = created(&asked);
        let carried = |change: &dyn Fn(&mut Profile)| {
            let mut other = asked.clone();
            change(&mut other);
            carries_the_names_of(&made, &other)
        };
        assert!(carried(&|_| {}));
        assert!(carried(&|other| other.organizations.reverse()));
        assert!(!carried(&|other| other.common_name.push('x')));
        assert!(!carried(&|other| other.organizations[1].push('x')));
        assert!(!carried(&|other| other.dns_names.clear()));
        assert!(!carried(&|other| other.addresses.clear()));
    }
}
