//! The cluster's configuration as kubeadm keeps it in the ConfigMap `kube-system/kubeadm-config` (kubeadm
//! `app/apis/kubeadm/v1beta1` to `v1beta4` `types.go`): what the certificates of a node are issued from.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use super::content::Content;
use super::object::Stored;
use crate::formats::key::KeyAlgorithm;
use crate::formats::parse_yaml;

/// kubeadm's `ClusterConfiguration`. What isn't set is empty or `None`; kubeadm's defaults are not filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfiguration {
    /// Such as `kubeadm.k8s.io/v1beta3`.
    pub api_version: String,
    pub kubernetes_version: String,
    pub cluster_name: String,
    /// Host and port behind which all API servers are.
    pub control_plane_endpoint: String,
    pub certificates_dir: String,
    /// Additional names and addresses of the API server's certificate.
    pub cert_sans: Vec<String>,
    pub dns_domain: String,
    pub service_subnet: String,
    pub etcd: Etcd,
    /// Of new keys, such as `ECDSA-P256`; since v1beta4.
    pub encryption_algorithm: String,
    /// Since v1beta4.
    pub certificate_validity: Option<SignedDuration>,
    /// Since v1beta4.
    pub ca_certificate_validity: Option<SignedDuration>,
}

/// Where etcd is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Etcd {
    /// kubeadm's default: a static pod on each control-plane node.
    #[default]
    Unset,
    Local {
        data_dir: String,
        server_cert_sans: Vec<String>,
        peer_cert_sans: Vec<String>,
    },
    External {
        endpoints: Vec<String>,
        ca_file: String,
        cert_file: String,
        key_file: String,
    },
}

