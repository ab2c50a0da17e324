//! Kubeconfig files: the embedded credential, and splicing new values in while everything else stays byte for
//! byte: comments, key order, other users, line ends.
//!
//! Files are never written from a parsed form: serialisers reorder, drop comments and write names such as
//! `on` so that Go reads a boolean.

mod authorities;
pub mod entries;
mod error;
mod new;

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

pub use self::authorities::with_authorities;
pub use self::error::KubeconfigError;
pub use self::new::{NewKubeconfig, render};
use crate::state::Bytes;

/// A value and its position in the file.
#[derive(Clone, PartialEq, Eq)]
struct Value {
    decoded: Zeroizing<Vec<u8>>,
    /// Or why it cannot be replaced there.
    at: Result<Range<usize>, KubeconfigError>,
}

/// A context of a kubeconfig, usually the current one.
pub struct Kubeconfig {
    /// Name of the user entry.
    pub user: String,
    /// Name of the cluster entry.
    pub cluster: String,
    pub server: String,
    pub credential: Credential,
    /// Path of the CA certificates, if they are in a file (`certificate-authority`).
    pub authority_file: Option<String>,
    /// Whether a key occurs twice in one mapping of the file.
    pub has_duplicate_key: bool,
    authority: Option<Value>,
    authority_unusable: Option<KubeconfigError>,
}

pub enum Credential {
    /// Certificate and key in the file itself.
    Embedded(Embedded),
    /// Paths of certificate and key.
    Files {
        /// `client-certificate`.
        certificate: String,
        /// `client-key`.
        key: String,
    },
    /// A token, an exec plug-in, a password, nothing; or embedded in a form that cannot be replaced.
    Other(KubeconfigError),
}

pub struct Embedded {
    certificate: Value,
    key: Value,
}

impl Embedded {
    /// PEM of the client certificate.
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate.decoded
    }

    /// PEM of the client key.
    pub fn key_pem(&self) -> &[u8] {
        &self.key.decoded
    }

    /// Why they cannot be replaced where they stand, where that is so.
    pub fn not_replaceable(&self) -> Option<&KubeconfigError> {
        [&self.certificate, &self.key].into_iter().find_map(|value| value.at.as_ref().err())
    }
}

impl Kubeconfig {
    /// As [`Kubeconfig::parse`], once for a file that is kept.
    ///
    /// # Errors
    /// As [`Kubeconfig::parse`].
    pub fn of(file: &Bytes) -> Result<Arc<Self>, KubeconfigError> {
        file.parsed(|data| Self::parse(data).map(Arc::new)).clone()
    }

    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    /// It is no kubeconfig, or the current context is incomplete.
    pub fn parse(data: &[u8]) -> Result<Self, KubeconfigError> {
        Self::parse_context(data, None)
    }

