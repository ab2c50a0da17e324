//! A whole node, well at first; then one thing is wrong.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use kuberescue::live::probe::Phase;
use kuberescue::state::{Code, Severity};

use super::node::{Node, api_answer, api_server, check, etcd_answer, healthz, recorded, wrong};
use super::server::{Authority, BOTH, Clients, accept, closed_port, config, http, https};

#[test]
fn a_node_that_is_well() {
    let node = Node::new();
    let report = node.probe();
    assert!(report.is_green(), "{report:#?}");
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "etcd-client",
            "etcd-peer",
            "etcd-metrics",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "admin.conf",
            "node",
            "lease",
        ]
    );
    assert!(report.checks.iter().all(|check| check.code.is_none() && check.hint.is_none()));
    let etcd = check(&report, "etcd-client");
    assert_eq!(
        (&etcd.phases.tcp, &etcd.phases.tls, &etcd.phases.answer),
        (&Phase::Ok, &Phase::Ok, &Phase::Ok)
    );
    let fingerprint = node.served["etcd-client"].certificate.fingerprint();
    assert_eq!(etcd.served.as_ref().unwrap().fingerprint, fingerprint);
    assert_eq!(etcd.disk.as_ref().unwrap().leaf, etcd.served);
    assert_eq!(check(&report, "etcd-metrics").phases.tls, Phase::NotTried);
    assert!(check(&report, "kube-scheduler").disk.is_none());
    assert_eq!(check(&report, "lease").what, "renewed 9 s ago");
    let nodes: Vec<_> = report.nodes.iter().map(|n| (n.name.as_str(), n.ready, n.version.as_str())).collect();
    assert_eq!(nodes, [("lab-cp1", Some(true), "v1.20.2")]);
    assert_eq!(report.nodes[0].roles, ["control-plane", "master"]);
    // It can be asked again and again.
    assert!(node.probe().is_green());
}

#[test]
fn an_old_certificate_that_is_still_served() {
    let mut node = Node::new();
    // The file was renewed: the served one expired, or is only older.
    let renewed = node.etcd_ca.made("lab-cp1", (2026, 4096));
    node.put_pair("/etc/kubernetes/pki/etcd/server", &renewed);
    let renewed = node.ca.made("kube-apiserver", (2026, 4096));
    node.put_pair("/etc/kubernetes/pki/apiserver", &renewed);
    let renewed = Authority::new("lab-cp1-ca@2").made("lab-cp1@2", (2026, 4096));
    node.put_pair("/var/lib/kubelet/pki/kubelet", &renewed);
    let report = node.probe();
    assert_eq!(
        wrong(&report),
        [
            "etcd-client: old-certificate-still-served",
            "kube-apiserver: old-certificate-still-served",
            "kubelet: old-certificate-still-served",
        ]
    );
    assert_eq!(check(&report, "etcd-client").hint.as_deref(), Some("sudo kuberescue restart etcd"));
    assert_eq!(check(&report, "kubelet").hint.as_deref(), Some("sudo systemctl restart kubelet"));
    assert_snapshot!(check(&report, "etcd-client").what, @"serves an old certificate that expires on 4096-01-01 (in 755725 days); /etc/kubernetes/pki/etcd/server.crt has a newer one");
}

