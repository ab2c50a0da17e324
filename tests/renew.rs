//! `certs renew`: kubeadm's words, everything or nothing, and back again with `rollback`.

mod common;

use common::{
    KUBECONFIGS, Node, PAIRS, PKI, credential, embedded, end_of, etcd_database, expected, identity, openssl,
    pair_named, public_key_of_certificate, public_key_of_key, start_of,
};
use insta::{allow_duplicates, assert_snapshot};

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// Where a credential of kubeadm's name is.
fn files_of(name: &str) -> Vec<String> {
    match PAIRS.iter().find(|pair| pair.name == name) {
        Some(pair) => vec![pair.certificate(), pair.key()],
        None => vec![format!("/etc/kubernetes/{name}")],
    }
}

fn certificate_of(node: &Node, name: &str) -> Vec<u8> {
    match PAIRS.iter().find(|pair| pair.name == name) {
        Some(pair) => node.read(&pair.certificate()),
        None => credential(&node.text(&format!("/etc/kubernetes/{name}"))).0,
    }
}

fn key_of(node: &Node, name: &str) -> Vec<u8> {
    match PAIRS.iter().find(|pair| pair.name == name) {
        Some(pair) => node.read(&pair.key()),
        None => credential(&node.text(&format!("/etc/kubernetes/{name}"))).1,
    }
}

#[test]
fn all_is_renewed_in_kubeadms_words() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let node = Node::of(name);
        let run = node.must("certs renew all");
        assert_eq!(run.out, expected(name, "renew.out"), "{name}");
        allow_duplicates! { assert_snapshot!(node.talk(&run), @"
        Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
        kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
        ") }
    }
}

/// What kubeadm 1.36 says of a node of 1.20, whose own version doesn't know the file.
const LATER: &str = "MISSING! certificate embedded in the kubeconfig file for the super-admin\n";

