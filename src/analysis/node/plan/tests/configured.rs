//! What the cluster is configured with, and what goes with a change.

use jiff::SignedDuration;

use super::options::{not_for_all, of};
use super::*;
use crate::analysis::node::facts::Configured;

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
    let mut found = vec![of_options(&inventory, not_for_all(), "apiserver")];
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
        found.push(of_options(&inventory, not_for_all(), name));
    }
    found.push(of_options(&inventory, Options { days: Some(10), ..not_for_all() }, "apiserver"));
    let kubelet = |inventory: &Inventory| {
        let options = Options { selection: Selection::Kubelet, ..not_for_all() };
        of(&decide(&snapshot, inventory, &[], &options, VALID.parse().unwrap()))
    };
    found.push(kubelet(&inventory));
    if let Some(configured) = &mut inventory.facts.configured {
        configured.key = Some(KeyAlgorithm::EcdsaP256);
        configured.endpoint = "lb.example.test:8443".to_owned();
    }
    found.push(of_options(&inventory, not_for_all(), "etcd-peer"));
    let server = |inventory: &Inventory, to_local| {
        let server = super::super::kubeconfig::server(inventory, to_local);
        server.map(|fact| format!("{} from {}", fact.value, fact.source))
    };
    inventory.endpoint = None;
    found.push(format!("{:?}", [server(&inventory, true), server(&inventory, false)]));
    for endpoint in ["lb.example.test", "[fd00::1]", "[fd00::1]:8443", "fd00::1", ""] {
        if let Some(configured) = &mut inventory.facts.configured {
            configured.endpoint = endpoint.to_owned();
        }
        found.push(format!("{endpoint}: {:?}", server(&inventory, false)));
    }
    inventory.facts.configured = None;
    inventory.facts.node_name = None;
    found.push(of_options(&inventory, not_for_all(), "apiserver"));
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
    fd00::1: Some("https://[fd00::1]:6443 from controlPlaneEndpoint of kubeadm-config")
    : Some("https://192.168.10.11:6443 from /etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address")
    skips apiserver (true): it can't be issued without the node's name: no kubelet certificate, no --name in the etcd manifest, no /etc/hostname
    "#);
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
    let nothing =
        Options { selection: Selection::Nothing, accept: vec![Code::CaKeyMissing], ..not_for_all() };
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
