//! Dates, and the authorities on which everything hangs.

use super::acts::{ADMIN_CONF, copy, cut, kubelet_with, nothing, pki};
use super::{ALL_EXPIRED, ALL_EXPIRED_OF_1_20, Scenario, of, on};
use crate::common::NOW;
use crate::issuing::{
    ADMIN, API_SERVER, FRONT_PROXY, KUBELET, Wish, reissue, reissue_authority, reissue_kubeconfig,
};
use crate::scene::{B, W};

pub(super) const SCENARIOS: &[Scenario] = &[
    // Dates.
    on("expired-all", NOW, "all expired", nothing, ALL_EXPIRED),
    on("v120-expired", NOW, "all expired, 1.20", nothing, &[]).and(ALL_EXPIRED_OF_1_20),
    on(
        "expired-ca",
        NOW,
        "CA expired",
        nothing,
        &[("ca-expired", B, "ca"), ("ca-expired", B, "etcd-ca"), ("ca-expired", B, "front-proxy-ca")],
    )
    .and(ALL_EXPIRED),
    of(
        "one CA expired, its leaves not",
        |node| reissue_authority(node, "etcd/ca", "20160101000000Z", "20261101000000Z"),
        &[
            ("ca-expired", B, "etcd-ca"),
            ("leaf-outlives-ca", W, "etcd-server"),
            ("leaf-outlives-ca", W, "etcd-peer"),
            ("leaf-outlives-ca", W, "apiserver-etcd-client"),
            ("leaf-outlives-ca", W, "etcd-healthcheck-client"),
        ],
    ),
    of(
        "CA ends within two years",
        |node| reissue_authority(node, "front-proxy-ca", "20261123000000Z", "20281001000000Z"),
        &[("ca-expiring", W, "front-proxy-ca")],
    ),
    of(
        "CA not yet valid",
        |node| reissue_authority(node, "front-proxy-ca", "20270101000000Z", "20361001000000Z"),
        &[("ca-not-yet-valid", B, "front-proxy-ca")],
    ),
    of(
        "admin.conf expired",
        |node| {
            reissue_kubeconfig(
                node,
                ADMIN_CONF,
                &Wish { end: "20261121000000Z", start: "20251121000000Z", ..ADMIN },
            )
        },
        &[("expired", W, "admin.conf")],
    ),
    of(
        "super-admin.conf expired",
        |node| {
            let wish = Wish {
                subject: "/O=system:masters/CN=kubernetes-super-admin",
                end: "20261121000000Z",
                start: "20251121000000Z",
                ..ADMIN
            };
            reissue_kubeconfig(node, "/etc/kubernetes/super-admin.conf", &wish);
        },
        &[("expired", W, "super-admin.conf")],
    ),
    of(
        "a certificate ends within 30 days",
        |node| reissue(node, "apiserver", &Wish { end: "20261210000000Z", ..API_SERVER }),
        &[("expiring", W, "apiserver")],
    ),
    of(
        "the kubelet's certificate ends within 30 days",
        |node| kubelet_with(node, &Wish { end: "20261210000000Z", ..KUBELET }),
        &[("expiring", W, "kubelet-client")],
    ),
    of(
        "not yet valid",
        |node| reissue(node, "apiserver", &Wish { start: "20261201000000Z", ..API_SERVER }),
        &[("not-yet-valid", B, "apiserver")],
    ),
    of(
        "a leaf outlives its CA",
        |node| reissue(node, "front-proxy-client", &Wish { end: "20400101000000Z", ..FRONT_PROXY }),
        &[("leaf-outlives-ca", W, "front-proxy-client")],
    ),
    of("healthy", nothing, &[]),
    // Authorities.
    on(
        "external-ca",
        NOW,
        "external CA",
        nothing,
        &[
            ("ca-key-missing", W, "ca"),
            ("ca-key-missing", W, "etcd-ca"),
            ("ca-key-missing", W, "front-proxy-ca"),
        ],
    ),
    // Whoever runs the CA has to sign.
    on(
        "external-ca",
        "2027-12-01",
        "external CA, all expired",
        nothing,
        &[
            ("ca-key-missing", W, "ca"),
            ("ca-key-missing", W, "etcd-ca"),
            ("ca-key-missing", W, "front-proxy-ca"),
        ],
    )
    .and(ALL_EXPIRED),
    on(
        "external-ca",
        "2037-01-01",
        "external CA, expired too",
        nothing,
        &[("ca-expired", B, "ca"), ("ca-expired", B, "etcd-ca"), ("ca-expired", B, "front-proxy-ca")],
    )
    .and(ALL_EXPIRED),
    of("CA missing", |node| node.remove(&pki("ca.crt")), &[("ca-missing", B, "ca")]),
    of("CA cut off", |node| cut(node, &pki("etcd/ca.crt")), &[("ca-unreadable", B, "etcd-ca")]),
    of(
        "a leaf in the place of a CA",
        |node| copy(node, &pki("front-proxy-client.crt"), &pki("front-proxy-ca.crt")),
        &[("not-a-ca", B, "front-proxy-ca"), ("wrong-authority", B, "front-proxy-client")],
    ),
    of("CA key cut off", |node| cut(node, &pki("etcd/ca.key")), &[("ca-key-unreadable", B, "etcd-ca")]),
    of(
        "CA key of another CA",
        |node| copy(node, &pki("front-proxy-ca.key"), &pki("ca.key")),
        &[("ca-key-mismatch", B, "ca")],
    ),
];
