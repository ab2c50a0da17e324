//! Every credential of a node as a row: its path, its content, or why it cannot be read.

mod authority;
mod foreign;
mod kubeconfig;
mod kubelet;
mod own;
mod referred;

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::authority::CaRow;
pub use self::foreign::{ForeignCa, Trust, trusts};
pub use self::kubelet::{KubeletForm, ServingForm};
use super::facts::{Fact, Facts, ManifestFile};
use super::{references, scope};
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::KubeconfigError;
use crate::formats::pem;
use crate::state::Subject;
use crate::state::catalog::Leaf;
use crate::state::catalog::{self, CAS, CERT_SPECS, Ca, CertSpec};
use crate::state::{Bytes, Component, Content, Digest, Entry, Snapshot};

const ETCD_DATA: &str = "/var/lib/etcd/";

/// The content of a file.
#[derive(Clone, Debug)]
pub enum Parsed<T> {
    Missing,
    /// There is a file; the reason why it cannot be used.
    Unreadable(String),
    Present(T),
}

impl<T> Parsed<T> {
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Present(item) => Some(item),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Why it cannot be used, if there is a file.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Unreadable(reason) => Some(reason),
            Self::Missing | Self::Present(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Row {
    /// kubeadm's or the kubelet's name; a path for what is found elsewhere.
    pub name: String,
    /// Where the certificate is, as configured.
    pub path: PathBuf,
    /// The same as `path` if one file holds both.
    pub key_path: PathBuf,
    pub certificate: Parsed<Certificate>,
    pub key: Parsed<PrivateKey>,
    /// Why the credential cannot be replaced in place, although the file is readable.
    pub not_replaceable: Option<KubeconfigError>,
    /// Its issuer, where a flag names it and no CA of this cluster issued it.
    pub foreign_issuer: Option<String>,
    /// Certificate and key, where a kubeconfig names files.
    pub files: Option<(PathBuf, PathBuf)>,
    /// The kubeconfig that contains it or refers to it, and the PEM of its CA certificates.
    pub embedded_authority: Option<(PathBuf, Bytes)>,
    /// Its context in a kubeconfig, and the server of the current context, where that is another cluster's.
    pub beside: Option<(String, String)>,
}

impl Row {
    /// As findings name it.
    pub fn subject(&self) -> Subject {
        (&self.name).into()
    }
}

/// The key pair of service-account tokens. It has no certificate.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    pub key_path: PathBuf,
    pub public_path: PathBuf,
    /// The controller manager signs with it.
    pub key: Parsed<PrivateKey>,
    /// Subject public key info, in DER: the API server verifies with it.
    pub public: Parsed<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct LeafRow {
    pub spec: &'static CertSpec,
    pub row: Row,
}

#[derive(Clone, Debug)]
pub struct Inventory {
    pub facts: Facts,
    /// URL of the API server in admin.conf: the control-plane endpoint.
    pub endpoint: Option<Fact<String>>,
    /// The CAs that this node should have, in kubeadm's order.
    pub authorities: Vec<CaRow>,
    pub service_account: ServiceAccount,
    /// The leaf certificates that this node should have, in kubeadm's order.
    pub leaves: Vec<LeafRow>,
    /// What the API server presents to those who ask for another name (`--tls-sni-cert-key`).
    pub served_by_name: Vec<LeafRow>,
    pub kubelet_form: KubeletForm,
    pub kubelet_client: Row,
    pub serving_form: ServingForm,
    pub kubelet_serving: Row,
    pub elsewhere: Vec<Row>,
    /// Copies of the cluster's CA that differ from it.
    pub foreign_authorities: Vec<ForeignCa>,
    /// SHA-256 of the file with the keys for what is stored; `None` where the API server encrypts nothing.
    pub encryption: Option<Parsed<Digest>>,
    /// The newest timestamp on the disk, and its source.
    pub newest_evidence: Option<(Timestamp, String)>,
    /// Whether an etcd member has its data here.
    has_etcd_data: bool,
}

impl Inventory {
    /// Reads a snapshot. `cert_dir` is the PKI directory that the user gave.
    pub fn read(snapshot: &Snapshot, cert_dir: Option<&Path>) -> Self {
        Self::with_facts(snapshot, Facts::read(snapshot, cert_dir))
    }

    /// Reads a snapshot whose facts are known already, such as one in which only credentials have changed.
    pub fn with_facts(snapshot: &Snapshot, facts: Facts) -> Self {
        let reader = Reader { snapshot, facts: &facts };
        let mut leaves: Vec<_> = CERT_SPECS
            .iter()
            .filter(|spec| references::asks_for(snapshot, &facts, spec))
            .map(|spec| LeafRow { spec, row: reader.leaf(spec) })
            .collect();
        let is_used = |authority: &Ca| leaves.iter().any(|leaf| leaf.spec.authority == *authority);
        let authorities = CAS.into_iter().filter(is_used).map(|authority| reader.authority(authority));
        let authorities: Vec<_> = authorities.collect();
        referred::without_repeated(&mut leaves);
        let mut served_by_name = reader.served_by_name(&leaves);
        referred::mark_foreign(&reader, &authorities, &mut leaves);
        referred::mark_foreign(&reader, &authorities, &mut served_by_name);
        let (kubelet_form, kubelet_client) = reader.kubelet_client(&facts);
        let (serving_form, kubelet_serving) = reader.kubelet_serving(&facts);
        let elsewhere = reader.elsewhere();
        let service_account = reader.service_account();
        let rows = leaves.iter().map(|leaf| &leaf.row).chain([&kubelet_client]).chain(&elsewhere);
        let mut inventory = Self {
            foreign_authorities: foreign::authorities(&authorities, rows),
            newest_evidence: None,
            has_etcd_data: scope::CLOCKS
                .iter()
                .any(|path| path.starts_with(ETCD_DATA) && snapshot.get(Path::new(path)).is_some()),
            service_account,
            encryption: references::encryption(&facts)
                .map(|path| reader.parse(&path, |bytes| Ok::<_, Infallible>(Digest::of(bytes)))),
            endpoint: own::endpoint(snapshot, &facts),
            facts,
            authorities,
            leaves,
            served_by_name,
            kubelet_form,
            kubelet_client,
            serving_form,
            kubelet_serving,
            elsewhere,
        };
        inventory.newest_evidence = inventory.newest(snapshot);
        inventory
    }

    pub fn authority(&self, authority: Ca) -> Option<&CaRow> {
        self.authorities.iter().find(|row| row.authority == authority)
    }

    /// Whether the current context of this kubeconfig of kubeadm's is another cluster's.
    pub fn leads_elsewhere(&self, name: &str) -> bool {
        self.row(name).is_some_and(|row| row.beside.is_some())
    }

    /// All credentials with a leaf certificate: kubeadm's, the kubelet's, those in homes.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let leaves = self.served().map(|leaf| &leaf.row);
        leaves.chain([&self.kubelet_client, &self.kubelet_serving]).chain(&self.elsewhere)
    }

    /// kubeadm's leaf certificates, and what is served for other names.
    pub fn served(&self) -> impl Iterator<Item = &LeafRow> {
        self.leaves.iter().chain(&self.served_by_name)
    }

    /// Whether this is a control-plane node: one that runs the API server or etcd, or holds their
    /// credentials. A worker has a kubelet and `ca.crt`.
    pub fn is_control_plane(&self) -> bool {
        let is_there = |row: &Row| !row.certificate.is_missing() || !row.key.is_missing();
        // An administrator's kubeconfig is often copied to workers too.
        let leaves = self.leaves.iter().filter(|leaf| leaf.spec.leaf != Leaf::Admin);
        let others = self.authorities.iter().filter(|row| row.authority != Ca::Cluster);
        self.has_etcd_data
            || self.facts.manifests.iter().any(is_of_control_plane)
            || leaves.into_iter().any(|leaf| is_there(&leaf.row))
            || !self.service_account.key.is_missing()
            || others.into_iter().any(|row| !row.key.is_missing())
            || (!self.kubelet_kubeconfig_is_there()
                && self.authorities.iter().any(|row| !row.key.is_missing()))
    }

    /// Removes what a worker never has, so that it isn't shown as missing.
    pub fn without_missing(&mut self) {
        self.authorities.retain(|row| row.authority == Ca::Cluster || !row.certificate.is_missing());
        self.leaves.retain(|leaf| !leaf.row.certificate.is_missing() || !leaf.row.key.is_missing());
    }

    fn kubelet_kubeconfig_is_there(&self) -> bool {
        self.kubelet_form != KubeletForm::NoKubeconfig
    }

    /// Whether kubeadm has created anything here: a PKI, a kubeconfig or a manifest.
    pub fn is_kubeadm_node(&self) -> bool {
        let there = |row: &CaRow| !row.certificate.is_missing() || !row.key.is_missing();
        self.authorities.iter().any(there)
            || self.leaves.iter().any(|leaf| !leaf.row.certificate.is_missing())
            || self.facts.pod(Component::ApiServer).is_some()
            || self.kubelet_form != KubeletForm::NoKubeconfig
    }

    fn newest(&self, snapshot: &Snapshot) -> Option<(Timestamp, String)> {
        let rows =
            self.leaves.iter().map(|leaf| &leaf.row).chain([&self.kubelet_client, &self.kubelet_serving]);
        let issued = rows.filter_map(|row| {
            let start = row.certificate.get()?.not_before;
            Some((start, "notBefore of", row.path.as_path()))
        });
        let own = Path::new(catalog::RESCUE_DIR);
        let changed = snapshot
            .iter()
            .filter(|(path, entry)| !path.starts_with(own) && !matches!(entry.content, Content::Unread(_)))
            .map(|(path, entry)| (entry.attributes.mtime, "change time of", path));
        let (time, what, path) = issued.chain(changed).max_by_key(|(time, ..)| *time)?;
        Some((time, format!("{what} {}", path.display())))
    }
}

/// A damaged manifest counts by its name.
fn is_of_control_plane(file: &ManifestFile) -> bool {
    let name = match &file.pod {
        Ok(pod) => Some(pod.name.as_str()),
        Err(_) => file.path.file_stem().and_then(|stem| stem.to_str()),
    };
    name.is_some_and(|name| ["kube-apiserver", "etcd"].contains(&name))
}

struct Reader<'a> {
    snapshot: &'a Snapshot,
    facts: &'a Facts,
}

