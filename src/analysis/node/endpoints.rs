//! What a node serves: which ports, by which component, with which certificate file, and how to check its
//! health. Read from the manifests' flags and the kubelet's configuration; defaults are the components' own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::inventory::Inventory;
use crate::formats::manifest::Manifest;
use crate::state::catalog::Ca;
use crate::state::{Component, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
}

/// Where the served certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Served {
    File(#[serde(with = "text")] PathBuf),
    /// Created in memory when the component starts: there is no file to compare.
    Memory,
    /// Plain HTTP: there is no certificate.
    Nothing,
}

/// The response of a healthy component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Healthy {
    Status,
    /// Status 200 and `{"health": "true"}` (etcd).
    EtcdHealth,
    /// Any answer: no client certificate of this node is let in.
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    pub path: &'static str,
    /// kubeadm's name of the client certificate for the request.
    pub client: Option<&'static str>,
    pub healthy: Healthy,
}

/// A port that is served on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Stable name: `etcd-client`, `kubelet`, ….
    pub name: &'static str,
    /// The static pod that serves it, or `kubelet`.
    pub component: Component,
    /// The address to reach it from the node itself.
    pub address: SocketAddr,
    pub scheme: Scheme,
    pub served: Served,
    pub health: Health,
    /// Whether its clients reject it once its certificate has expired. Nobody verifies the kubelet's
    /// self-signed one.
    pub is_verified: bool,
    pub source: String,
}

/// Why a component's ports could not be derived from its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It does not run on this node, and should not.
    NotExpected(String),
    /// It should run on this node and has no manifest.
    ManifestMissing(String),
    /// Its manifest cannot be read; kubeadm's ports are assumed.
    ManifestUnreadable(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub endpoints: Vec<Endpoint>,
    /// Components that could not be derived from a manifest.
    pub gaps: Vec<(Component, Gap)>,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The client addresses of this node's etcd.
pub fn etcd_clients(inventory: &Inventory) -> Vec<Endpoint> {
    expected(inventory).endpoints.into_iter().filter(|endpoint| endpoint.name == "etcd-client").collect()
}

/// What this node should serve, in start order: etcd first.
pub fn expected(inventory: &Inventory) -> Expected {
    let reader = Reader { inventory };
    let mut found = Expected::default();
    // A worker has none of them.
    let static_pods = Component::STATIC_PODS.into_iter().filter(|_| inventory.is_control_plane());
    for component in static_pods {
        let (pod, gap) = reader.pod(component);
        found.gaps.extend(gap.map(|gap| (component, gap)));
        let Some(pod) = pod else { continue };
        match component {
            Component::Etcd => found.endpoints.extend(reader.etcd(&pod)),
            Component::ApiServer => found.endpoints.push(reader.api_server(&pod)),
            Component::ControllerManager => found.endpoints.extend(reader.stateless(&pod, component, 10257)),
            Component::Scheduler => found.endpoints.extend(reader.stateless(&pod, component, 10259)),
            Component::Kubelet | Component::Other(_) => {}
        }
    }
    if inventory.has_kubelet() {
        found.endpoints.push(reader.kubelet());
    }
    found
}

/// A component's flags and where they were read.
struct Pod<'a> {
    manifest: Option<&'a Manifest>,
    source: String,
}

impl Pod<'_> {
    fn flag(&self, name: &str) -> Option<&str> {
        self.manifest?.flag(name)
    }

    fn path(&self, flag: &str) -> Option<PathBuf> {
        Some(self.manifest?.host(self.flag(flag)?))
    }

    fn source(&self, flag: &str) -> String {
        if self.flag(flag).is_some() { format!("{} --{flag}", self.source) } else { "default".to_owned() }
    }
}

struct Reader<'a> {
    inventory: &'a Inventory,
}

