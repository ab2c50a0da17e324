//! The forms in which a diagnosis leaves the node, each read by a program that others wrote: a JSON Schema validator,
//! Prometheus' parser, a browser.

mod browser;
#[path = "../common/mod.rs"]
mod common;
#[path = "../kubeconfig/desk.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod desk;
mod html;
mod kubeconfigs;
mod prometheus;
mod schema;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod server;
#[path = "../common/schema.rs"]
mod validator;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Node, skip};
use kuberescue::formats::certificate::Certificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};

/// Trees of every kind: well, expired, broken in many ways, without authorities.
const TREES: [&str; 7] =
    ["rsa2048", "ecdsa-p256", "expired-all", "v120-expired", "mixed", "expired-ca", "external-ca"];

/// What `diagnose` says of a node in a form.
fn diagnose(node: &Node, more: &str) -> String {
    let run = node.run(&format!("diagnose {more}"));
    assert!(run.code < 2, "{run}");
    run.out
}

/// A certificate that says this of itself, in PEM.
fn self_signed(common_name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(&[0x7f; 20]));
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    Certificate::from_der(der).unwrap().to_pem()
}

/// Runs a Python program with `input` to read; nothing where the packages that it needs aren't installed.
fn python(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python");
    let ready = Command::new(&python).args(["-c", "import jsonschema, prometheus_client"]).output();
    if !ready.is_ok_and(|ready| ready.status.success()) {
        skip("jsonschema and prometheus-client are not in target/tools/python: make deps");
        return None;
    }
    let mut child = Command::new(python)
        .args(["-c", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}
