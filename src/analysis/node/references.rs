//! What the flags of the control plane name, as paths on the node: kubeadm's places are defaults, and what counts is
//! what a component reads (kubernetes `cmd/kube-apiserver`, `cmd/kube-controller-manager`; etcd 3.4 to 3.6).

use std::path::{Path, PathBuf};

use super::facts::{Fact, Facts, ManifestFile};
use crate::formats::manifest::Manifest;
use crate::state::Snapshot;
use crate::state::catalog::Ca;

const API: &str = "kube-apiserver";
const MANAGER: &str = "kube-controller-manager";
const ETCD: &str = "etcd";

/// Component, flag, and where kubeadm has what it names below its PKI directory.
type Place = (&'static str, &'static str, &'static str);

/// What tells the PKI directory. kubeadm gives all of them.
const PLACES: [Place; 15] = [
    (API, "client-ca-file", "ca.crt"),
    (MANAGER, "root-ca-file", "ca.crt"),
    (MANAGER, "cluster-signing-cert-file", "ca.crt"),
    (MANAGER, "cluster-signing-key-file", "ca.key"),
    (MANAGER, "client-ca-file", "ca.crt"),
    (MANAGER, "requestheader-client-ca-file", "front-proxy-ca.crt"),
    (MANAGER, "service-account-private-key-file", "sa.key"),
    (API, "tls-cert-file", "apiserver.crt"),
    (API, "tls-private-key-file", "apiserver.key"),
    (API, "kubelet-client-certificate", "apiserver-kubelet-client.crt"),
    (API, "proxy-client-cert-file", "front-proxy-client.crt"),
    (API, "requestheader-client-ca-file", "front-proxy-ca.crt"),
    (API, "service-account-key-file", "sa.pub"),
    (API, "service-account-signing-key-file", "sa.key"),
    (API, "etcd-certfile", "apiserver-etcd-client.crt"),
];

/// The same of etcd, whose files are kept apart on some nodes: asked only where no other component tells.
const PLACES_OF_ETCD: [Place; 3] = [
    (ETCD, "cert-file", "etcd/server.crt"),
    (ETCD, "peer-cert-file", "etcd/peer.crt"),
    (ETCD, "trusted-ca-file", "etcd/ca.crt"),
];

/// kubeadm's `certificatesDir`, as far as references tell it.
#[derive(Clone, Debug)]
pub(super) struct PkiDir {
    pub(super) dir: Fact<PathBuf>,
    /// Another directory that about as many references name, with another CA in it.
    pub(super) rival: Option<Fact<PathBuf>>,
}

/// The directory on which several references agree. `kubelet_ca` is the kubelet's `clientCAFile`.
pub(super) fn pki_dir(
    snapshot: &Snapshot,
    manifests: &[ManifestFile],
    kubelet_ca: Option<Fact<PathBuf>>,
) -> PkiDir {
    let of_kubelet = || kubelet_ca.clone().map(|fact| (fact, "ca.crt")).into_iter();
    let named: Vec<_> = PLACES.iter().filter_map(|place| named(manifests, place)).collect();
    let of_etcd = || PLACES_OF_ETCD.iter().filter_map(|place| self::named(manifests, place));
    let mut votes = count(snapshot, named.iter().cloned().chain(of_kubelet()).filter_map(below_pki));
    if votes.is_empty() {
        votes = count(snapshot, of_etcd().filter_map(below_pki));
    }
    if votes.is_empty() {
        // No name is kubeadm's: the directory of most files.
        let parent = |(fact, _): (Fact<PathBuf>, _)| {
            Some(Fact { value: fact.value.parent()?.to_owned(), source: fact.source })
        };
        votes = count(snapshot, named.into_iter().chain(of_etcd()).filter_map(parent));
        votes.truncate(1);
    }
    let mut votes = votes.into_iter();
    let Some((dir, most)) = votes.next() else {
        let dir = Fact { value: PathBuf::from("/etc/kubernetes/pki"), source: "default".to_owned() };
        return PkiDir { dir, rival: None };
    };
    let authority = |dir: &Path| snapshot.file(&dir.join("ca.crt"));
    // One that differs, of many that agree, has a reason of its own: a bundle of several CAs, say.
    let rival = votes.next().filter(|(_, count)| count * 2 > most);
    let rival = rival.map(|(rival, _)| rival).filter(|rival| {
        let own = authority(&dir.value);
        own.is_none() || own != authority(&rival.value)
    });
    PkiDir { dir, rival }
}

fn named(manifests: &[ManifestFile], place: &Place) -> Option<(Fact<PathBuf>, &'static str)> {
    let (component, flag, base) = *place;
    let (path, pod) = pod(manifests, component)?;
    let value = pod.host(pod.flag(flag)?);
    Some((Fact { value, source: format!("{} --{flag}", path.display()) }, base))
}

fn pod<'a>(manifests: &'a [ManifestFile], name: &str) -> Option<(&'a Path, &'a Manifest)> {
    manifests.iter().find_map(|file| {
        let pod = file.pod.as_ref().ok().filter(|pod| pod.name == name)?;
        Some((file.path.as_path(), pod))
    })
}

