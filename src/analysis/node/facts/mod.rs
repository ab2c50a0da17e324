//! The facts of a node, each with the place where it was read: manifests, the kubelet's files, old
//! certificates. kubeadm asks the API server for these and falls back to defaults when it is down
//! (`cmd/kubeadm/app/cmd/certs.go`); here a default is the last resort and is labelled as one.

pub(super) mod kubelet;
mod manifests;
mod pki_dir;
mod records;

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

pub use self::manifests::ManifestFile;
use self::pki_dir::PkiDir;
pub use self::records::{Configured, EtcdRecords, Recorded};
use crate::formats::crictl::CrictlConfiguration;
use crate::formats::etcd::{self, ClusterConfiguration, ClusterRecords};
use crate::formats::kubelet::KubeletConfiguration;
use crate::formats::manifest::Manifest;
use crate::state::Component::{self, ApiServer, ControllerManager, Etcd, Scheduler};
use crate::state::{Bytes, Snapshot, catalog};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact<T> {
    pub value: T,
    /// Path and field, or `default`.
    pub source: String,
}

impl<T> Fact<T> {
    pub(in crate::analysis) fn new(value: T, source: impl Into<String>) -> Self {
        Self { value, source: source.into() }
    }
}

/// kubeadm's data directory of etcd.
const ETCD_DATA: &str = "/var/lib/etcd";

#[derive(Clone, Debug)]
pub struct Facts {
    /// Static-pod manifests as found, in path order.
    pub manifests: Vec<ManifestFile>,
    /// kubeadm's `certificatesDir`.
    pub pki_dir: Fact<PathBuf>,
    /// Another directory that about as many references name, where these disagree.
    pub pki_rival: Option<Fact<PathBuf>>,
    /// The PKI directory is what the operator says it is.
    pub cert_dir_given: bool,
    /// Where the kubelet looks for static pods.
    pub manifest_dir: Fact<PathBuf>,
    pub node_name: Option<Fact<String>>,
    /// Whether etcd is a static pod of this node.
    pub local_etcd: Fact<bool>,
    /// What etcd's database says; a snapshot doesn't hold it, so it is read apart, from a disk.
    pub recorded: Option<Recorded<Arc<EtcdRecords>>>,
    /// The names that the cluster's configuration adds to certificates, where it was looked for and found.
    pub configured: Option<Configured>,
    /// Why the cluster's configuration can't be read from etcd's database.
    pub not_configured: Option<String>,
    pub advertise_address: Option<Fact<IpAddr>>,
    pub secure_port: Fact<u16>,
    /// Address of the service `kubernetes`: the first one of the first service network.
    pub service_address: Option<Fact<IpAddr>>,
    pub dns_domain: Option<Fact<String>>,
    pub minor_version: Option<Fact<u32>>,
    pub cluster_name: Fact<String>,
    /// The kubelet's configuration file, and the directory of its drop-ins.
    pub kubelet_config: Fact<PathBuf>,
    pub kubelet_config_dir: Option<PathBuf>,
    /// The files with variables that the kubelet's unit names.
    pub kubelet_environment: Vec<PathBuf>,
    /// The CAs that the kubelet accepts clients of, and the file that says so.
    pub kubelet_client_ca: Option<(PathBuf, PathBuf)>,
    /// The name that the kubelet is told to register the node with.
    pub hostname_override: Option<Fact<String>>,
    pub kubelet_pki_dir: Fact<PathBuf>,
    pub kubelet_kubeconfig: Fact<PathBuf>,
    /// Serving certificate and key, where the kubelet's configuration names them.
    pub kubelet_serving: Option<(PathBuf, PathBuf)>,
    /// Whether the kubelet requests its serving certificate from the cluster's signer.
    pub server_tls_bootstrap: bool,
    /// Whether the kubelet keeps its client certificate in its store and rotates it.
    pub rotates_client: bool,
    pub cri_socket: Option<Fact<String>>,
    /// CRI endpoint of crictl. It may differ from the kubelet's.
    pub crictl_socket: Option<Fact<String>>,
    /// The kubelet's listen address; `0.0.0.0` means all.
    pub kubelet_address: Fact<IpAddr>,
    pub kubelet_port: Fact<u16>,
}

