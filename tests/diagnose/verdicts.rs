//! Verdicts, word for word: what a tired person reads first has to be true, plain, and say what to do next.

use super::breakages::named;
use super::scene::Diagnosis;

const FINE: &str = "Pods that run are not affected.";
const GO_ON: &str = "Pods that run are not affected: they go on.";
const UNMANAGED: &str =
    "Pods that run are not affected: they go on, and nothing can be managed until this is repaired.";
const NOTHING_NEW: &str = "Pods that run are not affected: they go on, and this node's kubelet starts nothing new until this is repaired.";
const LOST: &str = "Containers that run go on, but the cluster takes the node for lost and starts its pods elsewhere after some minutes.";
const REFUSED: &str = "Pods that run go on, but those that ask the API are refused.";

/// Scenario, verdict, what becomes of the workloads.
const VERDICTS: &[(&str, &str, &str)] = &[
    (
        "healthy",
        "nothing on this disk keeps the control plane from working; 13 credentials valid, the first to expire is admin.conf in 364 days (2027-11-23T22:23:27Z); CAs valid until 2036-11-20",
        FINE,
    ),
    (
        "worker",
        "nothing on this disk keeps the kubelet from working; 2 credentials valid, the first to expire is kubelet-client in 364 days (2027-11-23T22:18:27Z); CA valid until 2036-11-20",
        FINE,
    ),
    (
        "all expired",
        "control plane cannot start: all 13 credentials expired 693 days ago; CAs valid until 2033-12-29; repairable here with: kuberescue recover",
        UNMANAGED,
    ),
    (
        "CA expired",
        "control plane cannot start: all 3 CAs expired 1060 days ago, and everything that they signed is refused; all 13 credentials expired 4345 days ago; first: make the CAs anew from their own keys (kuberescue explain ca-expired); then: kuberescue recover",
        UNMANAGED,
    ),
    (
        "one CA expired, its leafs not",
        "control plane cannot start: the CA etcd-ca expired 23 days ago, and everything that it signed is refused; first: make the CA anew from its own key (kuberescue explain ca-expired); then: kuberescue recover",
        UNMANAGED,
    ),
    (
        "external CA",
        "nothing on this disk keeps the control plane from working; 13 credentials valid, the first to expire is admin.conf in 364 days (2027-11-23T22:23:50Z); CAs valid until 2036-11-20; 3 warnings",
        FINE,
    ),
    (
        "external CA, all expired",
        "control plane cannot start: all 13 credentials expired 7 days ago; CAs valid until 2036-11-20; not repairable here as it is: the authority ca (/etc/kubernetes/pki/ca.crt) can't sign: its key /etc/kubernetes/pki/ca.key is missing; next: kuberescue explain ca-key-missing",
        UNMANAGED,
    ),
    (
        "external CA, expired too",
        "control plane cannot start: all 3 CAs expired 41 days ago, and everything that they signed is refused; all 13 credentials expired 3326 days ago; not repairable here as it is: the CA has to be made anew where its key is; next: kuberescue explain ca-expired",
        UNMANAGED,
    ),
    (
        "etcd data missing",
        "control plane cannot start: etcd's data is not there (/var/lib/etcd holds no member of etcd), which is not a certificate problem; next: see whether a mount is missing: findmnt --verify, then mount -a",
        UNMANAGED,
    ),
    (
        "all expired, and etcd data missing",
        "control plane cannot start: etcd's data is not there (/var/lib/etcd holds no member of etcd), which is not a certificate problem; besides, all 13 credentials expired 693 days ago; CAs valid until 2033-12-29; first: see whether a mount is missing: findmnt --verify, then mount -a; then: kuberescue recover",
        UNMANAGED,
    ),
    (
        "manifest missing",
        "control plane works only in part: a static pod of the control plane has no manifest (no manifest of kube-scheduler in /etc/kubernetes/manifests), which is not a certificate problem; next: look where it went: find /etc/kubernetes /root /tmp -name '*.yaml*'; then mv it back as /etc/kubernetes/manifests/kube-scheduler.yaml again",
        GO_ON,
    ),
    (
        "worker, expired",
        "kubelet cannot start: kubelet-client expired 3 days ago; CA valid until 2036-11-20; next: on a control-plane node: kubeadm kubeconfig user --org system:nodes --client-name system:node:cp-1 (all steps: kuberescue diagnose -v)",
        LOST,
    ),
    (
        "admin.conf expired",
        "nothing on this disk keeps the control plane from working, but admin.conf expired 3 days ago: kubectl with it is refused; 12 credentials valid, the first to expire is apiserver in 364 days (2027-11-23T22:23:27Z); CAs valid until 2036-11-20; 1 warning; renew with: kuberescue certs renew admin.conf",
        FINE,
    ),
    (
        "key mismatch",
        "control plane cannot start: unusable: apiserver (key-mismatch); CAs valid until 2036-11-20; repairable here with: kuberescue recover",
        UNMANAGED,
    ),
    (
        "mixed",
        "control plane may not start: controller-manager.conf expired 998 days ago; unusable: etcd-peer (ca-replaced), apiserver-kubelet-client (key-mismatch), front-proxy-client (file-truncated); CAs valid until 2036-11-20; repairable here with: kuberescue recover, once the CAs are known to be the same on all nodes",
        UNMANAGED,
    ),
    (
        "a new CA of the same name, all else old",
        "control plane cannot start: unusable: apiserver (ca-replaced), kubelet-client (ca-replaced), kubelet.conf (embedded-ca-differs) and 3 more; CAs valid until 2036-11-20; repairable here with: kuberescue recover, once the CAs are known to be the same on all nodes",
        UNMANAGED,
    ),
    (
        "leafs copied from another node",
        "control plane cannot start: unusable: etcd-server (names-of-another-node), apiserver (names-of-another-node); CAs valid until 2036-11-20; next: for etcd-server, apiserver alike, move certificate and key away (mv /etc/kubernetes/pki/etcd/server.crt /root/, and the .key): kuberescue recover issues them for this node",
        UNMANAGED,
    ),
    (
        "the kubelet alone expired",
        "control plane cannot start again once it is stopped: kubelet-client expired 3 days ago; CAs valid until 2036-11-20; repairable here with: kuberescue recover",
        NOTHING_NEW,
    ),
    (
        "a backup among the manifests",
        "control plane may not start: two manifests for one component (/etc/kubernetes/manifests/kube-apiserver.yaml and /etc/kubernetes/manifests/kube-apiserver.yaml.bak are both manifests of kube-apiserver), which is not a certificate problem; next: compare the two, then move the copy out of the directory: mv /etc/kubernetes/manifests/kube-apiserver.yaml.bak /root/",
        UNMANAGED,
    ),
    (
        "kubelet.conf missing",
        "control plane cannot start again once it is stopped: the kubelet's kubeconfig is not there or can't be read (/etc/kubernetes/kubelet.conf is not there), which is not a certificate problem; next: copy it with scp NODE:/etc/kubernetes/kubelet.conf /etc/kubernetes/kubelet.conf from another node, where it names kubelet-client-current.pem and holds no key",
        NOTHING_NEW,
    ),
    (
        "another CA in kubelet.conf",
        "control plane works only in part: unusable: kubelet.conf (embedded-ca-differs); CAs valid until 2036-11-20; next: put the node's CA into it: kubectl config set-cluster NAME --kubeconfig /etc/kubernetes/kubelet.conf --certificate-authority /etc/kubernetes/pki/ca.crt --embed-certs, NAME being its cluster's there",
        GO_ON,
    ),
    (
        "another CA in kubelet.conf, and one that can't sign",
        "control plane cannot start: unusable: ca (ca-not-yet-valid), apiserver (missing), kubelet.conf (embedded-ca-differs); CAs valid until 2036-01-01; not repairable here as it is: the authority ca (/etc/kubernetes/pki/ca.crt) can't sign: it starts 2027-01-01T00:00:00Z; next: kuberescue explain ca-not-yet-valid",
        UNMANAGED,
    ),
    (
        "CA not yet valid",
        "control plane works only in part: unusable: front-proxy-ca (ca-not-yet-valid); CAs valid until 2036-10-01; not repairable here as it is: the authority front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt) can't sign: it starts 2027-01-01T00:00:00Z; next: kuberescue explain ca-not-yet-valid",
        GO_ON,
    ),
    (
        "kubelet-client-current.pem is a file",
        "control plane cannot start again once it is stopped: unusable: kubelet-client (kubelet-link-no-link); CAs valid until 2036-11-20; next: give it a dated name and put the link: mv /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet-client-2027-03-01-12-00-00.pem; ln -s /var/lib/kubelet/pki/kubelet-client-2027-03-01-12-00-00.pem /var/lib/kubelet/pki/kubelet-client-current.pem; systemctl restart kubelet",
        NOTHING_NEW,
    ),
    (
        "the API server's manifest is no YAML",
        "control plane cannot start: a file in the manifest directory is no pod (kube-apiserver: error: line 1 column 7: while scanning a plain scalar, found a tab), which is not a certificate problem; next: compare it with an archive (kuberescue archive diff ARCHIVE) or with the manifest of another control-plane node, and mend it",
        UNMANAGED,
    ),
    (
        "worker with the key of the CA",
        "nothing on this disk keeps the kubelet from working; 2 credentials valid, the first to expire is kubelet-client in 364 days (2027-11-23T22:18:27Z); CA valid until 2036-11-20; 1 warning",
        FINE,
    ),
    (
        "sa.pub of another key",
        "control plane works only in part: unusable: sa (sa-pair-mismatch); CAs valid until 2036-11-20; next: compare sha256sum of sa.key and sa.pub with another control-plane node, where both are the same",
        REFUSED,
    ),
    (
        "a certificate ends within 30 days",
        "nothing on this disk keeps the control plane from working; 13 credentials valid, the first to expire is apiserver in 16 days (2026-12-10T00:00:00Z); CAs valid until 2036-11-20; 1 warning; renew with: kuberescue certs renew apiserver",
        FINE,
    ),
    (
        "external etcd, its client certificate expired",
        "control plane cannot start: unusable: etcd client (etcd-client-expired); CAs valid until 2036-11-20; next: get a new pair from etcd's CA and put it where --etcd-certfile and --etcd-keyfile say, then kuberescue restart kube-apiserver",
        UNMANAGED,
    ),
];

#[test]
fn the_verdict_is_one_plain_line() {
    let mut wrong = String::new();
    for (name, line, workloads) in VERDICTS {
        let scenario = named(name);
        let found = Diagnosis::at(&scenario.node(), scenario.at);
        let is = format!("{}\n{}", found.verdict(), found.json["verdict"]["workloads"].as_str().unwrap());
        if is != format!("{line}\n{workloads}") {
            wrong.push_str(&format!("{name}\n{is}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
