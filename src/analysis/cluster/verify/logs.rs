//! Certificate errors in the logs of the control plane's containers since they were started, and what it
//! means when a log cannot be read: the API server reads them from the kubelets.

use jiff::{SignedDuration, Timestamp};
use memchr::memmem;
use serde::Serialize;

use super::{Check, Part, Verdict};
use crate::formats::log::{self, Matcher, Nature};
use crate::formats::objects::cluster::{CONTROL_PLANE, Node, ROLE};
use crate::formats::objects::pods::{Pod, State};
use crate::state::text::count;
use crate::state::time::minute;
use crate::state::{Code, Component, Severity};

/// The annotation of the mirror pod of a static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// For this long after its start a component may be rejected by others that still use old certificates: they
/// are restarted one after the other.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// TLS errors that certificates do not cause: a peer that does not speak TLS, or an old version of it.
const HARMLESS: [&[u8]; 5] = [
    b"first record does not look like a TLS handshake",
    b"client offered only unsupported versions",
    b"client sent an HTTP request to an HTTPS server",
    b"no cipher suite supported by both client and server",
    b"unsupported SSLv2 handshake",
];

/// A container of the control plane whose log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLog {
    pub pod: String,
    pub container: Component,
    pub node: String,
    /// The last start.
    pub started: Option<Timestamp>,
}

/// The lines of a log about rejected certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub count: usize,
    /// The last one.
    pub text: String,
    /// Codes of these lines, each once.
    pub codes: Vec<Code>,
}

/// The containers of the control plane, and a check for each missing static pod: a control-plane node has all
/// of them, only etcd may be external.
pub fn control_plane(pods: &[Pod], nodes: &[Node]) -> (Vec<ContainerLog>, Vec<Check>) {
    let label = |pod: &Pod, name: &str| pod.metadata.labels.get(name).cloned().unwrap_or_default();
    let is_static = |pod: &&Pod| {
        pod.metadata.annotations.contains_key(MIRROR)
            && pod.metadata.namespace == "kube-system"
            && label(pod, "tier") == "control-plane"
    };
    let mut components: Vec<ContainerLog> = Vec::new();
    for pod in pods.iter().filter(is_static) {
        if let Some(component) = Component::static_pod(&label(pod, "component")) {
            let mut statuses = pod.status.container_statuses.iter();
            let status = statuses.find(|container| container.name == component.name());
            let started =
                status.and_then(|status| started(&status.state).or_else(|| started(&status.last_state)));
            let (pod, node) = (pod.metadata.name.clone(), pod.spec.node_name.clone());
            components.push(ContainerLog { pod, container: component, node, started });
        }
    }
    let mut missing = Vec::new();
    // A cluster without such nodes has a hosted control plane.
    let is_member = |node: &&Node| {
        CONTROL_PLANE.iter().any(|role| node.metadata.labels.contains_key(&format!("{ROLE}{role}")))
    };
    for node in nodes.iter().filter(is_member).filter(|_| !components.is_empty()) {
        let name = &node.metadata.name;
        for component in Component::STATIC_PODS.into_iter().filter(|it| *it != Component::Etcd) {
            let there = components.iter().any(|found| found.container == component && found.node == *name);
            if !there {
                let what = "no such static pod on this control-plane node";
                let verdict = Verdict::Found(Severity::Blocker, Code::StaticPodMissing);
                let check = Check::new(Part::Logs, format!("kube-system/{component}-{name}"), verdict, what);
                // The kubelet makes the pod's image in the API some time after its container.
                let check = check.recent(true);
                missing.push(check.on(name).hint(format!("on {name}: sudo kuberescue diagnose")));
            }
        }
    }
    (components, missing)
}

fn started(state: &State) -> Option<Timestamp> {
    let running = state.running.as_ref().and_then(|running| running.started_at);
    running.or_else(|| state.terminated.as_ref()?.started_at)
}

