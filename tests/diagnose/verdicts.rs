//! Verdicts, word for word: what a tired person reads first has to be true, plain, and say what to do next.

use std::fmt::Write as _;

use super::breakages::named;
use super::common::{kuberescue, run};

const SCENARIOS: &[&str] = &[
    "healthy",
    "worker",
    "all expired",
    "CA expired",
    "one CA expired, its leaves not",
    "external CA",
    "external CA, all expired",
    "external CA, expired too",
    "etcd data missing",
    "all expired, and etcd data missing",
    "manifest missing",
    "worker, expired",
    "admin.conf expired",
    "key mismatch",
    "mixed",
    "a new CA of the same name, all else old",
    "leaves copied from another node",
    "the kubelet alone expired",
    "a backup among the manifests",
    "kubelet.conf missing",
    "another CA in kubelet.conf",
    "another CA in kubelet.conf, and one that can't sign",
    "CA not yet valid",
    "kubelet-client-current.pem is a file",
    "the API server's manifest is no YAML",
    "worker with the key of the CA",
    "sa.pub of another key",
    "a certificate ends within 30 days",
    "external etcd, its client certificate expired",
];

/// What stands above the findings: verdict, cause and next step, each in at most two rows; the workloads, conditions, obstacles.
#[test]
fn the_verdict_is_read_first() {
    let mut all = String::new();
    for name in SCENARIOS {
        let scenario = named(name);
        let node = scenario.node();
        let root = node.root().to_str().unwrap();
        let told = node.run_as_given(&format!("diagnose --at {}", scenario.at)).out.replace(root, "ROOT");
        let headline = told.split("\n\n").nth(1).unwrap();
        let mut narrow = kuberescue();
        narrow.args(["diagnose", "--at", scenario.at, "--root"]).arg(node.root()).env("COLUMNS", "80");
        let narrow = run(narrow).out;
        let mut labels = Vec::new();
        for row in narrow.split("\n\n").nth(1).unwrap().lines() {
            assert!(row.chars().count() <= 80, "{name}: {row}");
            labels.push(row[..9].trim_end());
        }
        assert!(labels.iter().all(|label| ["VERDICT", "CAUSE", "NEXT", ""].contains(label)), "{headline}");
        assert!(!labels.windows(2).any(|pair| pair == ["", ""]), "{headline}");
        assert_eq!(told.lines().last(), headline.lines().rfind(|row| row.starts_with("NEXT")), "{told}");
        let is_section = |text: &str| {
            ["Blocking problems", "Warnings:", "Notes:"].iter().any(|heading| text.starts_with(heading))
        };
        let head: Vec<_> = told.split("\n\n").skip(1).take_while(|text| !is_section(text)).collect();
        let _ = writeln!(all, "[{name}]\n{}\n", head.join("\n").trim_end());
    }
    insta::assert_snapshot!(all, @r#"
    [healthy]
    VERDICT  NO BLOCKING PROBLEM: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    NEXT     nothing to do before 2027-11-23, when admin.conf expires

    [worker]
    VERDICT  NO BLOCKING PROBLEM: 2 certificates valid, the first until 2027-11-23 (364 days), CA valid until 2036-11-20
    NEXT     nothing to do before 2027-11-23, when kubelet-client expires

    [all expired]
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.

    [CA expired]
    VERDICT  CANNOT START: 3 of 3 CAs expired 1060 days ago
    CAUSE    etcd-ca, ca, front-proxy-ca expired on 2023-12-30: every certificate that they signed is rejected
    NEXT     kuberescue recover --renew-cas --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.

    [one CA expired, its leaves not]
    VERDICT  CANNOT START: 1 of 3 CAs expired 23 days ago
    CAUSE    etcd-ca expired on 2026-11-01: every certificate that it signed is rejected
    NEXT     kuberescue recover --renew-cas --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.

    [external CA]
    VERDICT  NO BLOCKING PROBLEM, 3 WARNINGS: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    etcd-ca, ca, front-proxy-ca: the key of a CA is not on this node
    NEXT     kuberescue explain external-ca

    [external CA, all expired]
    VERDICT  CANNOT START: 13 of 13 certificates expired 7 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired on 2027-11-23; CAs valid until 2036-11-20
    NEXT     kuberescue explain lost-ca-key
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: its key /etc/kubernetes/pki/ca.key was not found; it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf, kubelet-client [ca-key-missing]: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key; --partial renews the rest

    [external CA, expired too]
    VERDICT  CANNOT START: 3 of 3 CAs expired 41 days ago
    CAUSE    etcd-ca, ca, front-proxy-ca expired on 2036-11-20: every certificate that they signed is rejected
    NEXT     kuberescue explain lost-ca-key
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): its key /etc/kubernetes/pki/ca.key was not found [ca-key-missing]: copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca; --partial renews the rest

    [etcd data missing]
    VERDICT  CANNOT START: etcd's data was not found
    CAUSE    etcd: no etcd member in /var/lib/etcd
    NEXT     kuberescue explain etcd-data-missing
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd: no etcd member in /var/lib/etcd; reissuing certificates does not repair this [etcd-data-missing]: See whether a mount is missing: findmnt --verify, then mount -a. Else put the directory back, or restore the newest snapshot (etcdutl snapshot restore SNAPSHOT.db --data-dir DIR) before anything is restarted. With several etcd members no snapshot is needed: remove this one and join it again. To go on all the same: --accept etcd-data-missing

    [all expired, and etcd data missing]
    VERDICT  CANNOT START: etcd's data was not found; 13 of 13 certificates expired 693 days ago
    CAUSE    etcd: no etcd member in /var/lib/etcd
    NEXT     kuberescue explain etcd-data-missing
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd: no etcd member in /var/lib/etcd; reissuing certificates does not repair this [etcd-data-missing]: See whether a mount is missing: findmnt --verify, then mount -a. Else put the directory back, or restore the newest snapshot (etcdutl snapshot restore SNAPSHOT.db --data-dir DIR) before anything is restarted. With several etcd members no snapshot is needed: remove this one and join it again. To go on all the same: --accept etcd-data-missing

    [manifest missing]
    VERDICT  WORKS ONLY IN PART: a static pod of the control plane has no manifest
    CAUSE    kube-scheduler: no manifest of kube-scheduler in /etc/kubernetes/manifests
    NEXT     kuberescue explain manifest-missing
    Running pods are not affected.
    Manual action required: kube-scheduler: no manifest of kube-scheduler in /etc/kubernetes/manifests; reissuing certificates does not repair this [manifest-missing]: Find it (find /etc/kubernetes /root /tmp -name '*.yaml*') and copy it to /etc/kubernetes/manifests/kube-scheduler.yaml. Otherwise restore it from an archive (kuberescue archive list, kuberescue archive restore), or create it again: kubeadm init phase control-plane all, kubeadm init phase etcd local. To go on all the same: --accept manifest-missing

    [worker, expired]
    VERDICT  KUBELET CANNOT START: 1 of 2 certificates expired 3 days ago
    CAUSE    kubelet-client expired on 2026-11-21; CA valid until 2036-11-20
    NEXT     kuberescue explain workers
    Running containers continue, but the cluster considers the node lost and starts its pods elsewhere after some minutes.
    Manual action required: kubelet-client (expired): On a control-plane node: sudo kuberescue bundle create --node NAME, with this node's name. Copy NAME.bundle.age here; then: sudo kuberescue bundle apply NAME.bundle.age.

    [admin.conf expired]
    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 12 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    admin.conf: expired on 2026-11-21 (3 days ago)
    NEXT     kuberescue certs renew admin.conf --root ROOT

    [key mismatch]
    VERDICT  CANNOT START: apiserver no longer works
    CAUSE    apiserver: its key does not match its certificate
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.

    [mixed]
    VERDICT  MAY NOT START: 1 of 13 certificates expired 998 days ago, 3 more no longer work
    CAUSE    etcd-peer: signed by another key than that of "CN=etcd-ca"
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.
    Condition: certificates of another CA are replaced. Make sure first that ca.crt is the same on all control-plane nodes (sha256sum /etc/kubernetes/pki/ca.crt).

    [a new CA of the same name, all else old]
    VERDICT  CANNOT START: apiserver, kubelet-client and 4 more no longer work
    CAUSE    apiserver, kubelet-client and 3 more: signed by another key than that of "CN=kubernetes"
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected, but nothing can be managed until this is repaired.
    Condition: certificates of another CA are replaced. Make sure first that ca.crt is the same on all control-plane nodes (sha256sum /etc/kubernetes/pki/ca.crt).

    [leaves copied from another node]
    VERDICT  CANNOT START: etcd-server, apiserver no longer work
    CAUSE    etcd-server, apiserver: a certificate is another node's
    NEXT     kuberescue explain names-of-another-node
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: /etc/kubernetes/pki/apiserver.crt was copied from another node: valid for DNS:cp-2, DNS:kubernetes.default.svc, IP:10.96.0.1, IP:192.168.10.12, but not for this node's name cp-1 or its address 192.168.10.11 [names-of-another-node]: move /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key to a safe place; kuberescue recover then issues a certificate for this node

    [the kubelet alone expired]
    VERDICT  CANNOT START AGAIN ONCE IT IS STOPPED: 1 of 13 certificates expired 3 days ago
    CAUSE    kubelet-client expired on 2026-11-21; CAs valid until 2036-11-20
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected, but this node's kubelet starts nothing new until this is repaired.

    [a backup among the manifests]
    VERDICT  MAY NOT START: two manifests for one component
    CAUSE    kube-apiserver: /etc/kubernetes/manifests/kube-apiserver.yaml and /etc/kubernetes/manifests/kube-apiserver.yaml.bak are both manifests …
    NEXT     kuberescue explain duplicate-manifest
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: kube-apiserver: /etc/kubernetes/manifests/kube-apiserver.yaml and /etc/kubernetes/manifests/kube-apiserver.yaml.bak are both manifests for kube-apiserver; the kubelet runs the last one; reissuing certificates does not repair this [duplicate-manifest]: Compare the two, and with the last archive (kuberescue archive diff ARCHIVE). Only the one that is in use may stay in the directory; keep the other one elsewhere. To go on all the same: --accept duplicate-manifest

    [kubelet.conf missing]
    VERDICT  CANNOT START AGAIN ONCE IT IS STOPPED: the kubelet's kubeconfig was not found or cannot be read
    CAUSE    kubelet: /etc/kubernetes/kubelet.conf not found
    NEXT     kuberescue explain kubelet-conf-missing
    Running pods are not affected, but this node's kubelet starts nothing new until this is repaired.
    Manual action required: kubelet: /etc/kubernetes/kubelet.conf not found; reissuing certificates does not repair this [kubelet-conf-missing]: Copy it with scp NODE:/etc/kubernetes/kubelet.conf /etc/kubernetes/kubelet.conf from another node, where it names kubelet-client-current.pem and holds no key. Then systemctl restart kubelet. Or on a control-plane node: sudo kuberescue bundle create --node NAME; here: sudo kuberescue bundle apply NAME.bundle.age. To go on all the same: --accept kubelet-conf-missing

    [another CA in kubelet.conf]
    VERDICT  WORKS ONLY IN PART: kubelet.conf no longer works
    CAUSE    kubelet.conf: certificate-authority-data is another CA, not this node's ca.crt
    NEXT     kuberescue recover --root ROOT
    Running pods are not affected.

    [another CA in kubelet.conf, and one that can't sign]
    VERDICT  CANNOT START: ca, apiserver, kubelet.conf no longer work
    CAUSE    ca: not valid until 2027-01-01 00:00 UTC
    NEXT     kuberescue explain ca-not-yet-valid
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: the CA ca (/etc/kubernetes/pki/ca.crt) cannot sign: not valid until 2027-01-01 00:00 UTC; it blocks admin.conf, apiserver, apiserver-kubelet-client, controller-manager.conf, scheduler.conf, super-admin.conf [ca-not-yet-valid]: check the system clock: date -u

    [CA not yet valid]
    VERDICT  WORKS ONLY IN PART: front-proxy-ca no longer works
    CAUSE    front-proxy-ca: not valid until 2027-01-01 00:00 UTC
    NEXT     kuberescue explain ca-not-yet-valid
    Running pods are not affected.
    Manual action required: the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) cannot sign: not valid until 2027-01-01 00:00 UTC; it blocks front-proxy-client [ca-not-yet-valid]: check the system clock: date -u

    [kubelet-client-current.pem is a file]
    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 13 certificates valid, the first until 2027-11-23 (364 days), CAs valid until 2036-11-20
    CAUSE    kubelet-client: a link in the kubelet's certificate directory is a file
    NEXT     kuberescue explain kubelet-link-no-link

    [the API server's manifest is no YAML]
    VERDICT  CANNOT START: a file in the manifest directory is no pod
    CAUSE    kube-apiserver: /etc/kubernetes/manifests/kube-apiserver.yaml: line 1, column 7: not valid YAML
    NEXT     kuberescue explain manifest-unreadable
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: kube-apiserver: /etc/kubernetes/manifests/kube-apiserver.yaml: line 1, column 7: not valid YAML; reissuing certificates does not repair this [manifest-unreadable]: Compare it with an archive (kuberescue archive diff ARCHIVE) or with the manifest of another control-plane node, and correct it. Notes and backups belong in another directory than the manifests. To go on all the same: --accept manifest-unreadable

    [worker with the key of the CA]
    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 2 certificates valid, the first until 2027-11-23 (364 days), CA valid until 2036-11-20
    CAUSE    ca: the key of CA ca is on a worker, which needs only its certificate
    NEXT     kuberescue explain ca-key-on-worker

    [sa.pub of another key]
    VERDICT  WORKS ONLY IN PART: sa no longer works
    CAUSE    sa: is not the public key of /etc/kubernetes/pki/sa.key
    NEXT     kuberescue explain sa-pair-mismatch
    Running pods continue, but those that use the API are rejected.
    Manual action required: sa (sa-pair-mismatch): Compare sha256sum of sa.key and sa.pub with another control-plane node, where both are the same. If sa.key is the right one: openssl pkey -in sa.key -pubout -out sa.pub, then kuberescue restart kube-apiserver.

    [a certificate ends within 30 days]
    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 13 certificates valid, the first until 2026-12-10 (16 days), CAs valid until 2036-11-20
    CAUSE    apiserver: expires on 2026-12-10 (in 16 days)
    NEXT     kuberescue certs renew apiserver --root ROOT

    [external etcd, its client certificate expired]
    VERDICT  CANNOT START: etcd client no longer works
    CAUSE    etcd client: expired on 2026-11-21 (3 days ago)
    NEXT     kuberescue explain etcd-client-expired
    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd client (etcd-client-expired): Get a new pair from etcd's CA and put it where --etcd-certfile and --etcd-keyfile say, then kuberescue restart kube-apiserver.
    "#);
}