impl Facts {
    /// Reads the facts. `cert_dir` is the PKI directory that the user gave.
    pub fn read(snapshot: &Snapshot, cert_dir: Option<&Path>) -> Self {
        let reader = Reader { snapshot };
        let kubelet = reader.kubelet();
        let manifest_dir = kubelet.file("pod-manifest-path", |one| one.static_pod_path.as_ref());
        let manifest_dir = match manifest_dir {
            Some((path, source)) => {
                let place = kubelet.place("pod-manifest-path", "staticPodPath", &source);
                Fact::new(path, place)
            }
            None => Fact::new(PathBuf::from("/etc/kubernetes/manifests"), "default"),
        };
        let manifests = reader.manifests(&manifest_dir.value);
        let pods = Pods(&manifests);
        let kubelet_client_ca = kubelet.file("client-ca-file", KubeletConfiguration::client_ca_file);
        let kubelet_ca = kubelet_client_ca.as_ref().map(|(path, source)| {
            Fact::new(
                path.clone(),
                kubelet.place("client-ca-file", "authentication.x509.clientCAFile", source),
            )
        });
        let PkiDir { dir: pki_dir, rival } = match cert_dir {
            Some(path) => PkiDir { dir: Fact::new(path.to_owned(), "--cert-dir"), rival: None },
            None => pki_dir::read(snapshot, &pods, kubelet_ca),
        };
        let kubelet_kubeconfig = kubelet.path("kubeconfig", catalog::KUBELET_CONF);
        let kubelet_pki_dir = kubelet.path("cert-dir", catalog::KUBELET_PKI_DIR);
        let local_etcd = pods.local_etcd(&pki_dir.value);
        let dns_domain = pods
            .dns_domain()
            .or_else(|| kubelet.configured("clusterDomain", |one| one.cluster_domain.clone()));
        let cri_socket = kubelet
            .flag("container-runtime-endpoint")
            .map(|fact| Fact::new(fact.value.to_owned(), fact.source))
            .or_else(|| {
                // kubeadm writes an empty one to mean the kubelet's default.
                let endpoint = |one: &KubeletConfiguration| one.container_runtime_endpoint.clone();
                kubelet
                    .configured("containerRuntimeEndpoint", |one| endpoint(one).filter(|at| !at.is_empty()))
            });
        let kubelet_address = kubelet.served("address", |one| one.address.as_ref()?.parse().ok());
        let kubelet_port =
            kubelet.served("port", |one| u16::try_from(one.port?).ok().filter(|port| *port > 0));
        Self {
            node_name: reader.node_name(
                &pods,
                &kubelet,
                &kubelet_kubeconfig.value,
                &kubelet_pki_dir.value,
                &pki_dir.value,
            ),
            advertise_address: pods.advertise_address(),
            secure_port: pods.secure_port(),
            service_address: pods.service_address(),
            minor_version: pods.minor_version(),
            cluster_name: pods.cluster_name(),
            hostname_override: kubelet.hostname_override(),
            kubelet_serving: kubelet
                .file("tls-cert-file", |one| one.tls_cert_file.as_ref())
                .zip(kubelet.file("tls-private-key-file", |one| one.tls_private_key_file.as_ref()))
                .map(|((certificate, _), (key, _))| (certificate, key)),
            server_tls_bootstrap: kubelet.is_on("rotate-server-certificates", |one| one.server_tls_bootstrap),
            rotates_client: kubelet.is_on("rotate-certificates", |one| one.rotate_certificates),
            kubelet_config: kubelet.config,
            kubelet_config_dir: kubelet.config_dir,
            kubelet_environment: kubelet.environment_files,
            kubelet_client_ca,
            manifests,
            pki_dir,
            pki_rival: rival,
            cert_dir_given: cert_dir.is_some(),
            manifest_dir,
            local_etcd,
            recorded: None,
            configured: None,
            not_configured: None,
            dns_domain,
            kubelet_pki_dir,
            kubelet_kubeconfig,
            cri_socket,
            crictl_socket: reader.crictl_endpoint(),
            kubelet_address: kubelet_address
                .unwrap_or_else(|| Fact::new(IpAddr::from([0, 0, 0, 0]), "default")),
            kubelet_port: kubelet_port.unwrap_or_else(|| Fact::new(10250, "default")),
        }
    }

