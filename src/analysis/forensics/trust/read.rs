//! Files that something on the node names, as the graph needs them: certificates, keys, kubeconfigs.

use std::path::Path;

use crate::analysis::node::inventory::Parsed;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::formats::pem;
use crate::state::{Bytes, Content, Snapshot};

pub(super) fn file<'a>(snapshot: &'a Snapshot, path: &Path) -> Parsed<&'a Bytes> {
    let resolved = match snapshot.resolve(path) {
        Ok(resolved) => resolved,
        Err(error) => return Parsed::Unreadable(error.to_string()),
    };
    match resolved.entry.map(|entry| &entry.content) {
        None => Parsed::Missing,
        Some(Content::File(bytes)) => Parsed::Present(bytes),
        Some(Content::Unread(unread)) => Parsed::Unreadable(unread.to_string()),
        Some(Content::Directory | Content::Link(_)) => {
            Parsed::Unreadable("a directory, not a file".to_owned())
        }
    }
}

/// The parsed content of the file at a path.
pub(super) fn parse<T>(
    snapshot: &Snapshot,
    path: &Path,
    reader: impl Fn(&[u8]) -> Result<T, String>,
) -> Parsed<T> {
    match file(snapshot, path) {
        Parsed::Missing => Parsed::Missing,
        Parsed::Unreadable(why) => Parsed::Unreadable(why),
        Parsed::Present(bytes) => item(reader(bytes)),
    }
}

fn item<T>(result: Result<T, String>) -> Parsed<T> {
    match result {
        Ok(value) => Parsed::Present(value),
        Err(why) => Parsed::Unreadable(why),
    }
}

/// Every readable certificate of a PEM file: Go's `AppendCertsFromPEM` skips the others too.
pub(super) fn bundle(data: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut found = Vec::new();
    let mut wrong = None;
    for der in pem::certificates(data).map_err(|error| error.to_string())? {
        match Certificate::from_der(der) {
            Ok(certificate) => found.push(certificate),
            Err(error) => wrong = Some(error.to_string()),
        }
    }
    match wrong {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(found),
    }
}

/// The first certificate of a PEM file, and those that follow it.
pub(super) fn chain(data: &[u8]) -> Result<(Certificate, Vec<Certificate>), String> {
    let first = Certificate::from_pem(data).map_err(|error| error.to_string())?;
    let rest = bundle(data)?.into_iter().filter(|certificate| certificate.der != first.der).collect();
    Ok((first, rest))
}

pub(super) fn private_key(data: &[u8]) -> Result<PrivateKey, String> {
    PrivateKey::from_pem(data).map_err(|error| error.to_string())
}

/// The public half of the first key in a PEM file, as subject public key info: of a public key, a private
/// key, or a certificate, as `--service-account-key-file` accepts them.
pub(super) fn any_public_key(data: &[u8]) -> Result<Vec<u8>, String> {
    if let Ok(spki) = pem::public_key(data) {
        return Ok(spki);
    }
    if let Ok(certificate) = Certificate::from_pem(data) {
        return Ok(certificate.spki.clone());
    }
    private_key(data).map(|key| key.spki().to_vec())
}

/// What a kubeconfig connects with, and which CAs it trusts.
pub(super) struct Connection {
    /// Its certificate and the field that refers to it.
    pub(super) certificate: (Parsed<Certificate>, &'static str),
    pub(super) key: Parsed<PrivateKey>,
    /// The CAs that it trusts, and the field that refers to them; `None` if it names none.
    pub(super) authorities: Option<(Parsed<Vec<Certificate>>, &'static str)>,
}

pub(super) const EMBEDDED: &str = "client-certificate-data";
pub(super) const BY_PATH: &str = "client-certificate";
pub(super) const EMBEDDED_AUTHORITY: &str = "certificate-authority-data";
pub(super) const AUTHORITY_BY_PATH: &str = "certificate-authority";

/// The current context of the kubeconfig at a path.
pub(super) fn kubeconfig(snapshot: &Snapshot, path: &Path) -> Parsed<Connection> {
    let config = match file(snapshot, path) {
        Parsed::Missing => return Parsed::Missing,
        Parsed::Unreadable(why) => return Parsed::Unreadable(why),
        Parsed::Present(bytes) => match Kubeconfig::of(bytes) {
            Ok(config) => config,
            Err(error) => return Parsed::Unreadable(error.to_string()),
        },
    };
    // Relative paths are relative to the kubeconfig's directory (client-go `tools/clientcmd/loader.go`).
    let beside = |name: &str| path.parent().unwrap_or(path).join(name);
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (certificate, key) = match &config.credential {
        Credential::Embedded(embedded) => (
            (item(Certificate::from_pem(embedded.certificate_pem()).map_err(|error| text(&error))), EMBEDDED),
            item(private_key(embedded.key_pem())),
        ),
        Credential::Files { certificate, key } => (
            (parse(snapshot, &beside(certificate), |data| chain(data).map(|(first, _)| first)), BY_PATH),
            parse(snapshot, &beside(key), private_key),
        ),
        Credential::Other(error) => {
            ((Parsed::Unreadable(error.to_string()), EMBEDDED), Parsed::Unreadable(error.to_string()))
        }
    };
    let authorities = match (config.authority_pem(), config.authority_error(), &config.authority_file) {
        (Some(data), ..) => Some((item(bundle(data)), EMBEDDED_AUTHORITY)),
        (None, Some(error), _) => Some((Parsed::Unreadable(error.to_string()), EMBEDDED_AUTHORITY)),
        (None, None, Some(file)) => Some((parse(snapshot, &beside(file), bundle), AUTHORITY_BY_PATH)),
        (None, None, None) => None,
    };
    Parsed::Present(Connection { certificate, key, authorities })
}
