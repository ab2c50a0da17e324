//! What a cluster's objects say of its configuration, of copies of its CAs, of the heartbeats of its nodes and of requests
//! for certificates, in one pass over the keys. Of Secrets only CA certificates are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use memchr::memmem;

use super::configuration::ClusterConfiguration;
use super::content::{CaBundle, Content};
use super::database::Database;
use super::object::{Object, Stored};
use crate::formats::bolt::ReadError;
use crate::formats::kubeconfig::entries::{self, Entries};

/// What the keys of a cluster's objects begin with, unless kube-apiserver has an `--etcd-prefix`.
pub const REGISTRY: &str = "/registry/";
const KUBEADM_CONFIG: &str = "kubeadm-config";
const ROOT_CA: &str = "kube-root-ca.crt";
const AUTHENTICATION: &str = "extension-apiserver-authentication";
const API_SERVICE: &str = "apiregistration.k8s.io";
const EXTENSION: &str = "apiextensions.k8s.io";
/// The longest key that is looked at, in bytes: names of Kubernetes have 253 at most.
const LONGEST: usize = 1 << 10;
/// The largest value that is decoded, in bytes: decoded it takes up to thirty times as much.
const LARGEST: usize = 512 << 10;
/// How much is kept, in bytes.
const MOST: usize = 8 << 20;
/// Of the structures around what is kept, in bytes.
const OVERHEAD: usize = 160;

/// What a cluster's objects say, each list in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterRecords {
    /// As of which it is right.
    pub revision: i64,
    /// ConfigMap `kube-system/kubeadm-config`, or why it cannot be read; `None` in a cluster without one.
    pub configuration: Option<Result<ClusterConfiguration, String>>,
    pub copies: Vec<CaCopy>,
    /// Nodes, and when the kubelet renewed the Lease of each last, by the node's clock.
    pub heartbeats: Vec<(String, Timestamp)>,
    pub requests: Vec<PendingRequest>,
    /// Objects that are encrypted, but for kubeadm-config: provider and key.
    pub encrypted: Vec<(String, String)>,
    /// Objects that could not be decoded, are too large, or one too many.
    pub left_out: usize,
}

/// CA certificates in an object, the cluster's or others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaCopy {
    pub place: Place,
    /// Empty for an object of the whole cluster.
    pub namespace: String,
    pub name: String,
    /// As they stand there.
    pub pem: Arc<[u8]>,
}

/// The object and the field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// ConfigMap `kube-public/cluster-info`, which `kubeadm join` reads.
    ClusterInfo,
    /// ConfigMap `kube-system/extension-apiserver-authentication`, `client-ca-file`: servers behind the API server and
    /// metrics' servers read it.
    ClientCa,
    /// The same, `requestheader-client-ca-file`.
    RequestHeaderCa,
    /// ConfigMap `kube-root-ca.crt` of a namespace, which is in each of its pods.
    RootCa,
    ApiService,
    ValidatingWebhook {
        webhook: String,
        has_url: bool,
    },
    MutatingWebhook {
        webhook: String,
        has_url: bool,
    },
    /// A CustomResourceDefinition's conversion.
    Conversion {
        has_url: bool,
    },
    /// Secret `CLUSTER-ca` of Cluster API.
    ClusterCa,
    /// Secret `CLUSTER-kubeconfig` of Cluster API, with the server in it.
    ClusterKubeconfig {
        server: String,
    },
}

/// A CertificateSigningRequest that is neither approved nor denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingRequest {
    pub name: String,
    pub signer: String,
    pub username: String,
    pub created: Option<Timestamp>,
}

/// Reads what there is below `prefix`, as in [`prefix_of`].
///
/// # Errors
/// [`ReadError`].
pub fn cluster_records(database: &mut Database<'_>, prefix: &str) -> Result<ClusterRecords, ReadError> {
    let revision = database.revision()?;
    // Small values stand beside their keys, larger ones are read by themselves afterwards.
    let (mut found, cut) = database.of_heads(|database, part| {
        let (mut found, mut cut) = (Collector::default(), Vec::new());
        database.live_at(revision, part, prefix.as_bytes(), &mut |entry| {
            let Some(key) = Key::parse(entry.key, prefix) else { return ControlFlow::Continue(()) };
            if !entry.value.is_empty() {
                found.take(&key, entry.value);
            } else if found.has_room(entry.key.len()) {
                cut.push((entry.key.to_vec(), entry.mod_revision));
            }
            ControlFlow::Continue(())
        })?;
        Ok((found, cut))
    })?;
    for (key, changed) in cut {
        let value = database.value_at(&key, changed)?;
        match (Key::parse(&key, prefix), value) {
            (Some(key), Some(value)) => found.take(&key, &value),
            // Changed meanwhile, and the old value compacted.
            _ => found.records.left_out += 1,
        }
    }
    Ok(ClusterRecords { revision, ..found.finish() })
}