/// The PKI directory that has this file where kubeadm puts it.
fn below_pki((fact, base): (Fact<PathBuf>, &str)) -> Option<Fact<PathBuf>> {
    let above = fact.value.ancestors().nth(Path::new(base).components().count())?;
    fact.value.ends_with(base).then(|| Fact { value: above.to_owned(), source: fact.source })
}

/// Each directory once, whatever links lead to it, the one with the most mentions first.
fn count(snapshot: &Snapshot, dirs: impl Iterator<Item = Fact<PathBuf>>) -> Vec<(Fact<PathBuf>, usize)> {
    let real = |path: &Path| snapshot.resolve(path).map_or(path.to_owned(), |resolved| resolved.path);
    let mut votes: Vec<(Fact<PathBuf>, usize)> = Vec::new();
    for dir in dirs {
        match votes.iter_mut().find(|(known, _)| real(&known.value) == real(&dir.value)) {
            Some((_, count)) => *count += 1,
            None => votes.push((dir, 1)),
        }
    }
    votes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    votes
}

/// A certificate or public key, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// A CA, the flag with its certificate, and the one with its key, where there is one.
const CA_FLAGS: [(Ca, &str, &str, Option<&str>); 7] = [
    (Ca::Cluster, MANAGER, "cluster-signing-cert-file", Some("cluster-signing-key-file")),
    (Ca::Cluster, API, "client-ca-file", None),
    (Ca::Cluster, MANAGER, "root-ca-file", None),
    (Ca::FrontProxy, API, "requestheader-client-ca-file", None),
    (Ca::Etcd, ETCD, "trusted-ca-file", None),
    (Ca::Etcd, ETCD, "peer-trusted-ca-file", None),
    (Ca::Etcd, API, "etcd-cafile", None),
];

