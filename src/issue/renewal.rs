//! Renewing: the old certificate with a new key and new dates.
//!
//! Subject and extensions stay byte for byte and in their order; kubeadm rebuilds them from what Go parses
//! and loses what it doesn't know (kubeadm `renewal/manager.go`, `certToConfig`).

use super::template::Template;
use super::{IssueError, Signer};
use crate::analysis::node::plan::Dates;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;

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
    let issued = Template::from_der(&old.der)?.issue(signer, key, validity)?;
    let issued = checked(issued, signer, key, validity)?;
    if issued.subject_der != old.subject_der {
        return Err(IssueError::FailedCheck("its subject is not the old one".to_owned()));
    }
    Ok(issued)
}

/// Reads an issued certificate back and checks that it matches the request.
pub(super) fn checked(
    der: Vec<u8>,
    signer: &Signer<'_>,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let issued = Certificate::from_der(der)?;
    let failed = |reason: String| Err(IssueError::FailedCheck(reason));
    if let Err(error) = issued.signed_by(signer.authority()) {
        return failed(error.to_string());
    }
    if issued.spki != key.spki() {
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
