use super::*;

const TREES: [&str; 7] =
    ["rsa2048", "ecdsa-p256", "expired-all", "expired-ca", "external-ca", "mixed", "v120-expired"];

fn tree(name: &str, edit: impl Fn(&str, String) -> Option<String>) -> Inventory {
    Inventory::read(&crate::analysis::node::tree::tree(name, edit), None)
}

fn lines(expected: &Expected) -> Vec<String> {
    let line = |e: &Endpoint| {
        let served = match &e.served {
            Served::File(path) => path.display().to_string(),
            other => format!("{other:?}"),
        };
        format!("{} {:?} {} {served} {}", e.name, e.scheme, e.address, e.health.client.unwrap_or("-"))
    };
    expected.endpoints.iter().map(line).collect()
}

#[test]
fn the_ports_of_a_kubeadm_node() {
    for name in TREES {
        let found = expected(&tree(name, |_, text| Some(text)));
        assert_eq!(
            lines(&found),
            [
                "etcd-client Https 127.0.0.1:2379 /etc/kubernetes/pki/etcd/server.crt etcd-healthcheck-client",
                "etcd-client Https 192.168.10.11:2379 /etc/kubernetes/pki/etcd/server.crt etcd-healthcheck-client",
                "etcd-peer Https 192.168.10.11:2380 /etc/kubernetes/pki/etcd/peer.crt etcd-peer",
                "etcd-metrics Http 127.0.0.1:2381 Nothing -",
                "kube-apiserver Https 192.168.10.11:6443 /etc/kubernetes/pki/apiserver.crt -",
                "kube-controller-manager Https 127.0.0.1:10257 Memory -",
                "kube-scheduler Https 127.0.0.1:10259 Memory -",
                "kubelet Https 127.0.0.1:10250 /var/lib/kubelet/pki/kubelet.crt apiserver-kubelet-client",
            ],
            "{name}"
        );
        assert_eq!(found.gaps, [], "{name}");
        assert!(!found.endpoints[7].is_verified, "{name}: a self-signed kubelet.crt");
    }
}

#[test]
fn flags_decide() {
    let changes = [
        ("--bind-address=127.0.0.1", "--bind-address=0.0.0.0"),
        ("--advertise-address=192.168.10.11", "--advertise-address=10.0.0.9"),
        ("--secure-port=6443", "--secure-port=8443"),
        ("--tls-cert-file=/etc/kubernetes/pki/apiserver.crt", "--tls-cert-file=/srv/api.crt"),
        (
            "--listen-client-urls=https://127.0.0.1:2379,https://192.168.10.11:2379",
            "--listen-client-urls=https://[::]:12379,unix:///run/etcd.sock,https://127.0.0.1:12379,http://localhost:7",
        ),
        ("--listen-metrics-urls=http://127.0.0.1:2381", "--listen-metrics-urls=https://127.0.0.1:2381"),
        ("--use-service-account-credentials=true", "--tls-cert-file=/srv/kcm.crt"),
        (
            "--leader-elect=true\n    image: registry.k8s.io/kube-scheduler",
            "--secure-port=0\n    image: registry.k8s.io/kube-scheduler",
        ),
        (
            "healthzPort: 10248",
            "port: 11250\naddress: 10.0.0.9\ntlsCertFile: /srv/kubelet.crt\ntlsPrivateKeyFile: /srv/kubelet.key",
        ),
    ];
    let found = expected(&tree("rsa2048", |path, text| {
        let yaml = path.ends_with(".yaml");
        Some(changes.iter().filter(|_| yaml).fold(text, |text, (from, to)| text.replace(from, to)))
    }));
    assert_eq!(
        lines(&found),
        [
            "etcd-client Https 127.0.0.1:12379 /etc/kubernetes/pki/etcd/server.crt etcd-healthcheck-client",
            "etcd-client Http 127.0.0.1:7 Nothing -",
            "etcd-peer Https 192.168.10.11:2380 /etc/kubernetes/pki/etcd/peer.crt etcd-peer",
            "etcd-metrics Https 127.0.0.1:2381 /etc/kubernetes/pki/etcd/server.crt etcd-healthcheck-client",
            "kube-apiserver Https 10.0.0.9:8443 /srv/api.crt -",
            "kube-controller-manager Https 127.0.0.1:10257 /srv/kcm.crt -",
            "kubelet Https 10.0.0.9:11250 /srv/kubelet.crt apiserver-kubelet-client",
        ]
    );
}

#[test]
fn a_kubelet_whose_certificate_the_api_server_verifies() {
    let flag = "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt";
    let found = expected(&tree("rsa2048", |_, text| Some(text.replace("--allow-privileged=true", flag))));
    assert!(found.endpoints[7].is_verified);
    let found = expected(&tree("rsa2048", |_, text| {
        Some(text.replace("rotateCertificates: true", "serverTLSBootstrap: true"))
    }));
    let path = "/var/lib/kubelet/pki/kubelet-server-current.pem";
    assert_eq!(found.endpoints[7].served, Served::File(path.into()));
}

#[test]
fn a_manifest_that_is_gone_or_broken_or_not_expected() {
    let moved = |path: &str, text| (!path.contains("/manifests/")).then_some(text);
    let found = expected(&tree("rsa2048", moved));
    assert_eq!(found.endpoints.len(), 1, "the kubelet alone");
    assert_eq!(found.gaps.len(), 4);
    assert!(found.gaps.iter().all(|(_, gap)| matches!(gap, Gap::ManifestMissing(_))), "{:?}", found.gaps);

    let worker = |path: &str, text| (path.contains("kubelet") || path.ends_with("/ca.crt")).then_some(text);
    let found = expected(&tree("rsa2048", worker));
    assert_eq!(found.endpoints.len(), 1);
    assert!(found.gaps.iter().all(|(_, gap)| matches!(gap, Gap::NotExpected(_))), "{:?}", found.gaps);

    let broken = |path: &str, text: String| {
        Some(if path.ends_with("etcd.yaml") { "kind: [".to_owned() } else { text })
    };
    let found = expected(&tree("rsa2048", broken));
    assert!(
        matches!(&found.gaps[..], [(Component::Etcd, Gap::ManifestUnreadable(why))] if why.contains("etcd.yaml"))
    );
    assert_eq!(
        lines(&found)[..3],
        [
            "etcd-client Https 127.0.0.1:2379 /etc/kubernetes/pki/etcd/server.crt etcd-healthcheck-client",
            "etcd-peer Https 192.168.10.11:2380 /etc/kubernetes/pki/etcd/peer.crt etcd-peer",
            "etcd-metrics Http 127.0.0.1:2381 Nothing -",
        ]
    );
}
