//! What has a copy of a node's CAs outside of the node, and who renews it after the CA: Kubernetes by itself, `recover`
//! once the API answers, or an administrator. From etcd's database where it was read, otherwise what every cluster has.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::copies::{self, CopyOfCa};
use super::inventory::Inventory;
use super::plan::{Plan, Stage};
use super::quorum;
use crate::formats::etcd::Place;
use crate::state::catalog::Ca;
use crate::state::text::{shell_word, some};
use crate::state::time::minute;

/// So many names stand in a line.
const NAMED: usize = 8;

/// Who renews a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewedBy {
    Kubernetes,
    Recover,
    Administrator,
}

/// Something outside of this node that has a copy of a CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outside {
    pub what: String,
    pub renewed_by: RenewedBy,
    /// The component that does it, or what to know about it; without a full stop.
    pub how: String,
    /// What an administrator runs, in this order.
    pub commands: Vec<String>,
}

/// A CA that a plan changes.
#[derive(Clone, Debug)]
pub struct ChangedCa {
    authority: Ca,
    path: PathBuf,
    /// Expiry of the old one.
    until: Timestamp,
    /// How far it is replaced by one with another key; `None` where it is renewed with its own.
    replaced: Option<Stage>,
}

impl ChangedCa {
    pub fn of(plan: &Plan) -> Vec<Self> {
        let renewed = plan.authorities.iter().map(|step| Self {
            authority: step.authority,
            path: step.path.clone(),
            until: step.old.not_after,
            replaced: None,
        });
        let replaced = plan.replacement.iter().map(|new| Self {
            authority: new.authority,
            path: new.path.clone(),
            until: new.old.map_or(plan.at, |old| old.not_after),
            replaced: Some(new.stage),
        });
        renewed.chain(replaced).collect()
    }

    /// Whether clients that have only the old one reject what the new one signs.
    fn is_rejected(&self, now: Timestamp) -> bool {
        self.replaced == Some(Stage::Issue) || self.until < now
    }
}

/// What is outside of the node and has a copy of one of these CAs.
pub fn outside(inventory: &Inventory, steps: &[ChangedCa], now: Timestamp) -> Vec<Outside> {
    if steps.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(other_control_planes(inventory, steps));
    if let Some(etcd) = steps.iter().find(|step| step.authority == Ca::Etcd) {
        found.push(Outside {
            what: "etcd's clients on other machines (backups, monitoring)".to_owned(),
            renewed_by: RenewedBy::Administrator,
            how: "they have a copy of its CA; where there is one".to_owned(),
            commands: vec![format!("scp {} HOST:FILE", shell_word(&etcd.path.display().to_string()))],
        });
    }
    let Some(cluster) = steps.iter().find(|step| step.authority == Ca::Cluster) else {
        if steps.iter().any(|step| step.authority == Ca::FrontProxy) {
            found.push(authentication());
        }
        return found;
    };
    found.push(workers(inventory, cluster, now));
    found.push(Outside {
        what: "ConfigMap kube-root-ca.crt of each namespace".to_owned(),
        renewed_by: RenewedBy::Kubernetes,
        how: "kube-controller-manager writes the new one after its restart".to_owned(),
        commands: Vec::new(),
    });
    found.push(authentication());
    found.push(Outside {
        what: "ConfigMap cluster-info in kube-public, which kubeadm join reads".to_owned(),
        renewed_by: RenewedBy::Recover,
        how: "sudo kuberescue recover writes the new one when the API server answers".to_owned(),
        commands: Vec::new(),
    });
    if let Some(records) = inventory.facts.cluster() {
        let copies = copies::of_cluster(records, inventory);
        found.extend(
            copies.iter().filter(|copy| copy.ca == Ca::Cluster).filter_map(|copy| by_hand(copy, cluster)),
        );
    }
    if cluster.is_rejected(now) {
        found.push(Outside {
            what: "pods that use the API (CoreDNS, the network plug-in, operators)".to_owned(),
            renewed_by: RenewedBy::Administrator,
            how: format!(
                "they trust the {} CA until they are restarted; after the rest",
                if cluster.replaced.is_some() { "old" } else { "expired" }
            ),
            commands: vec![
                "kubectl -n NAMESPACE rollout restart deployment,daemonset,statefulset".to_owned(),
            ],
        });
    }
    found.push(Outside {
        what: "kubeconfigs on workstations and in CI".to_owned(),
        renewed_by: RenewedBy::Administrator,
        how: "they have a copy of the CA".to_owned(),
        commands: vec!["kuberescue kubeconfig install admin.conf --context CONTEXT".to_owned()],
    });
    found
}

fn authentication() -> Outside {
    Outside {
        what: "ConfigMap extension-apiserver-authentication in kube-system".to_owned(),
        renewed_by: RenewedBy::Kubernetes,
        how: "kube-apiserver writes the new one after its restart".to_owned(),
        commands: Vec::new(),
    }
}

/// The other control-plane nodes, unless etcd's members show that there is none.
fn other_control_planes(inventory: &Inventory, steps: &[ChangedCa]) -> Option<Outside> {
    let members = quorum::on_disk(&inventory.facts).map(|told| told.members);
    if members.as_ref().is_some_and(|members| members.len() == 1) {
        return None;
    }
    let others =
        members.unwrap_or_default().into_iter().filter(|member| !quorum::is_own(member, &inventory.facts));
    let names: Vec<_> = others.map(|member| member.name).filter(|name| !name.is_empty()).collect();
    if let Some(replaced) = steps.iter().find(|step| step.replaced.is_some()) {
        return Some(with_new_ca(replaced, &names));
    }
    let copy = steps.iter().map(|step| {
        let path = shell_word(&step.path.display().to_string());
        format!("scp {path} NODE:{path}")
    });
    Some(Outside {
        what: format!("the other control-plane nodes{}", of(&names)),
        renewed_by: RenewedBy::Administrator,
        how: "copy the renewed certificates there, not the keys: they have the same; then, on each"
            .to_owned(),
        commands: copy.chain(["sudo kuberescue recover".to_owned()]).collect(),
    })
}

