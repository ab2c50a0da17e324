//! Certificate signing requests. A kubelet's is approved by a person where nothing else does it, and whoever approves
//! one that isn't what it says gives an identity away; so each is decoded and compared with what is known of its node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::objects::or_fine;
use super::{Check, Part, Verdict};
use crate::formats::objects::cluster::{Node, SigningRequest};
use crate::formats::request::Request;

/// Who signs the kubelets' serving certificates.
const SERVING: &str = "kubernetes.io/kubelet-serving";
/// Who signs the kubelets' client certificates.
const CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// What the controller-manager signs itself.
const OWN: &str = "kubernetes.io/";

/// How long it may take to sign what is approved: it takes a second.
const SIGNED_WITHIN: SignedDuration = SignedDuration::from_mins(2);

const PREFIX: &str = "system:node:";

/// What is to be done about requests: those of kubelets that wait, each newest one of its node, those that were
/// approved and not issued, and how many others wait. `nodes` where they could be listed.
pub fn requests(requests: &[SigningRequest], nodes: Option<&[Node]>, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut others: Vec<&SigningRequest> = Vec::new();
    // By signer and user: only the newest one is waited for; kubelets ask again every quarter of an hour.
    let mut waiting: BTreeMap<(&str, &str), Vec<&SigningRequest>> = BTreeMap::new();
    for request in requests {
        match state(request) {
            State::Decided => {}
            State::Approved(since) => checks.extend(not_issued(request, since, now)),
            State::Failed(why) => checks.push(failed(request, why)),
            State::Pending if is_of_kubelet(request) => {
                let key = (request.spec.signer_name.as_str(), request.spec.username.as_str());
                waiting.entry(key).or_default().push(request);
            }
            State::Pending => others.push(request),
        }
    }
    for group in waiting.into_values() {
        let fitting: Vec<_> =
            group.iter().copied().map(|request| (request, problems(request, nodes))).collect();
        let (good, bad): (Vec<_>, Vec<_>) =
            fitting.into_iter().partition(|(_, problems)| problems.is_empty());
        checks.extend(bad.iter().map(|(request, problems)| suspicious(request, problems)));
        if let Some((newest, _)) = good.iter().max_by_key(|(request, _)| request.metadata.creation_timestamp)
        {
            checks.push(pending(newest, good.len() - 1));
        }
    }
    if let Some(first) = others.first() {
        let mut signers: Vec<_> = others.iter().map(|request| request.spec.signer_name.as_str()).collect();
        signers.sort_unstable();
        signers.dedup();
        let what = format!("{} of other signers wait for approval: {}", others.len(), signers.join(", "));
        let object = if others.len() == 1 { first.metadata.name.as_str() } else { "" };
        checks.push(Check::new(Part::Requests, object, Verdict::OthersPending, what));
    }
    or_fine(checks, Part::Requests, || "no kubelet waits for a certificate".to_owned())
}

enum State<'a> {
    Pending,
    /// And since when, without a certificate yet.
    Approved(Option<Timestamp>),
    Failed(&'a str),
    Decided,
}

fn state(request: &SigningRequest) -> State<'_> {
    let status = &request.status;
    let of = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
    if !status.certificate.is_empty() || of("Denied").is_some() {
        return State::Decided;
    }
    match (of("Failed"), of("Approved")) {
        (Some(failed), _) => State::Failed(&failed.message),
        (None, Some(approved)) => {
            State::Approved(approved.last_update_time.or(request.metadata.creation_timestamp))
        }
        (None, None) => State::Pending,
    }
}

fn is_of_kubelet(request: &SigningRequest) -> bool {
    [SERVING, CLIENT].contains(&request.spec.signer_name.as_str())
}

fn not_issued(request: &SigningRequest, since: Option<Timestamp>, now: Timestamp) -> Option<Check> {
    let since = since?;
    let (name, signer) = (&request.metadata.name, &request.spec.signer_name);
    if !signer.starts_with(OWN) || now.duration_since(since) < SIGNED_WITHIN {
        return None;
    }
    let what = format!("approved {since} and not issued ({signer}): the controller-manager doesn't sign");
    Some(Check::new(Part::Requests, name, Verdict::NotIssued, what).hint(
        "does kube-controller-manager run, and are --cluster-signing-cert-file and --cluster-signing-key-file the cluster's CA? kuberescue diagnose on a control-plane node",
    ))
}

fn failed(request: &SigningRequest, why: &str) -> Check {
    let what = format!("the signer {} refused it: {why}", request.spec.signer_name);
    Check::new(Part::Requests, &request.metadata.name, Verdict::NotIssued, what)
        .hint("its sender asks again by itself; the controller-manager's log says more")
}

