//! What the flags of the control plane name, as paths on the node: kubeadm's places are defaults, and what counts is
//! what a component reads (kubernetes `cmd/kube-apiserver`, `cmd/kube-controller-manager`; etcd 3.4 to 3.6).

use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::formats::manifest::sni_pair;
use crate::state::catalog::Leaf;
use crate::state::catalog::{self, CAS, CERT_SPECS, Ca, CertSpec, CommonName, Names, Organization, Usage};
use crate::state::{Component, Snapshot};

const API: Component = Component::ApiServer;
const MANAGER: Component = Component::ControllerManager;
const ETCD: Component = Component::Etcd;

/// The API server's flag for the keys with which it encrypts what it stores (k8s.io/apiserver
/// `pkg/server/options/encryptionconfig`): the same on all API servers, and read at the start.
pub(in crate::analysis) const ENCRYPTION: &str = "encryption-provider-config";

/// The flags of kube-controller-manager with a certificate that it signs with (`cmd/kube-controller-manager`, options
/// `CSRSigningControllerOptions`).
pub(super) const SIGNING_FLAGS: [&str; 5] = [
    "cluster-signing-cert-file",
    "cluster-signing-kube-apiserver-client-cert-file",
    "cluster-signing-kubelet-client-cert-file",
    "cluster-signing-kubelet-serving-cert-file",
    "cluster-signing-legacy-unknown-cert-file",
];

/// A certificate or public key, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// A CA, the flag with its certificate, and the one with its key, where there is one.
const CA_FLAGS: [(Ca, Component, &str, Option<&str>); 7] = [
    (Ca::Cluster, MANAGER, "cluster-signing-cert-file", Some("cluster-signing-key-file")),
    (Ca::Cluster, API, "client-ca-file", None),
    (Ca::Cluster, MANAGER, "root-ca-file", None),
    (Ca::FrontProxy, API, "requestheader-client-ca-file", None),
    (Ca::Etcd, ETCD, "trusted-ca-file", None),
    (Ca::Etcd, ETCD, "peer-trusted-ca-file", None),
    (Ca::Etcd, API, "etcd-cafile", None),
];

/// Where a CA may be besides kubeadm's place, as flags tell.
fn named_authorities(facts: &Facts, authority: Ca) -> Vec<Files> {
    let flags = CA_FLAGS.iter().filter(|(of, ..)| *of == authority);
    let named = flags.filter_map(|(_, component, certificate, key)| {
        let certificate = facts.file(*component, certificate)?.value;
        let keys = match key.and_then(|key| facts.file(*component, key)) {
            Some(key) => vec![key.value],
            None => keys_beside(&certificate),
        };
        Some(keys.into_iter().map(move |key| Files { certificate: certificate.clone(), key }))
    });
    named.flatten().collect()
}

/// `ca.key` and `ca-key.pem` beside `ca.pem`, as kubeadm, kubespray and RKE name them.
fn keys_beside(certificate: &Path) -> Vec<PathBuf> {
    let stem = certificate.file_stem().unwrap_or_default().to_string_lossy();
    vec![certificate.with_extension("key"), certificate.with_file_name(format!("{stem}-key.pem"))]
}

/// Where a CA is: in kubeadm's place, unless no flag names that and one names another that is there with its key.
pub(super) fn authority(snapshot: &Snapshot, facts: &Facts, authority: Ca) -> Files {
    let path = |extension: &str| facts.pki_dir.value.join(format!("{}.{extension}", authority.base()));
    let place = Files { certificate: path("crt"), key: path("key") };
    let named = named_authorities(facts, authority);
    let is_there = |path: &Path| snapshot.file(path).is_some();
    if facts.cert_dir_given
        || named.iter().any(|files| is_same(snapshot, &files.certificate, &place.certificate))
    {
        return place;
    }
    if let Some(files) = named.iter().find(|files| is_there(&files.certificate) && is_there(&files.key)) {
        return files.clone();
    }
    if is_there(&place.certificate) { place } else { named.into_iter().next().unwrap_or(place) }
}

