//! Checks a cluster after its certificates were renewed, through its API server, part by part: a part that
//! cannot be read does not stop the others.

use std::time::Duration;

use jiff::Timestamp;

use super::connect::Cluster;
use super::rollout::NAMESPACE;
use crate::analysis::cluster::verify;
use crate::analysis::cluster::verify::{Check, ContainerLog, Part, Report, Verdict};
use crate::error::Error;
use crate::formats::log::Matcher;
use crate::formats::objects::cluster::Node;
use crate::formats::objects::pods::Pod;
use crate::live::api::ApiError;
use crate::live::clock;
use crate::live::deadline::Deadline;
use crate::session::Context;
use crate::session::change::signals::arrived;
use crate::state::text::{count, some};
use crate::state::{Code, Severity};

/// Timeout for a log of a node that is not Ready: its kubelet may not answer.
const NOT_READY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of what starts are named.
const NAMED: usize = 4;
/// Between two rounds while pods start.
const PAUSE: Duration = Duration::from_secs(1);

/// How many logs are read: those of 50 control-plane nodes.
const MOST_LOGS: usize = 200;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time of evaluation.
    pub now: Timestamp,
    /// Logs are read from this time on; `None`: from the start of each container.
    pub since: Option<Timestamp>,
    /// Pods of all namespaces, not only those of kube-system.
    pub all_namespaces: bool,
}

/// Checks all parts of a cluster.
///
/// # Errors
/// No part can be read.
pub fn check(cluster: &Cluster, options: &Options) -> Result<Report, Error> {
    let mut run = Run { cluster, options, checks: Vec::new(), answered: false, first_error: None };
    run.api_server()?;
    let nodes = run.part(Part::Nodes, cluster.api.node_objects(cluster.deadline()));
    if let Some(nodes) = &nodes {
        run.checks.extend(verify::nodes(nodes));
    }
    run.pods(nodes.as_deref());
    if let Some(services) = run.part(Part::ApiServices, cluster.api.api_services(cluster.deadline())) {
        run.checks.extend(verify::api_services(&services));
    }
    if let Some(requests) = run.part(Part::Requests, cluster.api.signing_requests(cluster.deadline())) {
        run.checks.extend(verify::requests(&requests, nodes.as_deref(), options.now));
    }
    match run.first_error {
        // Every user may read whether the API server is ready.
        Some(error) if !run.answered => Err(cluster.failure("check the cluster", &error)),
        _ => Ok(Report { time: options.now, server: cluster.api.server().to_owned(), checks: run.checks }),
    }
}

/// Checks all parts, and again as long as what has just started is not ready, for up to `settle`. A signal ends the waiting.
///
/// # Errors
/// As [`check`].
pub fn check_settled(
    cluster: &Cluster,
    options: &Options,
    settle: Duration,
    context: &mut Context<'_>,
) -> Result<Report, Error> {
    let (began, mut told) = (clock::now(), false);
    loop {
        let report = check(cluster, &Options { now: clock::wall(), ..*options })?;
        let waited = began.elapsed();
        if !report.may_settle() || waited >= settle || arrived().is_some() {
            return Ok(report);
        }
        if !told {
            let starting: Vec<_> = report.findings().filter(|check| check.recent).collect();
            let names = some(starting.iter().map(|check| check.object.as_str()), NAMED);
            context.out.note(&format!("still starting: {names}; waiting for up to {} s", settle.as_secs()));
            told = true;
        }
        std::thread::sleep(PAUSE);
        context.waited += PAUSE;
    }
}

const NOT_ASKED: Verdict = Verdict::Found(Severity::Warning, Code::NotAsked);

struct Run<'a> {
    cluster: &'a Cluster,
    options: &'a Options,
    checks: Vec<Check>,
    /// Whether a request that needs permission was answered.
    answered: bool,
    first_error: Option<ApiError>,
}