/// What the other control-plane nodes do with a CA that was replaced here.
fn with_new_ca(ca: &ChangedCa, names: &[String]) -> Outside {
    let path = |path: &Path| shell_word(&path.display().to_string());
    let name = ca.authority.name();
    let what = format!("the other control-plane nodes{}", of(names));
    let renewed_by = RenewedBy::Administrator;
    if ca.replaced == Some(Stage::Finish) {
        let commands =
            vec![format!("sudo kuberescue ca replace {name} --finish"), "sudo kuberescue recover".to_owned()];
        return Outside { what, renewed_by, how: "then on each".to_owned(), commands };
    }
    let key = ca.path.with_extension("key");
    let mut commands = vec![
        "ssh NODE mkdir -m 700 /root/new-ca".to_owned(),
        format!("scp {} {} NODE:/root/new-ca/", path(&ca.path), path(&key)),
        format!("sudo kuberescue ca replace {name} --from /root/new-ca"),
        "sudo kuberescue recover".to_owned(),
        "rm -r /root/new-ca".to_owned(),
    ];
    let mut how = "this CA goes there too; on each, one after the other".to_owned();
    if ca.replaced == Some(Stage::Trust) {
        how.push_str("; the last two when all have done the rest");
        commands.extend(["sudo kuberescue certs renew all".to_owned(), "sudo kuberescue recover".to_owned()]);
    }
    Outside { what, renewed_by, how, commands }
}

fn workers(inventory: &Inventory, ca: &ChangedCa, now: Timestamp) -> Outside {
    let own = inventory.facts.node_name.as_ref().map(|name| name.value.as_str());
    let heartbeats = inventory.facts.cluster().map(|records| &records.heartbeats);
    let control_planes = quorum::on_disk(&inventory.facts).map(|told| told.members).unwrap_or_default();
    let is_worker = |name: &&String| {
        Some(name.as_str()) != own && !control_planes.iter().any(|member| member.name == **name)
    };
    let names: Vec<String> =
        heartbeats.into_iter().flatten().map(|(name, _)| name).filter(is_worker).cloned().collect();
    let until = match ca.replaced {
        None if ca.until < now => "they reject the API server until they have the renewed one".to_owned(),
        None => format!("they work with the old one until {}", minute(ca.until)),
        Some(Stage::Trust) => {
            "they work with the old one until certificates of the new one are used".to_owned()
        }
        Some(Stage::Issue) => {
            "from its restart on they reject this API server, until they have the bundle of new and old"
                .to_owned()
        }
        Some(Stage::Finish) => "they have to have certificates of the new one by now".to_owned(),
    };
    Outside {
        what: format!("the workers{}", of(&names)),
        renewed_by: RenewedBy::Administrator,
        how: format!("{until}; for each"),
        commands: vec![
            "sudo kuberescue bundle create --node NODE".to_owned(),
            "scp NODE.bundle.age NODE:".to_owned(),
            "ssh -t NODE sudo kuberescue bundle apply NODE.bundle.age".to_owned(),
        ],
    }
}

/// `: a, b and 3 more`, or nothing.
fn of(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(": {}", some(names.iter(), NAMED))
}

/// What Kubernetes doesn't renew by itself.
fn by_hand(copy: &CopyOfCa<'_>, ca: &ChangedCa) -> Option<Outside> {
    let (namespace, name) = (shell_word(&copy.copy.namespace), shell_word(&copy.copy.name));
    let path = shell_word(&ca.path.display().to_string());
    let edit = |kind: &str| vec![format!("base64 -w0 {path}"), format!("kubectl edit {kind} {name}")];
    let (how, commands) = match &copy.copy.place {
        Place::ClusterInfo | Place::ClientCa | Place::RequestHeaderCa | Place::RootCa => return None,
        Place::ApiService => ("this goes into spec.caBundle", edit("apiservice")),
        Place::ValidatingWebhook { .. } => {
            ("this goes into clientConfig.caBundle", edit("validatingwebhookconfiguration"))
        }
        Place::MutatingWebhook { .. } => {
            ("this goes into clientConfig.caBundle", edit("mutatingwebhookconfiguration"))
        }
        Place::Conversion { .. } => {
            ("this goes into spec.conversion.webhook.clientConfig.caBundle", edit("crd"))
        }
        Place::ClusterCa => (
            "with the kubeconfig of the management cluster",
            vec![format!(
                "kubectl -n {namespace} patch secret {name} -p '{{\"data\":{{\"tls.crt\":\"'$(base64 -w0 {path})'\"}}}}'"
            )],
        ),
        Place::ClusterKubeconfig { .. } => (
            "ADMIN is the kubeconfig of the management cluster",
            vec![format!(
                "kuberescue kubeconfig push --admin-kubeconfig ADMIN --namespace {namespace} --secret {name} --from admin.conf"
            )],
        ),
    };
    let how = how.to_owned();
    Some(Outside { what: copy.object(), renewed_by: RenewedBy::Administrator, how, commands })
}
