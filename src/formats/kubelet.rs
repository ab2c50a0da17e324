//! The kubelet's own configuration: `config.yaml` (KubeletConfiguration) and the flags from kubeadm and
//! systemd.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use crate::state::Bytes;

use super::manifest::flags;

/// The parts of a KubeletConfiguration that decide which files it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeletConfiguration {
    pub api_version: Option<String>,
    pub kind: Option<String>,
    pub static_pod_path: Option<PathBuf>,
    /// Whether the serving certificate comes from the cluster's signer.
    #[serde(rename = "serverTLSBootstrap")]
    pub server_tls_bootstrap: Option<bool>,
    /// Whether the kubelet keeps its client certificate in its store and rotates it.
    pub rotate_certificates: Option<bool>,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_private_key_file: Option<PathBuf>,
    pub cluster_domain: Option<String>,
    /// CRI endpoint (1.27 and later).
    pub container_runtime_endpoint: Option<String>,
    pub address: Option<String>,
    pub port: Option<i64>,
    pub authentication: Option<Authentication>,
    /// Whether a key occurs twice in one mapping: the last one is in effect.
    #[serde(skip)]
    pub has_duplicate_key: bool,
}

/// `authentication` of a KubeletConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Authentication {
    pub x509: Option<ClientCertificates>,
}

/// `authentication.x509` of a KubeletConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientCertificates {
    /// The CAs whose client certificates are accepted.
    #[serde(rename = "clientCAFile")]
    pub client_ca_file: Option<PathBuf>,
}

impl KubeletConfiguration {
    /// As [`KubeletConfiguration::parse`], once for a file that is kept.
    ///
    /// # Errors
    /// As [`KubeletConfiguration::parse`].
    pub fn of(file: &Bytes) -> Result<Arc<Self>, String> {
        file.parsed(|data| Self::parse(data).map(Arc::new)).clone()
    }

    /// YAML or JSON.
    ///
    /// # Errors
    /// It is neither; the text says where.
    pub fn parse(data: &[u8]) -> Result<Self, String> {
        let (parsed, has_duplicate_key) = super::parse_yaml_strictly(data)?;
        Ok(Self { has_duplicate_key, ..parsed })
    }

    /// Whether anything of what is read here is in it.
    pub fn says_anything(&self) -> bool {
        *self != Self { has_duplicate_key: self.has_duplicate_key, ..Self::default() }
    }

    /// Whether it says what it is, as the kubelet demands it of a drop-in.
    pub fn is_typed(&self) -> bool {
        self.api_version.as_deref() == Some("kubelet.config.k8s.io/v1beta1")
            && self.kind.as_deref() == Some("KubeletConfiguration")
    }

    /// The CAs whose client certificates are accepted.
    pub fn client_ca_file(&self) -> Option<&PathBuf> {
        let path = self.authentication.as_ref()?.x509.as_ref()?.client_ca_file.as_ref();
        path.filter(|path| !path.as_os_str().is_empty())
    }
}

/// The kubelet's flags in a file of shell or systemd assignments (`kubeadm-flags.env`, `10-kubeadm.conf`):
/// every `--flag` on an assignment's right-hand side.
pub fn flags_in_assignments(data: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(data);
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        // A line may go on with the flags of the line before.
        let value = if line.starts_with('-') { Some(line) } else { line.split_once('=').map(|line| line.1) };
        let words = value
            .into_iter()
            .flat_map(|value| value.split(|c: char| c.is_whitespace() || c == '"' || c == '\''));
        // `Environment="NAME=--flag=value"`: the assignment is inside the quotes.
        let flag = |word: &str| match word.split_once('=') {
            Some((name, value)) if !name.starts_with('-') && value.starts_with("--") => value.to_owned(),
            _ => word.to_owned(),
        };
        found.extend(flags(words.filter(|word| !word.is_empty() && *word != "\\").map(flag)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_kubeadm_and_of_a_drop_in() {
        let env =
            b"KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/c.sock --node-ip 10.0.0.1\"\n";
        let flags = flags_in_assignments(env);
        assert_eq!(flags.get("container-runtime-endpoint").map(String::as_str), Some("unix:///run/c.sock"));
        assert_eq!(flags.get("node-ip").map(String::as_str), Some("10.0.0.1"));
        let drop_in = b"# Note\n[Service]\nEnvironment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/b --kubeconfig=/k\"\n";
        let flags = flags_in_assignments(drop_in);
        assert_eq!(flags.get("kubeconfig").map(String::as_str), Some("/k"));
        assert_eq!(flags.get("bootstrap-kubeconfig").map(String::as_str), Some("/b"));
    }

    #[test]
    fn configuration() {
        let parsed = KubeletConfiguration::parse(
            b"kind: X\nstaticPodPath: /m\nserverTLSBootstrap: true\nauthentication:\n  anonymous: {enabled: false}\n  x509:\n    clientCAFile: /ca\nother: 1\n",
        );
        let parsed = parsed.unwrap();
        assert_eq!(parsed.client_ca_file(), Some(&"/ca".into()));
        assert_eq!((parsed.static_pod_path, parsed.server_tls_bootstrap), (Some("/m".into()), Some(true)));
    }
}
