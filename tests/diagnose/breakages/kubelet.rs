//! The kubelet, and workers, which have nothing else.

use super::acts::{CONFIG, CURRENT, DATED, KUBELET_CONF, cut, dated, embed, kubelet_with, pki, point_to};
use super::{ALL_EXPIRED, Scenario, of, on};
use crate::common::{NOW, Node};
use crate::issuing::{KUBELET, Wish, issue, other_authority, put, reissue_authority};
use crate::scene::{B, W, worker};

const DROP_INS: &str = "/etc/kubernetes/kubelet.d";
const TYPED: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

fn config_dir(node: &Node) {
    let flags = format!("KUBELET_KUBEADM_ARGS=\"--config-dir={DROP_INS}\"\n");
    node.write("/var/lib/kubelet/kubeadm-flags.env", flags);
}

fn drop_in(node: &Node, text: &str) {
    config_dir(node);
    node.write(&format!("{DROP_INS}/sub/10.conf"), text);
}

pub(super) const SCENARIOS: &[Scenario] = &[
    // The kubelet.
    of(
        "kubelet-client-current.pem missing",
        |node| node.remove(CURRENT),
        &[("kubelet-link-missing", B, "kubelet-client"), ("kubelet-crash-loop", B, "kubelet")],
    ),
    of(
        "kubelet-client-current.pem dangling",
        |node| node.remove(DATED),
        &[("kubelet-link-dangling", B, "kubelet-client"), ("kubelet-crash-loop", B, "kubelet")],
    ),
    of(
        "kubelet-client-current.pem is a file",
        |node| {
            node.remove(CURRENT);
            node.rename(DATED, CURRENT);
        },
        &[("kubelet-link-no-link", W, "kubelet-client")],
    ),
    of(
        "a newer certificate than the current one",
        |node| {
            dated(node, "kubelet-client-2026-11-23-22-30-00.pem", "20280101000000Z");
        },
        &[("kubelet-link-old", W, "kubelet-client")],
    ),
    on(
        "expired-all",
        NOW,
        "the kubelet's link was put back to an expired one",
        |node| {
            let old = "/var/lib/kubelet/pki/kubelet-client-2024-01-01-00-00-00.pem";
            let key = node.read(old);
            let mut pem = issue(node, &KUBELET, &key);
            pem.extend(key);
            node.write("/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-30-00.pem", pem);
        },
        &[("kubelet-link-old", B, "kubelet-client")],
    )
    .and(ALL_EXPIRED),
    of(
        "kubelet.conf with an embedded certificate, and an empty one in the store",
        |node| {
            embed(node);
            node.write(DATED, "");
        },
        &[("kubelet-store-broken", B, "kubelet-client"), ("kubelet-conf-embedded", W, "kubelet-client")],
    ),
    of("kubelet.conf with an embedded certificate", embed, &[("kubelet-conf-embedded", W, "kubelet-client")]),
    of(
        "kubelet.conf with an embedded certificate that has expired",
        |node| {
            kubelet_with(node, &Wish { end: "20261121000000Z", start: "20251121000000Z", ..KUBELET });
            embed(node);
        },
        &[
            ("expired", B, "kubelet-client"),
            ("kubelet-conf-embedded", B, "kubelet-client"),
            ("kubelet-crash-loop", B, "kubelet"),
        ],
    ),
    of(
        "the kubelet alone expired",
        |node| kubelet_with(node, &Wish { end: "20261121000000Z", start: "20251121000000Z", ..KUBELET }),
        &[("expired", B, "kubelet-client"), ("kubelet-crash-loop", B, "kubelet")],
    ),
    of(
        "the kubelet alone expired, with a bootstrap token",
        |node| {
            kubelet_with(node, &Wish { end: "20261121000000Z", start: "20251121000000Z", ..KUBELET });
            node.write("/etc/kubernetes/bootstrap-kubelet.conf", "apiVersion: v1\nkind: Config\n");
        },
        &[("expired", B, "kubelet-client")],
    ),
    of("kubelet.conf missing", |node| node.remove(KUBELET_CONF), &[("kubelet-conf-missing", B, "kubelet")]),
    of("kubelet.conf cut off", |node| cut(node, KUBELET_CONF), &[("kubelet-conf-missing", B, "kubelet")]),
    of(
        "drop-ins of the kubelet's configuration",
        |node| {
            drop_in(node, &format!("{TYPED}clusterDomain: cluster.local\n"));
            node.write(&format!("{DROP_INS}/README"), "none\n");
        },
        &[],
    ),
    of("drop-ins missing", config_dir, &[("kubelet-config-missing", B, "kubelet")]),
    of(
        "a drop-in that is no YAML",
        |node| drop_in(node, "\tclusterDomain: [\n"),
        &[("kubelet-config-broken", B, "kubelet")],
    ),
    of(
        "a drop-in that doesn't say what it is",
        |node| drop_in(node, "clusterDomain: cluster.local\n"),
        &[("kubelet-config-broken", B, "kubelet")],
    ),
    of(
        "a kubelet.conf that names an administrator's pair",
        |node| {
            let admin = |end: &str| pki(&format!("apiserver-kubelet-client.{end}"));
            let names = |field: &str| format!("client-{field}: {CURRENT}");
            node.replace(
                KUBELET_CONF,
                &names("certificate"),
                &format!("client-certificate: {}", admin("crt")),
            );
            node.replace(KUBELET_CONF, &names("key"), &format!("client-key: {}", admin("key")));
        },
        &[("kubelet-conf-embedded", W, "kubelet-client")],
    ),
    of(
        "kubelet configuration missing",
        |node| node.remove(CONFIG),
        &[("kubelet-config-missing", B, "kubelet")],
    ),
    of(
        "kubelet configuration broken",
        |node| node.write(CONFIG, "kind: KubeletConfiguration\n\tstaticPodPath: /x\n"),
        &[("kubelet-config-broken", B, "kubelet")],
    ),
    // Workers.
    of("worker", worker, &[]),
    of(
        "worker, expired",
        |node| {
            kubelet_with(node, &Wish { end: "20261121000000Z", start: "20251121000000Z", ..KUBELET });
            worker(node);
        },
        &[("expired", B, "kubelet-client"), ("kubelet-crash-loop", B, "kubelet")],
    ),
    of(
        "worker, expiring",
        |node| {
            kubelet_with(node, &Wish { end: "20261210000000Z", ..KUBELET });
            reissue_authority(node, "ca", "20261123000000Z", "20281001000000Z");
            put(node, KUBELET_CONF, "certificate-authority-data", &node.read(&pki("ca.crt")));
            worker(node);
        },
        &[("expiring", W, "kubelet-client"), ("ca-expiring", W, "ca")],
    ),
    of(
        "worker with the key of the CA",
        |node| {
            let key = node.read(&pki("ca.key"));
            worker(node);
            node.write(&pki("ca.key"), key);
        },
        &[("ca-key-on-worker", W, "ca")],
    ),
    of(
        "worker without ca.crt",
        |node| {
            worker(node);
            node.remove(&pki("ca.crt"));
        },
        &[("ca-missing", B, "ca")],
    ),
    of(
        "worker, copied from another",
        |node| {
            worker(node);
            node.write("/etc/hostname", "Worker-2\n");
        },
        &[("names-of-another-node", W, "kubelet-client")],
    ),
    of(
        "worker whose name is set by hand",
        |node| {
            worker(node);
            node.write("/etc/hostname", "ip-10-0-0-1\n");
            node.write(
                "/var/lib/kubelet/kubeadm-flags.env",
                "KUBELET_KUBEADM_ARGS=\"--hostname-override=cp-1\"\n",
            );
        },
        &[],
    ),
    of(
        "worker of the time before the CA",
        |node| {
            worker(node);
            let (other, _) = other_authority();
            node.write(&pki("ca.crt"), other);
        },
        &[("ca-replaced", B, "kubelet-client"), ("embedded-ca-differs", B, "kubelet.conf")],
    ),
    of(
        "worker, link dangling",
        |node| {
            worker(node);
            point_to(node, "/var/lib/kubelet/pki/gone.pem");
        },
        &[("kubelet-link-dangling", B, "kubelet-client"), ("kubelet-crash-loop", B, "kubelet")],
    ),
];
