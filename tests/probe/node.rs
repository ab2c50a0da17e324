//! A control-plane node whose components are the small servers of this test, all well at first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::live::probe::{Check, Options, Report, probe};
use kuberescue::state::{Attributes, Content, Entry, Snapshot};

use super::common;
use super::server::{
    self, Authority, BOTH, Clients, Leaf, NOW, Request, accept, closed_port, config, http, read_request,
};

pub const NODE: &str = "lab-cp1";

/// A recorded answer of a real API server, with its status and date.
pub fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/api");
    let read = |end: &str| std::fs::read(path.join(format!("{name}.{end}"))).unwrap();
    let headers = String::from_utf8(read("headers")).unwrap();
    let status = headers.split_whitespace().nth(1).unwrap().parse().unwrap();
    let kept = |line: &&str| line.starts_with("date:") || line.starts_with("content-type:");
    let kept: String = headers.lines().filter(kept).map(|line| format!("{}\r\n", line.trim())).collect();
    http(status, &kept, &read("body"))
}

/// What a real API server answers on a path.
pub fn api_answer(path: &str) -> Vec<u8> {
    match path {
        "/livez" => recorded("livez"),
        "/readyz?verbose" => recorded("readyz"),
        "/api/v1/nodes?limit=500" => recorded("nodes"),
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/lab-cp1" => recorded("lease"),
        _ => http(404, "", b"404 page not found"),
    }
}

/// A real API server's answer to a client: anonymous ones may only see health.
pub fn api_server(request: &Request) -> Vec<u8> {
    let open = request.path.starts_with("/livez") || request.path.starts_with("/readyz");
    match &request.client {
        Some(name) if name.starts_with("kubernetes-") => api_answer(&request.path),
        None if open => api_answer(&request.path),
        None => recorded("anonymous-403"),
        Some(_) => recorded("bad-token-401"),
    }
}

pub fn kubeconfig(server: &str, ca: &Authority, leaf: &Leaf) -> String {
    server::kubeconfig(&server::cluster(server, ca), &server::user(leaf, leaf))
}

/// The address of each component; a test puts another server in its place.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub api: SocketAddr,
    pub etcd: SocketAddr,
    pub peer: SocketAddr,
    pub metrics: SocketAddr,
    pub controller_manager: SocketAddr,
    pub scheduler: SocketAddr,
    pub kubelet: SocketAddr,
}

pub struct Node {
    pub ca: Authority,
    pub etcd_ca: Authority,
    pub at: Addresses,
    /// What is served, by the name of the check.
    pub served: BTreeMap<&'static str, Leaf>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub timeout: Duration,
    pub renewed_since: Option<Timestamp>,
    pub api_log: Arc<Mutex<Vec<Request>>>,
}

pub fn etcd_answer(request: &Request) -> Vec<u8> {
    match request.path.as_str() {
        "/health" => http(200, "", b"{\"health\":\"true\",\"reason\":\"\"}"),
        "/version" => http(200, "", b"{\"etcdserver\":\"3.4.23\",\"etcdcluster\":\"3.4.0\"}"),
        _ => http(404, "", b"404 page not found"),
    }
}

pub fn healthz(request: &Request) -> Vec<u8> {
    if request.path == "/healthz" { http(200, "", b"ok") } else { http(404, "", b"") }
}

