//! A CA: its certificate, its key, and what stands beside it in its file.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Parsed, Reader};
use crate::analysis::node::references;
use crate::formats::certificate::{Certificate, CertificateError};
use crate::formats::key::PrivateKey;
use crate::state::Bytes;
use crate::state::catalog::Ca;

/// So many certificates of a CA's file are looked at: a rotation puts two there, an intermediate CA three.
const MOST_OF_A_CA: usize = 16;

#[derive(Clone, Debug)]
pub struct CaRow {
    pub authority: Ca,
    pub certificate_path: PathBuf,
    pub key_path: PathBuf,
    /// The one that belongs to the key; the first of the file where none does.
    pub certificate: Parsed<Certificate>,
    pub key: Parsed<PrivateKey>,
    /// The first [`MOST_OF_A_CA`] certificates of the file: old and new while a CA is replaced, the chain of an
    /// intermediate CA.
    pub bundle: Vec<Certificate>,
}

impl CaRow {
    /// kubeadm's external CA: the certificate exists and the key doesn't (`phases/certs/certs.go`
    /// UsingExternalCA).
    pub fn is_external(&self) -> bool {
        self.key.is_missing() && self.certificate.get().is_some_and(|certificate| certificate.is_ca)
    }

    /// The CAs in its file that it has replaced: of the same name, and with other keys.
    pub fn predecessors(&self) -> impl Iterator<Item = &Certificate> {
        let own = self.certificate.get().filter(|own| self.key.get().is_some_and(|key| own.is_of(key)));
        self.bundle.iter().filter(move |one| {
            own.is_some_and(|own| one.is_ca && one.subject_der == own.subject_der && one.spki != own.spki)
        })
    }

    /// Whether who reads its file accepts a certificate that another CA in it has signed.
    pub fn accepts_beside(&self, leaf: &Certificate, now: Timestamp) -> bool {
        let is_valid = |ca: &&Certificate| ca.is_ca && !ca.expired_at(now) && !ca.not_yet_valid_at(now);
        self.bundle.iter().filter(is_valid).any(|ca| leaf.signed_by(ca).is_ok())
    }
}

/// What a CA's file holds, once for a file that is kept.
pub(super) fn bundle(file: &Bytes) -> Result<&Vec<Certificate>, &CertificateError> {
    file.parsed(|data| Certificate::first_from_pem(data, MOST_OF_A_CA)).as_ref()
}

impl Reader<'_> {
    pub(super) fn authority(&self, authority: Ca) -> CaRow {
        let files = references::authority(self.snapshot, self.facts, authority);
        let (certificate_path, key_path) = (files.certificate, files.key);
        let key = self.key(&key_path);
        let (bundle, unusable) = match self.parse(&certificate_path, |bytes| bundle(bytes).cloned()) {
            Parsed::Present(bundle) => (bundle, Parsed::Missing),
            // One that cannot be read may stand behind it.
            _ => match self.certificate(&certificate_path) {
                Parsed::Present(only) => (vec![only], Parsed::Missing),
                unusable => (Vec::new(), unusable),
            },
        };
        // Renewed with the same key, the one that lives longer counts.
        let of_key = key
            .get()
            .and_then(|key| bundle.iter().filter(|one| one.is_of(key)).max_by_key(|one| one.not_after));
        let certificate = of_key.or(bundle.first()).cloned().map_or(unusable, Parsed::Present);
        CaRow { authority, certificate_path, key_path, certificate, key, bundle }
    }
}
