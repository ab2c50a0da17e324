//! `bundle create` and `bundle apply`: what another node needs from the machine with the CA keys, judged by openssl, by the real
//! age, and by the node's own diagnosis.

#[path = "../common/mod.rs"]
mod common;
mod refused;
mod terminal;

use std::path::Path;
use std::process::Command;

use common::desk::Desk;
use common::{Node, PKI, Run, openssl, run};
use insta::assert_snapshot;

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CONF: &str = "/etc/kubernetes/kubelet.conf";
const CA_KEYS: [&str; 3] = ["ca.key", "etcd/ca.key", "front-proxy-ca.key"];
/// 2026-11-24.
const AT: u64 = 1_795_478_400;

/// A directory with the key pair of an operator, made by the real age-keygen.
struct Carrier {
    desk: Desk,
    recipient: String,
}

impl Carrier {
    fn new() -> Self {
        let desk = Desk::new();
        let made =
            Command::new("age-keygen").arg("-o").arg(desk.path("id")).output().expect("age: make deps");
        assert!(made.status.success(), "{made:?}");
        let text = desk.read("id");
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        Self { desk, recipient }
    }

    fn file(&self, node: &str) -> String {
        self.desk.path(&format!("{node}.bundle.age")).display().to_string()
    }

    fn create(&self, from: &Node, node: &str, more: &str) -> Run {
        let Self { recipient, .. } = self;
        let file = self.file(node);
        from.run(&format!("bundle create --node {node} --out {file} --recipient {recipient} {more}"))
    }

    fn created(&self, from: &Node, node: &str, more: &str) -> Run {
        let made = self.create(from, node, more);
        assert_eq!(made.code, 0, "{made}");
        made
    }

    fn apply(&self, to: &Node, node: &str, more: &str) -> Run {
        let (file, identity) = (self.file(node), self.desk.path("id"));
        to.run(&format!("bundle apply {file} --identity {} {more}", identity.display()))
    }

    fn applied(&self, to: &Node, node: &str) -> Run {
        let done = self.apply(to, node, "--yes --accept-clock");
        assert_eq!(done.code, 0, "{done}");
        done
    }

    /// What a run has shown, without what differs from run to run.
    fn shown(&self, node: &Node, run: &Run) -> String {
        let desk = self.desk.directory.path().display().to_string();
        let text = node.shown(run).replace(&desk, "DESK").replace(&self.recipient, "AGE1");
        let text =
            regex::Regex::new("certificate [0-9a-f]{16,}").unwrap().replace_all(&text, "certificate SERIAL");
        regex::Regex::new("kubelet-client-[0-9-]{19}")
            .unwrap()
            .replace_all(&text, "kubelet-client-DATE")
            .into_owned()
    }

    /// What is in a bundle, by the real age and tar.
    fn content(&self, node: &str) -> Vec<String> {
        let mut age = Command::new("age");
        age.arg("-d").arg("-i").arg(self.desk.path("id")).arg("-o").arg(self.desk.path("plain.tar"));
        let decrypted = age.arg(self.file(node)).output().unwrap();
        assert!(decrypted.status.success(), "{}", String::from_utf8_lossy(&decrypted.stderr));
        let listed = Command::new("tar").arg("-tf").arg(self.desk.path("plain.tar")).output().unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        text.lines().map(|line| line.trim_start_matches("./").to_owned()).collect()
    }
}

/// A worker of the cluster of `ecdsa-p256` that has lost everything but its name and its configuration.
fn lost_worker() -> Node {
    let node = Node::empty();
    node.write("/etc/hostname", "worker-1\n");
    node.write("/var/lib/kubelet/config.yaml", Node::of("ecdsa-p256").read("/var/lib/kubelet/config.yaml"));
    node
}

/// The same with the CA and a kubelet.conf, whose certificate is what `kubeconfig new --for-node` has made.
fn worker() -> Node {
    let (node, here) = (lost_worker(), Node::of("ecdsa-p256"));
    node.write(&format!("{PKI}/ca.crt"), here.read(&format!("{PKI}/ca.crt")));
    let conf = here.must("kubeconfig new --for-node worker-1 --server https://localhost:6443").out;
    node.write(CONF, format!("# of this site\n{conf}"));
    node
}

