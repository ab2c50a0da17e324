//! openssl, webpki and kubectl as judges.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kuberescue::formats::certificate::Certificate;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::Scene;
use crate::apiserver::ApiServer;
use crate::common::{self, Node, PKI, openssl, run};
use crate::server::Authority;

/// Whether openssl and webpki accept a certificate for these purposes, and its key fits.
pub fn accepted(authority: &[u8], certificate: &[u8], key: &[u8], purposes: &[&str], at: &str) {
    let seconds = at.parse::<jiff::Timestamp>().unwrap().as_second();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (ca, leaf) = (write("ca.crt", authority), write("leaf.crt", certificate));
    assert_eq!(common::public_key_of_certificate(certificate), common::public_key_of_key(key));
    let der = |pem: &[u8]| CertificateDer::from(Certificate::from_pem(pem).unwrap().der.clone());
    let (authority, leaf_der) = (der(authority), der(certificate));
    let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
    let end = webpki::EndEntityCert::try_from(&leaf_der).unwrap();
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.unsigned_abs()));
    for purpose in purposes {
        let arguments =
            format!("verify -x509_strict -purpose {purpose} -attime {seconds} -CAfile {ca} {leaf}");
        assert!(openssl(&arguments, b"").ends_with(": OK\n"), "{purpose}");
        let usage = match *purpose {
            "sslserver" => webpki::KeyUsage::server_auth(),
            _ => webpki::KeyUsage::client_auth(),
        };
        let anchors = std::slice::from_ref(&anchor);
        end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, anchors, &[], time, usage, None, None).unwrap();
    }
}

/// admin.conf of a node whose CA's key is elsewhere, before and after.
#[test]
fn kubectl_is_let_in_with_what_was_imported() {
    let Some(kubectl) = common::kubectl() else { return common::skip("there is no kubectl") };
    let authority = Authority::of_years("kubernetes", (2015, 2075));
    let node = Node::of("ecdsa-p256");
    let old = openssl_expired(&authority);
    node.write(&format!("{PKI}/ca.crt"), authority.certificate.to_pem());
    node.write(&format!("{PKI}/ca.key"), authority.key_pem());
    let (ca, data) = (authority.certificate.to_pem(), |pem: &str| STANDARD.encode(pem));
    let server = ApiServer::of(authority, |ca| ca.leaf("kube-apiserver"));
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\nclusters:\n- name: c\n  cluster:\n    \
         certificate-authority-data: {}\n    server: https://{}\nusers:\n- name: u\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        data(&ca),
        server.address,
        data(&old.0),
        data(&old.1)
    );
    node.write("/etc/kubernetes/admin.conf", kubeconfig);
    let scene = Scene::without(node, &["ca"]);
    let asked = || {
        let mut command = Command::new(&kubectl);
        let file = scene.node.path("/etc/kubernetes/admin.conf");
        command.args(["get", "--raw", "/version", "--kubeconfig"]).arg(file);
        command.env("HOME", scene.node.root()).env_remove("KUBECONFIG");
        run(command)
    };
    assert_eq!(asked().code, 1);
    let usb = scene.usb();
    let exported = scene.node.run_as_given(&format!("csr export {usb} admin.conf --accept clock-behind"));
    assert_eq!(exported.code, 0, "{exported}");
    let signed = run(scene.desk.command("csr sign usb --ca pki --yes"));
    assert_eq!(signed.code, 0, "{signed}");
    let imported = scene.node.run_as_given(&format!("csr import {usb} --yes --accept-clock"));
    assert_eq!(imported.code, 0, "{imported}");
    let after = asked();
    assert_eq!(after.code, 0, "{after}");
    let seen = server.store().log.last().and_then(|asked| asked.user.clone());
    assert_eq!(seen.as_deref(), Some("kubernetes-admin"));
}

/// A client certificate of this CA that has expired, and its key.
fn openssl_expired(authority: &Authority) -> (String, String) {
    use kuberescue::issue::{Signer, Validity, renew};
    let leaf = authority.leaf("kubernetes-admin");
    let key = kuberescue::formats::key::PrivateKey::from_pem(authority.key_pem().as_bytes()).unwrap();
    let own = kuberescue::formats::key::PrivateKey::from_pem(leaf.key.to_pem().as_bytes()).unwrap();
    let validity = Validity {
        not_before: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2021-01-01T00:00:00Z".parse().unwrap(),
    };
    let signer = Signer::new(&authority.certificate, &key).unwrap();
    (renew(&signer, &leaf.certificate, &own, validity).unwrap().to_pem(), leaf.key.to_pem().to_string())
}
