//! The client of the API server, by itself.

use std::time::Duration;

use kuberescue::live::Fault;
use kuberescue::live::api::{Api, ApiError, Server};
use kuberescue::live::deadline::Deadline;

use super::node::{api_server, kubeconfig};
use super::server::{Authority, BOTH, Clients, accept, closed_port, config, http, https};

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(20))
}

#[test]
fn a_real_api_servers_answers() {
    let ca = Authority::new("kubernetes");
    let (address, log) = https(config(&ca.leaf("kube-apiserver"), Clients::Known(&ca), &BOTH), api_server);
    // The kubeconfig's own server is another one, which is down.
    let admin = kubeconfig("https://127.0.0.1:1", &ca, &ca.leaf("kubernetes-admin"));
    let api = Api::connect(admin.as_bytes(), Some(&Server { address, name: None })).unwrap();
    assert_eq!(api.livez(soon()), Ok(()));
    assert_eq!(api.readyz(soon()), Ok(()));
    let nodes = api.nodes(soon()).unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!((nodes[0].name.as_str(), nodes[0].ready, nodes[0].schedulable), ("lab-cp1", Some(true), true));
    assert_eq!(nodes[0].created.unwrap().to_string(), "2026-11-23T22:55:32Z");
    let lease = api.lease("lab-cp1", soon()).unwrap();
    assert_eq!(lease.renewed.to_string(), "2026-11-23T22:58:51.472148Z");
    assert_eq!(lease.duration.as_secs(), 40);
    assert_eq!(lease.asked.unwrap().to_string(), "2026-11-23T22:59:01Z");
    assert!(matches!(api.lease("../../secrets", soon()), Err(ApiError::Name { .. })));
    assert!(matches!(api.lease("cp-9", soon()), Err(ApiError::Status { status: 404, .. })));
    let log = log.lock().unwrap();
    assert!(log.iter().all(|request| request.client.as_deref() == Some("kubernetes-admin")), "{log:?}");
}

#[test]
fn kubeadms_kubeconfigs_of_every_version_can_be_used() {
    for tree in ["rsa2048", "ecdsa-p256", "expired-all", "expired-ca", "external-ca", "v120-expired"] {
        let files = crate::common::files(tree);
        for file in ["admin.conf", "super-admin.conf"] {
            let Some(bytes) = files.get(&format!("/etc/kubernetes/{file}")) else { continue };
            let address = closed_port();
            let api = Api::connect(bytes, Some(&Server { address, name: None })).expect(tree);
            assert_eq!(api.livez(soon()), Err(ApiError::Fault(Fault::Refused)), "{tree} {file}");
        }
    }
}

#[test]
fn who_is_not_let_in() {
    let ca = Authority::new("kubernetes");
    let (address, _) = https(config(&ca.leaf("kube-apiserver"), Clients::Known(&ca), &BOTH), api_server);
    let server = format!("https://{address}");
    let error = |kubeconfig: String| {
        Api::connect(kubeconfig.as_bytes(), None).and_then(|api| api.nodes(soon())).unwrap_err()
    };
    let unknown = error(kubeconfig(&server, &ca, &ca.leaf("someone")));
    assert_eq!(unknown, ApiError::Status { status: 401, message: "Unauthorized".into() });
    assert!(unknown.is_of_identity());
    let anonymous = kubeconfig(&server, &ca, &ca.leaf("x"));
    let anonymous: String =
        anonymous.lines().filter(|line| !line.contains("client-")).map(|line| format!("{line}\n")).collect();
    let anonymous = error(anonymous.replace("user:\n", "user: {}\n"));
    let ApiError::Status { status: 403, message } = &anonymous else { panic!("{anonymous:?}") };
    assert!(message.contains("User \"system:anonymous\" cannot list resource \"nodes\""), "{message}");
    // A TLS server that checks for itself.
    assert_eq!(
        error(kubeconfig(&server, &ca, &ca.expired("kubernetes-admin"))),
        ApiError::Fault(Fault::ClientCertificateRejected("it has expired".into()))
    );
    let foreign = error(kubeconfig(&server, &Authority::new("kubernetes"), &ca.leaf("kubernetes-admin")));
    assert!(matches!(foreign, ApiError::Fault(Fault::ServerCertificate(_))), "{foreign:?}");
}

