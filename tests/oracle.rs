//! What `certs renew all` writes, judged by others' eyes: openssl, webpki and kubectl, for every tree in which
//! something can be renewed and for every kind of key.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{
    KUBECONFIGS, NOW, Node, PAIRS, PKI, RENEWABLE, base64, credential, embedded, kept_fields, kubectl,
    openssl, pair_named, public_key_of_certificate, public_key_of_key,
};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// A leaf that was renewed: before, now, its key now, and who signed it.
struct Renewed {
    name: String,
    old: Vec<u8>,
    new: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
    purposes: &'static [&'static str],
}

/// Every leaf of `after`, beside what it was in `before`; of unreadable ones there is no before.
fn renewed(before: &Node, after: &Node) -> Vec<Renewed> {
    let authority = |base: &str| after.read(&format!("{PKI}/{base}.crt"));
    let mut all: Vec<_> = PAIRS
        .iter()
        .map(|pair| Renewed {
            name: pair.name.to_owned(),
            old: before.read(&pair.certificate()),
            new: after.read(&pair.certificate()),
            key: after.read(&pair.key()),
            authority: authority(pair.authority),
            purposes: pair.purposes,
        })
        .collect();
    for name in KUBECONFIGS {
        let path = format!("/etc/kubernetes/{name}");
        if before.exists(&path) {
            let (new, key) = credential(&after.text(&path));
            let old = credential(&before.text(&path)).0;
            let name = name.to_owned();
            all.push(Renewed { name, old, new, key, authority: authority("ca"), purposes: &["sslclient"] });
        }
    }
    let kubelet = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let target = |node: &Node| std::fs::read_link(node.path(kubelet)).unwrap().to_str().unwrap().to_owned();
    let (old, new) = (target(before), target(after));
    if old != new {
        let (old, new) = (before.read(&old), after.read(&new));
        let name = "kubelet-client".to_owned();
        all.push(Renewed {
            name,
            old,
            key: new.clone(),
            new,
            authority: authority("ca"),
            purposes: &["sslclient"],
        });
    }
    all
}

impl Renewed {
    fn was_readable(&self) -> bool {
        String::from_utf8_lossy(&self.old).contains("-----END CERTIFICATE-----")
    }

    /// openssl finds it good for what it is for, at a moment within its life and not after it.
    fn assert_verifies(&self, tree: &str) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let (authority, leaf) = (file("ca.crt", &self.authority), file("leaf.crt", &self.new));
        let now = NOW.parse::<Timestamp>().unwrap().as_second();
        for purpose in self.purposes {
            let command =
                format!("verify -x509_strict -CAfile {authority} -purpose {purpose} -attime {now} {leaf}");
            // A CA of 1.20 has a serial number of 0, which no certificate may have when one is strict.
            let command = if tree == "v120-expired" { command.replace(" -x509_strict", "") } else { command };
            assert!(openssl(&command, b"").ends_with(": OK\n"), "{tree} {} {purpose}", self.name);
        }
        let late = now + 366 * 86_400;
        let done = Command::new("openssl")
            .args(["verify", "-CAfile", &authority, "-attime", &late.to_string(), &leaf])
            .output()
            .unwrap();
        assert!(!done.status.success(), "{tree} {}: it has to end after a year", self.name);
    }
}

#[test]
fn openssl_verifies_every_new_certificate_and_its_key() {
    for tree in RENEWABLE {
        let (before, after) = (Node::of(tree), Node::of(tree));
        after.must("certs renew all --kubelet");
        let leaves = renewed(&before, &after);
        assert_eq!(leaves.len(), if tree == "v120-expired" { 11 } else { 12 }, "{tree}");
        for leaf in leaves {
            leaf.assert_verifies(tree);
            assert_eq!(
                public_key_of_certificate(&leaf.new),
                public_key_of_key(&leaf.key),
                "{tree} {}",
                leaf.name
            );
            assert!(
                openssl("pkey -check -noout", &leaf.key).contains("Key is valid"),
                "{tree} {}",
                leaf.name
            );
            assert_ne!(public_key_of_certificate(&leaf.new), leaf.old_public_key(), "{tree} {}", leaf.name);
            if leaf.was_readable() {
                assert_eq!(kept_fields(&leaf.new), kept_fields(&leaf.old), "{tree} {}", leaf.name);
            }
            leaf.assert_fresh_serial(tree);
            leaf.assert_authority_key_identifier(tree);
        }
    }
}

impl Renewed {
    fn old_public_key(&self) -> String {
        if self.was_readable() { public_key_of_certificate(&self.old) } else { String::new() }
    }

    fn assert_fresh_serial(&self, tree: &str) {
        let serial =
            |certificate: &[u8]| openssl("x509 -noout -serial", certificate).trim().replace("serial=", "");
        let new = serial(&self.new);
        assert!(new.len() <= 40 && new.len() >= 12 && !new.starts_with('-'), "{tree} {}: {new}", self.name);
        if self.was_readable() {
            assert_ne!(new, serial(&self.old), "{tree} {}", self.name);
        }
    }