    /// The same with the manifests of a snapshot in which only credentials and their places have changed.
    pub fn with_manifests(&self, snapshot: &Snapshot) -> Self {
        let manifests = Reader { snapshot }.manifests(&self.manifest_dir.value);
        Self { manifests, ..self.clone() }
    }

    /// The static pods that the kubelet runs, each with its manifest.
    pub fn pods(&self) -> impl Iterator<Item = (&Path, &Manifest)> {
        self.manifests.iter().filter_map(ManifestFile::running)
    }

    /// The pod of this component, if its manifest is readable.
    pub fn pod(&self, component: Component) -> Option<(&Path, &Manifest)> {
        Pods(&self.manifests).pod(component)
    }

    /// Takes what etcd's database says; the disk's own files win.
    pub fn record(&mut self, recorded: Recorded<Arc<EtcdRecords>>) {
        if let Recorded::Read(records) = &recorded
            && let Some(cluster) = records.cluster()
        {
            let (database, revision) = (records.database.display(), cluster.revision);
            let source = format!("kubeadm-config in etcd's database {database} as of revision {revision}");
            match &cluster.configuration {
                Some(Ok(configuration)) => self.configure(configuration, &source),
                Some(Err(why)) => self.not_configured = Some(why.clone()),
                None => {}
            }
        }
        self.recorded = Some(recorded);
    }

    fn configure(&mut self, configuration: &ClusterConfiguration, source: &str) {
        let subnet = &configuration.service_subnet;
        let service = subnet.split(',').next().and_then(first_address);
        self.service_address = self
            .service_address
            .take()
            .or_else(|| Some(Fact::new(service?, format!("networking.serviceSubnet of {source}"))));
        let domain = Some(configuration.dns_domain.clone()).filter(|domain| !domain.is_empty());
        self.dns_domain = self
            .dns_domain
            .take()
            .or_else(|| Some(Fact::new(domain?, format!("networking.dnsDomain of {source}"))));
        self.configured = Some(Configured::of(configuration, source));
    }

    /// What etcd's database says, where it was read.
    pub fn etcd_records(&self) -> Option<&EtcdRecords> {
        match &self.recorded {
            Some(Recorded::Read(records)) => Some(records),
            Some(Recorded::Damaged(_) | Recorded::Unread(_)) | None => None,
        }
    }

    /// What the cluster's objects say, where they were asked for and read.
    pub fn cluster(&self) -> Option<&ClusterRecords> {
        self.etcd_records()?.cluster()
    }

    /// etcd's data directory on the node; `None` without a manifest of etcd.
    pub fn etcd_data(&self) -> Option<PathBuf> {
        let (_, pod) = self.pod(Etcd)?;
        Some(pod.host(pod.flag("data-dir").unwrap_or(ETCD_DATA)))
    }

    /// Where etcd's database is or would be, in kubeadm's place without a manifest.
    pub fn etcd_database(&self) -> PathBuf {
        self.etcd_data().unwrap_or_else(|| PathBuf::from(ETCD_DATA)).join(etcd::DATABASE)
    }

    /// The file on the node that a flag of a component names.
    pub(super) fn file(&self, pod: Component, flag: &str) -> Option<Fact<PathBuf>> {
        Pods(&self.manifests).file(pod, flag)
    }
}

struct Reader<'a> {
    snapshot: &'a Snapshot,
}

impl Reader<'_> {
    fn file(&self, path: impl AsRef<Path>) -> Option<&Bytes> {
        self.snapshot.file(path.as_ref())
    }

    fn crictl_endpoint(&self) -> Option<Fact<String>> {
        let path = "/etc/crictl.yaml";
        let parsed = CrictlConfiguration::parse(self.file(path)?).ok()?;
        let endpoint = parsed.runtime_endpoint.filter(|path| !path.is_empty())?;
        Some(Fact::new(endpoint, format!("{path} runtime-endpoint")))
    }
}

struct Pods<'a>(&'a [ManifestFile]);

impl<'a> Pods<'a> {
    fn pod(&self, component: Component) -> Option<(&'a Path, &'a Manifest)> {
        self.0.iter().filter_map(ManifestFile::running).find(|(_, pod)| pod.runs(component))
    }