impl Node {
    pub fn new() -> Self {
        let (ca, etcd_ca) = (Authority::new("kubernetes"), Authority::new("etcd-ca"));
        let nowhere = closed_port();
        let at = Addresses {
            api: nowhere,
            etcd: nowhere,
            peer: nowhere,
            metrics: nowhere,
            controller_manager: nowhere,
            scheduler: nowhere,
            kubelet: nowhere,
        };
        let served = BTreeMap::from([
            ("kube-apiserver", ca.leaf("kube-apiserver")),
            ("etcd-client", etcd_ca.leaf(NODE)),
            ("etcd-peer", etcd_ca.leaf(NODE)),
            ("kubelet", Authority::new("lab-cp1-ca@1").leaf("lab-cp1@1")),
            ("kube-controller-manager", Authority::new("localhost-ca@1").leaf("localhost@1")),
            ("kube-scheduler", Authority::new("localhost-ca@2").leaf("localhost@2")),
        ]);
        let mut node = Self {
            ca,
            etcd_ca,
            at,
            served,
            files: BTreeMap::new(),
            timeout: Duration::from_secs(20),
            renewed_since: None,
            api_log: Arc::default(),
        };
        let tls = |name: &str, clients| config(&node.served[name], clients, &BOTH);
        let (etcd, anyone) = (Clients::Only(&node.etcd_ca), Clients::Anyone);
        let known = Clients::Known(&node.ca);
        let (api, log) = server::https(tls("kube-apiserver", known), api_server);
        node.at = Addresses {
            api,
            etcd: server::https(tls("etcd-client", etcd), etcd_answer).0,
            peer: server::https(tls("etcd-peer", etcd), etcd_answer).0,
            metrics: accept(|mut stream| {
                let request = read_request(&mut stream).unwrap_or_default();
                let _ = std::io::Write::write_all(&mut stream, &etcd_answer(&request));
            }),
            controller_manager: server::https(tls("kube-controller-manager", anyone), healthz).0,
            scheduler: server::https(tls("kube-scheduler", anyone), healthz).0,
            kubelet: server::https(tls("kubelet", known), |request| match &request.client {
                Some(name) if name == "kube-apiserver-kubelet-client" => healthz(request),
                _ => http(401, "", b"Unauthorized"),
            })
            .0,
        };
        node.api_log = log;
        let (ca, etcd_ca) = (&node.ca, &node.etcd_ca);
        let pairs = [
            ("apiserver", node.served["kube-apiserver"].clone()),
            ("apiserver-kubelet-client", ca.leaf("kube-apiserver-kubelet-client")),
            ("etcd/server", node.served["etcd-client"].clone()),
            ("etcd/peer", node.served["etcd-peer"].clone()),
            ("etcd/healthcheck-client", etcd_ca.leaf("kube-etcd-healthcheck-client")),
        ];
        let (ca_pem, etcd_ca_pem) = (ca.certificate.to_pem(), etcd_ca.certificate.to_pem());
        let admin = kubeconfig(&format!("https://{api}"), ca, &ca.leaf("kubernetes-admin"));
        let kubelet = node.served["kubelet"].clone();
        for (name, leaf) in pairs {
            node.put_pair(&format!("/etc/kubernetes/pki/{name}"), &leaf);
        }
        node.put_pair("/var/lib/kubelet/pki/kubelet", &kubelet);
        node.put("/etc/kubernetes/pki/ca.crt", ca_pem);
        node.put("/etc/kubernetes/pki/etcd/ca.crt", etcd_ca_pem);
        node.put("/etc/kubernetes/admin.conf", admin);
        let kubelet_client =
            kubeconfig(&format!("https://{api}"), &node.ca, &node.ca.leaf("system:node:lab-cp1"));
        node.put("/etc/kubernetes/kubelet.conf", kubelet_client);
        node.configure();
        node
    }

    /// Writes manifests and the kubelet's configuration with the addresses as they are.
    pub fn configure(&mut self) {
        let at = self.at;
        self.manifest(
            "kube-apiserver",
            &format!(
                "--advertise-address={}, --secure-port={}, --tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
                at.api.ip(),
                at.api.port()
            ),
        );
        self.manifest(
            "etcd",
            &format!(
                "--name={NODE}, '--listen-client-urls=https://{}', '--listen-peer-urls=https://{}', \
             '--listen-metrics-urls=http://{}', --cert-file=/etc/kubernetes/pki/etcd/server.crt, \
             --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
                at.etcd, at.peer, at.metrics
            ),
        );
        self.manifest("kube-controller-manager", &format!("--secure-port={}", at.controller_manager.port()));
        self.manifest("kube-scheduler", &format!("--secure-port={}", at.scheduler.port()));
        self.put(
            "/var/lib/kubelet/config.yaml",
            format!("port: {}\naddress: 127.0.0.1\n", at.kubelet.port()),
        );
    }

    fn manifest(&mut self, name: &str, flags: &str) {
        let text = format!(
            "kind: Pod\nmetadata: {{name: {name}, namespace: kube-system}}\nspec: {{containers: [{{command: [{name}, {flags}]}}]}}\n"
        );
        self.put(&format!("/etc/kubernetes/manifests/{name}.yaml"), text);
    }

    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// `BASE.crt` and `BASE.key`.
    pub fn put_pair(&mut self, base: &str, leaf: &Leaf) {
        self.put(&format!("{base}.crt"), leaf.certificate.to_pem());
        self.put(&format!("{base}.key"), leaf.key.to_pem().as_bytes());
    }

    pub fn put_admin(&mut self, file: &str, server: &str, leaf: &Leaf) {
        let text = kubeconfig(server, &self.ca, leaf);
        self.put(&format!("/etc/kubernetes/{file}"), text);
    }

    /// Its files on a disk.
    pub fn on_disk(&self) -> common::Node {
        let disk = common::Node::empty();
        for (path, bytes) in &self.files {
            disk.write(path, bytes);
        }
        disk
    }

    pub fn probe(&self) -> Report {
        let file = |bytes: &Vec<u8>| Entry {
            content: Content::File(bytes.clone().into()),
            attributes: Attributes::default(),
        };
        let files = self.files.iter().map(|(path, bytes)| (PathBuf::from(path), file(bytes)));
        let snapshot: Snapshot = files.collect();
        let inventory = Inventory::read(&snapshot, None);
        let now = NOW.parse().unwrap();
        let options = Options { now, timeout: self.timeout, renewed_since: self.renewed_since };
        probe(&inventory, &|path| snapshot.file(path).cloned(), &options)
    }
}

/// The check of this name.
pub fn check<'a>(report: &'a Report, name: &str) -> &'a Check {
    report.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name}: {report:#?}"))
}

/// The codes of what is wrong, as `name: code`.
pub fn wrong(report: &Report) -> Vec<String> {
    report.wrong().map(|check| format!("{}: {}", check.name, check.result())).collect()
}
