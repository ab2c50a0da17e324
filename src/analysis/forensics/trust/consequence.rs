//! What breaks when something is missing, expired or rejected. One sentence each, by the name in the catalog,
//! otherwise by its consumers.

use std::collections::{BTreeMap, BTreeSet};

use super::build::Builder;
use super::flags::{self, KUBECTL};
use super::{Kind, Relation};
use crate::analysis::node::inventory::Inventory;
use crate::state::catalog::{KUBELET_CLIENT, KUBELET_SERVING};

/// A role of the catalog: the static pod that uses it, if any, and what breaks.
struct Consequence {
    role: &'static str,
    pod: Option<&'static str>,
    if_gone: &'static str,
}

const fn of(role: &'static str, pod: Option<&'static str>, if_gone: &'static str) -> Consequence {
    Consequence { role, pod, if_gone }
}

const API: Option<&str> = Some("kube-apiserver");

const CONSEQUENCES: [Consequence; 17] = [
    of(
        "ca",
        None,
        "every client of the API server is refused, and nobody accepts the API server; running pods go on",
    ),
    of("etcd-ca", None, "etcd and the API server reject each other: nothing can be read or written"),
    of(
        "front-proxy-ca",
        API,
        "aggregated APIs (metrics, kubectl top) stop; without the file the API server doesn't start",
    ),
    of("sa", None, "pods lose the API: no token of a service account can be issued or checked"),
    of("admin.conf", None, "kubectl with admin.conf is refused; the cluster goes on"),
    of(
        "apiserver",
        API,
        "nobody accepts the API server: kubectl, kubelets, controller manager and scheduler are cut off; running pods go on",
    ),
    of("apiserver-etcd-client", API, "etcd rejects the API server: nothing can be read or written"),
    of(
        "apiserver-kubelet-client",
        API,
        "kubelets reject the API server: kubectl logs, exec and port-forward fail; pods go on",
    ),
    of(
        "controller-manager.conf",
        Some("kube-controller-manager"),
        "the controller manager is refused: nothing is scaled, repaired or signed any more; running pods go on",
    ),
    of("etcd-healthcheck-client", None, "only health checks of etcd by hand fail; the cluster goes on"),
    of(
        "etcd-peer",
        Some("etcd"),
        "the other etcd members reject this one; a single member goes on until it restarts",
    ),
    of("etcd-server", Some("etcd"), "the API server rejects etcd: nothing can be read or written"),
    of("front-proxy-client", API, "aggregated APIs (metrics, kubectl top) stop; the rest goes on"),
    of(
        "scheduler.conf",
        Some("kube-scheduler"),
        "the scheduler is refused: new pods stay pending; running pods go on",
    ),
    of(
        "super-admin.conf",
        None,
        "the emergency access with super-admin.conf is refused; the cluster goes on",
    ),
    of(
        KUBELET_CLIENT,
        None,
        "the kubelet doesn't start again: no static pod is started any more, so what stops of the control plane stays down",
    ),
    of(
        KUBELET_SERVING,
        None,
        "who checks it (metrics-server) rejects the kubelet; with only one half of the pair the kubelet doesn't start",
    ),
];

/// The sentence for something that no component names.
const NOBODY: &str = "nothing on this node is seen to use it";
/// How many consumers' sentences are combined.
const SENTENCES: usize = 2;

impl Builder<'_> {
    /// Sets what breaks without each key, certificate and CA.
    pub(super) fn tell_consequences(&mut self, inventory: &Inventory) {
        let mut consumers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut signs: BTreeSet<usize> = BTreeSet::new();
        let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
        for edge in &self.edges {
            match edge.relation {
                Relation::TrustedBy | Relation::PresentedBy | Relation::UsedBy => {
                    consumers.entry(edge.from).or_default().push(edge.to);
                }
                Relation::SignedBy | Relation::ClaimsIssuer => drop(signs.insert(edge.to)),
                Relation::KeyOf => drop(owners.insert(edge.from, edge.to)),
                Relation::CheckedWith => {}
            }
        }
        let mut told = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let users = consumers.get(&node.id).map_or(&[][..], Vec::as_slice);
            let role = match &node.kind {
                Kind::Certificate(leaf) => leaf.role,
                Kind::Ca(anchor) => anchor.role,
                Kind::Key(key) => (key.name == "sa").then_some("sa"),
                Kind::Consumer(_) => {
                    told.push(None);
                    continue;
                }
            };
            // A key has the consequence of its certificate, except a CA's, which only signs.
            let owner = owners.get(&node.id).and_then(|owner| self.kind(*owner));
            let sentence =
                match (owner, role.and_then(|role| CONSEQUENCES.iter().find(|one| one.role == role))) {
                    (Some(Kind::Certificate(leaf)), _) => format!("{} can't be used any more", leaf.name),
                    (Some(Kind::Ca(anchor)), _) => {
                        format!(
                            "nothing can be signed by {} any more; what it signed stays valid",
                            anchor.name
                        )
                    }
                    (_, Some(known))
                        if users.is_empty()
                            && known.pod.is_some_and(|pod| inventory.facts.pod(pod).is_some()) =>
                    {
                        format!("{NOBODY}: its component names another file")
                    }
                    (_, Some(known)) => known.if_gone.to_owned(),
                    _ => self.told_by(users, signs.contains(&node.id)),
                };
            told.push(Some(sentence));
        }
        for (node, sentence) in self.nodes.iter_mut().zip(told) {
            node.if_gone = sentence;
        }
    }

    /// The consequences for its consumers.
    fn told_by(&self, users: &[usize], signs: bool) -> String {
        let mut sentences: Vec<String> = Vec::new();
        for user in users {
            let Some(Kind::Consumer(consumer)) = self.kind(*user) else { continue };
            let fields = consumer.fields.iter().map(|field| field.trim_start_matches('-'));
            let known = fields.filter_map(|field| flags::entry(&consumer.component, field)).next();
            let sentence = match known {
                Some(flag) => flag.if_gone.to_owned(),
                None if consumer.component == KUBECTL => {
                    format!("kubectl with {} is refused; the cluster goes on", consumer.file.display())
                }
                None => format!("{} fails, which names it", consumer.label()),
            };
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
            if sentences.len() == SENTENCES {
                break;
            }
        }
        match (sentences.is_empty(), signs) {
            (false, _) => sentences.join("; "),
            (true, true) => "no certificate that it signed can be checked".to_owned(),
            (true, false) => NOBODY.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalog::{CAS, CERT_SPECS};

    #[test]
    fn every_role_of_the_catalog_has_its_consequence_once() {
        let roles: Vec<_> = CONSEQUENCES.iter().map(|one| one.role).collect();
        let mut expected: Vec<_> = CAS.iter().map(|authority| authority.name()).collect();
        expected.extend(CERT_SPECS.iter().map(|spec| spec.name).chain([
            "sa",
            KUBELET_CLIENT,
            KUBELET_SERVING,
        ]));
        for role in &expected {
            assert_eq!(roles.iter().filter(|one| one == &role).count(), 1, "{role}");
        }
        assert_eq!(roles.len(), expected.len());
    }
}
