//! `csr export`, `csr sign` and `csr import`: the certificates of a node whose CA keys are kept on another machine, judged by
//! openssl, webpki and kubectl.

#[path = "../apiserver/mod.rs"]
mod apiserver;
mod bad_input;
#[path = "../common/mod.rs"]
mod common;
mod judges;
mod kubeadm;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;
mod signing;

use common::desk::Desk;
use common::{KUBECONFIGS, NOW, Node, PAIRS, PKI, Run, credential, identity, run};
use insta::assert_snapshot;

/// The certificates of every tree have expired, and its CAs have not.
const LATE: &str = "2027-12-01T00:00:00Z";
const CAS: [&str; 3] = ["ca", "etcd/ca", "front-proxy-ca"];
const KUBELET: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// A node, and another machine with the keys of its CAs and a USB stick.
pub struct Scene {
    pub node: Node,
    pub desk: Desk,
}

impl Scene {
    /// A tree of `testdata/nodes` whose CA keys are kept elsewhere.
    pub fn of(tree: &str) -> Self {
        Self::without(Node::of(tree), &CAS)
    }

    /// The keys of these CAs are kept elsewhere.
    pub fn without(node: Node, cas: &[&str]) -> Self {
        let desk = Desk::new();
        for ca in cas {
            for suffix in ["crt", "key"] {
                desk.write(&format!("pki/{ca}.{suffix}"), node.read(&format!("{PKI}/{ca}.{suffix}")));
            }
            node.remove(&format!("{PKI}/{ca}.key"));
        }
        Self { node, desk }
    }

    /// A path on the USB stick, on the node's command line.
    pub fn usb(&self) -> String {
        self.desk.path("usb").display().to_string()
    }

    pub fn export(&self, more: &str) -> Run {
        let exported = self.node.must(&format!("csr export {} {more}", self.usb()));
        self.node.settle();
        exported
    }

    /// Runs `csr sign` where the keys are.
    pub fn sign(&self, arguments: &str) -> Run {
        let at = if arguments.contains("--at ") { String::new() } else { format!("--at {NOW}") };
        run(self.desk.command(&format!("csr sign usb {arguments} {at}")))
    }

    pub fn signed(&self, more: &str) -> Run {
        let signed = self.sign(&format!("--ca pki --yes {more}"));
        assert_eq!(signed.code, 0, "{signed}");
        signed
    }

    pub fn import(&self, more: &str) -> Run {
        self.node.run(&format!("csr import {} --yes --accept-clock {more}", self.usb()))
    }

    /// A text without what differs from run to run.
    pub fn steady(&self, run: &Run) -> String {
        let desk = self.desk.directory.path().display().to_string();
        self.node.shown(run).replace(&desk, "DESK")
    }

    /// The error of a run and its hints.
    pub fn error(&self, run: &Run) -> String {
        let (desk, root) =
            (self.desk.directory.path().display().to_string(), self.node.root().display().to_string());
        let start = run.err.find("error [").unwrap_or_else(|| panic!("no error\n{run}"));
        common::screen::steady(&run.err[start..].replace(&desk, "DESK").replace(&root, "ROOT"))
    }

    /// Runs the import, which must be refused with this code and change nothing.
    pub fn refuses(&self, more: &str, code: &str) -> String {
        let usb = self.usb();
        let run = self.node.refuses(&format!("csr import {usb} --yes --accept-clock {more}"), code);
        self.error(&run)
    }
}

/// Certificate and key of each client of the API server.
fn clients(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let files = KUBECONFIGS.map(|file| format!("/etc/kubernetes/{file}"));
    let there = files.iter().filter(|file| node.exists(file));
    let mut all: Vec<_> = there.map(|file| credential(&node.text(file))).collect();
    let target = std::fs::read_link(node.path(KUBELET)).unwrap();
    let pem = node.text(target.to_str().unwrap());
    let key = pem.find("-----BEGIN EC PRIVATE").or_else(|| pem.find("-----BEGIN RSA PRIVATE"));
    let (certificate, key) = pem.split_at(key.unwrap());
    all.push((certificate.as_bytes().to_vec(), key.as_bytes().to_vec()));
    all
}

