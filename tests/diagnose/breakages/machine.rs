//! Static pods, etcd's data, and keys that others can read.

use super::acts::{
    ADMIN_CONF, API_SERVER_POD, ETCD_POD, SCHEDULER_POD, api_server_flag, copy, cut, encrypting, etcd_of,
    external_etcd, mode, mount, pki, plain_etcd,
};
use super::{ALL_EXPIRED, Scenario, of, on};
use crate::common::NOW;
use crate::issuing::{API_SERVER, CLIENT, FRONT_PROXY, Wish, ec_key, issue, reissue, reissue_authority};
use crate::scene::{B, N, W};

const BACKUP: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml.bak";

pub(super) const SCENARIOS: &[Scenario] = &[
    // Static pods.
    of(
        "manifest missing",
        |node| node.rename(SCHEDULER_POD, "/root/kube-scheduler.yaml"),
        &[("manifest-missing", B, "kube-scheduler")],
    ),
    of("etcd's manifest missing", |node| node.remove(ETCD_POD), &[("manifest-missing", B, "etcd")]),
    of(
        "the API server's manifest is no YAML",
        |node| node.write(API_SERVER_POD, "kind: Pod\n\tspec: {}\n"),
        &[("manifest-unreadable", B, "kube-apiserver")],
    ),
    of(
        "the scheduler's manifest is too large to be one",
        |node| node.write(SCHEDULER_POD, vec![b'#'; 9 << 20]),
        &[("manifest-unreadable", B, "kube-scheduler")],
    ),
    of(
        "notes among the manifests",
        |node| node.write("/etc/kubernetes/manifests/README", "Don't touch.\n"),
        &[("manifest-unreadable", W, "README")],
    ),
    of(
        "a key twice in the scheduler's manifest",
        |node| {
            let old = node.text(SCHEDULER_POD);
            node.write(SCHEDULER_POD, format!("{old}\nkind: Pod\n"));
        },
        &[("duplicate-key", W, SCHEDULER_POD)],
    ),
    of(
        "a backup among the manifests",
        |node| {
            copy(node, API_SERVER_POD, BACKUP);
            api_server_flag(node, "--profiling=false");
        },
        &[("duplicate-manifest", B, "kube-apiserver")],
    ),
    of(
        "an equal backup among the manifests",
        |node| {
            let text = node.text(API_SERVER_POD);
            node.write(BACKUP, format!("# As of Monday\n{text}"));
        },
        &[("duplicate-manifest", W, "kube-apiserver")],
    ),
    of(
        "a hidden backup among the manifests",
        |node| copy(node, API_SERVER_POD, "/etc/kubernetes/manifests/.kube-apiserver.yaml"),
        &[],
    ),
    of(
        "a flag's file missing",
        |node| api_server_flag(node, "--oidc-ca-file=/etc/kubernetes/pki/oidc.crt"),
        &[("flag-file-missing", B, "kube-apiserver")],
    ),
    of(
        "a flag's file inside of the container",
        |node| api_server_flag(node, "--oidc-ca-file=/opt/oidc.crt"),
        &[],
    ),
    of(
        "a flag's file mounted from elsewhere",
        |node| {
            node.write("/srv/pki/oidc.crt", "a CA\n");
            api_server_flag(node, "--oidc-ca-file=/etc/oidc/oidc.crt");
            mount(node, "/srv/pki", "/etc/oidc");
        },
        &[],
    ),
    of(
        "a flag's file missing elsewhere",
        |node| {
            api_server_flag(node, "--oidc-ca-file=/etc/oidc/oidc.crt");
            mount(node, "/srv/pki", "/etc/oidc");
        },
        &[("flag-file-missing", B, "kube-apiserver")],
    ),
    of(
        "the keys for what is stored",
        |node| {
            encrypting(node);
            node.write("/etc/encryption/config.yaml", "kind: EncryptionConfiguration\n");
        },
        &[],
    ),
    of("the keys for what is stored missing", encrypting, &[("flag-file-missing", B, "kube-apiserver")]),
    of(
        "a flag that names another pair",
        |node| {
            copy(node, "/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/serving.crt");
            node.replace(
                API_SERVER_POD,
                "tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
                "tls-cert-file=/etc/kubernetes/pki/serving.crt",
            );
        },
        &[("unused-pair", N, "/etc/kubernetes/pki/apiserver.crt")],
    ),
    of(
        "a certificate that an add-on mounts, expired",
        |node| {
            let pem = "/etc/haproxy/haproxy.pem";
            let wish = Wish { start: "20251121000000Z", end: "20261121000000Z", ..API_SERVER };
            let chain = issue(node, &wish, &node.read(&pki("apiserver.key")));
            node.write(pem, chain);
            node.write(
                "/etc/kubernetes/manifests/haproxy.yaml",
                format!("kind: Pod\nmetadata: {{name: haproxy}}\nspec: {{volumes: [{{hostPath: {{path: {pem}}}}}]}}\n"),
            );
        },
        &[("expired", W, "/etc/haproxy/haproxy.pem")],
    ),
    // etcd.
    of("etcd data missing", |node| node.remove("/var/lib/etcd/member"), &[("etcd-data-missing", B, "etcd")]),
    of(
        "etcd's database missing",
        |node| node.remove("/var/lib/etcd/member/snap/db"),
        &[("etcd-data-missing", B, "etcd")],
    ),
    of(
        "etcd's database overwritten",
        |node| node.write("/var/lib/etcd/member/snap/db", [0; 16384]),
        &[("etcd-data-broken", B, "etcd")],
    ),
    of(
        "etcd's database cut off",
        |node| cut(node, "/var/lib/etcd/member/snap/db"),
        &[("etcd-data-broken", B, "etcd")],
    ),
    of(
        "etcd's data where another mount than kubeadm's leads",
        |node| {
            node.rename("/var/lib/etcd", "/srv/etcd");
            node.replace(ETCD_POD, "      path: /var/lib/etcd", "      path: /srv/etcd");
        },
        &[],
    ),
    of(
        "etcd with the flag of a rescue",
        |node| node.replace(ETCD_POD, "    - --name=", "    - --force-new-cluster=true\n    - --name="),
        &[("etcd-force-new-cluster", B, "etcd")],
    ),
    of(
        "etcd with that flag off",
        |node| node.replace(ETCD_POD, "    - --name=", "    - --force-new-cluster=false\n    - --name="),
        &[],
    ),
    of(
        "pages of etcd's database overwritten",
        |node| {
            let path = "/var/lib/etcd/member/snap/db";
            let mut database = node.read(path);
            database[2 * 4096..].fill(0);
            node.write(path, database);
        },
        &[("etcd-data-broken", B, "etcd")],
    ),
    of(
        "etcd's database with the alarm for a full quota",
        |node| etcd_of(node, "nospace.db"),
        &[("etcd-space-exceeded", B, "etcd")],
    ),
    of(
        "etcd's database with the alarm for a corrupt member",
        |node| etcd_of(node, "corrupt.db"),
        &[("etcd-database-damaged", B, "etcd")],
    ),
    of(
        "etcd's database near its quota",
        |node| {
            etcd_of(node, "cluster.db");
            node.replace(ETCD_POD, "    - --name=", "    - --quota-backend-bytes=81920\n    - --name=");
        },
        &[("etcd-nearly-full", W, "etcd"), ("etcd-not-read", N, "etcd")],
    ),
    of(
        "etcd's database without a quota, as large",
        |node| {
            etcd_of(node, "cluster.db");
            node.replace(ETCD_POD, "    - --name=", "    - --quota-backend-bytes=-1\n    - --name=");
        },
        &[("etcd-not-read", N, "etcd")],
    ),
    // What the cluster's objects say.
    on(
        "ecdsa-p256",
        "2026-11-24T22:05:00Z",
        "requests for certificates pending",
        |node| etcd_of(node, "cluster.db"),
        &[("csr-pending", N, "csr"), ("etcd-not-read", N, "etcd")],
    ),
    on(
        "ecdsa-p256",
        "2026-11-26T00:00:00Z",
        "requests for certificates that have become too old",
        |node| etcd_of(node, "cluster.db"),
        &[("etcd-not-read", N, "etcd")],
    ),
    of(
        "the CA renewed with its key, its copies in the cluster as before",
        |node| {
            etcd_of(node, "cluster.db");
            reissue_authority(node, "ca", "20261123223000Z", "20461120223000Z");
        },
        &[
            ("ca-copy-differs", N, "ca"),
            ("embedded-ca-differs", W, "admin.conf"),
            ("embedded-ca-differs", W, "super-admin.conf"),
            ("embedded-ca-differs", W, "controller-manager.conf"),
            ("embedded-ca-differs", W, "scheduler.conf"),
            ("embedded-ca-differs", W, "kubelet.conf"),
            ("etcd-not-read", N, "etcd"),
        ],
    ),
    of(
        "the front proxy's CA replaced, its copy in the cluster as before",
        |node| {
            etcd_of(node, "cluster.db");
            node.write(&pki("front-proxy-ca.key"), ec_key());
            reissue_authority(node, "front-proxy-ca", "20261123223000Z", "20361120223000Z");
            reissue(node, "front-proxy-client", &FRONT_PROXY);
        },
        &[("ca-copy-differs", W, "front-proxy-ca"), ("etcd-not-read", N, "etcd")],
    ),
    of("etcd without TLS", plain_etcd, &[]),
    of(
        "an external etcd without TLS",
        |node| {
            plain_etcd(node);
            node.remove(ETCD_POD);
            node.remove("/var/lib/etcd");
            node.replace(API_SERVER_POD, "http://127.0.0.1:2379", "http://192.168.10.21:2379");
        },
        &[("etcd-external", N, "etcd")],
    ),
    of(
        "etcd with TLS among its members alone",
        |node| {
            let peer =
                ["etcd/ca", "etcd/peer"].map(|base| ["crt", "key"].map(|end| pki(&format!("{base}.{end}"))));
            let kept: Vec<_> = peer.iter().flatten().map(|path| (path, node.read(path))).collect();
            plain_etcd(node);
            kept.iter().for_each(|(path, bytes)| node.write(path, bytes));
            node.remove(&pki("etcd/peer.key"));
            let flag = "    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt\n    - --data-dir=";
            node.replace(ETCD_POD, "    - --data-dir=", flag);
        },
        &[("key-missing", B, "etcd-peer")],
    ),
    of("external etcd", external_etcd, &[("etcd-external", N, "etcd")]),
    of(
        "external etcd, its client certificate expired",
        |node| {
            external_etcd(node);
            let wish = Wish {
                end: "20261121000000Z",
                start: "20251121000000Z",
                subject: "/CN=etcd-client",
                extensions: CLIENT,
                ..API_SERVER
            };
            reissue(node, "external-etcd", &wish);
        },
        &[("etcd-external", N, "etcd"), ("etcd-client-expired", B, "etcd client")],
    ),
    of(
        "external etcd in kubeadm's own places, its client certificate expired",
        |node| {
            let wish = Wish {
                end: "20261121000000Z",
                start: "20251121000000Z",
                subject: "/CN=etcd-client",
                extensions: CLIENT,
                authority: "etcd/ca",
                ..API_SERVER
            };
            reissue(node, "apiserver-etcd-client", &wish);
            node.remove(ETCD_POD);
            node.remove("/var/lib/etcd");
            node.remove(&pki("etcd/ca.key"));
            for pair in ["server", "peer", "healthcheck-client"] {
                node.remove(&pki(&format!("etcd/{pair}.crt")));
                node.remove(&pki(&format!("etcd/{pair}.key")));
            }
            node.replace(API_SERVER_POD, "https://127.0.0.1:2379", "https://192.168.10.21:2379");
        },
        &[("etcd-external", N, "etcd"), ("etcd-client-expired", B, "etcd client")],
    ),
    of(
        "external etcd as kubespray has it, its client certificate expired and its CA's key here",
        |node| {
            let etcd = |name: &str| format!("/etc/ssl/etcd/ssl/{name}.pem");
            for (from, to) in [("ca.crt", "ca"), ("ca.key", "ca-key")] {
                copy(node, &pki(&format!("etcd/{from}")), &etcd(to));
            }
            let wish = Wish {
                end: "20261121000000Z",
                start: "20251121000000Z",
                subject: "/CN=etcd-client",
                extensions: CLIENT,
                authority: "etcd/ca",
                ..API_SERVER
            };
            reissue(node, "apiserver-etcd-client", &wish);
            node.rename(&pki("apiserver-etcd-client.crt"), &etcd("node-cp-1"));
            node.rename(&pki("apiserver-etcd-client.key"), &etcd("node-cp-1-key"));
            node.remove(ETCD_POD);
            node.remove("/etc/kubernetes/pki/etcd");
            node.remove("/var/lib/etcd");
            for (from, to) in [
                ("pki/etcd/ca.crt", "ca"),
                ("pki/apiserver-etcd-client.crt", "node-cp-1"),
                ("pki/apiserver-etcd-client.key", "node-cp-1-key"),
            ] {
                node.replace(API_SERVER_POD, &format!("/etc/kubernetes/{from}"), &etcd(to));
            }
            node.replace(API_SERVER_POD, "https://127.0.0.1:2379", "https://192.168.10.21:2379");
        },
        &[("etcd-external", N, "etcd"), ("expired", B, "apiserver-etcd-client")],
    ),
    on(
        "expired-all",
        NOW,
        "all expired, and etcd data missing",
        |node| node.remove("/var/lib/etcd/member"),
        &[("etcd-data-missing", B, "etcd")],
    )
    .and(ALL_EXPIRED),
    // Who can read keys, and where some lie.
    of(
        "keys that others can read",
        |node| {
            mode(node, &pki("ca.key"), 0o644);
            mode(node, ADMIN_CONF, 0o640);
        },
        &[("key-exposed", W, "/etc/kubernetes/pki/ca.key"), ("key-exposed", W, "/etc/kubernetes/admin.conf")],
    ),
    of(
        "backups and copies of keys",
        |node| {
            copy(node, &pki("ca.key"), "/etc/kubernetes.old-20260101/pki/ca.key");
            copy(node, &pki("ca.crt"), "/etc/kubernetes.old-20260101/pki/ca.crt");
            mode(node, "/etc/kubernetes.old-20260101/pki/ca.key", 0o640);
            copy(node, &pki("sa.key"), "/root/backup/sa.key");
            copy(node, ADMIN_CONF, "/tmp/admin.conf");
            copy(node, ADMIN_CONF, "/home/alice/.kube/config.bak");
            copy(node, &pki("apiserver.key"), "/etc/kubernetes/pki/apiserver.key.old");
            copy(node, &pki("ca.key"), "/etc/kubernetes/pki-backup/ca.key");
            copy(node, &pki("apiserver.key"), "/etc/kubernetes/pki-backup/kubelet-client-current.pem");
            node.write("/root/.ssh/config", "Host *\n");
            node.write("/root/notes.conf", "nothing\n");
        },
        &[
            ("stray-private-key", W, "/etc/kubernetes.old-20260101/pki/ca.key"),
            ("stray-private-key", W, "/root/backup/sa.key"),
            ("stray-private-key", W, "/tmp/admin.conf"),
            ("stray-private-key", W, "/home/alice/.kube/config.bak"),
            ("stray-private-key", W, "/etc/kubernetes/pki/apiserver.key.old"),
            ("stray-private-key", W, "/etc/kubernetes/pki-backup/ca.key"),
            ("stray-private-key", W, "/etc/kubernetes/pki-backup/kubelet-client-current.pem"),
        ],
    ),
    of(
        "keys of others beside kubeadm's",
        |node| {
            node.write("/etc/kubernetes/webhook/tls.key", ec_key());
            copy(node, &pki("front-proxy-client.key"), "/etc/kubernetes/pki/front-proxy-2.key");
        },
        &[],
    ),
    // 1.20.
    on(
        "v120-expired",
        "2024-06-01",
        "1.20, a backup among the manifests",
        |node| {
            copy(node, ETCD_POD, "/etc/kubernetes/manifests/etcd.yaml.orig");
            node.replace(
                API_SERVER_POD,
                "    - --insecure-port=0\n",
                "    - --insecure-port=0\n    - --oidc-ca-file=/etc/kubernetes/pki/oidc.crt\n",
            );
        },
        &[("duplicate-manifest", W, "etcd"), ("flag-file-missing", B, "kube-apiserver")],
    ),
];
