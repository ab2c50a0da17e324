//! Renewing: the old certificate with a new key and new dates.
//!
//! Subject and extensions stay byte for byte and in their order; kubeadm rebuilds them from what Go parses
//! and loses what it doesn't know (kubeadm `renewal/manager.go`, `certToConfig`).

use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Tag, TagNumber, Tagged as _};

use super::template::{ALTERNATIVE_NAMES, EXTENDED_KEY_USAGE, KEY_USAGE, Replaced, Template};
use super::{IssueError, Signer};
use crate::analysis::node::plan::Dates;
use crate::formats::certificate::{Certificate, Parts};
use crate::formats::key::PrivateKey;
use crate::formats::san::San;
use crate::state::catalog::Usage;

/// The successor of `old`, for `key`, signed by `signer`.
///
/// New are serial number, signature algorithm and signature, issuer (the CA's subject, byte for byte), dates
/// and key. An authority key identifier is replaced in its place by the CA's (left out if that has none,
/// never added), a subject key identifier too if the key is another one. A version 1 certificate stays one. A
/// unique identifier of the issuer is dropped, that of the subject stays.
///
/// # Errors
/// The old certificate is no usable template, the dates cannot be expressed, signing failed, or the result
/// failed its check.
pub fn renew(
    signer: &Signer<'_>,
    old: &Certificate,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    renew_with(signer, old, key, validity, &Corrections::default())
}

/// What a successor has otherwise than its template.
#[derive(Clone, Debug, Default)]
pub struct Corrections {
    /// Names that it has beyond the old ones.
    pub added: Vec<San>,
    /// Names that it doesn't have any more.
    pub removed: Vec<San>,
    /// What it may be used for, where the old one may not be used so.
    pub usage: Option<Usage>,
}

/// The successor of `old` as by [`renew`], with these corrections. All other extensions stay byte for byte.
///
/// # Errors
/// As [`renew`].
pub fn renew_with(
    signer: &Signer<'_>,
    old: &Certificate,
    key: &PrivateKey,
    validity: Dates,
    corrections: &Corrections,
) -> Result<Certificate, IssueError> {
    let Corrections { added, removed, usage } = corrections;
    let usage = *usage;
    let template = Template::from_der(&old.der)?;
    let mut replaced = usage.map_or_else(Replaced::new, |usage| usages(old, usage));
    if !added.is_empty() || !removed.is_empty() {
        replaced.push((ALTERNATIVE_NAMES, alternative_names(&template, added, removed)?));
    }
    let issued = template.issue(signer, key, validity, &replaced)?;
    let issued = checked(issued, signer, key, validity)?;
    let has = issued.alternative_names();
    if let Some(name) = added.iter().map(San::to_string).find(|name| !has.contains(name)) {
        return Err(IssueError::FailedCheck(format!("it lacks the name {name}")));
    }
    if let Some(name) = removed.iter().map(San::to_string).find(|name| has.contains(name)) {
        return Err(IssueError::FailedCheck(format!("it still has the name {name}")));
    }
    if usage.is_some_and(|usage| !allows(&issued, usage)) {
        return Err(IssueError::FailedCheck("it lacks its usage".to_owned()));
    }
    if issued.subject_der != old.subject_der {
        return Err(IssueError::FailedCheck("its subject is not the old one".to_owned()));
    }
    Ok(issued)
}

/// Whether a certificate may be used so.
pub(super) fn allows(certificate: &Parts, usage: Usage) -> bool {
    (usage == Usage::Client || certificate.may_serve)
        && (usage == Usage::Server || certificate.may_be_client)
        && certificate.may_sign
}