#[test]
fn a_node_whose_ca_keys_are_elsewhere_is_repaired() {
    for (tree, at) in [("rsa2048", LATE), ("ecdsa-p256", LATE), ("expired-all", NOW), ("v120-expired", NOW)] {
        let (old, scene) = (Node::of(tree), Scene::of(tree));
        let node = &scene.node;
        let before = node.state();
        scene.export(&format!("--at {at}"));
        assert_eq!(before.changed(&node.state()), Vec::<String>::new(), "{tree}: export changes nothing");
        assert_eq!(node.mode("/var/lib/kuberescue/csr.json"), 0o600);
        for file in std::fs::read_dir(scene.usb()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
        }
        scene.signed(&format!("--at {at}"));
        let imported = scene.import(&format!("--at {at}"));
        assert_eq!(imported.code, 0, "{tree}\n{imported}");
        assert!(!node.exists("/var/lib/kuberescue/csr.json"), "{tree}: the keys are in place");
        let after = node.run(&format!("diagnose -o json --at {at}"));
        let findings = after.json()["findings"].clone();
        let blockers = findings.as_array().unwrap().iter().any(|one| one["severity"] == "blocker");
        assert!(!blockers, "{tree}\n{after}");
        for pair in PAIRS {
            let (was, is) = (old.read(&pair.certificate()), node.read(&pair.certificate()));
            judges::accepted(&node.read(&pair.authority()), &is, &node.read(&pair.key()), pair.purposes, at);
            if tree != "v120-expired" {
                assert_eq!(identity(&was), identity(&is), "{tree} {}", pair.name);
            }
        }
        let ca = node.read(&format!("{PKI}/ca.crt"));
        for ((was, _), (is, key)) in clients(&old).into_iter().zip(clients(node)) {
            judges::accepted(&ca, &is, &key, &["sslclient"], at);
            let subject = |certificate: &[u8]| common::openssl("x509 -noout -subject", certificate);
            assert_eq!(subject(&was), subject(&is), "{tree}");
        }
        let back = node.run("rollback --yes");
        assert_eq!(back.code, 0, "{tree}\n{back}");
        before.assert_same(&node.state(), tree);
    }
}

/// What the API server presents to those who ask by another name goes the same way.
#[test]
fn a_pair_of_tls_sni_cert_key_is_signed_elsewhere_too() {
    let node = Node::of("rsa2048");
    let pair = |end: &str| format!("{PKI}/public{end}");
    for end in [".crt", ".key"] {
        node.write(&pair(end), node.read(&format!("{PKI}/apiserver{end}")));
    }
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    let flag = format!("    - kube-apiserver\n    - --tls-sni-cert-key={},{}\n", pair(".crt"), pair(".key"));
    node.write(manifest, node.text(manifest).replacen("    - kube-apiserver\n", &flag, 1).as_bytes());
    let scene = Scene::without(node, &CAS);
    let (ca, was) = (scene.node.read(&format!("{PKI}/ca.crt")), scene.node.read(&pair(".crt")));
    scene.export(&format!("--at {LATE}"));
    scene.signed(&format!("--at {LATE}"));
    let imported = scene.import(&format!("--at {LATE}"));
    assert_eq!(imported.code, 0, "{imported}");
    let is = scene.node.read(&pair(".crt"));
    judges::accepted(&ca, &is, &scene.node.read(&pair(".key")), &["sslserver"], LATE);
    assert_eq!(identity(&was), identity(&is));
}

