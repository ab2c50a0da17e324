//! The certificate that a kubelet serves: a pair of its own is made again as the kubelet makes it, one that the
//! cluster has signed is signed again, and what somebody has configured is left alone. openssl is the judge.

mod common;

use std::net::IpAddr;

use insta::assert_snapshot;
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use kuberescue::issue::{KeyRequest, Profile, Signer, Validity, create, generate};
use kuberescue::state::catalog::Usage;

use common::{
    Node, PKI, end_of, identity, kept_fields, openssl, public_key_of_certificate, public_key_of_key, start_of,
};

const CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet.crt";
const KEY: &str = "/var/lib/kubelet/pki/kubelet.key";
const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-server-current.pem";
const OLD: &str = "/var/lib/kubelet/pki/kubelet-server-2024-01-01-00-00-00.pem";
const CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// [`common::NOW`] for openssl.
const NOW: &str = "1795478400";

/// The certificates of a PEM file, one by one.
fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(pem.to_vec()).unwrap();
    let parts = text.split_inclusive("-----END CERTIFICATE-----\n");
    parts.filter(|part| part.contains("BEGIN CERTIFICATE")).map(|part| part.as_bytes().to_vec()).collect()
}

/// openssl accepts `leaf` as a server of this name, now, from this authority.
fn assert_serves(node: &Node, authority: &[u8], leaf: &[u8], name: &str) {
    node.write("/judge/ca.crt", authority);
    node.write("/judge/leaf.crt", leaf);
    let (authority, leaf) = (node.path("/judge/ca.crt"), node.path("/judge/leaf.crt"));
    let (authority, leaf) = (authority.display(), leaf.display());
    let said = openssl(
        &format!(
            "verify -x509_strict -attime {NOW} -purpose sslserver -verify_hostname {name} -CAfile {authority} {leaf}"
        ),
        b"",
    );
    assert!(said.ends_with("OK\n"), "{said}");
    node.remove("/judge");
}

/// A serving certificate and its key, signed by the cluster's CA.
fn signed_by_the_cluster(node: &Node, common_name: &str, names: &[&str], dates: [&str; 2]) -> Vec<u8> {
    let authority = Certificate::from_pem(&node.read(&format!("{PKI}/ca.crt"))).unwrap();
    let authority_key = PrivateKey::from_pem(&node.read(&format!("{PKI}/ca.key"))).unwrap();
    let signer = Signer::new(&authority, &authority_key).unwrap();
    let request = KeyRequest { algorithm: KeyAlgorithm::EcdsaP256, encoding: KeyEncoding::Sec1 };
    let key = generate(&[request]).unwrap().remove(0);
    let (addresses, dns_names): (Vec<&str>, Vec<&str>) =
        names.iter().copied().partition(|name| name.parse::<IpAddr>().is_ok());
    let profile = Profile {
        common_name: common_name.to_owned(),
        organizations: vec!["system:nodes".to_owned()],
        usage: Usage::Server,
        dns_names: dns_names.into_iter().map(str::to_owned).collect(),
        addresses: addresses.into_iter().map(|address| address.parse().unwrap()).collect(),
    };
    let [not_before, not_after] = dates.map(|date| date.parse().unwrap());
    let leaf = create(&signer, &profile, &key, Validity { not_before, not_after }).unwrap();
    format!("{}{}", leaf.to_pem(), key.to_pem().as_str()).into_bytes()
}

/// What a kubelet of this node would have asked for, and a name more.
fn of_the_kubelet(node: &Node, dates: [&str; 2]) -> Vec<u8> {
    let names = ["cp-1", "cp-1.example.test", "192.168.10.11", "fd00::11"];
    signed_by_the_cluster(node, "system:node:cp-1", &names, dates)
}

/// A node with `serverTLSBootstrap` whose serving certificate is `pem`.
fn rotating(name: &str, pem: impl FnOnce(&Node) -> Vec<u8>) -> Node {
    let node = Node::of(name);
    let config = node.text(CONFIG);
    node.write(CONFIG, format!("{config}serverTLSBootstrap: true\n"));
    for path in [CERTIFICATE, KEY] {
        node.remove(path);
    }
    let pem = pem(&node);
    node.write(OLD, pem);
    node.link(CURRENT, OLD);
    node
}