fn accepted(node: &Node) {
    let target = std::fs::read_link(node.path(CURRENT)).unwrap();
    let (ca, leaf) = (node.path(&format!("{PKI}/ca.crt")), node.path(target.to_str().unwrap()));
    let arguments = format!(
        "verify -x509_strict -purpose sslclient -attime {AT} -CAfile {} {}",
        ca.display(),
        leaf.display()
    );
    assert!(openssl(&arguments, b"").ends_with(": OK\n"));
    let pem = std::fs::read(&leaf).unwrap();
    assert_eq!(common::public_key_of_certificate(&pem), common::public_key_of_key(&pem));
}

fn blockers(node: &Node, more: &str) -> Vec<String> {
    let found = node.run(&format!("diagnose -o json {more}")).json();
    let blockers = found["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "blocker");
    blockers.map(|one| format!("{} {}", one["subject"], one["code"])).collect()
}

#[test]
fn a_worker_that_has_lost_everything() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), lost_worker());
    let before = there.state();
    let made = carrier.created(&here, "worker-1", "--server https://lb.example.test:6443");
    let names = carrier.content("worker-1");
    assert!(names.iter().any(|name| name == "etc/kubernetes/kubelet.conf"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("ca.key")), "{names:?}");
    let history = here.run("archive verify").out;
    assert!(history.contains("history: 1 issued certificate"), "{history}");
    assert!(history.contains("(user system:node:worker-1 (system:nodes), serial "), "{history}");
    let done = carrier.applied(&there, "worker-1");
    assert_snapshot!(format!("{}\n{}", carrier.shown(&here, &made), carrier.shown(&there, &done)), @"
    exit 0
    Bundle for the worker worker-1: 1 certificate
    - kubelet-client: valid until 2027-11-24 00:00 UTC (365 days)
        O=system:nodes, CN=system:node:worker-1
    API server https://lb.example.test:6443 (--server)
    Files there:
      /etc/kubernetes/kubelet.conf
      /etc/kubernetes/pki/ca.crt
      /var/lib/kubelet/pki/kubelet-client-DATE.pem
      /var/lib/kubelet/pki/kubelet-client-current.pem
    Wrote DIR/worker-1.bundle.age (mode 0600, encrypted); recorded in the history of this node
    hint: scp DIR/worker-1.bundle.age worker-1:
    hint: on worker-1: sudo kuberescue bundle apply worker-1.bundle.age

    exit 0
    Bundle for worker-1: 7 paths change, 0 the same
    Credentials:
      ca                         missing → certificate SERIAL until 2036-11-20T22:23:27Z
      kubelet-client             missing → certificate SERIAL until 2027-11-24T00:00:00Z
    Paths:
      added    /etc/kubernetes  mode 0755, owner 0:0
      added    /etc/kubernetes/kubelet.conf  mode 0600, owner 0:0
      added    /etc/kubernetes/pki  mode 0755, owner 0:0
      added    /etc/kubernetes/pki/ca.crt  mode 0644, owner 0:0
      added    /var/lib/kubelet/pki  mode 0755, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-DATE.pem  mode 0600, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-current.pem  owner 0:0
    To be restarted afterwards: kubelet
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/worker-1-TIME.tar.gz
    hint: sudo kuberescue rollback restores the old state from ROOT/var/lib/kuberescue/worker-1-TIME.tar.gz
    ");
    accepted(&there);
    assert_eq!([there.mode(CONF), there.mode(&format!("{PKI}/ca.crt"))], [0o600, 0o644]);
    let text = there.text(CONF);
    assert!(
        text.contains(&format!("client-certificate: {CURRENT}\n")) && !text.contains("key-data"),
        "{text}"
    );
    assert!(text.contains("server: \"https://lb.example.test:6443\""), "{text}");
    assert_eq!(there.run("diagnose").code, 0);
    // The same once more changes nothing.
    let again = carrier.apply(&there, "worker-1", "--yes --accept-clock");
    assert_eq!((again.code, again.err.contains("in place already")), (0, true), "{again}");
    assert_eq!(there.run_as_given("rollback --yes").code, 0);
    before.assert_same(&there.state(), "rolled back");
}

