//! Everything that kubeadm issues, as one table (kubeadm `phases/certs/certlist.go`,
//! `phases/kubeconfig/kubeconfig.go`, 1.20 to 1.37), and the kubelet's own credentials.

mod table;

use serde::{Deserialize, Serialize};

use table::CONSEQUENCES;
pub use table::{CERT_SPECS, Leaf};

use super::Component;

/// A certificate authority of a kubeadm cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ca {
    /// Signs the API server's certificates, the kubeconfigs and the kubelets' certificates.
    Cluster,
    /// Signs the certificates of etcd and its clients.
    Etcd,
    /// Signs the API server's client certificate towards aggregated APIs.
    FrontProxy,
}

/// In the order of kubeadm's table.
pub const CAS: [Ca; 3] = [Ca::Cluster, Ca::Etcd, Ca::FrontProxy];

impl Ca {
    /// kubeadm's name of the CA, as in its tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "ca",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }

    /// CN of kubeadm's (`phases/certs/certlist.go`).
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Cluster => "kubernetes",
            Self::Etcd | Self::FrontProxy => self.name(),
        }
    }

    /// Path below the PKI directory without `.crt` or `.key`; kubeadm calls it the base name.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Cluster => "ca",
            Self::Etcd => "etcd/ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `NAME.crt` and `NAME.key` below the PKI directory.
    Pair(&'static str),
    /// Embedded in a kubeconfig of this file name in `/etc/kubernetes`.
    Kubeconfig(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonName {
    /// The same on every node.
    Fixed(&'static str),
    /// The node's name in kubeadm's configuration.
    NodeName,
}

/// The organization of a subject, which kubeadm 1.29 and 1.37 changed for some credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Organization {
    /// As issued up to 1.28.
    pub until_1_28: Option<&'static str>,
    /// As issued from 1.29 to 1.36.
    pub since_1_29: Option<&'static str>,
    /// As issued since 1.37.
    pub since_1_37: Option<&'static str>,
}

impl Organization {
    /// The same in every version.
    pub const fn same(name: Option<&'static str>) -> Self {
        Self { until_1_28: name, since_1_29: name, since_1_37: name }
    }

    /// As issued by kubeadm of this minor version.
    pub fn at(&self, minor: u32) -> Option<&'static str> {
        match minor {
            0..=28 => self.until_1_28,
            29..=36 => self.since_1_29,
            _ => self.since_1_37,
        }
    }

    /// Whether some version issues it with these organizations.
    pub fn is_known(&self, organizations: &[&str]) -> bool {
        let known = [self.until_1_28, self.since_1_29, self.since_1_37];
        known.iter().any(|known| organizations == known.as_slice())
    }

    /// Whether the version makes a difference.
    pub fn varies(&self) -> bool {
        *self != Self::same(self.until_1_28)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Usage {
    Server,
    Client,
    /// Both, in this order, as for etcd's members.
    ServerAndClient,
}

/// The subject alternative names of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None: a client.
    None,
    /// The API server's: node, `kubernetes…`, service address, advertise address, endpoint.
    ApiServer,
    /// An etcd member's: node, localhost, advertise address, loopback.
    EtcdMember,
}

impl Leaf {
    /// Its row.
    pub fn spec(self) -> Option<&'static CertSpec> {
        CERT_SPECS.iter().find(|spec| spec.leaf == self)
    }
}

/// One leaf certificate that kubeadm issues and renews.
#[derive(Debug, PartialEq, Eq)]
pub struct CertSpec {
    pub leaf: Leaf,
    /// kubeadm's name, as on the command line.
    pub name: &'static str,
    /// kubeadm's description in its messages.
    pub long_name: &'static str,
    pub place: Place,
    pub authority: Ca,
    /// CN.
    pub common_name: CommonName,
    /// O.
    pub organization: Organization,
    pub usage: Usage,
    pub names: Names,
    /// The minor version from which `init` alone creates it, not `join`: its absence is no fault. (kubeadm 1.29:
    /// `super-admin.conf`.)
    pub by_init_since: Option<u32>,
}

impl CertSpec {
    /// Whether a node may be without it.
    pub fn is_optional(&self) -> bool {
        self.by_init_since.is_some()
    }
}

/// The leaf certificate of this kubeadm name.
pub fn cert_spec(name: &str) -> Option<&'static CertSpec> {
    CERT_SPECS.iter().find(|spec| spec.name == name)
}

/// The name of the kubelet's client certificate in plans and reports.
pub const KUBELET_CLIENT: &str = "kubelet-client";
/// Its description, in the style of kubeadm's long names.
pub const KUBELET_CLIENT_LONG: &str = "certificate for the kubelet to access the Kubernetes API";
/// The link to the kubelet's current client certificate and key, in its certificate directory.
pub const KUBELET_CLIENT_LINK: &str = "kubelet-client-current.pem";
/// The name of the kubelet's serving certificate in plans and reports.
pub const KUBELET_SERVING: &str = "kubelet-serving";
/// Its description, in the style of kubeadm's long names.
pub const KUBELET_SERVING_LONG: &str = "certificate for serving the kubelet's own API";
/// The link to the kubelet's current serving certificate and key, if the cluster signs it.
pub const KUBELET_SERVING_LINK: &str = "kubelet-server-current.pem";
/// The kubelet's default certificate directory.
pub const KUBELET_PKI_DIR: &str = "/var/lib/kubelet/pki";
/// The configuration of every kubelet that kubeadm set up.
pub const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// The kubelet's kubeconfig where no flag says otherwise, as kubeadm's unit does.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
/// The cluster's CA as kubeadm join puts it on every node, workers included.
pub const CA_FILE: &str = "/etc/kubernetes/pki/ca.crt";
/// kubeadm's directory of kubeconfigs, a constant there too.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";
/// The tool's own directory inside the root: archives, journal, lock.
pub const RESCUE_DIR: &str = "/var/lib/kuberescue";

/// What the control plane is without a credential or component, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Without {
    /// The cluster continues; one way to reach it is lost.
    GoesOn,
    /// A part of it doesn't work.
    InPart,
    /// It runs, and doesn't come back once it is stopped.
    NotAgain,
    /// Whether it starts depends on more than is known here.
    Perhaps,
    /// It doesn't start.
    Dead,
}

/// What follows when the credential or component of this name is missing, expired or no longer accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Name in the catalog, a component's name, or `clock`.
    pub subject: &'static str,
    pub without: Without,
    /// Main clauses, without a full stop.
    pub text: &'static str,
    /// The static pod that presents it, where exactly one does.
    pub pod: Option<Component>,
}

/// The entry of a name, and how early in the chain it fails.
pub fn consequence(subject: &str) -> Option<(usize, &'static Consequence)> {
    CONSEQUENCES.iter().enumerate().find(|(_, row)| row.subject == subject)
}

#[cfg(test)]
mod tests;