    /// Where the authority has a key identifier, the leaf names it.
    fn assert_authority_key_identifier(&self, tree: &str) {
        let value = |certificate: &[u8], extension: &str| {
            let text = openssl(&format!("x509 -noout -text -ext {extension}"), certificate);
            let line = text.lines().skip_while(|line| !line.contains("Key Identifier")).nth(1);
            line.unwrap_or_default().trim().trim_start_matches("keyid:").to_owned()
        };
        let subject = value(&self.authority, "subjectKeyIdentifier");
        if !subject.is_empty() {
            assert_eq!(value(&self.new, "authorityKeyIdentifier"), subject, "{tree} {}", self.name);
        }
    }
}

#[test]
fn webpki_accepts_the_serving_certificates_for_their_names() {
    let names = [
        (
            "apiserver",
            &["kubernetes", "kubernetes.default.svc.cluster.local", "10.96.0.1", "192.168.10.11"][..],
        ),
        ("etcd-server", &["localhost", "127.0.0.1", "192.168.10.11"]),
        ("etcd-peer", &["localhost", "127.0.0.1", "192.168.10.11"]),
    ];
    for tree in ["rsa2048", "ecdsa-p256", "expired-all", "mixed"] {
        let node = Node::of(tree);
        node.must("certs renew all");
        let now = NOW.parse::<Timestamp>().unwrap().as_second();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.try_into().unwrap()));
        for (name, hosts) in names {
            let pair = pair_named(name);
            let (leaf, authority) =
                (der(&node.read(&pair.certificate())), der(&node.read(&pair.authority())));
            let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
            let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
            let anchors = [anchor];
            let usage = webpki::KeyUsage::server_auth();
            leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &[], time, usage, None, None)
                .unwrap_or_else(|error| panic!("{tree} {name}: {error}"));
            for host in hosts {
                let host = ServerName::try_from(*host).unwrap();
                leaf.verify_is_valid_for_subject_name(&host)
                    .unwrap_or_else(|error| panic!("{tree} {name} {host:?}: {error}"));
            }
        }
    }
}

fn der(pem: &[u8]) -> CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem).unwrap()
}

#[test]
fn kubectl_reads_every_kubeconfig_as_before() {
    let Some(kubectl) = kubectl() else {
        return common::skip("there is no kubectl (make deps installs one)");
    };
    for tree in RENEWABLE {
        let (before, after) = (Node::of(tree), Node::of(tree));
        // One that has to be written again, and so can be compared only by its names.
        after.write("/etc/kubernetes/controller-manager.conf", "");
        after.must("certs renew all");
        for name in KUBECONFIGS.iter().filter(|name| before.exists(&format!("/etc/kubernetes/{name}"))) {
            let (old, new) = (view(&kubectl, &before, name), view(&kubectl, &after, name));
            let data =
                |config: &serde_json::Value| config["users"][0]["user"]["client-certificate-data"].clone();
            assert_ne!(data(&old), data(&new), "{tree} {name}");
            assert_eq!(without_credential(old), without_credential(new), "{tree} {name}");
        }
    }
}

fn view(kubectl: &PathBuf, node: &Node, name: &str) -> serde_json::Value {
    let path = node.path(&format!("/etc/kubernetes/{name}"));
    let mut command = Command::new(kubectl);
    command.args(["config", "view", "--raw", "-o", "json", "--kubeconfig"]).arg(path);
    let run = common::run(command);
    assert_eq!(run.code, 0, "{name}\n{run}");
    serde_json::from_str(&run.out).unwrap()
}

fn without_credential(mut config: serde_json::Value) -> serde_json::Value {
    for field in ["client-certificate-data", "client-key-data"] {
        assert!(config["users"][0]["user"][field].take().is_string());
    }
    config
}

/// Keys as openssl makes them: how, the first line of their PEM, and what openssl calls them.
const KEYS: [(&str, &str, &str, &str); 7] = [
    ("apiserver", "genrsa -traditional 3072", "RSA PRIVATE KEY", "(3072 bit"),
    (
        "apiserver-kubelet-client",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
        "PRIVATE KEY",
        "(3072 bit",
    ),
    (
        "front-proxy-client",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        "PRIVATE KEY",
        "(2048 bit",
    ),
    ("etcd-server", "ecparam -name secp384r1 -genkey -noout", "EC PRIVATE KEY", "(384 bit"),
    ("etcd-peer", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "PRIVATE KEY", "(384 bit"),
    (
        "etcd-healthcheck-client",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "PRIVATE KEY",
        "(256 bit",
    ),
    // With its parameters in a block of their own before it, as openssl writes it unless told otherwise.
    ("apiserver-etcd-client", "ecparam -name prime256v1 -genkey", "EC PRIVATE KEY", "(256 bit"),
];