impl ClusterRecords {
    /// What these objects say, keys and values, as of no revision.
    pub fn of<'o>(objects: impl IntoIterator<Item = (&'o [u8], &'o [u8])>, prefix: &str) -> Self {
        let mut found = Collector::default();
        for (key, value) in objects {
            if let Some(key) = Key::parse(key, prefix) {
                found.take(&key, value);
            }
        }
        found.finish()
    }
}

/// Where an API server with this `--etcd-prefix` keeps its objects (k8s.io/apiserver v0.36
/// `pkg/storage/etcd3/store.go` `New`).
pub fn prefix_of(flag: &str) -> String {
    let mut parts = Vec::new();
    for part in flag.split('/').filter(|part| !["", "."].contains(part)) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let joined: String = parts.iter().flat_map(|part| [*part, "/"]).collect();
    format!("/{joined}")
}

/// The key of an object that is looked at.
struct Key<'k> {
    whole: &'k str,
    /// Or the group of an extension's resource.
    resource: &'k str,
    /// Or that resource.
    namespace: &'k str,
    name: &'k str,
}

impl<'k> Key<'k> {
    fn parse(key: &'k [u8], prefix: &str) -> Option<Self> {
        let whole = std::str::from_utf8(key).ok().filter(|key| key.len() <= LONGEST)?;
        let (resource, rest) = whole.strip_prefix(prefix)?.split_once('/')?;
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        let is_wanted = match (resource, namespace) {
            ("configmaps", "kube-public") if name == "cluster-info" => true,
            ("configmaps", "kube-system") if [AUTHENTICATION, KUBEADM_CONFIG].contains(&name) => true,
            ("configmaps", _) => name == ROOT_CA,
            ("secrets", _) => name.ends_with("-ca") || name.ends_with("-kubeconfig"),
            (
                "validatingwebhookconfigurations"
                | "mutatingwebhookconfigurations"
                | "certificatesigningrequests",
                "",
            )
            | ("leases", "kube-node-lease")
            | (API_SERVICE, "apiservices")
            | (EXTENSION, "customresourcedefinitions") => true,
            _ => false,
        };
        is_wanted.then_some(Self { whole, resource, namespace, name })
    }

    fn is_configuration(&self) -> bool {
        (self.resource, self.namespace, self.name) == ("configmaps", "kube-system", KUBEADM_CONFIG)
    }
}

#[derive(Default)]
struct Collector {
    records: ClusterRecords,
    /// Each bundle of certificates once: that of `kube-root-ca.crt` is in every namespace.
    bundles: BTreeSet<Arc<[u8]>>,
    /// Bytes that are kept.
    size: usize,
}

impl Collector {
    fn finish(self) -> ClusterRecords {
        let mut records = self.records;
        records.copies.sort();
        records.heartbeats.sort();
        records.requests.sort();
        records.encrypted.sort();
        records
    }

    fn has_room(&mut self, size: usize) -> bool {
        self.size = self.size.saturating_add(size + OVERHEAD);
        let has_room = self.size <= MOST;
        self.records.left_out += usize::from(!has_room);
        has_room
    }

    fn take(&mut self, key: &Key<'_>, value: &[u8]) {
        // Most of these are large and name no CA.
        let is_extension = [API_SERVICE, EXTENSION].contains(&key.resource);
        if is_extension && memmem::find(value, b"caBundle").is_none() {
            return;
        }
        if value.len() > LARGEST {
            self.records.left_out += 1;
            return;
        }
        let stored = Stored::parse(value);
        if key.is_configuration() {
            if self.has_room(value.len()) {
                self.records.configuration = ClusterConfiguration::of_stored(&stored).transpose();
            }
            return;
        }
        match stored {
            Stored::Object(object) => self.object(key, *object),
            Stored::Encrypted(provider) if self.has_room(provider.len() + key.whole.len()) => {
                self.records.encrypted.push((provider, key.whole.to_owned()));
            }
            Stored::Encrypted(_) => {}
            Stored::Other(_) => self.records.left_out += 1,
        }
    }

