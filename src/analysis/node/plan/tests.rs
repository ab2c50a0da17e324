//! The plans of whole nodes: what is issued, left, refused, restarted and repaired.

mod authorities;
mod configured;
mod edges;
mod options;
mod replacing;
mod signing;
mod store;

use super::*;
use crate::analysis::node::findings::{Finding, MissingName, Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::tree::tree;
use crate::formats::pem;
use crate::state::{Attributes, Component, Content, Entry, Severity, Snapshot};

const PKI: &str = "/etc/kubernetes/pki";

/// A file is edited by the last rule whose end its path has: `None` removes it.
type Edit<'a> = (&'a str, &'a dyn Fn(String) -> Option<String>);

fn gone(_: String) -> Option<String> {
    None
}

fn node(name: &str, edits: &[Edit<'_>]) -> (Snapshot, Inventory) {
    let snapshot = tree(name, |path, text| match edits.iter().rev().find(|(end, _)| path.ends_with(end)) {
        Some((_, edit)) => edit(text),
        None => Some(text),
    });
    let inventory = Inventory::read(&snapshot, None);
    (snapshot, inventory)
}

fn plan(name: &str, edits: &[Edit<'_>], options: &Options, at: &str) -> (Plan, Inventory) {
    let (snapshot, inventory) = node(name, edits);
    let around = HostState { time_is_the_clocks: true, ..HostState::default() };
    let now = at.parse().unwrap();
    let found = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
    (decide(&snapshot, &inventory, &found, options, now), inventory)
}

/// What counts of a plan, a line for each kind of thing.
fn told(plan: &Plan) -> String {
    let list = |what: &str, items: Vec<String>| match items.is_empty() {
        true => String::new(),
        false => format!("{what}: {}\n", items.join("; ")),
    };
    let restart = |task: &RestartTask| match &task.reason {
        RestartReason::CredentialsChanged { files } => format!("{} {}", task.component.name(), files.len()),
        other => format!("{} {other:?}", task.component.name()),
    };
    let blocker = |blocker: &Blocker| format!("{} {}", blocker.code, blocker.subject);
    let left = |action: ManualAction<'_>| match action {
        ManualAction::Skipped(skipped) => skipped.name.clone(),
        ManualAction::OtherContext { step, context, .. } => format!("{} context {context}", step.name),
        ManualAction::EtcdElsewhere(step) => format!("{} etcd elsewhere", step.name),
    };
    let first = |text: &str| text.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
    let refusal = |refusal: &Refusal| format!("{}, {}", refusal.code, first(&refusal.hint));
    [
        list("issues", plan.steps.iter().map(|step| step.name.clone()).collect()),
        list("skips", plan.skipped.iter().map(|skipped| skipped.name.clone()).collect()),
        list("refuses", plan.refusals.iter().map(refusal).collect()),
        list("restarts", plan.restarts.tasks.iter().map(restart).collect()),
        list("others", plan.restarts.other_pods.clone()),
        list("repairs", plan.repair.repaired.iter().map(blocker).collect()),
        list("remain", plan.repair.remaining.iter().map(blocker).collect()),
        list("if", plan.repair.conditions.iter().map(|condition| format!("{condition:?}")).collect()),
        list("left", plan.manual_actions().into_iter().map(left).collect()),
        format!("{:?}", plan.repair.outlook()),
    ]
    .concat()
}

const VALID: &str = "2026-11-24T00:00:00Z";
const EXPIRED: &str = "2028-01-01T00:00:00Z";

fn one(name: &str) -> Options {
    let spec = crate::state::catalog::cert_spec(name).unwrap();
    Options { selection: Selection::One(spec), whole_node: false, ..Options::recovery() }
}

fn recovered(name: &str, edits: &[Edit<'_>], at: &str) -> String {
    let (plan, _) = plan(name, edits, &Options::recovery(), at);
    told(&plan)
}

#[test]
fn a_node_whose_certificates_have_expired() {
    insta::assert_snapshot!(recovered("ecdsa-p256", &[], EXPIRED), @"
    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    restarts: kubelet 2; etcd 2; kube-apiserver 4; kube-controller-manager 1; kube-scheduler 1
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    Repairable
    ");
}

#[test]
fn what_is_restarted_reads_what_is_issued() {
    let restarts = |name: &str| {
        let (plan, _) = plan("ecdsa-p256", &[], &one(name), VALID);
        let of = |task: &RestartTask| match &task.reason {
            RestartReason::CredentialsChanged { files } => format!("{} {files:?}", task.component.name()),
            other => format!("{other:?}"),
        };
        format!("{name}: [{}]", plan.restarts.tasks.iter().map(of).collect::<Vec<_>>().join(", "))
    };
    let names = [
        "apiserver",
        "apiserver-etcd-client",
        "etcd-server",
        "etcd-healthcheck-client",
        "scheduler.conf",
        "admin.conf",
    ];
    insta::assert_snapshot!(names.map(restarts).join("\n"), @r#"
    apiserver: [kube-apiserver ["/etc/kubernetes/pki/apiserver.crt"]]
    apiserver-etcd-client: [kube-apiserver ["/etc/kubernetes/pki/apiserver-etcd-client.crt"]]
    etcd-server: [etcd ["/etc/kubernetes/pki/etcd/server.crt"]]
    etcd-healthcheck-client: []
    scheduler.conf: [kube-scheduler ["/etc/kubernetes/scheduler.conf"]]
    admin.conf: []
    "#);
}

#[test]
fn other_pods_come_last_and_those_of_another_namespace_are_only_named() {
    let elsewhere = |text: String| {
        Some(
            text.replace("name: kube-scheduler\n", "name: a-proxy\n")
                .replace("namespace: kube-system", "namespace: infra"),
        )
    };
    let edits: [Edit<'_>; 1] = [("kube-scheduler.yaml", &elsewhere)];
    let (there, _) = plan("ecdsa-p256", &edits, &Options::recovery(), EXPIRED);
    assert!(!there.restarts.has(Component::other("a-proxy")), "{:?}", there.restarts);
    assert_eq!(there.restarts.other_pods, ["a-proxy"]);

    let pod = |text: String| Some(text.replace("name: kube-scheduler\n", "name: a-proxy\n"));
    let edits: [Edit<'_>; 1] = [("kube-scheduler.yaml", &pod)];
    let (plan, inventory) = plan("ecdsa-p256", &edits, &Options::recovery(), EXPIRED);
    assert_eq!(
        plan.restarts.names(),
        ["kubelet", "etcd", "kube-apiserver", "kube-controller-manager", "a-proxy"]
    );
    assert!(plan.restarts.has(Component::other("a-proxy")) && plan.restarts.other_pods.is_empty());
    assert!(!plan.restarts.is_empty() && Restarts::default().is_empty());
    let reading = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| format!("{PKI}/{path}").into()).collect();
        super::restarts::reading(&inventory, &Snapshot::default(), &paths).names().join(" ")
    };
    let found = ["apiserver.crt", "apiserver.key", "etcd/peer.key", "front-proxy-client.crt", "sa.key", "no"]
        .map(|path| format!("{path}: [{}]", reading(&[path])));
    insta::assert_snapshot!(found.join("\n"), @"
    apiserver.crt: [kube-apiserver]
    apiserver.key: [kube-apiserver]
    etcd/peer.key: [etcd]
    front-proxy-client.crt: [kube-apiserver]
    sa.key: []
    no: []
    ");
}

#[test]
fn a_ca_that_cannot_sign() {
    let truncated = |text: String| Some(text[..text.len() / 2].to_owned());
    let sa = |_: String| Some(String::new());
    let other = |_: String| {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        Some(pem::encode(pem::Label::Certificate, made.der()).to_string())
    };
    let cases: [(&str, &[Edit<'_>], &str); 7] = [
        ("ecdsa-p256", &[("/pki/front-proxy-ca.crt", &other)], VALID),
        ("ecdsa-p256", &[("/pki/ca.key", &gone)], EXPIRED),
        ("ecdsa-p256", &[("/pki/ca.crt", &gone), ("/pki/ca.key", &gone)], EXPIRED),
        ("ecdsa-p256", &[("/pki/etcd/ca.key", &truncated)], EXPIRED),
        ("ecdsa-p256", &[("/pki/front-proxy-ca.crt", &sa)], EXPIRED),
        ("expired-ca", &[], VALID),
        ("external-ca", &[], EXPIRED),
    ];
    let found = cases.map(|(name, edits, at)| recovered(name, edits, at));
    insta::assert_snapshot!(found.join("\n\n"), @"
    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; scheduler.conf; super-admin.conf
    skips: front-proxy-client
    refuses: ca-key-mismatch, /etc/kubernetes/pki/front-proxy-ca.key belongs to another CA: find
    restarts: etcd 2; kube-apiserver 3; kube-controller-manager 1; kube-scheduler 1
    remain: ca-key-mismatch front-proxy-ca; wrong-authority front-proxy-client
    left: front-proxy-client
    NotRepairable

    issues: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; kubelet-serving
    skips: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-key-missing, copy /etc/kubernetes/pki/ca.key from a backup or
    restarts: kubelet 1; etcd 2; kube-apiserver 2
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired front-proxy-client
    remain: expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client
    left: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; scheduler.conf; super-admin.conf; kubelet-client
    InPart

    issues: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; kubelet-serving
    skips: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-missing, where the PKI directory is another
    restarts: kubelet 1; etcd 2; kube-apiserver 2
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired front-proxy-client
    remain: ca-missing ca; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client
    left: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; scheduler.conf; super-admin.conf; kubelet-client
    InPart

    issues: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    skips: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server
    refuses: ca-key-unreadable, repair /etc/kubernetes/pki/etcd/ca.crt and /etc/kubernetes/pki/etcd/ca.key from a
    restarts: kubelet 2; kube-apiserver 3; kube-controller-manager 1; kube-scheduler 1
    repairs: expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    remain: ca-key-unreadable etcd-ca; expired etcd-server; expired etcd-peer; expired apiserver-etcd-client
    left: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server
    InPart

    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    skips: front-proxy-client
    refuses: ca-unreadable, repair /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key from a
    restarts: kubelet 2; etcd 2; kube-apiserver 3; kube-controller-manager 1; kube-scheduler 1
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client
    remain: ca-unreadable front-proxy-ca; expired front-proxy-client
    left: front-proxy-client
    InPart

    issues: kubelet-serving
    skips: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-expired, sudo kuberescue recover --renew-cas renews it; ca-expired, sudo kuberescue recover --renew-cas renews it; ca-expired, sudo kuberescue recover --renew-cas renews it
    restarts: kubelet 1
    remain: ca-expired etcd-ca; expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; ca-expired ca; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; ca-expired front-proxy-ca; expired front-proxy-client
    left: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    NotRepairable

    issues: kubelet-serving
    skips: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-key-missing, copy /etc/kubernetes/pki/ca.key from a backup or; ca-key-missing, copy /etc/kubernetes/pki/etcd/ca.key from a backup or; ca-key-missing, copy /etc/kubernetes/pki/front-proxy-ca.key from a backup or
    restarts: kubelet 1
    remain: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    left: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    NotRepairable
    ");
}

#[test]
fn without_the_rest_where_one_ca_cannot_sign() {
    let options = Options { partial: true, ..Options::recovery() };
    let edits: [Edit<'_>; 1] = [("/pki/etcd/ca.key", &gone)];
    let all: [Edit<'_>; 3] =
        [("/pki/ca.key", &gone), ("/pki/etcd/ca.key", &gone), ("/pki/front-proxy-ca.key", &gone)];
    let told = [&edits[..], &all].map(|edits| told(&plan("ecdsa-p256", edits, &options, EXPIRED).0));
    insta::assert_snapshot!(told.join("\n\n"), @"
    issues: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    skips: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server
    restarts: kubelet 2; kube-apiserver 3; kube-controller-manager 1; kube-scheduler 1
    repairs: expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    remain: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client
    left: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server
    InPart

    issues: kubelet-serving
    skips: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-key-missing, copy /etc/kubernetes/pki/ca.key from a backup or; ca-key-missing, copy /etc/kubernetes/pki/etcd/ca.key from a backup or; ca-key-missing, copy /etc/kubernetes/pki/front-proxy-ca.key from a backup or
    restarts: kubelet 1
    remain: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    left: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    NotRepairable
    ");
}

#[test]
fn what_new_certificates_do_not_repair() {
    let no_manifest: [Edit<'_>; 1] = [("kube-apiserver.yaml", &|_| Some("{".to_owned()))];
    let found = [
        recovered("ecdsa-p256", &no_manifest, EXPIRED),
        recovered("ecdsa-p256", &[], "2020-01-01T00:00:00Z"),
        recovered("mixed", &[], VALID),
        recovered("v120-expired", &[], EXPIRED),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @"
    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    refuses: manifest-unreadable, Compare it with an archive (kuberescue
    restarts: kubelet 2; etcd 2; kube-controller-manager 1; kube-scheduler 1
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    remain: manifest-unreadable kube-apiserver
    InPart

    issues: kubelet-serving
    skips: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    refuses: clock-behind, set the clock (date -u -s; ca-not-yet-valid, check the system clock: date -u; ca-not-yet-valid, check the system clock: date -u; ca-not-yet-valid, check the system clock: date -u
    restarts: kubelet 1
    remain: clock-behind clock; ca-not-yet-valid etcd-ca; not-yet-valid etcd-server; not-yet-valid etcd-peer; not-yet-valid apiserver-etcd-client; ca-not-yet-valid ca; not-yet-valid apiserver; not-yet-valid kubelet-client; not-yet-valid controller-manager.conf; not-yet-valid scheduler.conf; not-yet-valid apiserver-kubelet-client; ca-not-yet-valid front-proxy-ca; not-yet-valid front-proxy-client
    left: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    NotRepairable

    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf
    restarts: etcd 2; kube-apiserver 4; kube-controller-manager 1; kube-scheduler 1
    repairs: ca-replaced etcd-peer; expired controller-manager.conf; key-mismatch apiserver-kubelet-client; file-truncated front-proxy-client
    if: SameCaOnAllNodes
    Repairable

    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; kubelet-client; kubelet-serving
    restarts: kubelet 2; etcd 2; kube-apiserver 4; kube-controller-manager 1; kube-scheduler 1
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    Repairable
    ");
}

/// The manifests' images first, then what a certificate of the same cluster shows.
#[test]
fn the_version_of_the_cluster() {
    use rcgen::DnType;
    let certificate = |organization: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        pem::encode(pem::Label::Certificate, made.der()).to_string()
    };
    let mut found = Vec::new();
    for (with_images, organization) in [
        (true, "system:masters"),
        (false, "system:masters"),
        (false, "kubeadm:cluster-admins"),
        (false, "system:kubelet-api-admin"),
        (false, "x"),
    ] {
        let no_image = |text: String| match with_images {
            true => Some(text),
            false => Some(text.replace("image: ", "image: x #")),
        };
        let of = certificate(organization);
        let of = |_: String| Some(of.clone());
        let edits: [Edit<'_>; 4] = [
            (".yaml", &no_image),
            ("admin.conf", &gone),
            ("apiserver-etcd-client.crt", &gone),
            ("apiserver-kubelet-client.crt", &of),
        ];
        let (_, inventory) = plan("ecdsa-p256", &edits, &Options::recovery(), VALID);
        found.push(format!("{with_images} {organization}: {:?}", super::profile::minor_version(&inventory)));
    }
    insta::assert_snapshot!(found.join("\n"), @"
    true system:masters: Ok(36)
    false system:masters: Ok(28)
    false kubeadm:cluster-admins: Ok(29)
    false system:kubelet-api-admin: Ok(37)
    false x: Ok(29)
    ");
}

/// An etcd elsewhere has certificates of its own; a kubeconfig of several clusters keeps its current context.
#[test]
fn what_is_left_to_a_person() {
    let manifest = |text: String| {
        Some(text.replace("--etcd-servers=https://127.0.0.1:2379", "--etcd-servers=https://10.0.0.9:2379"))
    };
    let edits: [Edit<'_>; 2] = [("/manifests/etcd.yaml", &gone), ("kube-apiserver.yaml", &manifest)];
    let other = |text: String| Some(text.replace("client-certificate-data:", "client-certificate-date:"));
    let found = [
        recovered("ecdsa-p256", &edits, EXPIRED),
        recovered("ecdsa-p256", &[("scheduler.conf", &other)], EXPIRED),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @"
    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    restarts: kubelet 2; kube-apiserver 4; kube-controller-manager 1; kube-scheduler 1
    repairs: expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; expired front-proxy-client
    left: apiserver-etcd-client etcd elsewhere
    Repairable

    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; super-admin.conf; kubelet-client; kubelet-serving
    skips: scheduler.conf
    restarts: kubelet 2; etcd 2; kube-apiserver 4; kube-controller-manager 1
    repairs: expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired apiserver-kubelet-client; expired front-proxy-client
    remain: unreadable scheduler.conf
    InPart
    ");
}

fn finding(code: Code, subject: &str) -> Finding {
    Finding::new(code, Severity::Blocker, subject, "", "")
}

#[test]
fn a_copy_from_another_node_is_not_renewed() {
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let now = VALID.parse().unwrap();
    let mut found = String::new();
    for subject in ["apiserver", "kubelet-client", "scheduler.conf"] {
        for doubt in [&[][..], &[finding(Code::ClockBehind, "clock")]] {
            let findings = [doubt, &[finding(Code::NamesOfAnotherNode, subject)]].concat();
            let kubelet = Options { selection: Selection::Kubelet, whole_node: false, ..Options::recovery() };
            let all = Options { whole_node: false, ..Options::recovery() };
            for options in [all, kubelet, one("apiserver"), Options { kubelet: true, ..one("apiserver") }] {
                let plan = decide(&snapshot, &inventory, &findings, &options, now);
                let first = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
                let refused: Vec<_> = plan.refusals.iter().map(|refusal| first(&refusal.hint)).collect();
                found += &format!("{subject} {}: {refused:?}\n", findings.len());
            }
        }
    }
    insta::assert_snapshot!(found, @r#"
    apiserver 1: ["move /etc/kubernetes/pki/apiserver.crt"]
    apiserver 1: []
    apiserver 1: ["move /etc/kubernetes/pki/apiserver.crt"]
    apiserver 1: ["move /etc/kubernetes/pki/apiserver.crt"]
    apiserver 2: ["set the", "move /etc/kubernetes/pki/apiserver.crt"]
    apiserver 2: ["set the"]
    apiserver 2: ["set the", "move /etc/kubernetes/pki/apiserver.crt"]
    apiserver 2: ["set the", "move /etc/kubernetes/pki/apiserver.crt"]
    kubelet-client 1: ["move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    kubelet-client 1: ["move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    kubelet-client 1: []
    kubelet-client 1: ["move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    kubelet-client 2: ["set the", "move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    kubelet-client 2: ["set the", "move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    kubelet-client 2: ["set the"]
    kubelet-client 2: ["set the", "move /var/lib/kubelet/pki/kubelet-client-current.pem"]
    scheduler.conf 1: []
    scheduler.conf 1: []
    scheduler.conf 1: []
    scheduler.conf 1: []
    scheduler.conf 2: ["set the"]
    scheduler.conf 2: ["set the"]
    scheduler.conf 2: ["set the"]
    scheduler.conf 2: ["set the"]
    "#);
}

#[test]
fn the_kubelets_certificates_where_they_are_asked_for() {
    let of = |selection: Selection, kubelet: bool| {
        let options = Options { selection, kubelet, whole_node: false, ..Options::recovery() };
        let step = |step: &Step| format!("{} by {} in {:?}", step.name, step.authority.name(), step.target);
        let (plan, _) = plan("ecdsa-p256", &[], &options, VALID);
        plan.steps.iter().map(step).collect::<Vec<_>>().join("\n")
    };
    let apiserver = || one("apiserver").selection;
    let found = [
        of(Selection::Kubelet, false),
        of(Selection::KubeletServing, false),
        of(apiserver(), true),
        of(apiserver(), false),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @r#"
    kubelet-client by ca in KubeletPem { link: "/var/lib/kubelet/pki/kubelet-client-current.pem", file: "/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem" }

    kubelet-serving by cp-1-ca@1795478400 in Pair { certificate: "/var/lib/kubelet/pki/kubelet.crt", key: "/var/lib/kubelet/pki/kubelet.key" }

    apiserver by ca in Pair { certificate: "/etc/kubernetes/pki/apiserver.crt", key: "/etc/kubernetes/pki/apiserver.key" }
    kubelet-client by ca in KubeletPem { link: "/var/lib/kubelet/pki/kubelet-client-current.pem", file: "/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem" }
    kubelet-serving by cp-1-ca@1795478400 in Pair { certificate: "/var/lib/kubelet/pki/kubelet.crt", key: "/var/lib/kubelet/pki/kubelet.key" }

    apiserver by ca in Pair { certificate: "/etc/kubernetes/pki/apiserver.crt", key: "/etc/kubernetes/pki/apiserver.key" }
    "#);
    let (all, _) = plan("ecdsa-p256", &[], &Options { kubelet: true, ..Options::recovery() }, VALID);
    let (without, _) = plan("ecdsa-p256", &[], &Options::recovery(), VALID);
    assert_eq!((all.steps.len(), without.steps.len()), (13, 11));
}

#[test]
fn a_certificate_is_valid_as_long_as_asked_and_never_longer_than_its_ca() {
    let step = |days: u32| {
        let (plan, inventory) =
            plan("ecdsa-p256", &[], &Options { days: Some(days), ..one("apiserver") }, VALID);
        let authority = inventory.authority(Ca::Cluster).unwrap().certificate.get().unwrap().not_after;
        (plan.steps[0].new, plan.steps[0].cut_to_authority, authority)
    };
    let (dates, cut, _) = step(365);
    assert_eq!(dates.not_after.to_string(), "2027-11-24T00:00:00Z");
    assert_eq!((dates.not_before.to_string().as_str(), cut), ("2026-11-23T23:55:00Z", false));
    let (dates, cut, authority) = step(36500);
    assert_eq!((dates.not_after, cut), (authority, true));
}

fn changes_of(steps: &[Step]) -> changes::Changes<'_> {
    changes::Changes { authorities: &[], replaced: None, signing: None, steps, store: &[] }
}

#[test]
fn what_a_step_repairs() {
    let (plan, _) = plan("ecdsa-p256", &[], &Options::recovery(), EXPIRED);
    let steps = |names: &[&str]| -> Vec<Step> {
        plan.steps.iter().filter(|step| names.contains(&step.name.as_str())).cloned().collect()
    };
    let repaired = |finding: Finding, steps: &[Step]| {
        Repair::of(&[finding], &changes_of(steps), |_| false, &[]).outlook() == Outlook::Repairable
    };
    let (kubelet, scheduler) = (steps(&["kubelet-client"]), steps(&["scheduler.conf"]));
    for code in [Code::KubeletCrashLoop, Code::KubeletConfEmbedded] {
        assert!(repaired(finding(code, "kubelet"), &kubelet));
        assert!(!repaired(finding(code, "kubelet"), &scheduler));
    }
    // The CA in a kubeconfig, where it is replaced too.
    let (mut with_ca, mut without) = (scheduler.clone(), scheduler.clone());
    for (steps, is_replaced) in [(&mut with_ca, true), (&mut without, false)] {
        if let Target::Splice { authority, .. } = &mut steps[0].target {
            *authority = is_replaced;
        }
    }
    let differs = || finding(Code::EmbeddedCaDiffers, "scheduler.conf");
    assert!(repaired(differs(), &with_ca));
    assert!(!repaired(differs(), &without));
    // A usage, where it is replaced or the certificate is issued from the catalog.
    let wrong = || finding(Code::UsageWrong, "scheduler.conf");
    let (mut with_usage, mut issued) = (scheduler.clone(), scheduler.clone());
    with_usage[0].usage = Some(Usage::Client);
    issued[0].profile = Some(Profile::of_self_signed("x", Vec::new(), Vec::new(), Timestamp::UNIX_EPOCH));
    assert_eq!(
        [&scheduler, &with_usage, &issued, &kubelet].map(|steps| repaired(wrong(), steps)),
        [false, true, true, false]
    );
    // All names that are missed.
    let apiserver = steps(&["apiserver"]);
    let lacks = |names: &[&str]| {
        let missing = names.iter().map(|name| MissingName { name: (*name).into(), source: String::new() });
        Finding { missing: missing.collect(), ..finding(Code::NamesMissing, "apiserver") }
    };
    assert!(repaired(lacks(&["kubernetes"]), &apiserver));
    assert!(!repaired(lacks(&["kubernetes", "lb.example.test"]), &apiserver));
    assert!(!repaired(lacks(&["kubernetes"]), &scheduler));
    // Anything else goes with the certificate, if it is about that.
    assert!(repaired(finding(Code::Expired, "apiserver"), &apiserver));
    assert!(!repaired(finding(Code::Expired, "apiserver"), &scheduler));
    assert!(!repaired(finding(Code::ManifestUnreadable, "apiserver"), &apiserver));
    let warning = Finding { severity: Severity::Warning, ..finding(Code::Expired, "apiserver") };
    assert_eq!(
        Repair::of(&[warning], &changes_of(&apiserver), |_| false, &[]).outlook(),
        Outlook::NothingToDo
    );
}

/// What is left of a blocker has the reason why its certificate is skipped as its remedy.
#[test]
fn a_blocker_that_remains_says_why() {
    let (plan, _) = plan("ecdsa-p256", &[("/pki/ca.key", &gone)], &Options::recovery(), EXPIRED);
    let remedy = |subject: &str| {
        let mut remaining = plan.repair.remaining.iter();
        remaining.find(|blocker| blocker.subject == subject.into()).unwrap().remedy.reason.clone()
    };
    let why = "the CA ca cannot sign: its key /etc/kubernetes/pki/ca.key was not found";
    assert_eq!(remedy("apiserver"), why);
    assert_ne!(remedy("kubelet"), why);
}

#[test]
fn the_kubelet_is_restarted_where_the_ca_in_its_kubeconfig_changes() {
    let (plan, inventory) = plan("ecdsa-p256", &[], &Options::recovery(), EXPIRED);
    let restarted = |name: &str| {
        let steps: Vec<_> = plan.steps.iter().filter(|step| step.name == name).cloned().collect();
        let restarts = super::restarts::of(
            &inventory,
            &changes_of(&steps),
            Some(Path::new("/etc/kubernetes/kubelet.conf")),
        );
        let files = |task: &RestartTask| match &task.reason {
            RestartReason::CredentialsChanged { files } => {
                format!("{} {}", task.component.name(), files.len())
            }
            other => format!("{other:?}"),
        };
        restarts.tasks.iter().map(files).collect::<Vec<_>>()
    };
    assert_eq!(restarted("none"), ["kubelet 1"]);
    assert_eq!(restarted("kubelet-client"), ["kubelet 2"]);
    assert_eq!(restarted("apiserver"), ["kubelet 1", "kube-apiserver 1"]);
}

#[test]
fn a_changed_file_is_found_behind_a_link() {
    let (_, inventory) = node("ecdsa-p256", &[]);
    let entry = |content| Entry { content, attributes: Attributes::default() };
    let mut linked = Snapshot::default();
    linked.insert(format!("{PKI}/apiserver.crt"), entry(Content::Link("/srv/apiserver.crt".into())));
    linked.insert("/srv/apiserver.crt", entry(Content::File(Vec::new().into())));
    let restarts = super::restarts::reading(&inventory, &linked, &["/srv/apiserver.crt".into()]);
    assert_eq!(restarts.names(), ["kube-apiserver"]);
}

#[test]
fn a_plan_is_empty_if_it_changes_no_file() {
    let (plan, _) = plan("ecdsa-p256", &[], &Options::recovery(), EXPIRED);
    let without = Plan { steps: Vec::new(), ..plan.clone() };
    let trust = Plan { trust: Some("/etc/kubernetes/kubelet.conf".into()), ..without.clone() };
    assert_eq!([&plan, &without, &trust].map(Plan::is_empty), [false, true, false]);
}

#[test]
fn another_current_context_is_left_to_a_person() {
    let (plan, _) = plan("ecdsa-p256", &[], &Options::recovery(), EXPIRED);
    let mut step = plan.steps.iter().find(|step| step.name == "admin.conf").unwrap().clone();
    assert!(plan.manual_action_of(&step).is_none());
    if let Target::Splice { context, .. } = &mut step.target {
        *context = Some("this".to_owned());
    }
    let left = plan.manual_action_of(&step);
    assert!(matches!(left, Some(ManualAction::OtherContext { context: "this", .. })), "{left:?}");
}
