//! What goes wrong between here and an API server: each has its words, exit code 2 and a hint, and none hangs.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::apiserver::{ApiServer, certificate_user, kubeconfig, recorded, status};
use crate::server::{Authority, BOTH, Clients, accept, config, http, https};
use crate::{Desk, assert_could_not, assert_failed};

#[test]
fn whose_credential_is_not_accepted() {
    let server = ApiServer::start();
    let ca = &server.authority;
    let desk = Desk::with(&server.kubeconfig(&ca.expired("kubernetes-admin")));
    let place = |desk: &Desk| format!("({} with {}", server.url(), desk.path("config").display());
    let check = |desk: &Desk| format!("kuberescue kubeconfig check {}", desk.path("config").display());
    let head = "error [unauthorized]: cannot list the nodes: 401: Unauthorized";
    let said = format!("{head} {}; its client certificate expired on 2016-01-01 (", place(&desk));
    let hint = format!(" days ago))\nhint: {}\n", check(&desk));
    assert_could_not(&desk.nodes(""), &[&said, &hint]);
    let other = Authority::new("kubernetes");
    let desk = Desk::with(&server.kubeconfig(&other.leaf("kubernetes-admin")));
    assert_failed(&desk.nodes(""), &format!("{head} {})", place(&desk)), &check(&desk));
    let desk = Desk::with(&server.kubeconfig(&ca.leaf("nobody")));
    assert_failed(
        &desk.nodes(""),
        &format!(
            "error [forbidden]: cannot list the nodes: 403: User \"nobody\" cannot get /api/v1/nodes {})",
            place(&desk)
        ),
        "use admin.conf of a control-plane node: /etc/kubernetes/admin.conf",
    );
    // A server that refuses in the handshake, as etcd does and some load balancers.
    let (address, _) = https(config(&ca.leaf("x"), Clients::Only(ca), &BOTH), |_| http(200, "", b""));
    let user = certificate_user(&ca.expired("kubernetes-admin"));
    let desk = Desk::with(&kubeconfig(&format!("https://{address}"), ca, &user));
    assert_could_not(
        &desk.nodes(""),
        &[
            "error [client-certificate-rejected]: cannot list the nodes: client certificate rejected: it has expired (",
            "; its client certificate expired on 2016-01-01 (",
            &format!(" days ago))\nhint: {}\n", check(&desk)),
        ],
    );
}

#[test]
fn a_server_that_is_not_the_expected_one() {
    let server = ApiServer::start();
    let admin = server.authority.leaf("kubernetes-admin");
    let desk =
        Desk::with(&kubeconfig(&server.url(), &Authority::new("kubernetes"), &certificate_user(&admin)));
    assert_could_not(
        &desk.nodes(""),
        &[
            "error [tls-failed]: cannot list the nodes: the server's certificate is not accepted: its signature does not \
             fit the CA's key (",
            &format!("\nhint: kuberescue kubeconfig check --connect {}\n", desk.path("config").display()),
        ],
    );
    let expired = ApiServer::of(Authority::new("kubernetes"), |ca| ca.expired("kube-apiserver"));
    assert_could_not(
        &Desk::with(&expired.admin()).nodes(""),
        &["the server's certificate is not accepted: it has expired"],
    );
    let name = server.admin().replace("127.0.0.1", "localhost");
    assert_could_not(&Desk::with(&name).nodes(""), &["it is not valid for localhost"]);
    let plain = accept(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    let desk = Desk::with(&server.admin().replace(&server.address.to_string(), &plain.to_string()));
    assert_could_not(&desk.nodes(""), &["what answers there does not speak TLS"]);
}

#[test]
fn answers_with_another_status() {
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let instead = |answer: Vec<u8>| {
        server.store().instead.insert(("GET".to_owned(), "/api/v1/nodes".to_owned()), answer);
    };
    for (answer, said) in [
        (
            status(404, "NotFound", "the server could not find the requested resource"),
            "404: the server could not find",
        ),
        (status(409, "Conflict", "the object has been modified"), "409: the object has been modified"),
        (status(429, "TooManyRequests", "too many requests"), "429: too many requests"),
        (status(500, "InternalError", "etcdserver: request timed out"), "500: etcdserver: request timed out"),
        (
            http(503, "", b"<html><body>maintenance</body></html>"),
            "503: an HTML page, from a proxy or a login page instead of an API server",
        ),
        (
            http(200, "", b"\n<!DOCTYPE html><p>Sign in"),
            "unexpected answer: an HTML page, from a proxy or a login page instead of an API server",
        ),
        (http(200, "", b""), "unexpected answer: truncated after 0 bytes"),
        (
            http(200, "", b"{\"metadata\": {}, \"items\": 3}"),
            "unexpected answer: line 1, column 27: a field or value",
        ),
        (http(302, "location: https://login.example/\r\n", b""), "302: an empty answer"),
        (http(403, "", b"\x1b[2Jevil\nsecond line"), "403: \\u{1b}[2Jevil"),
    ] {
        instead(answer);
        let run = desk.nodes("");
        assert_could_not(&run, &[&format!(": cannot list the nodes: {said}")]);
        assert!(!run.err.contains("second line"), "{run}");
    }
    // An answer in the middle of which the connection ends.
    for cut in [recorded("nodes").len() / 2, 1] {
        let body = recorded("nodes");
        let mut whole = http(200, "content-type: application/json\r\n", body.as_bytes());
        whole.truncate(whole.len() - cut);
        instead(whole);
        assert_could_not(&desk.nodes(""), &["error [unhealthy]: cannot list the nodes: "]);
    }
    let whole = recorded("nodes");
    instead(http(200, "", &whole.as_bytes()[..whole.len() / 2]));
    assert_could_not(
        &desk.nodes(""),
        &[&format!("unexpected answer: truncated after {} bytes", whole.len() / 2)],
    );
}

#[test]
fn the_server_says_when_to_come_back() {
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
    let place = format!("{} with {}", server.url(), desk.path("config").display());
    assert_failed(
        &desk.nodes(""),
        &format!("error [request-failed]: cannot list the nodes: 429: busy (retry after 3600 s) ({place})"),
        "the API server is overloaded: run the command again later, or with --request-timeout 60s",
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_that_hangs_is_not_waited_for_longer_than_said() {
    let server = ApiServer::start();
    let hang = accept(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {});
    let desk = Desk::with(&server.admin().replace(&server.address.to_string(), &hang.to_string()));
    let began = Instant::now();
    assert_could_not(&desk.nodes("--request-timeout 1s"), &["no answer in time", "--request-timeout"]);
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
    assert_could_not(&desk.nodes("--request-timeout 1s"), &["no answer in time"]);
    assert!(began.elapsed() < Duration::from_secs(20));
}
