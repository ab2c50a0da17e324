//! The timeline of a node: its logs in every form, what its files say, and what is made of them.

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::Node;
use flate2::Compression;
use flate2::write::GzEncoder;
use insta::assert_snapshot;
use jiff::Timestamp;
use kuberescue::analysis::forensics::timeline::{Kind, Timeline};
use kuberescue::analysis::node::facts::Facts;
use kuberescue::analysis::node::host_state::HostState;
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::disk::logs::Given;
use kuberescue::disk::{Depth, Root, archive};
use kuberescue::error::Error;
use kuberescue::report::{timeline_json, timeline_text};
use kuberescue::session::forensics::nodes::Read;
use kuberescue::session::forensics::timeline::{Request, read};
use kuberescue::state::{Code, Snapshot};

const PODS: &str = "/var/log/pods";

fn real(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs").join(name)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A node whose certificates had expired, with the logs of that time as the kubelet keeps them.
fn node() -> Node {
    let node = Node::of("expired-all");
    let pod =
        |name: &str| format!("{PODS}/kube-system_{name}-lab-cp1_708740a2a782473bedd93149240494f7/{name}");
    let etcd = real("etcd.log");
    let cut = etcd[..9000].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    node.write(&format!("{}/0.log.20261123-222816.gz", pod("etcd")), gzip(&etcd[..cut]));
    node.write(&format!("{}/0.log", pod("etcd")), &etcd[cut..]);
    for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        node.write(&format!("{}/0.log", pod(name)), real(&format!("{name}.log")));
    }
    std::fs::create_dir_all(node.path("/var/log/containers")).unwrap();
    node.link(
        "/var/log/containers/etcd-lab-cp1_kube-system_etcd-f97e8bf8.log",
        &format!("{}/0.log", pod("etcd")),
    );
    let kubelet = String::from_utf8(real("kubelet-crashloop-after-restart.log")).unwrap();
    let journal = |line: &str| {
        // A stack trace has no time of its own; the journal gives it one.
        let time = if line.starts_with("k8s.io") { "22:45:50" } else { &line[6..14] };
        format!("Nov 23 {time} lab-cp1 kubelet[9438]: {line}\n")
    };
    let messages: String = kubelet.lines().map(journal).collect();
    node.write("/var/log/messages", messages);
    node.write("/var/log/journal/0123/system.journal", b"binary");
    node
}

fn snapshot(root: &Root) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for tree in ["/etc/kubernetes", "/var/lib/kubelet"] {
        root.read(&mut snapshot, Path::new(tree), Depth::Tree);
    }
    snapshot
}

/// The timeline of a node that was read before.
fn read_of(
    root: Option<Root>,
    snapshot: &Snapshot,
    inventory: Inventory,
    request: &Request,
) -> Result<Timeline, Error> {
    let around = HostState::default();
    let node = Read { snapshot: Snapshot::default(), inventory, around, root, archive: None };
    read(&node, snapshot, request, now())
}

fn now() -> Timestamp {
    common::NOW.parse().unwrap()
}

