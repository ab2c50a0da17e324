//! What the options, and the cluster's configuration, change of a plan.

use jiff::SignedDuration;

use super::*;
use crate::analysis::node::inventory::KubeletForm;

pub(super) fn not_for_all() -> Options {
    Options { whole_node: false, ..Options::recovery() }
}

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
pub(super) fn of(plan: &Plan) -> String {
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
        let options = Options { due_within, whole_node, ..not_for_all() };
        names(&decide(&snapshot, &inventory, findings, &options, now.parse().unwrap()))
    };
    let expired = [finding(Code::Expired, "scheduler.conf")];
    let blocked = [finding(Code::DiskFull, "disk")];
    let apiserver = inventory.row("apiserver").unwrap().certificate.get().unwrap().not_after;
    let exactly = |second: i64| {
        let now: Timestamp = "2027-11-01T00:00:00Z".parse().unwrap();
        let within = apiserver.duration_since(now) - SignedDuration::from_secs(second);
        let options =
            Options { due_within: Some(within), selection: one("apiserver").selection, ..not_for_all() };
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
    let p384 = || Options { key_algorithm: Some(KeyAlgorithm::EcdsaP384), ..not_for_all() };
    let p256 = || Options { key_algorithm: Some(KeyAlgorithm::EcdsaP256), ..not_for_all() };
    let reused = || Options { reuse_keys: true, ..not_for_all() };
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
        of(&plan("rsa2048", &[], &Options { selection: one("apiserver").selection, ..not_for_all() }, VALID)
            .0),
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
        ..not_for_all()
    };
    let found = [
        one_of("apiserver", &[], options()),
        one_of("apiserver", &missing, options()),
        one_of("apiserver", &missing, not_for_all()),
        one_of("etcd-server", &[("/pki/etcd/server.crt", &gone)], not_for_all()),
        one_of("apiserver-etcd-client", &[("/pki/apiserver-etcd-client.crt", &gone)], not_for_all()),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    apiserver Renew by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:192.168.10.11", "DNS:lb.example.test", "IP:10.0.0.200"] +["DNS:lb.example.test --add-san", "IP:10.0.0.200 --add-san"] -["DNS:kubernetes", "IP:10.96.0.1"], profile None, subject CN=kube-apiserver, notes []
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:192.168.10.11", "DNS:lb.example.test", "IP:10.0.0.200"] +["DNS:lb.example.test --add-san", "IP:10.0.0.200 --add-san"] -["DNS:kubernetes", "IP:10.96.0.1"], profile Some((["DNS:cp-1", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "DNS:lb.example.test", "IP:192.168.10.11", "IP:10.0.0.200"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["certSANs that were configured beyond the node's own names are not known: compare with another control-plane node"]
    apiserver Issue { because: "it is missing" } by ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"] +[] -[], profile Some((["DNS:cp-1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:192.168.10.11"], "CN=kube-apiserver")), subject CN=kube-apiserver, notes ["certSANs that were configured beyond the node's own names are not known: compare with another control-plane node"]
    etcd-server Issue { because: "it is missing" } by etcd-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names ["DNS:cp-1", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1"] +[] -[], profile Some((["DNS:cp-1", "DNS:localhost", "IP:192.168.10.11", "IP:127.0.0.1", "IP:::1"], "CN=cp-1")), subject CN=cp-1, notes []
    apiserver-etcd-client Issue { because: "it is missing" } by etcd-ca, key ECDSA-P256 Sec1 false, 2026-11-23T23:55:00Z to 2027-11-24T00:00:00Z false, names [] +[] -[], profile Some(([], "CN=kube-apiserver-etcd-client")), subject CN=kube-apiserver-etcd-client, notes []
    "#);
}

#[test]
fn what_is_signed_elsewhere() {
    let elsewhere = |named: Option<&[&str]>| {
        let named = named.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Options { elsewhere: Some(named.map_or(Elsewhere::All, Elsewhere::Named)), ..not_for_all() }
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
    let accepted = Options { accept: vec![Code::ClockBehind], ..not_for_all() };
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
        let plan = decide(&snapshot, inventory, &findings, &not_for_all(), VALID.parse().unwrap());
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