/// The usage extensions that `old` must get, as kubeadm issues them (`util/pkiutil` `NewSignedCert`).
fn usages(old: &Certificate, usage: Usage) -> Replaced {
    /// 1.3.6.1.5.5.7.3.1, without its last arc.
    const PURPOSE: [u8; 9] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03];
    let mut replaced = Replaced::new();
    if !old.may_sign {
        // digitalSignature and keyEncipherment.
        replaced.push((KEY_USAGE, vec![0x03, 0x02, 0x05, 0xa0]));
    }
    if !allows(&Parts { may_sign: true, ..Parts::clone(old) }, usage) {
        let (length, purposes): (u8, &[u8]) = match usage {
            Usage::Server => (0x0a, &[1]),
            Usage::Client => (0x0a, &[2]),
            Usage::ServerAndClient => (0x14, &[1, 2]),
        };
        let list = purposes.iter().flat_map(|last| PURPOSE.into_iter().chain([*last]));
        replaced.push((EXTENDED_KEY_USAGE, [0x30, length].into_iter().chain(list).collect()));
    }
    replaced
}

/// The template's alternative names but those that are removed, byte for byte, and what is added after them.
pub(super) fn alternative_names(
    template: &Template<'_>,
    added: &[San],
    removed: &[San],
) -> Result<Vec<u8>, IssueError> {
    let mut list = Vec::new();
    if let Some(old) = template.value(ALTERNATIVE_NAMES)? {
        for name in Vec::<AnyRef<'_>>::from_der(&old)? {
            if !removed.iter().any(|removed| removed.is(name.tag().number().value(), name.value())) {
                name.encode_to_vec(&mut list)?;
            }
        }
    }
    for name in added {
        let (number, content) = name.general_name();
        let tag = Tag::ContextSpecific { constructed: false, number: TagNumber(number) };
        AnyRef::new(tag, &content)?.encode_to_vec(&mut list)?;
    }
    Ok(AnyRef::new(Tag::Sequence, &list)?.to_der()?)
}

/// Reads an issued certificate back and checks that it matches the request.
pub(super) fn checked(
    der: Vec<u8>,
    signer: &Signer<'_>,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    checked_for(der, signer, key.spki(), validity)
}

