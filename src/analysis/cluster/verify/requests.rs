//! Certificate signing requests. A kubelet's request is approved by hand if no approver runs, and approving a
//! forged one gives an identity away: so each is decoded and compared with its node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::objects::or_ok;
use super::{Check, Part, Verdict, is_recent};
use crate::formats::objects::cluster::{Node, SigningRequest};
use crate::formats::request::Request;
use crate::state::text::count;
use crate::state::time::minute;
use crate::state::{Code, Severity};

/// The signer of the kubelets' serving certificates.
const SERVING: &str = "kubernetes.io/kubelet-serving";
/// The signer of the kubelets' client certificates.
const CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// Prefix of the signers that the controller-manager implements itself.
const OWN: &str = "kubernetes.io/";

/// How long signing may take after the approval: it usually takes a second.
const SIGNED_WITHIN: SignedDuration = SignedDuration::from_mins(2);

const PREFIX: &str = "system:node:";

/// Checks of requests: pending ones of kubelets (the newest of each node), approved ones that were not
/// issued, and the number of other pending ones. `nodes` is `None` if they could not be listed.
pub fn requests(requests: &[SigningRequest], nodes: Option<&[Node]>, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut others: Vec<&SigningRequest> = Vec::new();
    // By signer and user: a kubelet sends a new request every 15 minutes and waits only for the newest.
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
            // kube-controller-manager approves those for client certificates by itself.
            let is_client = newest.spec.signer_name == CLIENT;
            let recent = is_client && is_recent(newest.metadata.creation_timestamp, now);
            checks.push(pending(newest, good.len() - 1).recent(recent));
        }
    }
    if let Some(first) = others.first() {
        let mut signers: Vec<_> = others.iter().map(|request| request.spec.signer_name.as_str()).collect();
        signers.sort_unstable();
        signers.dedup();
        let number = count(others.len(), "request");
        let what = format!("{number} for other signers pending: {}", signers.join(", "));
        let object = if others.len() == 1 { first.metadata.name.as_str() } else { "" };
        checks.push(Check::new(
            Part::Requests,
            object,
            Verdict::Found(Severity::Note, Code::CsrPending),
            what,
        ));
    }
    or_ok(checks, Part::Requests, || "no pending requests of kubelets".to_owned())
}

enum State<'a> {
    Pending,
    /// Since when, without a certificate yet.
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
    let what = format!(
        "approved at {}, no certificate issued: kube-controller-manager does not sign ({signer})",
        minute(since)
    );
    let check = Check::new(Part::Requests, name, Verdict::Found(Severity::Warning, Code::CsrNotIssued), what);
    Some(check.hint("on a control-plane node: sudo kuberescue diagnose"))
}

fn failed(request: &SigningRequest, why: &str) -> Check {
    let what = format!("refused by signer {}: {why}", request.spec.signer_name);
    let verdict = Verdict::Found(Severity::Warning, Code::CsrNotIssued);
    Check::new(Part::Requests, &request.metadata.name, verdict, what)
        .hint("kubectl -n kube-system logs -l component=kube-controller-manager")
}

fn pending(request: &SigningRequest, older: usize) -> Check {
    let (name, node) = (&request.metadata.name, node_of(request));
    let kind = if request.spec.signer_name == SERVING { "serving" } else { "client" };
    let older = match older {
        0 => String::new(),
        1 => " (and 1 older request, superseded)".to_owned(),
        _ => format!(" (and {older} older requests, superseded)"),
    };
    let asked = request.metadata.creation_timestamp.map(|at| format!(" since {}", minute(at)));
    let what = format!(
        "the kubelet of {node} waits for its {kind} certificate{}{older}; names and usages are those of the node",
        asked.unwrap_or_default()
    );
    Check::new(Part::Requests, name, Verdict::Found(Severity::Warning, Code::CsrPending), what)
        .on(node)
        .hint(format!("kubectl certificate approve {name}"))
}

fn suspicious(request: &SigningRequest, problems: &[String]) -> Check {
    let (name, user) = (&request.metadata.name, &request.spec.username);
    let what = format!("request of {user} to {}: {}", request.spec.signer_name, problems.join("; "));
    let check =
        Check::new(Part::Requests, name, Verdict::Found(Severity::Warning, Code::CsrSuspicious), what);
    check
        .on(node_of(request))
        .hint(format!("do not approve before the sender is known: kubectl get csr {name} -o yaml"))
}

fn node_of(request: &SigningRequest) -> &str {
    request.spec.username.strip_prefix(PREFIX).unwrap_or_default()
}

/// What is wrong with a kubelet's request, according to Kubernetes `pkg/apis/certificates/helpers.go` and the
/// names and addresses of its node.
fn problems(request: &SigningRequest, nodes: Option<&[Node]>) -> Vec<String> {
    let spec = &request.spec;
    let mut found = Vec::new();
    let serving = spec.signer_name == SERVING;
    if spec.username.starts_with("system:bootstrap:") {
        found.push(
            "sent with a bootstrap token, not by the node itself (a node that is being joined does that)"
                .into(),
        );
    } else if node_of(request).is_empty() {
        found.push("the sender is not a node".to_owned());
    }
    let allowed =
        ["digital signature", "key encipherment", if serving { "server auth" } else { "client auth" }];
    if let Some(usage) = spec.usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        found.push(format!("unexpected usage \"{usage}\""));
    }
    let asked = match Request::from_base64_pem(&spec.request) {
        Ok(asked) => asked,
        Err(error) => {
            found.push(error.to_string());
            return found;
        }
    };
    if !asked.is_signed {
        found.push("not signed with its own key".to_owned());
    }
    if asked.common_names != [spec.username.as_str()] {
        found.push(format!("CN is \"{}\"", asked.common_names.join(", ")));
    }
    if asked.organizations != ["system:nodes"] || asked.subject_parts != 2 {
        found
            .push(format!("subject is \"{}\", expected O=system:nodes, CN={}", asked.subject, spec.username));
    }
    if asked.wants_authority {
        found.push("requests a CA certificate".to_owned());
    }
    found.extend(asked.other_names.iter().map(|name| format!("requests {name}")));
    found.extend(names(&asked, serving, node_of(request), nodes));
    found
}

/// What is wrong with the names and addresses of a request.
fn names(asked: &Request, serving: bool, name: &str, nodes: Option<&[Node]>) -> Vec<String> {
    let any = !asked.dns_names.is_empty() || !asked.addresses.is_empty();
    if !serving {
        return any.then(|| "a client certificate with names or addresses".to_owned()).into_iter().collect();
    }
    let Some(nodes) = nodes else {
        return vec!["names not checked: the nodes could not be listed".to_owned()];
    };
    let Some(node) = nodes.iter().find(|node| node.metadata.name == name) else {
        return vec![format!("names not checked: no node \"{name}\"")];
    };
    if !any {
        return vec!["no name and no address".to_owned()];
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
    dns.map(|wanted| format!("{name} does not have the name {wanted}"))
        .chain(addresses.map(|wanted| format!("{name} does not have the address {wanted}")))
        .collect()
}