/// Where a CA may be besides kubeadm's place, as flags tell.
fn named_authorities(manifests: &[ManifestFile], authority: Ca) -> Vec<Files> {
    let flags = CA_FLAGS.iter().filter(|(of, ..)| *of == authority);
    let named = flags.filter_map(|(_, component, certificate, key)| {
        let (_, pod) = pod(manifests, component)?;
        let certificate = pod.host(pod.flag(certificate)?);
        let keys = match key.and_then(|key| pod.flag(key)) {
            Some(key) => vec![pod.host(key)],
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
    let named = named_authorities(&facts.manifests, authority);
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

/// Where the pair of the service accounts is; its `certificate` is the public key.
pub(super) fn service_account(snapshot: &Snapshot, facts: &Facts) -> Files {
    let pki = &facts.pki_dir.value;
    let place = Files { certificate: pki.join("sa.pub"), key: pki.join("sa.key") };
    let flag = |component: &str, flag: &str| {
        let (_, pod) = pod(&facts.manifests, component)?;
        Some(pod.host(pod.flag(flag)?))
    };
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

/// Whether both lead to the same file.
pub(super) fn is_same(snapshot: &Snapshot, one: &Path, other: &Path) -> bool {
    let real = |path: &Path| snapshot.resolve(path).map(|resolved| resolved.path);
    one == other || real(one).is_ok_and(|path| real(other).is_ok_and(|other| other == path))
}

/// What has to be read because a flag names it, or because it is the key of a CA that one names.
pub(super) fn paths(facts: &Facts) -> impl Iterator<Item = PathBuf> {
    let pods = facts.manifests.iter().filter_map(|file| file.pod.as_ref().ok());
    let keys = crate::state::catalog::CAS
        .into_iter()
        .flat_map(|authority| named_authorities(&facts.manifests, authority))
        .map(|files| files.key);
    pods.flat_map(Manifest::paths).chain(keys).filter(|path| super::scope::is_credential(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Attributes, Content, Entry};

    const MANIFESTS: &str = "/etc/kubernetes/manifests";

    /// A node with these flags of components, and these other files.
    fn node(flags: &[(&str, &[&str])], files: &[(&str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut add = |path: &str, text: &str| {
            let content = Content::File(text.as_bytes().to_vec().into());
            snapshot.insert(path, Entry { content, attributes: Attributes::default() });
        };
        for (component, flags) in flags {
            let text = format!(
                "kind: Pod\nmetadata: {{name: {component}}}\nspec: {{containers: [{{command: [x, {}]}}]}}\n",
                flags.join(", ")
            );
            add(&format!("{MANIFESTS}/{component}.yaml"), &text);
        }
        files.iter().for_each(|(path, text)| add(path, text));
        snapshot
    }

    fn dirs(snapshot: &Snapshot) -> (String, Option<String>) {
        let facts = Facts::read(snapshot, None);
        let text = |path: &Path| path.display().to_string();
        (text(&facts.pki_dir.value), facts.pki_rival.map(|rival| text(&rival.value)))
    }

    #[test]
    fn several_references_that_agree_tell_the_directory() {
        let api: &[&str] = &["--client-ca-file=/c/bundle.crt", "--tls-cert-file=/p/apiserver.crt"];
        let manager: &[&str] = &["--root-ca-file=/p/ca.crt", "--client-ca-file=/other/ca.crt"];
        let both = node(&[(API, api), (MANAGER, manager)], &[]);
        assert_eq!(dirs(&both), ("/p".to_owned(), None));
        assert_eq!(dirs(&node(&[(API, &["--client-ca-file=/c/bundle.crt"])], &[])).0, "/c");
        assert_eq!(dirs(&node(&[], &[])).0, "/etc/kubernetes/pki");
        let etcd: &[&str] = &["--cert-file=/q/etcd/server.crt"];
        assert_eq!(dirs(&node(&[(ETCD, etcd)], &[])).0, "/q");
        assert_eq!(dirs(&node(&[(ETCD, etcd), (API, api)], &[])).0, "/p");
        let rke: &[&str] = &["--client-ca-file=/s/kube-ca.pem", "--tls-cert-file=/s/kube-apiserver.pem"];
        assert_eq!(dirs(&node(&[(API, rke)], &[])).0, "/s");
    }

    #[test]
    fn references_that_disagree_are_both_named() {
        let api: &[&str] = &["--client-ca-file=/p/ca.crt", "--tls-cert-file=/p/apiserver.crt"];
        let manager: &[&str] = &["--root-ca-file=/q/ca.crt", "--cluster-signing-cert-file=/q/ca.crt"];
        let flags = [(API, api), (MANAGER, manager)];
        let rival = |files: &[(&str, &str)]| dirs(&node(&flags, files)).1;
        assert_eq!(rival(&[("/p/ca.crt", "x"), ("/q/ca.crt", "y")]).as_deref(), Some("/q"));
        assert_eq!(rival(&[("/p/ca.crt", "x"), ("/q/ca.crt", "x")]), None);
        assert_eq!(rival(&[]).as_deref(), Some("/q"));
        let by_hand = Facts::read(&node(&flags, &[]), Some(Path::new("/p")));
        assert!(by_hand.pki_rival.is_none());
    }

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
        let found = |flags: &[(&str, &[&str])], files: &[(&str, &str)], ca| {
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
}
