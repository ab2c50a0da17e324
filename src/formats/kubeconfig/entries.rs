//! An entire kubeconfig, not only its current context: every context, cluster and user, as kubectl reads them
//! (client-go `tools/clientcmd`). Read only; nothing here can be spliced.
//!
//! Secrets (keys, tokens) are zeroized when dropped, and no type here has a `Debug` that shows them.
//! Passwords, and a plug-in's arguments and environment, are not kept at all.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::KubeconfigError;
use crate::formats::{first_items, too_large, yaml};

pub struct Entries {
    /// `current-context`, if set.
    pub current: Option<String>,
    /// In the file's order.
    pub contexts: Vec<Context>,
    pub clusters: Vec<Cluster>,
    pub users: Vec<User>,
}

pub struct Context {
    pub name: String,
    /// May be empty.
    pub cluster: String,
    /// May be empty.
    pub user: String,
}

/// An API server and how its certificate is verified.
pub struct Cluster {
    pub name: String,
    /// May be empty.
    pub server: String,
    /// The name that the server's certificate must be valid for, if it is not the URL's host.
    pub tls_server_name: Option<String>,
    /// `proxy-url`.
    pub proxy: Option<String>,
    /// `insecure-skip-tls-verify`.
    pub insecure: bool,
    pub authority: Option<Place>,
}

/// The credentials of a user. kubectl uses whichever are set.
pub struct User {
    pub name: String,
    pub certificate: Option<Place>,
    pub key: Option<Place>,
    /// `token`.
    pub token: Option<Zeroizing<String>>,
    /// `tokenFile`, which wins over `token`.
    pub token_file: Option<PathBuf>,
    /// Command of the exec plug-in; may be empty.
    pub exec: Option<String>,
    /// May be empty.
    pub auth_provider: Option<String>,
    /// User name of a password.
    pub username: Option<String>,
}

/// The location of PEM data.
pub enum Place {
    Embedded(Zeroizing<Vec<u8>>),
    /// In the kubeconfig, in this field, which is not base64.
    NotBase64(&'static str),
    File(PathBuf),
}

impl Place {
    /// `None` where it is in the kubeconfig itself.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Embedded(_) | Self::NotBase64(_) => None,
        }
    }
}

impl Entries {
    /// Reads a kubeconfig. Paths in it are relative to `base`, its directory.
    ///
    /// # Errors
    /// It is no kubeconfig, or kubectl rejects it because two entries have the same name.
    pub fn parse(data: &[u8], base: &Path) -> Result<Self, KubeconfigError> {
        if data.iter().all(u8::is_ascii_whitespace) {
            return Err(KubeconfigError::Empty);
        }
        if let Some(why) = too_large(data) {
            return Err(KubeconfigError::TooLarge(why));
        }
        let malformed = KubeconfigError::Malformed;
        let text = std::str::from_utf8(data).map_err(|_| malformed("not UTF-8".to_owned()))?;
        let (file, _): (File, _) = yaml::parse(text).map_err(malformed)?;
        let nothing = [&file.contexts.is_some(), &file.clusters.is_some(), &file.users.is_some()];
        if file.current.is_none() && nothing.iter().all(|there| !**there) {
            return Err(malformed("it has neither contexts nor clusters nor users".to_owned()));
        }
        let entries = Self {
            current: given(file.current),
            contexts: file.contexts.into_iter().flatten().map(NamedContext::read).collect(),
            clusters: file.clusters.into_iter().flatten().map(|entry| entry.read(base)).collect(),
            users: file.users.into_iter().flatten().map(|entry| entry.read(base)).collect(),
        };
        let names: [(&str, Vec<&str>); 3] = [
            ("contexts", entries.contexts.iter().map(|entry| entry.name.as_str()).collect()),
            ("clusters", entries.clusters.iter().map(|entry| entry.name.as_str()).collect()),
            ("users", entries.users.iter().map(|entry| entry.name.as_str()).collect()),
        ];
        for (kind, mut names) in names {
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find_map(|pair| match pair {
                [a, b] if a == b => Some(a),
                _ => None,
            }) {
                return Err(malformed(format!("two of its {kind} have the name \"{twice}\"")));
            }
        }
        Ok(entries)
    }