/// The same for a public key, as subject public key info in DER.
pub(super) fn checked_for(
    der: Vec<u8>,
    signer: &Signer<'_>,
    spki: &[u8],
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let issued = Certificate::from_der(der)?;
    let failed = |reason: String| Err(IssueError::FailedCheck(reason));
    if let Err(error) = issued.signed_by(signer.authority()) {
        return failed(error.to_string());
    }
    if issued.spki != spki {
        return failed("it has another key".to_owned());
    }
    let seconds = |moment: jiff::Timestamp| moment.as_second();
    if seconds(issued.not_before) != seconds(validity.not_before)
        || seconds(issued.not_after) != seconds(validity.not_after)
    {
        return failed(format!("it is valid from {} to {}", issued.not_before, issued.not_after));
    }
    Ok(issued)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        SanType,
    };

    use super::super::template::{AUTHORITY_KEY_ID, SUBJECT_KEY_ID};
    use super::*;
    use crate::formats::key::KeyEncoding;

    /// What openssl would say of a successor, and which extensions are those of the old one.
    fn shown(names: &[&str], usage: Option<Usage>, change: impl Fn(&mut CertificateParams)) -> String {
        shown_without(&[], names, usage, change)
    }

    fn shown_without(
        removed: &[&str],
        names: &[&str],
        usage: Option<Usage>,
        change: impl Fn(&mut CertificateParams),
    ) -> String {
        let (ca_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = Certificate::from_der(ca.self_signed(&ca_key).unwrap().der().to_vec()).unwrap();
        let mut params = CertificateParams::new(vec!["cp-1".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let old = params.signed_by(&leaf_key, &Issuer::from_params(&ca, &ca_key)).unwrap().der().to_vec();
        let old = Certificate::from_der(old).unwrap();
        let key =
            |pair: &KeyPair| PrivateKey::from_der(KeyEncoding::Pkcs8, pair.serialize_der().into()).unwrap();
        let signer = Signer::new(&authority, &key(&ca_key)).unwrap();
        let validity = Dates { not_before: old.not_before, not_after: old.not_after };
        let parsed = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let corrections = Corrections { added: parsed(names), removed: parsed(removed), usage };
        let new = renew_with(&signer, &old, &key(&leaf_key), validity, &corrections).unwrap();
        let kept: Vec<_> = [KEY_USAGE, EXTENDED_KEY_USAGE, ALTERNATIVE_NAMES]
            .into_iter()
            .filter(|oid| {
                let value = |certificate: &Certificate| {
                    Template::from_der(&certificate.der).unwrap().value(oid).unwrap()
                };
                value(&old) == value(&new)
            })
            .map(|oid| oid[2])
            .collect();
        let allowed = (new.may_serve, new.may_be_client, new.may_sign);
        // Not among the names that are read.
        let uri = if new.der.windows(6).any(|bytes| bytes == b"spiffe") { " and a URI" } else { "" };
        format!("{:?}{uri} {allowed:?} kept {kept:?}", new.alternative_names())
    }

    #[test]
    fn names_are_added_behind_the_old_ones() {
        let long = ["a"; 100].join(".");
        let (plain, nameless) = (
            |_: &mut CertificateParams| {},
            |params: &mut CertificateParams| {
                params.subject_alt_names.clear();
            },
        );
        assert_eq!(
            shown(&["lb.example.test", "10.0.0.2", "fd00::2"], None, plain),
            r#"["DNS:cp-1", "DNS:lb.example.test", "IP:10.0.0.1", "IP:10.0.0.2", "IP:fd00::2"] (true, false, true) kept [15, 37]"#
        );
        assert_eq!(
            shown(&[&long], None, nameless),
            format!(r#"["DNS:{long}"] (true, false, true) kept [15, 37]"#)
        );
        assert_eq!(
            shown(&[], None, plain),
            r#"["DNS:cp-1", "IP:10.0.0.1"] (true, false, true) kept [15, 37, 17]"#
        );
        assert_eq!(shown(&[], None, nameless), "[] (true, false, true) kept [15, 37, 17]");
    }

    #[test]
    fn names_are_removed_whatever_their_case_and_the_others_stay() {
        let also = |params: &mut CertificateParams| {
            params.subject_alt_names.push(SanType::DnsName("LB.example.test".try_into().unwrap()));
            params.subject_alt_names.push(SanType::URI("spiffe://cp-1".try_into().unwrap()));
        };
        let removed = ["lb.example.test", "10.0.0.1", "10.0.0.9"];
        assert_eq!(
            shown_without(&removed, &["10.0.0.2"], None, also),
            r#"["DNS:cp-1", "IP:10.0.0.2"] and a URI (true, false, true) kept [15, 37]"#
        );
    }

    #[test]
    fn only_the_usage_that_is_wrong_is_replaced() {
        let cases = [Usage::Server, Usage::Client, Usage::ServerAndClient];
        let made = cases.map(|usage| shown(&[], Some(usage), |_| {}));
        assert_eq!(
            made,
            [
                r#"["DNS:cp-1", "IP:10.0.0.1"] (true, false, true) kept [15, 37, 17]"#,
                r#"["DNS:cp-1", "IP:10.0.0.1"] (false, true, true) kept [15, 17]"#,
                r#"["DNS:cp-1", "IP:10.0.0.1"] (true, true, true) kept [15, 17]"#,
            ]
        );
        let made = shown(&[], Some(Usage::Server), |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        });
        assert_eq!(made, r#"["DNS:cp-1", "IP:10.0.0.1"] (true, true, true) kept [37, 17]"#);
    }

    fn key(pair: &KeyPair) -> PrivateKey {
        PrivateKey::from_der(KeyEncoding::Pkcs8, pair.serialize_der().into()).unwrap()
    }

    /// A CA and its key.
    fn authority() -> (CertificateParams, KeyPair, Certificate) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = KeyPair::generate().unwrap();
        let certificate = Certificate::from_der(params.self_signed(&pair).unwrap().der().to_vec()).unwrap();
        (params, pair, certificate)
    }

    /// A leaf certificate of another CA than `ca`, with both key identifiers, and its key.
    fn of_another_ca() -> (Certificate, KeyPair) {
        let (params, ca_key, _) = authority();
        let pair = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::default();
        leaf.use_authority_key_identifier_extension = true;
        leaf.is_ca = IsCa::ExplicitNoCa;
        let der = leaf.signed_by(&pair, &Issuer::from_params(&params, &ca_key)).unwrap().der().to_vec();
        (Certificate::from_der(der).unwrap(), pair)
    }

    #[test]
    fn the_key_identifier_stays_with_its_key() {
        let (_, ca_key, ca) = authority();
        let (old, old_key) = of_another_ca();
        let signer = Signer::new(&ca, &key(&ca_key)).unwrap();
        let validity = Dates { not_before: old.not_before, not_after: old.not_after };
        let ids = |certificate: &Certificate| {
            let template = Template::from_der(&certificate.der).unwrap();
            [SUBJECT_KEY_ID, AUTHORITY_KEY_ID].map(|oid| template.value(oid).unwrap().unwrap())
        };
        let [old_id, old_authority] = ids(&old);
        let [kept, authority] = ids(&renew(&signer, &old, &key(&old_key), validity).unwrap());
        let fresh = KeyPair::generate().unwrap();
        let [changed, _] = ids(&renew(&signer, &old, &key(&fresh), validity).unwrap());
        assert_eq!(kept, old_id);
        assert_ne!(changed, old_id);
        assert_ne!(authority, old_authority);
        assert!(authority.ends_with(ca.key_id.as_ref().unwrap()));
    }

    #[test]
    fn added_names_are_not_critical() {
        let (_, ca_key, ca) = authority();
        let (old, old_key) = of_another_ca();
        let signer = Signer::new(&ca, &key(&ca_key)).unwrap();
        let validity = Dates { not_before: old.not_before, not_after: old.not_after };
        let added = vec!["lb.example.test".parse().unwrap()];
        let corrections = Corrections { added, ..Corrections::default() };
        let new = renew_with(&signer, &old, &key(&old_key), validity, &corrections).unwrap();
        // The object identifier, then the value: no BOOLEAN between them.
        let added = [&[0x06, 0x03][..], ALTERNATIVE_NAMES, &[0x04]].concat();
        assert!(new.der.windows(added.len()).any(|window| window == added));
    }

    #[test]
    fn nothing_is_issued_that_expires_before_it_starts() {
        let (_, ca_key, ca) = authority();
        let (old, old_key) = of_another_ca();
        let signer = Signer::new(&ca, &key(&ca_key)).unwrap();
        let validity = Dates { not_before: old.not_after, not_after: old.not_before };
        let error = renew(&signer, &old, &key(&old_key), validity).unwrap_err();
        assert!(matches!(error, IssueError::Validity { .. }), "{error}");
        let moment = Dates { not_before: old.not_before, not_after: old.not_before };
        assert!(renew(&signer, &old, &key(&old_key), moment).is_ok());
    }

    #[test]
    fn a_date_that_was_not_asked_for_is_found() {
        let (_, ca_key, ca) = authority();
        let (old, old_key) = of_another_ca();
        let signer = Signer::new(&ca, &key(&ca_key)).unwrap();
        let validity = Dates { not_before: old.not_before, not_after: old.not_after };
        let new = renew(&signer, &old, &key(&old_key), validity).unwrap();
        let second = jiff::SignedDuration::from_secs(1);
        let earlier = Dates { not_before: old.not_before - second, ..validity };
        let later = Dates { not_after: old.not_after + second, ..validity };
        let reason = format!("it is valid from {} to {}", old.not_before, old.not_after);
        for asked in [earlier, later] {
            let error = checked_for(new.der.clone(), &signer, &old.spki, asked).unwrap_err();
            assert_eq!(error, IssueError::FailedCheck(reason.clone()));
        }
    }
}