#[test]
fn a_server_certificate_that_expired_or_is_of_another_name() {
    let ca = Authority::new("kubernetes");
    let other_name = Fault::ServerCertificate("it is not valid for kubernetes".into());
    for (leaf, name, fault) in [
        (ca.expired("kube-apiserver"), None, Fault::ServerExpired("it has expired".into())),
        (ca.leaf("kube-apiserver"), Some("kubernetes".to_owned()), other_name),
    ] {
        let (address, _) = https(config(&leaf, Clients::Known(&ca), &BOTH), api_server);
        let admin = kubeconfig("https://127.0.0.1:1", &ca, &ca.leaf("kubernetes-admin"));
        let api = Api::connect(admin.as_bytes(), Some(&Server { address, name })).unwrap();
        assert_eq!(api.livez(soon()), Err(ApiError::Fault(fault)));
    }
}

#[test]
fn a_server_that_hangs_or_talks_nonsense() {
    let ca = Authority::new("kubernetes");
    let leaf = ca.leaf("kube-apiserver");
    let api = |address| {
        let admin = kubeconfig(&format!("https://{address}"), &ca, &ca.leaf("kubernetes-admin"));
        Api::connect(admin.as_bytes(), None).unwrap()
    };
    let hang =
        accept(|mut stream| while std::io::Read::read(&mut stream, &mut [0; 64]).is_ok_and(|n| n > 0) {});
    let start = std::time::Instant::now();
    let short = Deadline::within(Duration::from_millis(300));
    assert_eq!(api(hang).nodes(short), Err(ApiError::Fault(Fault::TimedOut)));
    assert!(start.elapsed() < Duration::from_secs(10));
    for body in [&b"{}"[..], b"[]", b"\xff", b"{\"kind\":\"NodeList\",\"metadata\":{},\"items\":[{}]}"] {
        let (address, _) = https(config(&leaf, Clients::Anyone, &BOTH), move |_| http(200, "", body));
        assert!(matches!(api(address).nodes(soon()), Err(ApiError::Unintelligible(_))), "{body:?}");
    }
    let (address, _) =
        https(config(&leaf, Clients::Anyone, &BOTH), |_| http(429, "retry-after: 9\r\n", b"slow down\nnow"));
    let start = std::time::Instant::now();
    assert_eq!(
        api(address).livez(soon()),
        Err(ApiError::Status { status: 429, message: "slow down (retry after 9 s)".into() })
    );
    assert!(start.elapsed() < Duration::from_secs(9), "it is not asked again");
}

#[test]
fn many_nodes_come_in_pages() {
    let ca = Authority::new("kubernetes");
    let page = |from: usize, next: &str| {
        let items: Vec<_> = (from..from + 2)
            .map(|n| serde_json::json!({"metadata": {"name": format!("n{n}")}, "status": {"conditions": []}}))
            .collect();
        serde_json::json!({"kind": "NodeList", "metadata": {"continue": next}, "items": items}).to_string()
    };
    let (address, _) = https(config(&ca.leaf("kube-apiserver"), Clients::Anyone, &BOTH), move |request| {
        match request.path.as_str() {
            "/api/v1/nodes?limit=500" => http(200, "", page(0, "eyJ2-_A.").as_bytes()),
            "/api/v1/nodes?limit=500&continue=eyJ2-_A." => http(200, "", page(2, "").as_bytes()),
            _ => http(404, "", b""),
        }
    });
    let admin = kubeconfig(&format!("https://{address}"), &ca, &ca.leaf("kubernetes-admin"));
    let nodes = Api::connect(admin.as_bytes(), None).unwrap().nodes(soon()).unwrap();
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n0", "n1", "n2", "n3"]);
    assert_eq!((nodes[0].ready, nodes[0].roles.len()), (None, 0));
}
