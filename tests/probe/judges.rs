//! openssl's server and a real etcd at the other end, and the command line itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::PrivateKey;
use kuberescue::live::Fault;
use kuberescue::live::deadline::Deadline;
use kuberescue::live::https::{ClientPair, Exchange, Transport, get};
use tempfile::TempDir;

use super::node::{Node, check, wrong};
use super::server::{Authority, Leaf, NOW, closed_port};

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn put(directory: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

pub fn put_leaf(directory: &TempDir, name: &str, leaf: &Leaf) -> (String, String) {
    (
        put(directory, &format!("{name}.crt"), leaf.certificate.to_pem()),
        put(directory, &format!("{name}.key"), leaf.key.to_pem().as_bytes()),
    )
}

fn openssl_server(arguments: &[&str]) -> (Running, SocketAddr) {
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is needed: make deps");
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let running = Running(child);
    let mut lines = stdout.lines();
    let line = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    // Its later lines must not break its pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (running, line.parse().unwrap())
}

#[test]
fn openssl_takes_kubeadms_client_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = put_leaf(&directory, "server", &Authority::new("ca").leaf("server"));
    for tree in ["rsa2048", "ecdsa-p256"] {
        let files = crate::common::files(tree);
        let pki = |name: &str| &files[&format!("/etc/kubernetes/pki/{name}")];
        let ca = put(&directory, "client-ca.crt", pki("ca.crt"));
        let pair = ClientPair::new(
            &Certificate::from_pem(pki("apiserver-kubelet-client.crt")).unwrap(),
            &PrivateKey::from_pem(pki("apiserver-kubelet-client.key")).unwrap(),
        )
        .unwrap();
        for version in ["-tls1_2", "-tls1_3"] {
            // Dates are not looked at: this is about the key.
            let (_server, address) = openssl_server(&[
                "-cert",
                &certificate,
                "-key",
                &key,
                "-Verify",
                "1",
                "-verify_return_error",
                "-no_check_time",
                "-CAfile",
                &ca,
                version,
            ]);
            let deadline = || Deadline::within(Duration::from_secs(20));
            let good = get(address, Transport::Tls(Some(&pair)), "/", deadline());
            let Exchange::Connected { reply: Ok(reply), .. } = good else {
                panic!("{tree} {version}: {good:?}")
            };
            assert_eq!(reply.status, 200);
            let page = String::from_utf8_lossy(&reply.body);
            assert!(page.contains("kube-apiserver-kubelet-client"), "{page}");
            let none = get(address, Transport::Tls(None), "/", deadline());
            let (Exchange::NoHandshake(chain, fault) | Exchange::Connected { chain, reply: Err(fault) }) =
                none
            else {
                panic!("{tree} {version}: {none:?}")
            };
            assert_eq!(chain.len(), 1);
            match fault {
                Fault::ClientCertificateRejected(why) if version == "-tls1_3" => {
                    insta::allow_duplicates! { insta::assert_snapshot!(why, @"none was given"); }
                }
                // OpenSSL's alert in TLS 1.2.
                Fault::Tls(why) if version == "-tls1_2" => {
                    insta::allow_duplicates! { insta::assert_snapshot!(why, @"the server closed it: it has no cipher suite in common, or requires another client certificate"); }
                }
                other => panic!("{tree} {version}: {other:?}"),
            }
        }
    }
}

/// A node whose etcd is a real one, on ports of its own.
pub struct WithEtcd {
    pub node: Node,
    pub directory: TempDir,
    process: Option<Running>,
}

impl WithEtcd {
    pub fn new() -> Self {
        let mut node = Node::new();
        (node.at.etcd, node.at.peer, node.at.metrics) = (closed_port(), closed_port(), closed_port());
        node.configure();
        Self { node, directory: tempfile::tempdir().unwrap(), process: None }
    }

