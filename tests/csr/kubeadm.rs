//! A directory of `kubeadm certs generate-csr`, made by openssl as kubeadm makes it: no manifest, and the keys are in it.

use std::path::Path;

use kuberescue::formats::certificate::Certificate;

use crate::common::{self, KUBECONFIGS, NOW, Node, PAIRS, PKI, credential, identity, openssl};
use crate::{Scene, judges};

/// A request and its key, as `--newkey` writes them.
fn request(at: &Path, subject: &str, names: &[String], key: &Path) {
    let names = match names {
        [] => String::new(),
        names => format!("-addext subjectAltName={}", names.join(",")),
    };
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    openssl(
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -out {} -subj {subject} {names}",
            key.display(),
            at.display()
        ),
        b"",
    );
}

/// `--cert-dir DIR/PKI --kubeconfig-dir DIR`.
fn generate_csr(node: &Node, directory: &Path, pki: &str) {
    for pair in PAIRS {
        let old = Certificate::from_pem(&node.read(&pair.certificate())).unwrap();
        let group = old.organizations.first().map(|group| format!("/O={group}")).unwrap_or_default();
        let subject = format!("{group}/CN={}", old.common_name());
        let base = directory.join(pki).join(pair.base);
        let with = |suffix: &str| base.with_extension(suffix);
        request(&with("csr"), &subject, &old.alternative_names(), &with("key"));
    }
    for file in KUBECONFIGS {
        let (certificate, _) = credential(&node.text(&format!("/etc/kubernetes/{file}")));
        let old = Certificate::from_pem(&certificate).unwrap();
        let group = old.organizations.first().map(|group| format!("/O={group}")).unwrap_or_default();
        let (subject, key) = (format!("{group}/CN={}", old.common_name()), directory.join("made.key"));
        request(&directory.join(format!("{file}.csr")), &subject, &[], &key);
        let key = common::base64(&std::fs::read(&key).unwrap());
        let config = format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    server: https://192.168.10.11:6443\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    \
             user: u\n  name: u@kubernetes\ncurrent-context: u@kubernetes\nkind: Config\nusers:\n- name: u\n  user:\n    client-key-data: {key}\n"
        );
        std::fs::write(directory.join(file), config).unwrap();
    }
    std::fs::remove_file(directory.join("made.key")).unwrap();
}

#[test]
fn it_is_signed_and_imported_too() {
    for pki in ["", "pki"] {
        let (old, scene) = (Node::of("ecdsa-p256"), Scene::of("ecdsa-p256"));
        let node = &scene.node;
        generate_csr(&old, &scene.desk.path("usb"), pki);
        scene.signed("");
        let imported = scene.import("");
        assert_eq!(imported.code, 0, "{imported}");
        for pair in PAIRS {
            let (was, is) = (old.read(&pair.certificate()), node.read(&pair.certificate()));
            let key = node.read(&pair.key());
            assert_ne!(was, is, "{}", pair.name);
            judges::accepted(&node.read(&pair.authority()), &is, &key, pair.purposes, NOW);
            assert_eq!(identity(&was), identity(&is), "{}", pair.name);
        }
        for file in KUBECONFIGS {
            let file = format!("/etc/kubernetes/{file}");
            let ((was, _), (is, key)) = (credential(&old.text(&file)), credential(&node.text(&file)));
            assert_ne!(was, is, "{file}");
            judges::accepted(&node.read(&format!("{PKI}/ca.crt")), &is, &key, &["sslclient"], NOW);
            assert_eq!(identity(&was), identity(&is), "{file}");
        }
    }
}

/// Without a manifest the place of a CA says which one it is, or the name that kubeadm gives it.
#[test]
fn which_ca_signs_is_known_without_a_manifest() {
    let scene = Scene::of("ecdsa-p256");
    generate_csr(&Node::of("ecdsa-p256"), &scene.desk.path("usb"), "");
    let some = scene.sign("--ca pki/ca.crt --ca pki/etcd/ca.crt --yes");
    some.fails(5, "wrong-authority");
    assert!(some.err.contains("front-proxy-client: --ca names no front-proxy-ca"), "{some}");
    let all = scene.sign("--ca pki/front-proxy-ca.crt --ca pki/etcd/ca.crt --ca pki/ca.crt --yes");
    assert_eq!(all.code, 0, "{all}");
    assert_eq!(scene.import("").code, 0);
}

/// kubeadm from 1.29 on requests another group for admin.conf than the old certificate has.
#[test]
fn groups_of_another_version_are_accepted_and_others_are_not() {
    let scene = Scene::of("v120-expired");
    let usb = scene.desk.path("usb");
    request(
        &usb.join("apiserver-kubelet-client.csr"),
        "/O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client",
        &[],
        &usb.join("apiserver-kubelet-client.key"),
    );
    scene.signed("");
    let imported = scene.import("");
    assert_eq!(imported.code, 0, "{imported}");
    let subject = openssl(
        "x509 -noout -subject -nameopt RFC2253",
        &scene.node.read(&format!("{PKI}/apiserver-kubelet-client.crt")),
    );
    assert_eq!(subject, "subject=CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins\n");
    request(
        &usb.join("apiserver-kubelet-client.csr"),
        "/O=mine/CN=kube-apiserver-kubelet-client",
        &[],
        &usb.join("apiserver-kubelet-client.key"),
    );
    scene.sign("--ca pki --yes --overwrite").fails(5, "request-exceeds");
    scene.signed("--overwrite --accept request-exceeds");
    scene.node.settle();
    scene.refuses("", "request-mismatch");
}