#[test]
fn certificates_that_have_expired() {
    let mut node = Node::new();
    let old = node.etcd_ca.expired("lab-cp1");
    node.at.etcd = https(config(&old, Clients::Anyone, &BOTH), etcd_answer).0;
    node.put_pair("/etc/kubernetes/pki/etcd/server", &old);
    let peer = node.etcd_ca.expired("lab-cp1");
    node.at.peer = https(config(&peer, Clients::Anyone, &BOTH), etcd_answer).0;
    let made_at_start = Authority::new("localhost-ca@1").expired("localhost@1");
    node.at.scheduler = https(config(&made_at_start, Clients::Anyone, &BOTH), healthz).0;
    let self_signed = Authority::new("lab-cp1-ca@1").expired("lab-cp1@1");
    node.at.kubelet = https(config(&self_signed, Clients::Anyone, &BOTH), healthz).0;
    node.put_pair("/var/lib/kubelet/pki/kubelet", &self_signed);
    node.configure();
    let report = node.probe();
    assert_eq!(
        wrong(&report),
        [
            "etcd-client: expired-certificate-served",
            "etcd-peer: old-certificate-still-served",
            "kube-scheduler: expired-certificate-served",
        ]
    );
    assert_eq!(check(&report, "etcd-client").hint.as_deref(), Some("sudo kuberescue recover"));
    assert_eq!(
        check(&report, "kube-scheduler").hint.as_deref(),
        Some("sudo kuberescue restart kube-scheduler")
    );
    let kubelet = check(&report, "kubelet");
    assert_eq!(
        (kubelet.code, kubelet.severity),
        (Some(Code::ExpiredCertificateServed), Some(Severity::Warning))
    );
    assert_snapshot!(kubelet.what, @"the served certificate expired on 2016-01-01 (3980 days ago); the API server does not verify it");
}

#[test]
fn certificates_that_are_not_those_of_the_disk() {
    let mut node = Node::new();
    let older = node.etcd_ca.made("lab-cp1", (1970, 4096));
    node.put_pair("/etc/kubernetes/pki/etcd/server", &older);
    node.put("/etc/kubernetes/pki/etcd/peer.crt", "no certificate");
    node.files.remove("/var/lib/kubelet/pki/kubelet.crt");
    let report = node.probe();
    assert_eq!(wrong(&report), ["etcd-client: certificate-differs", "etcd-peer: certificate-file-unusable"]);
    let kubelet = check(&report, "kubelet");
    assert_eq!(
        (kubelet.code, kubelet.severity),
        (Some(Code::CertificateFileUnusable), Some(Severity::Warning))
    );
    assert_eq!(kubelet.hint.as_deref(), Some("sudo systemctl restart kubelet"), "it makes a new one");
    assert_snapshot!(check(&report, "etcd-peer").what, @"cannot read /etc/kubernetes/pki/etcd/peer.crt: not PEM: no -----BEGIN line; client certificate rejected: none was given (asked without etcd-peer: not PEM: no -----BEGIN line)");
}

#[test]
fn ports_that_are_closed_or_hang() {
    let mut node = Node::new();
    node.at.etcd = closed_port();
    node.at.metrics = closed_port();
    let hang =
        accept(|mut stream| while std::io::Read::read(&mut stream, &mut [0; 64]).is_ok_and(|n| n > 0) {});
    (node.at.peer, node.at.scheduler, node.at.api) = (hang, hang, hang);
    node.configure();
    node.timeout = Duration::from_millis(500);
    let start = Instant::now();
    let report = node.probe();
    // All of them beside each other: far less than one after the other, even on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let found = wrong(&report);
    for expected in [
        "etcd-client: not-listening",
        "etcd-metrics: not-listening",
        "etcd-peer: timed-out",
        "kube-scheduler: timed-out",
        "kube-apiserver: timed-out",
        "admin.conf: not-asked",
        "node: not-asked",
        "lease: not-asked",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
    }
    assert_eq!(check(&report, "kube-apiserver").phases.tls, Phase::Failed("no answer in time".into()));
}

#[test]
fn a_port_that_is_closed_because_the_certificate_has_expired() {
    let mut node = Node::new();
    node.at.etcd = closed_port();
    node.configure();
    let hint = |node: &Node| check(&node.probe(), "etcd-client").hint.clone();
    assert_eq!(hint(&node).as_deref(), Some("sudo kuberescue restart etcd"));
    let expired = node.etcd_ca.expired("lab-cp1");
    node.put_pair("/etc/kubernetes/pki/etcd/server", &expired);
    assert_eq!(hint(&node).as_deref(), Some("sudo kuberescue recover"));
}