impl<'a> Reader<'a> {
    fn file(&self, path: &Path) -> Parsed<&'a Bytes> {
        let resolved = match self.snapshot.resolve(path) {
            Ok(resolved) => resolved,
            Err(error) => return Parsed::Unreadable(error.to_string()),
        };
        match resolved.entry.map(|entry| &entry.content) {
            None if resolved.path != path && self.snapshot.entry_itself(path).is_some_and(is_link) => {
                Parsed::Unreadable(format!("the link leads to {}, which is missing", resolved.path.display()))
            }
            None => Parsed::Missing,
            Some(Content::File(bytes)) => Parsed::Present(bytes),
            Some(Content::Unread(unread)) => Parsed::Unreadable(unread.to_string()),
            Some(Content::Directory | Content::Link(_)) => {
                Parsed::Unreadable("a directory, not a file".to_owned())
            }
        }
    }

    fn parse<T, E: std::fmt::Display>(
        &self,
        path: &Path,
        parse: impl Fn(&'a Bytes) -> Result<T, E>,
    ) -> Parsed<T> {
        match self.file(path) {
            Parsed::Missing => Parsed::Missing,
            Parsed::Unreadable(reason) => Parsed::Unreadable(reason),
            Parsed::Present(bytes) => present(parse(bytes)),
        }
    }

    fn certificate(&self, path: &Path) -> Parsed<Certificate> {
        self.parse(path, |bytes| Certificate::of(bytes).cloned())
    }

    fn key(&self, path: &Path) -> Parsed<PrivateKey> {
        self.parse(path, |bytes| PrivateKey::of(bytes).cloned())
    }

    fn pair(&self, name: &str, path: PathBuf, key_path: PathBuf) -> Row {
        Row {
            name: name.to_owned(),
            certificate: self.certificate(&path),
            key: self.key(&key_path),
            path,
            key_path,
            not_replaceable: None,
            foreign_issuer: None,
            files: None,
            embedded_authority: None,
            beside: None,
        }
    }

    fn service_account(&self) -> ServiceAccount {
        let files = references::service_account(self.snapshot, self.facts);
        let (key_path, public_path) = (files.key, files.certificate);
        // The API server takes the private key too, whose public half it uses (client-go `util/keyutil`).
        let public = |data: &Bytes| {
            pem::public_key(data)
                .or_else(|error| PrivateKey::of(data).map(|key| key.spki().to_vec()).map_err(|_| error))
        };
        ServiceAccount {
            key: self.key(&key_path),
            public: self.parse(&public_path, public),
            key_path,
            public_path,
        }
    }

    fn elsewhere(&self) -> Vec<Row> {
        let user = |path: &Path| {
            path.ends_with(".kube/config") && (path.starts_with("/home") || path.starts_with("/root"))
        };
        let paths = self.snapshot.iter().map(|(path, _)| path).filter(|path| user(path));
        paths.map(|path| self.kubeconfig(&path.display().to_string(), path)).collect()
    }
}

fn is_link(entry: &Entry) -> bool {
    matches!(entry.content, Content::Link(_))
}

fn present<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Parsed<T> {
    match parsed {
        Ok(item) => Parsed::Present(item),
        Err(error) => Parsed::Unreadable(error.to_string()),
    }
}