#[test]
fn what_each_command_shows() {
    let scene = Scene::without(Node::of("ecdsa-p256"), &["front-proxy-ca"]);
    let usb = scene.usb();
    let dry = scene.node.run(&format!("csr export {usb} --dry-run"));
    assert_snapshot!(scene.steady(&dry), @"
    exit 0
    Certificate requests of node cp-1
    - front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt
        subject CN=front-proxy-client, to be signed by front-proxy-ca
        clientAuth, valid for 365 days
    CA front-proxy-ca: CN=front-proxy-ca, SHA-256 fingerprint SHA256
    Dry run: everything was made and checked in memory, nothing was written.
    ");
    assert!(!scene.desk.path("usb").exists());
    assert_snapshot!(scene.steady(&scene.export("--days 90")), @"
    exit 0
    Certificate requests of node cp-1
    - front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt
        subject CN=front-proxy-client, to be signed by front-proxy-ca
        clientAuth, valid for 90 days
    CA front-proxy-ca: CN=front-proxy-ca, SHA-256 fingerprint SHA256
    Wrote the requests and their manifest to DIR/usb; no private key left this node.
    hint: on the machine that has the CA's key: kuberescue csr sign DIR/usb --ca PATH
    hint: then here: sudo kuberescue csr import DIR/usb
    ");
    assert_snapshot!(scene.steady(&scene.sign("--ca pki --dry-run")), @"
    exit 0
    Certificates for node cp-1
    - sign front-proxy-client: usb/front-proxy-client.crt
        subject CN=front-proxy-client, signed by pki/front-proxy-ca.crt (CN=front-proxy-ca)
        clientAuth, valid until 2027-02-22 00:00 UTC (90 days)
    Dry run: everything was signed and checked in memory, nothing was written.
    ");
    assert_snapshot!(scene.steady(&scene.signed("")), @"
    exit 0
    Certificates for node cp-1
    - sign front-proxy-client: usb/front-proxy-client.crt
        subject CN=front-proxy-client, signed by pki/front-proxy-ca.crt (CN=front-proxy-ca)
        clientAuth, valid until 2027-02-22 00:00 UTC (90 days)
    Wrote usb: each certificate is beside its request.
    hint: on the node: sudo kuberescue csr import usb
    ");
    let dry = scene.node.run(&format!("csr import {usb} --dry-run --accept-clock"));
    assert_snapshot!(scene.steady(&dry), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt and /etc/kubernetes/pki/front-proxy-client.key
        subject CN=front-proxy-client, signed by front-proxy-ca
        expires 2027-02-22 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, ECDSA-P256
    Restart afterwards: kube-apiserver
    Dry run: everything was made and checked in memory, nothing was written.
    ");
    assert_snapshot!(scene.steady(&scene.import("")), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt and /etc/kubernetes/pki/front-proxy-client.key
        subject CN=front-proxy-client, signed by front-proxy-ca
        expires 2027-02-22 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, ECDSA-P256
    Restart afterwards: kube-apiserver
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Imported 1 certificate
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    scene.node.settle();
    let again = scene.import("");
    assert_eq!((again.code, again.out.as_str()), (0, ""), "{again}");
    assert_snapshot!(again.err, @"Everything is in place already: nothing was written.");
}

#[test]
fn the_manifest_says_what_each_request_is_for() {
    let scene = Scene::without(Node::of("ecdsa-p256"), &["front-proxy-ca"]);
    scene.export("");
    let manifest: serde_json::Value = serde_json::from_str(&scene.desk.read("usb/manifest.json")).unwrap();
    let ca = manifest["authorities"][0]["certificate"].as_str().unwrap();
    assert_eq!(ca.as_bytes(), scene.node.read(&format!("{PKI}/front-proxy-ca.crt")));
    assert_snapshot!(serde_json::to_string_pretty(&manifest["requests"]).unwrap(), @r#"
    [
      {
        "authority": "front-proxy-ca",
        "days": 365,
        "file": "front-proxy-client.csr",
        "name": "front-proxy-client",
        "names": [],
        "path": "/etc/kubernetes/pki/front-proxy-client.crt",
        "subject": "CN=front-proxy-client",
        "usage": "client"
      }
    ]
    "#);
    assert_eq!(manifest["node"], "cp-1");
}

#[test]
fn only_what_has_no_key_here_is_requested() {
    let scene = Scene::without(Node::of("ecdsa-p256"), &["etcd/ca"]);
    scene.export("etcd-server apiserver-etcd-client");
    let mut names: Vec<_> = std::fs::read_dir(scene.usb())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["apiserver-etcd-client.csr", "etcd-server.csr", "manifest.json"]);
    let other = scene.desk.path("other").display().to_string();
    let refused = scene.node.refuses(&format!("csr export {other} admin.conf"), "nothing-to-renew");
    assert_snapshot!(scene.error(&refused), @"
    error [nothing-to-renew]: cannot request admin.conf: the key of its CA is on this node: /etc/kubernetes/pki/ca.key
    hint: sudo kuberescue certs renew admin.conf
    ");
    let node = Node::of("ecdsa-p256");
    assert_snapshot!(node.refuses(&format!("csr export {other}"), "nothing-to-renew").error(), @"
    error [nothing-to-renew]: there is nothing to request: the keys of all CAs are on this node
    hint: sudo kuberescue certs renew all
    ");
}

#[test]
fn a_missing_certificate_is_requested_from_the_catalog() {
    let scene = Scene::of("ecdsa-p256");
    let old = scene.node.read(&format!("{PKI}/apiserver.crt"));
    scene.node.remove(&format!("{PKI}/apiserver.crt"));
    scene.node.remove(&format!("{PKI}/apiserver.key"));
    scene.node.remove("/etc/kubernetes/scheduler.conf");
    scene.export("");
    scene.signed("");
    let imported = scene.import("");
    assert_eq!(imported.code, 0, "{imported}");
    assert_eq!(identity(&old), identity(&scene.node.read(&format!("{PKI}/apiserver.crt"))));
    let (certificate, key) = credential(&scene.node.text("/etc/kubernetes/scheduler.conf"));
    judges::accepted(&scene.node.read(&format!("{PKI}/ca.crt")), &certificate, &key, &["sslclient"], NOW);
}

#[test]
fn existing_keys_can_stay() {
    let scene = Scene::of("ecdsa-p256");
    let key = scene.node.read(&format!("{PKI}/apiserver.key"));
    scene.export("--reuse-keys apiserver admin.conf");
    assert!(!scene.node.exists("/var/lib/kuberescue/csr.json"));
    scene.signed("--days 30");
    let imported = scene.import("");
    assert_eq!(imported.code, 0, "{imported}");
    assert!(imported.out.contains("existing key"), "{imported}");
    assert_eq!(scene.node.read(&format!("{PKI}/apiserver.key")), key);
    let certificate = scene.node.read(&format!("{PKI}/apiserver.crt"));
    judges::accepted(&scene.node.read(&format!("{PKI}/ca.crt")), &certificate, &key, &["sslserver"], NOW);
    assert_eq!(common::end_of(&certificate), "2026-12-24 00:00:00Z");
}

/// Which keys wait is a rule that is said: a second export replaces those of the same names, and no others.
#[test]
fn another_export_replaces_the_keys_of_its_names() {
    let scene = Scene::of("ecdsa-p256");
    scene.export("apiserver admin.conf");
    scene.signed("");
    let first = scene.desk.path("first");
    std::fs::rename(scene.usb(), &first).unwrap();
    let usb = scene.usb();
    let asked = scene.node.run(&format!("csr export {usb} apiserver"));
    asked.fails(2, "not-confirmed");
    assert!(!scene.desk.path("usb").exists(), "nothing is written before the answer");
    assert_snapshot!(asked.err, @"
    The keys of the export of 2026-11-24 00:00 UTC are replaced: apiserver. What is signed for that export can then not be imported.
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    ");
    scene.export("apiserver --yes");
    let arguments = format!("csr import {} --yes --accept-clock", first.display());
    let refused = scene.node.refuses(&arguments, "key-mismatch");
    assert_snapshot!(scene.error(&refused), @"
    error [key-mismatch]: cannot import apiserver: its key is neither that of the last csr export nor the existing one
    hint: sign the requests of the last export, or begin again: sudo kuberescue csr export DIR
    ");
    scene.node.must(&format!("{arguments} admin.conf"));
    scene.node.settle();
    scene.signed("");
    assert_eq!(scene.import("").code, 0);
    assert!(!scene.node.exists("/var/lib/kuberescue/csr.json"));
}
