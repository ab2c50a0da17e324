//! What a finding is about. Decisions are made on this, never on the words that are printed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::Component;
use super::catalog::{CAS, Ca, KUBELET_CLIENT, KUBELET_SERVING, Leaf, Place, cert_spec};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Ca(Ca),
    Leaf(Leaf),
    /// The kubelet's client certificate.
    KubeletClient,
    KubeletServing,
    /// The kubelet's kubeconfig.
    KubeletConf,
    Component(Component),
    /// The pair that signs and verifies the tokens of service accounts.
    ServiceAccounts,
    Clock,
    /// Absolute.
    Path(PathBuf),
    /// A static pod or a kubeconfig that kubeadm doesn't know, by its name.
    Other(String),
}

impl Subject {
    /// Whether it is the kubelet or a credential of its own.
    pub fn is_kubelets(&self) -> bool {
        matches!(
            self,
            Self::KubeletClient
                | Self::KubeletServing
                | Self::KubeletConf
                | Self::Component(Component::Kubelet)
        )
    }

    /// Whether it is a client's kubeconfig: one of kubeadm's, or a file somewhere else.
    pub fn is_kubeconfig(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.spec().is_some_and(|spec| matches!(spec.place, Place::Kubeconfig(_))),
            Self::KubeletConf | Self::Path(_) => true,
            _ => false,
        }
    }
}

/// By the name in plans and reports; this is the only place that reads one.
impl From<&str> for Subject {
    fn from(name: &str) -> Self {
        if name.starts_with('/') {
            return Self::Path(PathBuf::from(name));
        }
        let ca = CAS.into_iter().find(|ca| ca.name() == name).map(Self::Ca);
        let leaf = || cert_spec(name).map(|spec| Self::Leaf(spec.leaf));
        let component = || Component::named(name).map(Self::Component);
        let others = [
            Self::KubeletClient,
            Self::KubeletServing,
            Self::KubeletConf,
            Self::ServiceAccounts,
            Self::Clock,
        ];
        ca.or_else(leaf)
            .or_else(component)
            .or_else(|| others.into_iter().find(|other| other.to_string() == name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl From<&String> for Subject {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<&Path> for Subject {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<Component> for Subject {
    fn from(component: Component) -> Self {
        Self::Component(component)
    }
}

impl From<Ca> for Subject {
    fn from(ca: Ca) -> Self {
        Self::Ca(ca)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaf = |leaf: &Leaf| leaf.spec().map_or("", |spec| spec.name);
        out.pad(match self {
            Self::Ca(ca) => ca.name(),
            Self::Leaf(id) => leaf(id),
            Self::KubeletClient => KUBELET_CLIENT,
            Self::KubeletServing => KUBELET_SERVING,
            Self::KubeletConf => "kubelet.conf",
            Self::Component(component) => component.name(),
            Self::ServiceAccounts => "sa",
            Self::Clock => "clock",
            Self::Path(path) => return path.display().fmt(out),
            Self::Other(name) => name,
        })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalog::CERT_SPECS;

    #[test]
    fn every_name_is_read_as_it_is_printed() {
        let leaves = CERT_SPECS.iter().map(|spec| (spec.name, Subject::Leaf(spec.leaf)));
        let authorities = CAS.into_iter().map(|ca| (ca.name(), Subject::Ca(ca)));
        let others = [
            ("kubelet-client", Subject::KubeletClient),
            ("kubelet-serving", Subject::KubeletServing),
            ("kubelet.conf", Subject::KubeletConf),
            ("kubelet", Subject::Component(Component::Kubelet)),
            ("etcd", Subject::Component(Component::Etcd)),
            ("sa", Subject::ServiceAccounts),
            ("clock", Subject::Clock),
            ("/root/.kube/config", Subject::Path(PathBuf::from("/root/.kube/config"))),
            ("kube-vip", Subject::Other("kube-vip".to_owned())),
        ];
        for (name, subject) in leaves.chain(authorities).chain(others) {
            assert_eq!(Subject::from(name), subject);
            assert_eq!(subject.to_string(), name);
        }
    }
}