const EXPIRED: [&str; 2] = ["2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z"];
const VALID: [&str; 2] = ["2026-11-01T00:00:00Z", "2027-11-01T00:00:00Z"];

#[test]
fn an_expired_pair_is_made_again_as_the_kubelet_makes_it() {
    for tree in ["expired-all", "v120-expired"] {
        let node = Node::of(tree);
        let (old, old_key) = (certificates(&node.read(CERTIFICATE)), node.read(KEY));
        node.must("certs renew all");
        let pem = node.read(CERTIFICATE);
        let new = certificates(&pem);
        assert_eq!(new.len(), 2, "the leaf and its authority");
        assert_serves(&node, &new[1], &new[0], "cp-1");
        for (new, old) in new.iter().zip(&old) {
            // The same but for the time in the names, which the kubelet puts there.
            let undated = |certificate: &[u8]| {
                let text = kept_fields(certificate);
                let names: Vec<_> = text.lines().map(|line| line.split('@').next().unwrap().trim()).collect();
                let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
                // OpenSSL shows extensions in their order, which is nobody's business.
                names.sort();
                names
            };
            assert_eq!(undated(new), undated(old), "{tree}");
            assert_eq!(
                (start_of(new), end_of(new)),
                ("2026-11-23 23:00:00Z".into(), "2027-11-24 00:00:00Z".into())
            );
            assert!(openssl("x509 -noout -text", new).contains("Public-Key: (2048 bit)"));
        }
        let subject =
            |certificate: &[u8]| openssl("x509 -noout -subject -issuer -nameopt RFC2253", certificate);
        assert_eq!(subject(&new[0]), format!("subject=CN=cp-1@{NOW}\nissuer=CN=cp-1-ca@{NOW}\n"));
        assert_eq!(subject(&new[1]), format!("subject=CN=cp-1-ca@{NOW}\nissuer=CN=cp-1-ca@{NOW}\n"));
        let key = node.read(KEY);
        assert_eq!(public_key_of_certificate(&new[0]), public_key_of_key(&key));
        assert_ne!(key, old_key);
        assert!(key.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"), "PKCS#1, as the old one");
        assert_eq!((node.mode(CERTIFICATE), node.mode(KEY)), (0o644, 0o600));
        // The authority's key is nowhere.
        assert!(!String::from_utf8_lossy(&pem).contains("PRIVATE"));
        let after = node.run("certs check-expiration");
        assert!(
            after.out.lines().any(|line| line.starts_with("kubelet-serving       Nov 24, 2027")),
            "{after}"
        );
    }
}

#[test]
fn recover_leaves_nothing_of_it_to_be_seen_to_and_names_the_kubelet() {
    let node = Node::of("expired-all");
    let run = node.must("recover --yes -v");
    let (plan, after) = run.out.split_once("\nAfter:").unwrap();
    let step = &plan[plan.find("- renew kubelet-serving: ").unwrap()..];
    let step = step.split("\n\n").next().unwrap();
    assert_snapshot!(step, @"
    - renew kubelet-serving: /var/lib/kubelet/pki/kubelet.crt and /var/lib/kubelet/pki/kubelet.key
        subject CN=cp-1@1795478400, signed by cp-1-ca@1795478400, created for it alone
        for DNS:cp-1
        expires 2027-11-24 00:00 UTC (old: 2024-12-31 00:00 UTC)
        new key, RSA-2048
    Restart afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    ");
    assert!(!after.lines().any(|line| line.starts_with("Warnings")), "{run}");
    node.settle();
    let before = node.state();
    node.must("recover --yes");
    assert_eq!(before.changed(&node.state()).len(), 0);
}

#[test]
fn one_that_is_fine_is_left_alone_unless_it_is_named() {
    let mut told = String::new();
    for (command, changes) in [
        ("certs renew all", false),
        ("certs renew kubelet-client", false),
        ("certs renew all --kubelet", true),
        ("certs renew kubelet-serving", true),
    ] {
        let node = Node::of("ecdsa-p256");
        let old = node.read(CERTIFICATE);
        let document = node.must(&format!("{command} --dry-run -o json")).json();
        let mut steps = document["plan"]["steps"].as_array().unwrap().iter();
        assert_eq!(steps.any(|step| step["name"] == "kubelet-serving"), changes, "{command}");
        let run = node.must(command);
        assert_eq!(node.read(CERTIFICATE) != old, changes, "{command}");
        told += &format!("{command}:\n{}", run.out);
    }
    assert_snapshot!(told, @"
    certs renew all:
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
    certificate for serving the Kubernetes API renewed
    certificate the apiserver uses to access etcd renewed
    certificate for the API server to connect to kubelet renewed
    certificate embedded in the kubeconfig file for the controller manager to use renewed
    certificate for liveness probes to healthcheck etcd renewed
    certificate for etcd nodes to communicate with each other renewed
    certificate for serving etcd renewed
    certificate for the front proxy client renewed
    certificate embedded in the kubeconfig file for the scheduler manager to use renewed
    certificate embedded in the kubeconfig file for the super-admin renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    certs renew kubelet-client:
    certificate for the kubelet to access the Kubernetes API renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    certs renew all --kubelet:
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
    certificate for serving the Kubernetes API renewed
    certificate the apiserver uses to access etcd renewed
    certificate for the API server to connect to kubelet renewed
    certificate embedded in the kubeconfig file for the controller manager to use renewed
    certificate for liveness probes to healthcheck etcd renewed
    certificate for etcd nodes to communicate with each other renewed
    certificate for serving etcd renewed
    certificate for the front proxy client renewed
    certificate embedded in the kubeconfig file for the scheduler manager to use renewed
    certificate embedded in the kubeconfig file for the super-admin renewed
    certificate for the kubelet to access the Kubernetes API renewed
    certificate for serving the kubelet's own API renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    certs renew kubelet-serving:
    certificate for serving the kubelet's own API renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    ");
    // Alone, it changes nothing else, and the kubelet is what has to be restarted.
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    let document = node.must("certs renew kubelet-serving --dry-run -o json").json();
    let plan = &document["plan"];
    assert_eq!(plan["restarts"]["tasks"].as_array().unwrap().len(), 1, "{plan:#}");
    assert_eq!(plan["restarts"]["tasks"][0]["reason"]["files"][0], CERTIFICATE);
    assert_eq!(plan["steps"][0]["authority"], format!("cp-1-ca@{NOW}"));
    node.must("certs renew kubelet-serving");
    assert_eq!(before.changed(&node.state()), [CERTIFICATE, KEY]);
}

#[test]
fn names_and_key_of_the_old_pair_can_stay() {
    let node = Node::of("expired-all");
    // A kubelet that is called by its address, and more names than a kubelet asks for.
    let names = ["192.168.10.11", "node.example.test"];
    let leaf = signed_by_the_cluster(&node, "192.168.10.11@1704067200", &names, EXPIRED);
    node.write(CERTIFICATE, leaf);
    node.must("certs renew all");
    let new = certificates(&node.read(CERTIFICATE));
    let names = openssl("x509 -noout -subject -ext subjectAltName -nameopt RFC2253", &new[0]);
    for expected in ["CN=192.168.10.11@1795478400", "IP Address:192.168.10.11", "DNS:node.example.test"] {
        assert!(names.contains(expected), "{names}");
    }
    assert_serves(&node, &new[1], &new[0], "node.example.test");

    let node = Node::of("expired-all");
    let old_key = node.read(KEY);
    node.must("certs renew kubelet-serving --reuse-keys");
    assert_eq!(node.read(KEY), old_key);
    let new = certificates(&node.read(CERTIFICATE));
    assert_eq!(public_key_of_certificate(&new[0]), public_key_of_key(&old_key));
    assert_ne!(public_key_of_certificate(&new[1]), public_key_of_key(&old_key));
}

/// A way to break a pair.
type Breaks = fn(&Node);

#[test]
fn half_a_pair_keeps_the_kubelet_from_starting_and_is_completed() {
    let ways: [(&str, Breaks); 4] = [
        ("missing", |node| node.remove(CERTIFICATE)),
        ("key-missing", |node| node.remove(KEY)),
        ("file-not-pem", |node| node.write(CERTIFICATE, "not PEM")),
        ("key-mismatch", |node| node.write(KEY, node.read(&format!("{PKI}/sa.key")))),
    ];
    for (code, breaks) in ways {
        let node = Node::of("rsa2048");
        breaks(&node);
        let run = node.run("certs check-expiration");
        assert!(run.code == 1 && run.out.contains(code), "{code}\n{run}");
        // It is enough for `recover` to have something to do.
        node.must("recover --yes");
        let new = certificates(&node.read(CERTIFICATE));
        assert_serves(&node, &new[1], &new[0], "cp-1");
        assert_eq!(public_key_of_certificate(&new[0]), public_key_of_key(&node.read(KEY)), "{code}");
        assert_eq!((node.mode(CERTIFICATE) & 0o133, node.mode(KEY)), (0, 0o600), "{code}");
        node.settle();
        assert_eq!(node.run("certs check-expiration").code, 0, "{code}");
    }
}

#[test]
fn a_pair_that_is_missing_altogether_is_left_to_the_kubelet() {
    let node = Node::of("expired-all");
    node.remove(CERTIFICATE);
    node.remove(KEY);
    node.must("certs renew all --kubelet");
    assert!(!node.exists(CERTIFICATE) && !node.exists(KEY));
    node.settle();
    let run = node.refuses("certs renew kubelet-serving", "nothing-to-renew");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    certificate for serving the kubelet's own API not renewed: it is missing, and the kubelet makes it when it starts
    error [nothing-to-renew]: there is nothing to renew
    hint: see the reasons above; --dry-run shows the plan
    ");
}

#[test]
fn what_the_configuration_names_is_somebody_elses() {
    let node = Node::of("expired-all");
    let config = node.text(CONFIG);
    let (own, own_key) = ("/etc/kubernetes/own.crt", "/etc/kubernetes/own.key");
    node.write(CONFIG, format!("{config}tlsCertFile: {own}\ntlsPrivateKeyFile: {own_key}\n"));
    node.write(own, node.read(CERTIFICATE));
    node.write(own_key, node.read(KEY));
    let before = (node.read(own), node.read(CERTIFICATE));
    for command in ["certs renew all", "certs renew all --kubelet"] {
        node.settle();
        node.must(command);
        assert_eq!((node.read(own), node.read(CERTIFICATE)), before, "{command}");
    }
    let run = node.run("certs check-expiration");
    assert!(run.out.contains(own) && run.code == 1, "still told\n{run}");
    node.settle();
    let run = node.refuses("certs renew kubelet-serving", "nothing-to-renew");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    certificate for serving the kubelet's own API not renewed: the kubelet's configuration names /etc/kubernetes/own.crt: whoever made it renews it
    error [nothing-to-renew]: there is nothing to renew
    hint: see the reasons above; --dry-run shows the plan
    ");
}

#[test]
fn a_certificate_that_the_cluster_signed_is_signed_again() {
    let node = rotating("expired-all", |node| of_the_kubelet(node, EXPIRED));
    let old = node.read(OLD);
    let run = node.must("certs renew all");
    let target = std::fs::read_link(node.path(CURRENT)).unwrap();
    assert_eq!(target.to_str(), Some("/var/lib/kubelet/pki/kubelet-server-2026-11-24-00-00-00.pem"), "{run}");
    let new = node.read(target.to_str().unwrap());
    assert_eq!(node.mode(target.to_str().unwrap()), 0o600);
    assert_eq!(identity(&new), identity(&old));
    assert_serves(&node, &node.read(&format!("{PKI}/ca.crt")), &new, "cp-1.example.test");
    assert_eq!(public_key_of_certificate(&new), public_key_of_key(&new));
    assert_ne!(public_key_of_key(&new), public_key_of_key(&old));
    assert_eq!(
        (start_of(&new), end_of(&new)),
        ("2026-11-23 23:55:00Z".into(), "2027-11-24 00:00:00Z".into())
    );
    assert_eq!(node.read(OLD), old, "the old one stays, as the kubelet itself leaves it");
    assert!(!node.exists(CERTIFICATE));
}

#[test]
fn a_flag_of_the_unit_tells_it_as_well() {
    let node = rotating("expired-all", |node| of_the_kubelet(node, EXPIRED));
    node.replace(CONFIG, "serverTLSBootstrap: true\n", "");
    node.write("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--rotate-server-certificates\n");
    let pair = Node::of("expired-all");
    node.write(CERTIFICATE, pair.read(CERTIFICATE));
    node.must("certs renew all");
    assert_ne!(std::fs::read_link(node.path(CURRENT)).unwrap().to_str(), Some(OLD));
    assert_eq!(node.read(CERTIFICATE), pair.read(CERTIFICATE));
}

#[test]
fn what_is_left_of_a_rotation_that_was_turned_off_is_not_touched() {
    let pair = Node::of("expired-all");
    let node = rotating("expired-all", |node| of_the_kubelet(node, EXPIRED));
    node.replace(CONFIG, "serverTLSBootstrap: true\n", "");
    for path in [CERTIFICATE, KEY] {
        node.write(path, pair.read(path));
    }
    node.must("certs renew all");
    assert_eq!(std::fs::read_link(node.path(CURRENT)).unwrap().to_str(), Some(OLD));
    assert_eq!(end_of(&certificates(&node.read(CERTIFICATE))[0]), "2027-11-24 00:00:00Z");
}

#[test]
fn one_that_was_copied_from_another_node_is_issued_for_this_one() {
    let names = ["cp-9", "192.168.10.19"];
    let node =
        rotating("expired-all", |node| signed_by_the_cluster(node, "system:node:cp-9", &names, EXPIRED));
    let run = node.must("certs renew all");
    assert_snapshot!(run.out.lines().find(|line| line.ends_with(" issued")).unwrap(), @"certificate for serving the kubelet's own API issued");
    let new = node.read("/var/lib/kubelet/pki/kubelet-server-2026-11-24-00-00-00.pem");
    assert_serves(&node, &node.read(&format!("{PKI}/ca.crt")), &new, "cp-1");
    assert!(openssl("x509 -noout -subject", &new).contains("system:node:cp-1"));
}

#[test]
fn one_that_the_cluster_signed_and_is_fine_stays() {
    let node = rotating("ecdsa-p256", |node| of_the_kubelet(node, VALID));
    node.must("certs renew all");
    assert_eq!(std::fs::read_link(node.path(CURRENT)).unwrap().to_str(), Some(OLD));
    node.settle();
    node.must("certs renew all --kubelet");
    assert_ne!(std::fs::read_link(node.path(CURRENT)).unwrap().to_str(), Some(OLD));
}

#[test]
fn an_unreadable_one_is_issued_for_the_nodes_name_and_address() {
    let node = rotating("expired-all", |_| b"half a PEM".to_vec());
    node.must("certs renew all");
    let new = node.read("/var/lib/kubelet/pki/kubelet-server-2026-11-24-00-00-00.pem");
    assert_serves(&node, &node.read(&format!("{PKI}/ca.crt")), &new, "cp-1");
    let text = openssl("x509 -noout -subject -ext subjectAltName -nameopt RFC2253", &new);
    assert!(text.contains("subject=CN=system:node:cp-1,O=system:nodes"), "{text}");
    assert!(text.contains("DNS:cp-1, IP Address:192.168.10.11"), "{text}");
    assert!(openssl("x509 -noout -text", &new).contains("prime256v1"), "as a kubelet makes its keys");
}

#[test]
fn a_missing_one_is_asked_of_the_cluster_by_the_kubelet() {
    let node = rotating("expired-all", |_| b"x".to_vec());
    node.remove(CURRENT);
    node.remove(OLD);
    node.must("certs renew all");
    assert!(!node.exists(CURRENT));
    // Unless somebody wants it.
    node.settle();
    node.must("certs renew kubelet-serving");
    assert!(node.exists(CURRENT));
}

#[test]
fn rollback_puts_the_old_pair_back() {
    let node = Node::of("expired-all");
    let before = node.state();
    node.must("certs renew kubelet-serving");
    assert_eq!(before.changed(&node.state()), [CERTIFICATE, KEY]);
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rolled back");
}

#[test]
fn a_pair_of_its_own_needs_no_cluster_authority() {
    let node = Node::of("expired-ca");
    node.must("certs renew kubelet-serving");
    let new = certificates(&node.read(CERTIFICATE));
    assert_serves(&node, &new[1], &new[0], "cp-1");
    // What the cluster signs does.
    let node = rotating("expired-ca", |_| b"x".to_vec());
    let run = node.refuses("certs renew kubelet-serving", "ca-expired");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    error [ca-expired]: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks kubelet-serving
    hint: sudo kuberescue recover --renew-cas renews it with its own key, which keeps what it has signed; first see whether the clock is right: date -u
    ");
}
