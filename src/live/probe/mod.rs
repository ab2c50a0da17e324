//! The proof: all ports that the node should serve are contacted in parallel, what they serve is compared
//! with the disk, and the API server reports the nodes.
//!
//! Nothing is changed and nothing is written. Takes no longer than [`Options::timeout`], so it can be
//! repeated until no check fails.

mod check;
mod cluster;
mod judge;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use self::check::Verdict;
use self::cluster::{Cluster, Question};
use self::judge::{Client, File, Known};
use super::api::{ApiError, Server};
use super::deadline::Deadline;
use super::fault::Fault;
use super::https::{self, ClientPair, Exchange, Reply, Transport};
use crate::analysis::node::endpoints;
use crate::analysis::node::endpoints::{Endpoint, Gap, Scheme, Served};
use crate::analysis::node::inventory::Inventory;
use crate::formats::certificate::Certificate;
use crate::state::{Bytes, Code, Component, Severity};

pub use self::check::{Check, OnDisk, Phase, Phases, Report};

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time of evaluation of certificates.
    pub now: Timestamp,
    /// How long all of it may take.
    pub timeout: Duration,
    /// The kubelet must have renewed its lease after this time: usually its own restart.
    pub renewed_since: Option<Timestamp>,
}

/// Probes everything that this node should serve. `read` returns the node's files as they are now.
pub fn probe(inventory: &Inventory, read: &dyn Fn(&Path) -> Option<Bytes>, options: &Options) -> Report {
    let deadline = Deadline::within(options.timeout);
    let expected = endpoints::expected(inventory);
    let kubeconfigs = cluster::kubeconfigs(inventory, read);
    let of_worker = (!inventory.is_control_plane()).then(|| cluster::of_worker(inventory, read)).flatten();
    let targets: Vec<_> = expected
        .endpoints
        .iter()
        .map(|endpoint| Target::new(endpoint, inventory, read, options.now))
        .collect();

    let mut tasks: Vec<Task<'_>> = Vec::new();
    for target in &targets {
        if target.endpoint.component == Component::ApiServer {
            let question = Question {
                address: target.endpoint.address.to_string(),
                server: Some(target.server()),
                is_worker: false,
                kubeconfigs: &kubeconfigs,
                node: inventory.facts.node_name.as_ref().map(|fact| fact.value.as_str()),
                options,
                deadline,
            };
            tasks.push(Box::new(move || target.api_server(&question)));
        } else {
            tasks.push(Box::new(move || Part::from(target.check(&target.ask(deadline)))));
        }
    }
    if let Some(api_server) = targets.iter().find(|target| target.endpoint.component == Component::ApiServer)
    {
        let address = api_server.endpoint.address;
        for elsewhere in cluster::Elsewhere::of(&kubeconfigs, inventory, read, address) {
            tasks.push(Box::new(move || Part::from(elsewhere.check(deadline))));
        }
    }

    if let Some((address, kubeconfigs)) = &of_worker {
        let question = Question {
            address: address.clone(),
            server: None,
            is_worker: true,
            kubeconfigs,
            node: inventory.facts.node_name.as_ref().map(|fact| fact.value.as_str()),
            options,
            deadline,
        };
        tasks.push(Box::new(move || {
            let mut cluster = question.ask();
            // The first one says whether the kubeconfig is accepted.
            let mut checks = std::mem::take(&mut cluster.checks).into_iter();
            let check = checks.next().unwrap_or_else(|| Check::new("kubelet.conf", None));
            Part { check, cluster: Cluster { checks: checks.collect(), ..cluster } }
        }));
    }

    let mut report = Report { time: options.now, checks: Vec::new(), nodes: Vec::new() };
    let mut last =
        expected.gaps.iter().map(|(component, gap)| gap_check(*component, gap)).collect::<Vec<_>>();
    for part in at_once(tasks) {
        report.checks.push(part.check);
        last.extend(part.cluster.checks);
        report.nodes.extend(part.cluster.nodes);
    }
    report.checks.append(&mut last);
    report
}

/// This node's own API server, for a client with one of its kubeconfigs; `None` if it should have none.
/// `read` returns the node's files as they are now.
pub fn own_api_server(
    inventory: &Inventory,
    read: &dyn Fn(&Path) -> Option<Bytes>,
    now: Timestamp,
) -> Option<Server> {
    let expected = endpoints::expected(inventory);
    let endpoint = expected.endpoints.iter().find(|endpoint| endpoint.component == Component::ApiServer)?;
    Some(Target::new(endpoint, inventory, read, now).server())
}

type Task<'a> = Box<dyn Fn() -> Part + Send + Sync + 'a>;

struct Part {
    check: Check,
    cluster: Cluster,
}

impl From<Check> for Part {
    fn from(check: Check) -> Self {
        Self { check, cluster: Cluster::default() }
    }
}

/// Runs the tasks in parallel and returns their results in order.
fn at_once(tasks: Vec<Task<'_>>) -> Vec<Part> {
    std::thread::scope(|scope| {
        let started: Vec<_> = tasks
            .iter()
            .map(|task| {
                (task, std::thread::Builder::new().name("probe".to_owned()).spawn_scoped(scope, task))
            })
            .collect();
        // Without a free thread the task is done here.
        let expired = started.into_iter().map(|(task, thread)| match thread.map(|thread| thread.join()) {
            Ok(Ok(part)) => part,
            _ => task(),
        });
        expired.collect()
    })
}

