//! Credentials' files, who signed what is in them, and kubeconfigs in homes.

use super::acts::{ADMIN_CONF, KUBELET_CONF, SCHEDULER, copy, cut, nothing, pki, staging};
use super::{Scenario, of, on};
use crate::common::{NOW, openssl};
use crate::issuing::{
    ADMIN, FRONT_PROXY, Wish, ec_key, other_authority, put, reissue, reissue_authority, reissue_kubeconfig,
};
use crate::scene::{B, W};

pub(super) const SCENARIOS: &[Scenario] = &[
    // Files.
    of(
        "a pair missing",
        |node| {
            node.remove(&pki("apiserver.crt"));
            node.remove(&pki("apiserver.key"));
        },
        &[("missing", B, "apiserver")],
    ),
    of("a kubeconfig missing", |node| node.remove(SCHEDULER), &[("missing", B, "scheduler.conf")]),
    of(
        "a kubeconfig that is none",
        |node| node.write(SCHEDULER, "apiVersion: v1\nkind: Config\n"),
        &[("unreadable", B, "scheduler.conf")],
    ),
    of(
        "a certificate's base64 broken",
        |node| node.replace(&pki("apiserver.crt"), "MII", "M#I"),
        &[("unreadable", B, "apiserver")],
    ),
    of(
        "empty files",
        |node| {
            node.write(&pki("etcd/server.crt"), "");
            node.write(ADMIN_CONF, "\n");
        },
        &[("file-empty", B, "etcd-server"), ("file-empty", W, "admin.conf")],
    ),
    of("a file cut off", |node| cut(node, &pki("etcd/peer.crt")), &[("file-truncated", B, "etcd-peer")]),
    of(
        "a file in DER",
        |node| {
            let pem = node.read(&pki("front-proxy-client.crt"));
            openssl(
                &format!("x509 -outform DER -out {}", node.path(&pki("front-proxy-client.crt")).display()),
                &pem,
            );
            node.settle();
        },
        &[("file-not-pem", B, "front-proxy-client")],
    ),
    of(
        "several certificates in a file",
        |node| {
            let chain = node.text(&pki("apiserver.crt")) + &node.text(&pki("front-proxy-ca.crt"));
            node.write(&pki("apiserver.crt"), chain);
        },
        &[("several-certificates", W, "apiserver")],
    ),
    of(
        "a key missing",
        |node| node.remove(&pki("apiserver-kubelet-client.key")),
        &[("key-missing", B, "apiserver-kubelet-client")],
    ),
    of(
        "a key cut off",
        |node| cut(node, &pki("apiserver-kubelet-client.key")),
        &[("key-unreadable", B, "apiserver-kubelet-client")],
    ),
    of(
        "key mismatch",
        |node| node.write(&pki("apiserver.key"), ec_key()),
        &[("key-mismatch", B, "apiserver")],
    ),
    on(
        "mixed",
        NOW,
        "mixed",
        nothing,
        &[
            ("ca-replaced", B, "etcd-peer"),
            ("expired", B, "controller-manager.conf"),
            ("key-mismatch", B, "apiserver-kubelet-client"),
            ("file-truncated", B, "front-proxy-client"),
        ],
    ),
    // Who signed it.
    of(
        "signed by another of the CAs",
        |node| reissue(node, "front-proxy-client", &Wish { authority: "etcd/ca", ..FRONT_PROXY }),
        &[("wrong-authority", B, "front-proxy-client")],
    ),
    of(
        "a new CA of the same name, all else old",
        |node| {
            let (certificate, key) = other_authority();
            node.write(&pki("ca.crt"), certificate);
            node.write(&pki("ca.key"), key);
        },
        &[
            ("ca-replaced", B, "apiserver"),
            ("ca-replaced", B, "apiserver-kubelet-client"),
            ("ca-replaced", B, "controller-manager.conf"),
            ("ca-replaced", B, "scheduler.conf"),
            ("ca-replaced", B, "kubelet-client"),
            ("ca-replaced", W, "admin.conf"),
            ("ca-replaced", W, "super-admin.conf"),
            ("embedded-ca-differs", B, "controller-manager.conf"),
            ("embedded-ca-differs", B, "scheduler.conf"),
            ("embedded-ca-differs", B, "kubelet.conf"),
            ("embedded-ca-differs", W, "admin.conf"),
            ("embedded-ca-differs", W, "super-admin.conf"),
        ],
    ),
    of(
        "a CA that is being replaced by hand",
        |node| {
            let (certificate, key) = other_authority();
            let both = [certificate, node.read(&pki("ca.crt"))].concat();
            node.write(&pki("ca.crt"), both);
            node.write(&pki("ca.key"), key);
        },
        &[
            ("signing-ca-bundle", B, "kube-controller-manager"),
            ("ca-replacement-unfinished", W, "ca"),
            ("embedded-ca-differs", B, "controller-manager.conf"),
            ("embedded-ca-differs", B, "scheduler.conf"),
            ("embedded-ca-differs", B, "kubelet.conf"),
            ("embedded-ca-differs", W, "admin.conf"),
            ("embedded-ca-differs", W, "super-admin.conf"),
        ],
    ),
    of(
        "another CA in kubelet.conf",
        |node| put(node, KUBELET_CONF, "certificate-authority-data", &other_authority().0),
        &[("embedded-ca-differs", B, "kubelet.conf")],
    ),
    of(
        "another CA in kubelet.conf, and one that can't sign",
        |node| {
            put(node, KUBELET_CONF, "certificate-authority-data", &other_authority().0);
            node.remove(&pki("apiserver.crt"));
            reissue_authority(node, "ca", "20270101000000Z", "20360101000000Z");
        },
        &[
            ("ca-not-yet-valid", B, "ca"),
            ("missing", B, "apiserver"),
            ("embedded-ca-differs", B, "kubelet.conf"),
            ("embedded-ca-differs", W, "admin.conf"),
            ("embedded-ca-differs", W, "super-admin.conf"),
            ("embedded-ca-differs", W, "controller-manager.conf"),
            ("embedded-ca-differs", W, "scheduler.conf"),
        ],
    ),
    of(
        "the CA reissued from its key",
        |node| reissue_authority(node, "ca", "20261123000000Z", "20360101000000Z"),
        &[
            ("embedded-ca-differs", W, "admin.conf"),
            ("embedded-ca-differs", W, "super-admin.conf"),
            ("embedded-ca-differs", W, "controller-manager.conf"),
            ("embedded-ca-differs", W, "scheduler.conf"),
            ("embedded-ca-differs", W, "kubelet.conf"),
        ],
    ),
    // Kubeconfigs of more than one cluster.
    of("another cluster beside this one", |node| staging(node, ADMIN_CONF, false), &[]),
    of(
        "the current contexts are another cluster's",
        |node| [ADMIN_CONF, SCHEDULER].iter().for_each(|path| staging(node, path, true)),
        &[("another-cluster", W, "admin.conf"), ("another-cluster", B, "scheduler.conf")],
    ),
    of(
        "the current context is another cluster's, and two users are this one's",
        |node| {
            staging(node, SCHEDULER, true);
            let context = "contexts:\n- {name: also, context: {cluster: kubernetes, user: jane}}\n";
            node.replace(SCHEDULER, "contexts:\n", context);
        },
        &[("unreadable", B, "scheduler.conf")],
    ),
    of(
        "no context is this cluster's",
        |node| {
            let from = node.text(ADMIN_CONF);
            let server = from.split("server: ").nth(1).unwrap().lines().next().unwrap();
            node.replace(ADMIN_CONF, server, "https://staging.example.test:6443");
            put(node, ADMIN_CONF, "certificate-authority-data", &other_authority().0);
        },
        &[("unreadable", W, "admin.conf")],
    ),
    // Kubeconfigs in homes.
    of(
        "kubeconfigs in homes, in use",
        |node| {
            copy(node, ADMIN_CONF, "/root/.kube/config");
            copy(node, ADMIN_CONF, "/home/alice/.kube/config");
        },
        &[],
    ),
    of(
        "a kubeconfig in a home, expired",
        |node| {
            copy(node, ADMIN_CONF, "/home/alice/.kube/config");
            reissue_kubeconfig(
                node,
                "/home/alice/.kube/config",
                &Wish { end: "20261121000000Z", start: "20251121000000Z", ..ADMIN },
            );
        },
        &[("expired", W, "/home/alice/.kube/config")],
    ),
    of(
        "a kubeconfig in a home, of the time before the CA",
        |node| {
            copy(node, ADMIN_CONF, "/root/.kube/config");
            put(node, "/root/.kube/config", "certificate-authority-data", &other_authority().0);
        },
        &[("embedded-ca-differs", W, "/root/.kube/config")],
    ),
    of(
        "a kubeconfig in a home, of another cluster",
        |node| {
            copy(node, ADMIN_CONF, "/root/.kube/config");
            put(node, "/root/.kube/config", "certificate-authority-data", &other_authority().0);
            node.replace("/root/.kube/config", "192.168.10.11", "other.example.test");
        },
        &[],
    ),
];
