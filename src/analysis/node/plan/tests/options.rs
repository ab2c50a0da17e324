//! What the options, and the cluster's configuration, change of a plan.

use jiff::SignedDuration;

use super::*;
use crate::analysis::node::facts::Configured;
use crate::analysis::node::inventory::KubeletForm;

const NOT_FOR_ALL: Options = Options {
    selection: Selection::All,
    authorities: CaSelection::None,
    ca_days: DEFAULT_CA_DAYS,
    replace: None,
    kubelet: false,
    client_cert_rotation: false,
    reuse_keys: false,
    key_algorithm: None,
    days: None,
    due_within: None,
    partial: false,
    accept: Vec::new(),
    whole_node: false,
    add_sans: Vec::new(),
    remove_sans: Vec::new(),
    elsewhere: None,
};

/// All of a step but its subject's and its files' names.
fn shown(step: &Step) -> String {
    let KeyPlan { algorithm, encoding, reuse } = &step.key;
    let added: Vec<_> = step.added.iter().map(|added| format!("{} {}", added.name, added.reason)).collect();
    let removed: Vec<_> = step.removed.iter().map(ToString::to_string).collect();
    let profile = step.profile.as_ref().map(|profile| (profile.alternative_names(), profile.subject()));
    format!(
        "{} {:?} by {}, key {algorithm} {encoding:?} {reuse}, {} to {} {}, names {:?} +{added:?} -{removed:?}, profile {profile:?}, subject {}, notes {:?}",
        step.name,
        step.action,
        step.authority.name(),
        step.new.not_before,
        step.new.not_after,
        step.cut_to_authority,
        step.names,
        step.subject,
        step.notes
    )
}

/// Steps, what is skipped and why, and refusals.
fn of(plan: &Plan) -> String {
    let skipped =
        |skipped: &Skipped| format!("skips {} ({}): {}", skipped.name, skipped.needs_person, skipped.why);
    let refusal = |refusal: &Refusal| format!("refuses {}: {}; {}", refusal.code, refusal.what, refusal.hint);
    let validity =
        plan.validity.as_ref().map(|fact| format!("valid for {:?} by {}", fact.value, fact.source));
    let lines: Vec<_> = (plan.steps.iter().map(shown))
        .chain(plan.skipped.iter().map(skipped))
        .chain(plan.refusals.iter().map(refusal))
        .chain(validity)
        .collect();
    lines.join("\n")
}