/// Whether a node of this kind has a leaf: what came with a later version only if it is there all the same, and of
/// etcd's what the API server and etcd ask for, which is none where they speak plain HTTP, and of an external etcd only
/// the client's, if its CA can sign here.
pub(super) fn asks_for(snapshot: &Snapshot, facts: &Facts, spec: &CertSpec) -> bool {
    if let (Some(since), Some(version)) = (spec.by_init_since, &facts.minor_version)
        && version.value < since
    {
        return snapshot.get(&leaf(facts, spec).certificate).is_some();
    }
    if spec.authority != Ca::Etcd {
        return true;
    }
    let of = |component: Component, flag: &str| facts.pod(component).and_then(|(_, pod)| pod.flag(flag));
    let is_there = |path: &Path| snapshot.file(path).is_some();
    if !facts.local_etcd.value {
        let signs = || is_there(&authority(snapshot, facts, Ca::Etcd).key);
        let is_named = of(API, "etcd-certfile").is_some() && is_there(&leaf(facts, spec).certificate);
        return spec.leaf == Leaf::ApiServerEtcdClient && is_named && signs();
    }
    let servers = of(API, "etcd-servers").unwrap_or_default();
    let is_plain = !servers.is_empty() && servers.split(',').all(|url| url.trim().starts_with("http://"));
    let own_flag = LEAF_FLAGS.iter().find(|(name, ..)| *name == spec.name);
    !is_plain || own_flag.is_some_and(|(_, component, certificate, _)| of(*component, certificate).is_some())
}

/// Where the pair of the service accounts is; its `certificate` is the public key.
pub(super) fn service_account(snapshot: &Snapshot, facts: &Facts) -> Files {
    let pki = &facts.pki_dir.value;
    let place = Files { certificate: pki.join("sa.pub"), key: pki.join("sa.key") };
    let flag = |component: Component, flag: &str| Some(facts.file(component, flag)?.value);
    let private =
        [flag(MANAGER, "service-account-private-key-file"), flag(API, "service-account-signing-key-file")];
    let is_place = |path: &PathBuf| is_same(snapshot, path, &place.key);
    if facts.cert_dir_given || private.iter().flatten().any(is_place) {
        return place;
    }
    let Some(key) = private.into_iter().flatten().next() else { return place };
    let certificate = flag(API, "service-account-key-file").unwrap_or(place.certificate);
    Files { certificate, key }
}

/// A leaf of the catalog, the component that reads it, and its flags for the certificate and the key. A kubeconfig has
/// one flag.
const LEAF_FLAGS: [(&str, Component, &str, &str); 8] = [
    ("apiserver", API, "tls-cert-file", "tls-private-key-file"),
    ("apiserver-etcd-client", API, "etcd-certfile", "etcd-keyfile"),
    ("apiserver-kubelet-client", API, "kubelet-client-certificate", "kubelet-client-key"),
    ("controller-manager.conf", MANAGER, "kubeconfig", "kubeconfig"),
    ("etcd-peer", ETCD, "peer-cert-file", "peer-key-file"),
    ("etcd-server", ETCD, "cert-file", "key-file"),
    ("front-proxy-client", API, "proxy-client-cert-file", "proxy-client-key-file"),
    ("scheduler.conf", Component::Scheduler, "kubeconfig", "kubeconfig"),
];

/// Where kubeadm has a leaf; a kubeconfig is both files.
pub(super) fn place(facts: &Facts, spec: &CertSpec) -> Files {
    match spec.place {
        catalog::Place::Pair(base) => {
            let path = |extension: &str| facts.pki_dir.value.join(format!("{base}.{extension}"));
            Files { certificate: path("crt"), key: path("key") }
        }
        catalog::Place::Kubeconfig(file) => {
            let path = Path::new(catalog::KUBERNETES_DIR).join(file);
            Files { certificate: path.clone(), key: path }
        }
    }
}