fn pending(request: &SigningRequest, older: usize) -> Check {
    let (name, node) = (&request.metadata.name, node_of(request));
    let kind = if request.spec.signer_name == SERVING { "serving" } else { "client" };
    let older =
        if older > 0 { format!(" (and {older} older ones, which nobody waits for)") } else { String::new() };
    let asked = request.metadata.creation_timestamp.map(|at| format!(" since {at}")).unwrap_or_default();
    let what = format!(
        "{node}'s kubelet waits for its {kind} certificate{asked}{older}: what it asks for is its own"
    );
    Check::new(Part::Requests, name, Verdict::Pending, what)
        .on(node)
        .hint(format!("kubectl certificate approve {name}"))
}

fn suspicious(request: &SigningRequest, problems: &[String]) -> Check {
    let (name, user) = (&request.metadata.name, &request.spec.username);
    let what = format!("{user} asks {}: {}", request.spec.signer_name, problems.join("; "));
    Check::new(Part::Requests, name, Verdict::Suspicious, what).on(node_of(request)).hint(format!(
        "don't approve {name} before its sender is known; kubectl certificate deny {name} refuses it"
    ))
}

fn node_of(request: &SigningRequest) -> &str {
    request.spec.username.strip_prefix(PREFIX).unwrap_or_default()
}

/// What isn't as it should be in a kubelet's request (Kubernetes `pkg/apis/certificates/helpers.go`, and beyond that
/// whether the names are the node's).
fn problems(request: &SigningRequest, nodes: Option<&[Node]>) -> Vec<String> {
    let spec = &request.spec;
    let mut found = Vec::new();
    let serving = spec.signer_name == SERVING;
    if spec.username.starts_with("system:bootstrap:") {
        found.push(
            "it was sent with a bootstrap token, not by the node itself: is this node being joined now?"
                .into(),
        );
    } else if node_of(request).is_empty() {
        found.push("its sender is no node".to_owned());
    }
    let allowed =
        ["digital signature", "key encipherment", if serving { "server auth" } else { "client auth" }];
    if let Some(usage) = spec.usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        found.push(format!("it is to be good for \"{usage}\""));
    }
    let asked = match Request::from_base64_pem(&spec.request) {
        Ok(asked) => asked,
        Err(error) => {
            found.push(error.to_string());
            return found;
        }
    };
    if !asked.is_signed {
        found.push("it is not signed with the key that it is for".to_owned());
    }
    if asked.common_names != [spec.username.as_str()] {
        found.push(format!("it asks for the name \"{}\" (CN)", asked.common_names.join(", ")));
    }
    if asked.organizations != ["system:nodes"] || asked.subject_parts != 2 {
        found.push(format!("its subject is \"{}\", and not a node's O=system:nodes, CN=…", asked.subject));
    }
    if asked.wants_authority {
        found.push("it asks for a CA certificate".to_owned());
    }
    found.extend(asked.other_names.iter().map(|name| format!("it asks for {name}")));
    found.extend(names(&asked, serving, node_of(request), nodes));
    found
}

/// What isn't as it should be in the names that a request asks for.
fn names(asked: &Request, serving: bool, name: &str, nodes: Option<&[Node]>) -> Vec<String> {
    let any = !asked.dns_names.is_empty() || !asked.addresses.is_empty();
    if !serving {
        return any
            .then(|| "a client needs no names or addresses, and it asks for some".to_owned())
            .into_iter()
            .collect();
    }
    let Some(nodes) = nodes else {
        return vec!["the nodes could not be listed, so nobody knows whether its names are right".to_owned()];
    };
    let Some(node) = nodes.iter().find(|node| node.metadata.name == name) else {
        return vec![format!("there is no node \"{name}\" to compare its names with")];
    };
    if !any {
        return vec!["it asks for no name and no address".to_owned()];
    }
    let known = |kind: &str, shown: &str| {
        let addresses = node.status.addresses.iter().filter(|address| address.kind.ends_with(kind));
        addresses.into_iter().any(|address| address.address == shown)
    };
    let is_address = |wanted: &IpAddr| {
        let addresses = node.status.addresses.iter().filter(|address| address.kind.ends_with("IP"));
        addresses.filter_map(|address| address.address.parse::<IpAddr>().ok()).any(|own| own == *wanted)
    };
    let dns = asked.dns_names.iter().filter(|wanted| !known("DNS", wanted) && !known("Hostname", wanted));
    let addresses = asked.addresses.iter().filter(|wanted| !is_address(wanted));
    dns.map(|wanted| format!("{name} is not known by the name {wanted}"))
        .chain(addresses.map(|wanted| format!("{name} doesn't have the address {wanted}")))
        .collect()
}
