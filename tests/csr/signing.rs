//! What is never signed, and what is signed only once.

use insta::assert_snapshot;
use kuberescue::formats::pem;

use crate::Scene;
use crate::common::mounted::Mounted;
use crate::common::screen::Screens;
use crate::common::{self, Node, PKI, Run, openssl};

fn exported(names: &str) -> Scene {
    let scene = Scene::of("ecdsa-p256");
    scene.export(names);
    scene
}

/// Puts a request that openssl makes in the place of one.
fn replace(scene: &Scene, name: &str, subject: &str, more: &str) {
    let file = scene.desk.path(&format!("usb/{name}.csr"));
    let key = scene.desk.path("other.key");
    openssl(
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -out {} -subj {subject} {more}",
            key.display(),
            file.display()
        ),
        b"",
    );
}

fn edit_manifest(scene: &Scene, from: &str, to: &str) {
    let manifest = scene.desk.read("usb/manifest.json");
    assert!(manifest.contains(from), "{from}\n{manifest}");
    scene.desk.write("usb/manifest.json", manifest.replace(from, to));
}

fn refused(scene: &Scene, arguments: &str, code: &str) -> Run {
    let run = scene.sign(arguments);
    run.fails(5, code);
    let made = std::fs::read_dir(scene.usb()).unwrap().map(|file| file.unwrap().path());
    assert!(!made.into_iter().any(|path| path.extension().is_some_and(|end| end == "crt")), "{run}");
    run
}

