//! What the API server returns to the node's kubeconfigs: whether it accepts them, whether it is ready,
//! whether this node is Ready and its kubelet alive. `Ready` can be 40 s old, so the lease is checked too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Options;
use super::check::{Check, ENDPOINT, KUBELET_ENDPOINT, Phase, Verdict};
use super::judge::{of_fault, recover, restart};
use crate::analysis::node::inventory::Inventory;
use crate::formats::kubeconfig::{Kubeconfig, NewKubeconfig, render};
use crate::live::api::{Api, ApiError, Lease, Node, Server};
use crate::live::deadline::Deadline;
use crate::state::{Bytes, Code, Component, catalog, time};

/// How long to wait for another machine: a dead load balancer must not delay the proof of this node.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// What repairs an address that leads nowhere.
const BALANCER: &str = "repair what serves this address: the load balancer, or kube-vip, keepalived or haproxy on the control-plane nodes (sudo kuberescue restart kube-vip)";

/// A kubeconfig with admin permissions.
pub(super) struct Admin {
    name: &'static str,
    bytes: Option<Bytes>,
    /// When its certificate expired, if it has.
    end: Option<Timestamp>,
}

/// The kubeconfigs to use, in this order: the second one if the first is rejected (since 1.29 the first
/// depends on a role binding in the cluster).
pub(super) fn kubeconfigs(inventory: &Inventory, read: &dyn Fn(&Path) -> Option<Bytes>) -> Vec<Admin> {
    let one = |name: &'static str| Admin {
        name,
        bytes: read(&Path::new(catalog::KUBERNETES_DIR).join(name))
            .filter(|_| !inventory.leads_elsewhere(name)),
        end: inventory.row(name).and_then(|row| Some(row.certificate.get()?.not_after)),
    };
    ["admin.conf", "super-admin.conf"].map(one).into()
}

/// A worker's own kubeconfig: the API server that its kubelet uses, and the kubelet's client certificate, wherever that is.
pub(super) fn of_worker(
    inventory: &Inventory,
    read: &dyn Fn(&Path) -> Option<Bytes>,
) -> Option<(String, Vec<Admin>)> {
    let name = "kubelet.conf";
    let path = &inventory.facts.kubelet_kubeconfig.value;
    let config = Kubeconfig::parse(&read(path)?).ok()?;
    let row = &inventory.kubelet_client;
    let file = config.authority_file.as_deref().map(|file| path.with_file_name("").join(file));
    let authority = config.authority_pem().map(|pem| pem.to_vec()).or_else(|| Some(read(&file?)?.to_vec()));
    let rendered = authority.zip(row.certificate.get()).zip(row.key.get()).map(|((authority, leaf), key)| {
        render(&NewKubeconfig {
            cluster: &config.cluster,
            user: &config.user,
            server: &config.server,
            authority_pem: &authority,
            certificate_pem: leaf.to_pem().as_bytes(),
            key_pem: key.to_pem().as_bytes(),
        })
    });
    let bytes = rendered.map(|text| Zeroizing::new(text.as_bytes().to_vec()).into());
    let end = row.certificate.get().map(|leaf| leaf.not_after);
    Some((config.server, vec![Admin { name, bytes, end }]))
}

/// What the API server answers.
#[derive(Default)]
pub(super) struct Cluster {
    /// Whether it is alive and ready; `None` if there was no answer.
    pub(super) health: Option<Result<(), ApiError>>,
    pub(super) checks: Vec<Check>,
    pub(super) nodes: Vec<Node>,
}

/// A request to this node's own API server, or to the one that a worker's kubelet uses.
pub(super) struct Question<'a> {
    /// In the place of the kubeconfig's.
    pub(super) server: Option<Server>,
    /// The address that is contacted.
    pub(super) address: String,
    /// The kubelet may read its own node alone.
    pub(super) is_worker: bool,
    pub(super) kubeconfigs: &'a [Admin],
    pub(super) node: Option<&'a str>,
    pub(super) options: &'a Options,
    pub(super) deadline: Deadline,
}

