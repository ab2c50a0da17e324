//! Decisions on the few files that they depend on; whole nodes are in `tests/renew.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SignatureAlgorithm,
};

use super::*;
use crate::analysis::node::facts::Fact;
use crate::analysis::node::findings::Severity;
use crate::analysis::node::plan::keys::{fits, sibling_algorithm};
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::formats::pem;
use crate::state::{Attributes, Content, Entry};

const PKI: &str = "/etc/kubernetes/pki";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// A leaf certificate and its key, both PEM.
fn pair(algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(["cp-1".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).unwrap();
    let key = pem::encode(pem::Label::PrivateKey, &key.serialize_der());
    (pem::encode(pem::Label::Certificate, certificate.der()).to_string(), key.to_string())
}

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

fn node(files: &[(&str, &str)]) -> (Snapshot, Inventory) {
    let entry = |text: &str| Entry {
        content: Content::File(text.as_bytes().to_vec().into()),
        attributes: Attributes::default(),
    };
    let snapshot: Snapshot = files.iter().map(|(path, text)| (path.into(), entry(text))).collect();
    let inventory = Inventory::read(&snapshot, None);
    (snapshot, inventory)
}

fn kubelet_conf(authority: &str, credential: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    certificate-authority-data: {}\n    server: https://10.0.0.2:6443\ncontexts:\n- name: x\n  context:\n    cluster: c\n    user: u\ncurrent-context: x\nusers:\n- name: u\n  user:\n    {credential}\n",
        STANDARD.encode(authority)
    )
}

/// Only `recover` of a whole node, and only for a blocker, changes a kubeconfig whose certificate it doesn't reissue.
#[test]
fn the_ca_alone_is_replaced_where_the_kubelet_does_not_trust_the_nodes() {
    let (own, _) = pair(&PKCS_ECDSA_P256_SHA256);
    let (other, key) = pair(&PKCS_ECDSA_P256_SHA256);
    let in_file = "client-certificate: /k/c.pem\n    client-key: /k/c.pem".to_owned();
    let embedded = format!(
        "client-certificate-data: {}\n    client-key-data: {}",
        STANDARD.encode(&other),
        STANDARD.encode(&key)
    );
    let trust = |credential: &str, has_ca: bool, finding: (Code, Severity, &str), options: &Options| {
        let config = kubelet_conf(&other, credential);
        let ca = format!("{PKI}/ca.crt");
        let mut files = vec![(KUBELET_CONF, config.as_str())];
        files.extend(has_ca.then_some((ca.as_str(), own.as_str())));
        let (snapshot, inventory) = node(&files);
        let (code, severity, path) = finding;
        let findings = [Finding::new(code, severity, "kubelet.conf", path, "")];
        Decision::new(&snapshot, &inventory, &findings, options, Timestamp::UNIX_EPOCH).trust()
    };
    let differs = (Code::EmbeddedCaDiffers, Severity::Blocker, KUBELET_CONF);
    let recover = Options::recovery();
    assert_eq!(trust(&in_file, true, differs, &recover), Some(KUBELET_CONF.into()));
    assert_eq!(trust(&embedded, true, differs, &recover), None);
    assert_eq!(trust(&in_file, false, differs, &recover), None);
    for finding in [
        (Code::EmbeddedCaDiffers, Severity::Warning, KUBELET_CONF),
        (Code::EmbeddedCaDiffers, Severity::Blocker, "/etc/kubernetes/admin.conf"),
        (Code::Expired, Severity::Blocker, KUBELET_CONF),
    ] {
        assert_eq!(trust(&in_file, true, finding, &recover), None, "{finding:?}");
    }
    for options in [
        Options { whole_node: false, ..recover.clone() },
        Options { selection: Selection::Kubelet, ..recover.clone() },
    ] {
        assert_eq!(trust(&in_file, true, differs, &options), None, "{options:?}");
    }
}

/// A cluster may have a kind of key for each CA.
#[test]
fn a_key_without_predecessor_is_as_those_of_the_same_ca() {
    let (p384, _) = pair(&PKCS_ECDSA_P384_SHA384);
    let (ed25519, _) = pair(&PKCS_ED25519);
    let [apiserver, peer] = ["apiserver.crt", "etcd/peer.crt"].map(|name| format!("{PKI}/{name}"));
    let (_, inventory) = node(&[(&apiserver, &p384), (&peer, &ed25519)]);
    let algorithm = |name: &str| sibling_algorithm(&inventory, inventory.row(name).unwrap());
    assert_eq!(algorithm("apiserver-kubelet-client"), Some(KeyAlgorithm::EcdsaP384));
    // The only sibling's kind can't be made here; of front-proxy-client's CA there is none.
    assert_eq!(algorithm("etcd-server"), None);
    assert_eq!(algorithm("front-proxy-client"), None);
    let kubelet = sibling_algorithm(&inventory, &inventory.kubelet_client);
    assert_eq!(kubelet, Some(KeyAlgorithm::EcdsaP256));
}

