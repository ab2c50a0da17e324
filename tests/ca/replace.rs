//! `ca replace`: a new CA with a new key, beside the old one and then in its place.

use std::path::Path;

use insta::assert_snapshot;

use crate::CAS;
use crate::common::screen::Screens;
use crate::common::{KUBECONFIGS, Node, PAIRS, PKI, Pair, embedded, openssl, public_key_of_certificate};
use crate::judges;

const NAMES: [&str; 3] = ["ca", "etcd-ca", "front-proxy-ca"];
const MANAGER: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const SIGNING: &str = "/etc/kubernetes/pki/ca-signing.crt";

/// The certificates of a bundle, each as PEM.
fn bundle(pem: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(pem).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    text.split_inclusive(end).filter(|one| one.ends_with(end)).map(str::to_owned).collect()
}

fn is_of(pair: &Pair, ca: &str) -> bool {
    pair.authority() == format!("{PKI}/{ca}.crt")
}

/// Whether openssl accepts a leaf certificate of the node, with this file of CAs.
fn accepts(node: &Node, authority: &str, leaf: &str) -> bool {
    verifies(&node.path(authority), &node.path(leaf))
}

fn verifies(authority: &Path, leaf: &Path) -> bool {
    let arguments =
        format!("verify -x509_strict -attime 1795478400 -CAfile {} {}", authority.display(), leaf.display());
    std::process::Command::new("openssl").args(arguments.split(' ')).output().unwrap().status.success()
}

#[test]
fn the_new_ca_signs_all_that_the_old_one_had_signed_and_both_are_trusted() {
    for (tree, key) in [("rsa2048", "ca.key is lost"), ("ecdsa-p256", "ca.key has leaked")] {
        for (name, ca) in NAMES.into_iter().zip(CAS) {
            let (old, node) = (Node::of(tree), Node::of(tree));
            if key.ends_with("lost") {
                node.remove(&format!("{PKI}/{ca}.key"));
            }
            let before = node.state();
            node.must(&format!("ca replace {name} --yes"));
            let file = format!("{PKI}/{ca}.crt");
            let both = bundle(&node.read(&file));
            assert_eq!(both[1..], bundle(&old.read(&file)), "{tree} {name}");
            let new = &both[0];
            let field = |pem: &str, what: &str| openssl(&format!("x509 -noout {what}"), pem.as_bytes());
            assert_eq!(field(new, "-subject"), field(&both[1], "-subject"));
            assert_ne!(
                public_key_of_certificate(new.as_bytes()),
                public_key_of_certificate(both[1].as_bytes())
            );
            let bits = |text: &str| text.lines().find(|line| line.contains("bit")).unwrap().trim().to_owned();
            let algorithm = |pem: &str| bits(&field(pem, "-text"));
            assert_eq!(algorithm(new), algorithm(&both[1]), "{tree} {name}");
            for extension in ["basicConstraints", "keyUsage", "subjectAltName"] {
                let of = |pem| field(pem, &format!("-ext {extension}"));
                assert_eq!(of(new), of(&both[1]), "{tree} {name}");
            }
            let alone = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(alone.path(), new).unwrap();
            for pair in PAIRS {
                let leaf = pair.certificate();
                assert!(accepts(&node, &pair.authority(), &leaf), "{tree} {name}: {}", pair.name);
                assert_eq!(
                    verifies(alone.path(), &node.path(&leaf)),
                    is_of(&pair, ca),
                    "{tree} {name}: {}",
                    pair.name
                );
                if is_of(&pair, ca) {
                    judges::webpki_accepts(new.as_bytes(), &node.read(&leaf));
                }
            }
            let findings = node.run("diagnose -o json").json()["findings"].clone();
            let told: Vec<_> =
                findings.as_array().unwrap().iter().map(|one| (&one["code"], &one["severity"])).collect();
            assert!(!told.iter().any(|(_, severity)| *severity == "blocker"), "{told:?}");
            assert!(told.iter().any(|(code, _)| *code == "ca-replacement-unfinished"), "{told:?}");
            let run = node.run("rollback --yes");
            assert_eq!(run.code, 0, "{run}");
            before.assert_same(&node.state(), name);
        }
    }
}