    /// Every file that it refers to.
    pub fn files(&self) -> Vec<&Path> {
        let users = self.users.iter();
        let places = users.flat_map(|user| [user.certificate.as_ref(), user.key.as_ref()]);
        let places = places.chain(self.clusters.iter().map(|cluster| cluster.authority.as_ref()));
        let files = places.flatten().filter_map(Place::file);
        files.chain(self.users.iter().filter_map(|user| user.token_file.as_deref())).collect()
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Data wins over a path (`rest/config.go`, TLSClientConfig).
fn place(field: &'static str, data: Option<String>, path: Option<String>, base: &Path) -> Option<Place> {
    let data = Zeroizing::new(data.unwrap_or_default());
    if data.is_empty() {
        return given(path).map(|path| Place::File(base.join(path)));
    }
    // Go's decoder skips newlines.
    let one_line: Zeroizing<String> =
        Zeroizing::new(data.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    Some(match STANDARD.decode(one_line.as_bytes()) {
        Ok(decoded) => Place::Embedded(Zeroizing::new(decoded)),
        Err(_) => Place::NotBase64(field),
    })
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "current-context")]
    current: Option<String>,
    #[serde(default, deserialize_with = "first_items")]
    contexts: Option<Vec<NamedContext>>,
    #[serde(default, deserialize_with = "first_items")]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default, deserialize_with = "first_items")]
    users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<String>,
    context: Option<RawContext>,
}

#[derive(Default, Deserialize)]
struct RawContext {
    cluster: Option<String>,
    user: Option<String>,
}

impl NamedContext {
    fn read(self) -> Context {
        let raw = self.context.unwrap_or_default();
        Context {
            name: self.name.unwrap_or_default(),
            cluster: raw.cluster.unwrap_or_default(),
            user: raw.user.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct NamedCluster {
    name: Option<String>,
    cluster: Option<RawCluster>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawCluster {
    server: Option<String>,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
    certificate_authority_data: Option<String>,
    certificate_authority: Option<String>,
}

impl NamedCluster {
    fn read(self, base: &Path) -> Cluster {
        let raw = self.cluster.unwrap_or_default();
        let (data, path) = (raw.certificate_authority_data, raw.certificate_authority);
        Cluster {
            name: self.name.unwrap_or_default(),
            server: raw.server.unwrap_or_default(),
            tls_server_name: given(raw.tls_server_name),
            proxy: given(raw.proxy_url),
            insecure: raw.insecure_skip_tls_verify.unwrap_or_default(),
            authority: place("certificate-authority-data", data, path, base),
        }
    }
}

#[derive(Deserialize)]
struct NamedUser {
    name: Option<String>,
    user: Option<RawUser>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawUser {
    client_certificate_data: Option<String>,
    client_certificate: Option<String>,
    client_key_data: Option<String>,
    client_key: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    exec: Option<Exec>,
    auth_provider: Option<AuthProvider>,
}

#[derive(Deserialize)]
struct Exec {
    command: Option<String>,
}

#[derive(Deserialize)]
struct AuthProvider {
    name: Option<String>,
}

impl NamedUser {
    fn read(self, base: &Path) -> User {
        let raw = self.user.unwrap_or_default();
        let (data, path) = (raw.client_certificate_data, raw.client_certificate);
        let certificate = place("client-certificate-data", data, path, base);
        User {
            name: self.name.unwrap_or_default(),
            certificate,
            key: place("client-key-data", raw.client_key_data, raw.client_key, base),
            token: given(raw.token).map(Zeroizing::new),
            token_file: given(raw.token_file).map(|path| base.join(path)),
            exec: raw.exec.map(|exec| exec.command.unwrap_or_default()),
            auth_provider: raw.auth_provider.map(|provider| provider.name.unwrap_or_default()),
            username: given(raw.username),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_and_data_goes_before_them() {
        let text = "clusters: [{name: c, cluster: {certificate-authority: ../ca.crt}}]\n\
                    users:\n- name: u\n  user:\n    client-certificate: /a.crt\n    client-key: k\n    \
                    client-key-data: |\n      QUJD\n      REVG\n- name: v\n  user: {client-key-data: '*'}\n";
        let entries = Entries::parse(text.as_bytes(), Path::new("/home/x/.kube")).unwrap();
        assert_eq!(entries.files(), [Path::new("/a.crt"), Path::new("/home/x/.kube/../ca.crt")]);
        let Some(Place::Embedded(key)) = &entries.users[0].key else { panic!() };
        assert_eq!(key.as_slice(), b"ABCDEF");
        assert!(matches!(entries.users[1].key, Some(Place::NotBase64("client-key-data"))));
    }

    #[test]
    fn what_is_no_kubeconfig() {
        for (text, why) in [
            ("", "empty"),
            ("apiVersion: v1\nkind: Pod\n", "neither contexts nor"),
            ("contexts: 3\n", "not a kubeconfig"),
            ("contexts: [{name: a}, {name: a}]\n", "two of its contexts have the name \"a\""),
        ] {
            let error = Entries::parse(text.as_bytes(), Path::new("")).err().unwrap().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
