//! What the graph says of healthy and of broken nodes.

use std::path::Path;

use kuberescue::analysis::forensics::trust::{Kind, Relation, State};
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::pem;
use kuberescue::report::trust::{Status, rows, tree, trust_json};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::node::{Node, TREES, faults, find, joined};

const PKI: &str = "/etc/kubernetes/pki";
const APISERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/trust/{name}.txt"));
    std::fs::read_to_string(path).unwrap()
}

/// The lines of the tree that aren't fine, without what only follows from them.
fn wrong(node: &Node) -> Vec<String> {
    let bad = rows(&node.graph()).into_iter().filter(|row| row.status == Status::Faulty && row.depth < 2);
    bad.map(|row| format!("{}: {}", row.label, row.state)).collect()
}

#[test]
fn a_healthy_and_a_broken_node_as_trees() {
    for name in ["rsa2048", "mixed"] {
        assert_eq!(tree(&Node::of(name).graph()), golden(name), "{name}");
    }
}

#[test]
fn what_is_wrong_with_each_tree() {
    let all_expired = |ago: &str| {
        let leaves = [
            "admin.conf",
            "apiserver",
            "apiserver-kubelet-client",
            "controller-manager.conf",
            "scheduler.conf",
            "super-admin.conf",
            "kubelet-client",
            "apiserver-etcd-client",
            "etcd-healthcheck-client",
            "etcd-peer",
            "etcd-server",
            "front-proxy-client",
        ];
        leaves.map(|leaf| format!("{leaf}: EXPIRED {ago} ago")).to_vec()
    };
    for name in TREES {
        let mut found = wrong(&Node::of(name));
        found.retain(|line| !line.starts_with("cp-1-ca@") && !line.starts_with("kubelet-serving"));
        let expected = match name {
            "expired-all" => all_expired("693 d"),
            "v120-expired" => {
                let mut lines = all_expired("693 d");
                lines.retain(|line| !line.starts_with("super-admin"));
                lines
            }
            "expired-ca" => {
                let mut lines = all_expired("4345 d");
                lines.insert(0, "ca: EXPIRED 1060 d ago".into());
                lines.insert(8, "etcd-ca: EXPIRED 1060 d ago".into());
                lines.insert(13, "front-proxy-ca: EXPIRED 1060 d ago".into());
                lines
            }
            "mixed" => [
                "apiserver-kubelet-client: KEY OF ANOTHER",
                "controller-manager.conf: EXPIRED 998 d ago",
                "etcd-peer: NOT SIGNED BY etcd-ca",
                "front-proxy-client: UNREADABLE",
                "apiserver-kubelet-client: KEY OF ANOTHER",
            ]
            .map(str::to_owned)
            .to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_faulty_edges_of_mixed() {
    assert_eq!(
        faults(&Node::of("mixed").graph()),
        [
            "key apiserver-kubelet-client.key KeyOf apiserver-kubelet-client: KeyOfAnother: the key \
             /etc/kubernetes/pki/apiserver-kubelet-client.key belongs to another certificate",
            "etcd-peer PresentedBy etcd --peer-cert-file: NotTrusted: etcd --peer-trusted-ca-file doesn't trust who \
             signed it",
            "etcd-peer ClaimsIssuer etcd-ca: NotSignedBy: signed by another key than that of \"CN=etcd-ca\"",
        ]
    );
    for name in TREES.iter().filter(|name| **name != "mixed") {
        assert_eq!(faults(&Node::of(name).graph()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn who_uses_what() {
    let graph = Node::of("rsa2048").graph();
    for (from, relation, to) in [
        ("key ca.key", Relation::KeyOf, "ca"),
        ("key ca.key", Relation::UsedBy, "kube-controller-manager --cluster-signing-key-file"),
        ("ca", Relation::UsedBy, "kube-controller-manager --cluster-signing-cert-file"),
        ("ca", Relation::TrustedBy, "kubelet clientCAFile"),
        ("ca", Relation::TrustedBy, "kubectl admin.conf"),
        ("kubelet-client", Relation::PresentedBy, "kubelet kubeconfig"),
        ("kubelet-client", Relation::SignedBy, "ca"),
        ("apiserver", Relation::PresentedBy, "kube-apiserver --tls-cert-file"),
        ("front-proxy-ca", Relation::TrustedBy, "kube-apiserver --requestheader-client-ca-file"),
        ("apiserver-etcd-client", Relation::SignedBy, "etcd-ca"),
        ("key sa.key", Relation::UsedBy, "kube-apiserver --service-account-key-file"),
        ("kubelet-serving", Relation::PresentedBy, "kubelet serving"),
    ] {
        assert!(joined(&graph, from, relation, to), "{from} {relation:?} {to}");
    }
    for node in &graph.nodes {
        let consumer = matches!(node.kind, Kind::Consumer(_));
        assert_eq!(node.if_gone.is_none(), consumer, "{:?}", node.kind);
    }
}

#[test]
fn a_copy_elsewhere_is_the_same_anchor_and_a_bundle_outside_of_the_pki_is_read() {
    let mut node = Node::of("rsa2048");
    node.write("/etc/custom/front.pem", node.bytes(&format!("{PKI}/etcd/ca.crt")));
    node.replace(APISERVER, &format!("{PKI}/front-proxy-ca.crt"), "/etc/custom/front.pem");
    let graph = node.graph();
    let flag = "kube-apiserver --requestheader-client-ca-file";
    assert!(joined(&graph, "etcd-ca", Relation::TrustedBy, flag));
    assert!(!joined(&graph, "front-proxy-ca", Relation::TrustedBy, flag));
    assert_eq!(
        faults(&graph),
        [
            "front-proxy-client PresentedBy kube-apiserver --proxy-client-cert-file: NotTrusted: kube-apiserver \
          --requestheader-client-ca-file doesn't trust who signed it"
        ]
    );
}

#[test]
fn an_external_etcd_has_its_own_anchor() {
    let mut node = Node::of("rsa2048");
    for (from, to) in [
        ("etcd/ca.crt", "/etc/etcd/ca.pem"),
        ("apiserver-etcd-client.crt", "/etc/etcd/client.pem"),
        ("apiserver-etcd-client.key", "/etc/etcd/client-key.pem"),
    ] {
        let from = format!("{PKI}/{from}");
        node.write(to, node.bytes(&from));
        node.replace(APISERVER, &from, to);
        node.remove(&from);
    }
    node.remove("/etc/kubernetes/manifests/etcd.yaml");
    for name in ["ca.key", "server.crt", "server.key", "peer.crt", "peer.key", "healthcheck-client.crt"] {
        node.remove(&format!("{PKI}/etcd/{name}"));
    }
    node.remove(&format!("{PKI}/etcd/healthcheck-client.key"));
    let graph = node.graph();
    assert_eq!(faults(&graph), Vec::<String>::new());
    assert!(joined(&graph, "etcd-ca", Relation::TrustedBy, "kube-apiserver --etcd-cafile"));
    assert!(joined(&graph, "/etc/etcd/client.pem", Relation::SignedBy, "etcd-ca"));
    let client = graph.node(find(&graph, "/etc/etcd/client.pem")).unwrap();
    assert_eq!(client.if_gone.as_deref(), Some("etcd rejects kube-apiserver, which exits"));
}

#[test]
fn an_authority_renewed_with_its_key_is_one_anchor_with_two_certificates() {
    let key = KeyPair::generate().unwrap();
    let certificate = |until: i32| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Certificate::from_der(der).unwrap().to_pem()
    };
    let (old, new) = (certificate(2025), certificate(2035));
    let mut node = Node::of("rsa2048");
    let config = "/etc/kubernetes/scheduler.conf";
    let embedded = crate::common::base64(&node.bytes(&format!("{PKI}/ca.crt")));
    node.write(&format!("{PKI}/ca.crt"), new);
    node.replace(config, &embedded, &crate::common::base64(old.as_bytes()));
    let graph = node.graph();
    let Kind::Ca(anchor) = &graph.node(find(&graph, "ca")).unwrap().kind else { panic!() };
    assert_eq!((anchor.certificates.len(), anchor.state), (2, State::Valid));
    let found = faults(&graph);
    let old = "ca TrustedBy kube-scheduler --kubeconfig: OldCopy: it holds an older certificate of this CA, which \
               has expired";
    assert!(found.iter().any(|fault| fault == old), "{found:#?}");
    // The old authority, which the other kubeconfigs still have, is another one of the same name.
    assert!(joined(&graph, "kubernetes", Relation::TrustedBy, "kubectl admin.conf"), "{}", tree(&graph));
    let not_trusted = "apiserver PresentedBy kube-apiserver --tls-cert-file: NotTrusted";
    assert!(found.iter().any(|fault| fault.starts_with(not_trusted)), "{found:#?}");
}

#[test]
fn orphans_stand_at_the_end() {
    let (mut node, other) = (Node::of("rsa2048"), Node::of("ecdsa-p256"));
    let take = |path: &str| other.bytes(&format!("{PKI}/{path}"));
    node.write(&format!("{PKI}/old.key"), take("etcd/server.key"));
    node.write(&format!("{PKI}/old.crt"), take("apiserver.crt"));
    node.write(&format!("{PKI}/sa.pub"), take("sa.pub"));
    // The certificate alone, without its authority behind it.
    let stranger = Certificate::from_pem(&other.bytes("/var/lib/kubelet/pki/kubelet.crt")).unwrap();
    node.write(&format!("{PKI}/front-proxy-client.crt"), stranger.to_pem());
    node.remove(&format!("{PKI}/etcd/peer.key"));
    let text = tree(&node.graph());
    let (_, end) = text.split_once("\nunknown issuers\n").unwrap();
    insta::assert_snapshot!(end, @r#"
      CN=cp-1-ca@1795472607                                                 not here
        ! named as an issuer, and found nowhere
        if gone: no certificate that it signed can be checked
        front-proxy-client                                                  NOT SIGNED BY front-proxy-ca, KEY OF ANOTHER  until 2027-11-23  /etc/kubernetes/pki/front-proxy-client.crt
          ! issued by "CN=cp-1-ca@1795472607", not by front-proxy-ca
          ! the key /etc/kubernetes/pki/front-proxy-client.key belongs to another certificate
          if gone: aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating
          presented by kube-apiserver --proxy-client-cert-file              NOT TRUSTED     /etc/kubernetes/manifests/kube-apiserver.yaml
            ! kube-apiserver --requestheader-client-ca-file doesn't trust who signed it

    keys without a certificate, in use
      sa                                                                    OF ANOTHER KEY  /etc/kubernetes/pki/sa.key
        ! /etc/kubernetes/pki/sa.pub is the public half of another key than /etc/kubernetes/pki/sa.key
        if gone: the API server rejects every token: all pods lose access to the API
        used by kube-apiserver --service-account-signing-key-file           affected        /etc/kubernetes/manifests/kube-apiserver.yaml
        used by kube-controller-manager --service-account-private-key-file  affected        /etc/kubernetes/manifests/kube-controller-manager.yaml
      sa                                                                    ok              /etc/kubernetes/pki/sa.pub
        if gone: the API server rejects every token: all pods lose access to the API
        used by kube-apiserver --service-account-key-file                   ok              /etc/kubernetes/manifests/kube-apiserver.yaml

    keys without a certificate
      front-proxy-client                                                    ok              /etc/kubernetes/pki/front-proxy-client.key
        if gone: front-proxy-client can't be used any more
      /etc/kubernetes/pki/old.key                                           ok              /etc/kubernetes/pki/old.key
        if gone: nothing on this node is seen to use it

    certificates without a key
      etcd-peer                                                             KEY MISSING     /etc/kubernetes/pki/etcd/peer.crt
      front-proxy-client                                                    NOT SIGNED BY front-proxy-ca, KEY OF ANOTHER  /etc/kubernetes/pki/front-proxy-client.crt
      /etc/kubernetes/pki/old.crt                                           ok              /etc/kubernetes/pki/old.crt
    "#);
}

#[test]
fn keys_that_were_swapped_name_each_other() {
    let mut node = Node::of("rsa2048");
    let [one, two] = ["apiserver.key", "front-proxy-client.key"].map(|key| format!("{PKI}/{key}"));
    let (first, second) = (node.bytes(&one), node.bytes(&two));
    node.write(&one, second);
    node.write(&two, first);
    let why: Vec<_> = node.graph().faults().map(|(_, fault)| fault.why.clone()).collect();
    insta::assert_snapshot!(why.join("\n"), @"
    the key /etc/kubernetes/pki/apiserver.key is that of front-proxy-client
    the key /etc/kubernetes/pki/front-proxy-client.key is that of apiserver
    ");
}

#[test]
fn what_a_flag_names_and_is_not_there_is_missing() {
    let mut node = Node::of("rsa2048");
    node.replace(APISERVER, &format!("{PKI}/apiserver.crt"), "/etc/custom/gone.crt");
    node.replace(
        APISERVER,
        &format!("--client-ca-file={PKI}/ca.crt"),
        "--client-ca-file=/etc/custom/gone.pem",
    );
    let graph = node.graph();
    let text = tree(&graph);
    let missing: Vec<_> = text.lines().filter(|line| line.contains("/etc/custom/")).collect();
    insta::assert_snapshot!(missing.join("\n"), @"
      apiserver                                                             MISSING   /etc/custom/gone.crt
    /etc/custom/gone.pem                                                    MISSING   /etc/custom/gone.pem
    ");
    // kubeadm's file, which nobody reads, is not the API server's certificate.
    let gone = graph.node(find(&graph, "apiserver")).unwrap().if_gone.clone().unwrap();
    insta::assert_snapshot!(gone, @"every client rejects the API server: kubectl, kubelets, controller manager, scheduler");
}

#[test]
fn an_add_on_that_mounts_a_file_is_a_consumer() {
    let mut node = Node::of("rsa2048");
    let volume = |path: &str| format!("  - {{name: v, hostPath: {{path: {path}}}}}\n");
    let files = ["/etc/kubernetes/admin.conf", "/etc/keepalived/keepalived.conf", "/etc/haproxy/gone.pem"];
    let volumes = files.map(volume).concat();
    let text = format!(
        "kind: Pod\nmetadata: {{name: kube-vip}}\nspec:\n  containers: [{{name: kube-vip}}]\n  volumes:\n{volumes}"
    );
    node.write("/etc/kubernetes/manifests/kube-vip.yaml", text);
    node.write("/etc/keepalived/keepalived.conf", "vrrp_instance VI_1 {}\n");
    let graph = node.graph();
    assert_eq!(faults(&graph), Vec::<String>::new());
    assert!(joined(&graph, "admin.conf", Relation::PresentedBy, "kube-vip hostPath"), "{}", tree(&graph));
    let consumers = tree(&graph).lines().filter(|line| line.contains("kube-vip")).count();
    assert_eq!(consumers, 2, "{}", tree(&graph));
}

#[test]
fn the_keys_for_what_is_stored() {
    let mut node = Node::of("rsa2048");
    let file = "/etc/kubernetes/enc.yaml";
    let flag = format!("    - --allow-privileged=true\n    - --encryption-provider-config={file}\n");
    node.replace(APISERVER, "    - --allow-privileged=true\n", &flag);
    let line = |node: &Node| {
        let text = tree(&node.graph());
        let shown = text.lines().filter(|line| line.contains(file) || line.contains("--encryption"));
        shown.map(|line| format!("{line}\n")).collect::<String>()
    };
    insta::assert_snapshot!(line(&node), @"
    /etc/kubernetes/enc.yaml                                              MISSING   /etc/kubernetes/enc.yaml
      used by kube-apiserver --encryption-provider-config                 affected  /etc/kubernetes/manifests/kube-apiserver.yaml
    ");
    node.write(file, "kind: EncryptionConfiguration\n");
    insta::assert_snapshot!(line(&node), @"
    /etc/kubernetes/enc.yaml                                              ok  /etc/kubernetes/enc.yaml
      used by kube-apiserver --encryption-provider-config                 ok  /etc/kubernetes/manifests/kube-apiserver.yaml
    ");
    assert_eq!(faults(&node.graph()), Vec::<String>::new());
}

#[test]
fn another_cluster_in_a_home_is_no_fault() {
    let (mut node, other) = (Node::of("rsa2048"), Node::of("ecdsa-p256"));
    node.write("/root/.kube/config", other.bytes("/etc/kubernetes/admin.conf"));
    let graph = node.graph();
    assert_eq!(faults(&graph), Vec::<String>::new());
    assert!(joined(&graph, "/root/.kube/config", Relation::SignedBy, "kubernetes"));
    // The same certificate as in admin.conf is the same node.
    node.write("/root/.kube/config", node.bytes("/etc/kubernetes/admin.conf"));
    assert!(joined(&node.graph(), "admin.conf", Relation::PresentedBy, "kubectl /root/.kube/config"));
}

#[test]
fn a_certificate_is_affected_by_its_authority() {
    let params = |name: &str, until: i32| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params
    };
    let pem = |der: &[u8]| Certificate::from_der(der.to_vec()).unwrap().to_pem();
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = params("front-proxy-ca", 2025);
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let expired = authority.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, ca_key);
    let leaf = params("front-proxy-client", 2030).signed_by(&key, &issuer).unwrap();
    let mut node = Node::of("rsa2048");
    node.write(&format!("{PKI}/front-proxy-ca.crt"), pem(expired.der()));
    node.write(&format!("{PKI}/front-proxy-client.crt"), pem(leaf.der()));
    let key = pem::encode(pem::Label::PrivateKey, &key.serialize_der());
    node.write(&format!("{PKI}/front-proxy-client.key"), key.as_bytes());
    let found = rows(&node.graph());
    let state = |label: &str| found.iter().find(|row| row.label == label).unwrap().state.clone();
    assert_eq!(state("front-proxy-ca"), "EXPIRED 692 d ago, KEY OF ANOTHER");
    assert_eq!(state("front-proxy-client"), "affected");
    assert_eq!(state("presented by kube-apiserver --proxy-client-cert-file"), "affected");
}

#[test]
fn before_its_time_nothing_is_valid_yet() {
    let before = rows(&Node::of("rsa2048").graph_at("2026-01-01T00:00:00Z"));
    let ca = before.iter().find(|row| row.label == "ca").unwrap();
    assert_eq!((ca.state.as_str(), ca.status), ("STARTS IN 326 d", Status::Faulty));
}

#[test]
fn json_has_the_documented_names_and_no_secret() {
    let graph = Node::of("mixed").graph();
    let text = trust_json(&graph);
    assert!(!text.contains("PRIVATE") && !text.contains("BEGIN"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let nodes = json["nodes"].as_array().unwrap();
    for (index, node) in nodes.iter().enumerate() {
        assert_eq!(node["id"], index);
    }
    let apiserver =
        nodes.iter().find(|node| node["name"] == "apiserver" && node["kind"] == "certificate").unwrap();
    for field in ["role", "state", "places", "publicSha256", "notBefore", "notAfter", "serial", "ifGone"] {
        assert!(!apiserver[field].is_null(), "{field}\n{apiserver:#}");
    }
    let edges = json["edges"].as_array().unwrap();
    let faulty: Vec<_> = edges.iter().filter(|edge| !edge["fault"].is_null()).collect();
    assert_eq!(faulty.len(), 3);
    assert_eq!(faulty[0]["relation"], "key-of");
    assert_eq!(faulty[0]["fault"]["kind"], "key-of-another");
}