fn one_of(name: &str, edits: &[Edit<'_>], options: Options) -> String {
    let options = Options { selection: one(name).selection, ..options };
    of(&plan("ecdsa-p256", edits, &options, VALID).0)
}

/// What is renewed by names, with why the rest is not.
fn names(plan: &Plan) -> String {
    let steps: Vec<_> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    let skipped = plan.skipped.iter().map(|skipped| format!("\n  {}: {}", skipped.name, skipped.why));
    format!("{} nothing due {}{}", steps.join(" "), plan.is_nothing_due(), skipped.collect::<String>())
}

#[test]
fn a_timer_renews_what_expires_soon() {
    let some = |hours: i64| Some(SignedDuration::from_hours(hours));
    // The leaf certificates of this node expire on 2027-11-23.
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let at = |now: &str, due_within, whole_node, findings: &[Finding]| {
        let options = Options { due_within, whole_node, ..NOT_FOR_ALL };
        names(&decide(&snapshot, &inventory, findings, &options, now.parse().unwrap()))
    };
    let expired = [finding(Code::Expired, "scheduler.conf")];
    let blocked = [finding(Code::DiskFull, "disk")];
    let apiserver = inventory.row("apiserver").unwrap().certificate.get().unwrap().not_after;
    let exactly = |second: i64| {
        let now: Timestamp = "2027-11-01T00:00:00Z".parse().unwrap();
        let within = apiserver.duration_since(now) - SignedDuration::from_secs(second);
        let options =
            Options { due_within: Some(within), selection: one("apiserver").selection, ..NOT_FOR_ALL };
        names(&decide(&snapshot, &inventory, &[], &options, now))
    };
    let soon = "2026-11-24T12:00:00Z";
    let found = [
        at(VALID, None, false, &[]),
        at(VALID, some(24), false, &[]),
        at(VALID, some(24), false, &expired),
        at(VALID, some(24), true, &blocked),
        at(VALID, some(24), false, &blocked),
        at("2027-11-01T00:00:00Z", some(24 * 30), false, &[]),
        at("2028-01-01T00:00:00Z", some(24), false, &[]),
        // Renewed now it would be valid for less than a day more.
        at(soon, some(24 * 400), false, &[]),
        exactly(0),
        exactly(1),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf nothing due false
     nothing due true
      admin.conf: not due, valid until 2027-11-23 22:23 UTC
      apiserver: not due, valid until 2027-11-23 22:23 UTC
      apiserver-etcd-client: not due, valid until 2027-11-23 22:23 UTC
      apiserver-kubelet-client: not due, valid until 2027-11-23 22:23 UTC
      controller-manager.conf: not due, valid until 2027-11-23 22:23 UTC
      etcd-healthcheck-client: not due, valid until 2027-11-23 22:23 UTC
      etcd-peer: not due, valid until 2027-11-23 22:23 UTC
      etcd-server: not due, valid until 2027-11-23 22:23 UTC
      front-proxy-client: not due, valid until 2027-11-23 22:23 UTC
      scheduler.conf: not due, valid until 2027-11-23 22:23 UTC
      super-admin.conf: not due, valid until 2027-11-23 22:23 UTC
    scheduler.conf nothing due false
      admin.conf: not due, valid until 2027-11-23 22:23 UTC
      apiserver: not due, valid until 2027-11-23 22:23 UTC
      apiserver-etcd-client: not due, valid until 2027-11-23 22:23 UTC
      apiserver-kubelet-client: not due, valid until 2027-11-23 22:23 UTC
      controller-manager.conf: not due, valid until 2027-11-23 22:23 UTC
      etcd-healthcheck-client: not due, valid until 2027-11-23 22:23 UTC
      etcd-peer: not due, valid until 2027-11-23 22:23 UTC
      etcd-server: not due, valid until 2027-11-23 22:23 UTC
      front-proxy-client: not due, valid until 2027-11-23 22:23 UTC
      super-admin.conf: not due, valid until 2027-11-23 22:23 UTC
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf nothing due false
     nothing due true
      admin.conf: not due, valid until 2027-11-23 22:23 UTC
      apiserver: not due, valid until 2027-11-23 22:23 UTC
      apiserver-etcd-client: not due, valid until 2027-11-23 22:23 UTC
      apiserver-kubelet-client: not due, valid until 2027-11-23 22:23 UTC
      controller-manager.conf: not due, valid until 2027-11-23 22:23 UTC
      etcd-healthcheck-client: not due, valid until 2027-11-23 22:23 UTC
      etcd-peer: not due, valid until 2027-11-23 22:23 UTC
      etcd-server: not due, valid until 2027-11-23 22:23 UTC
      front-proxy-client: not due, valid until 2027-11-23 22:23 UTC
      scheduler.conf: not due, valid until 2027-11-23 22:23 UTC
      super-admin.conf: not due, valid until 2027-11-23 22:23 UTC
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf kubelet-client kubelet-serving nothing due false
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf kubelet-client kubelet-serving nothing due false
     nothing due true
      admin.conf: not due, valid until 2027-11-23 22:23 UTC
      apiserver: not due, valid until 2027-11-23 22:23 UTC
      apiserver-etcd-client: not due, valid until 2027-11-23 22:23 UTC
      apiserver-kubelet-client: not due, valid until 2027-11-23 22:23 UTC
      controller-manager.conf: not due, valid until 2027-11-23 22:23 UTC
      etcd-healthcheck-client: not due, valid until 2027-11-23 22:23 UTC
      etcd-peer: not due, valid until 2027-11-23 22:23 UTC
      etcd-server: not due, valid until 2027-11-23 22:23 UTC
      front-proxy-client: not due, valid until 2027-11-23 22:23 UTC
      scheduler.conf: not due, valid until 2027-11-23 22:23 UTC
      super-admin.conf: not due, valid until 2027-11-23 22:23 UTC
      kubelet-client: not due, valid until 2027-11-23 22:18 UTC
      kubelet-serving: not due, valid until 2027-11-23 22:23 UTC
    apiserver nothing due false
     nothing due true
      apiserver: not due, valid until 2027-11-23 22:23 UTC
    ");
}

#[test]
fn keys_as_asked_for_and_as_configured() {
    let p384 = || Options { key_algorithm: Some(KeyAlgorithm::EcdsaP384), ..NOT_FOR_ALL };
    let p256 = || Options { key_algorithm: Some(KeyAlgorithm::EcdsaP256), ..NOT_FOR_ALL };
    let reused = || Options { reuse_keys: true, ..NOT_FOR_ALL };
    let no_key: [Edit<'_>; 1] = [("/pki/apiserver.key", &gone)];
    let broken: [Edit<'_>; 1] = [("/pki/apiserver.key", &|_| Some("x".to_owned()))];
    let kubelet = Options { selection: Selection::Kubelet, ..p384() };
    let found = [
        one_of("apiserver", &[], p384()),
        one_of("apiserver", &[], p256()),
        one_of("apiserver", &[], reused()),
        one_of("apiserver", &no_key, reused()),
        one_of("apiserver", &broken, reused()),
        of(&plan("ecdsa-p256", &[], &kubelet, VALID).0),
        of(&plan("rsa2048", &[], &Options { selection: one("apiserver").selection, ..NOT_FOR_ALL }, VALID).0),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    apiserver Renew by ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile None, subject CN=kube-apiserver, notes ["new key ECDSA-P384 instead of ECDSA-P256 (--key-algorithm)"]
    apiserver Renew by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile None, subject CN=kube-apiserver, notes []
    apiserver Renew by ca, key ECDSA-P256 Sec1 true, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile None, subject CN=kube-apiserver, notes []
    skips apiserver (true): --reuse-keys: its key is not usable: it is missing
    skips apiserver (true): --reuse-keys: its key is not usable: not PEM: no -----BEGIN line
    kubelet-client Renew by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names [] +[] -[], profile None, subject O=system:nodes, CN=system:node:cp-1, notes []
    apiserver Renew by ca, key RSA-2048 Pkcs1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile None, subject CN=kube-apiserver, notes []
    "#);
}

#[test]
fn names_that_are_added_and_removed() {
    let missing: [Edit<'_>; 2] = [("/pki/apiserver.crt", &gone), ("/pki/apiserver.key", &gone)];
    let sans = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
    let options = || Options {
        add_sans: sans(&["lb.example.test", "10.0.0.200"]),
        remove_sans: sans(&["kubernetes", "10.96.0.1", "none.example.test"]),
        ..NOT_FOR_ALL
    };
    let found = [
        one_of("apiserver", &[], options()),
        one_of("apiserver", &missing, options()),
        one_of("apiserver", &missing, NOT_FOR_ALL),
        one_of("etcd-server", &[("/pki/etcd/server.crt", &gone)], NOT_FOR_ALL),
        one_of("apiserver-etcd-client", &[("/pki/apiserver-etcd-client.crt", &gone)], NOT_FOR_ALL),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    apiserver Renew by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:192.168.10.11", "DNS:lb.example.test", "IP:10.0.0.200"] +["DNS:lb.example.test --add-san", "IP:10.0.0.200 --add-san"] -["DNS:kubernetes", "IP:10.96.0.1"], profile None, subject CN=kube-apiserver, notes []
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:192.168.10.11", "DNS:lb.example.test", "IP:10.0.0.200"] +["DNS:lb.example.test --add-san", "IP:10.0.0.200 --add-san"] -["DNS:kubernetes", "IP:10.96.0.1"], profile Some((["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "DNS:lb.example.test", "IP:192.168.10.11", "IP:10.0.0.200"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["certSANs that were configured beyond the node's own names are not known: compare with another control-plane node"]
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile Some((["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["certSANs that were configured beyond the node's own names are not known: compare with another control-plane node"]
    etcd-server Issue { because: "it is missing" } by etcd-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1"] +[] -[], profile Some((["DNS:cp-1", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1"], "CN=cp-1")), subject CN=cp-1, notes []
    apiserver-etcd-client Issue { because: "it is missing" } by etcd-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names [] +[] -[], profile Some(([], "CN=kube-apiserver-etcd-client")), subject CN=kube-apiserver-etcd-client, notes []
    "#);
}

/// Names, validity and kind of key from kubeadm-config.
#[test]
fn what_the_cluster_is_configured_with() {
    let some = |name: &str| vec![name.to_owned(), "10.0.0.99".to_owned(), "*not*".to_owned()];
    let made = [("/pki/apiserver.crt", &gone as &dyn Fn(String) -> Option<String>)];
    let edits: Vec<Edit<'_>> = [
        "/pki/apiserver.crt",
        "/pki/apiserver.key",
        "/pki/etcd/server.crt",
        "/pki/etcd/server.key",
        "/pki/etcd/peer.crt",
        "/pki/etcd/peer.key",
        "/etc/kubernetes/admin.conf",
    ]
    .map(|path| (path, made[0].1))
    .to_vec();
    let (snapshot, mut inventory) = node("ecdsa-p256", &edits);
    let of_options = |inventory: &Inventory, options: Options, name: &str| {
        let options = Options { selection: one(name).selection, ..options };
        of(&decide(&snapshot, inventory, &[], &options, VALID.parse().unwrap()))
    };
    inventory.facts.not_configured = Some("etcd's database cannot be read".to_owned());
    let mut found = vec![of_options(&inventory, NOT_FOR_ALL, "apiserver")];
    inventory.facts.configured = Some(Configured {
        api_server: some("api.example.test"),
        endpoint: "lb.example.test".to_owned(),
        etcd_server: some("etcd.example.test"),
        etcd_peer: some("peer.example.test"),
        validity: Some(SignedDuration::from_hours(24 * 30)),
        key: Some(KeyAlgorithm::EcdsaP384),
        not_used: Vec::new(),
        source: "kubeadm-config".to_owned(),
    });
    for name in ["apiserver", "etcd-server", "etcd-peer", "admin.conf", "front-proxy-client"] {
        found.push(of_options(&inventory, NOT_FOR_ALL, name));
    }
    found.push(of_options(&inventory, Options { days: Some(10), ..NOT_FOR_ALL }, "apiserver"));
    let kubelet = |inventory: &Inventory| {
        let options = Options { selection: Selection::Kubelet, ..NOT_FOR_ALL };
        of(&decide(&snapshot, inventory, &[], &options, VALID.parse().unwrap()))
    };
    found.push(kubelet(&inventory));
    if let Some(configured) = &mut inventory.facts.configured {
        configured.key = Some(KeyAlgorithm::EcdsaP256);
        configured.endpoint = "lb.example.test:8443".to_owned();
    }
    found.push(of_options(&inventory, NOT_FOR_ALL, "etcd-peer"));
    let server = |inventory: &Inventory, to_local| {
        let server = super::super::kubeconfig::server(inventory, to_local);
        server.map(|fact| format!("{} from {}", fact.value, fact.source))
    };
    inventory.endpoint = None;
    found.push(format!("{:?}", [server(&inventory, true), server(&inventory, false)]));
    for endpoint in ["lb.example.test", "[fd00::1]", "[fd00::1]:8443", ""] {
        if let Some(configured) = &mut inventory.facts.configured {
            configured.endpoint = endpoint.to_owned();
        }
        found.push(format!("{endpoint}: {:?}", server(&inventory, false)));
    }
    inventory.facts.configured = None;
    inventory.facts.node_name = None;
    found.push(of_options(&inventory, NOT_FOR_ALL, "apiserver"));
    insta::assert_snapshot!(found.join("\n"), @r#"
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile Some((["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["certSANs that were configured beyond the node's own names are not known (etcd's database cannot be read): compare with another control-plane node"]
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names ["DNS:api.example.test", "DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11", "IP:10.0.0.99"] +[] -[], profile Some((["DNS:api.example.test", "DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11", "IP:10.0.0.99"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config", "its names are complete: kubeadm-config"]
    valid for 720h by certificateValidityPeriod of kubeadm-config
    etcd-server Issue { because: "it is missing" } by etcd-ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names ["DNS:cp-1", "DNS:etcd.example.test", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"] +[] -[], profile Some((["DNS:cp-1", "DNS:etcd.example.test", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"], "CN=cp-1")), subject CN=cp-1, notes ["its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config", "its names are complete: kubeadm-config"]
    valid for 720h by certificateValidityPeriod of kubeadm-config
    etcd-peer Issue { because: "it is missing" } by etcd-ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names ["DNS:cp-1", "DNS:localhost", "DNS:peer.example.test", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"] +[] -[], profile Some((["DNS:cp-1", "DNS:localhost", "DNS:peer.example.test", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"], "CN=cp-1")), subject CN=cp-1, notes ["its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config", "its names are complete: kubeadm-config"]
    valid for 720h by certificateValidityPeriod of kubeadm-config
    admin.conf Issue { because: "it is missing" } by ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names [] +[] -[], profile Some(([], "O=kubeadm:cluster-admins, CN=kubernetes-admin")), subject O=kubeadm:cluster-admins, CN=kubernetes-admin, notes ["its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config"]
    valid for 720h by certificateValidityPeriod of kubeadm-config
    front-proxy-client Renew by front-proxy-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names [] +[] -[], profile None, subject CN=front-proxy-client, notes []
    valid for 720h by certificateValidityPeriod of kubeadm-config
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P384 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-04T00:00:00Z false, names ["DNS:api.example.test", "DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11", "IP:10.0.0.99"] +[] -[], profile Some((["DNS:api.example.test", "DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11", "IP:10.0.0.99"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config", "its names are complete: kubeadm-config"]
    kubelet-client Renew by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names [] +[] -[], profile None, subject O=system:nodes, CN=system:node:cp-1, notes []
    etcd-peer Issue { because: "it is missing" } by etcd-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2026-12-24T00:00:00Z false, names ["DNS:cp-1", "DNS:localhost", "DNS:peer.example.test", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"] +[] -[], profile Some((["DNS:cp-1", "DNS:localhost", "DNS:peer.example.test", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1", "IP:10.0.0.99"], "CN=cp-1")), subject CN=cp-1, notes ["its names are complete: kubeadm-config"]
    valid for 720h by certificateValidityPeriod of kubeadm-config
    [Some("https://192.168.10.11:6443 from /etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address"), Some("https://lb.example.test:8443 from controlPlaneEndpoint of kubeadm-config")]
    lb.example.test: Some("https://lb.example.test:6443 from controlPlaneEndpoint of kubeadm-config")
    [fd00::1]: Some("https://[fd00::1]:6443 from controlPlaneEndpoint of kubeadm-config")
    [fd00::1]:8443: Some("https://[fd00::1]:8443 from controlPlaneEndpoint of kubeadm-config")
    : Some("https://192.168.10.11:6443 from /etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address")
    skips apiserver (true): it can't be issued without the node's name: no kubelet certificate, no --name in the etcd manifest, no /etc/hostname
    "#);
}

#[test]
fn what_is_signed_elsewhere() {
    let elsewhere = |named: Option<&[&str]>| {
        let named = named.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Options { elsewhere: Some(named.map_or(Elsewhere::All, Elsewhere::Named)), ..NOT_FOR_ALL }
    };
    let etcd_key: [Edit<'_>; 1] = [("/pki/etcd/ca.key", &gone)];
    let of = |name: &str, edits: &[Edit<'_>], options: &Options, at: &str| {
        names(&plan(name, edits, options, at).0)
    };
    let found = [
        of("external-ca", &[], &elsewhere(None), VALID),
        // The kubelet's own serving certificate is not signed elsewhere.
        of("external-ca", &[], &Options { kubelet: true, whole_node: true, ..elsewhere(None) }, EXPIRED),
        of("external-ca", &[], &elsewhere(Some(&["apiserver", "kubelet-client", "none"])), VALID),
        of("ecdsa-p256", &etcd_key, &elsewhere(None), VALID),
        of("ecdsa-p256", &etcd_key, &elsewhere(Some(&["etcd-peer", "apiserver"])), VALID),
        of("external-ca", &[("/pki/ca.crt", &gone)], &elsewhere(Some(&["apiserver"])), VALID),
        of("external-ca", &[], &elsewhere(Some(&["apiserver"])), "2050-01-01T00:00:00Z"),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf nothing due false
    admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf kubelet-client nothing due false
    apiserver nothing due false
    apiserver-etcd-client etcd-healthcheck-client etcd-peer etcd-server nothing due false
      admin.conf: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
      apiserver: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
      apiserver-kubelet-client: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
      controller-manager.conf: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
      front-proxy-client: the key of its CA is on this node: /etc/kubernetes/pki/front-proxy-ca.key
      scheduler.conf: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
      super-admin.conf: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
    etcd-peer nothing due false
      apiserver: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
     nothing due false
      apiserver: the CA ca cannot sign: certificate not found
     nothing due false
      apiserver: the CA ca cannot sign: expired on 2036-11-20 (4789 days ago)
    ");
}

/// A renewed CA repairs what was wrong with its dates, and whoever has a copy restarts.
#[test]
fn a_node_whose_cas_have_expired() {
    let options = Options { authorities: CaSelection::Expired, ..Options::recovery() };
    let etcd = Options { authorities: CaSelection::One(Ca::Etcd), ..Options::recovery() };
    let alone = Options { selection: Selection::Nothing, whole_node: false, ..etcd.clone() };
    let found = [
        told(&plan("expired-ca", &[], &options, VALID).0),
        told(&plan("expired-ca", &[], &etcd, VALID).0),
        told(&plan("ecdsa-p256", &[], &alone, VALID).0),
        told(
            &plan("ecdsa-p256", &[], &Options { authorities: CaSelection::One(Ca::Cluster), ..alone }, VALID)
                .0,
        ),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @"
    issues: admin.conf; apiserver; apiserver-etcd-client; apiserver-kubelet-client; controller-manager.conf; etcd-healthcheck-client; etcd-peer; etcd-server; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client; kubelet-serving
    restarts: kubelet 3; etcd 3; kube-apiserver 7; kube-controller-manager 3; kube-scheduler 1
    repairs: ca-expired etcd-ca; expired etcd-server; expired etcd-peer; expired apiserver-etcd-client; ca-expired ca; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; ca-expired front-proxy-ca; expired front-proxy-client
    Repairable

    issues: apiserver-etcd-client; etcd-healthcheck-client; etcd-peer; etcd-server; kubelet-serving
    skips: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    refuses: ca-expired, sudo kuberescue recover --renew-cas renews it; ca-expired, sudo kuberescue recover --renew-cas renews it
    restarts: kubelet 1; etcd 3; kube-apiserver 2
    repairs: ca-expired etcd-ca; expired etcd-server; expired etcd-peer; expired apiserver-etcd-client
    remain: ca-expired ca; expired apiserver; expired kubelet-client; kubelet-crash-loop kubelet; expired controller-manager.conf; expired scheduler.conf; expired apiserver-kubelet-client; ca-expired front-proxy-ca; expired front-proxy-client
    left: admin.conf; apiserver; apiserver-kubelet-client; controller-manager.conf; front-proxy-client; scheduler.conf; super-admin.conf; kubelet-client
    InPart

    restarts: etcd 1; kube-apiserver 1
    NothingToDo

    restarts: kubelet 1; kube-apiserver 1; kube-controller-manager 2; kube-scheduler 1
    NothingToDo
    ");
}

#[test]
fn what_goes_with_a_ca() {
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let now = VALID.parse().unwrap();
    let of = |options: &Options| {
        let codes = [
            Code::CaExpired,
            Code::WeakSignature,
            Code::NegativeSerial,
            Code::CaKeyMissing,
            Code::CaKeyMismatch,
            Code::SigningCaBundle,
            Code::Expired,
        ];
        let repaired = |code: Code, subject: &str| {
            let plan = decide(&snapshot, &inventory, &[finding(code, subject)], options, now);
            (!plan.repair.repaired.is_empty()).then(|| format!("{code} {subject}"))
        };
        let all = codes.into_iter().flat_map(|code| ["ca", "etcd-ca"].map(|subject| repaired(code, subject)));
        all.flatten().collect::<Vec<_>>().join("; ")
    };
    let nothing = Options { selection: Selection::Nothing, accept: vec![Code::CaKeyMissing], ..NOT_FOR_ALL };
    let replace = Replace { authority: Ca::Etcd, stage: None, given: None };
    let found = [
        of(&nothing),
        of(&Options { authorities: CaSelection::One(Ca::Etcd), ..nothing.clone() }),
        of(&Options { replace: Some(replace), ..nothing }),
    ];
    insta::assert_snapshot!(found.join("\n---\n"), @"

    ---
    ca-expired etcd-ca; weak-signature etcd-ca; negative-serial etcd-ca
    ---
    ca-expired etcd-ca; weak-signature etcd-ca; negative-serial etcd-ca; ca-key-missing etcd-ca; ca-key-mismatch etcd-ca
    ");
}

#[test]
fn several_selections_are_one() {
    let [one, other] = ["apiserver", "etcd-peer"].map(|name| one(name).selection);
    let several =
        |names: &[&Selection]| Selection::of(&names.iter().map(|&name| name.clone()).collect::<Vec<_>>());
    assert_eq!(several(&[&one]), one);
    assert_eq!(several(&[&one, &one]), one);
    assert_eq!(several(&[&one, &other, &one]), Selection::Several(vec![one.clone(), other.clone()]));
    assert_eq!(several(&[&one, &Selection::All, &other]), Selection::All);
    assert_eq!(several(&[]), Selection::Several(Vec::new()));
}

#[test]
fn a_blocker_stands_unless_it_is_accepted() {
    let accepted = Options { accept: vec![Code::ClockBehind], ..NOT_FOR_ALL };
    let warning = Finding::new(Code::Expired, Severity::Warning, "apiserver", "", "");
    let stands = |finding: &Finding| accepted.stands(finding);
    assert!(stands(&finding(Code::Expired, "apiserver")));
    assert!(!stands(&finding(Code::ClockBehind, "clock")));
    assert!(!stands(&warning));
}

/// Where its kubeconfig holds the certificate, one for this node is made with kubeconfig new.
#[test]
fn the_copied_kubeconfig_of_a_kubelet() {
    let (snapshot, mut inventory) = node("ecdsa-p256", &[]);
    let hint = |inventory: &Inventory, doubt: &[Finding]| {
        let findings = [doubt, &[finding(Code::NamesOfAnotherNode, "kubelet-client")]].concat();
        let plan = decide(&snapshot, inventory, &findings, &NOT_FOR_ALL, VALID.parse().unwrap());
        plan.refusals.last().map(|refusal| refusal.hint.clone()).unwrap_or_default()
    };
    let mut found = vec![hint(&inventory, &[])];
    inventory.kubelet_form = KubeletForm::Embedded;
    found.push(hint(&inventory, &[]));
    found.push(hint(&inventory, &[finding(Code::ManifestMissing, "etcd")]));
    insta::assert_snapshot!(found.join("\n"), @"
    move /var/lib/kubelet/pki/kubelet-client-current.pem to a safe place; kuberescue recover then issues a certificate for this node
    move /var/lib/kubelet/pki/kubelet-client-current.pem to a safe place and create it for this node: sudo kuberescue kubeconfig new --for-node --out /var/lib/kubelet/pki/kubelet-client-current.pem; then run this command again
    repair the other blocking problems first (kuberescue diagnose -v), and keep this file until then
    ");
}

#[test]
fn what_a_change_of_the_store_mends() {
    let link = || StoreAction::Link {
        link: "/s/current.pem".into(),
        file: "/s/x.pem".into(),
        from: None,
        until: Timestamp::UNIX_EPOCH,
    };
    let refer = || StoreAction::Refer { kubeconfig: "/k.conf".into(), link: "/s/current.pem".into() };
    let remove = || StoreAction::Remove { path: "/s/current.pem".into(), because: "" };
    let mut found = String::new();
    for (of, action) in [
        ("kubelet-client", link()),
        ("kubelet-serving", link()),
        ("kubelet-client", refer()),
        ("kubelet-client", remove()),
    ] {
        let change = StoreChange { name: of.to_owned(), action };
        let mended = |code: Code, subject: &str, path: &str| {
            let finding = Finding::new(code, Severity::Blocker, subject, path, "");
            change.mends(&finding).then(|| format!("{code} {subject} {path}"))
        };
        let mut all = Vec::new();
        for code in [
            Code::Expired,
            Code::KubeletStoreBroken,
            Code::KubeletCrashLoop,
            Code::KubeletConfEmbedded,
            Code::KubeletLinkNoLink,
            Code::ClockBehind,
        ] {
            for subject in ["kubelet-client", "kubelet-serving", "kubelet"] {
                for path in ["/o/current.pem", "/s/y.pem"] {
                    all.extend(mended(code, subject, path));
                }
            }
        }
        found += &format!("{of}: {}\n", all.join("; "));
    }
    insta::assert_snapshot!(found, @"
    kubelet-client: expired kubelet-client /o/current.pem; expired kubelet-client /s/y.pem; kubelet-store-broken kubelet-client /o/current.pem; kubelet-store-broken kubelet-client /s/y.pem; kubelet-crash-loop kubelet-client /o/current.pem; kubelet-crash-loop kubelet-client /s/y.pem; kubelet-crash-loop kubelet-serving /o/current.pem; kubelet-crash-loop kubelet-serving /s/y.pem; kubelet-crash-loop kubelet /o/current.pem; kubelet-crash-loop kubelet /s/y.pem; kubelet-link-no-link kubelet-client /o/current.pem; kubelet-link-no-link kubelet-client /s/y.pem
    kubelet-serving: expired kubelet-serving /o/current.pem; expired kubelet-serving /s/y.pem; kubelet-store-broken kubelet-serving /o/current.pem; kubelet-store-broken kubelet-serving /s/y.pem; kubelet-link-no-link kubelet-serving /o/current.pem; kubelet-link-no-link kubelet-serving /s/y.pem
    kubelet-client: kubelet-conf-embedded kubelet-client /o/current.pem; kubelet-conf-embedded kubelet-client /s/y.pem; kubelet-conf-embedded kubelet-serving /o/current.pem; kubelet-conf-embedded kubelet-serving /s/y.pem; kubelet-conf-embedded kubelet /o/current.pem; kubelet-conf-embedded kubelet /s/y.pem
    kubelet-client: kubelet-store-broken kubelet-client /o/current.pem; kubelet-link-no-link kubelet-client /o/current.pem
    ");
}
