//! Whether a cluster is well after its certificates were renewed, asked of its API server, part by part: what can't be
//! asked doesn't keep the rest from it.

use std::time::Duration;

use jiff::Timestamp;

use super::connect::Cluster;
use super::rollout::NAMESPACE;
use crate::analysis::cluster::verify;
use crate::analysis::cluster::verify::{Check, Component, Part, Report, Verdict};
use crate::error::Error;
use crate::formats::log::Matcher;
use crate::formats::objects::cluster::Node;
use crate::formats::objects::pods::Pod;
use crate::live::api::ApiError;
use crate::live::deadline::Deadline;

/// How long a log is waited for that the kubelet of a node which is not Ready has to give.
const OF_NOT_READY: Duration = Duration::from_secs(5);

/// How many logs are read: those of fifty control-plane nodes.
const MOST_LOGS: usize = 200;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// By which moment it is judged.
    pub now: Timestamp,
    /// From when on logs are read, where not from the start of their containers.
    pub since: Option<Timestamp>,
    /// The pods of all namespaces, not only those of kube-system.
    pub all_namespaces: bool,
}

/// Looks at all parts of a cluster.
///
/// # Errors
/// Nothing can be asked.
pub fn look(cluster: &Cluster, options: &Options) -> Result<Report, Error> {
    let mut asking = Asking { cluster, options, checks: Vec::new(), had: false, first: None };
    asking.api_server()?;
    let nodes = asking.part(Part::Nodes, cluster.api.node_objects(cluster.deadline()));
    if let Some(nodes) = &nodes {
        asking.checks.extend(verify::nodes(nodes));
    }
    asking.pods(nodes.as_deref());
    if let Some(services) = asking.part(Part::ApiServices, cluster.api.api_services(cluster.deadline())) {
        asking.checks.extend(verify::api_services(&services));
    }
    if let Some(requests) = asking.part(Part::Requests, cluster.api.signing_requests(cluster.deadline())) {
        asking.checks.extend(verify::requests(&requests, nodes.as_deref(), options.now));
    }
    match asking.first {
        // That the API server is ready is told to everyone.
        Some(error) if !asking.had => Err(cluster.failure("look at the cluster", &error)),
        _ => Ok(Report { time: options.now, server: cluster.api.server().to_owned(), checks: asking.checks }),
    }
}

struct Asking<'a> {
    cluster: &'a Cluster,
    options: &'a Options,
    checks: Vec<Check>,
    /// Whether anything was given that not everyone is told.
    had: bool,
    /// Why something wasn't.
    first: Option<ApiError>,
}

impl Asking<'_> {
    fn api_server(&mut self) -> Result<(), Error> {
        let check = |verdict, what: String| Check::new(Part::ApiServer, "", verdict, what);
        let server = self.cluster.api.server();
        let found = match self.cluster.api.readyz(self.cluster.deadline()) {
            Ok(()) => check(Verdict::Ok, format!("{server} is ready")),
            Err(error @ ApiError::Status { status: 403 | 404, .. }) => {
                check(Verdict::NotAsked, error.to_string())
                    .hint("take the cluster's admin.conf: not everyone may ask whether it is ready")
            }
            Err(error @ ApiError::Status { status: 500..=599, .. }) if !is_of_proxy(self.cluster, &error) => {
                // It answers, and says itself what is wrong.
                self.had = true;
                check(Verdict::NotReady, format!("{server}: {error}"))
                    .hint("on a control-plane node: kuberescue probe, kuberescue diagnose")
            }
            Err(error) => return Err(self.cluster.failure("look at the cluster", &error)),
        };
        self.checks.push(found);
        Ok(())
    }

    /// What was given, or a line that says why it wasn't.
    fn part<T>(&mut self, part: Part, answer: Result<T, ApiError>) -> Option<T> {
        match answer {
            Ok(given) => {
                self.had = true;
                Some(given)
            }
            Err(error) => {
                let unknown = error.is_not_found();
                let verdict = if unknown { Verdict::Unknown } else { Verdict::NotAsked };
                let what = if unknown {
                    format!("not asked: this API server doesn't know them in this version ({error})")
                } else {
                    format!("could not be asked: {error}")
                };
                let check = Check::new(part, "", verdict, what);
                let hint = self.cluster.failure("ask", &error).hints.pop().filter(|_| !unknown);
                self.checks.push(match hint {
                    Some(hint) => check.hint(hint),
                    None => check,
                });
                self.first.get_or_insert(error);
                None
            }
        }
    }

    fn pods(&mut self, nodes: Option<&[Node]>) {
        let (api, deadline) = (&self.cluster.api, self.cluster.deadline());
        let namespace = (!self.options.all_namespaces).then_some(NAMESPACE);
        let Some(pods) = self.part(Part::Pods, api.pods(namespace, deadline)) else { return };
        let where_ = if self.options.all_namespaces { "all namespaces" } else { NAMESPACE };
        self.checks.extend(verify::pods(&pods, nodes.unwrap_or_default(), where_, self.options.now));
        self.logs(&pods, nodes.unwrap_or_default());
    }

    fn logs(&mut self, pods: &[Pod], nodes: &[Node]) {
        let (components, missing) = verify::control_plane(pods, nodes);
        self.checks.extend(missing);
        let matcher = match Matcher::new() {
            Ok(matcher) => matcher,
            Err(why) => return self.checks.push(Check::new(Part::Logs, "", Verdict::NotAsked, why)),
        };
        if components.is_empty() {
            let what = "no static pod of a control plane is seen here";
            self.checks.push(Check::new(Part::Logs, "", Verdict::Unknown, what));
        }
        let not_ready = verify::not_ready(nodes);
        for component in components.iter().take(MOST_LOGS) {
            let deadline = match not_ready.contains(&component.node.as_str()) {
                // Its kubelet may not answer the API server either.
                true => self.cluster.deadline().at_most(OF_NOT_READY),
                false => self.cluster.deadline(),
            };
            let check = self.log(component, &matcher, deadline);
            self.checks.push(check);
        }
        let more = components.len().saturating_sub(MOST_LOGS);
        if more > 0 {
            let what =
                format!("{more} more containers of control planes: too many to read all of their logs");
            self.checks.push(Check::new(Part::Logs, "", Verdict::NotAsked, what));
        }
    }

    fn log(&self, component: &Component, matcher: &Matcher, deadline: Deadline) -> Check {
        let since = self.options.since.or(component.started);
        let (pod, container) = (&component.pod, &component.container);
        let asked = self.cluster.api.log(NAMESPACE, pod, container, since, deadline);
        match asked {
            Ok(log) => verify::read_log(component, &log.text, log.whole, matcher, self.options.now),
            Err(ApiError::Status { status, message }) => verify::log_refused(component, status, &message),
            Err(error) => {
                let object = format!("{NAMESPACE}/{pod}");
                Check::new(Part::Logs, object, Verdict::NotAsked, error.to_string()).on(&component.node)
            }
        }
    }
}

/// Whether the answer may be that of something between here and the API server.
fn is_of_proxy(cluster: &Cluster, error: &ApiError) -> bool {
    matches!(error, ApiError::Status { status: 502..=504, .. }) && cluster.api.proxy().is_some()
}