#[test]
fn a_worker_keeps_what_its_kubelet_conf_says() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), worker());
    carrier.created(&here, "worker-1", "--days 60");
    let done = carrier.applied(&there, "worker-1");
    assert_snapshot!(carrier.shown(&there, &done), @"
    exit 0
    Bundle for worker-1: 4 paths change, 1 the same
    Credentials:
      kubelet-client             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-24T00:00:00Z → 2027-01-23T00:00:00Z
    Paths:
      changed  /etc/kubernetes/kubelet.conf  content (SIZE)
      added    /var/lib/kubelet/pki  mode 0755, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-DATE.pem  mode 0600, owner 0:0
      added    /var/lib/kubelet/pki/kubelet-client-current.pem  owner 0:0
    NOTE: kubelet.conf keeps its API server https://localhost:6443; the bundle was made for https://192.168.10.11:6443
    To be restarted afterwards: kubelet
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/worker-1-TIME.tar.gz
    hint: sudo kuberescue rollback restores the old state from ROOT/var/lib/kuberescue/worker-1-TIME.tar.gz
    ");
    accepted(&there);
    let text = there.text(CONF);
    assert!(text.starts_with("# of this site\n") && text.contains("https://localhost:6443"), "{text}");
    assert_eq!(there.run("diagnose").code, 0, "{}", there.run("diagnose"));
}

#[test]
fn a_worker_whose_kubelet_has_its_files_elsewhere() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), worker());
    there.replace("/var/lib/kubelet/config.yaml", "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/ssl/ca.crt");
    there.rename(&format!("{PKI}/ca.crt"), "/etc/kubernetes/ssl/ca.crt");
    there.remove(PKI);
    let unit = "[Service]\nExecStart=/usr/bin/kubelet --kubeconfig=/etc/kubernetes/node.conf --cert-dir=/srv/kubelet/pki --config=/var/lib/kubelet/config.yaml\n";
    there.write("/etc/systemd/system/kubelet.service", unit);
    there.rename(CONF, "/etc/kubernetes/node.conf");
    carrier.created(&here, "worker-1", "");
    let done = carrier.applied(&there, "worker-1");
    assert!(!there.exists(PKI), "{done}");
    assert!(there.text("/etc/kubernetes/node.conf").contains("/srv/kubelet/pki/kubelet-client-current.pem"));
    assert!(Path::new(&there.path("/srv/kubelet/pki/kubelet-client-current.pem")).symlink_metadata().is_ok());
    assert_eq!(there.run("diagnose").code, 0, "{}", there.run("diagnose"));
}

