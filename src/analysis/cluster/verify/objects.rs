//! Nodes, pods and aggregated APIs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Check, Part, Verdict};
use crate::analysis::cluster::pods::{Ailment, sentence, trouble};
use crate::formats::objects::cluster::{ApiService, Node};
use crate::formats::objects::condition;
use crate::formats::objects::pods::Pod;

/// Each node that isn't ready; one line where all are.
pub fn nodes(nodes: &[Node]) -> Vec<Check> {
    let wrong = nodes.iter().filter_map(|node| {
        let name = &node.metadata.name;
        let ready = condition(&node.status.conditions, "Ready");
        let what = match ready {
            Some(ready) if ready.status == "True" => return None,
            Some(ready) => {
                let since = ready.last_transition_time.map(|at| format!(" since {at}")).unwrap_or_default();
                format!("not Ready{since}: {}", sentence(&ready.reason, &ready.message))
            }
            None => "its kubelet has never said that it is Ready".to_owned(),
        };
        let hint = format!(
            "on {name}: kuberescue diagnose; kuberescue recover where its kubelet's certificate ended"
        );
        Some(Check::new(Part::Nodes, name, Verdict::NotReady, what).on(name).hint(hint))
    });
    or_fine(wrong.collect(), Part::Nodes, || count(nodes.len(), "node", "Ready"))
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

/// Each pod that doesn't run or isn't ready; one line where all are. `where_` says in which namespaces.
pub fn pods(pods: &[Pod], nodes: &[Node], where_: &str, now: Timestamp) -> Vec<Check> {
    let ready = readiness(nodes);
    let wrong = pods.iter().filter_map(|pod| {
        let (namespace, name, node) = (&pod.metadata.namespace, &pod.metadata.name, pod.spec.node_name.as_str());
        // Of a node that was removed nothing is known either.
        let node_ready = if node.is_empty() || nodes.is_empty() {
            None
        } else {
            Some(ready.get(node).copied().unwrap_or(false))
        };
        let trouble = trouble(pod, node_ready, now)?;
        let verdict = match trouble.ailment {
            Ailment::BeingDeleted => Verdict::BeingDeleted,
            Ailment::NotGone => Verdict::NotGone,
            Ailment::NotRunning => Verdict::NotRunning,
            Ailment::NotReady => Verdict::NotReady,
        };
        let check = Check::new(Part::Pods, format!("{namespace}/{name}"), verdict, trouble.what).on(node);
        Some(match (verdict, node_ready) {
            (Verdict::BeingDeleted, _) => check,
            (_, Some(false)) => check.hint("first see to the nodes that are not Ready: their pods follow"),
            (Verdict::NotGone, _) => check.hint(format!(
                "on {node}: does the kubelet run and reach the API server (kuberescue probe)? it removes the pod"
            )),
            _ => check.hint(format!("kubectl -n {namespace} describe pod {name}")),
        })
    });
    or_fine(wrong.collect(), Part::Pods, || {
        format!("{} in {where_}", count(pods.len(), "pod", "as they should be"))
    })
}

/// Each aggregated API that can't be asked; one line where all can.
pub fn api_services(services: &[ApiService]) -> Vec<Check> {
    let wrong = services.iter().filter_map(|service| {
        let name = &service.metadata.name;
        let available = condition(&service.status.conditions, "Available");
        let (by, hint) = match &service.spec.service {
            Some(by) => (
                format!(" (service {}/{})", by.namespace, by.name),
                format!(
                    "kubectl -n {} get pods: is what serves {name} running? It may have to be restarted to trust a new front-proxy certificate",
                    by.namespace
                ),
            ),
            None => (String::new(), format!("kubectl get apiservice {name} -o yaml")),
        };
        let what = match available {
            Some(available) if available.status == "True" => return None,
            Some(available) => sentence(&available.reason, &available.message),
            None => "nobody has tried it yet".to_owned(),
        };
        let check = Check::new(Part::ApiServices, name, Verdict::Unavailable, format!("not available{by}: {what}"));
        Some(check.hint(hint))
    });
    or_fine(wrong.collect(), Part::ApiServices, || count(services.len(), "API service", "available"))
}

/// One line that says so where nothing is wrong.
pub(super) fn or_fine(checks: Vec<Check>, part: Part, fine: impl FnOnce() -> String) -> Vec<Check> {
    let found = checks.iter().any(|check| check.verdict.is_finding());
    let fine = (!found).then(|| Check::new(part, "", Verdict::Ok, fine()));
    fine.into_iter().chain(checks).collect()
}

fn count(number: usize, thing: &str, how: &str) -> String {
    match number {
        0 => format!("there is no {thing}"),
        1 => format!("the one {thing} is {how}").replace("is as they", "is as it"),
        _ => format!("all {number} {thing}s are {how}"),
    }
}