/// An endpoint with its client certificate and its expected certificate.
struct Target<'a> {
    endpoint: &'a Endpoint,
    file: Option<File>,
    client: Option<Client>,
    pair: Option<ClientPair>,
    now: Timestamp,
}

impl<'a> Target<'a> {
    fn new(
        endpoint: &'a Endpoint,
        inventory: &Inventory,
        read: &dyn Fn(&Path) -> Option<Bytes>,
        now: Timestamp,
    ) -> Self {
        let file = match &endpoint.served {
            Served::File(path) => {
                let leaf = match read(path) {
                    Some(bytes) => Certificate::from_pem(&bytes).map_err(|error| error.to_string()),
                    None => Err("there is no such file, or it can't be read".to_owned()),
                };
                Some(File { path: path.clone(), leaf })
            }
            Served::Memory | Served::Nothing => None,
        };
        let (client, pair) = match endpoint.health.client {
            Some(name) => {
                let pair = pair(inventory, name);
                let row = inventory.row(name).and_then(|row| row.certificate.get());
                let expired = row.map(|leaf| leaf.not_after).filter(|end| *end < now);
                let client = Client { name, unusable: pair.as_ref().err().cloned(), expired };
                (Some(client), pair.ok())
            }
            None => (None, None),
        };
        Self { endpoint, file, client, pair, now }
    }

    fn ask(&self, deadline: Deadline) -> Exchange {
        let transport = match self.endpoint.scheme {
            Scheme::Http => Transport::Plain,
            Scheme::Https => Transport::Tls(self.pair.as_ref()),
        };
        https::get(self.endpoint.address, transport, self.endpoint.health.path, deadline)
    }

    fn check(&self, exchange: &Exchange) -> Check {
        self.check_with(exchange, Vec::new())
    }

    fn check_with(&self, exchange: &Exchange, more: Vec<Verdict>) -> Check {
        let (file, client) = (self.file.as_ref(), self.client.as_ref());
        Known { endpoint: self.endpoint, file, client, now: self.now }.check(exchange, more)
    }

    /// Reads the API server's certificate and health anonymously, then with the node's kubeconfigs.
    fn api_server(&self, question: &Question<'_>) -> Part {
        let mut exchange = self.ask(question.deadline);
        let cluster = match &exchange {
            Exchange::Connected { reply: Ok(_), .. } => question.ask(),
            _ => question.unanswered(),
        };
        let mut found = Vec::new();
        if let Exchange::Connected { reply, .. } = &mut exchange {
            match &cluster.health {
                Some(Ok(())) => *reply = Ok(Reply { status: 200, body: Vec::new() }),
                // Anonymous requests may be disabled: the answer to an identity counts.
                Some(Err(ApiError::Status { status, message })) if reply_is_not(reply, 200) => {
                    *reply = Ok(Reply { status: *status, body: message.clone().into_bytes() });
                }
                Some(Err(ApiError::Fault(
                    fault @ (Fault::ServerCertificate(_) | Fault::ServerExpired(_)),
                ))) => {
                    found.push(judge::of_fault(fault).hint(judge::recover()));
                }
                Some(Err(ApiError::Fault(fault))) => *reply = Err(fault.clone()),
                Some(Err(_)) | None => {}
            }
        }
        let check = self.check_with(&exchange, found);
        Part { check, cluster }
    }

    /// This API server, for a client: its certificate must be valid for the address, or for the name that
    /// kubeadm always includes.
    fn server(&self) -> Server {
        let address = self.endpoint.address;
        let leaf = self.file.as_ref().and_then(|file| file.leaf.as_ref().ok());
        let named = leaf.is_some_and(|leaf| leaf.addresses.contains(&address.ip()));
        Server { address, name: (!named).then(|| "kubernetes".to_owned()) }
    }
}

fn reply_is_not(reply: &Result<Reply, Fault>, status: u16) -> bool {
    reply.as_ref().map_or(true, |reply| reply.status != status)
}

/// One of kubeadm's client certificates and its key.
pub(super) fn pair(inventory: &Inventory, name: &str) -> Result<ClientPair, String> {
    let row = inventory.row(name).ok_or_else(|| "this node has none".to_owned())?;
    let state = |reason: Option<&str>| reason.unwrap_or("it is missing").to_owned();
    let certificate = row.certificate.get().ok_or_else(|| state(row.certificate.reason()))?;
    let key = row.key.get().ok_or_else(|| format!("its key: {}", state(row.key.reason())))?;
    ClientPair::new(certificate, key)
}

fn gap_check(component: Component, gap: &Gap) -> Check {
    let (code, severity, what) = match gap {
        Gap::NotExpected(what) => (Code::NotExpected, Severity::Note, what),
        Gap::ManifestMissing(what) => (Code::ManifestMissing, Severity::Blocker, what),
        Gap::ManifestUnreadable(what) => (Code::ManifestUnreadable, Severity::Blocker, what),
    };
    let verdict = Verdict::new(code, what.clone()).severity(severity);
    Check::new(component.name(), None).judged(vec![verdict], String::new)
}