#[test]
fn the_encoding_stays_where_the_algorithm_has_it() {
    let (rsa, ec) = (KeyAlgorithm::Rsa(2048), KeyAlgorithm::EcdsaP256);
    for (encoding, algorithm, expected) in [
        (KeyEncoding::Pkcs8, &rsa, true),
        (KeyEncoding::Pkcs8, &ec, true),
        (KeyEncoding::Pkcs1, &rsa, true),
        (KeyEncoding::Sec1, &ec, true),
        (KeyEncoding::Sec1, &rsa, false),
        (KeyEncoding::Pkcs1, &ec, false),
    ] {
        assert_eq!(fits(encoding, algorithm), expected, "{encoding:?} {algorithm}");
    }
}

/// A key that can't be made here is kept, but only if it is of the certificate's kind.
#[test]
fn a_key_is_kept_only_where_it_has_to_be() {
    let (crt, key) = (format!("{PKI}/apiserver.crt"), format!("{PKI}/apiserver.key"));
    let plan = |files: &[(&str, &str)], template: &str, reuse_keys: bool| {
        let (snapshot, inventory) = node(files);
        let options = Options { reuse_keys, ..Options::recovery() };
        let decision = Decision::new(&snapshot, &inventory, &[], &options, Timestamp::UNIX_EPOCH);
        let (row, template) = (inventory.row("apiserver").unwrap(), certificate(template));
        let mut notes = Vec::new();
        let plan = decision.key(row, Some(&template), &Issuer::from(&template), &mut notes);
        plan.map(|plan| (plan.algorithm, plan.reuse, notes.len()))
    };
    let (p256, p256_key) = pair(&PKCS_ECDSA_P256_SHA256);
    let (ed25519, ed25519_key) = pair(&PKCS_ED25519);
    let of_p256 = [(crt.as_str(), p256.as_str()), (key.as_str(), p256_key.as_str())];
    let of_ed25519 = [(crt.as_str(), ed25519.as_str()), (key.as_str(), ed25519_key.as_str())];
    assert_eq!(plan(&of_p256, &p256, false), Ok((KeyAlgorithm::EcdsaP256, false, 0)));
    assert_eq!(plan(&of_p256, &p256, true), Ok((KeyAlgorithm::EcdsaP256, true, 0)));
    assert_eq!(plan(&of_ed25519, &ed25519, false), Ok((KeyAlgorithm::Ed25519, true, 1)));
    plan(&of_p256, &ed25519, false).unwrap_err();
    plan(&of_p256[..1], &p256, true).unwrap_err();
}

#[test]
fn targets_that_share_a_file_overlap() {
    let pair =
        |certificate: &str, key: &str| Target::Pair { certificate: certificate.into(), key: key.into() };
    let splice = |file: &str| Target::Splice { file: file.into(), authority: false, context: None };
    let new = |file: &str| Target::NewKubeconfig {
        file: file.into(),
        server: String::new(),
        cluster: String::new(),
    };
    let pem = |link: &str, file: &str| Target::KubeletPem { link: link.into(), file: file.into() };
    let all = [pair("a", "b"), pair("c", "b"), splice("a"), new("c"), pem("l", "a"), pem("c", "f")];
    let overlaps = |one: &Target| all.iter().map(|other| u8::from(one.overlaps(other))).collect::<Vec<_>>();
    assert_eq!(
        all.iter().map(overlaps).collect::<Vec<_>>(),
        [
            [1, 1, 1, 0, 1, 0],
            [1, 1, 0, 1, 0, 1],
            [1, 0, 1, 0, 1, 0],
            [0, 1, 0, 1, 0, 1],
            [1, 0, 1, 0, 1, 0],
            [0, 1, 0, 1, 0, 1]
        ]
    );
    let files =
        all.iter().map(|target| [target.key_file(), target.path()].map(|path| path.to_str().unwrap()));
    let expected = [["b", "a"], ["b", "c"], ["a", "a"], ["c", "c"], ["a", "l"], ["f", "c"]];
    assert_eq!(files.collect::<Vec<_>>(), expected);
}

/// Whichever certificate is asked for: each would be signed by a CA that may not be the cluster's.
#[test]
fn nothing_is_signed_while_the_pki_directory_is_unclear() {
    let (snapshot, mut inventory) = node(&[]);
    inventory.facts.pki_rival = Some(Fact { value: "/other".into(), source: String::new() });
    let refused = |inventory: &Inventory, code: Code| {
        let findings = [Finding::new(code, Severity::Blocker, "ca", PKI, "")];
        let options = Options { whole_node: false, ..Options::recovery() };
        let plan = decide(&snapshot, inventory, &findings, &options, Timestamp::UNIX_EPOCH);
        plan.refusals.iter().any(|refusal| refusal.code == Code::PkiDirUnclear)
    };
    assert!(refused(&inventory, Code::PkiDirUnclear));
    assert!(!refused(&inventory, Code::Expired));
}
