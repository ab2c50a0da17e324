//! What is not imported: nothing of it, and nothing else.

use insta::assert_snapshot;
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::PrivateKey;
use kuberescue::formats::request::Request;
use kuberescue::issue::{Signer, Validity, sign_request};
use kuberescue::state::catalog::Usage;

use crate::Scene;
use crate::common::screen::Screens;
use crate::common::{Node, PKI};

fn exported(names: &str) -> Scene {
    let scene = Scene::of("ecdsa-p256");
    scene.export(names);
    scene
}

const DATES: (&str, &str) = ("2026-11-23T23:55:00Z", "2027-11-24T00:00:00Z");

/// Signs a request that was changed, with a CA of `pki` on the desk.
fn sign(
    scene: &Scene,
    name: &str,
    ca: &str,
    usage: Usage,
    dates: (&str, &str),
    change: impl FnOnce(&mut Request),
) {
    let read = |file: &str| scene.desk.read(file).into_bytes();
    let mut request = Request::from_pem(&read(&format!("usb/{name}.csr"))).unwrap();
    change(&mut request);
    let authority = Certificate::from_pem(&read(&format!("pki/{ca}.crt"))).unwrap();
    let key = PrivateKey::from_pem(&read(&format!("pki/{ca}.key"))).unwrap();
    let validity = Validity { not_before: dates.0.parse().unwrap(), not_after: dates.1.parse().unwrap() };
    let signer = Signer::new(&authority, &key).unwrap();
    let signed = sign_request(&signer, &request, usage, validity).unwrap();
    scene.desk.write(&format!("usb/{name}.crt"), signed.to_pem());
}

