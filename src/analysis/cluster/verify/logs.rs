//! What the containers of the control plane log about certificates since they were started, and what it means when
//! their logs can't be had: the API server reads them from the kubelets.

use jiff::{SignedDuration, Timestamp};
use memchr::memmem;
use serde::Serialize;

use super::{Check, Part, Verdict};
use crate::formats::log::{self, Matcher, Nature};
use crate::formats::objects::cluster::{CONTROL_PLANE, Node, ROLE};
use crate::formats::objects::pods::{Pod, State};
use crate::state::Code;

/// The static pods of a control plane, by their label `component`.
const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// What kubelets mark the image of a static pod with.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// How long after a start others may still have old certificates, because they are restarted one after the other.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// Lines of TLS that are no matter of certificates: something else than TLS was spoken, or too old a version of it.
const HARMLESS: [&[u8]; 5] = [
    b"first record does not look like a TLS handshake",
    b"client offered only unsupported versions",
    b"client sent an HTTP request to an HTTPS server",
    b"no cipher suite supported by both client and server",
    b"unsupported SSLv2 handshake",
];

/// A container of the control plane whose log is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its pod.
    pub pod: String,
    /// Its own name.
    pub container: String,
    /// Its node.
    pub node: String,
    /// When it was started, the last time.
    pub started: Option<Timestamp>,
}

/// The lines of a log that tell of refused certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    /// When the first was written.
    pub first: Option<Timestamp>,
    /// When the last was written.
    pub last: Option<Timestamp>,
    /// How many.
    pub count: usize,
    /// The last one.
    pub text: String,
    /// Codes of the known lines that they are, each once.
    pub codes: Vec<Code>,
}

/// The containers of the control plane, and what of it is missing: a control-plane node has all static pods, only
/// etcd may be elsewhere.
pub fn control_plane(pods: &[Pod], nodes: &[Node]) -> (Vec<Component>, Vec<Check>) {
    let label = |pod: &Pod, name: &str| pod.metadata.labels.get(name).cloned().unwrap_or_default();
    let is_static = |pod: &&Pod| {
        pod.metadata.annotations.contains_key(MIRROR)
            && pod.metadata.namespace == "kube-system"
            && label(pod, "tier") == "control-plane"
    };
    let mut components: Vec<Component> = Vec::new();
    for pod in pods.iter().filter(is_static) {
        let name = label(pod, "component");
        if COMPONENTS.contains(&name.as_str()) {
            let status = pod.status.container_statuses.iter().find(|container| container.name == name);
            let started =
                status.and_then(|status| started(&status.state).or_else(|| started(&status.last_state)));
            let (pod, node) = (pod.metadata.name.clone(), pod.spec.node_name.clone());
            components.push(Component { pod, container: name, node, started });
        }
    }
    let mut missing = Vec::new();
    // A cluster without any is another's affair (a hosted control plane).
    let is_member = |node: &&Node| {
        CONTROL_PLANE.iter().any(|role| node.metadata.labels.contains_key(&format!("{ROLE}{role}")))
    };
    for node in nodes.iter().filter(is_member).filter(|_| !components.is_empty()) {
        let name = &node.metadata.name;
        for component in COMPONENTS.iter().filter(|component| **component != "etcd") {
            let there = components.iter().any(|found| found.container == *component && found.node == *name);
            if !there {
                let what = "the kubelet of this control-plane node shows no such static pod";
                let check =
                    Check::new(Part::Logs, format!("kube-system/{component}-{name}"), Verdict::Missing, what);
                missing
                    .push(check.on(name).hint(format!("on {name}: kuberescue probe, kuberescue diagnose")));
            }
        }
    }
    (components, missing)
}

fn started(state: &State) -> Option<Timestamp> {
    let running = state.running.as_ref().and_then(|running| running.started_at);
    running.or_else(|| state.terminated.as_ref()?.started_at)
}

