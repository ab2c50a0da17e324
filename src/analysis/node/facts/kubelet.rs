//! How the kubelet runs: its configuration, its flags, and the name that it gives the node.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use super::{Fact, Pods, Reader};
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::kubelet::{KubeletConfiguration, flags_in_assignments};
use crate::state::catalog;

/// A value that the kubelet takes from a flag, otherwise from its configuration file.
pub(super) fn served_by_kubelet<T: FromStr>(
    flags: &BTreeMap<String, (String, &'static str)>,
    name: &str,
    configured: impl Fn() -> Option<Fact<T>>,
) -> Option<Fact<T>> {
    let flag = flags
        .get(name)
        .and_then(|(value, source)| Some(Fact::new(value.parse().ok()?, format!("{source} --{name}"))));
    flag.or_else(configured)
}

impl Reader<'_> {
    pub(super) fn kubelet_configuration(&self) -> (KubeletConfiguration, &'static str) {
        let path = "/var/lib/kubelet/config.yaml";
        let parsed = self.file(path).and_then(|bytes| KubeletConfiguration::parse(bytes).ok());
        (parsed.unwrap_or_default(), path)
    }

    /// Flag → value and the file that sets it. Later files win, as in the kubelet's unit.
    pub(super) fn kubelet_flags(&self) -> BTreeMap<String, (String, &'static str)> {
        let files = [
            "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
            "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
            "/var/lib/kubelet/kubeadm-flags.env",
            "/etc/default/kubelet",
            "/etc/sysconfig/kubelet",
        ];
        let mut found = BTreeMap::new();
        for file in files {
            let Some(bytes) = self.file(file) else { continue };
            for (name, value) in flags_in_assignments(bytes) {
                found.insert(name, (value, file));
            }
        }
        found
    }

    pub(super) fn node_name(
        &self,
        pods: &Pods<'_>,
        flags: &BTreeMap<String, (String, &'static str)>,
        kubeconfig: &Path,
        kubelet_pki: &Path,
        pki: &Path,
    ) -> Option<Fact<String>> {
        const NODE: &str = "system:node:";
        let certificate = |path: &Path| Certificate::from_pem(self.file(path)?).ok();
        let link = kubelet_pki.join(catalog::KUBELET_CLIENT_LINK);
        if let Some(name) =
            certificate(&link).and_then(|cert| Some(cert.common_name().strip_prefix(NODE)?.to_owned()))
        {
            return Some(Fact::new(name, format!("{} CN", link.display())));
        }
        let user =
            self.file(kubeconfig).and_then(|bytes| Kubeconfig::parse(bytes).ok()).map(|config| config.user);
        if let Some(name) = user.as_deref().and_then(|user| user.strip_prefix(NODE)) {
            return Some(Fact::new(name.to_owned(), format!("{} user", kubeconfig.display())));
        }
        if let Some((path, etcd)) = pods.pod("etcd")
            && let Some(name) = etcd.flag("name")
        {
            return Some(Fact::new(name.to_owned(), format!("{} --name", path.display())));
        }
        for base in ["etcd/server.crt", "etcd/peer.crt"] {
            let path = pki.join(base);
            if let Some(cert) = certificate(&path).filter(|cert| !cert.common_name().is_empty()) {
                return Some(Fact::new(cert.common_name().to_owned(), format!("{} CN", path.display())));
            }
        }
        if let Some((name, source)) = flags.get("hostname-override") {
            return Some(Fact::new(name.clone(), format!("{source} --hostname-override")));
        }
        let host = String::from_utf8_lossy(self.file("/etc/hostname")?).trim().to_lowercase();
        (!host.is_empty()).then(|| Fact::new(host, "/etc/hostname"))
    }
}