#[test]
fn kubeconfigs_trust_both_and_the_controller_manager_signs_with_one() {
    let (old, node) = (Node::of("rsa2048"), Node::of("rsa2048"));
    node.must("ca replace ca --yes");
    let both = node.text(&format!("{PKI}/ca.crt"));
    for name in KUBECONFIGS.iter().chain(&["kubelet.conf"]) {
        let file = format!("/etc/kubernetes/{name}");
        if old.exists(&file) {
            let copy = embedded(&node.text(&file), "certificate-authority-data");
            assert_eq!(String::from_utf8(copy).unwrap(), both, "{file}");
        }
    }
    assert_eq!(node.text(SIGNING), bundle(both.as_bytes())[0]);
    let flag = |file: &str| format!("--cluster-signing-cert-file={file}\n");
    let manifest = old.text(MANAGER);
    assert_eq!(node.text(MANAGER), manifest.replace(&flag("/etc/kubernetes/pki/ca.crt"), &flag(SIGNING)));

    node.must("ca replace ca --finish --yes --accept-clock");
    let alone = node.text(&format!("{PKI}/ca.crt"));
    assert_eq!(alone, bundle(both.as_bytes())[0]);
    assert_eq!(node.text(MANAGER), manifest);
    assert!(!node.exists(SIGNING));
    for name in KUBECONFIGS.iter().chain(&["kubelet.conf"]) {
        let file = format!("/etc/kubernetes/{name}");
        if old.exists(&file) {
            let copy = embedded(&node.text(&file), "certificate-authority-data");
            assert_eq!(String::from_utf8(copy).unwrap(), alone, "{file}");
        }
    }
    let findings = node.run("diagnose -o json").json()["findings"].to_string();
    assert!(!findings.contains("\"blocker\"") && !findings.contains("ca-replacement"), "{findings}");
}

