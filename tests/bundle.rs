//! What another node needs, made on the machine with the CA keys: its content, put in place by `archive restore`, and judged
//! there. openssl is the judge of the certificates.

mod common;

use jiff::{SignedDuration, Timestamp};
use kuberescue::analysis::forensics::bundle::refusals;
use kuberescue::analysis::node::findings::{self, findings};
use kuberescue::analysis::node::host_state::HostState;
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::analysis::node::plan::{ClientPlan, ClientRequest, Options, client, decide};
use kuberescue::disk::archive::{self, About};
use kuberescue::issue::{control_plane_bundle, with_keys, worker_bundle};
use kuberescue::state::{Code, Content, Snapshot};

use common::{NOW, Node, PKI, openssl};

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CA_KEYS: [&str; 3] = ["ca.key", "etcd/ca.key", "front-proxy-ca.key"];

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn read(node: &Node) -> (Snapshot, Inventory) {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", node.root()).unwrap();
    let (snapshot, _) = archive::read(&tar.into_inner().unwrap()[..]).unwrap();
    let inventory = Inventory::read(&snapshot, None);
    (snapshot, inventory)
}

fn judged(snapshot: &Snapshot, inventory: &Inventory) -> Vec<findings::Finding> {
    let around = HostState::default();
    findings(findings::Node { snapshot, inventory, around: &around }, now())
}

fn plan_for(node: &str, snapshot: &Snapshot, inventory: &Inventory) -> ClientPlan {
    let request = ClientRequest {
        user: format!("system:node:{node}"),
        groups: vec!["system:nodes".to_owned()],
        validity: SignedDuration::from_hours(365 * 24),
        may_be_cut: true,
        accept: Vec::new(),
    };
    client(snapshot, inventory, &judged(snapshot, inventory), &request, now()).unwrap()
}

/// A bundle as a file, written and read back.
fn written(bundle: &Snapshot, node: &str) -> tempfile::NamedTempFile {
    let about = About {
        version: "test".to_owned(),
        created: now(),
        host: "cp-1".to_owned(),
        node: node.to_owned(),
        command: "test".to_owned(),
        reason: "bundle".to_owned(),
    };
    let bytes = archive::to_bytes(bundle, &about).unwrap();
    let (again, manifest) = archive::read(bytes.as_slice()).unwrap();
    assert_eq!(manifest.unwrap().node, node);
    assert!(again.iter().eq(bundle.iter()), "it reads back the same");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes.as_slice()).unwrap();
    file
}

fn paths(bundle: &Snapshot) -> Vec<String> {
    bundle.iter().map(|(path, _)| path.display().to_string()).collect()
}

/// A worker of the cluster of `ecdsa-p256` that has lost everything but its name.
fn worker() -> Node {
    let node = Node::empty();
    node.write("/etc/hostname", "worker-1\n");
    node.write("/var/lib/kubelet/config.yaml", Node::of("ecdsa-p256").read("/var/lib/kubelet/config.yaml"));
    node
}