#[test]
fn an_etcd_that_is_not_well() {
    let mut said = String::new();
    for answer in [
        http(503, "", b"{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}"),
        http(200, "", b"{\"health\":\"false\"}"),
        http(200, "", b"hello\nworld"),
        http(200, "", b""),
    ] {
        let mut node = Node::new();
        let tls = config(&node.served["etcd-client"], Clients::Only(&node.etcd_ca), &BOTH);
        node.at.etcd = https(tls, move |_| answer.clone()).0;
        node.configure();
        let report = node.probe();
        assert_eq!(wrong(&report), ["etcd-client: unhealthy"]);
        said += &format!("{}\n", check(&report, "etcd-client").what);
    }
    insta::assert_snapshot!(said, @r#"
    /health answers 503: {"health":"false","reason":"RAFT NO LEADER"}
    /health answers 200: {"health":"false"}
    /health answers 200: hello
    /health answers 200: an empty answer
    "#);
}

#[test]
fn client_certificates_that_are_refused() {
    let mut node = Node::new();
    let expired = node.etcd_ca.expired("kube-etcd-healthcheck-client");
    node.put_pair("/etc/kubernetes/pki/etcd/healthcheck-client", &expired);
    node.files.remove("/etc/kubernetes/pki/etcd/peer.key");
    let other = Authority::new("kubernetes").leaf("someone-else");
    node.put("/etc/kubernetes/pki/apiserver-kubelet-client.key", other.key.to_pem().as_bytes());
    let report = node.probe();
    assert_eq!(
        wrong(&report),
        [
            "etcd-client: client-certificate-rejected",
            "etcd-peer: client-certificate-rejected",
            "kubelet: unauthorized",
        ]
    );
    let said = ["etcd-client", "etcd-peer", "kubelet"].map(|name| check(&report, name).what.as_str());
    assert_snapshot!(said.join("\n"), @"
    client certificate rejected: it has expired (etcd-healthcheck-client expired on 2016-01-01 (3980 days ago))
    client certificate rejected: none was given (asked without etcd-peer: its key: it is missing)
    /healthz answers 401: Unauthorized (asked without apiserver-kubelet-client: the key is not the certificate's)
    ");
    // The certificates were seen all the same.
    assert!(check(&report, "etcd-client").served.is_some());
    assert_eq!(check(&report, "etcd-client").hint.as_deref(), Some("sudo kuberescue recover"));
}

#[test]
fn a_kubelet_that_refuses() {
    for (status, code) in [(401, "unauthorized"), (403, "forbidden"), (500, "unhealthy")] {
        let mut node = Node::new();
        let tls = config(&node.served["kubelet"], Clients::Anyone, &BOTH);
        node.at.kubelet = https(tls, move |_| http(status, "", b"Authorization error")).0;
        node.configure();
        assert_eq!(wrong(&node.probe()), [format!("kubelet: {code}")]);
    }
}

#[test]
fn an_api_server_that_is_not_ready() {
    let mut node = Node::new();
    let tls = config(&node.served["kube-apiserver"], Clients::Known(&node.ca), &BOTH);
    node.at.api = https(tls, |request| match request.path.as_str() {
        "/readyz?verbose" => {
            http(500, "", b"[+]ping ok\n[-]etcd failed: reason withheld\n[-]shutdown failed: reason withheld\nreadyz check failed\n")
        }
        _ => api_server(request),
    })
    .0;
    node.configure();
    let report = node.probe();
    assert!(wrong(&report).contains(&"kube-apiserver: unhealthy".to_owned()), "{report:#?}");
    assert_snapshot!(check(&report, "kube-apiserver").what, @"/readyz?verbose answers 500: these checks fail: etcd, shutdown");
}

#[test]
fn admin_conf_is_refused_and_the_second_identity_helps() {
    for (bad, client, expected) in [
        ("bad-token-401", "someone", "admin.conf: unauthorized"),
        ("anonymous-403", "kubernetes-admin", "admin.conf: forbidden"),
    ] {
        let mut node = Node::new();
        let tls = config(&node.served["kube-apiserver"], Clients::Known(&node.ca), &BOTH);
        let answer = recorded(bad);
        node.at.api = https(tls, move |request| match request.client.as_deref() {
            Some("kubernetes-super-admin") => api_answer(&request.path),
            // Anonymous requests are switched off.
            None => recorded("bad-token-401"),
            // Whom it knows may see its health.
            Some("kubernetes-admin") if !request.path.contains("/v1/") => api_answer(&request.path),
            _ => answer.clone(),
        })
        .0;
        node.configure();
        let url = format!("https://{}", node.at.api);
        let admin = node.ca.leaf(client);
        node.put_admin("admin.conf", &url, &admin);
        let alone = node.probe();
        let found = wrong(&alone);
        for expected in [expected, "node: not-asked", "lease: not-asked"] {
            assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
        }
        let super_admin = node.ca.leaf("kubernetes-super-admin");
        node.put_admin("super-admin.conf", &url, &super_admin);
        let report = node.probe();
        assert_eq!(wrong(&report), [expected]);
        let what = &check(&report, "admin.conf").what;
        assert!(what.ends_with("super-admin.conf is accepted"), "{what}");
        assert_eq!(report.nodes.len(), 1);
    }
}

#[test]
fn an_admin_conf_that_cannot_be_used() {
    let mut node = Node::new();
    node.files.remove("/etc/kubernetes/admin.conf");
    assert!(wrong(&node.probe()).contains(&"admin.conf: kubeconfig-unusable".to_owned()));
    for text in ["", "kind: Config\ncurrent-context: nobody\n", "\u{0}", "a: [", "clusters: 1"] {
        node.put("/etc/kubernetes/admin.conf", text);
        let report = node.probe();
        assert!(
            wrong(&report).contains(&"admin.conf: kubeconfig-unusable".to_owned()),
            "{text:?}: {report:#?}"
        );
        assert_eq!(check(&report, "kube-apiserver").code, None, "anyone may ask for its health");
    }
}

#[test]
fn the_address_in_admin_conf_leads_elsewhere() {
    let mut node = Node::new();
    let admin = node.ca.leaf("kubernetes-admin");
    node.put_admin("admin.conf", &format!("https://{}", closed_port()), &admin);
    let report = node.probe();
    assert!(report.is_cut_off() && !report.is_green(), "this node is healthy: {report:#?}");
    let endpoint = check(&report, "endpoint");
    assert_eq!((endpoint.code, endpoint.severity), (Some(Code::NotListening), Some(Severity::Blocker)));

    // One that takes connections and says nothing holds the proof of this node up for two seconds only.
    let hang =
        accept(|mut stream| while std::io::Read::read(&mut stream, &mut [0; 64]).is_ok_and(|n| n > 0) {});
    node.put_admin("admin.conf", &format!("https://{hang}"), &admin);
    node.timeout = Duration::from_secs(60);
    let start = Instant::now();
    let report = node.probe();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(report.is_cut_off(), "{report:#?}");
    assert_eq!(check(&report, "endpoint").code, Some(Code::TimedOut));

    let other = node.ca.leaf("kube-apiserver");
    let (address, _) = https(config(&other, Clients::Known(&node.ca), &BOTH), api_server);
    node.put_admin("admin.conf", &format!("https://{address}"), &admin);
    let report = node.probe();
    assert_eq!(check(&report, "endpoint").code, None, "{report:#?}");
}

#[test]
fn an_api_server_whose_certificate_clients_refuse() {
    let mut node = Node::new();
    // Of a CA that admin.conf doesn't know, and on the disk all the same.
    let foreign = Authority::new("kubernetes").leaf("kube-apiserver");
    node.at.api = https(config(&foreign, Clients::Known(&node.ca), &BOTH), api_server).0;
    node.put_pair("/etc/kubernetes/pki/apiserver", &foreign);
    node.configure();
    let report = node.probe();
    assert!(wrong(&report).contains(&"kube-apiserver: tls-failed".to_owned()), "{:?}", wrong(&report));
}

#[test]
fn an_api_server_that_still_serves_an_expired_certificate() {
    let mut node = Node::new();
    let expired = node.ca.expired("kube-apiserver");
    node.at.api = https(config(&expired, Clients::Known(&node.ca), &BOTH), api_server).0;
    node.configure();
    let report = node.probe();
    let found = wrong(&report);
    let api_server = "kube-apiserver: old-certificate-still-served";
    assert_eq!(found, [api_server, "admin.conf: not-asked", "node: not-asked", "lease: not-asked"]);
    let what = &check(&report, "kube-apiserver").what;
    assert!(what.ends_with("; the server's certificate is not accepted: it has expired"), "{what}");
}

#[test]
fn a_node_that_is_not_ready_or_not_known() {
    let nodes = String::from_utf8(api_answer("/api/v1/nodes?limit=500")).unwrap();
    let nodes = nodes.split_once("\r\n\r\n").unwrap().1.to_owned();
    let ready = "\"type\": \"Ready\",\n            \"status\": \"True\"";
    assert!(nodes.contains(ready));
    for (from, to, code) in [
        (ready, "\"type\": \"Ready\", \"status\": \"Unknown\"", "node: node-not-ready"),
        (ready, "\"type\": \"Ready\", \"status\": \"False\"", "node: node-not-ready"),
        ("\"name\": \"lab-cp1\"", "\"name\": \"cp-2\"", "node: node-missing"),
    ] {
        let mut node = Node::new();
        let tls = config(&node.served["kube-apiserver"], Clients::Known(&node.ca), &BOTH);
        let body = nodes.replace(from, to);
        node.at.api = https(tls, move |request| match request.path.as_str() {
            "/api/v1/nodes?limit=500" => http(200, "", body.as_bytes()),
            _ => api_server(request),
        })
        .0;
        node.configure();
        assert_eq!(wrong(&node.probe()), [code], "{to}");
    }
}

#[test]
fn a_lease_that_is_stale() {
    // The recorded one was renewed at 22:58:51 and asked for at 22:59:01.
    let mut node = Node::new();
    node.renewed_since = Some("2026-11-23T22:58:50Z".parse().unwrap());
    assert!(node.probe().is_green());
    node.renewed_since = Some("2026-11-23T22:58:55Z".parse().unwrap());
    assert_eq!(wrong(&node.probe()), ["lease: lease-stale"]);

    node.renewed_since = None;
    let tls = config(&node.served["kube-apiserver"], Clients::Known(&node.ca), &BOTH);
    node.at.api = https(tls, |request| {
        let lease = request.path.contains("leases");
        let answer = api_server(request);
        if !lease {
            return answer;
        }
        String::from_utf8(answer).unwrap().replace("22:59:01 GMT", "22:59:33 GMT").into_bytes()
    })
    .0;
    node.configure();
    let report = node.probe();
    assert_eq!(wrong(&report), ["lease: lease-stale"]);
    assert_snapshot!(check(&report, "lease").what, @"last renewed 41 s ago");
}

#[test]
fn a_component_without_manifest() {
    let mut node = Node::new();
    node.files.remove("/etc/kubernetes/manifests/kube-scheduler.yaml");
    node.put("/etc/kubernetes/manifests/kube-controller-manager.yaml", "kind: [");
    let report = node.probe();
    let found = wrong(&report);
    assert!(found.contains(&"kube-scheduler: manifest-missing".to_owned()), "{found:?}");
    assert!(found.contains(&"kube-controller-manager: manifest-unreadable".to_owned()), "{found:?}");
}
