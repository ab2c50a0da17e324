//! What is not issued, and where it is not written.

use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use crate::BREAK_GLASS;
use crate::common::screen::Screens;
use crate::common::{Node, PKI};

const KEY: &str = "/etc/kubernetes/pki/ca.key";

#[test]
fn where_the_ca_cannot_sign() {
    let mut screens = Screens::default();
    let mut refused = |what: &str, code: &str, node: Node, arguments: &str| {
        let run = node.refuses(&format!("{BREAK_GLASS} {arguments}"), code);
        assert!(run.out.is_empty(), "{run}");
        screens.add(what, &node.talk(&run));
    };
    let healthy = || Node::of("ecdsa-p256");
    let node = healthy();
    node.remove(KEY);
    refused("no key", "ca-key-missing", node, "");
    let node = healthy();
    node.write(KEY, node.read(&format!("{PKI}/etcd/ca.key")));
    refused("another CA's key", "ca-key-mismatch", node, "");
    let node = healthy();
    node.write(KEY, "-----BEGIN EC PRIVATE KEY-----\n");
    refused("damaged key", "ca-key-unreadable", node, "");
    refused("expired CA", "ca-expired", Node::of("expired-ca"), "");
    refused("longer than the CA", "leaf-outlives-ca", healthy(), "--valid 11y");
    refused("clock", "clock-behind", healthy(), "--at 2026-01-01T00:00:00Z");
    assert_snapshot!(screens.0, @"
    ## no key
    error [ca-key-missing]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    hint: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca

    ## another CA's key
    error [ca-key-mismatch]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key does not match its certificate
    hint: /etc/kubernetes/pki/ca.key belongs to another CA: find the key that matches /etc/kubernetes/pki/ca.crt; if there is none: sudo kuberescue ca replace ca

    ## damaged key
    error [ca-key-unreadable]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key: truncated: a PEM block starts and does not end
    hint: repair /etc/kubernetes/pki/ca.crt and /etc/kubernetes/pki/ca.key from a backup

    ## expired CA
    error [ca-expired]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago)
    hint: sudo kuberescue recover --renew-cas renews it with its own key, which keeps what it has signed; first see whether the clock is right: date -u

    ## longer than the CA
    error [leaf-outlives-ca]: cannot issue a client certificate that is valid until 2037-11-21 00:00 UTC: its CA CN=kubernetes expires on 2036-11-20 22:23 UTC
    hint: ask for less; or renew the CA first: sudo kuberescue ca renew ca

    ## clock
    error [clock-behind]: the system clock (2026-01-01 00:00 UTC) is behind the newest timestamp on disk (2026-11-23 22:30 UTC, change time of /var/lib/kubelet/pki): new certificates could expire too early or be refused
    hint: set the clock (date -u -s …); if it is right and the file's date is wrong: --accept clock-behind
    error [ca-not-yet-valid]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: not valid until 2026-11-23 22:18 UTC
    hint: check the system clock: date -u
    ");
}

#[test]
fn on_a_worker() {
    let node = Node::of("ecdsa-p256");
    for name in ["pki/etcd", "pki/ca.key", "manifests", "admin.conf", "super-admin.conf"] {
        node.remove(&format!("/etc/kubernetes/{name}"));
    }
    for name in ["apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"] {
        node.remove(&format!("{PKI}/{name}.crt"));
        node.remove(&format!("{PKI}/{name}.key"));
    }
    for name in ["pki/front-proxy-ca.crt", "pki/front-proxy-ca.key", "pki/sa.key", "pki/sa.pub"] {
        node.remove(&format!("/etc/kubernetes/{name}"));
    }
    node.remove("/etc/kubernetes/controller-manager.conf");
    node.remove("/etc/kubernetes/scheduler.conf");
    let run = node.run(BREAK_GLASS);
    run.fails(2, "worker-node");
}

#[test]
fn where_it_is_not_written() {
    let node = Node::of("ecdsa-p256");
    let mut screens = Screens::default();
    let mut refused = |what: &str, file: &str, more: &str| {
        let before = node.state();
        let run = node.run(&format!("{BREAK_GLASS} --out {} {more}", node.path(file).display()));
        assert_eq!(run.code, 2, "{run}");
        before.assert_same(&node.state(), what);
        assert!(!node.exists("/var/lib/kuberescue/history.jsonl"), "{what}: recorded");
        screens.add(what, &node.talk(&run));
    };
    node.write(
        "there.conf",
        "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: https://a}}]\n",
    );
    node.write("text", "hello");
    node.link("link", "there.conf");
    node.link("dangling", "none");
    refused("it exists", "there.conf", "");
    refused("no kubeconfig", "text", "--force");
    refused("a link", "link", "--force");
    refused("a dangling link", "dangling", "");
    refused("a file of the node", "etc/kubernetes/admin.conf", "--force");
    refused("no directory", "none/a.conf", "");
    refused("a directory", "etc", "");
    assert_snapshot!(screens.0, @"
    ## it exists
    error [usage]: cannot write ROOT/there.conf: it already exists
    hint: name a new file, or add --force (the old file is kept under a dated name)

    ## no kubeconfig
    error [usage]: cannot write ROOT/text: it is no kubeconfig
    hint: name another file

    ## a link
    error [usage]: cannot write ROOT/link: it is a link
    hint: name the file itself: --out ROOT/there.conf

    ## a dangling link
    error [file-error]: cannot use ROOT/dangling: it is a link to a file that is not there
    hint: nothing was changed; run the same command again once the cause is gone

    ## a file of the node
    error [usage]: cannot write ROOT/etc/kubernetes/admin.conf: it is one of the node's own files
    hint: sudo kuberescue recover renews them, with an archive of the old ones

    ## no directory
    error [file-error]: cannot enter ROOT/none: not found
    hint: check the path; nothing was changed

    ## a directory
    error [file-error]: cannot use ROOT/etc: it is a directory
    hint: nothing was changed; run the same command again once the cause is gone
    ");
    for wrong in
        ["kubeconfig new", "kubeconfig new --user a --break-glass", "kubeconfig new --for-node --group a"]
    {
        assert_eq!(node.run(wrong).code, 2, "{wrong}");
    }
    for wrong in ["--valid 59s", "--valid 101y", "--server http://a:1", "-o json"] {
        let run = node.run(&format!("{BREAK_GLASS} {wrong}"));
        assert!(run.code == 2 && (run.out.is_empty() || wrong == "-o json"), "{wrong}\n{run}");
    }
}

#[test]
fn an_old_kubeconfig_is_kept() {
    let node = Node::of("ecdsa-p256");
    let file = node.path("a.conf");
    node.must(&format!("{BREAK_GLASS} --out {}", file.display()));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let old = node.text("a.conf");
    let run = node.must(&format!("{BREAK_GLASS} --force -o json --out {}", file.display()));
    let kept = run.json()["kept"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), old);
    assert_ne!(node.text("a.conf"), old);
    assert_eq!(node.mode("a.conf"), 0o600);
}

#[test]
fn without_permission() {
    if crate::common::is_root() {
        return;
    }
    let node = Node::of("ecdsa-p256");
    std::fs::set_permissions(node.path(KEY), std::fs::Permissions::from_mode(0o000)).unwrap();
    node.run(BREAK_GLASS).fails(2, "not-root");
}