    fn flag(&self, pod: Component, flag: &str) -> Option<Fact<&'a str>> {
        let (path, manifest) = self.pod(pod)?;
        Some(Fact::new(manifest.flag(flag)?, format!("{} --{flag}", path.display())))
    }

    /// The file on the node that the flag names.
    fn file(&self, pod: Component, flag: &str) -> Option<Fact<PathBuf>> {
        let (_, manifest) = self.pod(pod)?;
        let fact = self.flag(pod, flag)?;
        Some(Fact::new(manifest.host(fact.value), fact.source))
    }

    fn local_etcd(&self, pki: &Path) -> Fact<bool> {
        if let Some((path, _)) = self.pod(Etcd) {
            return Fact::new(true, path.display().to_string());
        }
        // kubeadm keeps the CA of an external etcd in the place of its own ("Set up a High Availability etcd
        // Cluster with kubeadm"), so the place alone doesn't tell: the servers do.
        let cafile = self.file(ApiServer, "etcd-cafile");
        if let Some(fact) = cafile.filter(|fact| fact.value != pki.join("etcd/ca.crt")) {
            return Fact::new(false, fact.source);
        }
        let Some(servers) = self.flag(ApiServer, "etcd-servers") else {
            return Fact::new(true, "default");
        };
        let own = self.advertise_address().map(|address| address.value);
        let here = |address: IpAddr| address.is_loopback() || Some(address) == own;
        let mut hosts = servers.value.split(',').filter_map(host_of);
        let local = hosts.any(|host| host == "localhost" || host.parse().is_ok_and(here));
        Fact::new(local, servers.source)
    }

    fn advertise_address(&self) -> Option<Fact<IpAddr>> {
        if let Some(fact) = self.flag(ApiServer, "advertise-address")
            && let Ok(address) = fact.value.parse()
        {
            return Some(Fact::new(address, fact.source));
        }
        let fact = self.flag(Etcd, "advertise-client-urls")?;
        let url = fact.value.split(',').next()?;
        Some(Fact::new(host_of(url)?.parse().ok()?, fact.source))
    }

    fn secure_port(&self) -> Fact<u16> {
        let fact = self.flag(ApiServer, "secure-port");
        let port = fact.and_then(|fact| Some(Fact::new(fact.value.parse().ok()?, fact.source)));
        port.unwrap_or_else(|| Fact::new(6443, "default"))
    }

    fn service_address(&self) -> Option<Fact<IpAddr>> {
        let mut pods = [ApiServer, ControllerManager].into_iter();
        let fact = pods.find_map(|pod| self.flag(pod, "service-cluster-ip-range"))?;
        Some(Fact::new(first_address(fact.value.split(',').next()?)?, fact.source))
    }

    fn dns_domain(&self) -> Option<Fact<String>> {
        let fact = self.flag(ApiServer, "service-account-issuer")?;
        let domain = fact.value.strip_prefix("https://kubernetes.default.svc.")?.trim_end_matches('/');
        Some(Fact::new(domain.to_owned(), fact.source))
    }

    fn minor_version(&self) -> Option<Fact<u32>> {
        [ApiServer, ControllerManager, Scheduler].into_iter().find_map(|component| {
            let (path, pod) = self.pod(component)?;
            Some(Fact::new(pod.minor_version()?, format!("{} image", path.display())))
        })
    }

    fn cluster_name(&self) -> Fact<String> {
        match self.flag(ControllerManager, "cluster-name") {
            Some(fact) => Fact::new(fact.value.to_owned(), fact.source),
            None => Fact::new("kubernetes".to_owned(), "default"),
        }
    }
}

/// Host of a URL, without the brackets of an IPv6 address and without the port.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        // kubeadm takes a controlPlaneEndpoint without them (`util/endpoint.go` ParseHostPort).
        None if authority.parse::<Ipv6Addr>().is_ok() => authority,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// The first address after a network's own (`10.96.0.0/12` → `10.96.0.1`).
fn first_address(network: &str) -> Option<IpAddr> {
    let (address, length) = network.trim().split_once('/')?;
    let length: u32 = length.parse().ok()?;
    Some(match address.parse().ok()? {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
            IpAddr::from((v4.to_bits() & mask).checked_add(1)?.to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
            IpAddr::from((v6.to_bits() & mask).checked_add(1)?.to_be_bytes())
        }
    })
}

#[cfg(test)]
pub(super) mod tests;
