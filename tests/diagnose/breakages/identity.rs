//! Whom a certificate names, what it is made for, and how well; who administers.

use super::acts::{ADMIN_CONF, API_SERVER_POD, ETCD_POD, kubelet_with, pki};
use super::{Scenario, of, on};
use crate::common::{NOW, openssl};
use crate::issuing::{
    ADMIN, API_SERVER, CLIENT, ETCD, FRONT_PROXY, KUBELET, Wish, ec_key, front_proxy_of, negative_serial,
    reissue, reissue_kubeconfig, reissue_with,
};
use crate::scene::{B, N, W};

pub(super) const SCENARIOS: &[Scenario] = &[
    // Names.
    of(
        "the service's address is missing",
        |node| {
            let names = API_SERVER.extensions.replace("IP:10.96.0.1,", "");
            reissue(node, "apiserver", &Wish { extensions: &names, ..API_SERVER });
        },
        &[("names-missing", B, "apiserver")],
    ),
    of(
        "the node's address is missing",
        |node| {
            let names = ETCD.extensions.replace("IP:192.168.10.11,", "");
            reissue(node, "etcd/server", &Wish { extensions: &names, ..ETCD });
        },
        &[("names-missing", B, "etcd-server")],
    ),
    of(
        "the node's name is missing",
        |node| {
            let names = ETCD.extensions.replace("DNS:cp-1,", "");
            reissue(node, "etcd/peer", &Wish { extensions: &names, ..ETCD });
        },
        &[("names-missing", W, "etcd-peer")],
    ),
    of(
        "the endpoint is missing",
        |node| node.replace(ADMIN_CONF, "192.168.10.11", "lb.example.test"),
        &[("names-missing", B, "apiserver")],
    ),
    of(
        "leaves copied from another node",
        |node| {
            let other = |text: &str| text.replace("cp-1", "cp-2").replace("192.168.10.11", "192.168.10.12");
            let (names, etcd) = (other(API_SERVER.extensions), other(ETCD.extensions));
            reissue(node, "apiserver", &Wish { extensions: &names, ..API_SERVER });
            reissue(node, "etcd/server", &Wish { extensions: &etcd, subject: "/CN=cp-2", ..ETCD });
        },
        &[("names-of-another-node", B, "apiserver"), ("names-of-another-node", B, "etcd-server")],
    ),
    of(
        "the kubelet's certificate is another node's",
        |node| kubelet_with(node, &Wish { subject: "/O=system:nodes/CN=system:node:cp-2", ..KUBELET }),
        &[("names-of-another-node", B, "kubelet-client")],
    ),
    of(
        "a member of etcd with a name of its own",
        |node| node.replace(ETCD_POD, "--name=cp-1", "--name=member-1"),
        &[],
    ),
    of(
        "the front proxy's name is not allowed",
        |node| reissue(node, "front-proxy-client", &Wish { subject: "/CN=aggregator", ..FRONT_PROXY }),
        &[("front-proxy-name", B, "front-proxy-client")],
    ),
    // What it is made for, and how well.
    of(
        "a client without clientAuth",
        |node| {
            let server = CLIENT.replace("clientAuth", "serverAuth");
            reissue(
                node,
                "apiserver-etcd-client",
                &Wish {
                    authority: "etcd/ca",
                    subject: "/CN=kube-apiserver-etcd-client",
                    extensions: &server,
                    ..API_SERVER
                },
            );
        },
        &[("usage-wrong", B, "apiserver-etcd-client")],
    ),
    of(
        "etcd's member is no client",
        |node| {
            let server = ETCD.extensions.replace(",clientAuth", "");
            reissue(node, "etcd/peer", &Wish { extensions: &server, ..ETCD });
        },
        &[("usage-wrong", B, "etcd-peer")],
    ),
    of(
        "no digitalSignature",
        |node| {
            let extensions = API_SERVER.extensions.replace("digitalSignature,", "");
            reissue(node, "apiserver", &Wish { extensions: &extensions, ..API_SERVER });
        },
        &[("usage-wrong", B, "apiserver")],
    ),
    of(
        "the kubelet's certificate is no client's",
        |node| {
            let server = CLIENT.replace("clientAuth", "serverAuth");
            kubelet_with(node, &Wish { extensions: &server, ..KUBELET });
        },
        &[("usage-wrong", B, "kubelet-client")],
    ),
    of(
        "RSA of 1024 bits",
        |node| {
            let key = openssl("genrsa -traditional 1024", b"").into_bytes();
            reissue_with(node, "front-proxy-client", &FRONT_PROXY, &key);
        },
        &[("weak-key", W, "front-proxy-client")],
    ),
    on(
        "rsa2048",
        NOW,
        "SHA-1",
        |node| reissue(node, "front-proxy-client", &Wish { hash: "sha1", ..FRONT_PROXY }),
        &[("weak-signature", B, "front-proxy-client")],
    ),
    of(
        "RSA of 512 bits",
        |node| front_proxy_of(node, openssl("genrsa -traditional 512", b"").as_bytes(), "01"),
        &[("weak-key", B, "front-proxy-ca")],
    ),
    of(
        "a CA of RSA of 1024 bits",
        |node| front_proxy_of(node, openssl("genrsa -traditional 1024", b"").as_bytes(), "01"),
        &[("weak-key", W, "front-proxy-ca")],
    ),
    on(
        "rsa2048",
        NOW,
        "a negative serial number",
        |node| negative_serial(node, "front-proxy-client", "front-proxy-ca"),
        &[("negative-serial", B, "front-proxy-client")],
    ),
    on(
        "rsa2048",
        NOW,
        "a CA with a negative serial number",
        |node| negative_serial(node, "front-proxy-ca", "front-proxy-ca"),
        &[("negative-serial", B, "front-proxy-ca")],
    ),
    on(
        "rsa2048",
        NOW,
        "a negative serial number, before Go 1.23",
        |node| {
            negative_serial(node, "front-proxy-client", "front-proxy-ca");
            node.replace(API_SERVER_POD, "kube-apiserver:v1.36.", "kube-apiserver:v1.31.");
        },
        &[("negative-serial", W, "front-proxy-client")],
    ),
    of("a CA with the serial number 0", |node| front_proxy_of(node, &ec_key(), "00"), &[]),
    of(
        "a CA on a curve that Go doesn't have",
        |node| front_proxy_of(node, openssl("ecparam -name secp256k1 -genkey -noout", b"").as_bytes(), "01"),
        &[("ca-unreadable", B, "front-proxy-ca")],
    ),
    of(
        "a serial number twice",
        |node| {
            reissue(node, "etcd/server", &ETCD);
            reissue(node, "etcd/peer", &ETCD);
        },
        &[("serial-reuse", W, "etcd-peer")],
    ),
    of(
        "no purpose at all",
        |node| {
            let extensions = "keyUsage=critical,digitalSignature\n";
            reissue(node, "front-proxy-client", &Wish { extensions, ..FRONT_PROXY });
        },
        &[("usage-wrong", W, "front-proxy-client")],
    ),
    // Service accounts.
    of(
        "sa.pub of another key",
        |node| node.write(&pki("sa.pub"), openssl("pkey -pubout", &ec_key())),
        &[("sa-pair-mismatch", B, "sa")],
    ),
    of("sa.key missing", |node| node.remove(&pki("sa.key")), &[("sa-missing", B, "sa")]),
    // Administrators.
    of(
        "no super-admin.conf",
        |node| node.remove("/etc/kubernetes/super-admin.conf"),
        &[("super-admin-missing", N, "super-admin.conf")],
    ),
    of(
        "admin.conf of the time before 1.29",
        |node| {
            reissue_kubeconfig(
                node,
                ADMIN_CONF,
                &Wish { subject: "/O=system:masters/CN=kubernetes-admin", ..ADMIN },
            )
        },
        &[("admin-still-masters", N, "admin.conf")],
    ),
];