/// What one identity was answered.
struct Answers {
    health: Result<(), ApiError>,
    nodes: Result<Vec<Node>, ApiError>,
    lease: Option<Result<Lease, ApiError>>,
}

impl Question<'_> {
    /// Uses the first kubeconfig that is accepted.
    pub(super) fn ask(&self) -> Cluster {
        let mut refused: Vec<(&Admin, ApiError)> = Vec::new();
        let mut health = None;
        for admin in self.kubeconfigs {
            let Some(bytes) = &admin.bytes else { continue };
            let answers = self.answers(bytes);
            let why = match &answers {
                Err(error) => Some(error),
                Ok(answers) => answers
                    .nodes
                    .as_ref()
                    .err()
                    .or(answers.health.as_ref().err())
                    .filter(|e| e.is_of_identity()),
            };
            if let Some(why) = why {
                refused.push((admin, why.clone()));
                // Those who may not list nodes may still read the health who may not list nodes.
                health = health.or(answers.ok().map(|answers| answers.health).filter(Result::is_ok));
                continue;
            }
            let Ok(answers) = answers else { continue };
            return Cluster {
                checks: vec![
                    self.identity(&refused, Some((admin.name, &answers))),
                    self.this_node(&answers),
                    self.lease(&answers),
                ],
                nodes: answers.nodes.iter().flatten().cloned().collect(),
                health: Some(answers.health),
            };
        }
        let mut cluster = self.not_asked("the API server accepts no kubeconfig of this node");
        cluster.checks.insert(0, self.identity(&refused, None));
        cluster.health = health.or_else(|| refused.pop().map(|(_, why)| Err(why)));
        cluster
    }

    /// The result if the API server does not answer.
    pub(super) fn unanswered(&self) -> Cluster {
        let mut cluster = self.not_asked("the API server does not answer");
        cluster.checks.insert(0, self.missing("admin.conf", "the API server does not answer"));
        cluster
    }

    fn not_asked(&self, why: &str) -> Cluster {
        let checks = ["node", "lease"].map(|name| self.missing(name, why)).into();
        Cluster { checks, ..Cluster::default() }
    }

    fn missing(&self, name: &'static str, why: &str) -> Check {
        self.new_check(name).judged(vec![not_asked(why)], String::new)
    }

    fn new_check(&self, name: &'static str) -> Check {
        Check::new(name, Some(self.address.clone()))
    }

    fn answers(&self, kubeconfig: &[u8]) -> Result<Answers, ApiError> {
        let api = Api::connect(kubeconfig, self.server.as_ref())?;
        let health = api.livez(self.deadline).and_then(|()| api.readyz(self.deadline));
        let nodes = match &health {
            // It would not answer the next request either.
            Err(error @ ApiError::Fault(_)) => Err(error.clone()),
            _ if self.is_worker => self.own_node(&api),
            _ => api.nodes(self.deadline),
        };
        let lease = match (&nodes, self.node) {
            (Ok(_), Some(node)) => Some(api.lease(node, self.deadline)),
            _ => None,
        };
        Ok(Answers { health, nodes, lease })
    }

    fn own_node(&self, api: &Api) -> Result<Vec<Node>, ApiError> {
        let Some(node) = self.node else { return Ok(Vec::new()) };
        match api.node(node, self.deadline) {
            Ok(node) => Ok(vec![node]),
            Err(ApiError::Status { status: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What repairs a kubeconfig that is not accepted.
    fn remedy(&self) -> String {
        match self.is_worker {
            true => {
                let node = self.node.unwrap_or("NODE");
                format!("on a control-plane node: sudo kuberescue bundle create --node {node}")
            }
            false => recover(),
        }
    }

    /// Whether admin.conf is accepted, or a worker's kubelet.conf.
    fn identity(&self, refused: &[(&Admin, ApiError)], accepted: Option<(&'static str, &Answers)>) -> Check {
        let mut found = Vec::new();
        let missing = self.kubeconfigs.first().filter(|admin| admin.bytes.is_none());
        if let Some(admin) = missing {
            let what = format!("cannot read {}", admin.name);
            // recover changes nothing for it: the control plane works without.
            let hint = match self.is_worker {
                true => self.remedy(),
                false => format!("sudo kuberescue certs renew {}", admin.name),
            };
            found.push(Verdict::new(Code::KubeconfigUnusable, what).hint(hint));
        }
        for (admin, error) in refused {
            let expired = admin.end.filter(|end| *end < self.options.now);
            let now = self.options.now;
            let note = expired
                .map(|end| format!(" (certificate {})", time::expired_on(end, now)))
                .unwrap_or_default();
            let verdict = of_error(error);
            let hint = match verdict.code {
                Code::Forbidden if !self.is_worker => {
                    "kubectl --kubeconfig /etc/kubernetes/super-admin.conf create clusterrolebinding kubeadm:cluster-admins --clusterrole cluster-admin --group kubeadm:cluster-admins"
                        .to_owned()
                }
                _ => self.remedy(),
            };
            let what = format!("{} is not accepted: {}{note}", admin.name, verdict.what);
            found.push(Verdict { what, ..verdict }.hint(hint));
        }
        let answers = accepted.map(|(name, answers)| (name, &answers.nodes));
        let mut check = self.new_check(self.kubeconfigs.first().map_or("admin.conf", |admin| admin.name));
        check.phases.answer = Phase::Ok;
        match answers {
            Some((name, Ok(_))) if !found.is_empty() => {
                if let Some(first) = found.first_mut() {
                    first.what.push_str(&format!("; {name} is accepted"));
                }
            }
            // Whom it would accept is not known.
            Some((_, Err(error @ ApiError::Fault(_)))) => found.push(not_asked(&error.to_string())),
            Some((_, Err(error))) => found.push(of_error(error)),
            _ => {}
        }
        if let Some(first) = found.first() {
            check.phases.answer = Phase::Failed(first.what.clone());
        }
        check.judged(found, || if self.is_worker { "accepted" } else { "accepted; nodes listed" }.to_owned())
    }

    fn this_node(&self, answers: &Answers) -> Check {
        let found = match (self.node, &answers.nodes) {
            (None, _) => vec![not_asked("the name of this node is not known")],
            (_, Err(error)) => vec![not_asked(&error.to_string())],
            (Some(name), Ok(nodes)) => match nodes.iter().find(|node| node.name == name) {
                None => {
                    let what = format!("node {name} is not registered in the API server");
                    vec![Verdict::new(Code::NodeMissing, what).hint(restart(Component::Kubelet))]
                }
                Some(node) if node.ready == Some(true) => Vec::new(),
                Some(node) => {
                    let state = if node.ready.is_some() { "not Ready" } else { "in state Unknown" };
                    let what = format!("{name} is {state}: {}", node.reason);
                    vec![Verdict::new(Code::NodeNotReady, what).hint(restart(Component::Kubelet))]
                }
            },
        };
        self.new_check("node").judged(found, || format!("{} is Ready", self.node.unwrap_or_default()))
    }

    fn lease(&self, answers: &Answers) -> Check {
        let mut age = 0;
        let found = match &answers.lease {
            None => vec![not_asked("the node's name or the nodes are not known")],
            Some(Err(ApiError::Status { status: 404, message })) => {
                vec![Verdict::new(Code::LeaseStale, message.clone()).hint(restart(Component::Kubelet))]
            }
            Some(Err(error)) => vec![of_error(error)],
            Some(Ok(lease)) => {
                // By the server's clock: the kubelet's is the same machine's, the caller's may be another
                // another time.
                let asked = lease.asked.unwrap_or(self.options.now);
                age = asked.duration_since(lease.renewed).as_secs().max(0);
                let renewed = lease.renewed;
                let what = match self.options.renewed_since {
                    Some(since) if renewed <= since => {
                        Some(format!("not renewed since the restart at {since}; last renewed at {renewed}"))
                    }
                    _ if age > lease.duration.as_secs() => Some(format!("last renewed {} ago", lately(age))),
                    _ => None,
                };
                let stale = |what| Verdict::new(Code::LeaseStale, what).hint(restart(Component::Kubelet));
                what.map(stale).into_iter().collect()
            }
        };
        self.new_check("lease").judged(found, || format!("renewed {} ago", lately(age)))
    }
}

/// The server of a kubeconfig, if it is not this node's own API server: a load balancer, a virtual address, another node.
pub(super) struct Elsewhere {
    name: &'static str,
    kubeconfig: Bytes,
    server: String,
}

impl Elsewhere {
    /// The addresses that this node's administrators and its kubelet use.
    pub(super) fn of(
        kubeconfigs: &[Admin],
        inventory: &Inventory,
        read: &dyn Fn(&Path) -> Option<Bytes>,
        here: SocketAddr,
    ) -> Vec<Self> {
        let admin = kubeconfigs.iter().find_map(|admin| admin.bytes.clone()).and_then(|kubeconfig| {
            let server = Kubeconfig::parse(&kubeconfig).ok()?.server;
            Some(Self { name: ENDPOINT, kubeconfig, server })
        });
        let kubelet = of_worker(inventory, read).and_then(|(server, mut own)| {
            Some(Self { name: KUBELET_ENDPOINT, kubeconfig: own.pop()?.bytes?, server })
        });
        let mut found: Vec<_> = admin.into_iter().chain(kubelet).filter(|one| !one.is_at(here)).collect();
        found.dedup_by(|second, first| second.server == first.server);
        found
    }

    fn is_at(&self, here: SocketAddr) -> bool {
        let authority = self.server.strip_prefix("https://").unwrap_or(&self.server).trim_end_matches('/');
        authority == here.to_string()
            || (here.port() == 443 && authority.parse() == Ok(here.ip()))
            || authority.is_empty()
    }

    /// Whether a healthy API server answers there: workers have no other address.
    pub(super) fn check(&self, deadline: Deadline) -> Check {
        let deadline = deadline.at_most(ELSEWHERE);
        let asked = Api::connect(&self.kubeconfig, None).and_then(|api| api.livez(deadline));
        let found = match asked {
            // Whom it accepts is checked with this node's own API server.
            Ok(()) | Err(ApiError::Status { status: 401 | 403, .. }) => Vec::new(),
            Err(error) => {
                let verdict = of_error(&error);
                let what = format!("{}; workers that use this address are cut off", verdict.what);
                vec![Verdict { what, ..verdict }.hint(BALANCER)]
            }
        };
        let mut check = Check::new(self.name, Some(self.server.clone()));
        check.phases.answer = found.first().map_or(Phase::Ok, |verdict| Phase::Failed(verdict.what.clone()));
        let of = if self.name == ENDPOINT { "admin.conf" } else { "kubelet.conf" };
        check.judged(found, || format!("an API server answers at the address in {of}"))
    }
}

fn not_asked(why: &str) -> Verdict {
    Verdict::new(Code::NotAsked, why.to_owned())
}

fn of_error(error: &ApiError) -> Verdict {
    let code = match error {
        ApiError::Fault(fault) => return of_fault(fault),
        ApiError::Kubeconfig(_) | ApiError::Credential(_) => Code::KubeconfigUnusable,
        ApiError::Status { status: 401, .. } => Code::Unauthorized,
        ApiError::Status { status: 403, .. } => Code::Forbidden,
        ApiError::Status { .. } | ApiError::Name { .. } | ApiError::Unintelligible(_) => Code::Unhealthy,
    };
    Verdict::new(code, error.to_string())
}

/// `9 s`, `5 minutes`, `3 days`.
fn lately(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        _ => time::span(Timestamp::from_second(seconds).unwrap_or_default(), Timestamp::UNIX_EPOCH),
    }
}
