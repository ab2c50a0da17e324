//! openssl, webpki and kubectl as judges.

use std::process::Command;

use kuberescue::formats::certificate::Certificate;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::apiserver::ApiServer;
use crate::common::{self, Node, PKI, credential, openssl, run};
use crate::server::Authority;

/// 2026-11-24.
const AT: u64 = 1_795_478_400;

/// Whether openssl and webpki accept the client certificate of a kubeconfig under the node's CA, and its key fits.
pub fn accepted(node: &Node, kubeconfig: &str) {
    let (certificate, key) = credential(kubeconfig);
    node.write("leaf.pem", &certificate);
    let arguments = format!(
        "verify -x509_strict -purpose sslclient -attime {AT} -CAfile {} {}",
        node.path(&format!("{PKI}/ca.crt")).display(),
        node.path("leaf.pem").display()
    );
    assert!(openssl(&arguments, b"").ends_with(": OK\n"));
    assert_eq!(common::public_key_of_certificate(&certificate), common::public_key_of_key(&key));
    let der = |pem: &[u8]| CertificateDer::from(Certificate::from_pem(pem).unwrap().der.clone());
    let (authority, leaf) = (der(&node.read(&format!("{PKI}/ca.crt"))), der(&certificate));
    let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
    let end = webpki::EndEntityCert::try_from(&leaf).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(AT));
    let usage = webpki::KeyUsage::client_auth();
    end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &[], at, usage, None, None).unwrap();
}

#[test]
fn openssl_and_webpki_accept_each_kind() {
    for tree in ["rsa2048", "ecdsa-p256", "v120-expired"] {
        let node = Node::of(tree);
        for arguments in [
            "--break-glass",
            "--user alice --group a --group b --group c",
            "--for-node w1",
            "--for-bootstrap",
        ] {
            let run = node.must(&format!("kubeconfig new {arguments}"));
            accepted(&node, &run.out);
        }
    }
}

#[test]
fn kubectl_is_let_in_with_it() {
    let Some(kubectl) = common::kubectl() else { return common::skip("there is no kubectl") };
    let authority = Authority::of_years("kubernetes", (2015, 2075));
    let node = Node::of("ecdsa-p256");
    node.write(&format!("{PKI}/ca.crt"), authority.certificate.to_pem());
    node.write(&format!("{PKI}/ca.key"), authority.key_pem());
    let api = ApiServer::of(authority, |ca| ca.leaf("kube-apiserver"));
    let server = format!("--server {} --accept clock-behind", api.url());
    for (arguments, user) in [
        ("--break-glass", "kuberescue-break-glass"),
        ("--user alice --group dev --group ops", "alice"),
        ("--for-node w1", "system:node:w1"),
    ] {
        let issued = node.run_as_given(&format!("kubeconfig new {arguments} {server}"));
        assert_eq!(issued.code, 0, "{issued}");
        node.write("new.conf", &issued.out);
        let mut command = Command::new(&kubectl);
        command.args(["get", "--raw", "/version", "--kubeconfig"]).arg(node.path("new.conf"));
        command.env("HOME", node.root()).env_remove("KUBECONFIG");
        let asked = run(command);
        assert_eq!(asked.code, 0, "{asked}");
        let seen = api.store().log.last().and_then(|asked| asked.user.clone());
        assert_eq!(seen.as_deref(), Some(user), "{arguments}");
    }
}
