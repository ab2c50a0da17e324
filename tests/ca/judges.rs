//! Go and webpki as judges.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kuberescue::formats::certificate::Certificate;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::json;

use crate::apiserver::ApiServer;
use crate::common::{self, Node, PKI, run};
use crate::server::Authority;

/// 2026-11-24.
const AT: u64 = 1_795_478_400;

pub fn webpki_accepts(authority: &[u8], leaf: &[u8]) {
    let der = |pem: &[u8]| CertificateDer::from(Certificate::from_pem(pem).unwrap().der.clone());
    let (authority, leaf) = (der(authority), der(leaf));
    let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
    let end = webpki::EndEntityCert::try_from(&leaf).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(AT));
    let accepted =
        [webpki::KeyUsage::server_auth(), webpki::KeyUsage::client_auth()].into_iter().any(|usage| {
            end.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                std::slice::from_ref(&anchor),
                &[],
                at,
                usage,
                None,
                None,
            )
            .is_ok()
        });
    assert!(accepted);
}

/// The server's and the client's certificate are of the CA that has expired; kubectl has the renewed one.
#[test]
fn kubectl_accepts_under_the_renewed_ca_what_the_old_one_has_signed() {
    let Some(kubectl) = common::kubectl() else { return common::skip("there is no kubectl") };
    let authority = Authority::of_years("kubernetes", (2015, 2016));
    let admin = authority.leaf("kubernetes-admin");
    let node = Node::of("ecdsa-p256");
    node.write(&format!("{PKI}/ca.crt"), authority.certificate.to_pem());
    node.write(&format!("{PKI}/ca.key"), authority.key_pem());
    let data = |pem: &str| STANDARD.encode(pem);
    let (ca, key) = (authority.certificate.to_pem(), admin.key.to_pem());
    let server = ApiServer::of(authority, |ca| ca.leaf("kube-apiserver"));
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\nclusters:\n- name: c\n  cluster:\n    \
         certificate-authority-data: {}\n    server: https://{}\nusers:\n- name: u\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        data(&ca),
        server.address,
        data(&admin.certificate.to_pem()),
        data(&key)
    );
    node.write("/etc/kubernetes/admin.conf", kubeconfig);
    let asked = || {
        let mut command = Command::new(&kubectl);
        command
            .args(["get", "--raw", "/version", "--kubeconfig"])
            .arg(node.path("/etc/kubernetes/admin.conf"));
        command.env("HOME", node.root()).env_remove("KUBECONFIG");
        run(command)
    };
    let before = asked();
    assert!(before.code == 1 && before.err.contains("certificate has expired"), "{before}");
    let renewed = node.run_as_given("ca renew ca --yes --accept-clock");
    assert_eq!(renewed.code, 0, "{renewed}");
    let after = asked();
    assert_eq!(after.code, 0, "{after}");
    assert_eq!(after.json()["major"], json!("1"));
}