    /// Reads the context of this name, or the current one.
    ///
    /// # Errors
    /// It is no kubeconfig, or the context is incomplete.
    pub fn parse_context(data: &[u8], context: Option<&str>) -> Result<Self, KubeconfigError> {
        if data.iter().all(u8::is_ascii_whitespace) {
            return Err(KubeconfigError::Empty);
        }
        if let Some(why) = super::too_large(data) {
            return Err(KubeconfigError::TooLarge(why));
        }
        let text = std::str::from_utf8(data).map_err(|_| malformed(data, "not UTF-8".to_owned()))?;
        if super::yaml::is_empty(text) {
            return Err(KubeconfigError::Empty);
        }
        let parsed: Result<(Option<File>, _), _> = super::yaml::parse(text);
        let (file, has_duplicate_key) = parsed.map_err(|why| malformed(data, why))?;
        let file = file.unwrap_or_default();
        let missing = |what: String| KubeconfigError::Missing(what);
        let current = context.map(str::to_owned).or(file.current_context).filter(|name| !name.is_empty());
        let current = current.ok_or_else(|| missing("current-context".to_owned()))?;
        let named = |name: &Option<String>, wanted: &str| name.as_deref() == Some(wanted);
        let context = file.contexts.into_iter().flatten().find(|entry| named(&entry.name, &current));
        let context = context
            .and_then(|entry| entry.context)
            .ok_or_else(|| missing(format!("context \"{current}\"")))?;
        let (cluster, user) = (context.cluster.unwrap_or_default(), context.user.unwrap_or_default());
        let cluster_entry = file.clusters.into_iter().flatten().find(|entry| named(&entry.name, &cluster));
        let cluster_entry = cluster_entry
            .and_then(|entry| entry.cluster)
            .ok_or_else(|| missing(format!("cluster \"{cluster}\"")))?;
        let user_entry = file.users.into_iter().flatten().find(|entry| named(&entry.name, &user));
        let user_entry =
            user_entry.and_then(|entry| entry.user).ok_or_else(|| missing(format!("user \"{user}\"")))?;
        let authority = cluster_entry.authority.map(|value| read(text, &value, "certificate-authority-data"));
        let (authority, authority_unusable) = match authority {
            Some(Ok(value)) => (Some(value), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let credential = user_entry.credential(text, &user);
        let server = cluster_entry.server.unwrap_or_default();
        let authority_file = cluster_entry.authority_file.filter(|path| !path.is_empty());
        Ok(Self {
            user,
            cluster,
            server,
            credential,
            authority_file,
            has_duplicate_key,
            authority,
            authority_unusable,
        })
    }

    /// PEM of the embedded CA certificates, if there are any.
    pub fn authority_pem(&self) -> Option<&[u8]> {
        self.authority.as_ref().map(|value| value.decoded.as_slice())
    }

    /// Why the embedded CA cannot be read, where that is so.
    pub fn authority_error(&self) -> Option<&KubeconfigError> {
        self.authority_unusable.as_ref()
    }

    /// Why the embedded CA cannot be read or replaced, where that is so.
    pub fn authority_not_replaceable(&self) -> Option<&KubeconfigError> {
        let place = self.authority.as_ref().and_then(|value| value.at.as_ref().err());
        self.authority_unusable.as_ref().or(place)
    }

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

    fn not_embedded(&self, uses: &str) -> KubeconfigError {
        KubeconfigError::NotEmbedded { user: self.user.clone(), uses: uses.to_owned() }
    }
}

/// `data` with each value, in base64, in its place.
fn replaced(data: &[u8], edits: Vec<(Range<usize>, &[u8])>) -> Zeroizing<Vec<u8>> {
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

/// Why a file cannot be read. One in which a second credential, context or cluster can be recognised is never replaced by a new file.
fn malformed(data: &[u8], why: String) -> KubeconfigError {
    let text = String::from_utf8_lossy(data);
    let words = || {
        text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '{' | ',' | '\''))
            .filter(|w| !w.is_empty())
    };
    let count = |names: &[&str]| {
        let is = |word: &&str| names.contains(&word.trim_end_matches(':'));
        words().filter(is).count()
    };
    let several = count(&["client-key-data", "client-key", "token", "exec"]) > 1
        || count(&["server"]) > 1
        || count(&["context"]) > 1;
    if several { KubeconfigError::MalformedOfSeveral(why) } else { KubeconfigError::Malformed(why) }
}

/// A value is read in whatever form it has, and may be replaced where it stands in one piece.
fn read(text: &str, value: &Spanned<String>, field: &'static str) -> Result<Value, KubeconfigError> {
    // Go's decoder passes over line ends.
    let one_line: Zeroizing<String> =
        Zeroizing::new(value.value.trim().chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let at = place(text, value).ok_or(KubeconfigError::NotOneLine(field));
    let Ok(decoded) = STANDARD.decode(one_line.as_bytes()) else {
        // A folded scalar of several lines has blanks in it, which Go's decoder refuses too.
        return Err(at.err().unwrap_or(KubeconfigError::NotBase64(field)));
    };
    Ok(Value { decoded: Zeroizing::new(decoded), at })
}

fn place(text: &str, value: &Spanned<String>) -> Option<Range<usize>> {
    let start = usize::try_from(value.referenced.span().byte_offset()?).ok()?;
    // The span of a quoted scalar may or may not take in its quotes: look for the value itself.
    let tail = text.get(start..)?;
    let inner = tail.strip_prefix(['"', '\'']).unwrap_or(tail);
    if value.value.is_empty() || !inner.starts_with(value.value.as_str()) {
        return None;
    }
    let start = start + (tail.len() - inner.len());
    Some(start..start + value.value.len())
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    #[serde(default, deserialize_with = "super::first_items")]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default, deserialize_with = "super::first_items")]
    contexts: Option<Vec<NamedContext>>,
    #[serde(default, deserialize_with = "super::first_items")]
    users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: Option<String>,
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    server: Option<String>,
    #[serde(rename = "certificate-authority-data")]
    authority: Option<Spanned<String>>,
    #[serde(rename = "certificate-authority")]
    authority_file: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<String>,
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: Option<Spanned<String>>,
    client_key_data: Option<Spanned<String>>,
    client_certificate: Option<String>,
    client_key: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

impl User {
    fn credential(self, text: &str, user: &str) -> Credential {
        // kubeadm leaves an empty data field beside a path in kubelet.conf.
        let given = |value: Option<Spanned<String>>| value.filter(|value| !value.value.is_empty());
        let certificate = given(self.client_certificate_data);
        let key = given(self.client_key_data);
        let path = |path: Option<String>| path.filter(|path| !path.is_empty());
        let files = (path(self.client_certificate), path(self.client_key));
        match (certificate, key, files) {
            (Some(certificate), Some(key), _) => {
                let certificate = read(text, &certificate, "client-certificate-data");
                match (certificate, read(text, &key, "client-key-data")) {
                    (Ok(certificate), Ok(key)) => Credential::Embedded(Embedded { certificate, key }),
                    (Err(error), _) | (_, Err(error)) => Credential::Other(error),
                }
            }
            (None, None, (Some(certificate), Some(key))) => Credential::Files { certificate, key },
            (certificate, key, _) => {
                let uses = if certificate.is_some() || key.is_some() {
                    "half of a pair"
                } else if self.exec.is_some() {
                    "an exec plug-in"
                } else if self.token.is_some() || self.token_file.is_some() {
                    "a token"
                } else if self.username.is_some() {
                    "a password"
                } else if self.auth_provider.is_some() {
                    "an auth provider"
                } else {
                    "nothing"
                };
                let (user, uses) = (user.to_owned(), uses.to_owned());
                Credential::Other(KubeconfigError::NotEmbedded { user, uses })
            }
        }
    }
}

#[cfg(test)]
mod tests;