/// What a log tells. Its lines begin with their times, as the API gives them with `timestamps=true`. `whole` is whether
/// all of it was read.
pub fn read_log(component: &Component, log: &[u8], whole: bool, matcher: &Matcher, now: Timestamp) -> Check {
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
    let cut = if whole { "" } else { " (only a part of it was read)" };
    let since = component.started.map(|at| format!(" since its start {at}")).unwrap_or_default();
    let Some(found) = lines else {
        return of(component, Verdict::Ok, format!("no TLS errors{since}{cut}"));
    };
    let span = match (found.first, found.last) {
        (Some(first), Some(last)) if found.count > 1 => format!("{first} to {last}"),
        (_, Some(at)) | (Some(at), None) => at.to_string(),
        (None, None) => "no times".to_owned(),
    };
    let how_many = if found.count == 1 { "1 line".to_owned() } else { format!("{} lines", found.count) };
    let ended = component.started.zip(found.last);
    let early = ended.is_some_and(|(started, last)| last.duration_since(started) <= SETTLING);
    let over = ended.is_some_and(|(_, last)| now.duration_since(last) > SETTLING);
    let mut check = match (early && whole, over) {
        (true, true) => {
            let what =
                format!("{how_many} while others were still being restarted, none since ({span}): {meaning}");
            of(component, Verdict::TlsErrorsAtStart, what)
        }
        (true, false) => {
            let what = format!("{how_many}, {span}, maybe only while others were being restarted: {meaning}");
            of(component, Verdict::TlsErrors, what)
                .hint("look again in two minutes: kuberescue verify cluster")
        }
        _ => of(component, Verdict::TlsErrors, format!("{how_many}, {span}{cut}: {meaning}"))
            .hint(hint(component)),
    };
    check.lines = Some(found);
    check
}

/// How much of a line is kept, in bytes.
const LONGEST: usize = 500;

fn hint(component: &Component) -> String {
    format!(
        "who is refused stands in kubectl -n kube-system logs {} -c {}; kuberescue probe on {} shows which certificate each component serves, kuberescue restart restarts what runs with an old one",
        component.pod, component.container, component.node
    )
}

fn of(component: &Component, verdict: Verdict, what: String) -> Check {
    Check::new(Part::Logs, format!("kube-system/{}", component.pod), verdict, what).on(&component.node)
}

/// What it means that a log wasn't given, although the API server answers: it passes on what the kubelet said, or what
/// happened on the way there.
pub fn log_refused(component: &Component, status: u16, message: &str) -> Check {
    let node = &component.node;
    let has = |text: &str| message.contains(text);
    let (verdict, what, hint) = if has("remote error: tls: ") || status == 401 {
        let what = "the kubelet refuses the API server's client certificate (apiserver-kubelet-client)";
        (
            Verdict::LogRefused,
            what,
            "kuberescue certs check-expiration on a control-plane node: apiserver-kubelet-client; then kuberescue restart kube-apiserver, which reads it only when it starts"
                .to_owned(),
        )
    } else if has("x509: ") {
        let what = "the API server refuses the kubelet's serving certificate";
        (
            Verdict::LogRefused,
            what,
            format!(
                "on {node}: /var/lib/kubelet/pki/kubelet-server-current.pem or kubelet.crt; pending requests of signer kubernetes.io/kubelet-serving have to be approved"
            ),
        )
    } else if status == 403 && has("nodes") && has("proxy") {
        let what =
            "the kubelet doesn't allow it to the API server's client certificate (apiserver-kubelet-client)";
        let hint = "its subject, and the cluster role binding kubeadm:cluster-admins or group system:masters, give it that right";
        (Verdict::LogRefused, what, hint.to_owned())
    } else if status == 404 || status == 400 {
        (Verdict::NoLog, "there is no log of it now", String::new())
    } else if status == 403 {
        (Verdict::NotAsked, "this user may not read it", "take the cluster's admin.conf".to_owned())
    } else {
        let what = "the API server doesn't get it from the kubelet";
        (
            Verdict::LogRefused,
            what,
            format!("on {node}: does the kubelet run, and is its port 10250 open to the API servers?"),
        )
    };
    let check = of(component, verdict, format!("{what}: {status}: {message}"));
    if hint.is_empty() { check } else { check.hint(hint) }
}