/// The errors in a log. Its lines begin with their times, as the API returns them with `timestamps=true`.
/// `whole` is whether all of it was read.
pub fn read_log(
    component: &ContainerLog,
    log: &[u8],
    whole: bool,
    matcher: &Matcher,
    now: Timestamp,
) -> Check {
    let mut lines: Option<Lines> = None;
    let mut meaning = "";
    for line in log.split(|byte| *byte == b'\n') {
        let Some(known) = matcher.classify(line).filter(|known| known.nature == Nature::Tls) else {
            continue;
        };
        if HARMLESS.iter().any(|text| memmem::find(line, text).is_some()) {
            continue;
        }
        let at = log::head(line).stamp.and_then(log::Stamp::absolute);
        let found = lines.get_or_insert_with(|| Lines {
            first: at,
            last: None,
            count: 0,
            text: String::new(),
            codes: Vec::new(),
        });
        found.count += 1;
        found.last = at.or(found.last);
        found.text = String::from_utf8_lossy(line.get(..LONGEST).unwrap_or(line)).into_owned();
        if !found.codes.contains(&known.code) {
            found.codes.push(known.code);
        }
        meaning = known.code.page().title;
    }
    let cut = if whole { "" } else { " (only its end was read)" };
    let since = component.started.map(|at| format!(" since its start at {}", minute(at))).unwrap_or_default();
    let Some(found) = lines else {
        return of(component, Verdict::Ok, format!("no TLS errors{since}{cut}"));
    };
    let span = match (found.first, found.last) {
        (Some(first), Some(last)) if found.count > 1 => format!("{} to {}", minute(first), minute(last)),
        (_, Some(at)) | (Some(at), None) => minute(at),
        (None, None) => "without times".to_owned(),
    };
    let how_many = count(found.count, "line");
    let times = component.started.zip(found.last);
    let early = times.is_some_and(|(started, last)| last.duration_since(started) <= SETTLING);
    let over = times.is_some_and(|(_, last)| now.duration_since(last) > SETTLING);
    let mut check = match (early && whole, over) {
        (true, true) => {
            let what = format!(
                "{how_many} while other components were being restarted ({span}), none since: {meaning}"
            );
            of(component, Verdict::Found(Severity::Note, Code::TlsErrors), what)
        }
        (true, false) => {
            let what = format!(
                "{how_many}, {span}, possibly only while other components were being restarted: {meaning}"
            );
            of(component, Verdict::Found(Severity::Warning, Code::TlsErrors), what)
                .hint("check again in two minutes: kuberescue verify cluster")
        }
        _ => {
            let what = format!("{how_many}, {span}{cut}: {meaning}");
            let (pod, container) = (&component.pod, &component.container);
            of(component, Verdict::Found(Severity::Warning, Code::TlsErrors), what)
                .hint(format!("kubectl -n kube-system logs {pod} -c {container} names the rejected client"))
        }
    };
    check.lines = Some(found);
    check
}

/// How many bytes of a line are kept.
const LONGEST: usize = 500;

fn of(component: &ContainerLog, verdict: Verdict, what: String) -> Check {
    Check::new(Part::Logs, format!("kube-system/{}", component.pod), verdict, what).on(&component.node)
}

/// The check for a log that the API server did not return: it passes on the kubelet's error, or its own
/// connection error.
pub fn log_refused(component: &ContainerLog, status: u16, message: &str) -> Check {
    let node = &component.node;
    let has = |text: &str| message.contains(text);
    let refused = Verdict::Found(Severity::Warning, Code::LogRefused);
    let (verdict, what, hint) = if has("remote error: tls: ") || status == 401 {
        let what = "the kubelet rejects the API server's client certificate (apiserver-kubelet-client)";
        (refused, what, "on a control-plane node: sudo kuberescue certs check-expiration".to_owned())
    } else if has("x509: ") {
        let what = "the API server rejects the kubelet's serving certificate";
        (refused, what, format!("on {node}: sudo kuberescue diagnose"))
    } else if status == 403 && has("nodes") && has("proxy") {
        let what = "the kubelet forbids it to the API server's client certificate (apiserver-kubelet-client)";
        let hint = "kubectl get clusterrolebinding kubeadm:cluster-admins -o yaml";
        (refused, what, hint.to_owned())
    } else if status == 404 || status == 400 {
        (Verdict::NoLog, "no log at the moment", String::new())
    } else if status == 403 {
        let verdict = Verdict::Found(Severity::Warning, Code::NotAsked);
        (
            verdict,
            "permission denied",
            "kuberescue verify cluster --kubeconfig /etc/kubernetes/admin.conf".to_owned(),
        )
    } else {
        let what = "the API server cannot connect to the kubelet";
        (refused, what, format!("on {node}: sudo kuberescue probe"))
    };
    let check = of(component, verdict, format!("{what}: {status}: {message}"));
    if hint.is_empty() { check } else { check.hint(hint) }
}