    fn object(&mut self, key: &Key<'_>, object: Object) {
        match object.content {
            Content::ConfigMap(data) => self.config_map(key, &data),
            Content::Secret { data, .. } if key.name.ends_with("-ca") => {
                self.copy(key, Place::ClusterCa, data.get("tls.crt").map_or(&[], Vec::as_slice));
            }
            Content::Secret { data, .. } => {
                if let Some((server, pem)) = data.get("value").and_then(|value| cluster_of(value)) {
                    self.copy(key, Place::ClusterKubeconfig { server }, &pem);
                }
            }
            Content::Lease { renewed: Some(renewed), .. } if self.has_room(key.name.len()) => {
                self.records.heartbeats.push((key.name.to_owned(), renewed));
            }
            Content::CaBundles(bundles) => bundles.into_iter().for_each(|bundle| self.bundle(key, bundle)),
            Content::SigningRequest { signer, username, is_pending: true }
                if self.has_room(key.name.len() + signer.len() + username.len()) =>
            {
                let (name, created) = (key.name.to_owned(), object.created);
                self.records.requests.push(PendingRequest { name, signer, username, created });
            }
            _ => {}
        }
    }

    fn config_map(&mut self, key: &Key<'_>, data: &BTreeMap<String, String>) {
        let of = |field: &str| data.get(field).map_or(&[][..], String::as_bytes);
        match key.name {
            ROOT_CA => self.copy(key, Place::RootCa, of("ca.crt")),
            AUTHENTICATION => {
                self.copy(key, Place::ClientCa, of("client-ca-file"));
                self.copy(key, Place::RequestHeaderCa, of("requestheader-client-ca-file"));
            }
            _ => {
                if let Some((_, pem)) = cluster_of(of("kubeconfig")) {
                    self.copy(key, Place::ClusterInfo, &pem);
                }
            }
        }
    }

    fn bundle(&mut self, key: &Key<'_>, bundle: CaBundle) {
        let (webhook, has_url) = (bundle.name, bundle.has_url);
        let place = match key.resource {
            API_SERVICE => Place::ApiService,
            EXTENSION => Place::Conversion { has_url },
            "validatingwebhookconfigurations" => Place::ValidatingWebhook { webhook, has_url },
            _ => Place::MutatingWebhook { webhook, has_url },
        };
        self.copy(key, place, &bundle.pem);
    }

    fn copy(&mut self, key: &Key<'_>, place: Place, pem: &[u8]) {
        let extra = match &place {
            Place::ValidatingWebhook { webhook: text, .. }
            | Place::MutatingWebhook { webhook: text, .. }
            | Place::ClusterKubeconfig { server: text } => text.len(),
            _ => 0,
        };
        let known = self.bundles.get(pem).cloned();
        let size = extra + key.namespace.len() + key.name.len() + if known.is_some() { 0 } else { pem.len() };
        if pem.is_empty() || !self.has_room(size) {
            return;
        }
        let pem = known.unwrap_or_else(|| Arc::from(pem));
        self.bundles.insert(Arc::clone(&pem));
        let is_namespaced = ["configmaps", "secrets"].contains(&key.resource);
        let namespace = if is_namespaced { key.namespace.to_owned() } else { String::new() };
        self.records.copies.push(CaCopy { place, namespace, name: key.name.to_owned(), pem });
    }
}

/// Server and CA of the first cluster in a kubeconfig; `cluster-info` has no more than that.
fn cluster_of(kubeconfig: &[u8]) -> Option<(String, Vec<u8>)> {
    let cluster = Entries::parse(kubeconfig, Path::new("/")).ok()?.clusters.into_iter().next()?;
    match cluster.authority? {
        entries::Place::Embedded(pem) => Some((cluster.server, pem.to_vec())),
        entries::Place::NotBase64(_) | entries::Place::File(_) => None,
    }
}