impl<'a> Reader<'a> {
    fn pod(&self, component: Component) -> (Option<Pod<'a>>, Option<Gap>) {
        let facts = &self.inventory.facts;
        if let Some((path, manifest)) = facts.pod(component) {
            return (Some(Pod { manifest: Some(manifest), source: path.display().to_string() }), None);
        }
        let named = |path: &Path| path.file_stem().is_some_and(|stem| stem == component.name());
        for file in facts.manifests.iter().filter(|file| named(&file.path)) {
            if let Err(why) = &file.pod {
                let source = file.path.display().to_string();
                let gap = Gap::ManifestUnreadable(format!("{source}: {why}"));
                return (Some(Pod { manifest: None, source }), Some(gap));
            }
        }
        let directory = facts.manifest_dir.value.display();
        let gap = if self.should_run(component) {
            Gap::ManifestMissing(format!("no manifest of {component} in {directory}"))
        } else {
            Gap::NotExpected(format!("it does not run on this node: no manifest in {directory}"))
        };
        (None, Some(gap))
    }

    /// Whether the node has lost the manifest of this component. An external etcd leaves etcd's CA on the
    /// node, but never its serving certificate.
    fn should_run(&self, component: Component) -> bool {
        let there = |name: &str| {
            let row = self.inventory.leaves.iter().find(|leaf| leaf.spec.name == name);
            row.is_some_and(|leaf| !leaf.row.certificate.is_missing())
        };
        there(if component == Component::Etcd { "etcd-server" } else { "apiserver" })
    }

    fn pki(&self, file: &str) -> PathBuf {
        self.inventory.facts.pki_dir.value.join(file)
    }

    fn api_server(&self, pod: &Pod<'_>) -> Endpoint {
        let facts = &self.inventory.facts;
        let bound = pod.flag("bind-address").and_then(|address| address.parse::<IpAddr>().ok());
        let advertised = facts.advertise_address.as_ref().map(|fact| fact.value);
        let address = bound.filter(|ip| !ip.is_unspecified()).or(advertised).unwrap_or(LOOPBACK);
        let file = pod.path("tls-cert-file").unwrap_or_else(|| self.pki("apiserver.crt"));
        Endpoint {
            name: Component::ApiServer.name(),
            component: Component::ApiServer,
            address: SocketAddr::new(address, facts.secure_port.value),
            scheme: Scheme::Https,
            served: Served::File(file),
            // No client certificate: kubeadm leaves the health paths open to everyone.
            health: Health { path: "/readyz?verbose", client: None, healthy: Healthy::Status },
            is_verified: true,
            source: pod.source("secure-port"),
        }
    }

    fn etcd(&self, pod: &Pod<'_>) -> Vec<Endpoint> {
        let node = self.inventory.facts.advertise_address.as_ref().map_or(LOOPBACK, |fact| fact.value);
        let assumed = |host: IpAddr, port: u16| format!("https://{}", SocketAddr::new(host, port));
        // etcd's default without the flag, and what kubeadm writes where the manifest cannot be read.
        let urls = |flag: &str, default: &str, of_kubeadm: String| match pod.manifest {
            Some(_) => pod.flag(flag).unwrap_or(default).to_owned(),
            None => of_kubeadm,
        };
        let certificate = pod.path("cert-file").unwrap_or_else(|| self.pki("etcd/server.crt"));
        let peer = pod.path("peer-cert-file").unwrap_or_else(|| self.pki("etcd/peer.crt"));
        let client =
            |path| Health { path, client: Some("etcd-healthcheck-client"), healthy: Healthy::EtcdHealth };
        let kinds = [
            (
                "etcd-client",
                "listen-client-urls",
                urls("listen-client-urls", "http://localhost:2379", assumed(LOOPBACK, 2379)),
                &certificate,
                client("/health"),
            ),
            (
                "etcd-peer",
                "listen-peer-urls",
                urls("listen-peer-urls", "http://localhost:2380", assumed(node, 2380)),
                &peer,
                // The peer port has no /health.
                Health { path: "/version", client: Some("etcd-peer"), healthy: Healthy::Status },
            ),
            (
                "etcd-metrics",
                "listen-metrics-urls",
                urls("listen-metrics-urls", "", "http://127.0.0.1:2381".to_owned()),
                &certificate,
                client("/health"),
            ),
        ];
        let mut found: Vec<Endpoint> = Vec::new();
        for (name, flag, urls, certificate, health) in kinds {
            for (scheme, address) in urls.split(',').filter_map(parse_url) {
                if found.iter().any(|other| other.name == name && other.address == address) {
                    continue;
                }
                found.push(Endpoint {
                    name,
                    component: Component::Etcd,
                    address,
                    scheme,
                    served: match scheme {
                        Scheme::Https => Served::File(certificate.clone()),
                        Scheme::Http => Served::Nothing,
                    },
                    health: match scheme {
                        Scheme::Https => health,
                        Scheme::Http => Health { client: None, ..health },
                    },
                    is_verified: true,
                    source: pod.source(flag),
                });
            }
        }
        found
    }

