//! What is done to a node to break it.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Node, PKI, base64, etcd_database, openssl};
use crate::issuing::{KUBELET, Wish, issue};

pub const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
pub const DATED: &str = "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem";
pub const CONFIG: &str = "/var/lib/kubelet/config.yaml";
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
pub const API_SERVER_POD: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
pub const ETCD_POD: &str = "/etc/kubernetes/manifests/etcd.yaml";
pub const SCHEDULER_POD: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";
pub const SCHEDULER: &str = "/etc/kubernetes/scheduler.conf";
pub const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

pub fn nothing(_: &Node) {}

pub fn pki(base: &str) -> String {
    format!("{PKI}/{base}")
}

pub fn copy(node: &Node, from: &str, to: &str) {
    node.write(to, node.read(from));
}

pub fn cut(node: &Node, path: &str) {
    let whole = node.read(path);
    node.write(path, &whole[..whole.len() / 2]);
}

pub fn mode(node: &Node, path: &str, mode: u32) {
    std::fs::set_permissions(node.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn api_server_flag(node: &Node, flag: &str) {
    node.replace(
        API_SERVER_POD,
        "    - --allow-privileged=true\n",
        &format!("    - --allow-privileged=true\n    - {flag}\n"),
    );
}

/// An API server that is told to encrypt what it stores.
pub fn encrypting(node: &Node) {
    api_server_flag(node, "--encryption-provider-config=/etc/encryption/config.yaml");
    mount(node, "/etc/encryption", "/etc/encryption");
}

/// Another database of etcd: testdata/etcd/README.md.
pub fn etcd_of(node: &Node, name: &str) {
    node.write("/var/lib/etcd/member/snap/db", etcd_database(name));
}

pub fn external_etcd(node: &Node) {
    node.remove(ETCD_POD);
    node.remove("/etc/kubernetes/pki/etcd");
    node.remove("/var/lib/etcd");
    for extension in ["crt", "key"] {
        node.rename(
            &pki(&format!("apiserver-etcd-client.{extension}")),
            &format!("{PKI}/external-etcd.{extension}"),
        );
    }
    copy(node, &pki("ca.crt"), &pki("external-etcd-ca.crt"));
    node.replace(API_SERVER_POD, "pki/etcd/ca.crt", "pki/external-etcd-ca.crt");
    node.replace(API_SERVER_POD, "pki/apiserver-etcd-client", "pki/external-etcd");
    node.replace(API_SERVER_POD, "https://127.0.0.1:2379", "https://192.168.10.21:2379");
}

/// etcd without TLS, as the API server and etcd are told.
pub fn plain_etcd(node: &Node) {
    let without = |path: &str, flags: &[&str]| {
        let keep = |line: &&str| !flags.iter().any(|flag| line.contains(&format!("--{flag}=")));
        let text: Vec<_> = node.text(path).lines().filter(keep).map(|line| format!("{line}\n")).collect();
        node.write(path, text.concat().replace("https://", "http://"));
    };
    without(API_SERVER_POD, &["etcd-cafile", "etcd-certfile", "etcd-keyfile"]);
    let etcd = [
        "cert-file",
        "key-file",
        "peer-cert-file",
        "peer-key-file",
        "trusted-ca-file",
        "peer-trusted-ca-file",
    ];
    without(ETCD_POD, &etcd);
    node.remove("/etc/kubernetes/pki/etcd");
    ["crt", "key"].iter().for_each(|end| node.remove(&pki(&format!("apiserver-etcd-client.{end}"))));
}

/// A kubelet.conf as `kubeadm init` before 1.17 left it.
pub fn embed(node: &Node) {
    let pem = node.read(DATED);
    let data = base64(&pem);
    node.replace(
        KUBELET_CONF,
        &format!("client-certificate: {CURRENT}"),
        &format!("client-certificate-data: {data}"),
    );
    node.replace(KUBELET_CONF, &format!("client-key: {CURRENT}"), &format!("client-key-data: {data}"));
}

/// Adds another cluster and its user to a kubeconfig.
pub fn staging(node: &Node, path: &str, current: bool) {
    let add =
        |list: &str, item: &str| node.replace(path, &format!("{list}:\n"), &format!("{list}:\n- {item}\n"));
    add("clusters", "{name: staging, cluster: {server: 'https://staging.example.test:6443'}}");
    add("contexts", "{name: jane@staging, context: {cluster: staging, user: jane}}");
    add("users", "{name: jane, user: {token: t}}");
    if current {
        let text = node.text(path);
        let old = text.lines().find(|line| line.starts_with("current-context:")).unwrap();
        node.replace(path, old, "current-context: jane@staging");
    }
}

/// Another certificate for the kubelet, in a dated file of its own.
pub fn dated(node: &Node, name: &str, end: &str) {
    let key = node.read(DATED);
    let mut pem = issue(node, &Wish { end, ..KUBELET }, &key);
    pem.extend(openssl("pkey -traditional", &key).into_bytes());
    node.write(&format!("/var/lib/kubelet/pki/{name}"), pem);
}

pub fn kubelet_with(node: &Node, wish: &Wish<'_>) {
    let key = node.read(DATED);
    let mut pem = issue(node, wish, &key);
    pem.extend(openssl("pkey -traditional", &key).into_bytes());
    node.write(DATED, pem);
}

pub fn point_to(node: &Node, target: &str) {
    node.remove(CURRENT);
    node.link(CURRENT, target);
}

/// One more directory of the node in the API server's container.
pub fn mount(node: &Node, host: &str, inside: &str) {
    node.replace(
        API_SERVER_POD,
        "    volumeMounts:\n",
        &format!("    volumeMounts:\n    - mountPath: {inside}\n      name: more\n"),
    );
    node.replace(
        API_SERVER_POD,
        "  volumes:\n",
        &format!("  volumes:\n  - hostPath:\n      path: {host}\n    name: more\n"),
    );
}