#[test]
fn a_certificate_that_is_not_what_this_node_needs_is_refused() {
    let mut screens = Screens::default();
    let mut refuse = |what: &str, code: &str, scene: &Scene| screens.add(what, &scene.refuses("", code));
    let scene = exported("apiserver");
    sign(&scene, "apiserver", "etcd/ca", Usage::Server, DATES, |_| {});
    refuse("signed by another CA", "wrong-authority", &scene);
    sign(&scene, "apiserver", "ca", Usage::Server, DATES, |request| {
        request.names_der = None;
        (request.dns_names, request.addresses) = Default::default();
    });
    refuse("without its names", "names-missing", &scene);
    sign(&scene, "apiserver", "ca", Usage::Client, DATES, |_| {});
    refuse("for another purpose", "usage-wrong", &scene);
    let admin = exported("admin.conf");
    let subject = Request::from_pem(admin.desk.read("usb/admin.conf.csr").as_bytes()).unwrap();
    sign(&scene, "apiserver", "ca", Usage::Server, DATES, |request| {
        request.subject_der = subject.subject_der.clone();
    });
    refuse("with another subject", "request-mismatch", &scene);
    sign(&scene, "apiserver", "ca", Usage::Server, DATES, |request| request.spki = subject.spki.clone());
    refuse("with another key", "key-mismatch", &scene);
    let past = ("2025-11-23T23:55:00Z", "2026-11-23T00:00:00Z");
    sign(&scene, "apiserver", "ca", Usage::Server, past, |_| {});
    refuse("expired", "expired", &scene);
    let future = ("2026-11-25T00:00:00Z", "2027-11-24T00:00:00Z");
    sign(&scene, "apiserver", "ca", Usage::Server, future, |_| {});
    refuse("of the future", "not-yet-valid", &scene);
    let long = ("2026-11-23T23:55:00Z", "2077-11-24T00:00:00Z");
    sign(&scene, "apiserver", "ca", Usage::Server, long, |_| {});
    refuse("valid for longer than its CA", "leaf-outlives-ca", &scene);
    scene.desk.write("usb/apiserver.crt", scene.desk.read("pki/ca.crt"));
    refuse("the CA itself", "usage-wrong", &scene);
    scene.desk.write("usb/apiserver.crt", "-----BEGIN CERTIFICATE-----\n");
    refuse("truncated", "unreadable", &scene);
    std::fs::remove_file(scene.desk.path("usb/apiserver.crt")).unwrap();
    refuse("missing", "missing", &scene);
    let outside = scene.desk.write("outside.crt", scene.node.read(&format!("{PKI}/apiserver.crt")));
    std::os::unix::fs::symlink(&outside, scene.desk.path("usb/apiserver.crt")).unwrap();
    refuse("a link out of the directory", "missing", &scene);
    assert_snapshot!(screens.0, @r#"
    ## signed by another CA
    error [wrong-authority]: cannot import apiserver: issued by "CN=etcd-ca", not by "CN=kubernetes" (this node's /etc/kubernetes/pki/ca.crt)
    hint: sign it with the CA that the manifest names: kuberescue csr sign DIR --ca PATH --overwrite

    ## without its names
    error [names-missing]: cannot import apiserver: it lacks DNS:cp-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1, IP:192.168.10.11
    hint: have it signed as requested: kuberescue csr sign DIR --ca PATH --overwrite

    ## for another purpose
    error [usage-wrong]: cannot import apiserver: its key usage or extended key usage does not allow what it is for
    hint: have it signed as requested: kuberescue csr sign DIR --ca PATH --overwrite

    ## with another subject
    error [request-mismatch]: cannot import apiserver: its subject is O=kubeadm:cluster-admins, CN=kubernetes-admin, not CN=kube-apiserver
    hint: have it signed as requested: kuberescue csr sign DIR --ca PATH --overwrite

    ## with another key
    error [key-mismatch]: cannot import apiserver: its key is neither that of the last csr export nor the existing one
    hint: sign the requests of the last export, or begin again: sudo kuberescue csr export DIR

    ## expired
    error [expired]: cannot import apiserver: it expired on 2026-11-23 (1 day ago)
    hint: have it signed again: kuberescue csr sign DIR --ca PATH --overwrite

    ## of the future
    error [not-yet-valid]: cannot import apiserver: it is valid only from 2026-11-25 00:00 UTC
    hint: compare the clocks of both machines: date -u

    ## valid for longer than its CA
    error [leaf-outlives-ca]: cannot import apiserver: it is valid until 2077-11-24 00:00 UTC, its CA ca until 2036-11-20 22:23 UTC
    hint: have it signed again: kuberescue csr sign DIR --ca PATH --overwrite

    ## the CA itself
    error [usage-wrong]: cannot import apiserver: it is a CA certificate
    hint: have it signed as requested: kuberescue csr sign DIR --ca PATH --overwrite

    ## truncated
    error [unreadable]: cannot read DESK/usb/apiserver.crt: truncated: a PEM block starts and does not end
    hint: sign the requests again: kuberescue csr sign DIR --ca PATH --overwrite

    ## missing
    error [missing]: cannot import apiserver: DESK/usb/apiserver.crt was not found
    hint: sign the requests where the CA's key is: kuberescue csr sign DIR --ca PATH

    ## a link out of the directory
    error [missing]: cannot import apiserver: DESK/usb/apiserver.crt was not found
    hint: sign the requests where the CA's key is: kuberescue csr sign DIR --ca PATH
    "#);
    // What is right is imported still.
    std::fs::remove_file(scene.desk.path("usb/apiserver.crt")).unwrap();
    scene.signed("");
    assert_eq!(scene.import("").code, 0);
}

/// Names that the CA has added are shown, and kept.
#[test]
fn names_that_the_ca_has_added_are_shown() {
    let (plain, more) = (exported("apiserver"), exported("apiserver"));
    let added = Request::from_pem(&{
        let file = more.desk.path("usb/apiserver.csr").display().to_string();
        let names = "DNS:cp-1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:192.168.10.11,DNS:lb.example.test";
        crate::common::openssl(
            &format!("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {file}.key -out {file} -subj /CN=x -addext subjectAltName={names}"),
            b"",
        );
        more.desk.read("usb/apiserver.csr").into_bytes()
    })
    .unwrap();
    sign(&plain, "apiserver", "ca", Usage::Server, DATES, |request| {
        request.names_der.clone_from(&added.names_der);
        request.dns_names.clone_from(&added.dns_names);
        request.addresses.clone_from(&added.addresses);
    });
    let imported = plain.import("");
    assert_eq!(imported.code, 0, "{imported}");
    assert_eq!(imported.lines_with("adds"), "adds DNS:lb.example.test (the CA added it)\n");
}

#[test]
fn one_wrong_certificate_keeps_all_from_being_imported() {
    let scene = exported("");
    scene.signed("");
    sign(&scene, "apiserver", "etcd/ca", Usage::Server, DATES, |_| {});
    sign(&scene, "etcd-peer", "ca", Usage::ServerAndClient, DATES, |_| {});
    assert_snapshot!(scene.refuses("", "wrong-authority"), @r#"
    error [wrong-authority]: cannot import apiserver: issued by "CN=etcd-ca", not by "CN=kubernetes" (this node's /etc/kubernetes/pki/ca.crt)
    hint: sign it with the CA that the manifest names: kuberescue csr sign DIR --ca PATH --overwrite
    error [wrong-authority]: cannot import etcd-peer: issued by "CN=kubernetes", not by "CN=etcd-ca" (this node's /etc/kubernetes/pki/etcd/ca.crt)
    hint: sign it with the CA that the manifest names: kuberescue csr sign DIR --ca PATH --overwrite
    "#);
    std::fs::remove_file(scene.desk.path("usb/scheduler.conf.crt")).unwrap();
    scene.refuses("", "missing");
    // Those that are right can be imported by their names.
    let some = scene.import("admin.conf controller-manager.conf");
    assert_eq!(some.code, 0, "{some}");
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let scene = exported("apiserver");
    scene.signed("");
    let manifest = scene.desk.read("usb/manifest.json").replace("\"node\": \"cp-1\"", "\"node\": \"cp-2\"");
    scene.desk.write("usb/manifest.json", manifest);
    assert_snapshot!(scene.refuses("", "names-of-another-node"), @"
    error [names-of-another-node]: cannot import these certificates: they are for node cp-2, and this is cp-1
    hint: run it on that node
    ");
}

#[test]
fn what_cannot_be_used_at_all() {
    let scene = exported("apiserver");
    scene.signed("");
    let mut screens = Screens::default();
    let mut cannot = |code: &str, arguments: &str| {
        let run = scene.node.run(arguments);
        run.fails(2, code);
        screens.add(code, &scene.error(&run));
    };
    let (usb, desk) = (scene.usb(), scene.desk.directory.path().display().to_string());
    cannot("root-unreadable", &format!("csr import {desk}/none --yes"));
    cannot("usage", &format!("csr import {desk}/pki --yes"));
    cannot("usage", &format!("csr import {usb} admin.conf --yes"));
    cannot("usage", &format!("csr export {usb}"));
    cannot("not-confirmed", &format!("csr import {usb} --accept-clock"));
    assert_snapshot!(screens.0, @"
    ## root-unreadable
    error [root-unreadable]: cannot read DESK/none: no such directory
    hint: name the directory that kuberescue csr export has written

    ## usage
    error [usage]: cannot use DESK/pki: no manifest.json of kuberescue csr export in it, and no requests of kubeadm certs generate-csr
    hint: sudo kuberescue csr export DIR, on the node

    ## usage
    error [usage]: cannot import admin.conf: it was not requested
    hint: the directory is for apiserver

    ## usage
    error [usage]: cannot write the requests to DESK/usb: the directory is not empty
    hint: name a new directory, such as one on a USB stick

    ## not-confirmed
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    ");
    let unknown = scene.node.run(&format!("csr import {usb} no-such"));
    assert_eq!(unknown.code, 2, "{unknown}");
}

/// A CA that has expired signs nothing, wherever its key is.
#[test]
fn an_expired_ca_is_not_asked() {
    let node = Node::of("expired-ca");
    node.remove(&format!("{PKI}/ca.key"));
    let usb = node.path("usb").display().to_string();
    let refused = node.refuses(&format!("csr export {usb}"), "ca-expired");
    assert_snapshot!(node.talk(&refused), @"
    error [ca-expired]: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf, kubelet-client
    hint: it cannot be renewed here: its key /etc/kubernetes/pki/ca.key was not found; copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca
    error [ca-expired]: the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks apiserver-etcd-client, etcd-healthcheck-client, etcd-peer, etcd-server
    error [ca-expired]: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: expired on 2023-12-30 (1060 days ago); it blocks front-proxy-client
    hint: sudo kuberescue recover --renew-cas renews it with its own key, which keeps what it has signed; first see whether the clock is right: date -u
    ");
}

/// The commands that are named where a CA's key is missing.
#[test]
fn a_missing_key_names_the_way() {
    let node = Node::of("external-ca");
    let refused = node.refuses("certs renew all --accept-clock", "ca-key-missing");
    assert!(refused.err.contains("with an external CA: sudo kuberescue csr export DIR"), "{refused}");
    let usb = node.path("usb").display().to_string();
    let exported = node.must(&format!("csr export {usb}"));
    assert!(exported.out.contains("CA ca: CN=kubernetes"), "{exported}");
}