#[test]
fn the_plan_says_what_stops_working_and_what_is_to_do() {
    let node = Node::of("rsa2048");
    assert_snapshot!(node.screen("ca replace ca --dry-run"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - replace the CA ca by a new one with a new key: /etc/kubernetes/pki/ca.crt and /etc/kubernetes/pki/ca.key
        subject CN=kubernetes
        expires 2036-11-21 00:00 UTC (old: 2036-11-20 22:23 UTC)
        new key, RSA-2048
        both are trusted until kuberescue ca replace --finish
        the same in /etc/kubernetes/admin.conf, /etc/kubernetes/controller-manager.conf, /etc/kubernetes/kubelet.conf, /etc/kubernetes/scheduler.conf, /etc/kubernetes/super-admin.conf
        kube-controller-manager takes a file with one certificate to sign with: --cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt in /etc/kubernetes/manifests/kube-controller-manager.yaml
        NOTE: from the restart on, whoever trusts the old CA alone rejects this node's API server until it has the new ca.crt: workers, pods, kubeconfigs elsewhere (below). What they present is accepted
        NOTE: to avoid that, where certificates are still valid: --trust-only first
        NOTE: at the end: sudo kuberescue ca replace ca --finish
        NOTE: the key of the old CA is here and works: if it has not leaked and the CA only expires, sudo kuberescue ca renew ca is enough
    - renew admin.conf: in /etc/kubernetes/admin.conf
        subject O=kubeadm:cluster-admins, CN=kubernetes-admin, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
        subject CN=kube-apiserver, signed by ca
        for DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1, IP:192.168.10.11
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew apiserver-kubelet-client: /etc/kubernetes/pki/apiserver-kubelet-client.crt and /etc/kubernetes/pki/apiserver-kubelet-client.key
        subject O=kubeadm:cluster-admins, CN=kube-apiserver-kubelet-client, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew controller-manager.conf: in /etc/kubernetes/controller-manager.conf
        subject CN=system:kube-controller-manager, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew scheduler.conf: in /etc/kubernetes/scheduler.conf
        subject CN=system:kube-scheduler, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew super-admin.conf: in /etc/kubernetes/super-admin.conf
        subject O=system:masters, CN=kubernetes-super-admin, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    - renew kubelet-client: /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem, with /var/lib/kubelet/pki/kubelet-client-current.pem pointing to it
        subject O=system:nodes, CN=system:node:cp-1, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:18 UTC)
        new key, ECDSA-P256
    Restart afterwards: kubelet, kube-apiserver, kube-controller-manager, kube-scheduler

    Copies of the CAs elsewhere (manual action required):
      - the workers: from its restart on they reject this API server, until they have the bundle of new and old; for each:
          sudo kuberescue bundle create --node NODE
          scp NODE.bundle.age NODE:
          ssh -t NODE sudo kuberescue bundle apply NODE.bundle.age
      - pods that use the API (CoreDNS, the network plug-in, operators): they trust the old CA until they are restarted; after the rest:
          kubectl -n NAMESPACE rollout restart deployment,daemonset,statefulset
      - kubeconfigs on workstations and in CI: they have a copy of the CA:
          kuberescue kubeconfig install admin.conf --context CONTEXT
    Renewed by kuberescue:
      - ConfigMap cluster-info in kube-public, which kubeadm join reads: sudo kuberescue recover writes the new one when the API server answers.
    Renewed by Kubernetes:
      - ConfigMap kube-root-ca.crt of each namespace: kube-controller-manager writes the new one after its restart.
      - ConfigMap extension-apiserver-authentication in kube-system: kube-apiserver writes the new one after its restart.
    Dry run: everything was made and checked in memory, nothing was written.
    ");
    assert_snapshot!(node.screen("ca replace front-proxy-ca --yes"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - replace the CA front-proxy-ca by a new one with a new key: /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key
        subject CN=front-proxy-ca
        expires 2036-11-21 00:00 UTC (old: 2036-11-20 22:23 UTC)
        new key, RSA-2048
        both are trusted until kuberescue ca replace --finish
        NOTE: at the end, when all control-plane nodes have it: sudo kuberescue ca replace front-proxy-ca --finish
        NOTE: the key of the old CA is here and works: if it has not leaked and the CA only expires, sudo kuberescue ca renew front-proxy-ca is enough
    - renew front-proxy-client: /etc/kubernetes/pki/front-proxy-client.crt and /etc/kubernetes/pki/front-proxy-client.key
        subject CN=front-proxy-client, signed by front-proxy-ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:23 UTC)
        new key, RSA-2048
    Restart afterwards: kube-apiserver, kube-controller-manager

    Renewed by Kubernetes:
      - ConfigMap extension-apiserver-authentication in kube-system: kube-apiserver writes the new one after its restart.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Replaced: front-proxy-ca, and what it had signed. Both CAs are trusted.
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: a node that boots from this disk reads the change; then the list above
    ");
    assert_snapshot!(node.screen("ca replace front-proxy-ca --finish --yes --accept-clock"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - remove the old CA front-proxy-ca: /etc/kubernetes/pki/front-proxy-ca.crt
        subject CN=front-proxy-ca
        from then on everything that it has signed is rejected
    Restart afterwards: kube-apiserver, kube-controller-manager

    Renewed by Kubernetes:
      - ConfigMap extension-apiserver-authentication in kube-system: kube-apiserver writes the new one after its restart.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    Removed: the old CA front-proxy-ca
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    hint: a node that boots from this disk reads the change; then the list above
    ");
    let run = Node::of("rsa2048").must("ca replace ca --dry-run -o json");
    let json = run.json();
    assert_snapshot!(serde_json::to_string_pretty(&json["plan"]["replacement"]).unwrap(), @r#"
    {
      "files": [
        "/etc/kubernetes/admin.conf",
        "/etc/kubernetes/controller-manager.conf",
        "/etc/kubernetes/kubelet.conf",
        "/etc/kubernetes/pki/ca.crt",
        "/etc/kubernetes/scheduler.conf",
        "/etc/kubernetes/super-admin.conf"
      ],
      "key": {
        "algorithm": "RSA-2048",
        "encoding": "PKCS#1",
        "reuse": false
      },
      "keyPath": "/etc/kubernetes/pki/ca.key",
      "name": "ca",
      "new": {
        "notAfter": "2036-11-21T00:00:00Z",
        "notBefore": "2026-11-23T23:55:00Z"
      },
      "old": {
        "notAfter": "2036-11-20T22:23:25Z",
        "notBefore": "2026-11-23T22:18:25Z"
      },
      "path": "/etc/kubernetes/pki/ca.crt",
      "signing": {
        "alone": [
          "/etc/kubernetes/pki/ca-signing.crt"
        ],
        "flags": [
          {
            "name": "cluster-signing-cert-file",
            "value": "/etc/kubernetes/pki/ca-signing.crt"
          }
        ],
        "manifest": "/etc/kubernetes/manifests/kube-controller-manager.yaml"
      },
      "stage": "issue",
      "subject": "CN=kubernetes"
    }
    "#);
}

/// Makes etcd's manifest name two other members.
fn with_members(node: &Node) {
    let manifest = "/etc/kubernetes/manifests/etcd.yaml";
    let own = node.text(manifest);
    let flag = own.lines().find(|line| line.contains("--initial-cluster=")).unwrap();
    let more = format!("{flag},cp-2=https://10.0.0.12:2380,cp-3=https://10.0.0.13:2380");
    node.replace(manifest, flag, &more);
}

#[test]
fn with_other_members_etcds_ca_is_trusted_everywhere_before_it_signs() {
    let (first, second) = (Node::of("rsa2048"), Node::of("rsa2048"));
    for node in [&first, &second] {
        with_members(node);
    }
    assert_snapshot!(first.screen("ca replace etcd-ca --yes"), @"
    exit 0
    Plan for node cp-1 (name from /var/lib/kubelet/pki/kubelet-client-current.pem CN)
      PKI directory /etc/kubernetes/pki (from /etc/kubernetes/manifests/kube-apiserver.yaml --client-ca-file)
      etcd on this node (from /etc/kubernetes/manifests/etcd.yaml)
    - replace the CA etcd-ca by a new one with a new key: /etc/kubernetes/pki/etcd/ca.crt and /etc/kubernetes/pki/etcd/ca.key
        subject CN=etcd-ca
        expires 2036-11-21 00:00 UTC (old: 2036-11-20 22:23 UTC)
        new key, RSA-2048
        both are trusted until kuberescue ca replace --finish
        NOTE: etcd's members trust each other's certificates: all of them (cp-2, cp-3 too) have to trust the new CA before its certificates are used
        NOTE: step 1 of 3: this command, on the other members with --from (below); recover on each, one after the other
        NOTE: step 2 of 3: sudo kuberescue certs renew all, and recover, on each
        NOTE: step 3 of 3: sudo kuberescue ca replace etcd-ca --finish, and recover, on each
        NOTE: the key of the old CA is here and works: if it has not leaked and the CA only expires, sudo kuberescue ca renew etcd-ca is enough
    Restart afterwards: etcd, kube-apiserver

    Copies of the CAs elsewhere (manual action required):
      - the other control-plane nodes: cp-2, cp-3: this CA goes there too; on each, one after the other; the last two when all have done the rest:
          ssh NODE mkdir -m 700 /root/new-ca
          scp /etc/kubernetes/pki/etcd/ca.crt /etc/kubernetes/pki/etcd/ca.key NODE:/root/new-ca/
          sudo kuberescue ca replace etcd-ca --from /root/new-ca
          sudo kuberescue recover
          rm -r /root/new-ca
          sudo kuberescue certs renew all
          sudo kuberescue recover
      - etcd's clients on other machines (backups, monitoring): they have a copy of its CA; where there is one:
          scp /etc/kubernetes/pki/etcd/ca.crt HOST:FILE
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    Replaced: etcd-ca. Both CAs are trusted; certificates stay those of the old one.
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    hint: a node that boots from this disk reads the change; then the list above
    ");
    let of_etcd = |node: &Node| -> Vec<Vec<u8>> {
        PAIRS
            .iter()
            .filter(|pair| is_of(pair, "etcd/ca"))
            .map(|pair| node.read(&pair.certificate()))
            .collect()
    };
    assert_eq!(of_etcd(&first), of_etcd(&Node::of("rsa2048")));
    let copied = tempfile::tempdir().unwrap();
    for file in ["ca.crt", "ca.key"] {
        std::fs::write(copied.path().join(file), first.read(&format!("{PKI}/etcd/{file}"))).unwrap();
    }
    second.must(&format!("ca replace etcd-ca --yes --from {}", copied.path().display()));
    for file in ["etcd/ca.crt", "etcd/ca.key"] {
        assert_eq!(first.read(&format!("{PKI}/{file}")), second.read(&format!("{PKI}/{file}")));
    }
    let run = first.refuses("ca replace etcd-ca --finish --yes --accept-clock", "old-ca-needed");
    assert_snapshot!(first.talk(&run), @"
    error [old-ca-needed]: cannot replace the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): the old one is still needed by apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server, which it has signed
    hint: sudo kuberescue certs renew all --kubelet reissues what is on this node, recover restarts it and renews cluster-info; a kubeconfig in a home: sudo kuberescue kubeconfig install /etc/kubernetes/admin.conf
    ");
    first.refuses("ca replace etcd-ca --yes --accept-clock", "nothing-to-renew");
    first.must("certs renew all --yes --accept-clock");
    first.must("ca replace etcd-ca --finish --yes --accept-clock");
    for pair in PAIRS.iter().filter(|pair| is_of(pair, "etcd/ca")) {
        assert!(accepts(&first, &pair.authority(), &pair.certificate()), "{}", pair.name);
        // Who still has both accepts it, too.
        assert!(accepts(&second, &pair.authority(), &pair.certificate()), "{}", pair.name);
    }
}

#[test]
fn what_is_refused() {
    let mut screens = Screens::default();
    let mut refused = |what: &str, code: &str, node: &Node, arguments: &str| {
        let run = node.refuses(arguments, code);
        screens.add(what, &node.talk(&run));
    };
    let node = Node::of("rsa2048");
    with_members(&node);
    node.remove(&format!("{PKI}/ca.key"));
    refused("the key may be on another node", "ca-key-missing", &node, "ca replace ca --yes");
    node.must("ca replace ca --yes --accept ca-key-missing");
    refused(
        "it has begun",
        "nothing-to-renew",
        &node,
        "ca replace ca --yes --accept-clock --accept ca-key-missing",
    );
    let node = Node::of("rsa2048");
    refused("nothing to finish", "nothing-to-renew", &node, "ca replace ca --finish --yes");
    let manifest = node.text(MANAGER);
    node.write(
        MANAGER,
        manifest
            .replace("- --cluster-signing-cert-file=", "- \"--cluster-signing-cert-file=")
            .replace("pki/ca.crt\n    - --cluster-signing-key", "pki/ca.crt\"\n    - --cluster-signing-key"),
    );
    refused("a manifest written otherwise", "not-replaceable", &node, "ca replace ca --yes");
    node.write(MANAGER, "kind: Pod\nspec: [");
    refused("a manifest that cannot be read", "manifest-unreadable", &node, "ca replace ca --yes");
    node.remove(MANAGER);
    refused("no manifest", "manifest-missing", &node, "ca replace ca --yes");
    node.must("ca replace front-proxy-ca --dry-run");
    node.must("ca replace ca --dry-run --accept manifest-missing");
    assert_snapshot!(screens.0, @"
    ## the key may be on another node
    error [ca-key-missing]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): its key /etc/kubernetes/pki/ca.key was not found, and other control-plane nodes may have it (cp-2, cp-3)
    hint: look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/ca.key /etc/kubernetes/pki/ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing

    ## it has begun
    error [nothing-to-renew]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): its replacement has begun: its file has the new one and the old one
    hint: sudo kuberescue certs renew all reissues what the old one has signed, then sudo kuberescue recover restarts the node; at the end: sudo kuberescue ca replace ca --finish

    ## nothing to finish
    error [nothing-to-renew]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): nothing of an earlier one is left in /etc/kubernetes/pki/ca.crt
    hint: sudo kuberescue diagnose shows what is wrong with this node

    ## a manifest written otherwise
    error [not-replaceable]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): --cluster-signing-cert-file in /etc/kubernetes/manifests/kube-controller-manager.yaml cannot be replaced in place
    hint: write each as one word on a line of its own (- --cluster-signing-cert-file=FILE) in /etc/kubernetes/manifests/kube-controller-manager.yaml

    ## a manifest that cannot be read
    error [manifest-unreadable]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): which file kube-controller-manager signs with is not known: /etc/kubernetes/manifests/kube-controller-manager.yaml: line 2, column 7: a value has another type than expected
    hint: first: sudo kuberescue explain manifest-unreadable; if it does not run on this node: --accept manifest-unreadable

    ## no manifest
    error [manifest-missing]: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): which file kube-controller-manager signs with is not known: no manifest of kube-controller-manager in /etc/kubernetes/manifests
    hint: first: sudo kuberescue explain manifest-missing; if it does not run on this node: --accept manifest-missing
    ");
    for (arguments, code) in
        [("ca replace", 2), ("ca replace all", 2), ("ca replace ca --finish --days 3", 2)]
    {
        assert_eq!(node.run(arguments).code, code, "{arguments}");
    }
    let run = node.run("ca replace ca --yes --from /nowhere");
    assert_snapshot!(node.talk(&run), @"
    error [file-error]: cannot read /nowhere/ca.crt: not found
    hint: copy both from the control-plane node on which the CA was replaced: ca.crt and ca.key
    ");
}