/// Where its component reads a leaf: where the flags say, or else in kubeadm's place. What is in kubeadm's place of
/// another PKI directory than `--cert-dir` is taken from that.
pub(super) fn leaf(facts: &Facts, spec: &CertSpec) -> Files {
    let place = || place(facts, spec);
    let flags = LEAF_FLAGS.iter().find(|(name, ..)| *name == spec.name);
    let Some((_, component, certificate, key)) = flags else { return place() };
    let Some((_, pod)) = facts.pod(*component) else { return place() };
    let Some(certificate) = pod.flag(certificate).map(|value| pod.host(value)) else { return place() };
    if let catalog::Place::Pair(base) = spec.place
        && facts.cert_dir_given
        && certificate.ends_with(format!("{base}.crt"))
    {
        return place();
    }
    let key = pod.flag(key).map_or_else(|| certificate.with_extension("key"), |value| pod.host(value));
    Files { certificate, key }
}

/// A path that the kubeconfig of a leaf names, where its component finds it. A relative one is relative to the kubeconfig
/// (client-go `tools/clientcmd/loader.go`).
pub(super) fn beside(facts: &Facts, name: &str, kubeconfig: &Path, path: &str) -> PathBuf {
    let component = LEAF_FLAGS.iter().find(|(leaf, ..)| *leaf == name).map(|(_, component, ..)| *component);
    match component.and_then(|component| facts.pod(component)) {
        Some((_, pod)) if path.starts_with('/') => pod.host(path),
        _ => kubeconfig.parent().unwrap_or(kubeconfig).join(path),
    }
}

/// The files of all leaf certificates, whatever their names: what a known flag names is read.
pub(super) fn leaves(facts: &Facts) -> impl Iterator<Item = Files> {
    CERT_SPECS.iter().map(|spec| leaf(facts, spec)).chain(served_by_name(facts))
}

const fn served(name: &'static str) -> CertSpec {
    CertSpec {
        leaf: Leaf::ApiServerSni,
        name,
        long_name: "certificate for serving the Kubernetes API under another name",
        place: catalog::Place::Pair(name),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("kube-apiserver"),
        organization: Organization::same(None),
        usage: Usage::Server,
        names: Names::None,
        by_init_since: None,
    }
}

/// The entries of the API server's `--tls-sni-cert-key`, in order. kubeadm has none.
pub(super) static SERVED_BY_NAME: [CertSpec; 8] = [
    served("apiserver-sni"),
    served("apiserver-sni-2"),
    served("apiserver-sni-3"),
    served("apiserver-sni-4"),
    served("apiserver-sni-5"),
    served("apiserver-sni-6"),
    served("apiserver-sni-7"),
    served("apiserver-sni-8"),
];

/// What the certificate of this name is: kubeadm's, or one of these.
pub(super) fn spec_of(name: &str) -> Option<&'static CertSpec> {
    catalog::cert_spec(name).or_else(|| SERVED_BY_NAME.iter().find(|spec| spec.name == name))
}

/// The files of these entries.
pub(super) fn served_by_name(facts: &Facts) -> Vec<Files> {
    let Some((_, pod)) = facts.pod(API) else { return Vec::new() };
    let pairs = pod.sni_pairs.iter().filter_map(|value| sni_pair(value));
    pairs.map(|(certificate, key)| Files { certificate: pod.host(certificate), key: pod.host(key) }).collect()
}

/// Whether both lead to the same file.
pub(super) fn is_same(snapshot: &Snapshot, one: &Path, other: &Path) -> bool {
    let real = |path| snapshot.real_path(path);
    one == other
        || real(one).is_ok_and(|path| real(other).is_ok_and(|other| other.as_os_str() == path.as_os_str()))
}

/// The file with the keys for what is stored, where the API server encrypts it.
pub(super) fn encryption(facts: &Facts) -> Option<PathBuf> {
    Some(facts.file(API, ENCRYPTION)?.value)
}

