//! New values in a kubeconfig, every other byte as it was.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Credential, Kubeconfig, KubeconfigError};

impl Kubeconfig {
    /// The file with the current user's credential replaced, and the cluster's CA if one is given. `data`
    /// must be what this was parsed from; every byte outside the values stays.
    ///
    /// # Errors
    /// The user has no embedded credential, or the cluster no embedded CA to replace.
    pub fn splice(
        &self,
        data: &[u8],
        certificate_pem: &[u8],
        key_pem: &[u8],
        authority_pem: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, KubeconfigError> {
        let embedded = match &self.credential {
            Credential::Embedded(embedded) => embedded,
            Credential::Files { .. } => return Err(self.not_embedded("files")),
            Credential::Other(error) => return Err(error.clone()),
        };
        let mut edits =
            vec![(embedded.certificate.at.clone()?, certificate_pem), (embedded.key.at.clone()?, key_pem)];
        if let Some(pem) = authority_pem {
            edits.push((self.authority_place()?, pem));
        }
        Ok(replaced(data, edits))
    }

    /// The file with only the cluster's CA replaced; every other byte stays.
    ///
    /// # Errors
    /// The cluster has no embedded CA that could be replaced.
    pub fn splice_authority(
        &self,
        data: &[u8],
        authority_pem: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KubeconfigError> {
        Ok(replaced(data, vec![(self.authority_place()?, authority_pem)]))
    }

    /// The file with `client-certificate` and `client-key`, both naming `path`, in the place of the current user's embedded
    /// credential; every other byte stays.
    ///
    /// # Errors
    /// The user has no embedded credential, or it is written in a way that can't be replaced in place.
    pub fn refer_to(&self, data: &[u8], path: &str) -> Result<Zeroizing<Vec<u8>>, KubeconfigError> {
        let embedded = match &self.credential {
            Credential::Embedded(embedded) => embedded,
            Credential::Files { .. } => return Err(self.not_embedded("files")),
            Credential::Other(error) => return Err(error.clone()),
        };
        let mut edits = Vec::new();
        for (value, field) in
            [(&embedded.certificate, "client-certificate-data"), (&embedded.key, "client-key-data")]
        {
            let at = value.at.clone()?;
            let name = name_before(data, at.start, field).ok_or(KubeconfigError::NotOneLine(field))?;
            let suffix = name.end.saturating_sub("-data".len())..name.end;
            edits.push((suffix, Zeroizing::new(Vec::new())));
            edits.push((at, Zeroizing::new(path.as_bytes().to_vec())));
        }
        let new = spliced(data, edits);
        // A second field of the name, or a path that YAML reads otherwise.
        let is_read = Self::parse(&new).is_ok_and(|new| {
            let names = |named: &str| named == path;
            let files = matches!(&new.credential, Credential::Files { certificate, key } if names(certificate) && names(key));
            files && (!new.has_duplicate_key || self.has_duplicate_key)
        });
        is_read.then_some(new).ok_or(KubeconfigError::NotOneLine("client-certificate"))
    }

    fn authority_place(&self) -> Result<Range<usize>, KubeconfigError> {
        let missing = || KubeconfigError::Missing("certificate-authority-data".to_owned());
        self.authority.as_ref().ok_or_else(missing)?.at.clone()
    }
}

/// `data` with each value, in base64, in its place.
pub(super) fn replaced(data: &[u8], edits: Vec<(Range<usize>, &[u8])>) -> Zeroizing<Vec<u8>> {
    let encoded = |pem: &[u8]| Zeroizing::new(STANDARD.encode(pem).into_bytes());
    spliced(data, edits.into_iter().map(|(at, pem)| (at, encoded(pem))).collect())
}

/// `data` with other bytes in some places.
fn spliced(data: &[u8], mut edits: Vec<(Range<usize>, Zeroizing<Vec<u8>>)>) -> Zeroizing<Vec<u8>> {
    edits.sort_by_key(|(at, _)| at.start);
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(data.len() + grown));
    let mut done = 0;
    for (at, new) in edits {
        out.extend_from_slice(data.get(done..at.start).unwrap_or_default());
        out.extend_from_slice(&new);
        done = at.end;
    }
    out.extend_from_slice(data.get(done..).unwrap_or_default());
    out
}

/// Where the name of a field is whose value begins at `start`.
fn name_before(data: &[u8], start: usize, name: &str) -> Option<Range<usize>> {
    let before = std::str::from_utf8(data.get(..start)?).ok()?;
    let before = before.strip_suffix(['"', '\'']).unwrap_or(before).trim_end();
    let before = before.strip_suffix(':')?.trim_end();
    let before = before.strip_suffix(['"', '\'']).unwrap_or(before);
    let begin = before.strip_suffix(name)?.len();
    Some(begin..before.len())
}