#[test]
fn another_control_plane_node_gets_what_recover_would_make_there() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    for key in CA_KEYS {
        there.remove(&format!("{PKI}/{key}"));
    }
    there.write(&format!("{PKI}/apiserver.crt"), "");
    there.remove(CURRENT);
    let directory = carrier.desk.directory.path().display();
    let archive =
        there.run_as_given(&format!("archive create --archive-dir {directory}")).out.trim().to_owned();
    let made = carrier.created(&here, "cp-1", &format!("--from {archive}"));
    let names = carrier.content("cp-1");
    assert!(names.iter().any(|name| name == "etc/kubernetes/pki/apiserver.key"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("ca.key")), "{names:?}");
    let before = there.state();
    let dry = carrier.apply(&there, "cp-1", "--dry-run --accept-clock");
    before.assert_identical(&there.state(), "a dry run");
    let done = carrier.applied(&there, "cp-1");
    assert_eq!(dry.out, done.out);
    assert_snapshot!(format!("{}\n{}", carrier.shown(&here, &made), carrier.shown(&there, &done)), @"
    exit 0
    Bundle for the control-plane node cp-1: 11 certificates
    - admin.conf: valid until 2027-11-24 00:00 UTC (365 days)
        O=kubeadm:cluster-admins, CN=kubernetes-admin
    - apiserver: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver
    - apiserver-etcd-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver-etcd-client
    - apiserver-kubelet-client: valid until 2027-11-24 00:00 UTC (365 days)
        O=kubeadm:cluster-admins, CN=kube-apiserver-kubelet-client
    - controller-manager.conf: valid until 2027-11-24 00:00 UTC (365 days)
        CN=system:kube-controller-manager
    - etcd-healthcheck-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-etcd-healthcheck-client
    - etcd-peer: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - etcd-server: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - front-proxy-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=front-proxy-client
    - scheduler.conf: valid until 2027-11-24 00:00 UTC (365 days)
        CN=system:kube-scheduler
    - super-admin.conf: valid until 2027-11-24 00:00 UTC (365 days)
        O=system:masters, CN=kubernetes-super-admin
    Files there:
      /etc/kubernetes/admin.conf
      /etc/kubernetes/controller-manager.conf
      /etc/kubernetes/pki/apiserver-etcd-client.crt
      /etc/kubernetes/pki/apiserver-etcd-client.key
      /etc/kubernetes/pki/apiserver-kubelet-client.crt
      /etc/kubernetes/pki/apiserver-kubelet-client.key
      /etc/kubernetes/pki/apiserver.crt
      /etc/kubernetes/pki/apiserver.key
      /etc/kubernetes/pki/ca.crt
      /etc/kubernetes/pki/etcd/ca.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.key
      /etc/kubernetes/pki/etcd/peer.crt
      /etc/kubernetes/pki/etcd/peer.key
      /etc/kubernetes/pki/etcd/server.crt
      /etc/kubernetes/pki/etcd/server.key
      /etc/kubernetes/pki/front-proxy-ca.crt
      /etc/kubernetes/pki/front-proxy-client.crt
      /etc/kubernetes/pki/front-proxy-client.key
      /etc/kubernetes/scheduler.conf
      /etc/kubernetes/super-admin.conf
      /var/lib/kubelet/pki/kubelet-client-current.pem
    Wrote DIR/cp-1.bundle.age (mode 0600, encrypted); recorded in the history of this node
    hint: scp DIR/cp-1.bundle.age cp-1:
    hint: on cp-1: sudo kuberescue bundle apply cp-1.bundle.age

    exit 0
    Bundle for cp-1: 19 paths change, 3 the same
    Credentials:
      admin.conf                 another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      apiserver                  unreadable (the file is empty) → certificate SERIAL until 2027-11-24T00:00:00Z
      apiserver-etcd-client      another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      apiserver-kubelet-client   another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      controller-manager.conf    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      etcd-healthcheck-client    another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      etcd-peer                  another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      etcd-server                another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      front-proxy-client         another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      scheduler.conf             another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      super-admin.conf           another certificate, another key: serial SERIAL → SERIAL; expires 2027-11-23T22:23:27Z → 2027-11-24T00:00:00Z
      kubelet-client             missing → certificate SERIAL until 2027-11-23T22:18:27Z
    Paths:
      changed  /etc/kubernetes/admin.conf  content (SIZE)
      changed  /etc/kubernetes/controller-manager.conf  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-etcd-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver-kubelet-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.crt  content (SIZE)
      changed  /etc/kubernetes/pki/apiserver.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/healthcheck-client.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/peer.key  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.crt  content (SIZE)
      changed  /etc/kubernetes/pki/etcd/server.key  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.crt  content (SIZE)
      changed  /etc/kubernetes/pki/front-proxy-client.key  content (SIZE)
      changed  /etc/kubernetes/scheduler.conf  content (SIZE)
      changed  /etc/kubernetes/super-admin.conf  content (SIZE)
      added    /var/lib/kubelet/pki/kubelet-client-current.pem  owner 0:0
    To be restarted afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: sudo kuberescue rollback restores the old state from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    assert_eq!(blockers(&there, ""), Vec::<String>::new());
    assert_eq!(there.run_as_given("rollback --yes").code, 0);
    before.assert_same(&there.state(), "rolled back");
}