#[test]
fn what_asks_for_more_than_kubeadm_gives_is_refused() {
    let scheduler = || exported("scheduler.conf");
    let mut screens = Screens::default();
    let mut refuse = |what: &str, code: &str, scene: &Scene| {
        let run = refused(scene, "--ca pki --yes", code);
        screens.add(what, &scene.error(&run));
    };
    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/O=system:masters/CN=system:kube-scheduler", "");
    refuse("another group than in the manifest", "request-mismatch", &scene);
    edit_manifest(&scene, "\"CN=system:kube-scheduler\"", "\"O=system:masters, CN=system:kube-scheduler\"");
    refuse("the manifest was changed too", "request-exceeds", &scene);
    let accepted = scene.sign("--ca pki --yes --accept request-exceeds");
    assert_eq!(accepted.code, 0, "{accepted}");

    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/CN=kubernetes-admin", "");
    edit_manifest(&scene, "\"CN=system:kube-scheduler\"", "\"CN=kubernetes-admin\"");
    refuse("another user", "request-exceeds", &scene);

    let scene = scheduler();
    replace(
        &scene,
        "scheduler.conf",
        "/CN=system:kube-scheduler",
        "-addext basicConstraints=critical,CA:TRUE",
    );
    refuse("a CA certificate", "request-exceeds", &scene);
    refused(&scene, "--ca pki --yes --accept request-exceeds", "request-exceeds");

    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/CN=system:kube-scheduler", "-addext keyUsage=critical,keyCertSign");
    refuse("the key usage of a CA", "request-exceeds", &scene);

    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/CN=system:kube-scheduler", "-addext extendedKeyUsage=serverAuth");
    refuse("another purpose", "request-exceeds", &scene);

    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/CN=system:kube-scheduler", "-addext subjectAltName=DNS:kubernetes");
    refuse("a name that is not in the manifest", "request-mismatch", &scene);
    edit_manifest(&scene, "\"names\": []", "\"names\": [\"DNS:kubernetes\"]");
    refuse("a name of a client", "request-exceeds", &scene);

    let scene = scheduler();
    replace(&scene, "scheduler.conf", "/OU=x/CN=system:kube-scheduler", "");
    edit_manifest(&scene, "\"CN=system:kube-scheduler\"", "\"OU=x, CN=system:kube-scheduler\"");
    refuse("another part of the subject", "request-exceeds", &scene);

    let scene = exported("etcd-server");
    edit_manifest(&scene, "\"usage\": \"serverAndClient\"", "\"usage\": \"client\"");
    refuse("another usage in the manifest", "request-mismatch", &scene);

    let scene = exported("etcd-server");
    edit_manifest(&scene, "\"node\": \"cp-1\"", "\"node\": \"cp-2\"");
    refuse("another node in the manifest", "request-exceeds", &scene);
    assert_snapshot!(screens.0, @"
    ## another group than in the manifest
    error [request-mismatch]: cannot sign the request of scheduler.conf: its subject is O=system:masters, CN=system:kube-scheduler, in the manifest CN=system:kube-scheduler
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## the manifest was changed too
    error [request-exceeds]: cannot sign the request of scheduler.conf: its groups (O) are system:masters
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## another user
    error [request-exceeds]: cannot sign the request of scheduler.conf: its user (CN) is kubernetes-admin
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## a CA certificate
    error [request-exceeds]: cannot sign the request of scheduler.conf: it asks for a CA certificate
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## the key usage of a CA
    error [request-exceeds]: cannot sign the request of scheduler.conf: it asks for a CA certificate
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## another purpose
    error [request-exceeds]: cannot sign the request of scheduler.conf: its extended key usage is serverAuth
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## a name that is not in the manifest
    error [request-mismatch]: cannot sign the request of scheduler.conf: its names or usage are not those of the manifest
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a name of a client
    error [request-exceeds]: cannot sign the request of scheduler.conf: it is a client's, and has the names DNS:kubernetes
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## another part of the subject
    error [request-exceeds]: cannot sign the request of scheduler.conf: its subject has other parts than O and CN: OU=x, CN=system:kube-scheduler
    hint: openssl req -noout -text -in usb/scheduler.conf.csr

    ## another usage in the manifest
    error [request-mismatch]: cannot sign the request of etcd-server: its names or usage are not those of the manifest
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## another node in the manifest
    error [request-exceeds]: cannot sign the request of etcd-server: its user (CN) is cp-1
    hint: openssl req -noout -text -in usb/etcd-server.csr
    ");
}

#[test]
fn a_damaged_directory_is_refused() {
    let scheduler = || exported("scheduler.conf");
    let mut screens = Screens::default();
    let mut refuse = |what: &str, code: &str, scene: &Scene| {
        let run = refused(scene, "--ca pki --yes", code);
        screens.add(what, &scene.error(&run));
    };
    let scene = scheduler();
    let request = scene.desk.read("usb/scheduler.conf.csr");
    let mut der = pem::blocks(request.as_bytes()).unwrap().remove(0).der.to_vec();
    let at = der.windows(9).position(|window| window == b"scheduler").unwrap();
    der[at] = b'S';
    let changed = pem::encode(pem::Label::Request, &der);
    scene.desk.write("usb/scheduler.conf.csr", changed.as_bytes());
    refuse("a changed request", "request-mismatch", &scene);
    scene.desk.write("usb/scheduler.conf.csr", &request[..200]);
    refuse("a truncated request", "request-mismatch", &scene);
    std::fs::remove_file(scene.desk.path("usb/scheduler.conf.csr")).unwrap();
    refuse("a missing request", "request-mismatch", &scene);
    std::os::unix::fs::symlink("/etc/passwd", scene.desk.path("usb/scheduler.conf.csr")).unwrap();
    refuse("a link out of the directory", "request-mismatch", &scene);

    let scene = scheduler();
    scene.desk.write("usb/manifest.json", "{}");
    refuse("a broken manifest", "request-mismatch", &scene);

    let scene = scheduler();
    edit_manifest(&scene, "\"scheduler.conf.csr\"", "\"../scheduler.conf.csr\"");
    refuse("a manifest that leads out", "request-mismatch", &scene);

    let scene = scheduler();
    edit_manifest(&scene, "BEGIN CERTIFICATE", "BEGIN CERTIFIC");
    refuse("a manifest without its CA", "request-mismatch", &scene);
    assert_snapshot!(screens.0, @r#"
    ## a changed request
    error [request-mismatch]: cannot sign the request of scheduler.conf: its signature is not that of its own key: it was changed
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a truncated request
    error [request-mismatch]: cannot use usb/scheduler.conf.csr: the request is no PEM
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a missing request
    error [request-mismatch]: cannot use usb/scheduler.conf.csr: not found
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a link out of the directory
    error [request-mismatch]: cannot use usb/scheduler.conf.csr: not found
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a broken manifest
    error [request-mismatch]: cannot use usb/manifest.json: line 1, column 2: a field or value that is missing or unexpected
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a manifest that leads out
    error [request-mismatch]: cannot use usb/manifest.json: a request with the file "../scheduler.conf.csr"
    hint: export the requests again on the node: sudo kuberescue csr export DIR

    ## a manifest without its CA
    error [request-mismatch]: cannot sign the request of scheduler.conf: the manifest has no certificate of its CA
    hint: export the requests again on the node: sudo kuberescue csr export DIR
    "#);
    let scene = scheduler();
    std::fs::remove_file(scene.desk.path("usb/manifest.json")).unwrap();
    std::fs::remove_file(scene.desk.path("usb/scheduler.conf.csr")).unwrap();
    let empty = scene.sign("--ca pki --yes");
    empty.fails(2, "usage");
    assert_snapshot!(scene.error(&empty), @"
    error [usage]: cannot use usb: no manifest.json of kuberescue csr export in it, and no requests of kubeadm certs generate-csr
    hint: sudo kuberescue csr export DIR, on the node
    ");
}

#[test]
fn only_the_ca_that_the_node_trusts_signs() {
    let mut screens = Screens::default();
    let scene = exported("scheduler.conf");
    let mut refuse = |what: &str, code: &str, arguments: &str| {
        let run = refused(&scene, arguments, code);
        screens.add(what, &scene.error(&run));
    };
    refuse("another CA", "wrong-authority", "--ca pki/etcd/ca.crt --yes");
    let other = Node::of("rsa2048");
    for suffix in ["crt", "key"] {
        scene.desk.write(&format!("other/ca.{suffix}"), other.read(&format!("{PKI}/ca.{suffix}")));
        scene.desk.write(&format!("renamed/anything.{suffix}"), scene.desk.read(&format!("pki/ca.{suffix}")));
    }
    refuse("a CA of the same name", "wrong-authority", "--ca other --yes");
    scene.desk.write("mixed/ca.crt", scene.desk.read("pki/ca.crt"));
    scene.desk.write("mixed/ca.key", scene.desk.read("other/ca.key"));
    refuse("a key that doesn't fit", "ca-key-mismatch", "--ca mixed --yes");
    scene.desk.write("mixed/ca.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    refuse("an encrypted key", "ca-key-unreadable", "--ca mixed --yes");
    refuse("an expired CA", "ca-expired", "--ca pki --yes --at 2040-01-01T00:00:00Z");
    refuse("a CA of the future", "ca-not-yet-valid", "--ca pki --yes --at 2000-01-01T00:00:00Z");
    assert_snapshot!(screens.0, @r#"
    ## another CA
    error [wrong-authority]: cannot sign the request of scheduler.conf: none of the CAs of --ca has the key of CN=kubernetes (SHA-256 fingerprint SHA256)
    hint: name the CA that the node trusts too: --ca PATH

    ## a CA of the same name
    error [wrong-authority]: cannot sign the request of scheduler.conf: none of the CAs of --ca has the key of CN=kubernetes (SHA-256 fingerprint SHA256)
    hint: name the CA that the node trusts too: --ca PATH

    ## a key that doesn't fit
    error [ca-key-mismatch]: cannot sign with mixed/ca.crt: the private key is not that of the certificate authority "CN=kubernetes"
    hint: the key of a CA is beside its certificate: --ca PATH/ca.crt with PATH/ca.key

    ## an encrypted key
    error [ca-key-unreadable]: cannot sign with mixed/ca.key: it is encrypted
    hint: decrypt it in memory, beside a copy of its certificate: openssl pkey -in mixed/ca.key -out /dev/shm/ca.key

    ## an expired CA
    error [ca-expired]: cannot sign with pki/ca.crt: it expired on 2036-11-20 (1136 days ago)
    hint: renew the CA with its own key first, and put its certificate on the nodes

    ## a CA of the future
    error [ca-not-yet-valid]: cannot sign with pki/ca.crt: it is valid from 2026-11-23 22:18 UTC
    hint: check the system clock: date -u
    "#);
    let mut screens = Screens::default();
    let mut cannot = |code: &str, arguments: &str| {
        let run = scene.sign(arguments);
        run.fails(2, code);
        screens.add(arguments, &scene.error(&run));
    };
    std::fs::remove_file(scene.desk.path("mixed/ca.key")).unwrap();
    cannot("ca-key-missing", "--ca mixed/ca.crt --yes");
    cannot("usage", "--ca mixed --yes");
    cannot("ca-missing", "--ca none/ca.crt --yes");
    cannot("not-confirmed", "--ca pki");
    assert_snapshot!(screens.0, @"
    ## --ca mixed/ca.crt --yes
    error [ca-key-missing]: cannot read mixed/ca.key: not found
    hint: the key of a CA is beside its certificate: --ca PATH/ca.crt with PATH/ca.key

    ## --ca mixed --yes
    error [usage]: cannot use --ca mixed: it holds no ca.crt with its ca.key
    hint: name the CA's certificate: --ca PATH/ca.crt

    ## --ca none/ca.crt --yes
    error [ca-missing]: cannot read none/ca.crt: not found
    hint: the key of a CA is beside its certificate: --ca PATH/ca.crt with PATH/ca.key

    ## --ca pki
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    ");
    // Its file may have any name.
    let signed = scene.sign("--ca renamed/anything.crt --yes");
    assert_eq!(signed.code, 0, "{signed}");
}

#[test]
fn what_is_signed_stays_unless_it_is_to_be_signed_again() {
    let scene = exported("scheduler.conf admin.conf");
    scene.signed("");
    let first = scene.desk.read("usb/admin.conf.crt");
    let again = scene.signed("--days 10");
    assert!(again.err.contains("Everything is signed already: nothing was written."), "{again}");
    assert_eq!(scene.desk.read("usb/admin.conf.crt"), first);
    std::fs::remove_file(scene.desk.path("usb/scheduler.conf.crt")).unwrap();
    let rest = scene.signed("");
    assert!(
        rest.out.contains("- signed already admin.conf") && rest.out.contains("- sign scheduler.conf"),
        "{rest}"
    );
    assert_eq!(scene.desk.read("usb/admin.conf.crt"), first);
    scene.desk.write("usb/admin.conf.crt", scene.desk.read("usb/scheduler.conf.crt"));
    let other = scene.sign("--ca pki --yes");
    other.fails(5, "request-mismatch");
    assert_snapshot!(scene.error(&other), @"
    error [request-mismatch]: cannot write usb/admin.conf.crt: it is there already, and not of this request
    hint: add --overwrite, or remove the file
    ");
    scene.signed("--overwrite --days 10");
    assert_eq!(common::end_of(scene.desk.read("usb/admin.conf.crt").as_bytes()), "2026-12-04 00:00:00Z");
    // A link in the place of a certificate is replaced, and not followed.
    let victim = scene.desk.write("victim", "mine");
    std::fs::remove_file(scene.desk.path("usb/admin.conf.crt")).unwrap();
    std::os::unix::fs::symlink(&victim, scene.desk.path("usb/admin.conf.crt")).unwrap();
    scene.signed("--overwrite");
    assert_eq!(scene.desk.read("victim"), "mine");
    assert!(scene.desk.path("usb/admin.conf.crt").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_certificate_never_outlives_its_ca() {
    let scene = exported("scheduler.conf");
    let signed = scene.signed("--days 36500");
    assert!(signed.out.contains("when its CA expires"), "{signed}");
    let end = |pem: &str| common::end_of(pem.as_bytes());
    assert_eq!(end(&scene.desk.read("usb/scheduler.conf.crt")), end(&scene.desk.read("pki/ca.crt")));
    assert_eq!(scene.import("").code, 0);
}

#[test]
fn a_directory_that_cannot_be_written_stays_as_it_is() {
    let scene = exported("scheduler.conf");
    let Some(_mounted) = Mounted::read_only(scene.usb().as_ref()) else { return };
    let run = scene.sign("--ca pki --yes");
    assert_eq!(run.code, 2, "{run}");
    assert_eq!(std::fs::read_dir(scene.usb()).unwrap().count(), 2, "{run}");
}
