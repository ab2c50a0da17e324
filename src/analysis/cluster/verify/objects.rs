//! Nodes, pods and aggregated APIs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Check, Part, Verdict, is_recent};
use crate::analysis::cluster::pods::{sentence, trouble};
use crate::formats::objects::cluster::{ApiService, Node};
use crate::formats::objects::condition;
use crate::formats::objects::pods::Pod;
use crate::state::time::minute;
use crate::state::{Code, Severity};

/// One check for each node that is not Ready, or one for all.
pub fn nodes(nodes: &[Node]) -> Vec<Check> {
    let wrong = nodes.iter().filter_map(|node| {
        let name = &node.metadata.name;
        let ready = condition(&node.status.conditions, "Ready");
        let what = match ready {
            Some(ready) if ready.status == "True" => return None,
            Some(ready) => {
                let since =
                    ready.last_transition_time.map(|at| format!(" since {}", minute(at))).unwrap_or_default();
                format!("not Ready{since}: {}", sentence(&ready.reason, &ready.message))
            }
            None => "not Ready: its kubelet has never reported".to_owned(),
        };
        let verdict = Verdict::Found(Severity::Blocker, Code::NodeNotReady);
        let hint = format!("on {name}: sudo kuberescue diagnose");
        Some(Check::new(Part::Nodes, name, verdict, what).on(name).hint(hint))
    });
    or_ok(wrong.collect(), Part::Nodes, || count(nodes.len(), "node", "Ready"))
}

/// Whether each node is ready, by name.
fn readiness(nodes: &[Node]) -> BTreeMap<&str, bool> {
    let ready =
        |node: &Node| condition(&node.status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
    nodes.iter().map(|node| (node.metadata.name.as_str(), ready(node))).collect()
}

/// The names of the nodes that are not ready.
pub fn not_ready(nodes: &[Node]) -> Vec<&str> {
    readiness(nodes).into_iter().filter(|(_, ready)| !ready).map(|(name, _)| name).collect()
}

/// One check for each pod that does not run or is not ready, or one for all. `namespaces` is the wording for
/// the sentence.
pub fn pods(pods: &[Pod], nodes: &[Node], namespaces: &str, now: Timestamp) -> Vec<Check> {
    let ready = readiness(nodes);
    let wrong = pods.iter().filter_map(|pod| {
        let (namespace, name, node) =
            (&pod.metadata.namespace, &pod.metadata.name, pod.spec.node_name.as_str());
        // A node that was removed is unknown too.
        let node_ready = if node.is_empty() || nodes.is_empty() {
            None
        } else {
            Some(ready.get(node).copied().unwrap_or(false))
        };
        let trouble = trouble(pod, node_ready, now)?;
        let verdict = match trouble.code {
            Some(code) => Verdict::Found(Severity::Warning, code),
            None => Verdict::Terminating,
        };
        let check = Check::new(Part::Pods, format!("{namespace}/{name}"), verdict, trouble.what).on(node);
        let check = check.recent(is_recent(began(pod), now));
        Some(match (trouble.code, node_ready) {
            (None, _) => check,
            (_, Some(false)) => check.hint("fix the nodes that are not Ready first: their pods follow"),
            (Some(Code::PodNotGone), _) if !node.is_empty() => {
                check.hint(format!("on {node}: sudo kuberescue probe"))
            }
            _ => check.hint(format!("kubectl -n {namespace} describe pod {name}")),
        })
    });
    let wrong: Vec<_> = wrong.collect();
    // What is being deleted is no fault, and not ready.
    let terminating = wrong.iter().filter(|check| !check.is_finding()).count();
    or_ok(wrong, Part::Pods, || match terminating {
        0 => format!("{} in {namespaces}", count(pods.len(), "pod", "ready")),
        some => {
            let (all, ready) = (pods.len(), pods.len().saturating_sub(some));
            format!("{ready} of {all} pods ready in {namespaces}, {some} being deleted")
        }
    })
}

/// When a pod or the last of its containers began.
fn began(pod: &Pod) -> Option<Timestamp> {
    let running =
        pod.status.container_statuses.iter().filter_map(|one| one.state.running.as_ref()?.started_at);
    running.chain(pod.metadata.creation_timestamp).max()
}

/// One check for each aggregated API that is not available, or one for all.
pub fn api_services(services: &[ApiService]) -> Vec<Check> {
    let wrong = services.iter().filter_map(|service| {
        let name = &service.metadata.name;
        let available = condition(&service.status.conditions, "Available");
        let (by, hint) = match &service.spec.service {
            Some(by) => (
                format!(" (service {}/{})", by.namespace, by.name),
                format!("kubectl -n {} get pods", by.namespace),
            ),
            None => (String::new(), format!("kubectl get apiservice {name} -o yaml")),
        };
        let what = match available {
            Some(available) if available.status == "True" => return None,
            Some(available) => sentence(&available.reason, &available.message),
            None => "the API server has not tried it yet".to_owned(),
        };
        let check = Check::new(
            Part::ApiServices,
            name,
            Verdict::Found(Severity::Warning, Code::ApiServiceUnavailable),
            format!("not available{by}: {what}"),
        );
        Some(check.hint(hint))
    });
    or_ok(wrong.collect(), Part::ApiServices, || count(services.len(), "API service", "available"))
}

/// The checks; if there is none, one that says that all is well.
pub(super) fn or_ok(checks: Vec<Check>, part: Part, ok: impl FnOnce() -> String) -> Vec<Check> {
    let found = checks.iter().any(Check::is_finding);
    let ok = (!found).then(|| Check::new(part, "", Verdict::Ok, ok()));
    ok.into_iter().chain(checks).collect()
}

fn count(number: usize, thing: &str, how: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing} {how}"),
        _ => format!("{number} of {number} {thing}s {how}"),
    }
}
