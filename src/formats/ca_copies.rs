//! Copies of a CA certificate inside files: PEM bundles, chains, and the clusters of kubeconfigs. All else in such a
//! file stays byte for byte.

use std::ops::Range;

use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::kubeconfig::{self, KubeconfigError};
use super::pem;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// `file` with every certificate of `old`'s name and key replaced by `new`, in PEM as in the clusters of a kubeconfig.
/// `None` where it has no such certificate.
///
/// # Errors
/// A kubeconfig has a copy that cannot be replaced where it stands.
pub fn replaced(
    file: &[u8],
    old: &Certificate,
    new: &Certificate,
) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    with_copies(file, |pem| in_pem(pem, old, new))
}

/// `file` with every older certificate of `ca`'s name and key replaced by it; `None` where it has none that expires earlier.
///
/// # Errors
/// As [`replaced`].
pub fn renewed(file: &[u8], ca: &Certificate) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    let is_older = |copy: &Certificate| is_copy(copy, ca) && copy.not_after < ca.not_after;
    with_copies(file, |pem| {
        let has_older =
            blocks(pem).filter_map(|at| Certificate::from_pem(pem.get(at)?).ok()).any(|copy| is_older(&copy));
        if has_older { in_pem(pem, ca, ca) } else { None }
    })
}

/// `file` with other PEM, in itself or in the clusters of a kubeconfig.
fn with_copies(
    file: &[u8],
    replace: impl Fn(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    match replace(file) {
        Some(pem) => Ok(Some(pem)),
        None if contains(file, b"certificate-authority-data") => kubeconfig::with_authorities(file, replace),
        None => Ok(None),
    }
}

/// Whether a certificate is one of `ca`, older or newer.
fn is_copy(certificate: &Certificate, ca: &Certificate) -> bool {
    certificate.subject_der == ca.subject_der && certificate.spki == ca.spki
}

/// The same for PEM. A second certificate of that name and key is left out: clients that look at the first one alone
/// would reject what both have signed once it has expired.
fn in_pem(file: &[u8], old: &Certificate, new: &Certificate) -> Option<Zeroizing<Vec<u8>>> {
    // A copy that grows would leave a key behind.
    let mut out = Zeroizing::new(Vec::with_capacity(file.len() + new.der.len() * 2));
    let (mut done, mut found) = (0, false);
    for block in blocks(file) {
        let text = file.get(block.clone()).unwrap_or_default();
        let Ok(certificate) = Certificate::from_pem(text) else { continue };
        if !is_copy(&certificate, old) {
            continue;
        }
        out.extend_from_slice(file.get(done..block.start).unwrap_or_default());
        let after = file.get(block.end..).unwrap_or_default();
        let line_end = [b"\r\n".as_slice(), b"\n"].into_iter().find(|end| after.starts_with(end));
        if !found {
            let pem = pem::encode(pem::Label::Certificate, &new.der);
            out.extend_from_slice(pem.trim_end().as_bytes());
            out.extend_from_slice(line_end.unwrap_or_default());
        }
        done = block.end + line_end.map_or(0, <[u8]>::len);
        found = true;
    }
    out.extend_from_slice(file.get(done..).unwrap_or_default());
    found.then_some(out)
}

/// Where each block is, from its first dash to its last.
fn blocks(file: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let find = |from: usize, text: &[u8]| {
        let at = memchr::memmem::find(file.get(from..)?, text)?;
        Some(from + at)
    };
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = find(from, BEGIN)?;
        from = find(start, END)? + END.len();
        Some(start..from)
    })
}

fn contains(file: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(file, text).is_some()
}

#[cfg(test)]
mod tests;