/// Without manifests it isn't known what a missing certificate should be: what is there is renewed.
#[test]
fn from_a_copy_of_its_certificates() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    for key in CA_KEYS {
        there.remove(&format!("{PKI}/{key}"));
    }
    let root = there.root().display().to_string();
    let mut made = String::new();
    for (directory, without) in [("/etc/kubernetes", "manifests"), ("/etc/kubernetes/pki", "sa.key")] {
        let copy = format!("/copy{}", made.len());
        let done = Command::new("cp")
            .args(["-a", &format!("{root}{directory}"), &carrier.desk.path(&copy[1..]).display().to_string()])
            .status();
        assert!(done.unwrap().success());
        let copied = carrier.desk.path(&format!("{}/{without}", &copy[1..]));
        let _ = std::fs::remove_dir_all(&copied).or_else(|_| std::fs::remove_file(&copied));
        let _ = std::fs::remove_file(carrier.file("cp-1"));
        let from = carrier.desk.path(&copy[1..]).display().to_string();
        let run = carrier.created(&here, "cp-1", &format!("--from {from}"));
        made.push_str(&carrier.shown(&here, &run));
        let dry = carrier.apply(&there, "cp-1", "--dry-run --accept-clock");
        assert_eq!(dry.code, 0, "{dry}");
    }
    assert_snapshot!(made, @"
    exit 0
    Bundle for the control-plane node cp-1: 12 certificates
    - admin.conf: valid until 2027-11-24 00:00 UTC (365 days)
        O=kubeadm:cluster-admins, CN=kubernetes-admin
    - apiserver: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver
    - apiserver-etcd-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver-etcd-client
    - apiserver-kubelet-client: valid until 2027-11-24 00:00 UTC (365 days)
        O=kubeadm:cluster-admins, CN=kube-apiserver-kubelet-client
    - controller-manager.conf: valid until 2027-11-24 00:00 UTC (365 days)
        CN=system:kube-controller-manager
    - etcd-healthcheck-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-etcd-healthcheck-client
    - etcd-peer: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - etcd-server: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - front-proxy-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=front-proxy-client
    - scheduler.conf: valid until 2027-11-24 00:00 UTC (365 days)
        CN=system:kube-scheduler
    - super-admin.conf: valid until 2027-11-24 00:00 UTC (365 days)
        O=system:masters, CN=kubernetes-super-admin
    - kubelet-client: valid until 2027-11-24 00:00 UTC (365 days)
        O=system:nodes, CN=system:node:cp-1
    Files there:
      /etc/kubernetes/admin.conf
      /etc/kubernetes/controller-manager.conf
      /etc/kubernetes/pki/apiserver-etcd-client.crt
      /etc/kubernetes/pki/apiserver-etcd-client.key
      /etc/kubernetes/pki/apiserver-kubelet-client.crt
      /etc/kubernetes/pki/apiserver-kubelet-client.key
      /etc/kubernetes/pki/apiserver.crt
      /etc/kubernetes/pki/apiserver.key
      /etc/kubernetes/pki/ca.crt
      /etc/kubernetes/pki/etcd/ca.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.key
      /etc/kubernetes/pki/etcd/peer.crt
      /etc/kubernetes/pki/etcd/peer.key
      /etc/kubernetes/pki/etcd/server.crt
      /etc/kubernetes/pki/etcd/server.key
      /etc/kubernetes/pki/front-proxy-ca.crt
      /etc/kubernetes/pki/front-proxy-client.crt
      /etc/kubernetes/pki/front-proxy-client.key
      /etc/kubernetes/scheduler.conf
      /etc/kubernetes/super-admin.conf
      /var/lib/kubelet/pki
      /var/lib/kubelet/pki/kubelet-client-DATE.pem
      /var/lib/kubelet/pki/kubelet-client-current.pem
    Wrote DIR/cp-1.bundle.age (mode 0600, encrypted); recorded in the history of this node
    hint: scp DIR/cp-1.bundle.age cp-1:
    hint: on cp-1: sudo kuberescue bundle apply cp-1.bundle.age
    exit 0
    Bundle for the control-plane node cp-1: 7 certificates
    - apiserver: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver
    - apiserver-etcd-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-apiserver-etcd-client
    - apiserver-kubelet-client: valid until 2027-11-24 00:00 UTC (365 days)
        O=kubeadm:cluster-admins, CN=kube-apiserver-kubelet-client
    - etcd-healthcheck-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=kube-etcd-healthcheck-client
    - etcd-peer: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - etcd-server: valid until 2027-11-24 00:00 UTC (365 days)
        CN=cp-1
    - front-proxy-client: valid until 2027-11-24 00:00 UTC (365 days)
        CN=front-proxy-client
    Files there:
      /etc/kubernetes/pki/apiserver-etcd-client.crt
      /etc/kubernetes/pki/apiserver-etcd-client.key
      /etc/kubernetes/pki/apiserver-kubelet-client.crt
      /etc/kubernetes/pki/apiserver-kubelet-client.key
      /etc/kubernetes/pki/apiserver.crt
      /etc/kubernetes/pki/apiserver.key
      /etc/kubernetes/pki/ca.crt
      /etc/kubernetes/pki/etcd/ca.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.crt
      /etc/kubernetes/pki/etcd/healthcheck-client.key
      /etc/kubernetes/pki/etcd/peer.crt
      /etc/kubernetes/pki/etcd/peer.key
      /etc/kubernetes/pki/etcd/server.crt
      /etc/kubernetes/pki/etcd/server.key
      /etc/kubernetes/pki/front-proxy-ca.crt
      /etc/kubernetes/pki/front-proxy-client.crt
      /etc/kubernetes/pki/front-proxy-client.key
    Wrote DIR/cp-1.bundle.age (mode 0600, encrypted); recorded in the history of this node
    hint: scp DIR/cp-1.bundle.age cp-1:
    hint: on cp-1: sudo kuberescue bundle apply cp-1.bundle.age
    ");
    carrier.applied(&there, "cp-1");
    assert_eq!(blockers(&there, ""), Vec::<String>::new());
}

