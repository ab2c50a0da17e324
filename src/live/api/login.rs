//! Kubeconfigs as a user has them: one file or several that are merged, with paths relative to their
//! directories, a proxy from the environment, an exec plug-in.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError, LoadDataError};
use zeroize::Zeroizing;

use super::{Api, ApiError};
use crate::formats::yaml;
use crate::state::os;

/// Server and credential of a connection.
#[derive(Default)]
pub struct Login {
    /// Kubeconfigs and the base directories of their relative paths; of two entries of one name the first
    /// counts.
    pub files: Vec<(Zeroizing<Vec<u8>>, PathBuf)>,
    /// `None` for the current context.
    pub context: Option<String>,
}

/// The base directory of a kubeconfig's relative paths.
pub fn directory_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// The client configuration of a login.
pub(super) fn configuration(login: &Login) -> Result<kube::Config, ApiError> {
    let mut merged: Option<Kubeconfig> = None;
    for (bytes, directory) in &login.files {
        let mut parsed = parse(bytes)?;
        resolve(&mut parsed, directory);
        merged = Some(match merged {
            Some(first) => first.merge(parsed).map_err(|error| of_loading(&error))?,
            None => parsed,
        });
    }
    let mut parsed = merged.ok_or_else(|| unusable("there is none"))?;
    if login.context.is_some() {
        parsed.current_context.clone_from(&login.context);
    }
    kube::Config::try_from(parsed).map_err(|error| of_loading(&error))
}

pub(super) fn parse(bytes: &[u8]) -> Result<Kubeconfig, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| unusable("not UTF-8"))?;
    Kubeconfig::from_yaml(text).map_err(|error| match error {
        KubeconfigError::Parse(error) => unusable(&yaml::why(&error)),
        error => of_loading(&error),
    })
}

/// An error with the first line only: the rest of a parser's message quotes the file.
pub(super) fn unusable(what: &str) -> ApiError {
    ApiError::Kubeconfig(what.lines().next().unwrap_or_default().to_owned())
}

/// Why a parsed kubeconfig cannot be used.
pub(super) fn of_loading(error: &KubeconfigError) -> ApiError {
    let data = |what: &str, error: &LoadDataError| match error {
        LoadDataError::DecodeBase64(_) => unusable(&format!("the {what} is not base64")),
        LoadDataError::ReadFile(error, path) => {
            unusable(&format!("cannot read the {what} {}: {}", path.display(), os::reason(error)))
        }
        LoadDataError::NoBase64DataOrFile => unusable(&format!("the {what} is missing")),
    };
    match error {
        KubeconfigError::CurrentContextNotSet => unusable("no current-context"),
        KubeconfigError::LoadContext(name) => unusable(&format!("context \"{name}\" not found")),
        KubeconfigError::LoadClusterOfContext(name) => unusable(&format!("cluster \"{name}\" not found")),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            unusable("the files have another kind or apiVersion than each other")
        }
        KubeconfigError::Parse(error) => unusable(&yaml::why(error)),
        KubeconfigError::ReadConfig(error, path) => {
            unusable(&format!("cannot read {}: {}", path.display(), os::reason(error)))
        }
        KubeconfigError::MissingClusterUrl => unusable("the cluster has no server"),
        KubeconfigError::ParseClusterUrl(_) => unusable("the server is no URL"),
        KubeconfigError::ParseProxyUrl(_) => unusable("the proxy-url is no URL"),
        KubeconfigError::LoadCertificateAuthority(error) => data("certificate authority", error),
        KubeconfigError::LoadClientCertificate(error) => data("client certificate", error),
        KubeconfigError::LoadClientKey(error) => data("client key", error),
        KubeconfigError::ParseCertificates(_) => unusable("the certificate authority is no PEM"),
        _ => unusable("it cannot be loaded"),
    }
}

/// Paths are relative to the kubeconfig (client-go `clientcmd.ResolveLocalPaths`); a plug-in's as well,
/// unless it is a bare name, which is looked up in `PATH`.
fn resolve(kubeconfig: &mut Kubeconfig, directory: &Path) {
    let absolute = |path: &mut Option<String>| {
        if let Some(path) =
            path.as_mut().filter(|path| !path.is_empty() && Path::new(path.as_str()).is_relative())
        {
            *path = directory.join(path.as_str()).display().to_string();
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        absolute(&mut user.client_certificate);
        absolute(&mut user.client_key);
        absolute(&mut user.token_file);
        if let Some(exec) = &mut user.exec
            && exec.command.as_ref().is_some_and(|command| command.contains(MAIN_SEPARATOR))
        {
            absolute(&mut exec.command);
        }
    }
}

impl Api {
    /// Prepares a connection as the user's kubectl would: with the proxy of the kubeconfig or the environment
    /// (and its exceptions, `NO_PROXY`), an exec plug-in, and retries when the server asks for them.
    ///
    /// # Errors
    /// The kubeconfig cannot be used, or its plug-in provides no credential.
    pub fn log_in(login: &Login) -> Result<Self, ApiError> {
        let mut api = Self::with(configuration(login)?)?;
        api.patient = true;
        Ok(api)
    }
}
