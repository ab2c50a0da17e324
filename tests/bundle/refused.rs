//! What a bundle is not put on, and what none is made for.

use std::process::Command;

use insta::assert_snapshot;

use crate::common::screen::Screens;
use crate::common::{Node, PKI};
use crate::{CA_KEYS, Carrier, lost_worker, worker};

#[test]
fn only_its_node_takes_it() {
    let (carrier, here) = (Carrier::new(), Node::of("ecdsa-p256"));
    carrier.created(&here, "worker-1", "");
    let mut screens = Screens::default();
    let mut refuse = |what: &str, node: &Node, more: &str| {
        let before = node.state();
        let run = carrier.apply(node, "worker-1", &format!("--yes --accept-clock {more}"));
        before.assert_identical(&node.state(), what);
        screens.add(what, &carrier.shown(node, &run));
    };
    let other = lost_worker();
    other.write("/etc/hostname", "worker-2\n");
    refuse("another worker", &other, "");
    let foreign = worker();
    foreign.write(&format!("{PKI}/ca.crt"), Node::of("rsa2048").read(&format!("{PKI}/ca.crt")));
    foreign.remove("/etc/kubernetes/kubelet.conf");
    refuse("another cluster", &foreign, "");
    refuse("a control-plane node", &Node::of("ecdsa-p256"), "");
    refuse("years later", &worker(), "--at 2028-06-01T00:00:00Z");
    refuse("before it was made", &worker(), "--at 2026-11-01T00:00:00Z");
    let interrupted = worker();
    interrupted.write("/var/lib/kuberescue/journal.json", "{}");
    refuse("an interrupted change", &interrupted, "");
    assert_snapshot!(screens.0, @"
    ## another worker
    exit 5
    error [archive-of-another-node]: the bundle is for node worker-1, and this is node worker-2 (/etc/hostname): its certificates would not be valid here
    hint: where the CA's key is: kuberescue bundle create --node worker-2

    ## another cluster
    exit 5
    error [ca-replaced]: the CA of the bundle has another key than the one that this node trusts (SHA-256 SHA256): it is another cluster's, or the CA was replaced
    hint: compare it with ca.crt where the bundle was made: openssl x509 -noout -fingerprint -sha256 -in /etc/kubernetes/pki/ca.crt; if the CA was replaced: --accept ca-replaced

    ## a control-plane node
    exit 5
    error [archive-of-another-node]: the bundle is for node worker-1, and this is node cp-1 (/var/lib/kubelet/pki/kubelet-client-current.pem CN): its certificates would not be valid here
    hint: where the CA's key is: kuberescue bundle create --node cp-1

    ## years later
    exit 5
    error [expired]: the node would not work with this bundle: kubelet-client: expired on 2027-11-24 (190 days ago)
    hint: where the CA's key is, make another: sudo kuberescue bundle create --node worker-1

    ## before it was made
    exit 5
    error [not-yet-valid]: the node would not work with this bundle: kubelet-client: not valid until 2026-11-23 23:55 UTC
    hint: where the CA's key is, make another: sudo kuberescue bundle create --node worker-1

    ## an interrupted change
    exit 2
    error [file-error]: cannot use the journal /var/lib/kuberescue/journal.json: line 1, column 2: a field or value that is missing or unexpected
    hint: that file is damaged or was not written by kuberescue: read it before you move it away; the archives beside it hold the old states (sudo kuberescue archive list)
    ");
}

#[test]
fn what_is_no_bundle() {
    let (carrier, here, there) = (Carrier::new(), Node::of("ecdsa-p256"), worker());
    carrier.created(&here, "worker-1", "");
    let desk = &carrier.desk;
    let before = there.state();
    let mut screens = Screens::default();
    let mut apply = |what: &str, file: &str, more: &str| {
        let path = desk.path(file);
        let run = there.run(&format!("bundle apply {} --yes {more}", path.display()));
        before.assert_identical(&there.state(), what);
        screens.add(what, &carrier.shown(&there, &run));
    };
    let id = format!("--identity {}", desk.path("id").display());
    apply("no file", "missing.age", &id);
    apply("a directory", ".", &id);
    desk.write("plain", "x");
    apply("not encrypted", "plain", &id);
    apply("no identity", "worker-1.bundle.age", "");
    apply(
        "a file of other things",
        "worker-1.bundle.age",
        &format!("--identity {}", desk.path("plain").display()),
    );
    apply(
        "a passphrase",
        "worker-1.bundle.age",
        &format!("--passphrase-file {}", desk.path("plain").display()),
    );
    Command::new("age-keygen").arg("-o").arg(desk.path("other")).output().unwrap();
    apply("another identity", "worker-1.bundle.age", &format!("--identity {}", desk.path("other").display()));
    let bytes = std::fs::read(desk.path("worker-1.bundle.age")).unwrap();
    desk.write("cut.age", &bytes[..bytes.len() - 100]);
    apply("cut off", "cut.age", &id);
    let public = carrier.desk.read("id");
    let public = public.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let sealed = |name: &str, content: &[u8]| {
        desk.write("content", content);
        let mut age = Command::new("age");
        let done = age.args(["-r", public, "-o"]).arg(desk.path(name)).arg(desk.path("content")).output();
        assert!(done.unwrap().status.success());
    };
    sealed("text.age", b"hello");
    apply("text", "text.age", &id);
    assert_snapshot!(screens.0, @"
    ## no file
    exit 2
    error [file-error]: cannot read DIR/missing.age: not found
    hint: name the file that kuberescue bundle create has written

    ## a directory
    exit 2
    error [file-error]: cannot read DIR/.: is a directory
    hint: name the file that kuberescue bundle create has written

    ## not encrypted
    exit 2
    error [not-decrypted]: cannot decrypt DIR/plain: it is not encrypted with age, or was damaged
    hint: name the file that kuberescue bundle create has written

    ## no identity
    exit 2
    error [usage]: cannot decrypt the bundle: it is encrypted to a public key
    hint: name the file with its private key: --identity FILE

    ## a file of other things
    exit 2
    error [not-decrypted]: cannot decrypt DIR/worker-1.bundle.age: the file of identities holds something else than AGE-SECRET-KEY-1… and comments
    hint: name the file with the private key of the recipient: --identity FILE

    ## a passphrase
    exit 2
    error [not-decrypted]: cannot decrypt DIR/worker-1.bundle.age: it needs an identity, and no passphrase decrypts it
    hint: name the file with the private key of the recipient: --identity FILE (age-keygen writes it)

    ## another identity
    exit 2
    error [not-decrypted]: cannot decrypt DIR/worker-1.bundle.age: none of the identities is that of a recipient
    hint: name the file with the private key of the recipient: --identity FILE

    ## cut off
    exit 2
    error [not-decrypted]: cannot decrypt DIR/cut.age: its content was damaged or cut off
    hint: copy it again, and compare: sha256sum FILE, here and where it was made

    ## text
    exit 2
    error [archive-damaged]: cannot use DIR/text.age: what was decrypted is no bundle: cannot use the archive: truncated, or no tar archive
    hint: name the file that kuberescue bundle create has written
    ");
}

#[test]
fn what_none_is_made_for() {
    let (carrier, here) = (Carrier::new(), Node::of("ecdsa-p256"));
    let before = here.state();
    let mut screens = Screens::default();
    let mut refuse = |what: &str, from: &Node, node: &str, more: &str| {
        let run = carrier.create(from, node, more);
        assert!(!std::path::Path::new(&carrier.file(node)).exists(), "{run}");
        screens.add(what, &carrier.shown(from, &run));
    };
    refuse("no name of a node", &here, "worker_1/x", "");
    let other = Node::of("external-ca");
    let root = other.root().display().to_string();
    refuse("an archive of another node", &here, "cp-2", &format!("--from {root}"));
    refuse("another cluster", &here, "cp-1", &format!("--from {root}"));
    refuse("this node", &here, "cp-1", "");
    refuse("no such file", &here, "cp-1", "--from /nowhere");
    refuse("on a worker", &worker(), "worker-2", "");
    let without = Node::of("ecdsa-p256");
    for key in CA_KEYS {
        without.remove(&format!("{PKI}/{key}"));
    }
    refuse("without the CA's key", &without, "worker-1", "");
    refuse("longer than the CA", &here, "worker-1", "--days 36500");
    let desk = carrier.desk.directory.path().display().to_string();
    assert_snapshot!(screens.0.replace(&root, "OTHER").replace(&desk, "DESK"), @r#"
    ## no name of a node
    exit 2
    error [usage]: cannot issue the certificate of a kubelet: "worker_1/x" is no name of a node
    hint: name the node as kubectl get nodes does

    ## an archive of another node
    exit 5
    error [archive-of-another-node]: cannot make a bundle for node cp-2: DIR is of node cp-1 (/var/lib/kubelet/pki/kubelet-client-current.pem CN)
    hint: name the node of the archive: --node cp-1

    ## another cluster
    exit 5
    error [ca-replaced]: cannot make a bundle for cp-1: /etc/kubernetes/pki/ca.crt there and here have different keys: it is another cluster's, or the CA was replaced
    hint: if the CA was replaced here: kuberescue ca replace ca --from DIR, there, takes it over (kuberescue ca replace --help)

    ## this node
    exit 2
    error [usage]: cannot make a bundle for cp-1: it is the node with the CA keys
    hint: sudo kuberescue recover renews it; for another node: --node NAME

    ## no such file
    exit 2
    error [root-unreadable]: cannot read /nowhere: no such directory
    hint: --from takes an archive of the node, the root directory of its disk, or a copy of its /etc/kubernetes

    ## on a worker
    exit 2
    error [worker-node]: cannot sign a certificate here: worker-1 is a worker node and has no CA key
    hint: on a control-plane node: sudo kuberescue bundle create --node worker-1
    hint: copy worker-1.bundle.age to worker-1; there: sudo kuberescue bundle apply worker-1.bundle.age

    ## without the CA's key
    exit 5
    error [ca-key-missing]: cannot issue a client certificate: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    hint: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca

    ## longer than the CA
    exit 5
    error [leaf-outlives-ca]: cannot issue a client certificate that is valid until 2126-10-31 00:00 UTC: its CA CN=kubernetes expires on 2036-11-20 22:23 UTC
    hint: ask for less; or renew the CA first: sudo kuberescue ca renew ca
    "#);
    before.assert_identical(&here.state(), "refused");
    carrier.created(&here, "worker-1", "--dry-run");
    before.assert_identical(&here.state(), "a dry run");
    carrier.created(&here, "worker-1", "");
    let twice = carrier.create(&here, "worker-1", "");
    assert_snapshot!(carrier.shown(&here, &twice), @"
    exit 2
    error [usage]: cannot write DIR/worker-1.bundle.age: it already exists
    hint: name a new file: --out FILE
    ");
}