#[test]
fn a_renewed_ca_reaches_the_other_nodes() {
    let (carrier, here) = (Carrier::new(), Node::of("expired-ca"));
    let (other, there) = (Node::of("expired-ca"), worker());
    there.write(&format!("{PKI}/ca.crt"), here.read(&format!("{PKI}/ca.crt")));
    for key in CA_KEYS {
        other.remove(&format!("{PKI}/{key}"));
    }
    let renewed = here.run("recover --renew-cas --yes --accept-clock");
    assert_eq!(renewed.code, 0, "{renewed}");
    let node = here.run("diagnose -o json").json()["node"].as_str().unwrap_or("cp-1").to_owned();
    let root = other.root().display().to_string();
    carrier.created(&here, &node, &format!("--accept clock-behind --from {root}"));
    carrier.applied(&other, &node);
    assert_eq!(blockers(&other, ""), Vec::<String>::new());
    assert_eq!(other.read(&format!("{PKI}/ca.crt")), here.read(&format!("{PKI}/ca.crt")));
    carrier.created(&here, "worker-1", "--accept clock-behind");
    carrier.applied(&there, "worker-1");
    accepted(&there);
}

#[test]
fn a_new_ca_reaches_a_worker_beside_the_old_one() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), worker());
    let old = here.text(&format!("{PKI}/ca.crt"));
    let replaced = here.run("ca replace ca --trust-only --yes --accept-clock");
    assert_eq!(replaced.code, 0, "{replaced}");
    carrier.created(&here, "worker-1", "--accept clock-behind");
    carrier.applied(&there, "worker-1");
    let both = there.text(&format!("{PKI}/ca.crt"));
    assert!(both.contains(old.trim()) && both.matches("BEGIN CERTIFICATE").count() == 2, "{both}");
    assert_eq!(blockers(&there, ""), Vec::<String>::new());
    let json = run({
        let mut command = common::kuberescue();
        command.args(["diagnose", "-o", "json", "--at", common::NOW, "--root"]).arg(there.root());
        command
    });
    assert_eq!(json.code, 0, "{json}");
}
