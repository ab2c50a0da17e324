//! `kubeconfig new`: kubeconfigs issued with the CA key of a node, judged by openssl, webpki and kubectl.

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
mod judges;
mod recorded;
mod refused;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod server;

use common::{Node, PKI, credential, embedded, end_of, identity, openssl, start_of};
use insta::assert_snapshot;

const BREAK_GLASS: &str = "kubeconfig new --break-glass";

#[test]
fn an_emergency() {
    let node = Node::of("ecdsa-p256");
    let (before, file) = (node.state(), node.path("emergency.conf"));
    let run = node.must(&format!("{BREAK_GLASS} --out {}", file.display()));
    assert_snapshot!(node.shown(&run), @"
    exit 0
    Kubeconfig of user kuberescue-break-glass (system:masters)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      serial SERIAL
      valid until 2026-11-24 01:00 UTC (1 hour); a client certificate cannot be revoked before
    Recorded in the history of the node: kuberescue archive verify shows it
    Wrote ROOT/emergency.conf (mode 0600)
    hint: kubectl --kubeconfig ROOT/emergency.conf get nodes
    ");
    let text = node.text("emergency.conf");
    assert_eq!(node.mode("emergency.conf"), 0o600);
    let (certificate, _) = credential(&text);
    assert_snapshot!(identity(&certificate), @"
    subject=CN=kuberescue-break-glass,O=system:masters
    X509v3 Extended Key Usage: 
        TLS Web Client Authentication
    X509v3 Key Usage: critical
        Digital Signature, Key Encipherment
    X509v3 Basic Constraints: critical
        CA:FALSE
    ");
    assert_eq!(end_of(&certificate), "2026-11-24 01:00:00Z");
    assert_eq!(start_of(&certificate), "2026-11-23 23:55:00Z");
    assert_eq!(embedded(&text, "certificate-authority-data"), node.read(&format!("{PKI}/ca.crt")));
    assert_eq!(before.changed(&node.state()), ["/emergency.conf"]);
    assert_snapshot!(without_data(&text), @r#"
    apiVersion: v1
    clusters:
    - cluster:
        certificate-authority-data: DATA
        server: "https://192.168.10.11:6443"
      name: "kubernetes"
    contexts:
    - context:
        cluster: "kubernetes"
        user: "kuberescue-break-glass"
      name: "kuberescue-break-glass@kubernetes"
    current-context: "kuberescue-break-glass@kubernetes"
    kind: Config
    users:
    - name: "kuberescue-break-glass"
      user:
        client-certificate-data: DATA
        client-key-data: DATA
    "#);
}

/// A kubeconfig without what differs from run to run.
fn without_data(text: &str) -> String {
    let line = |line: &str| match line.split_once("-data: ") {
        Some((name, _)) => format!("{name}-data: DATA\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn stdout_is_the_kubeconfig_alone() {
    let node = Node::of("rsa2048");
    let run = node.must("kubeconfig new --user alice --group dev --group team:a --valid 8h");
    assert_eq!(run.out.lines().next(), Some("apiVersion: v1"), "{run}");
    assert_snapshot!(common::screen::steady(&run.err), @"
    Kubeconfig of user alice (dev, team:a)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      serial SERIAL
      valid until 2026-11-24 08:00 UTC (8 hours); a client certificate cannot be revoked before
    Recorded in the history of the node: kuberescue archive verify shows it
    ");
    let (certificate, key) = credential(&run.out);
    assert_snapshot!(identity(&certificate), @"
    subject=CN=alice,O=team:a+O=dev
    X509v3 Extended Key Usage: 
        TLS Web Client Authentication
    X509v3 Key Usage: critical
        Digital Signature, Key Encipherment
    X509v3 Basic Constraints: critical
        CA:FALSE
    ");
    assert_eq!(end_of(&certificate), "2026-11-24 08:00:00Z");
    assert!(openssl("pkey -noout -text", &key).contains("NIST CURVE: P-256"));
}

#[test]
fn kubeadms_words_are_understood() {
    let node = Node::of("ecdsa-p256");
    let run = node.must("kubeconfig new --client-name bob --org a,b --validity-period 2h30m0s");
    let (certificate, _) = credential(&run.out);
    let subject = openssl("x509 -noout -subject -nameopt RFC2253", &certificate);
    assert_eq!(subject, "subject=CN=bob,O=b+O=a\n");
    assert_eq!(end_of(&certificate), "2026-11-24 02:30:00Z");
    let run = node.must("kubeconfig new --user nobody");
    let (certificate, _) = credential(&run.out);
    assert_eq!(openssl("x509 -noout -subject -nameopt RFC2253", &certificate), "subject=CN=nobody\n");
}

#[test]
fn a_kubelet_that_has_nothing_left() {
    let node = Node::of("ecdsa-p256");
    let mut screens = common::screen::Screens::default();
    for arguments in ["--for-node worker-1", "--for-node", "--for-bootstrap"] {
        let run = node.must(&format!("kubeconfig new {arguments}"));
        let (certificate, _) = credential(&run.out);
        let subject = openssl("x509 -noout -subject -nameopt RFC2253", &certificate);
        screens.add(arguments, &format!("{subject}{}\n{}", end_of(&certificate), node.talk(&run)));
    }
    assert_snapshot!(screens.0, @"
    ## --for-node worker-1
    subject=CN=system:node:worker-1,O=system:nodes
    2027-11-24 00:00:00Z
    Kubeconfig of user system:node:worker-1 (system:nodes)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      serial SERIAL
      valid until 2027-11-24 00:00 UTC (365 days); a client certificate cannot be revoked before
    Recorded in the history of the node: kuberescue archive verify shows it
    hint: scp /etc/kubernetes/pki/ca.crt worker-1:/etc/kubernetes/pki/ca.crt
    hint: scp FILE worker-1:/etc/kubernetes/kubelet.conf
    hint: ssh worker-1 'chmod 600 /etc/kubernetes/kubelet.conf; mv /var/lib/kubelet/pki/kubelet-client-current.pem /root/; systemctl restart kubelet'

    ## --for-node
    subject=CN=system:node:cp-1,O=system:nodes
    2027-11-24 00:00:00Z
    Kubeconfig of user system:node:cp-1 (system:nodes)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      serial SERIAL
      valid until 2027-11-24 00:00 UTC (365 days); a client certificate cannot be revoked before
    Recorded in the history of the node: kuberescue archive verify shows it
    hint: sudo cp FILE /etc/kubernetes/kubelet.conf
    hint: sudo sh -c 'chmod 600 /etc/kubernetes/kubelet.conf; mv /var/lib/kubelet/pki/kubelet-client-current.pem /root/; systemctl restart kubelet'

    ## --for-bootstrap
    subject=CN=system:bootstrap:kuberescue,O=system:bootstrappers:kubeadm:default-node-token
    2026-11-25 00:00:00Z
    Kubeconfig of user system:bootstrap:kuberescue (system:bootstrappers:kubeadm:default-node-token)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      serial SERIAL
      valid until 2026-11-25 00:00 UTC (1 day); a client certificate cannot be revoked before
    Recorded in the history of the node: kuberescue archive verify shows it
    hint: scp /etc/kubernetes/pki/ca.crt NODE:/etc/kubernetes/pki/ca.crt
    hint: scp FILE NODE:/etc/kubernetes/bootstrap-kubelet.conf
    hint: ssh NODE 'chmod 600 /etc/kubernetes/bootstrap-kubelet.conf; mv /etc/kubernetes/kubelet.conf /var/lib/kubelet/pki/kubelet-client-current.pem /root/; systemctl restart kubelet'
    ");
    let name = node.run("kubeconfig new --for-node Worker_1");
    name.fails(2, "usage");
}

#[test]
fn a_dry_run_issues_nothing() {
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    assert_snapshot!(node.screen(&format!("{BREAK_GLASS} --valid 30m --dry-run")), @"
    exit 0
    Kubeconfig of user kuberescue-break-glass (system:masters)
      server https://192.168.10.11:6443 (from /etc/kubernetes/admin.conf server)
      valid until 2026-11-24 00:30 UTC (30 minutes); a client certificate cannot be revoked before
    Dry run: it was made and checked in memory; nothing was issued or written.
    ");
    let run = node.must(&format!("{BREAK_GLASS} --dry-run -o json"));
    assert_snapshot!(serde_json::to_string_pretty(&run.json()).unwrap(), @r#"
    {
      "apiVersion": "kuberescue/v1",
      "cluster": "kubernetes",
      "cutToAuthority": false,
      "dryRun": true,
      "groups": [
        "system:masters"
      ],
      "kept": null,
      "kind": "NewKubeconfig",
      "notAfter": "2026-11-24T01:00:00Z",
      "notBefore": "2026-11-23T23:55:00Z",
      "path": null,
      "recorded": false,
      "serial": null,
      "server": {
        "source": "/etc/kubernetes/admin.conf server",
        "value": "https://192.168.10.11:6443"
      },
      "time": "2026-11-24T00:00:00Z",
      "user": "kuberescue-break-glass"
    }
    "#);
    before.assert_identical(&node.state(), "dry run");
}

/// The CA expires within the default; whoever asks for more than that is refused.
#[test]
fn it_never_outlives_its_ca() {
    let node = Node::of("ecdsa-p256");
    let at = "--at 2036-11-20T22:00:00Z --accept clock-behind";
    let run = node.must(&format!("{BREAK_GLASS} {at}"));
    let (certificate, _) = credential(&run.out);
    assert_eq!(end_of(&certificate), end_of(&node.read(&format!("{PKI}/ca.crt"))));
    assert_snapshot!(run.err.lines().find(|line| line.contains("valid until")).unwrap(), @"  valid until 2036-11-20 22:23 UTC (23 minutes, when its CA expires); a client certificate cannot be revoked before");
}

#[test]
fn where_the_api_server_is() {
    let server = |node: &Node, arguments: &str| {
        let run = node.run(&format!("{BREAK_GLASS} --dry-run -o json {arguments}"));
        let json = run.json();
        format!("{} from {}\n", json["server"]["value"], json["server"]["source"])
    };
    let node = Node::of("ecdsa-p256");
    let mut found = server(&node, "");
    found += &server(&node, "--server https://[fd00::1]:8443");
    for name in ["admin", "super-admin", "kubelet", "controller-manager", "scheduler"] {
        node.remove(&format!("/etc/kubernetes/{name}.conf"));
    }
    found += &server(&node, "");
    for database in ["three-members.db", "kubeadm-config.db"] {
        node.write("/var/lib/etcd/member/snap/db", common::etcd_database(database));
        found += &server(&node, "");
    }
    assert_snapshot!(found, @r#"
    "https://192.168.10.11:6443" from "/etc/kubernetes/admin.conf server"
    "https://[fd00::1]:8443" from "--server"
    "https://192.168.10.11:6443" from "/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address"
    "https://192.168.10.11:6443" from "/etc/kubernetes/manifests/kube-apiserver.yaml --advertise-address"
    "https://vip.example.com:6443" from "controlPlaneEndpoint of kubeadm-config in etcd's database /var/lib/etcd/member/snap/db as of revision 2"
    "#);
}

/// Everything that isn't needed for it is broken.
#[test]
fn it_is_made_within_a_second_whatever_else_is_broken() {
    let node = Node::of("rsa2048");
    for name in ["etcd/ca.key", "etcd/ca.crt", "front-proxy-ca.crt", "apiserver.crt", "apiserver.key"] {
        node.write(&format!("{PKI}/{name}"), "nothing");
    }
    node.remove("/etc/kubernetes/manifests/etcd.yaml");
    node.write("/etc/kubernetes/manifests/kube-scheduler.yaml", "kind: [");
    node.write("/etc/kubernetes/kubelet.conf", "nothing");
    let begun = std::time::Instant::now();
    let run = node.must(BREAK_GLASS);
    let took = begun.elapsed();
    eprintln!("BREAK GLASS in {} ms", took.as_millis());
    assert!(took.as_millis() < 1000, "{took:?}\n{run}");
    judges::accepted(&node, &run.out);
}
