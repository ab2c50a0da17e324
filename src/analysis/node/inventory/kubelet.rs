//! The kubelet's own credentials: their form on this node and their content.

use std::path::PathBuf;

use super::kubeconfig::embedded_authority;
use super::{Parsed, Reader, Row};
use crate::analysis::node::facts::Facts;
use crate::analysis::node::references;
use crate::formats::kubeconfig::{Credential, Kubeconfig, KubeconfigError};
use crate::state::catalog;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeletForm {
    /// Inside the kubelet's kubeconfig, as before 1.17.
    Embedded,
    /// In a PEM file that the kubeconfig names, usually `kubelet-client-current.pem`.
    File(PathBuf),
    /// There is no kubeconfig to read it from.
    NoKubeconfig,
    /// The kubeconfig uses another method, which is not changed.
    Other,
}

/// Where the kubelet's serving certificate comes from (kubernetes `cmd/kubelet/app/server.go` InitializeTLS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServingForm {
    /// `kubelet.crt` and `kubelet.key`, which the kubelet creates if both are missing: signed by a CA created
    /// only for this certificate, which follows it in the file.
    SelfSigned,
    /// `kubelet-server-current.pem`, signed by the cluster (`serverTLSBootstrap`).
    Signed,
    /// Files that the kubelet's configuration names: not ours to replace.
    Configured,
}

impl Reader<'_> {
    pub(super) fn kubelet_client(&self, facts: &Facts) -> (KubeletForm, Row) {
        let path = &facts.kubelet_kubeconfig.value;
        let link = facts.kubelet_pki_dir.value.join(catalog::KUBELET_CLIENT_LINK);
        let name = catalog::KUBELET_CLIENT;
        let config = match self.file(path) {
            Parsed::Present(bytes) => Kubeconfig::of(bytes),
            Parsed::Missing => return (KubeletForm::NoKubeconfig, self.pair(name, link.clone(), link)),
            Parsed::Unreadable(reason) => Err(KubeconfigError::Malformed(reason)),
        };
        let embedded = config.as_ref().ok().and_then(|config| embedded_authority(path, config));
        match config.as_ref().map(|config| &config.credential) {
            Ok(Credential::Embedded(_)) => (KubeletForm::Embedded, self.kubeconfig(name, path)),
            Ok(Credential::Files { certificate, key }) => {
                let [file, key] = [certificate, key].map(|file| references::beside(facts, name, path, file));
                let row = self.pair(name, file.clone(), key);
                (KubeletForm::File(file), Row { embedded_authority: embedded, ..row })
            }
            Ok(Credential::Other(_)) => (KubeletForm::Other, self.kubeconfig(name, path)),
            Err(error) if error.is_worthless() => {
                (KubeletForm::NoKubeconfig, self.pair(name, link.clone(), link))
            }
            Err(_) => (KubeletForm::Other, self.kubeconfig(name, path)),
        }
    }

    pub(super) fn kubelet_serving(&self, facts: &Facts) -> (ServingForm, Row) {
        let directory = &facts.kubelet_pki_dir.value;
        let signed = directory.join(catalog::KUBELET_SERVING_LINK);
        let own = directory.join("kubelet.crt");
        let there = |path| self.snapshot.entry_itself(path).is_some();
        // If the configuration doesn't say so, a rotated certificate without a self-signed one does.
        let is_signed = facts.server_tls_bootstrap || (there(&signed) && !there(&own));
        let (form, certificate, key) = match &facts.kubelet_serving {
            Some((certificate, key)) => (ServingForm::Configured, certificate.clone(), key.clone()),
            None if is_signed => (ServingForm::Signed, signed.clone(), signed),
            None => (ServingForm::SelfSigned, own, directory.join("kubelet.key")),
        };
        (form, self.pair(catalog::KUBELET_SERVING, certificate, key))
    }
}