    /// Controller-manager and scheduler: their `/healthz` is open to everyone.
    fn stateless(&self, pod: &Pod<'_>, component: Component, default: u16) -> Option<Endpoint> {
        let port = pod.flag("secure-port").map_or(Some(default), |port| port.parse().ok());
        let port = port.filter(|port| *port > 0)?;
        let bound = pod.flag("bind-address").and_then(|address| address.parse::<IpAddr>().ok());
        let served = match pod.path("tls-cert-file") {
            Some(path) => Served::File(path),
            // With a --cert-dir they keep the certificate that they create.
            None => match pod.path("cert-dir") {
                Some(directory) => Served::File(directory.join(format!("{component}.crt"))),
                None => Served::Memory,
            },
        };
        Some(Endpoint {
            name: component.name(),
            component,
            address: SocketAddr::new(reached(bound), port),
            scheme: Scheme::Https,
            served,
            health: Health { path: "/healthz", client: None, healthy: Healthy::Status },
            is_verified: true,
            source: pod.source("secure-port"),
        })
    }

    fn kubelet(&self) -> Endpoint {
        let facts = &self.inventory.facts;
        let row = &self.inventory.kubelet_serving;
        let authority = self.inventory.authority(Ca::Cluster).and_then(|row| row.certificate.get());
        let of_cluster = row.certificate.get().zip(authority);
        let of_cluster = of_cluster.is_some_and(|(leaf, ca)| leaf.issuer_der == ca.subject_der);
        let checked =
            facts.pod(Component::ApiServer).and_then(|(_, pod)| pod.flag("kubelet-certificate-authority"));
        Endpoint {
            name: Component::Kubelet.name(),
            component: Component::Kubelet,
            address: SocketAddr::new(reached(Some(facts.kubelet_address.value)), facts.kubelet_port.value),
            scheme: Scheme::Https,
            served: Served::File(row.path.clone()),
            health: match self.inventory.is_control_plane() {
                true => Health {
                    path: "/healthz",
                    client: Some("apiserver-kubelet-client"),
                    healthy: Healthy::Status,
                },
                false => Health { path: "/healthz", client: None, healthy: Healthy::Answer },
            },
            is_verified: of_cluster || checked.is_some(),
            source: facts.kubelet_port.source.clone(),
        }
    }
}

/// An address that means every interface is reached over loopback from the node itself.
fn reached(bound: Option<IpAddr>) -> IpAddr {
    bound.filter(|address| !address.is_unspecified()).unwrap_or(LOOPBACK)
}

/// Scheme and address of one of etcd's listen URLs: an address or `localhost`, and a port. Unix sockets are
/// skipped.
fn parse_url(url: &str) -> Option<(Scheme, SocketAddr)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let authority = rest.split('/').next()?;
    let address = match authority.strip_prefix("localhost:") {
        Some(port) => SocketAddr::new(LOOPBACK, port.parse().ok()?),
        None => authority.parse().ok()?,
    };
    Some((scheme, SocketAddr::new(reached(Some(address.ip())), address.port())))
}

#[cfg(test)]
mod tests;
