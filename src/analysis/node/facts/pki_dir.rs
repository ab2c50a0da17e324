//! kubeadm's `certificatesDir`, by the flags that name files in it: the directory on which several of them agree.

use std::path::{Path, PathBuf};

use super::{Fact, Pods};
use crate::state::{Component, Snapshot};

const API: Component = Component::ApiServer;
const MANAGER: Component = Component::ControllerManager;
const ETCD: Component = Component::Etcd;

/// Component, flag, and where kubeadm has what it names below its PKI directory.
type Place = (Component, &'static str, &'static str);

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
pub(super) fn read(snapshot: &Snapshot, pods: &Pods<'_>, kubelet_ca: Option<Fact<PathBuf>>) -> PkiDir {
    let of_kubelet = || kubelet_ca.clone().map(|fact| (fact, "ca.crt")).into_iter();
    let named = |(pod, flag, base): &Place| Some((pods.file(*pod, flag)?, *base));
    let of_others: Vec<_> = PLACES.iter().filter_map(named).collect();
    let of_etcd = || PLACES_OF_ETCD.iter().filter_map(named);
    let mut votes = count(snapshot, of_others.iter().cloned().chain(of_kubelet()).filter_map(below_pki));
    if votes.is_empty() {
        votes = count(snapshot, of_etcd().filter_map(below_pki));
    }
    if votes.is_empty() {
        // No name is kubeadm's: the directory of most files.
        let parent =
            |(fact, _): (Fact<PathBuf>, _)| Some(Fact::new(fact.value.parent()?.to_owned(), fact.source));
        votes = count(snapshot, of_others.into_iter().chain(of_etcd()).filter_map(parent));
        votes.truncate(1);
    }
    let mut votes = votes.into_iter();
    let Some((dir, most)) = votes.next() else {
        let dir = Fact::new(PathBuf::from("/etc/kubernetes/pki"), "default");
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

/// The PKI directory that has this file where kubeadm puts it.
fn below_pki((fact, base): (Fact<PathBuf>, &str)) -> Option<Fact<PathBuf>> {
    let above = fact.value.ancestors().nth(Path::new(base).components().count())?;
    fact.value.ends_with(base).then(|| Fact::new(above.to_owned(), fact.source))
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