/// What the static pods' flags name, what they mount, and what may be the key of a CA that one names.
pub(super) fn paths(facts: &Facts) -> impl Iterator<Item = PathBuf> {
    let pods = facts.manifests.iter().filter_map(|file| file.pod.as_ref().ok());
    let keys =
        CAS.into_iter().flat_map(|authority| named_authorities(facts, authority)).map(|files| files.key);
    pods.flat_map(|pod| pod.paths().chain(pod.host_paths.iter().cloned())).chain(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::node::facts::tests::node;

    #[test]
    fn an_authority_by_its_reference() {
        let manager: &[&str] =
            &["--cluster-signing-cert-file=/p/kube-ca.pem", "--cluster-signing-key-file=/p/kube-ca.pem.key"];
        let api: &[&str] =
            &["--requestheader-client-ca-file=/p/proxy.pem", "--client-ca-file=/p/kube-ca.pem"];
        let there = [
            ("/p/kube-ca.pem", ""),
            ("/p/kube-ca.pem.key", ""),
            ("/p/proxy.pem", ""),
            ("/p/proxy-key.pem", ""),
        ];
        let found = |flags: &[(Component, &[&str])], files: &[(&str, &str)], ca| {
            let snapshot = node(flags, files);
            let files = authority(&snapshot, &Facts::read(&snapshot, None), ca);
            (files.certificate.display().to_string(), files.key.display().to_string())
        };
        let pair = |certificate: &str, key: &str| (certificate.to_owned(), key.to_owned());
        let flags = [(API, api), (MANAGER, manager)];
        assert_eq!(found(&flags, &there, Ca::Cluster), pair("/p/kube-ca.pem", "/p/kube-ca.pem.key"));
        assert_eq!(found(&flags, &there, Ca::FrontProxy), pair("/p/proxy.pem", "/p/proxy-key.pem"));
        // A bundle for clients is not the CA while kubeadm's is there.
        let api: &[&str] = &["--client-ca-file=/c/all.crt", "--tls-cert-file=/p/apiserver.crt"];
        let files = [("/c/all.crt", ""), ("/p/ca.crt", "")];
        assert_eq!(found(&[(API, api)], &files, Ca::Cluster), pair("/p/ca.crt", "/p/ca.key"));
    }

    #[test]
    fn a_leaf_is_where_its_component_reads_it() {
        let api: &[&str] = &[
            "--client-ca-file=/p/ca.crt",
            "--tls-cert-file=/p/apiserver.crt",
            "--tls-private-key-file=/p/apiserver.key",
            "--etcd-certfile=srv/all.pem",
            "--etcd-keyfile=srv/all.pem",
        ];
        let scheduler: &[&str] = &["--kubeconfig=/c/s.conf"];
        let snapshot = node(&[(API, api), (Component::Scheduler, scheduler)], &[]);
        let found = |name: &str, cert_dir: Option<&str>| {
            let facts = Facts::read(&snapshot, cert_dir.map(Path::new));
            let files = leaf(&facts, catalog::cert_spec(name).unwrap());
            [files.certificate, files.key].map(|path| path.display().to_string())
        };
        let pair = |certificate: &str, key: &str| [certificate.to_owned(), key.to_owned()];
        assert_eq!(found("apiserver", None), pair("/p/apiserver.crt", "/p/apiserver.key"));
        assert_eq!(found("apiserver", Some("/q")), pair("/q/apiserver.crt", "/q/apiserver.key"));
        for cert_dir in [None, Some("/q")] {
            assert_eq!(found("apiserver-etcd-client", cert_dir), pair("/srv/all.pem", "/srv/all.pem"));
            assert_eq!(found("scheduler.conf", cert_dir), pair("/c/s.conf", "/c/s.conf"));
        }
        assert_eq!(
            found("front-proxy-client", None),
            pair("/p/front-proxy-client.crt", "/p/front-proxy-client.key")
        );
    }
}