#[test]
fn expired_certificates_of_the_kubelet_are_renewed_with_the_rest() {
    for name in ["expired-all", "v120-expired"] {
        let run = Node::of(name).must("certs renew all");
        // They come after kubeadm's own, before the blank line.
        let kubeadms = expected(name, "renew.out").replace(LATER, "");
        let (head, end) = kubeadms.split_once("\n\n").unwrap();
        let kubelets = run.out.strip_prefix(&format!("{head}\n")).unwrap();
        let kubelets = kubelets.strip_suffix(&format!("\n\n{end}")).unwrap();
        allow_duplicates! { assert_snapshot!(kubelets, @"
        certificate for the kubelet to access the Kubernetes API renewed
        certificate for serving the kubelet's own API renewed
        ") }
    }
}

#[test]
fn what_was_expired_is_valid_afterwards() {
    for name in ["expired-all", "v120-expired", "mixed"] {
        let node = Node::of(name);
        assert_eq!(node.run("certs check-expiration").code, 1, "{name}");
        node.must("certs renew all");
        let after = node.run("certs check-expiration");
        let marked = after.out.lines().filter(|line| line.starts_with('!')).count();
        assert_eq!((after.code, marked), (0, 0), "{name}\n{after}");
    }
}

#[test]
fn one_name_renews_one_credential() {
    let names = PAIRS.iter().map(|pair| pair.name).chain(KUBECONFIGS);
    let node = Node::of("ecdsa-p256");
    for name in names {
        node.settle();
        let before = node.state();
        let run = node.must(&format!("certs renew {name}"));
        assert_eq!(before.changed(&node.state()), files_of(name), "{name}\n{run}");
        assert_eq!(run.out.lines().filter(|line| line.ends_with(" renewed")).count(), 1, "{run}");
    }
}

#[test]
fn a_name_that_kubeadm_does_not_know_is_wrong_usage() {
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    for wrong in ["apiserver.crt", "ca", "ALL", "", "etcd"] {
        let run = node.run(&format!("certs renew {wrong}"));
        assert_eq!(run.code, 2, "{wrong}\n{run}");
    }
    before.assert_identical(&node.state(), "wrong names");
}

#[test]
fn dates_run_from_five_minutes_ago_for_a_year() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    let new = certificate_of(&node, "apiserver");
    assert_eq!(start_of(&new), "2026-11-23 23:55:00Z");
    assert_eq!(end_of(&new), "2027-11-24 00:00:00Z");
}

#[test]
fn days_can_be_chosen() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver --days 30");
    assert_eq!(end_of(&certificate_of(&node, "apiserver")), "2026-12-24 00:00:00Z");
    for wrong in ["0", "-1", "many"] {
        assert_eq!(node.run(&format!("certs renew apiserver --days={wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn nothing_outlives_its_ca_and_the_plan_says_so_loudly() {
    let node = Node::of("ecdsa-p256");
    assert_snapshot!(node.screen("certs renew apiserver --days 36500 --dry-run"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        subject CN=kube-apiserver, signed by ca
        for DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1, IP:192.168.10.11
        expires 2036-11-20 22:23 UTC (old: 2027-11-23 22:23 UTC)
        new key, ECDSA-P256
        NOTE: it expires with its CA ca on 2036-11-20 22:23 UTC, earlier than requested
    Restart afterwards: kube-apiserver
    Dry run: everything was made and checked in memory, nothing was written.
    ");
    assert_snapshot!(node.screen("certs renew apiserver --days 36500"), @"
    exit 0
    certificate for serving the Kubernetes API renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    NOTE: apiserver: it expires with its CA ca on 2036-11-20 22:23 UTC, earlier than requested
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    let authority = node.read(&format!("{PKI}/ca.crt"));
    assert_eq!(end_of(&certificate_of(&node, "apiserver")), end_of(&authority));
}

#[test]
fn a_dry_run_tells_the_plan_and_writes_nothing() {
    for name in ["rsa2048", "ecdsa-p256", "expired-all", "v120-expired", "mixed"] {
        let node = Node::of(name);
        let before = node.state();
        let plan = node.must("certs renew all --dry-run");
        before.assert_identical(&node.state(), name);
        let real = node.must("certs renew all");
        // The same story: as many steps as messages, each subject as planned.
        let steps =
            plan.out.lines().filter(|line| line.starts_with("- renew ") || line.starts_with("- issue "));
        let done = real.out.lines().filter(|line| line.ends_with(" renewed") || line.ends_with(" issued"));
        assert_eq!(steps.count(), done.count(), "{name}\n{plan}\n{real}");
        let subjects = plan.out.lines().filter_map(|line| line.trim().strip_prefix("subject "));
        let planned: Vec<_> = subjects
            .map(|line| line.rsplit_once("CN=").unwrap().1.split(", signed").next().unwrap())
            .collect();
        for pair in &PAIRS {
            let subject =
                common::openssl("x509 -noout -subject -nameopt multiline", &node.read(&pair.certificate()));
            let name = subject.rsplit(" = ").next().unwrap().trim();
            assert!(planned.contains(&name), "{name}\n{plan}");
        }
    }
}

#[test]
fn a_dry_run_in_json_holds_the_plan_and_no_secret() {
    let node = Node::of("expired-all");
    let run = node.must("certs renew all --dry-run -o json");
    let document = run.json();
    let steps = document["plan"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 13, "{run}");
    let step = steps.iter().find(|step| step["name"] == "apiserver").unwrap();
    assert_snapshot!(format!("{step:#}"), @r#"
    {
      "action": {
        "kind": "renew"
      },
      "authority": "ca",
      "cutToAuthority": false,
      "key": {
        "algorithm": "RSA-2048",
        "encoding": "PKCS#1",
        "reuse": false
      },
      "name": "apiserver",
      "names": [
        "DNS:cp-1",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        "IP:10.96.0.1",
        "IP:192.168.10.11"
      ],
      "new": {
        "notAfter": "2027-11-24T00:00:00Z",
        "notBefore": "2026-11-23T23:55:00Z"
      },
      "notes": [],
      "old": {
        "notAfter": "2024-12-31T00:00:00Z",
        "notBefore": "2023-12-31T23:55:00Z"
      },
      "subject": "CN=kube-apiserver",
      "target": {
        "certificate": "/etc/kubernetes/pki/apiserver.crt",
        "key": "/etc/kubernetes/pki/apiserver.key",
        "kind": "pair"
      }
    }
    "#);
    assert!(!run.out.contains("PRIVATE"), "{run}");
}

#[test]
fn a_dry_run_is_refused_as_the_real_one_would_be() {
    Node::of("expired-ca").refuses("certs renew all --dry-run", "ca-expired");
}

#[test]
fn keys_are_new_unless_they_are_to_be_kept() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let node = Node::of(name);
        let old = key_of(&node, "apiserver");
        node.must("certs renew apiserver");
        assert_ne!(key_of(&node, "apiserver"), old, "{name}");

        let node = Node::of(name);
        let before = node.state();
        node.must("certs renew all --reuse-keys");
        let mut certificates: Vec<_> = PAIRS.iter().map(common::Pair::certificate).collect();
        certificates.extend(KUBECONFIGS.map(|name| format!("/etc/kubernetes/{name}")));
        certificates.sort();
        assert_eq!(before.changed(&node.state()), certificates, "{name}");
        let fresh = Node::of(name);
        for leaf in PAIRS.iter().map(|pair| pair.name).chain(KUBECONFIGS) {
            assert_eq!(key_of(&node, leaf), key_of(&fresh, leaf), "{leaf}");
            assert_eq!(end_of(&certificate_of(&node, leaf)), "2027-11-24 00:00:00Z", "{leaf}");
        }
    }
}

#[test]
fn modes_and_owners_stay_and_keys_are_never_open() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let node = Node::of("ecdsa-p256");
    let set = |inside: &str, mode| {
        std::fs::set_permissions(node.path(inside), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&format!("{PKI}/apiserver.crt"), 0o640);
    set(&format!("{PKI}/apiserver.key"), 0o400);
    set(&format!("{PKI}/front-proxy-client.key"), 0o644);
    set("/etc/kubernetes/admin.conf", 0o644);
    if common::is_root() {
        std::os::unix::fs::chown(node.path(&format!("{PKI}/etcd/server.key")), Some(1234), Some(4321))
            .unwrap();
    }
    node.must("certs renew all");
    assert_eq!(node.mode(&format!("{PKI}/apiserver.crt")), 0o640);
    assert_eq!(node.mode(&format!("{PKI}/apiserver.key")), 0o400);
    assert_eq!(node.mode(&format!("{PKI}/front-proxy-client.key")), 0o600, "a key open to all is closed");
    assert_eq!(node.mode("/etc/kubernetes/admin.conf"), 0o600, "it holds a key");
    assert_eq!(node.mode(&format!("{PKI}/etcd/peer.key")), 0o600);
    assert_eq!(node.mode(&format!("{PKI}/etcd/peer.crt")), 0o644);
    if common::is_root() {
        let owner = node.path(&format!("{PKI}/etcd/server.key")).metadata().unwrap();
        assert_eq!((owner.uid(), owner.gid()), (1234, 4321));
    }
}

#[test]
fn nothing_but_the_planned_files_changes() {
    let node = Node::of("expired-all");
    let before = node.state();
    node.must("certs renew all");
    let mut planned: Vec<_> = PAIRS.iter().flat_map(|pair| [pair.certificate(), pair.key()]).collect();
    planned.extend(KUBECONFIGS.map(|name| format!("/etc/kubernetes/{name}")));
    planned.extend([
        CURRENT.to_owned(),
        "/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem".to_owned(),
        "/var/lib/kubelet/pki/kubelet.crt".to_owned(),
        "/var/lib/kubelet/pki/kubelet.key".to_owned(),
    ]);
    planned.sort();
    assert_eq!(before.changed(&node.state()), planned);
}

#[test]
fn the_kubelet_gets_a_dated_file_and_its_link_is_swapped() {
    let node = Node::of("expired-all");
    let old = node.read("/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem");
    node.must("certs renew all");
    let target = std::fs::read_link(node.path(CURRENT)).unwrap();
    assert_eq!(target.to_str(), Some("/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem"));
    let new = node.read(target.to_str().unwrap());
    assert_eq!(node.mode(target.to_str().unwrap()), 0o600);
    assert_eq!(public_key_of_certificate(&new), public_key_of_key(&new));
    assert_eq!(identity(&new), identity(&old));
    assert!(!node.exists(&format!("{CURRENT}.new")));
    let old_now = node.read("/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem");
    assert_eq!(old_now, old, "the old one stays, as the kubelet itself leaves it");
}

#[test]
fn a_kubelet_that_is_fine_is_left_alone_unless_it_is_named() {
    let node = Node::of("ecdsa-p256");
    let link = |node: &Node| std::fs::read_link(node.path(CURRENT)).unwrap();
    let before = link(&node);
    node.must("certs renew all");
    assert_eq!(link(&node), before);
    for command in ["certs renew all --kubelet", "certs renew kubelet-client"] {
        let node = Node::of("ecdsa-p256");
        node.must(command);
        assert_ne!(link(&node), before, "{command}");
    }
}

#[test]
fn an_old_kubelet_conf_with_its_certificate_inside_is_renewed_in_place() {
    let node = Node::of("expired-all");
    let pem = node.read(CURRENT_TARGET);
    let conf = "/etc/kubernetes/kubelet.conf";
    let path = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let (certificate, key) = split(&pem);
    node.replace(
        conf,
        &format!("client-certificate: {path}"),
        &format!("client-certificate-data: {}", common::base64(&certificate)),
    );
    node.replace(conf, &format!("client-key: {path}"), &format!("client-key-data: {}", common::base64(&key)));
    node.remove(CURRENT);
    let old = node.text(conf);
    let run = node.must("certs renew all");
    let new = node.text(conf);
    let (certificate, key) = credential(&new);
    assert_eq!(end_of(&certificate), "2027-11-24 00:00:00Z", "{run}");
    assert_eq!(public_key_of_certificate(&certificate), public_key_of_key(&key));
    assert_eq!(without_credential(&new), without_credential(&old));
    assert!(!node.exists(CURRENT));
}

/// Nothing else is wrong: no certificate is reissued.
#[test]
fn a_kubelet_conf_that_trusts_another_ca_gets_this_nodes() {
    let node = Node::of("rsa2048");
    let conf = "/etc/kubernetes/kubelet.conf";
    let encoded = |file: &str| common::base64(&node.read(&format!("{PKI}/{file}")));
    let good = node.text(conf);
    node.replace(conf, &encoded("ca.crt"), &encoded("front-proxy-ca.crt"));
    let broken = node.text(conf);
    node.must("recover --yes");
    assert_eq!(node.text(conf), good);
    node.must("diagnose");
    node.must("rollback --yes");
    assert_eq!(node.text(conf), broken);
}

const CURRENT_TARGET: &str = "/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem";

/// Certificate and key of a PEM file that holds both.
fn split(pem: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(pem.to_vec()).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let at = text.find(end).unwrap() + end.len();
    (text.as_bytes()[..at].to_vec(), text.as_bytes()[at..].to_vec())
}

/// A kubeconfig's lines but the two that renewing changes.
fn without_credential(kubeconfig: &str) -> String {
    kubeconfig
        .lines()
        .filter(|line| !line.contains("client-certificate-data: ") && !line.contains("client-key-data: "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn in_a_kubeconfig_only_the_credential_changes() {
    for name in ["rsa2048", "ecdsa-p256", "v120-expired"] {
        let (node, old) = (Node::of(name), Node::of(name));
        node.must("certs renew all");
        for file in KUBECONFIGS.map(|file| format!("/etc/kubernetes/{file}")) {
            if old.exists(&file) {
                assert_eq!(
                    without_credential(&node.text(&file)),
                    without_credential(&old.text(&file)),
                    "{name} {file}"
                );
                assert_ne!(node.text(&file), old.text(&file), "{name} {file}");
            }
        }
    }
}

#[test]
fn an_embedded_ca_of_another_cluster_is_replaced_by_the_nodes() {
    let node = Node::of("ecdsa-p256");
    let own = common::base64(&node.read(&format!("{PKI}/ca.crt")));
    let other = common::base64(&Node::of("rsa2048").read(&format!("{PKI}/ca.crt")));
    node.replace("/etc/kubernetes/scheduler.conf", &own, &other);
    node.must("certs renew scheduler.conf");
    let text = node.text("/etc/kubernetes/scheduler.conf");
    assert!(text.contains(&own) && !text.contains(&other));
}

#[test]
fn a_bundle_that_holds_the_nodes_ca_is_kept() {
    let node = Node::of("ecdsa-p256");
    let own = node.read(&format!("{PKI}/ca.crt"));
    let other = Node::of("rsa2048").read(&format!("{PKI}/ca.crt"));
    let bundle = common::base64(&[other, own.clone()].concat());
    node.replace("/etc/kubernetes/scheduler.conf", &common::base64(&own), &bundle);
    node.must("certs renew scheduler.conf");
    assert!(node.text("/etc/kubernetes/scheduler.conf").contains(&bundle));
}

#[test]
fn a_missing_leaf_is_issued_as_kubeadm_would() {
    let mut told = String::new();
    for name in ["rsa2048", "ecdsa-p256", "expired-all"] {
        for pair in &PAIRS {
            let node = Node::of(name);
            let old = node.read(&pair.certificate());
            node.remove(&pair.certificate());
            node.remove(&pair.key());
            let run = node.must(&format!("certs renew {}", pair.name));
            if name == "rsa2048" {
                told.push_str(run.out.lines().next().unwrap());
                told.push('\n');
            }
            let new = node.read(&pair.certificate());
            assert_eq!(identity(&new), identity(&old), "{name} {}", pair.name);
            assert_eq!(public_key_of_certificate(&new), public_key_of_key(&node.read(&pair.key())));
            assert_eq!(
                (node.mode(&pair.certificate()), node.mode(&pair.key())),
                (0o644, 0o600),
                "{}",
                pair.name
            );
            assert_eq!(algorithm(&new), algorithm(&old), "{name} {}", pair.name);
        }
    }
    assert_snapshot!(told, @"
    certificate for serving the Kubernetes API issued
    certificate the apiserver uses to access etcd issued
    certificate for the API server to connect to kubelet issued
    certificate for liveness probes to healthcheck etcd issued
    certificate for etcd nodes to communicate with each other issued
    certificate for serving etcd issued
    certificate for the front proxy client issued
    ");
}

fn algorithm(certificate: &[u8]) -> String {
    let text = common::openssl("x509 -noout -text -certopt no_sigdump", certificate);
    text.lines().filter(|line| line.contains("Public-Key:") || line.contains("ASN1 OID")).collect()
}

#[test]
fn an_empty_kubeconfig_is_issued_as_kubeadm_would() {
    let mut told = String::new();
    for name in ["rsa2048", "ecdsa-p256"] {
        for file in KUBECONFIGS {
            let node = Node::of(name);
            let path = format!("/etc/kubernetes/{file}");
            let old = node.text(&path);
            node.write(&path, "");
            let run = node.must(&format!("certs renew {file}"));
            if name == "rsa2048" {
                told.push_str(run.out.lines().next().unwrap());
                told.push('\n');
            }
            let new = node.text(&path);
            let (certificate, key) = credential(&new);
            assert_eq!(identity(&certificate), identity(&credential(&old).0), "{name} {file}");
            assert_eq!(public_key_of_certificate(&certificate), public_key_of_key(&key));
            assert_eq!(node.mode(&path), 0o600);
            // Names in quotes are the same names.
            assert_eq!(without_credential(&new).replace('"', ""), without_credential(&old), "{name} {file}");
        }
    }
    assert_snapshot!(told, @"
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself issued
    certificate embedded in the kubeconfig file for the controller manager to use issued
    certificate embedded in the kubeconfig file for the scheduler manager to use issued
    certificate embedded in the kubeconfig file for the super-admin issued
    ");
}

#[test]
fn an_unreadable_leaf_is_issued_too() {
    for (what, bytes) in
        [("empty", &b""[..]), ("garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        let node = Node::of("ecdsa-p256");
        let pair = pair_named("etcd-server");
        let old = node.read(&pair.certificate());
        node.write(&pair.certificate(), bytes);
        node.must("certs renew all");
        assert_eq!(identity(&node.read(&pair.certificate())), identity(&old), "{what}");
    }
}

#[test]
fn without_enough_facts_nothing_is_guessed() {
    let node = Node::of("ecdsa-p256");
    let pair = pair_named("apiserver");
    node.remove(&pair.certificate());
    node.remove("/etc/kubernetes/manifests/kube-apiserver.yaml");
    node.remove("/etc/kubernetes/manifests/kube-controller-manager.yaml");
    let before = node.state();
    assert_snapshot!(node.screen("certs renew apiserver"), @"
    exit 5
    certificate for serving the Kubernetes API not renewed: it can't be issued without the service network: no --service-cluster-ip-range in a manifest
    error [nothing-to-renew]: there is nothing to renew
    hint: see the reasons above; --dry-run shows the plan
    ");
    before.assert_same(&node.state(), "nothing could be issued");
    // The others are renewed all the same, and a person is told.
    assert_snapshot!(node.screen("certs renew all"), @"
    exit 4
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
    certificate for serving the Kubernetes API not renewed: it can't be issued without the service network: no --service-cluster-ip-range in a manifest
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
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Blocking problems that remain:
      missing                 apiserver: not found
      manifest-missing        kube-apiserver: no manifest of kube-apiserver in /etc/kubernetes/manifests
      manifest-missing        kube-controller-manager: no manifest of kube-controller-manager in /etc/kubernetes/manifests
    hint: sudo kuberescue diagnose
    ");
    assert!(!node.exists(&pair.certificate()));
}

#[test]
fn certificates_that_follow_the_leaf_are_kept() {
    let node = Node::of("ecdsa-p256");
    let pair = pair_named("apiserver");
    let authority = node.text(&pair.authority());
    node.write(&pair.certificate(), node.text(&pair.certificate()) + &authority);
    node.must("certs renew apiserver");
    let new = node.text(&pair.certificate());
    assert_eq!(new.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(new.ends_with(&authority));
}

#[test]
fn rollback_gives_the_whole_tree_back() {
    for name in ["rsa2048", "ecdsa-p256", "expired-all", "mixed"] {
        let node = Node::of(name);
        let before = node.state();
        node.must("certs renew all --kubelet");
        assert_ne!(before.changed(&node.state()), Vec::<String>::new(), "{name}");
        allow_duplicates! { assert_snapshot!(node.screen("rollback --yes"), @r#"
        exit 0
        Rolled back: the old state is restored.
        Rolls back "kuberescue certs renew all --kubelet --at 2026-11-24T00:00:00Z --root ROOT" of TIME (22 paths)
        "#) }
        before.assert_same(&node.state(), name);
        // Once is enough.
        allow_duplicates! { assert_snapshot!(node.screen("rollback --yes"), @"
        exit 0
        Nothing to roll back: kuberescue has changed nothing here, or it was rolled back already.
        ") }
        before.assert_same(&node.state(), name);
    }
}

#[test]
fn rollback_puts_back_what_was_missing_as_missing() {
    let node = Node::of("ecdsa-p256");
    node.remove(&format!("{PKI}/etcd/peer.crt"));
    node.write("/etc/kubernetes/scheduler.conf", "");
    let before = node.state();
    node.must("certs renew all");
    assert!(node.exists(&format!("{PKI}/etcd/peer.crt")));
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rollback");
}

#[test]
fn rollback_can_be_looked_at_first() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    let before = node.state();
    assert_snapshot!(node.screen("rollback --dry-run"), @r#"
    exit 0
    /etc/kubernetes/pki/apiserver.crt
    /etc/kubernetes/pki/apiserver.key
    Rolls back "kuberescue certs renew apiserver --at 2026-11-24T00:00:00Z --root ROOT" of TIME (2 paths)
    Dry run: nothing was written.
    "#);
    assert_snapshot!(node.screen("rollback"), @r#"
    exit 2
    Rolls back "kuberescue certs renew apiserver --at 2026-11-24T00:00:00Z --root ROOT" of TIME (2 paths)
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    "#);
    before.assert_same(&node.state(), "rollback without a yes");
}

#[test]
fn rollback_leaves_alone_what_was_changed_since() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew all");
    let by_hand = Node::of("rsa2048").text(&format!("{PKI}/apiserver.crt"));
    node.write(&format!("{PKI}/apiserver.crt"), by_hand);
    let before = node.state();
    assert_snapshot!(node.screen("rollback --yes"), @r#"
    exit 5
    Rolls back "kuberescue certs renew all --at 2026-11-24T00:00:00Z --root ROOT" of TIME (18 paths)
    error [changed-since]: /etc/kubernetes/pki/apiserver.crt: it holds neither the old nor the new content; nothing was written
    hint: sudo kuberescue rollback --keep-theirs leaves them and completes the rest
    hint: sudo kuberescue rollback --overwrite archives and replaces them
    "#);
    before.assert_same(&node.state(), "refused rollback");
}

#[test]
fn an_expired_ca_can_sign_nothing() {
    let node = Node::of("expired-ca");
    assert_snapshot!(node.shown(&node.refuses("certs renew all", "ca-expired")), @"
    exit 5
    error [ca-expired]: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf, kubelet-client
    error [ca-expired]: the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server
    error [ca-expired]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks front-proxy-client
    hint: sudo kuberescue recover --renew-cas renews it with its own key, which keeps what it has signed; first see whether the clock is right: date -u
    ");
    node.refuses("certs renew all --partial", "ca-expired");
    node.refuses("recover --yes", "ca-expired");
}

#[test]
fn a_ca_that_is_not_yet_valid_can_sign_nothing() {
    let node = Node::of("ecdsa-p256");
    let run = node.refuses("certs renew all --accept-clock --at 2020-01-01", "ca-not-yet-valid");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    error [ca-not-yet-valid]: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: not valid until 2026-11-23 22:18 UTC; it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf, kubelet-client
    error [ca-not-yet-valid]: the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt) cannot sign: not valid until 2026-11-23 22:18 UTC; it blocks apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server
    error [ca-not-yet-valid]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: not valid until 2026-11-23 22:18 UTC; it blocks front-proxy-client
    hint: check the system clock: date -u
    ");
}

#[test]
fn without_a_ca_key_the_refusal_names_what_waits_for_it() {
    let node = Node::of("external-ca");
    assert_snapshot!(node.shown(&node.refuses("certs renew all", "ca-key-missing")), @"
    exit 5
    error [ca-key-missing]: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key was not found; it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf
    hint: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key; --partial renews the rest
    error [ca-key-missing]: the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt) cannot sign: its key /etc/kubernetes/pki/etcd/ca.key was not found; it blocks apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server
    hint: copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key; --partial renews the rest
    error [ca-key-missing]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: its key /etc/kubernetes/pki/front-proxy-ca.key was not found; it blocks front-proxy-client
    hint: copy /etc/kubernetes/pki/front-proxy-ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace front-proxy-ca; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key; --partial renews the rest
    ");
    node.refuses("certs renew all --partial", "ca-key-missing");
}

#[test]
fn another_cas_key_signs_nothing() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let node = Node::of(name);
        node.write(&format!("{PKI}/ca.key"), Node::of(name).read(&format!("{PKI}/etcd/ca.key")));
        node.refuses("certs renew all", "ca-key-mismatch");
        node.refuses("certs renew admin.conf", "ca-key-mismatch");
        // What another CA signs is not blocked by it.
        node.must("certs renew etcd-server");
    }
}

#[test]
fn an_unreadable_ca_key_signs_nothing() {
    let node = Node::of("ecdsa-p256");
    node.write(&format!("{PKI}/front-proxy-ca.key"), "");
    let run = node.refuses("certs renew all", "ca-key-unreadable");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    error [ca-key-unreadable]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: its key /etc/kubernetes/pki/front-proxy-ca.key: the file is empty; it blocks front-proxy-client
    hint: repair /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key from a backup; --partial renews the rest
    ");
}

#[test]
fn with_one_ca_key_missing_the_rest_is_renewed_when_it_is_said() {
    let node = Node::of("ecdsa-p256");
    node.remove(&format!("{PKI}/etcd/ca.key"));
    let refused = node.refuses("certs renew all", "ca-key-missing");
    assert_snapshot!(node.shown(&refused), @"
    exit 5
    error [ca-key-missing]: the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt) cannot sign: its key /etc/kubernetes/pki/etcd/ca.key was not found; it blocks apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server
    hint: copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key; --partial renews the rest
    ");
    let before = node.state();
    assert_snapshot!(node.screen("certs renew all --partial"), @"
    exit 4
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
    certificate for serving the Kubernetes API renewed
    Detected external etcd/ca, certificate the apiserver uses to access etcd can't be renewed
    certificate for the API server to connect to kubelet renewed
    certificate embedded in the kubeconfig file for the controller manager to use renewed
    Detected external etcd/ca, certificate for liveness probes to healthcheck etcd can't be renewed
    Detected external etcd/ca, certificate for etcd nodes to communicate with each other can't be renewed
    Detected external etcd/ca, certificate for serving etcd can't be renewed
    certificate for the front proxy client renewed
    certificate embedded in the kubeconfig file for the scheduler manager to use renewed
    certificate embedded in the kubeconfig file for the super-admin renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    ");
    let mut changed: Vec<_> = PAIRS
        .iter()
        .filter(|pair| pair.authority != "etcd/ca")
        .flat_map(|pair| [pair.certificate(), pair.key()])
        .collect();
    changed.extend(KUBECONFIGS.map(|file| format!("/etc/kubernetes/{file}")));
    changed.sort();
    assert_eq!(before.changed(&node.state()), changed);
}

#[test]
fn a_clock_that_stands_before_the_disks_last_life_is_not_believed() {
    let node = Node::of("ecdsa-p256");
    let run = node.refuses("certs renew all --at 2026-11-23T22:19:00Z", "clock-behind");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    error [clock-behind]: the system clock (2026-11-23 22:19 UTC) is behind the newest timestamp on disk (2026-11-23 22:30 UTC, change time of /var/lib/kubelet/pki): new certificates could expire too early or be refused
    hint: set the clock (date -u -s …); if it is right and the file's date is wrong: --accept clock-behind
    ");
    node.refuses("recover --yes --at 2025-01-01", "clock-behind");
    node.must("certs renew all --at 2026-11-23T22:19:00Z --accept-clock --dry-run");
    // Ten minutes are within what clocks differ.
    node.must("certs renew all --at 2026-11-23T22:21:00Z --dry-run");
}

#[test]
fn a_certificate_that_was_copied_from_another_node_is_not_renewed() {
    let node = Node::of("ecdsa-p256");
    for manifest in ["etcd", "kube-apiserver"] {
        node.replace(&format!("/etc/kubernetes/manifests/{manifest}.yaml"), "192.168.10.11", "192.168.10.12");
    }
    node.replace("/etc/kubernetes/manifests/etcd.yaml", "cp-1", "cp-2");
    node.replace("/etc/kubernetes/kubelet.conf", "cp-1", "cp-2");
    node.remove(CURRENT);
    let run = node.refuses("certs renew all", "names-of-another-node");
    assert_snapshot!(node.shown(&run), @"
    exit 5
    error [names-of-another-node]: /etc/kubernetes/pki/apiserver.crt was copied from another node: valid for DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1, IP:192.168.10.11, but not for this node's name cp-2 or its address 192.168.10.12
    hint: move /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key to a safe place; kuberescue recover then issues a certificate for this node
    error [names-of-another-node]: /etc/kubernetes/pki/etcd/peer.crt was copied from another node: valid for DNS:cp-1, DNS:localhost, IP:192.168.10.11, IP:127.0.0.1, IP:::1, but not for this node's name cp-2 or its address 192.168.10.12
    hint: move /etc/kubernetes/pki/etcd/peer.crt and /etc/kubernetes/pki/etcd/peer.key to a safe place; kuberescue recover then issues a certificate for this node
    error [names-of-another-node]: /etc/kubernetes/pki/etcd/server.crt was copied from another node: valid for DNS:cp-1, DNS:localhost, IP:192.168.10.11, IP:127.0.0.1, IP:::1, but not for this node's name cp-2 or its address 192.168.10.12
    hint: move /etc/kubernetes/pki/etcd/server.crt and /etc/kubernetes/pki/etcd/server.key to a safe place; kuberescue recover then issues a certificate for this node
    ");
    // The hint works: moved away, it is issued for this node.
    let pair = pair_named("etcd-server");
    node.remove(&pair.certificate());
    node.remove(&pair.key());
    node.must("certs renew etcd-server");
    let names = identity(&node.read(&pair.certificate()));
    assert!(names.contains("cp-2") && names.contains("192.168.10.12") && !names.contains("cp-1"), "{names}");
}

#[test]
fn where_there_is_no_kubeadm_node_nothing_is_written() {
    let node = Node::empty();
    node.write("/etc/hostname", "worker\n");
    for command in ["certs renew all", "recover --yes", "certs check-expiration"] {
        let before = node.state();
        node.run(command).fails(2, "not-a-kubeadm-node");
        before.assert_identical(&node.state(), command);
    }
}

#[test]
fn an_interrupted_change_is_finished_or_undone_first() {
    let (node, before) = interrupted();
    for command in ["certs renew all", "recover --yes", "certs renew all --dry-run"] {
        let run = node.refuses(command, "interrupted-change");
        allow_duplicates! { assert_snapshot!(node.shown(&run), @"
        exit 5
        error [interrupted-change]: cannot change the node: an earlier change was interrupted
        hint: finish it with kuberescue resume, or undo it with kuberescue rollback
        ") }
    }
    // Looking is still allowed.
    assert_eq!(node.run("certs check-expiration").code, 1);
    node.must("resume");
    assert_ne!(before.changed(&node.state()), Vec::<String>::new());
    assert_eq!(node.run("certs check-expiration").code, 0);
    let (node, before) = interrupted();
    node.must("rollback --yes");
    before.assert_same(&node.state(), "rollback of an interrupted change");
}

/// A node in the middle of a change, as a power failure after the commit leaves it: the journal is there under
/// its committed name, and every new file still stands beside the old one.
fn interrupted() -> (Node, common::State) {
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    let mut command = std::process::Command::new("strace");
    // The first rename commits the journal; the second would replace the first file.
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2"])
        .args(["-e", "inject=rename,renameat,renameat2:signal=SIGKILL:when=3"])
        .arg(env!("CARGO_BIN_EXE_kuberescue"))
        .args(["certs", "renew", "all", "--at", common::NOW, "--root"])
        .arg(node.root());
    let run = common::run(command);
    assert_ne!(run.code, 0, "it was to be killed\n{run}");
    (node, before)
}

#[test]
fn two_runs_at_once_do_not_meet() {
    use std::process::Stdio;
    let node = Node::of("rsa2048");
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let mut command = common::kuberescue();
            command
                .args(["certs", "renew", "all", "--accept-clock", "--at", common::NOW, "--root"])
                .arg(node.root());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> =
        runs.into_iter().map(|run| run.wait_with_output().unwrap().status.code().unwrap()).collect();
    assert!(codes.contains(&0), "{codes:?}");
    assert!(codes.iter().all(|code| [0, 2].contains(code)), "{codes:?}");
    for pair in &PAIRS {
        let certificate = node.read(&pair.certificate());
        assert_eq!(public_key_of_certificate(&certificate), public_key_of_key(&node.read(&pair.key())));
    }
}

const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

#[test]
fn the_pair_that_a_flag_names_is_the_one_that_is_renewed() {
    let node = Node::of("ecdsa-p256");
    let place = ["/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/apiserver.key"];
    let both = "/etc/kubernetes/pki/serving.pem";
    node.write(both, place.map(|path| node.read(path)).concat());
    node.replace(API_SERVER, &format!("--tls-cert-file={}", place[0]), &format!("--tls-cert-file={both}"));
    node.replace(
        API_SERVER,
        &format!("--tls-private-key-file={}", place[1]),
        &format!("--tls-private-key-file={both}"),
    );
    let old = node.read(place[0]);
    node.must("certs renew apiserver");
    let new = node.read(both);
    assert_eq!(public_key_of_certificate(&new), public_key_of_key(&new));
    assert_ne!(public_key_of_certificate(&new), public_key_of_certificate(&old));
    assert_eq!(node.read(place[0]), old);
    assert_eq!(node.mode(both), 0o600);
    assert!(node.run("diagnose -v").out.contains("unused-pair"));
}

#[test]
fn the_files_that_a_kubeconfig_names_are_renewed() {
    let node = Node::of("ecdsa-p256");
    let conf = "/etc/kubernetes/scheduler.conf";
    let mut text = String::from_utf8(node.read(conf)).unwrap();
    // Relative to the kubeconfig.
    for (field, file) in [("client-certificate", "refs/s.crt"), ("client-key", "refs/s.key")] {
        node.write(&format!("/etc/kubernetes/{file}"), embedded(&text, &format!("{field}-data")));
        let line = text.lines().find(|line| line.contains(&format!("{field}-data:"))).unwrap().to_owned();
        text = text.replace(&line, &format!("    {field}: {file}"));
    }
    node.write(conf, &text);
    let [certificate, key] = ["/etc/kubernetes/refs/s.crt", "/etc/kubernetes/refs/s.key"];
    let old = node.read(certificate);
    let run = node.must("certs renew scheduler.conf");
    assert_ne!(public_key_of_certificate(&node.read(certificate)), public_key_of_certificate(&old), "{run}");
    assert_eq!(public_key_of_certificate(&node.read(certificate)), public_key_of_key(&node.read(key)));
    assert_eq!(node.read(conf), text.as_bytes());
    assert_eq!(node.mode(key), 0o600);
}

#[test]
fn a_pair_of_another_issuer_is_left_alone_and_blocks_once_it_has_expired() {
    let node = Node::of("ecdsa-p256");
    let [certificate, key] = ["/etc/kubernetes/pki/corp.pem", "/etc/kubernetes/pki/corp.key"];
    let files = [key, certificate].map(|path| node.path(path).display().to_string());
    let made = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -out {} -subj /CN=Corp -days 40 -addext subjectAltName=DNS:api.corp.test",
        files[0], files[1]
    );
    openssl(&made, b"");
    node.replace(API_SERVER, "/etc/kubernetes/pki/apiserver.crt", certificate);
    node.replace(API_SERVER, "/etc/kubernetes/pki/apiserver.key", key);
    let end: jiff::Timestamp = end_of(&node.read(certificate)).parse().unwrap();
    let after = |days: i64| end + jiff::SignedDuration::from_hours(24 * days);
    let found = |days| node.run_as_given(&format!("diagnose -o json --at {}", after(days))).out;
    let of_apiserver = |text: &str| {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let findings = document["findings"].as_array().unwrap().clone();
        findings.into_iter().filter(|finding| finding["subject"] == "apiserver").collect::<Vec<_>>()
    };
    assert_eq!(of_apiserver(&found(-35)), Vec::<serde_json::Value>::new());
    let expired = of_apiserver(&found(1));
    assert_eq!((&expired[0]["code"], &expired[0]["severity"]), (&"expired".into(), &"blocker".into()));
}

fn corrections(plan: &str) -> String {
    let is_shown = |line: &&str| {
        ["- renew", "    adds", "    sets"].iter().any(|start| line.starts_with(start))
            && !line.contains("-client:")
            && !line.contains(".conf:")
    };
    plan.lines().filter(is_shown).map(|line| format!("{line}\n")).collect()
}

#[test]
fn recover_adds_the_names_that_the_manifests_ask_for() {
    let node = Node::of("expired-all");
    node.replace(API_SERVER, "--advertise-address=192.168.10.11", "--advertise-address=10.20.30.40");
    node.replace(
        API_SERVER,
        "--service-cluster-ip-range=10.96.0.0/12",
        "--service-cluster-ip-range=10.100.0.0/16",
    );
    let plan = node.must("recover --dry-run -v").out;
    let run = node.must("recover --yes -v");
    assert_eq!(corrections(&plan), corrections(&run.out));
    assert_snapshot!(corrections(&run.out), @"
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        adds IP:10.20.30.40 (/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address)
        adds IP:10.100.0.1 (/etc/kubernetes/manifests/kube-apiserver.yaml --service-cluster-ip-range)
    - renew etcd-peer: /etc/kubernetes/pki/etcd/peer.crt and /etc/kubernetes/pki/etcd/peer.key
        adds IP:10.20.30.40 (/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address)
    - renew etcd-server: /etc/kubernetes/pki/etcd/server.crt and /etc/kubernetes/pki/etcd/server.key
        adds IP:10.20.30.40 (/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address)
    - renew kubelet-serving: /var/lib/kubelet/pki/kubelet.crt and /var/lib/kubelet/pki/kubelet.key
    ");
    let names = openssl("x509 -noout -ext subjectAltName", &certificate_of(&node, "apiserver"));
    assert_snapshot!(names, @"
    X509v3 Subject Alternative Name: 
        DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:192.168.10.11, IP Address:10.20.30.40, IP Address:10.100.0.1
    ");
    assert_eq!(node.run("diagnose").code, 0);
}

#[test]
fn renewing_keeps_the_names_unless_some_are_added() {
    let node = Node::of("rsa2048");
    let plan = node.must("certs renew all --dry-run --add-san lb.example.test --add-san 192.168.10.11").out;
    assert_snapshot!(corrections(&plan), @"
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        adds DNS:lb.example.test (--add-san)
    - renew etcd-peer: /etc/kubernetes/pki/etcd/peer.crt and /etc/kubernetes/pki/etcd/peer.key
        adds DNS:lb.example.test (--add-san)
    - renew etcd-server: /etc/kubernetes/pki/etcd/server.crt and /etc/kubernetes/pki/etcd/server.key
        adds DNS:lb.example.test (--add-san)
    ");
    let run = node.must("certs renew apiserver --accept-clock --add-san lb.example.test --add-san 10.0.0.9");
    assert_snapshot!(node.talk(&run), @"
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    NOTE: apiserver: adds DNS:lb.example.test (--add-san)
    NOTE: apiserver: adds IP:10.0.0.9 (--add-san)
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: change the same names in the ConfigMap kubeadm-config (apiServer.certSANs), by which kubeadm upgrade issues:
      kubectl -n kube-system edit configmap kubeadm-config    (or --update-cluster, on the running node)
    ");
    let names = openssl("x509 -noout -ext subjectAltName", &certificate_of(&node, "apiserver"));
    assert_snapshot!(names, @"
    X509v3 Subject Alternative Name: 
        DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:192.168.10.11, DNS:lb.example.test, IP Address:10.0.0.9
    ");
    let run = node.run("certs renew admin.conf --add-san lb.example.test");
    assert_snapshot!(format!("{} {}", run.code, run.err), @"
    2 error [usage]: cannot use --add-san here: it is for all, apiserver, etcd-server and etcd-peer
    hint: kuberescue certs renew apiserver --add-san NAME
    ");
}

#[test]
fn names_are_removed_unless_clients_ask_by_them() {
    let node = Node::of("rsa2048");
    node.must(
        "certs renew apiserver --accept-clock --reuse-keys --add-san lb.example.test --add-san 10.0.0.9",
    );
    let before = node.state();
    let answer = |line: &str| {
        let run = node.run(line);
        before.assert_same(&node.state(), line);
        format!("{} {}", run.code, run.err)
    };
    let renew = "certs renew apiserver --accept-clock --reuse-keys";
    // The API server's own address, and a name that is not in it.
    assert_snapshot!(answer(&format!("{renew} --remove-san 192.168.10.11")), @"
    5 error [names-missing]: without these names apiserver is not valid for 192.168.10.11 (/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address), 192.168.10.11 (/etc/kubernetes/admin.conf server)
    hint: clients use this name: change them first, or add --accept names-missing
    ");
    assert_snapshot!(answer(&format!("{renew} --remove-san gone.example.test")), @"
    2 error [usage]: cannot remove DNS:gone.example.test: none of the certificates to be renewed has it
    hint: --dry-run -o json lists the names that each will have
    ");
    assert_snapshot!(answer(&format!("{renew} --remove-san a.test --add-san a.test")), @"2 error [usage]: cannot both add and remove DNS:a.test");
    assert_snapshot!(answer(&format!("{renew} --add-san a.test --update-cluster")), @"
    2 error [usage]: cannot use --update-cluster with --root: the API server of a disk doesn't run
    hint: change kubeadm-config once the node runs
    ");
    assert_snapshot!(answer("certs renew front-proxy-client --remove-san a.test"), @"
    2 error [usage]: cannot use --remove-san here: it is for all, apiserver, etcd-server and etcd-peer
    hint: kuberescue certs renew apiserver --remove-san NAME
    ");

    let run = node.must(&format!("{renew} --remove-san lb.example.test --remove-san 10.0.0.9"));
    assert_snapshot!(node.talk(&run), @"
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    NOTE: apiserver: removes DNS:lb.example.test (--remove-san)
    NOTE: apiserver: removes IP:10.0.0.9 (--remove-san)
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    hint: change the same names in the ConfigMap kubeadm-config (apiServer.certSANs), by which kubeadm upgrade issues:
      kubectl -n kube-system edit configmap kubeadm-config    (or --update-cluster, on the running node)
    ");
    let names = openssl("x509 -noout -ext subjectAltName", &certificate_of(&node, "apiserver"));
    assert_snapshot!(names, @"
    X509v3 Subject Alternative Name: 
        DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:192.168.10.11
    ");
    assert_eq!(node.run("diagnose").code, 0);
}

#[test]
fn new_keys_are_of_the_algorithm_that_is_asked_for() {
    let node = Node::of("rsa2048");
    let line = "certs renew all --kubelet --accept-clock --key-algorithm ecdsa-p384";
    let bits = |certificate: &[u8]| {
        let text = openssl("x509 -noout -text", certificate);
        text.lines().find(|line| line.contains("Public-Key:")).unwrap().trim().to_owned()
    };
    let plan = node.must("certs renew apiserver --dry-run --accept-clock --key-algorithm ecdsa-p384").out;
    assert_snapshot!(plan, @"
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        subject CN=kube-apiserver, signed by ca
        for DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1, IP:192.168.10.11
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, ECDSA-P384
        NOTE: new key ECDSA-P384 instead of RSA-2048 (--key-algorithm)
    Restart afterwards: kube-apiserver
    ");
    node.must(line);
    for name in PAIRS.iter().map(|pair| pair.name).chain(KUBECONFIGS) {
        assert_eq!(bits(&certificate_of(&node, name)), "Public-Key: (384 bit)", "{name}");
        openssl("ec -noout -check", &key_of(&node, name));
    }
    // The kubelet makes its own, of P-256.
    assert_eq!(
        bits(&node.read("/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem")),
        "Public-Key: (256 bit)"
    );
    assert_eq!(node.run("diagnose").code, 0);
    // Then that is the algorithm of the node.
    node.must("certs renew admin.conf --accept-clock");
    assert_eq!(bits(&certificate_of(&node, "admin.conf")), "Public-Key: (384 bit)");
    let refused = |line: &str| {
        let run = node.run(line);
        format!("{} {}", run.code, run.err)
    };
    assert_snapshot!(refused("certs renew all --key-algorithm rsa-1024"), @"
    2 error: invalid value 'rsa-1024' for '--key-algorithm <ALGORITHM>': one of rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384

    For more information, try '--help'.
    ");
    assert_snapshot!(refused("recover --reuse-keys --key-algorithm rsa-2048"), @"
    2 error: the argument '--reuse-keys' cannot be used with '--key-algorithm <ALGORITHM>'

    Usage: kuberescue recover --reuse-keys --at <TIME> --root <DIR>

    For more information, try '--help'.
    ");
}

#[test]
fn a_timer_renews_what_is_due_and_nothing_else() {
    let node = Node::of("rsa2048");
    let before = node.state();
    let mut told = String::new();
    let mut tell = |line: &str| {
        let run = node.run(line);
        told += &format!("$ {line}\n{}{}{}\n", run.code, if run.out.is_empty() { "" } else { "\n" }, run.out);
        told += &node.talk(&run);
    };
    // Two months before they expire.
    tell("certs renew apiserver --if-within 30d --at 2027-09-24");
    tell("recover --renew-before 30d --yes --at 2027-09-24");
    tell("certs renew all --if-within 365d");
    tell("recover --renew-before 60d --days 60");
    before.assert_same(&node.state(), "nothing is due");
    assert_snapshot!(told, @"
    $ certs renew apiserver --if-within 30d --at 2027-09-24
    0
    certificate for serving the Kubernetes API not due, valid until 2027-11-23 22:23 UTC

    Nothing is due: nothing was written.
    $ recover --renew-before 30d --yes --at 2027-09-24
    0
    Nothing is due: no blocking problem on this node.

    Nothing was written or restarted.
    $ certs renew all --if-within 365d
    2
    error [usage]: cannot renew this early: new certificates, valid for 365 days, would be due at once
    hint: give a shorter time, or more --days
    $ recover --renew-before 60d --days 60
    2
    error [usage]: cannot renew this early: new certificates, valid for 60 days, would be due at once
    hint: give a shorter time, or more --days
    ");

    // Two of them were renewed before.
    let at = "--reuse-keys --accept-clock --at 2027-11-01";
    node.must(&format!("certs renew apiserver {at}"));
    node.must(&format!("certs renew admin.conf {at}"));
    let files = ["apiserver", "admin.conf", "etcd-server"];
    let before = files.map(|name| certificate_of(&node, name));
    let plan = node.must("recover --renew-before 30d --dry-run -v --at 2027-11-02").out;
    let of_two =
        |line: &&str| line.starts_with("- ") && (line.contains("admin.conf") || line.contains("server:"));
    assert_snapshot!(plan.lines().filter(of_two).collect::<Vec<_>>().join("\n"), @"
    - renew etcd-server: /etc/kubernetes/pki/etcd/server.crt and /etc/kubernetes/pki/etcd/server.key
    - renew super-admin.conf: in /etc/kubernetes/super-admin.conf
    - skip admin.conf: not due, valid until 2028-10-31 00:00 UTC
    - skip apiserver: not due, valid until 2028-10-31 00:00 UTC
    ");
    node.must("recover --renew-before 30d --reuse-keys --yes --at 2027-11-02");
    let after = files.map(|name| certificate_of(&node, name));
    assert_eq!([0, 1, 2].map(|at| before[at] == after[at]), [true, true, false]);
    assert_eq!(
        node.must("recover --renew-before 30d --yes --at 2027-11-02").err,
        "Nothing was written or restarted.\n"
    );
}

#[test]
fn what_expires_with_its_ca_is_not_renewed_every_day() {
    let node = Node::of("rsa2048");
    // The CAs expire on 2036-11-20.
    let renew = |at: &str| {
        node.must(&format!("recover --renew-before 30d --reuse-keys --accept-clock --yes -v --at {at}"))
    };
    assert!(renew("2036-11-01").out.contains("- renew apiserver"));
    let before = node.state();
    assert_snapshot!(renew("2036-11-02").out.lines().next().unwrap(), @"Nothing is due: no blocking problem on this node.");
    before.assert_same(&node.state(), "the same day");
}

/// The names of a certificate as openssl prints them, sorted.
fn names(node: &Node, name: &str) -> Vec<String> {
    let text = openssl("x509 -noout -ext subjectAltName", &certificate_of(node, name));
    let line = text.lines().find(|line| line.contains("DNS:")).unwrap_or_else(|| panic!("{name}: {text}"));
    let mut names: Vec<_> = line.trim().split(", ").map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn names_of_lost_certificates_are_those_of_the_clusters_configuration() {
    let node = Node::of("rsa2048");
    node.write("/var/lib/etcd/member/snap/db", etcd_database("kubeadm-config.db"));
    node.must("certs renew apiserver --accept-clock --add-san lb.example.com --add-san *.cp.example.com --add-san 203.0.113.7 --add-san 2001:db8::7 --add-san vip.example.com");
    node.must("certs renew etcd-server --accept-clock --add-san etcd.example.com --add-san 203.0.113.8");
    node.must("certs renew etcd-peer --accept-clock --add-san etcd-peer.example.com");
    let serving = ["apiserver", "etcd-server", "etcd-peer"];
    let before = serving.map(|name| names(&node, name));
    PAIRS.iter().for_each(|pair| node.remove(&pair.certificate()));

    let run = node.must("recover --yes -v --accept-clock");
    assert_eq!(serving.map(|name| names(&node, name)), before);
    let notes: Vec<_> = run.out.lines().filter(|line| line.trim_start().starts_with("NOTE: ")).collect();
    assert_snapshot!(notes.join("\n"), @"
    NOTE: its names are complete: kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2
    NOTE: its names are complete: kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2
    NOTE: its names are complete: kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2
    ");
    let found = node.run("diagnose -o json").json();
    assert!(found["findings"].as_array().unwrap().iter().all(|finding| finding["severity"] != "blocker"));
}

/// What the plan says of keys and dates, and where it was read.
fn keys_and_dates(plan: &str) -> String {
    let is_shown = |line: &&str| {
        ["- ", "    expires", "    new key", "    NOTE: its key", "  certificates valid"]
            .iter()
            .any(|start| line.starts_with(start))
            && !line.starts_with("- skip")
    };
    plan.lines().filter(is_shown).map(|line| format!("{line}\n")).collect()
}

/// kubeadm-config of this database: encryptionAlgorithm ECDSA-P384, certificateValidityPeriod 17520h0m0s.
#[test]
fn keys_and_validity_are_those_of_the_clusters_configuration() {
    let node = Node::of("rsa2048");
    let database = etcd_database("kubeadm-config-v1beta4.db");
    node.write("/var/lib/etcd/member/snap/db", &database);
    // A key that is there stays of its kind.
    let renew = node.must("certs renew apiserver --dry-run --at 2026-11-24").out;
    assert_snapshot!(keys_and_dates(&renew), @"
      certificates valid for 730 days (from certificateValidityPeriod of kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2)
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    ");
    let asked = node.must("certs renew apiserver --dry-run --at 2026-11-24 --days 30").out;
    assert_snapshot!(keys_and_dates(&asked), @"
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        expires 2026-12-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    ");
    for file in ["apiserver.crt", "apiserver.key", "etcd/peer.crt"] {
        node.remove(&format!("{PKI}/{file}"));
    }
    assert_snapshot!(keys_and_dates(&node.must("recover --dry-run -v --at 2026-11-24").out), @"
      certificates valid for 730 days (from certificateValidityPeriod of kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2)
    - renew admin.conf: in /etc/kubernetes/admin.conf
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - issue apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        expires 2028-11-23 00:00 UTC (old: none)
        new key, ECDSA-P384
        NOTE: its key is ECDSA-P384: encryptionAlgorithm of kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2
    - renew apiserver-etcd-client: /etc/kubernetes/pki/apiserver-etcd-client.crt and /etc/kubernetes/pki/apiserver-etcd-client.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew apiserver-kubelet-client: /etc/kubernetes/pki/apiserver-kubelet-client.crt and /etc/kubernetes/pki/apiserver-kubelet-client.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew controller-manager.conf: in /etc/kubernetes/controller-manager.conf
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew etcd-healthcheck-client: /etc/kubernetes/pki/etcd/healthcheck-client.crt and /etc/kubernetes/pki/etcd/healthcheck-client.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - issue etcd-peer: /etc/kubernetes/pki/etcd/peer.crt and /etc/kubernetes/pki/etcd/peer.key
        expires 2028-11-23 00:00 UTC (old: none)
        new key, RSA-2048
    - renew etcd-server: /etc/kubernetes/pki/etcd/server.crt and /etc/kubernetes/pki/etcd/server.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt and /etc/kubernetes/pki/front-proxy-client.key
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew scheduler.conf: in /etc/kubernetes/scheduler.conf
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew super-admin.conf: in /etc/kubernetes/super-admin.conf
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    ");
    node.must("recover --yes --at 2026-11-24");
    let key = |name: &str| openssl("x509 -noout -text", &certificate_of(&node, name));
    assert!(key("apiserver").contains("ASN1 OID: secp384r1"));
    assert!(key("etcd-peer").contains("(2048 bit)"));
    assert_eq!(end_of(&node.read(&format!("{PKI}/apiserver.crt"))), "2028-11-23 00:00:00Z");
}

/// The same database with another text of the same length in it.
fn with(database: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut changed = database.to_vec();
    let places: Vec<_> = memchr::memmem::find_iter(database, old).collect();
    assert!(!places.is_empty(), "{old}");
    places.into_iter().for_each(|at| changed[at..at + new.len()].copy_from_slice(new.as_bytes()));
    changed
}

#[test]
fn a_configuration_that_is_not_used_is_told() {
    let node = Node::of("rsa2048");
    let database = etcd_database("kubeadm-config-v1beta4.db");
    let mut screens = String::new();
    for (old, new) in [
        ("17520h0m0s", "00010h0m0s"),
        ("17520h0m0s", "9999999h0m"),
        ("ECDSA-P384", "ML-DSA-065"),
        ("k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12", "k8s:enc:aescbc:v1:key:"),
        ("17520h0m0s", "08760h0m0s"),
    ] {
        node.write("/var/lib/etcd/member/snap/db", with(&database, old, new));
        let found = node.run_as_given("diagnose -o json --at 2026-11-24").json();
        let found = found["findings"].as_array().unwrap().iter().find(|one| one["code"] == "etcd-not-read");
        let what = found.map(|found| format!("{}: {}", found["severity"], found["what"]));
        let plan = node.must("certs renew apiserver --dry-run --at 2026-11-24").out;
        let expires = plan.lines().find(|line| line.starts_with("    expires")).unwrap();
        screens += &format!("{new}\n{expires}\n    {}\n", what.unwrap_or_default());
    }
    assert_snapshot!(screens, @r#"
    00010h0m0s
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        "note": "not read: certificateValidityPeriod of kubeadm-config: 10h is not supported here"
    9999999h0m
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        "note": "not read: certificateValidityPeriod of kubeadm-config: 9999999h is not supported here"
    ML-DSA-065
        expires 2028-11-23 00:00 UTC (old: 2027-11-23 22:23 UTC)
        "note": "not read: encryptionAlgorithm of kubeadm-config: ML-DSA-065 is not supported here"
    k8s:enc:aescbc:v1:key:
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        "note": "not read: kubeadm-config: encrypted with aescbc"
    08760h0m0s
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
    "#);
}