impl ClusterConfiguration {
    /// The kind of new keys; `None` where none is configured, or one that isn't known.
    pub fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        self.encryption_algorithm.parse().ok()
    }

    /// The configuration in a value of the ConfigMap; `None` in one without it.
    ///
    /// # Errors
    /// It is encrypted, or cannot be decoded.
    pub(super) fn of_stored(stored: &Stored) -> Result<Option<Self>, String> {
        match stored {
            Stored::Object(object) => match &object.content {
                Content::ConfigMap(data) => {
                    data.get("ClusterConfiguration").map(|text| Self::parse(text)).transpose()
                }
                _ => Err("not a ConfigMap".to_owned()),
            },
            Stored::Encrypted(provider) => Err(format!("encrypted with {provider}")),
            Stored::Other(why) => Err((*why).to_owned()),
        }
    }

    /// Parses the YAML of the ConfigMap.
    ///
    /// # Errors
    /// It is not valid, or of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = parse_yaml(text.as_bytes())?;
        let version = raw.api_version.strip_prefix("kubeadm.k8s.io/").unwrap_or_default();
        if !["v1beta1", "v1beta2", "v1beta3", "v1beta4"].contains(&version) {
            return Err(format!("ClusterConfiguration of {:?}: not a version that is read", raw.api_version));
        }
        let period = |text: &Option<String>| match text {
            None => Ok(None),
            // metav1.Duration is written as Go writes it: 8760h0m0s.
            Some(text) => text.parse().map(Some).map_err(|_| format!("{text:?} is no duration")),
        };
        let certificate_validity = period(&raw.certificate_validity_period)?;
        let ca_certificate_validity = period(&raw.ca_certificate_validity_period)?;
        // The feature gate wins (`app/apis/kubeadm/types.go` EncryptionAlgorithmType).
        let encryption_algorithm = match raw.feature_gates.get("PublicKeysECDSA") {
            Some(true) => "ECDSA-P256".to_owned(),
            Some(false) => "RSA-2048".to_owned(),
            None => raw.encryption_algorithm,
        };
        let etcd = match (raw.etcd.local, raw.etcd.external) {
            (_, Some(external)) => Etcd::External {
                endpoints: external.endpoints,
                ca_file: external.ca_file,
                cert_file: external.cert_file,
                key_file: external.key_file,
            },
            (Some(local), None) => Etcd::Local {
                data_dir: local.data_dir,
                server_cert_sans: local.server_cert_sans,
                peer_cert_sans: local.peer_cert_sans,
            },
            (None, None) => Etcd::Unset,
        };
        Ok(Self {
            api_version: raw.api_version,
            kubernetes_version: raw.kubernetes_version,
            cluster_name: raw.cluster_name,
            control_plane_endpoint: raw.control_plane_endpoint,
            certificates_dir: raw.certificates_dir,
            cert_sans: raw.api_server.cert_sans,
            dns_domain: raw.networking.dns_domain,
            service_subnet: raw.networking.service_subnet,
            etcd,
            encryption_algorithm,
            certificate_validity,
            ca_certificate_validity,
        })
    }
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    api_version: String,
    kubernetes_version: String,
    cluster_name: String,
    control_plane_endpoint: String,
    certificates_dir: String,
    encryption_algorithm: String,
    feature_gates: BTreeMap<String, bool>,
    certificate_validity_period: Option<String>,
    ca_certificate_validity_period: Option<String>,
    api_server: RawApiServer,
    networking: RawNetworking,
    etcd: RawEtcd,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawApiServer {
    #[serde(rename = "certSANs")]
    cert_sans: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawNetworking {
    dns_domain: String,
    service_subnet: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEtcd {
    local: Option<RawLocal>,
    external: Option<RawExternal>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLocal {
    #[serde(rename = "dataDir")]
    data_dir: String,
    #[serde(rename = "serverCertSANs")]
    server_cert_sans: Vec<String>,
    #[serde(rename = "peerCertSANs")]
    peer_cert_sans: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawExternal {
    endpoints: Vec<String>,
    ca_file: String,
    cert_file: String,
    key_file: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version() {
        let v4 = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncertificateValidityPeriod: 8760h0m0s\n\
            caCertificateValidityPeriod: 87600h0m0s\nencryptionAlgorithm: ECDSA-P256\n\
            etcd:\n  external:\n    endpoints: [https://10.0.0.9:2379]\n    caFile: /e/ca.crt\n    certFile: /e/c.crt\n    keyFile: /e/c.key\n\
            apiServer:\n  extraArgs:\n  - name: v\n    value: \"2\"\n  certSANs: [api.example.test]\n";
        let parsed = ClusterConfiguration::parse(v4).unwrap();
        assert_eq!(parsed.certificate_validity, Some(SignedDuration::from_hours(8760)));
        assert_eq!(parsed.ca_certificate_validity, Some(SignedDuration::from_hours(87600)));
        assert_eq!(parsed.encryption_algorithm, "ECDSA-P256");
        assert_eq!(parsed.cert_sans, ["api.example.test"]);
        assert!(matches!(parsed.etcd, Etcd::External { ref ca_file, .. } if ca_file == "/e/ca.crt"));
        for version in ["v1beta1", "v1beta2", "v1beta3"] {
            // In these extraArgs is a map.
            let text = format!(
                "apiVersion: kubeadm.k8s.io/{version}\napiServer:\n  extraArgs: {{v: \"2\"}}\n  certSANs: [a]\netcd:\n  local:\n    dataDir: /d\n    serverCertSANs: [b]\n    peerCertSANs: [c]\n"
            );
            let parsed = ClusterConfiguration::parse(&text).unwrap();
            let local = Etcd::Local {
                data_dir: "/d".to_owned(),
                server_cert_sans: vec!["b".to_owned()],
                peer_cert_sans: vec!["c".to_owned()],
            };
            assert_eq!((parsed.cert_sans, parsed.etcd), (vec!["a".to_owned()], local), "{version}");
        }
    }

    #[test]
    fn the_kind_of_new_keys() {
        let of = |lines: &str| {
            let text = format!("apiVersion: kubeadm.k8s.io/v1beta4\n{lines}");
            ClusterConfiguration::parse(&text).unwrap().key_algorithm()
        };
        for (name, expected) in [
            ("RSA-2048", Some(KeyAlgorithm::Rsa(2048))),
            ("RSA-3072", Some(KeyAlgorithm::Rsa(3072))),
            ("RSA-4096", Some(KeyAlgorithm::Rsa(4096))),
            ("ECDSA-P256", Some(KeyAlgorithm::EcdsaP256)),
            ("ECDSA-P384", Some(KeyAlgorithm::EcdsaP384)),
            ("ML-DSA-65", None),
        ] {
            assert_eq!(of(&format!("encryptionAlgorithm: {name}\n")), expected, "{name}");
        }
        assert_eq!(of(""), None);
        // Until v1beta3 a feature gate, which wins in v1beta4 too.
        assert_eq!(of("featureGates: {PublicKeysECDSA: true}\n"), Some(KeyAlgorithm::EcdsaP256));
        let both = "featureGates: {PublicKeysECDSA: false}\nencryptionAlgorithm: ECDSA-P384\n";
        assert_eq!(of(both), Some(KeyAlgorithm::Rsa(2048)));
    }

    #[test]
    fn what_is_not_read() {
        assert!(
            ClusterConfiguration::parse("apiVersion: kubeadm.k8s.io/v1beta9\n")
                .unwrap_err()
                .contains("v1beta9")
        );
        let bad = "apiVersion: kubeadm.k8s.io/v1beta4\ncertificateValidityPeriod: a year\n";
        assert_eq!(ClusterConfiguration::parse(bad).unwrap_err(), "\"a year\" is no duration");
    }
}
