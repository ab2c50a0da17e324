//! An existing certificate as the template of a new one, field by field in DER.
//!
//! What is kept is not interpreted: subject and extensions are copied as bytes, with any string types,
//! unknown extensions or orders. Only the fields that a renewal must change are new.

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, OctetStringRef, UintRef, UtcTime};
use der::{DateTime, Decode as _, Encode as _, Sequence, Tag};
use jiff::Timestamp;
use jiff::tz::Offset;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::random;
use super::{IssueError, Signer};
use crate::analysis::node::plan::Dates;
use crate::formats::key::{PrivateKey, public_key_bits};
use crate::formats::reason;

/// Content octets of an extension's object identifier. Compared as bytes: identifiers made of UUIDs have
/// arcs that no parser's integers hold.
pub(super) type Oid = &'static [u8];
/// 2.5.29.35, RFC 5280 section 4.2.1.1.
pub(super) const AUTHORITY_KEY_ID: Oid = &[0x55, 0x1d, 0x23];
/// 2.5.29.14, RFC 5280 section 4.2.1.2.
pub(super) const SUBJECT_KEY_ID: Oid = &[0x55, 0x1d, 0x0e];
/// 2.5.29.15, RFC 5280 section 4.2.1.3.
pub(super) const KEY_USAGE: Oid = &[0x55, 0x1d, 0x0f];
/// 2.5.29.37, RFC 5280 section 4.2.1.12.
pub(super) const EXTENDED_KEY_USAGE: Oid = &[0x55, 0x1d, 0x25];
/// 2.5.29.17, RFC 5280 section 4.2.1.6.
pub(super) const ALTERNATIVE_NAMES: Oid = &[0x55, 0x1d, 0x11];

/// Extensions with other values than the template's.
pub(super) type Replaced = Vec<(Oid, Vec<u8>)>;

/// A certificate split into its fields.
pub(super) struct Template<'a> {
    tbs: Tbs<'a>,
    extensions: Option<Vec<AnyRef<'a>>>,
}

impl<'a> Template<'a> {
    /// Splits a certificate in DER.
    pub(super) fn from_der(certificate: &'a [u8]) -> Result<Self, IssueError> {
        let take_apart = || -> der::Result<Self> {
            let mut tbs: Tbs<'a> = SignedDer::from_der(certificate)?.tbs.decode_as()?;
            let extensions = tbs.extensions.take().map(|list| list.decode_as()).transpose()?;
            Ok(Self { tbs, extensions })
        };
        take_apart().map_err(|error| IssueError::Template(reason::der(&error).to_owned()))
    }

    /// Sorts the extensions in Go's order.
    pub(super) fn order_extensions(&mut self, order: &[Oid]) {
        if let Some(extensions) = &mut self.extensions {
            extensions.sort_by_key(|extension| {
                let oid = extension_oid(*extension);
                order.iter().position(|known| Some(*known) == oid).unwrap_or(order.len())
            });
        }
    }

    /// Puts this subject, in DER, in the place of the template's.
    pub(super) fn put_subject(&mut self, subject: &'a [u8]) -> Result<(), IssueError> {
        self.tbs.subject = AnyRef::from_der(subject)?;
        Ok(())
    }

    /// The value of an extension.
    pub(super) fn value(&self, oid: Oid) -> Result<Option<Vec<u8>>, IssueError> {
        let mut extensions = self.extensions.iter().flatten();
        let found = extensions.find(|extension| extension_oid(**extension) == Some(oid));
        let Some(found) = found else { return Ok(None) };
        let extension: Extension<'_> = found.decode_as()?;
        Ok(Some(extension.value.as_bytes().to_vec()))
    }

    /// The new certificate in DER: everything of the template except serial number, signature algorithm,
    /// issuer, dates, key, key identifiers, signature, and the replaced extensions.
    pub(super) fn issue(
        &self,
        signer: &Signer<'_>,
        key: &PrivateKey,
        validity: Dates,
        replaced: &[(Oid, Vec<u8>)],
    ) -> Result<Vec<u8>, IssueError> {
        self.issue_for(signer, key.spki(), validity, replaced)
    }

