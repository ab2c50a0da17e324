//! Text from a hostile disk, and a disk full of certificates.

use std::time::Instant;

use kuberescue::analysis::forensics::trust::Graph;
use kuberescue::analysis::node::inventory::{Inventory, Parsed, Row};
use kuberescue::formats::certificate::Certificate;
use kuberescue::report::trust::{dot, mermaid, tree, trust_json};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

use crate::common::NOW;
use crate::drawn::assert_drawn;
use crate::node::Node;

const NASTY: [&str; 9] = [
    "\"]-->n0;\n",
    "a\u{1b}[31mred\u{7}\u{9b}2J\u{202e}",
    "\\\"; n0 -> n1; \\N \\G \\l",
    "]]-->|\"x\"| n1[\"y",
    "<script>alert(1)</script>&lt;b&#x41;&amp;",
    "#quot;#35;%%{init: {}}%% `code` **b** style a:b#c;",
    "end\r\nsubgraph x\u{85}\u{2028}--- click n0 callback",
    "}}|((>/\\{{ ::: classDef ok fill:#fff;",
    "\u{fffe}\u{feff}\u{0}",
];

fn named(name: &str) -> (String, String) {
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::new(params(&format!("issuer {name}")), ca_key);
    let certificate = params(name).signed_by(&key, &issuer).unwrap();
    let pem = |der: &[u8]| Certificate::from_der(der.to_vec()).unwrap().to_pem();
    let own = params(name).self_signed(&key).unwrap();
    (pem(certificate.der()), pem(own.der()))
}

/// Names in certificates, of pods, of flags and of files: in each place where one can stand.
fn nasty(name: &str) -> Node {
    let mut node = Node::of("ecdsa-p256");
    let (leaf, own) = named(name);
    node.write("/etc/kubernetes/pki/front-proxy-client.crt", leaf);
    node.write("/etc/kubernetes/pki/extra.crt", own.clone());
    node.write("/etc/kubernetes/pki/front-proxy-ca.crt", own);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    // A path can't have a NUL, and a component no slash.
    let file = format!("/etc/custom/{}.crt", name.replace(['/', '\0'], ""));
    node.write(&file, node.bytes("/etc/kubernetes/pki/ca.crt"));
    let pod = format!(
        "kind: Pod\nmetadata: {{name: {}}}\nspec:\n  containers:\n  - image: x\n    command: [x, {}, {}]\n",
        quoted(name),
        quoted(&format!("--{}={file}", name.replace('=', ""))),
        quoted(&format!("--missing=/etc/custom/{}.pem", name.replace('/', ""))),
    );
    node.write("/etc/kubernetes/manifests/x.yaml", pod);
    node
}

#[test]
fn foreign_text_breaks_no_form() {
    for name in NASTY {
        let graph = nasty(name).graph();
        assert!(graph.nodes.len() > 40, "the pod was not read: {name:?}");
        assert_drawn(&graph);
        for text in [tree(&graph), dot(&graph), mermaid(&graph), trust_json(&graph)] {
            let harmful = |c: char| {
                (c.is_control() && c != '\n') || ('\u{200b}'..='\u{202e}').contains(&c) || c == '\u{feff}'
            };
            assert!(!text.chars().any(harmful), "{name:?}\n{text}");
        }
        // JSON says it as it is.
        let json: serde_json::Value = serde_json::from_str(&trust_json(&graph)).unwrap();
        let subject = |node: &serde_json::Value| node["subject"].as_str().unwrap_or_default().to_owned();
        let nodes = json["nodes"].as_array().unwrap();
        assert!(nodes.iter().any(|node| subject(node) == format!("CN={name}")), "{name:?}");
    }
}

/// Certificates that differ in their serial number only: the signature doesn't fit, which is found out as slowly.
fn many(count: u32) -> Vec<Certificate> {
    let node = Node::of("rsa2048");
    let first =
        Certificate::from_pem(&node.bytes("/etc/kubernetes/pki/apiserver-kubelet-client.crt")).unwrap();
    let serial = bytes_of(&first.serial);
    let at = first.der.windows(serial.len()).position(|window| window == serial).unwrap();
    (0..count)
        .map(|index| {
            let mut der = first.der.clone();
            der[at + 1..at + 5].copy_from_slice(&index.to_be_bytes());
            Certificate::from_der(der).unwrap()
        })
        .collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn twenty_thousand_certificates_take_no_time_to_speak_of() {
    let mut node = Node::of("rsa2048");
    let certificates = many(20_000);
    // As clients in homes, and once more as authorities in a file that the API server trusts.
    let bundle: String = certificates.iter().map(Certificate::to_pem).collect();
    node.write("/etc/custom/bundle.pem", bundle);
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    node.replace(
        manifest,
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--client-ca-file=/etc/custom/bundle.pem",
    );
    node.replace(
        manifest,
        "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
        "--etcd-cafile=/etc/custom/bundle.pem",
    );
    let mut inventory = Inventory::read(&node.0, None);
    let authority = inventory.leaves[0].row.embedded_authority.clone();
    for (index, certificate) in certificates.into_iter().enumerate() {
        let path = std::path::PathBuf::from(format!("/home/u{index}/.kube/config"));
        inventory.elsewhere.push(Row {
            name: path.display().to_string(),
            key_path: path.clone(),
            certificate: Parsed::Present(certificate),
            key: inventory.leaves[1].row.key.clone(),
            not_replaceable: None,
            foreign_issuer: None,
            files: None,
            embedded_authority: authority.clone().map(|(_, pem)| (path.clone(), pem)),
            beside: None,
            path,
        });
    }
    let start = Instant::now();
    let graph = Graph::read(&node.0, &inventory, NOW.parse().unwrap());
    let read = start.elapsed();
    assert!(graph.nodes.len() > 40_000, "{} nodes", graph.nodes.len());
    let texts = [tree(&graph), dot(&graph), mermaid(&graph), trust_json(&graph)];
    let shown = start.elapsed() - read;
    assert!(texts.iter().all(|text| text.len() > 1_000_000));
    eprintln!(
        "{} nodes, {} edges: read in {read:?}, shown four times in {shown:?}",
        graph.nodes.len(),
        graph.edges.len()
    );
    // Far above what a slow machine needs, far below what anything quadratic does.
    assert!((read + shown).as_secs() < 60, "{read:?} and {shown:?}");
}

#[test]
fn a_chain_of_two_thousand_authorities_is_walked() {
    // Each signs the next, as a hostile bundle may have it.
    let mut node = Node::of("ecdsa-p256");
    let params = |index: usize| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("link {index}"));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    };
    let mut key = KeyPair::generate().unwrap();
    let mut bundle = String::new();
    for index in 0..2_000 {
        let next = KeyPair::generate().unwrap();
        let issuer = Issuer::new(params(index), key);
        let certificate = params(index + 1).signed_by(&next, &issuer).unwrap();
        bundle.push_str(&Certificate::from_der(certificate.der().to_vec()).unwrap().to_pem());
        key = next;
    }
    node.write("/etc/kubernetes/pki/chain.pem", bundle);
    let text = tree(&node.graph());
    assert!(text.contains("link 2000"));
}