fn timeline(node: &Node, given: &[PathBuf]) -> Timeline {
    let root = Root::open(node.root()).unwrap();
    let snapshot = snapshot(&root);
    let inventory = Inventory::with_facts(&snapshot, Facts::read(&snapshot, None));
    let given = given.iter().map(|path| Given::new(path)).collect();
    let request = Request { given, ..Request::default() };
    read_of(Some(root), &snapshot, inventory, &request)
        .unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn count(timeline: &Timeline, source: &str, code: Code) -> u64 {
    timeline.lines.iter().find(|hit| hit.source == source && hit.code == code).map_or(0, |hit| hit.count)
}

#[test]
fn a_node_with_logs_in_every_form() {
    let node = node();
    let before = node.state();
    let timeline = timeline(&node, &[]);
    before.assert_identical(&node.state(), "reading logs");

    assert_eq!(count(&timeline, "etcd", Code::EtcdCertificateRefused), 70);
    assert_eq!(count(&timeline, "etcd", Code::EtcdClientRefused), 8);
    assert_eq!(count(&timeline, "kube-apiserver", Code::EtcdHandshakeRefused), 12);
    assert_eq!(count(&timeline, "kube-scheduler", Code::HandshakeTimeout), 10);
    assert_eq!(count(&timeline, "kubelet", Code::KubeletNoBootstrap), 3);
    // The packed one, its successor, three more and the system's; the link is none.
    assert_eq!(timeline.scanned.files, 6);
    assert_eq!(timeline.anomalies, []);

    let failure = timeline.first_failure.as_ref().unwrap();
    assert_eq!(failure.source, "etcd");
    assert_eq!(failure.expired.as_ref().unwrap().time, "2024-12-31T00:00:00Z".parse().unwrap());
    assert_snapshot!(failure.sentence, @"first TLS failure 2026-11-23T22:26:58.955278046Z in etcd, 692 d after etcd-server expired: a client or another member rejects etcd's certificate");

    let order: Vec<Kind> =
        timeline.events.iter().filter(|event| event.source == "etcd").map(|event| event.kind).collect();
    assert_eq!(order[..2], [Kind::LogBegins, Kind::FirstSeen]);
    assert!(timeline.events.is_sorted());

    assert_snapshot!(timeline_text(&timeline), @"
    first TLS failure 2026-11-23T22:26:58.955278046Z in etcd, 692 d after etcd-server expired: a client or another member rejects etcd's certificate

    TIME                   SOURCE                    COUNT     EVENT
    2023-12-31T23:00:00Z   certificate                         kubelet-serving becomes valid (/var/lib/kubelet/pki/kubelet.crt)
    2023-12-31T23:55:00Z   certificate                         admin.conf becomes valid (/etc/kubernetes/admin.conf)
    2023-12-31T23:55:00Z   certificate                         controller-manager.conf becomes valid (/etc/kubernetes/controller-manager.conf)
    2023-12-31T23:55:00Z   certificate                         apiserver-etcd-client becomes valid (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2023-12-31T23:55:00Z   certificate                         apiserver-kubelet-client becomes valid (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2023-12-31T23:55:00Z   certificate                         apiserver becomes valid (/etc/kubernetes/pki/apiserver.crt)
    2023-12-31T23:55:00Z   certificate                         ca becomes valid (/etc/kubernetes/pki/ca.crt)
    2023-12-31T23:55:00Z   certificate                         etcd-ca becomes valid (/etc/kubernetes/pki/etcd/ca.crt)
    2023-12-31T23:55:00Z   certificate                         etcd-healthcheck-client becomes valid (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2023-12-31T23:55:00Z   certificate                         etcd-peer becomes valid (/etc/kubernetes/pki/etcd/peer.crt)
    2023-12-31T23:55:00Z   certificate                         etcd-server becomes valid (/etc/kubernetes/pki/etcd/server.crt)
    2023-12-31T23:55:00Z   certificate                         front-proxy-ca becomes valid (/etc/kubernetes/pki/front-proxy-ca.crt)
    2023-12-31T23:55:00Z   certificate                         front-proxy-client becomes valid (/etc/kubernetes/pki/front-proxy-client.crt)
    2023-12-31T23:55:00Z   certificate                         scheduler.conf becomes valid (/etc/kubernetes/scheduler.conf)
    2023-12-31T23:55:00Z   certificate                         super-admin.conf becomes valid (/etc/kubernetes/super-admin.conf)
    2023-12-31T23:55:00Z   certificate                         kubelet-client becomes valid (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2024-01-01T00:00:00Z   kubelet                             the kubelet got a certificate, by the name of its file (/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem)
    2024-12-30T23:55:00Z   certificate                         kubelet-client expires (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2024-12-31T00:00:00Z   certificate                         admin.conf expires (/etc/kubernetes/admin.conf)
    2024-12-31T00:00:00Z   certificate                         controller-manager.conf expires (/etc/kubernetes/controller-manager.conf)
    2024-12-31T00:00:00Z   certificate                         apiserver-etcd-client expires (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2024-12-31T00:00:00Z   certificate                         apiserver-kubelet-client expires (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2024-12-31T00:00:00Z   certificate                         apiserver expires (/etc/kubernetes/pki/apiserver.crt)
    2024-12-31T00:00:00Z   certificate                         etcd-healthcheck-client expires (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2024-12-31T00:00:00Z   certificate                         etcd-peer expires (/etc/kubernetes/pki/etcd/peer.crt)
    2024-12-31T00:00:00Z   certificate                         etcd-server expires (/etc/kubernetes/pki/etcd/server.crt)
    2024-12-31T00:00:00Z   certificate                         front-proxy-client expires (/etc/kubernetes/pki/front-proxy-client.crt)
    2024-12-31T00:00:00Z   certificate                         scheduler.conf expires (/etc/kubernetes/scheduler.conf)
    2024-12-31T00:00:00Z   certificate                         super-admin.conf expires (/etc/kubernetes/super-admin.conf)
    2024-12-31T00:00:00Z   certificate                         kubelet-serving expires (/var/lib/kubelet/pki/kubelet.crt)
    2026-11-23T22:21:47Z   etcd                                its logs begin (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log.20261123-222816.gz)
    2026-11-23T22:21:49Z   kube-controller-manager             its logs begin (/var/log/pods/kube-system_kube-controller-manager-lab-cp1_708740a2a782473bedd93149240494f7/kube-controller-manager/0.log)
    2026-11-23T22:21:52Z   kube-scheduler                      its logs begin (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log)
    2026-11-23T22:23:52Z   file                      12        /etc/kubernetes/pki/etcd/ca.crt and 11 more: changed
    2026-11-23T22:23:53Z   file                      16        /etc/kubernetes/admin.conf and 15 more: changed
    2026-11-23T22:23:54Z   file                      7         /etc/kubernetes/manifests/etcd.yaml and 6 more: changed
    2026-11-23T22:26:59Z   etcd                      70        first: a client or another member rejects etcd's certificate (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log.20261123-222816.gz) [etcd-certificate-refused]
    2026-11-23T22:28:17Z   etcd                      8         first: etcd rejects the certificate of a client or another member (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log.20261123-222816.gz) [etcd-client-refused]
    2026-11-23T22:28:27Z   kube-controller-manager             its logs end (/var/log/pods/kube-system_kube-controller-manager-lab-cp1_708740a2a782473bedd93149240494f7/kube-controller-manager/0.log)
    2026-11-23T22:28:47Z   kube-scheduler            2         first: no process listened on an address that was called (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log) [connection-refused]
    2026-11-23T22:29:04Z   kube-apiserver                      its logs begin (/var/log/pods/kube-system_kube-apiserver-lab-cp1_708740a2a782473bedd93149240494f7/kube-apiserver/0.log)
    2026-11-23T22:29:04Z   kube-apiserver            12        first: the TLS handshake between the API server and etcd fails on a certificate (/var/log/pods/kube-system_kube-apiserver-lab-cp1_708740a2a782473bedd93149240494f7/kube-apiserver/0.log) [etcd-handshake-refused]
    2026-11-23T22:29:14Z   kube-scheduler            10        first: a server did not complete the TLS handshake in time (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log) [handshake-timeout]
    2026-11-23T22:29:19Z   kube-scheduler                      last: a server did not complete the TLS handshake in time (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log) [handshake-timeout]
    2026-11-23T22:29:21Z   kube-apiserver                      last: the TLS handshake between the API server and etcd fails on a certificate (/var/log/pods/kube-system_kube-apiserver-lab-cp1_708740a2a782473bedd93149240494f7/kube-apiserver/0.log) [etcd-handshake-refused]
    2026-11-23T22:29:21Z   etcd                                last: a client or another member rejects etcd's certificate (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log) [etcd-certificate-refused]
    2026-11-23T22:29:24Z   kube-apiserver                      its logs end (/var/log/pods/kube-system_kube-apiserver-lab-cp1_708740a2a782473bedd93149240494f7/kube-apiserver/0.log)
    2026-11-23T22:29:25Z   kube-scheduler                      last: no process listened on an address that was called (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log) [connection-refused]
    2026-11-23T22:29:25Z   kube-scheduler                      its logs end (/var/log/pods/kube-system_kube-scheduler-lab-cp1_708740a2a782473bedd93149240494f7/kube-scheduler/0.log)
    2026-11-23T22:29:31Z   etcd                                last: etcd rejects the certificate of a client or another member (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log) [etcd-client-refused]
    2026-11-23T22:29:31Z   etcd                                its logs end (/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log)
    2026-11-23T22:45:28Z   kubelet                   3         first: the kubelet does not start: its client certificate does not work and there is no bootstrap kubeconfig (/var/log/messages) [kubelet-no-bootstrap]
    2026-11-23T22:45:28Z   kubelet                   3         first: the kubelet's client certificate had expired when the kubelet started (/var/log/messages) [kubelet-client-expired]
    2026-11-23T22:45:49Z   kubelet                             last: the kubelet does not start: its client certificate does not work and there is no bootstrap kubeconfig (/var/log/messages) [kubelet-no-bootstrap]
    2026-11-23T22:45:49Z   kubelet                             last: the kubelet's client certificate had expired when the kubelet started (/var/log/messages) [kubelet-client-expired]
    2026-11-24T00:00:00Z                                       --- now ---
    2033-12-29T00:00:00Z   certificate                         ca expires (/etc/kubernetes/pki/ca.crt)
    2033-12-29T00:00:00Z   certificate                         etcd-ca expires (/etc/kubernetes/pki/etcd/ca.crt)
    2033-12-29T00:00:00Z   certificate                         front-proxy-ca expires (/etc/kubernetes/pki/front-proxy-ca.crt)

    Notes:
      Read 6 log files with 38 KiB
    ");
    let json: serde_json::Value = serde_json::from_str(&timeline_json(&timeline)).unwrap();
    assert_eq!(json["firstFailure"]["code"], "etcd-certificate-refused");
    assert_eq!(json["events"].as_array().unwrap().len(), timeline.events.len());
    assert_eq!(json["lines"][0]["expiries"], serde_json::json!([]));
}

#[test]
fn a_log_that_is_given_takes_the_journals_place() {
    let node = node();
    node.remove("/var/log/messages");
    let without = timeline(&node, &[]);
    assert_snapshot!(without.notes.join("\n"), @r#"the kubelet's log is in systemd's journal, which is not read here: pipe it in with `journalctl -u kubelet --since "60 days ago" | kuberescue diagnose --timeline --log -`"#);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs/kubelet-running-expired.log");
    let with = timeline(&node, &[file]);
    assert_eq!(with.notes, Vec::<String>::new());
    assert_eq!(count(&with, "kubelet", Code::WatchRefused), 27);
    // It ran before etcd refused anyone, with a certificate that is not on the disk.
    let failure = with.first_failure.unwrap();
    assert_eq!((failure.source.as_str(), failure.code), ("kubelet", Code::KubeletRotationRefused));
    assert_snapshot!(failure.sentence, @"first TLS failure 2026-11-23T22:26:53.803065Z in kubelet, 30 d after the expiry of a certificate that is not on the disk any more: the kubelet cannot renew its certificate: the connection to the API server fails on a certificate");
}

#[test]
fn the_same_node_as_an_archive_tells_the_same() {
    let node = node();
    let live = timeline(&node, &[]);
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", node.root()).unwrap();
    let (snapshot, _) = archive::read(&tar.into_inner().unwrap()[..]).unwrap();
    let inventory = Inventory::read(&snapshot, None);
    let read = read_of(None, &snapshot, inventory, &Request::default());
    let archived = read.unwrap_or_else(|failure| panic!("{}", failure.message));
    assert_eq!(archived.lines, live.lines);
    assert_eq!(archived.first_failure, live.first_failure);
    assert_eq!(archived.scanned, live.scanned);
}

#[test]
fn a_log_that_is_not_there_is_told() {
    let node = Node::of("rsa2048");
    let root = Root::open(node.root()).unwrap();
    let snapshot = snapshot(&root);
    let inventory = Inventory::read(&snapshot, None);
    let request = Request { given: vec![Given::new(Path::new("/nowhere.log"))], ..Request::default() };
    let failure = read_of(Some(root), &snapshot, inventory, &request).err().unwrap();
    assert_eq!(failure.code, Some(Code::LogUnreadable));
    assert_snapshot!(failure.message, @"cannot open /nowhere.log: not found");
}

#[test]
fn a_healthy_node_has_no_failure_and_no_anomaly() {
    let node = Node::of("rsa2048");
    let timeline = timeline(&node, &[]);
    assert_eq!(timeline.first_failure, None);
    assert_eq!((timeline.lines.as_slice(), timeline.anomalies.as_slice()), ([].as_slice(), [].as_slice()));
    assert!(timeline.events.iter().any(|event| event.kind == Kind::ValidUntil && event.time > now()));
    assert_snapshot!(timeline_text(&timeline), @"
    TIME                   SOURCE        COUNT     EVENT
    2026-11-23T21:23:25Z   certificate             kubelet-serving becomes valid (/var/lib/kubelet/pki/kubelet.crt)
    2026-11-23T22:18:25Z   certificate             admin.conf becomes valid (/etc/kubernetes/admin.conf)
    2026-11-23T22:18:25Z   certificate             controller-manager.conf becomes valid (/etc/kubernetes/controller-manager.conf)
    2026-11-23T22:18:25Z   certificate             apiserver-etcd-client becomes valid (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2026-11-23T22:18:25Z   certificate             apiserver-kubelet-client becomes valid (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2026-11-23T22:18:25Z   certificate             apiserver becomes valid (/etc/kubernetes/pki/apiserver.crt)
    2026-11-23T22:18:25Z   certificate             ca becomes valid (/etc/kubernetes/pki/ca.crt)
    2026-11-23T22:18:25Z   certificate             etcd-ca becomes valid (/etc/kubernetes/pki/etcd/ca.crt)
    2026-11-23T22:18:25Z   certificate             etcd-healthcheck-client becomes valid (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2026-11-23T22:18:25Z   certificate             etcd-peer becomes valid (/etc/kubernetes/pki/etcd/peer.crt)
    2026-11-23T22:18:25Z   certificate             etcd-server becomes valid (/etc/kubernetes/pki/etcd/server.crt)
    2026-11-23T22:18:25Z   certificate             front-proxy-ca becomes valid (/etc/kubernetes/pki/front-proxy-ca.crt)
    2026-11-23T22:18:25Z   certificate             front-proxy-client becomes valid (/etc/kubernetes/pki/front-proxy-client.crt)
    2026-11-23T22:18:25Z   certificate             scheduler.conf becomes valid (/etc/kubernetes/scheduler.conf)
    2026-11-23T22:18:25Z   certificate             super-admin.conf becomes valid (/etc/kubernetes/super-admin.conf)
    2026-11-23T22:18:25Z   certificate             kubelet-client becomes valid (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2026-11-23T22:23:25Z   file          16        /etc/kubernetes/pki/apiserver-kubelet-client.crt and 15 more: changed
    2026-11-23T22:23:25Z   kubelet                 the kubelet got a certificate, by the name of its file (/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-25.pem)
    2026-11-23T22:23:26Z   file          19        /etc/kubernetes/admin.conf and 18 more: changed
    2026-11-24T00:00:00Z                           --- now ---
    2027-11-23T22:18:25Z   certificate             kubelet-client expires (/var/lib/kubelet/pki/kubelet-client-current.pem)
    2027-11-23T22:23:25Z   certificate             admin.conf expires (/etc/kubernetes/admin.conf)
    2027-11-23T22:23:25Z   certificate             controller-manager.conf expires (/etc/kubernetes/controller-manager.conf)
    2027-11-23T22:23:25Z   certificate             apiserver-etcd-client expires (/etc/kubernetes/pki/apiserver-etcd-client.crt)
    2027-11-23T22:23:25Z   certificate             apiserver-kubelet-client expires (/etc/kubernetes/pki/apiserver-kubelet-client.crt)
    2027-11-23T22:23:25Z   certificate             apiserver expires (/etc/kubernetes/pki/apiserver.crt)
    2027-11-23T22:23:25Z   certificate             etcd-healthcheck-client expires (/etc/kubernetes/pki/etcd/healthcheck-client.crt)
    2027-11-23T22:23:25Z   certificate             etcd-peer expires (/etc/kubernetes/pki/etcd/peer.crt)
    2027-11-23T22:23:25Z   certificate             etcd-server expires (/etc/kubernetes/pki/etcd/server.crt)
    2027-11-23T22:23:25Z   certificate             front-proxy-client expires (/etc/kubernetes/pki/front-proxy-client.crt)
    2027-11-23T22:23:25Z   certificate             scheduler.conf expires (/etc/kubernetes/scheduler.conf)
    2027-11-23T22:23:25Z   certificate             super-admin.conf expires (/etc/kubernetes/super-admin.conf)
    2027-11-23T22:23:25Z   certificate             kubelet-serving expires (/var/lib/kubelet/pki/kubelet.crt)
    2036-11-20T22:23:25Z   certificate             ca expires (/etc/kubernetes/pki/ca.crt)
    2036-11-20T22:23:25Z   certificate             etcd-ca expires (/etc/kubernetes/pki/etcd/ca.crt)
    2036-11-20T22:23:25Z   certificate             front-proxy-ca expires (/etc/kubernetes/pki/front-proxy-ca.crt)
    ");
}

#[test]
fn names_of_foreign_logs_do_not_reach_the_terminal() {
    let node = Node::of("rsa2048");
    let name = "evil\u{1b}[2J";
    let line = "2026-11-23T22:26:58Z stderr F x509: certificate has expired or is not yet valid \u{1b}[31m\n";
    node.write(&format!("{PODS}/kube-system_a_b/{name}/0.log"), line);
    let root = Root::open(node.root()).unwrap();
    let snapshot = snapshot(&root);
    let inventory = Inventory::read(&snapshot, None);
    let mut request = Request::default();
    request.wanted.containers.push(name.to_owned());
    let timeline = read_of(Some(root), &snapshot, inventory, &request).ok().unwrap();
    assert_eq!(count(&timeline, name, Code::CertificateExpired), 1);
    for text in [timeline_text(&timeline), timeline_json(&timeline)] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
