//! Foreign text, everywhere it can stand: nothing of it reaches a terminal but what can be printed. What a run must
//! keep to, [`Measured::tame`](super::measure::Measured::tame) says.

use kuberescue::disk::archive::{self, About};
use kuberescue::disk::{Depth, Root};
use kuberescue::state::Snapshot;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

use super::common::{Node, PKI, base64};
use super::measure::{of, on, on_node};
use super::{COMPARING, READING, READING_ARCHIVES, VERIFYING, WRITING};

/// A title, a cleared screen, a C1 control, a right-to-left mark, a carriage return, a line feed.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\nerror: gone";

/// A certificate of its own with this common name and this DNS name, and its key, both in PEM.
fn certificate(name: &str, dns: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name.to_owned()));
    params.distinguished_name.push(DnType::OrganizationName, DnValue::Utf8String(name.to_owned()));
    params.subject_alt_names.push(SanType::DnsName(dns.try_into().unwrap()));
    let made = params.self_signed(&key).unwrap();
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der))
    };
    (pem("CERTIFICATE", made.der()), pem("PRIVATE KEY", &key.serialize_der()))
}

fn everything_on(node: &Node) {
    for command in READING {
        on_node(node, command).tame();
    }
}

#[test]
fn names_of_files_certificates_users_and_pods() {
    let node = Node::of("ecdsa-p256");
    let ascii: String = EVIL.chars().filter(char::is_ascii).collect();
    let (certificate, key) = certificate(EVIL, &ascii);
    for base in ["front-proxy-client", "apiserver"] {
        node.write(&format!("{PKI}/{base}.crt"), &certificate);
        node.write(&format!("{PKI}/{base}.key"), &key);
    }
    let name = EVIL.replace('/', "");
    node.write(&format!("{PKI}/{name}.crt"), &certificate);
    node.write(&format!("/etc/kubernetes/manifests/{name}.yaml"), "kind: Pod\n");
    node.write(&format!("/home/{name}/.kube/config"), node.text("/etc/kubernetes/admin.conf"));
    node.link(&format!("{PKI}/{name}"), EVIL);
    nix::unistd::mkfifo(&node.path(&format!("{PKI}/{name}.fifo")), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let quoted = serde_json::Value::from(EVIL).to_string();
    node.replace("/etc/kubernetes/scheduler.conf", "system:kube-scheduler", &quoted);
    node.replace("/etc/kubernetes/controller-manager.conf", "current-context: ", "current-context: x");
    let flag = serde_json::Value::from(format!("--name={EVIL}")).to_string();
    node.replace("/etc/kubernetes/manifests/etcd.yaml", "--name=cp-1", &flag);
    node.write("/etc/hostname", EVIL);
    everything_on(&node);
    for command in WRITING {
        let partial = ["certs", "recover"].iter().any(|start| command.starts_with(start));
        let more = if partial { " --partial" } else { "" };
        on_node(&node, &format!("{command}{more}")).tame();
    }
    // Its own archives have these names in them.
    for file in archive::list(&Root::open(node.root()).unwrap(), None).unwrap() {
        for command in VERIFYING {
            of(&file, command).tame();
        }
    }
}

#[test]
fn what_an_archive_says_of_itself() {
    let node = Node::of("ecdsa-p256");
    let root = Root::open(node.root()).unwrap();
    let mut snapshot = Snapshot::default();
    for tree in ["/etc", "/var/lib/kubelet"] {
        root.read(&mut snapshot, tree.as_ref(), Depth::Tree);
    }
    let about = About {
        version: EVIL.to_owned(),
        created: jiff::Timestamp::UNIX_EPOCH,
        host: EVIL.to_owned(),
        node: EVIL.to_owned(),
        command: EVIL.to_owned(),
        reason: EVIL.to_owned(),
    };
    let written = archive::write(&root, None, &snapshot, &about).unwrap();
    for command in VERIFYING {
        of(&written.path, command).tame().ends_with(0);
    }
    for command in COMPARING {
        of(&written.path, command).tame();
    }
    for command in READING_ARCHIVES {
        on(&written.path, command).tame();
    }
    on_node(&node, "archive list").tame().ends_with(0);
}

#[test]
fn journals_of_others() {
    let file = format!(r#"{{"kind":"file","sha256":"{}","mode":384,"uid":0,"gid":0}}"#, "0".repeat(64));
    let evil = serde_json::Value::from(EVIL).to_string();
    let path = serde_json::Value::from(format!("/etc/{EVIL}")).to_string();
    let change = format!(
        r#"{{"format":1,"id":"0123456789ab","started":"2026-11-23T00:00:00Z","command":{evil},"archive":{{"path":{evil},"sha256":"{}"}},"direction":"forward","pid":7,"boot":{evil},"changes":[{{"path":{path},"before":{file},"after":{file},"stage":".a.kuberescue-0123456789ab"}}]}}"#,
        "0".repeat(64)
    );
    let parked = format!(
        r#"{{"format":1,"started":"2026-11-23T00:00:00Z","boot":{evil},"manifests":[{{"path":{path},"parked":".kuberescue-parked-a","fingerprint":{file}}}]}}"#
    );
    for (name, text) in [
        ("journal.json", change.as_str()),
        ("staging.json", &change),
        ("last.json", &change),
        ("parked.json", &parked),
        ("journal.json", EVIL),
        ("last.json", r#"{"format":1,"\u001b[31m":1}"#),
        ("parked.json", EVIL),
    ] {
        let node = Node::of("ecdsa-p256");
        node.write(&format!("/var/lib/kuberescue/{name}"), text);
        let holder = format!(r#"{{"pid":7,"boot":{evil},"started":"2026-11-23T00:00:00Z"}}"#);
        node.write("/var/lib/kuberescue/lock", holder);
        everything_on(&node);
        for command in ["resume", "rollback --yes", "certs renew all"] {
            on_node(&node, command).tame();
        }
    }
}

#[test]
fn a_subject_of_a_mebibyte() {
    let node = Node::of("ecdsa-p256");
    let (certificate, key) = certificate(&"S".repeat(1 << 20), &"d".repeat(1 << 20));
    for base in ["front-proxy-client", "apiserver", "etcd/peer"] {
        node.write(&format!("{PKI}/{base}.crt"), &certificate);
        node.write(&format!("{PKI}/{base}.key"), &key);
    }
    everything_on(&node);
    for command in WRITING {
        on_node(&node, command).tame();
    }
}