impl Run<'_> {
    fn api_server(&mut self) -> Result<(), Error> {
        let check = |verdict, what: String| Check::new(Part::ApiServer, "", verdict, what);
        let server = self.cluster.api.server();
        let found = match self.cluster.api.readyz(self.cluster.deadline()) {
            Ok(()) => check(Verdict::Ok, format!("{server} is ready")),
            Err(error @ ApiError::Status { status: 403 | 404, .. }) => check(NOT_ASKED, error.to_string())
                .hint("kuberescue verify cluster --kubeconfig /etc/kubernetes/admin.conf"),
            Err(error @ ApiError::Status { status: 500..=599, .. }) if !is_of_proxy(self.cluster, &error) => {
                // It names the checks that fail.
                self.answered = true;
                check(Verdict::Found(Severity::Blocker, Code::Unhealthy), format!("{server}: {error}"))
                    .hint("on a control-plane node: sudo kuberescue probe")
            }
            Err(error) => return Err(self.cluster.failure("check the cluster", &error)),
        };
        self.checks.push(found);
        Ok(())
    }

    /// The objects, or a check that says why they could not be listed.
    fn part<T>(&mut self, part: Part, answer: Result<T, ApiError>) -> Option<T> {
        match answer {
            Ok(given) => {
                self.answered = true;
                Some(given)
            }
            Err(error) => {
                let not_served = error.is_not_found();
                let (verdict, what) = if not_served {
                    (Verdict::NotServed, format!("this API server does not serve them: {error}"))
                } else {
                    (NOT_ASKED, format!("cannot list them: {error}"))
                };
                let check = Check::new(part, "", verdict, what);
                let hint = self.cluster.failure("list", &error).hints.pop().filter(|_| !not_served);
                self.checks.push(match hint {
                    Some(hint) => check.hint(hint),
                    None => check,
                });
                self.first_error.get_or_insert(error);
                None
            }
        }
    }

    fn pods(&mut self, nodes: Option<&[Node]>) {
        let (api, deadline) = (&self.cluster.api, self.cluster.deadline());
        let namespace = (!self.options.all_namespaces).then_some(NAMESPACE);
        let Some(pods) = self.part(Part::Pods, api.pods(namespace, deadline)) else { return };
        let namespaces = if self.options.all_namespaces { "all namespaces" } else { NAMESPACE };
        self.checks.extend(verify::pods(&pods, nodes.unwrap_or_default(), namespaces, self.options.now));
        self.logs(&pods, nodes.unwrap_or_default());
    }

    fn logs(&mut self, pods: &[Pod], nodes: &[Node]) {
        let (components, missing) = verify::control_plane(pods, nodes);
        self.checks.extend(missing);
        let matcher = match Matcher::new() {
            Ok(matcher) => matcher,
            Err(why) => return self.checks.push(Check::new(Part::Logs, "", NOT_ASKED, why)),
        };
        if components.is_empty() {
            let what = "no static pods of a control plane";
            self.checks.push(Check::new(Part::Logs, "", Verdict::NotServed, what));
        }
        let not_ready = verify::not_ready(nodes);
        for component in components.iter().take(MOST_LOGS) {
            let deadline = match not_ready.contains(&component.node.as_str()) {
                // Its kubelet may not answer the API server either.
                true => self.cluster.deadline().at_most(NOT_READY_TIMEOUT),
                false => self.cluster.deadline(),
            };
            let check = self.log(component, &matcher, deadline);
            self.checks.push(check);
        }
        let more = components.len().saturating_sub(MOST_LOGS);
        if more > 0 {
            let what = format!("{}: only the first {MOST_LOGS} logs are read", count(more, "more container"));
            self.checks.push(Check::new(Part::Logs, "", NOT_ASKED, what));
        }
    }

    fn log(&self, component: &ContainerLog, matcher: &Matcher, deadline: Deadline) -> Check {
        let since = self.options.since.or(component.started);
        let (pod, container) = (&component.pod, &component.container);
        let asked = self.cluster.api.log(NAMESPACE, pod, container.name(), since, deadline);
        match asked {
            Ok(log) => verify::read_log(component, &log.text, log.whole, matcher, self.options.now),
            Err(ApiError::Status { status, message }) => verify::log_refused(component, status, &message),
            Err(error) => {
                let object = format!("{NAMESPACE}/{pod}");
                Check::new(Part::Logs, object, NOT_ASKED, error.to_string()).on(&component.node)
            }
        }
    }
}

/// Whether the answer may come from a proxy between here and the API server.
fn is_of_proxy(cluster: &Cluster, error: &ApiError) -> bool {
    matches!(error, ApiError::Status { status: 502..=504, .. }) && cluster.api.proxy().is_some()
}