    /// The same for a public key, as subject public key info in DER.
    pub(super) fn issue_for(
        &self,
        signer: &Signer<'_>,
        spki: &[u8],
        validity: Dates,
        replaced: &[(Oid, Vec<u8>)],
    ) -> Result<Vec<u8>, IssueError> {
        let authority = signer.authority();
        let serial = self.new_serial()?;
        let (not_before, not_after) = (time(validity.not_before), time(validity.not_after));
        let impossible = |reason: String| IssueError::Validity {
            not_before: validity.not_before,
            not_after: validity.not_after,
            reason,
        };
        if validity.not_after.as_second() < validity.not_before.as_second() {
            return Err(impossible("it expires before it starts".to_owned()));
        }
        let dates = [
            not_before.map_err(|error| impossible(reason::der(&error).to_owned()))?,
            not_after.map_err(|error| impossible(reason::der(&error).to_owned()))?,
        ]
        .concat();

        let extensions = self.new_extensions(authority.key_id.as_deref(), spki, replaced)?;
        let mut tbs = self.tbs.clone();
        tbs.serial = AnyRef::from_der(&serial)?;
        tbs.signature = AnyRef::from_der(signer.algorithm())?;
        tbs.issuer = AnyRef::from_der(&authority.subject_der)?;
        tbs.validity = AnyRef::new(Tag::Sequence, &dates)?;
        tbs.key = AnyRef::from_der(spki)?;
        // It would name another issuer than the one that signs (RFC 5280 section 4.1.2.8).
        tbs.issuer_unique_id = None;
        tbs.extensions = extensions.as_deref().map(AnyRef::from_der).transpose()?;

        let message = tbs.to_der()?;
        let signature = signer.sign(&message)?;
        let signed = SignedDer {
            tbs: AnyRef::from_der(&message)?,
            algorithm: tbs.signature,
            signature: BitStringRef::from_bytes(&signature)?,
        };
        Ok(signed.to_der()?)
    }

    /// A serial number that differs from the old one, in DER.
    fn new_serial(&self) -> Result<Vec<u8>, IssueError> {
        loop {
            let serial = UintRef::new(&random::serial()?)?.to_der()?;
            if AnyRef::from_der(&serial)? != self.tbs.serial {
                return Ok(serial);
            }
        }
    }

    /// The extensions with new key identifiers in the places of the old ones, as a DER sequence. `None` if
    /// there are none: an empty list is not allowed (RFC 5280 section 4.1).
    fn new_extensions(
        &self,
        authority_key_id: Option<&[u8]>,
        spki: &[u8],
        replaced: &[(Oid, Vec<u8>)],
    ) -> Result<Option<Vec<u8>>, IssueError> {
        let Some(old) = &self.extensions else { return Ok(None) };
        let mut body = Vec::new();
        for extension in old {
            let oid = extension_oid(*extension);
            if let Some((_, value)) = replaced.iter().find(|(replaced, _)| Some(*replaced) == oid) {
                with_value(*extension, value)?.encode_to_vec(&mut body)?;
                continue;
            }
            match oid {
                Some(AUTHORITY_KEY_ID) => {
                    // A CA without an identifier: then the extension is left out.
                    if let Some(id) = authority_key_id {
                        let value = AuthorityKeyId { key_id: OctetStringRef::new(id)? }.to_der()?;
                        with_value(*extension, &value)?.encode_to_vec(&mut body)?;
                    }
                }
                Some(SUBJECT_KEY_ID) if !self.has_key(spki)? => {
                    let value = OctetStringRef::new(&key_id(&public_key_bits(spki)?))?.to_der()?;
                    with_value(*extension, &value)?.encode_to_vec(&mut body)?;
                }
                _ => {
                    extension.encode_to_vec(&mut body)?;
                }
            }
        }
        let is_new = |oid: Oid| !old.iter().any(|extension| extension_oid(*extension) == Some(oid));
        for (oid, value) in replaced.iter().filter(|(oid, _)| is_new(oid)) {
            let critical = (*oid == KEY_USAGE).then_some(true);
            let oid = AnyRef::new(Tag::ObjectIdentifier, oid)?;
            let value = OctetStringRef::new(value)?;
            Extension { oid, critical, value }.encode_to_vec(&mut body)?;
        }
        if body.is_empty() {
            return Ok(None);
        }
        Ok(Some(AnyRef::new(Tag::Sequence, &body)?.to_der()?))
    }