#[test]
fn a_worker_gets_its_certificate_its_ca_and_a_kubeconfig_that_names_them() {
    let here = Node::of("ecdsa-p256");
    let (snapshot, inventory) = read(&here);
    let plan = plan_for("worker-1", &snapshot, &inventory);
    let bundle = worker_bundle(&inventory, &plan, "https://lb.example.test:6443").unwrap();
    assert_eq!(
        paths(&bundle),
        [
            "/etc/kubernetes/kubelet.conf",
            "/etc/kubernetes/pki/ca.crt",
            "/var/lib/kubelet/pki/kubelet-client-2026-11-23-23-55-00.pem",
            CURRENT
        ]
    );
    let there = worker();
    let file = written(&bundle, "worker-1");
    let path = file.path().display().to_string();
    let run = there.run_as_given(&format!("archive restore {path} --yes"));
    assert_eq!(run.code, 0, "{run}");
    let pem = bundle.iter().find_map(|(path, entry)| match &entry.content {
        Content::File(bytes) if path.to_string_lossy().ends_with("00.pem") => Some(bytes.clone()),
        _ => None,
    });
    let pem = pem.unwrap();
    there.write("/judge.pem", pem.as_ref());
    let ca = there.path(&format!("{PKI}/ca.crt"));
    let command = format!(
        "verify -x509_strict -attime 1795478400 -purpose sslclient -CAfile {} {}",
        ca.display(),
        there.path("/judge.pem").display()
    );
    assert!(openssl(&command, b"").ends_with("OK\n"));
    there.remove("/judge.pem");
    assert_eq!(there.read(&format!("{PKI}/ca.crt")), here.read(&format!("{PKI}/ca.crt")));
    assert_eq!([there.mode("/etc/kubernetes/kubelet.conf"), there.mode(CURRENT) & 0o777], [0o600, 0o777]);
    let text = there.text("/etc/kubernetes/kubelet.conf");
    assert!(
        text.contains(&format!("client-certificate: {CURRENT}\n")) && !text.contains("key-data"),
        "{text}"
    );
    // It is a healthy worker now, and the bundle is its own.
    let run = there.run("diagnose");
    assert_eq!(run.code, 0, "{run}");
    let (_, after) = read(&there);
    assert_eq!(after.facts.node_name.as_ref().unwrap().value, "worker-1");
    assert!(refusals("worker-1", &Inventory::read(&bundle, None), &after).is_empty());
}

#[test]
fn another_control_plane_node_gets_what_recover_would_make_there_and_no_key_of_a_ca() {
    let here = Node::of("ecdsa-p256");
    let there = Node::of("ecdsa-p256");
    for key in CA_KEYS {
        there.remove(&format!("{PKI}/{key}"));
    }
    there.write(&format!("{PKI}/apiserver.crt"), "");
    there.remove(CURRENT);
    let (theirs, inventory) = read(&there);
    let (_, ours) = read(&here);
    let theirs = with_keys(&theirs, &inventory, &ours);
    let inventory = Inventory::with_facts(&theirs, inventory.facts);
    let plan = decide(&theirs, &inventory, &judged(&theirs, &inventory), &Options::recovery(), now());
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    let bundle = control_plane_bundle(&theirs, &inventory, &plan).unwrap();
    let paths = paths(&bundle);
    assert!(paths.iter().any(|path| path == "/etc/kubernetes/pki/apiserver.key"), "{paths:?}");
    assert!(!paths.iter().any(|path| path.ends_with("ca.key")), "{paths:?}");
    let file = written(&bundle, "cp-1");
    let before = there.state();
    let path = file.path().display().to_string();
    let run = there.run_as_given(&format!("archive restore {path} --yes"));
    assert_eq!(run.code, 0, "{run}");
    let codes = there.run("diagnose -o json").json();
    let blockers = codes["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "blocker");
    assert_eq!(blockers.count(), 0, "{codes:#}");
    assert_eq!(there.run_as_given("rollback --yes").code, 0);
    before.assert_same(&there.state(), "rolled back");
}

#[test]
fn keys_of_another_cluster_are_not_taken() {
    let (theirs, inventory) = read(&Node::of("external-ca"));
    let (_, ours) = read(&Node::of("ecdsa-p256"));
    assert!(with_keys(&theirs, &inventory, &ours).iter().eq(theirs.iter()));
}

#[test]
fn a_bundle_is_for_one_node_of_one_cluster() {
    let (snapshot, inventory) = read(&Node::of("ecdsa-p256"));
    let plan = plan_for("worker-1", &snapshot, &inventory);
    let bundle = worker_bundle(&inventory, &plan, "https://lb.example.test:6443").unwrap();
    let bundle = Inventory::read(&bundle, None);
    let codes = |made_for: &str, node: &Inventory| {
        refusals(made_for, &bundle, node).into_iter().map(|refusal| refusal.code).collect::<Vec<_>>()
    };
    let (_, lost) = read(&worker());
    let (_, other) = read(&Node::of("rsa2048"));
    assert_eq!(codes("worker-1", &lost), []);
    assert_eq!(codes("worker-2", &lost), [Code::ArchiveOfAnotherNode]);
    assert_eq!(codes("cp-1", &inventory), []);
    assert_eq!(codes("worker-1", &other), [Code::ArchiveOfAnotherNode, Code::CaReplaced]);
}