    /// Ends it by SIGTERM, as the kubelet does.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let id = nix::unistd::Pid::from_raw(i32::try_from(process.0.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        process.0.wait().unwrap();
    }

    /// Starts etcd with these certificates, as kubeadm's manifest does, and waits until it is healthy.
    pub fn start(&mut self, server: &Leaf, peer: &Leaf) {
        drop(self.process.take());
        let at = self.node.at;
        let ca = put(&self.directory, "ca.crt", self.node.etcd_ca.certificate.to_pem());
        let (server, server_key) = put_leaf(&self.directory, "server", server);
        let (peer, peer_key) = put_leaf(&self.directory, "peer", peer);
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let child = Command::new("etcd")
            .arg("--name=lab-cp1")
            .arg(format!("--data-dir={}", self.directory.path().join("data").display()))
            .arg(format!("--listen-client-urls=https://{}", at.etcd))
            .arg(format!("--advertise-client-urls=https://{}", at.etcd))
            .arg(format!("--listen-peer-urls=https://{}", at.peer))
            .arg(format!("--initial-advertise-peer-urls=https://{}", at.peer))
            .arg(format!("--initial-cluster=lab-cp1=https://{}", at.peer))
            .arg(format!("--listen-metrics-urls=http://{}", at.metrics))
            .args([format!("--cert-file={server}"), format!("--key-file={server_key}")])
            .args([format!("--peer-cert-file={peer}"), format!("--peer-key-file={peer_key}")])
            .args([format!("--trusted-ca-file={ca}"), format!("--peer-trusted-ca-file={ca}")])
            .args(["--client-cert-auth=true", "--peer-client-cert-auth=true", "--unsafe-no-fsync=true"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("etcd is needed: make deps");
        self.process = Some(Running(child));
        let start = Instant::now();
        while check(&self.node.probe(), "etcd-metrics").result() != "ok" {
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            assert!(start.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_real_etcd() {
    let mut etcd = WithEtcd::new();
    let down = wrong(&etcd.node.probe());
    assert_eq!(
        down,
        ["etcd-client: not-listening", "etcd-peer: not-listening", "etcd-metrics: not-listening"]
    );

    let (server, peer) = (etcd.node.served["etcd-client"].clone(), etcd.node.served["etcd-peer"].clone());
    etcd.start(&server, &peer);
    let report = etcd.node.probe();
    assert!(report.is_green(), "{report:#?}");

    // The disk was renewed; etcd, whose files these are not, still serves the old ones.
    let renewed = etcd.node.etcd_ca.made("lab-cp1", (2026, 4096));
    etcd.node.put_pair("/etc/kubernetes/pki/etcd/server", &renewed);
    assert_eq!(wrong(&etcd.node.probe()), ["etcd-client: old-certificate-still-served"]);
    etcd.node.put_pair("/etc/kubernetes/pki/etcd/server", &server);

    // Go's server refuses after the handshake.
    let expired = etcd.node.etcd_ca.expired("kube-etcd-healthcheck-client");
    etcd.node.put_pair("/etc/kubernetes/pki/etcd/healthcheck-client", &expired);
    let foreign = Authority::new("etcd-ca").leaf("lab-cp1");
    etcd.node.put("/etc/kubernetes/pki/etcd/peer.key", foreign.key.to_pem().as_bytes());
    let report = etcd.node.probe();
    assert_eq!(
        wrong(&report),
        ["etcd-client: client-certificate-rejected", "etcd-peer: client-certificate-rejected"]
    );
    let etcd_client = check(&report, "etcd-client");
    assert_eq!(etcd_client.served.as_ref().unwrap().fingerprint, server.certificate.fingerprint());
    insta::assert_snapshot!(etcd_client.what, @"client certificate rejected: the server calls it bad (etcd-healthcheck-client expired on 2016-01-01 (3980 days ago))");
}

pub fn kuberescue(arguments: &[&str]) -> (i32, String, String) {
    let done =
        Command::new(env!("CARGO_BIN_EXE_kuberescue")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_disk_is_not_asked() {
    let node = crate::common::Node::of("rsa2048");
    for root in [node.root(), &crate::common::fixture("rsa2048")] {
        let (code, out, err) = kuberescue(&["probe", "--root", root.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(err.replace(root.to_str().unwrap(), "ROOT"), @"
            error [not-a-host]: cannot connect to or restart anything: --root ROOT is a disk, not a running node
            hint: kuberescue diagnose --root ROOT
            ");
        }
    }
}

/// A test that is left out must not look like one that passed.
fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI this has to run, but {why}");
    // Not eprintln!, which the test runner hides when a test passes.
    let _ = writeln!(std::io::stderr(), "\n*** NOT RUN: probe on a running machine: {why}");
}

/// The command on a running machine whose files are those of `node`: in a mount namespace of its own they lie over
/// /etc and /var/lib. `None` where that is not allowed.
pub fn on_machine(node: &Node, arguments: &[&str]) -> Option<(i32, String, String)> {
    on_machine_by(node, &[&[env!("CARGO_BIN_EXE_kuberescue")], arguments].concat())
}

/// The same for any command.
pub fn on_machine_by(node: &Node, command: &[&str]) -> Option<(i32, String, String)> {
    if !nix::unistd::geteuid().is_root() {
        not_run("a mount namespace needs root");
        return None;
    }
    let disk = node.on_disk();
    let over = |inside: &str| {
        let lower = disk.path(inside);
        format!("mount -t overlay -o lowerdir={}:{inside} overlay {inside} || exit 99; ", lower.display())
    };
    let script = format!("{}{}exec \"$@\"", over("/etc"), over("/var/lib"));
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .args(command)
        // A proxy for the world outside is none for the node itself.
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (code, out, err) = (done.status.code().unwrap(), text(done.stdout), text(done.stderr));
    if code == 99 || err.contains("unshare: ") {
        not_run(&err);
        return None;
    }
    Some((code, out, err))
}

#[test]
fn the_command_on_a_running_machine() {
    let mut node = Node::new();
    let Some((code, out, err)) = on_machine(&node, &["probe", "--at", NOW]) else { return };
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "ADDRESS", "RESULT", "SERVED", "UNTIL", "DETAIL"]);
    let etcd = node.at.etcd.to_string();
    assert_eq!(lines[1][..6], ["etcd-client", &etcd, "ok", "4096-01-01", "00:00", "UTC"]);
    assert_eq!(lines[lines.len() - 2], ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]);
    // Made at 22:55:32 of the day before.
    assert_eq!(lines[lines.len() - 1], ["lab-cp1", "Ready", "control-plane,master", "64m", "v1.20.2"]);

    let renewed = node.etcd_ca.made("lab-cp1", (2026, 4096));
    node.put_pair("/etc/kubernetes/pki/etcd/server", &renewed);
    let (code, out, _) =
        on_machine(&node, &["probe", "--at", NOW, "-o", "json", "--timeout", "20s"]).unwrap();
    assert_eq!(code, 1, "{out}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["green"], false);
    assert_eq!(report["items"][0]["code"], "old-certificate-still-served");
    assert_eq!(report["items"][0]["hint"], "sudo kuberescue restart etcd");
    let (code, yaml, _) = on_machine(&node, &["probe", "--at", NOW, "-o", "yaml"]).unwrap();
    assert_eq!(code, 1);
    assert!(yaml.contains("\n  code: \"old-certificate-still-served\"\n"), "{yaml}");
}