#[test]
fn kind_size_and_form_of_a_key_stay() {
    let (before, after) = (Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    for (name, how, _, _) in KEYS {
        let (certificate, key) = with_key(&before, name, how);
        for node in [&before, &after] {
            node.write(&pair_named(name).certificate(), &certificate);
            node.write(&pair_named(name).key(), &key);
        }
    }
    after.must("certs renew all --accept-clock");
    for (name, _, label, size) in KEYS {
        let text = after.text(&pair_named(name).key());
        assert!(
            text.contains(&format!("-----BEGIN {label}-----\n")),
            "{name}\n{}",
            text.lines().next().unwrap()
        );
        let described = openssl("pkey -noout -text", text.as_bytes());
        assert!(described.contains(size), "{name}: {}", described.lines().next().unwrap());
    }
    for leaf in renewed(&before, &after) {
        leaf.assert_verifies("other keys");
        assert_eq!(public_key_of_certificate(&leaf.new), public_key_of_key(&leaf.key), "{}", leaf.name);
        assert_ne!(
            public_key_of_certificate(&leaf.new),
            public_key_of_certificate(&leaf.old),
            "{}",
            leaf.name
        );
        assert_eq!(kept_fields(&leaf.new), kept_fields(&leaf.old), "{}", leaf.name);
    }
}

/// A certificate of the node for another key, made by openssl: names and extensions stay.
fn with_key(node: &Node, name: &str, how: &str) -> (Vec<u8>, Vec<u8>) {
    let pair = pair_named(name);
    let key = openssl(how, b"").into_bytes();
    (certified(node, pair.authority, &node.read(&pair.certificate()), &key), key)
}

/// `old` for another key. It starts today, whenever that is, so that a command on it has to accept the clock.
fn certified(node: &Node, authority: &str, old: &[u8], key: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.pem");
    std::fs::write(&file, key).unwrap();
    let request = openssl(&format!("x509 -x509toreq -copy_extensions copy -signkey {}", file.display()), old);
    let path = |extension: &str| node.path(&format!("{PKI}/{authority}.{extension}")).display().to_string();
    let (signer, its_key) = (path("crt"), path("key"));
    let command =
        format!("x509 -req -copy_extensions copy -days 365 -set_serial 7 -CA {signer} -CAkey {its_key}");
    openssl(&command, request.as_bytes()).into_bytes()
}

#[test]
fn a_kubeconfigs_key_keeps_its_kind_too() {
    let node = Node::of("ecdsa-p256");
    let path = "/etc/kubernetes/admin.conf";
    let text = node.text(path);
    let old = embedded(&text, "client-certificate-data");
    let key = openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", b"").into_bytes();
    let certificate = certified(&node, "ca", &old, &key);
    node.replace(path, &base64(&old), &base64(&certificate));
    node.replace(path, &base64(&embedded(&text, "client-key-data")), &base64(&key));
    node.must("certs renew admin.conf --accept-clock");
    let (certificate, key) = credential(&node.text(path));
    assert!(openssl("pkey -noout -text", &key).contains("(384 bit"));
    assert!(String::from_utf8_lossy(&key).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(public_key_of_certificate(&certificate), public_key_of_key(&key));
}

#[test]
fn a_key_of_a_kind_that_cannot_be_made_is_kept_not_changed() {
    let node = Node::of("ecdsa-p256");
    let (certificate, key) = with_key(&node, "front-proxy-client", "genpkey -algorithm ED25519");
    let pair = pair_named("front-proxy-client");
    node.write(&pair.certificate(), &certificate);
    node.write(&pair.key(), &key);
    insta::assert_snapshot!(node.screen("certs renew front-proxy-client --accept-clock"), @"
    exit 0
    certificate for the front proxy client renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    NOTE: front-proxy-client: the old key is kept: a new Ed25519 key can't be made here
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    assert_eq!(node.read(&pair.key()), key);
    let new = node.read(&pair.certificate());
    assert_ne!(new, certificate);
    assert_eq!(public_key_of_certificate(&new), public_key_of_key(&key));
}

#[test]
fn gos_own_parser_accepts_them_where_there_is_go() {
    let has_go = Command::new("go").arg("version").output().is_ok_and(|done| done.status.success());
    if !has_go {
        eprintln!("no Go on this machine: its x509 package is not asked");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("verify.go"), VERIFY_GO).unwrap();
    for tree in ["ecdsa-p256", "v120-expired"] {
        let node = Node::of(tree);
        node.must("certs renew all");
        for pair in &PAIRS {
            let mut command = Command::new("go");
            command.args(["run", "verify.go"]).current_dir(directory.path());
            command.args([
                node.path(&pair.authority()),
                node.path(&pair.certificate()),
                node.path(&pair.key()),
            ]);
            let run = common::run(command);
            assert_eq!(run.code, 0, "{tree} {}\n{run}", pair.name);
        }
    }
}

const VERIFY_GO: &str = r#"package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"
)

func main() {
	authority, _ := os.ReadFile(os.Args[1])
	pair, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	any := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: any}); err != nil {
		panic(err)
	}
}
"#;
