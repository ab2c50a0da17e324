//! Copies of a CA certificate inside files: PEM bundles, chains, and the clusters of kubeconfigs. All else in such a
//! file stays byte for byte.

use std::ops::Range;

use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::kubeconfig::{self, KubeconfigError};
use super::pem;

/// How long before it is made a new CA's validity begins, at most: five minutes and what its making takes.
const DATED_BACK: SignedDuration = SignedDuration::from_mins(10);
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
    with_copies(file, |pem| in_pem(pem, old, Put::Instead(new)))
}

/// `file` with `new` before its first certificate of `old`'s name and key. `None` where it has none, or has `new` already.
///
/// # Errors
/// As [`replaced`].
pub fn joined(
    file: &[u8],
    old: &Certificate,
    new: &Certificate,
) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    with_copies(file, |pem| if has(pem, new) { None } else { in_pem(pem, old, Put::Before(new)) })
}

/// `file` without the certificates of `old`'s name and key. `None` where it has none, or not `new` beside them.
///
/// # Errors
/// As [`replaced`].
pub fn without(
    file: &[u8],
    old: &Certificate,
    new: &Certificate,
) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    with_copies(file, |pem| if has(pem, new) { in_pem(pem, old, Put::Nothing) } else { None })
}

/// `file` with these certificates, `bundle`, in the place of all that have the name of its first one. `None` where it has
/// just these, or none of their keys, or one that is newer than the first: then the file is ahead of this node.
///
/// # Errors
/// As [`replaced`].
pub fn current(file: &[u8], bundle: &[&Certificate]) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    let Some(own) = bundle.first() else { return Ok(None) };
    with_copies(file, |pem| {
        let all = blocks(pem).filter_map(|at| Certificate::from_pem(pem.get(at)?).ok());
        let copies: Vec<_> = all.filter(|one| one.subject_der == own.subject_der).collect();
        // What stands before the node's own has replaced it, even where the date that was put back says it is older.
        let has_own = copies.iter().any(|copy| copy.der == own.der);
        let dated_back = if has_own { DATED_BACK } else { SignedDuration::ZERO };
        let is_newer = |copy: &Certificate| {
            let later = own.not_before.duration_since(copy.not_before) < dated_back
                || copy.spki == own.spki && copy.not_after > own.not_after;
            later && bundle.iter().all(|ca| ca.der != copy.der)
        };
        let mut leading = copies.iter().take_while(|copy| copy.der != own.der);
        let is_known = copies.iter().any(|copy| bundle.iter().any(|ca| ca.spki == copy.spki));
        let is_behind = is_known && !leading.any(is_newer);
        let is_same = copies.iter().map(|copy| &copy.der).eq(bundle.iter().map(|ca| &ca.der));
        let first = copies.first().filter(|_| is_behind && !is_same)?;
        let mut out = Zeroizing::new(pem.to_vec());
        for copy in copies.iter().filter(|copy| copy.spki != first.spki) {
            out = in_pem(&out, copy, Put::Nothing).unwrap_or(out);
        }
        out = in_pem(&out, first, Put::Instead(own))?;
        for (before, ca) in bundle.iter().zip(bundle.iter().skip(1)) {
            out = in_pem(&out, before, Put::After(ca)).unwrap_or(out);
        }
        Some(out)
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

/// Whether PEM has a certificate of `ca`'s name and key.
fn has(pem: &[u8], ca: &Certificate) -> bool {
    blocks(pem).filter_map(|at| Certificate::from_pem(pem.get(at)?).ok()).any(|one| is_copy(&one, ca))
}

/// What is put where a certificate is found.
#[derive(Clone, Copy)]
enum Put<'a> {
    Instead(&'a Certificate),
    /// This one, and then what was found.
    Before(&'a Certificate),
    /// What was found, and then this one.
    After(&'a Certificate),
    Nothing,
}

/// The same for PEM. A second certificate of that name and key is left out: clients that look at the first one alone
/// would reject what both have signed once it has expired.
fn in_pem(file: &[u8], old: &Certificate, put: Put<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let added = match put {
        Put::Instead(new) | Put::Before(new) | Put::After(new) => {
            pem::encode(pem::Label::Certificate, &new.der)
        }
        Put::Nothing => String::new().into(),
    };
    // A copy that grows would leave a key behind.
    let mut out = Zeroizing::new(Vec::with_capacity(file.len() + added.len() + 1));
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
        let new = added.trim_end().as_bytes();
        let both: &[&[u8]] = match put {
            _ if found => &[],
            Put::Instead(_) => &[new],
            Put::Before(_) => &[new, text],
            Put::After(_) => &[text, new],
            Put::Nothing => &[],
        };
        out.extend_from_slice(&both.join(line_end.unwrap_or(b"\n")));
        if !both.is_empty() {
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
