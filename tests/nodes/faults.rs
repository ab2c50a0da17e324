//! What goes wrong between here and an API server: each has its words, exit code 2 and a hint, and none hangs.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::apiserver::{ApiServer, certificate_user, kubeconfig, recorded, status};
use crate::server::{Authority, BOTH, Clients, accept, config, http, https};
use crate::{Desk, could_not};

#[test]
fn whose_credential_is_not_accepted() {
    let mut said = String::new();
    let server = ApiServer::start();
    let ca = &server.authority;
    let desk = Desk::with(&server.kubeconfig(&ca.expired("kubernetes-admin")));
    said += &could_not(&desk.nodes(""));
    let other = Authority::new("kubernetes");
    let desk = Desk::with(&server.kubeconfig(&other.leaf("kubernetes-admin")));
    said += &could_not(&desk.nodes(""));
    let desk = Desk::with(&server.kubeconfig(&ca.leaf("nobody")));
    said += &could_not(&desk.nodes(""));
    // A server that refuses in the handshake, as etcd does and some load balancers.
    let (address, _) = https(config(&ca.leaf("x"), Clients::Only(ca), &BOTH), |_| http(200, "", b""));
    let user = certificate_user(&ca.expired("kubernetes-admin"));
    let desk = Desk::with(&kubeconfig(&format!("https://{address}"), ca, &user));
    said += &could_not(&desk.nodes(""));
    insta::assert_snapshot!(said, @r#"
    error [unauthorized]: cannot list the nodes: 401: Unauthorized (https://ADDRESS with DIR/config; its client certificate expired on 2016-01-01 (N days ago))
    hint: kuberescue kubeconfig check DIR/config
    error [unauthorized]: cannot list the nodes: 401: Unauthorized (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check DIR/config
    error [forbidden]: cannot list the nodes: 403: User "nobody" cannot get /api/v1/nodes (https://ADDRESS with DIR/config)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    error [client-certificate-rejected]: cannot list the nodes: client certificate rejected: it has expired (https://ADDRESS with DIR/config; its client certificate expired on 2016-01-01 (N days ago))
    hint: kuberescue kubeconfig check DIR/config
    "#);
}

#[test]
fn a_server_that_is_not_the_expected_one() {
    let mut said = String::new();
    let server = ApiServer::start();
    let admin = server.authority.leaf("kubernetes-admin");
    let desk =
        Desk::with(&kubeconfig(&server.url(), &Authority::new("kubernetes"), &certificate_user(&admin)));
    said += &could_not(&desk.nodes(""));
    let expired = ApiServer::of(Authority::new("kubernetes"), |ca| ca.expired("kube-apiserver"));
    said += &could_not(&Desk::with(&expired.admin()).nodes(""));
    let name = server.admin().replace("127.0.0.1", "localhost");
    said += &could_not(&Desk::with(&name).nodes(""));
    let plain = accept(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    let desk = Desk::with(&server.admin().replace(&server.address.to_string(), &plain.to_string()));
    said += &could_not(&desk.nodes(""));
    insta::assert_snapshot!(said, @"
    error [tls-failed]: cannot list the nodes: the server's certificate is not accepted: its signature does not fit the CA's key (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [expired-certificate-served]: cannot list the nodes: the server's certificate is not accepted: it has expired (https://ADDRESS with DIR/config)
    hint: on its node: sudo kuberescue recover
    error [tls-failed]: cannot list the nodes: the server's certificate is not accepted: it is not valid for localhost (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [tls-failed]: cannot list the nodes: no TLS connection: what answers there does not speak TLS (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    ");
}

#[test]
fn answers_with_another_status() {
    let mut said = String::new();
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let instead = |answer: Vec<u8>| {
        server.store().instead.insert(("GET".to_owned(), "/api/v1/nodes".to_owned()), answer);
    };
    for answer in [
        status(404, "NotFound", "the server could not find the requested resource"),
        status(409, "Conflict", "the object has been modified"),
        status(429, "TooManyRequests", "too many requests"),
        status(500, "InternalError", "etcdserver: request timed out"),
        http(503, "", b"<html><body>maintenance</body></html>"),
        http(200, "", b"\n<!DOCTYPE html><p>Sign in"),
        http(200, "", b""),
        http(200, "", b"{\"metadata\": {}, \"items\": 3}"),
        http(302, "location: https://login.example/\r\n", b""),
        http(403, "", b"\x1b[2Jevil\nsecond line"),
    ] {
        instead(answer);
        said += &could_not(&desk.nodes(""));
    }
    // An answer in the middle of which the connection ends.
    for cut in [recorded("nodes").len() / 2, 1] {
        let body = recorded("nodes");
        let mut whole = http(200, "content-type: application/json\r\n", body.as_bytes());
        whole.truncate(whole.len() - cut);
        instead(whole);
        said += &could_not(&desk.nodes(""));
    }
    let whole = recorded("nodes");
    instead(http(200, "", &whole.as_bytes()[..whole.len() / 2]));
    said += &could_not(&desk.nodes(""));
    insta::assert_snapshot!(said, @r"
    error [request-failed]: cannot list the nodes: 404: the server could not find the requested resource (https://ADDRESS with DIR/config)
    hint: kuberescue nodes --kubeconfig DIR/config shows which cluster answers
    error [request-failed]: cannot list the nodes: 409: the object has been modified (https://ADDRESS with DIR/config)
    hint: it was changed by somebody else at the same time; nothing was changed: run the command again
    error [request-failed]: cannot list the nodes: 429: too many requests (https://ADDRESS with DIR/config)
    hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    error [unhealthy]: cannot list the nodes: 500: etcdserver: request timed out (https://ADDRESS with DIR/config)
    hint: on a control-plane node: sudo kuberescue probe
    error [unhealthy]: cannot list the nodes: 503: an HTML page, from a proxy or a login page instead of an API server (https://ADDRESS with DIR/config)
    hint: on a control-plane node: sudo kuberescue probe
    error [unhealthy]: cannot list the nodes: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [unhealthy]: cannot list the nodes: unexpected answer: truncated after 0 bytes (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [unhealthy]: cannot list the nodes: unexpected answer: line 1, column 27: a field or value that is missing or unexpected (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [unhealthy]: cannot list the nodes: 302: an empty answer (https://ADDRESS with DIR/config)
    hint: on a control-plane node: sudo kuberescue probe
    error [forbidden]: cannot list the nodes: 403: \u{1b}[2Jevil (https://ADDRESS with DIR/config)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    error [unhealthy]: cannot list the nodes: the connection was closed (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [unhealthy]: cannot list the nodes: the connection was closed (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    error [unhealthy]: cannot list the nodes: unexpected answer: truncated after N bytes (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check --connect DIR/config
    ");
}

#[test]
fn the_server_says_when_to_come_back() {
    let mut said = String::new();
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let path = ("GET".to_owned(), "/api/v1/nodes".to_owned());
    for code in [429, 503] {
        server.store().next = (0..3).map(|_| http(code, "retry-after: 0\r\n", b"busy")).collect();
        let run = desk.nodes("");
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(std::mem::take(&mut server.store().log).len(), 4);
    }
    // Longer than anybody waits: it isn't tried.
    server.store().instead.insert(path.clone(), http(429, "retry-after: 3600\r\n", b"busy"));
    let began = Instant::now();
    said += &could_not(&desk.nodes(""));
    assert!(began.elapsed() < Duration::from_secs(20));
    insta::assert_snapshot!(said, @"
    error [request-failed]: cannot list the nodes: 429: busy (retry after 3600 s) (https://ADDRESS with DIR/config)
    hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    ");
}

#[test]
fn a_server_that_hangs_is_not_waited_for_longer_than_said() {
    let mut said = String::new();
    let server = ApiServer::start();
    let hang = accept(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {});
    let desk = Desk::with(&server.admin().replace(&server.address.to_string(), &hang.to_string()));
    let began = Instant::now();
    said += &could_not(&desk.nodes("--request-timeout 1s"));
    assert!(began.elapsed() < Duration::from_secs(20));
    // One that sends its answer a byte at a time.
    let ca = &server.authority;
    let slow = config(&ca.leaf("kube-apiserver"), Clients::Anyone, &BOTH);
    let slow = std::sync::Arc::new(slow);
    let drip = accept(move |stream| {
        let connection = rustls::ServerConnection::new(slow.clone()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
        while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let desk = Desk::with(&server.admin().replace(&server.address.to_string(), &drip.to_string()));
    let began = Instant::now();
    said += &could_not(&desk.nodes("--request-timeout 1s"));
    assert!(began.elapsed() < Duration::from_secs(20));
    insta::assert_snapshot!(said, @"
    error [timed-out]: cannot list the nodes: no answer in time (https://ADDRESS with DIR/config)
    hint: check firewalls, or wait longer: --request-timeout 60s
    error [timed-out]: cannot list the nodes: no answer in time (https://ADDRESS with DIR/config)
    hint: check firewalls, or wait longer: --request-timeout 60s
    ");
}
