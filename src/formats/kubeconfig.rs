//! Kubeconfig files: the embedded credential, and splicing new values in while everything else stays byte for
//! byte: comments, key order, other users, line ends.
//!
//! Files are never written from a parsed form: serialisers reorder, drop comments and write names such as
//! `on` so that Go reads a boolean.

mod authorities;
pub mod entries;
mod error;
mod new;
mod splice;

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
    decoded: Bytes,
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
    pub fn certificate_pem(&self) -> &Bytes {
        &self.certificate.decoded
    }

    /// PEM of the client key.
    pub fn key_pem(&self) -> &Bytes {
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

    /// As [`Kubeconfig::parse_context`]; the current context once for a file that is kept.
    ///
    /// # Errors
    /// As [`Kubeconfig::parse_context`].
    pub fn context_of(file: &Bytes, context: Option<&str>) -> Result<Arc<Self>, KubeconfigError> {
        match context {
            None => Self::of(file),
            named => Self::parse_context(file, named).map(Arc::new),
        }
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
    pub fn authority_pem(&self) -> Option<&Bytes> {
        self.authority.as_ref().map(|value| &value.decoded)
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

    fn not_embedded(&self, uses: &str) -> KubeconfigError {
        KubeconfigError::NotEmbedded { user: self.user.clone(), uses: uses.to_owned() }
    }
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
    Ok(Value { decoded: decoded.into(), at })
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