    fn has_key(&self, spki: &[u8]) -> Result<bool, IssueError> {
        Ok(public_key_bits(&self.tbs.key.to_der()?)? == public_key_bits(spki)?)
    }
}

/// The identifier of a public key, of its bits: RFC 5280 section 4.2.1.2, method 1, as in Go.
pub(super) fn key_id(key_bits: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, key_bits).as_ref().to_vec()
}

/// The identifier of an extension, as its content octets.
fn extension_oid(extension: AnyRef<'_>) -> Option<&[u8]> {
    let first = extension
        .sequence(|reader| {
            let first = AnyRef::decode(reader)?;
            while !der::Reader::is_finished(reader) {
                AnyRef::decode(reader)?;
            }
            Ok::<_, der::Error>(first)
        })
        .ok()?;
    Some(first.value())
}

/// The extension with another value; criticality stays.
fn with_value<'a>(extension: AnyRef<'a>, value: &'a [u8]) -> Result<Extension<'a>, IssueError> {
    let mut extension: Extension<'a> = extension.decode_as()?;
    extension.value = OctetStringRef::new(value)?;
    Ok(extension)
}

/// A time as UTCTime through 2049 and GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5). Times before 1970
/// are refused: `der` doesn't support them, and nothing is issued for them.
fn time(moment: Timestamp) -> Result<Vec<u8>, der::Error> {
    let utc = Offset::UTC.to_datetime(moment);
    let part = |value: i8| u8::try_from(value).unwrap_or(u8::MAX);
    let year = u16::try_from(utc.year()).unwrap_or(u16::MAX);
    let moment = DateTime::new(
        year,
        part(utc.month()),
        part(utc.day()),
        part(utc.hour()),
        part(utc.minute()),
        part(utc.second()),
    )?;
    if (1950..2050).contains(&year) {
        UtcTime::from_date_time(moment)?.to_der()
    } else {
        GeneralizedTime::from_date_time(moment).to_der()
    }
}

/// RFC 5280 section 4.1, as far as it is copied unread.
#[derive(Sequence)]
struct SignedDer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

/// RFC 5280 section 4.1.
#[derive(Clone, Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial: AnyRef<'a>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: AnyRef<'a>,
    subject: AnyRef<'a>,
    key: AnyRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<AnyRef<'a>>,
}

/// RFC 5280 section 4.1.
#[derive(Sequence)]
struct Extension<'a> {
    oid: AnyRef<'a>,
    critical: Option<bool>,
    value: &'a OctetStringRef,
}

/// RFC 5280 section 4.2.1.1, in the form with a key identifier.
#[derive(Sequence)]
struct AuthorityKeyId<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    key_id: &'a OctetStringRef,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_date_changes_with_2050() {
        let cases = [
            ("1970-01-01T00:00:00Z", "700101000000Z", 0x17),
            ("2049-12-31T23:59:59Z", "491231235959Z", 0x17),
            ("2050-01-01T00:00:00Z", "20500101000000Z", 0x18),
            ("9999-12-30T22:00:00.999Z", "99991230220000Z", 0x18),
        ];
        for (moment, text, tag) in cases {
            let der = time(moment.parse().unwrap()).unwrap();
            assert_eq!((der[0], &der[2..]), (tag, text.as_bytes()));
        }
        assert!(time("1969-12-31T23:59:59Z".parse().unwrap()).is_err());
    }

    #[test]
    fn extensions_are_sorted_and_unknown_ones_come_last() {
        let mut params = rcgen::CertificateParams::new(["cp-1".to_owned()]).unwrap();
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let order = |sorted: &[Oid]| {
            let mut template = Template::from_der(made.der()).unwrap();
            template.order_extensions(sorted);
            let extensions = template.extensions.unwrap();
            extensions.iter().map(|extension| extension_oid(*extension).unwrap()[2]).collect::<Vec<_>>()
        };
        assert_eq!(order(&[EXTENDED_KEY_USAGE, ALTERNATIVE_NAMES, KEY_USAGE]), [37, 17, 15]);
        assert_eq!(order(&[ALTERNATIVE_NAMES]), [17, 15, 37]);
    }

    /// SHA-1 of "abc": FIPS 180-4's example.
    #[test]
    fn a_key_identifier_is_the_sha_1_of_the_bits() {
        let hex: String = key_id(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
