//! A proxy on the way: used as kubectl uses it, and named when it is in the way.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::apiserver::ApiServer;
use crate::common::{Run, run};
use crate::server::{accept, closed_port, http, read_head};
use crate::{Desk, could_not};

type Log = Arc<Mutex<Vec<String>>>;

/// A proxy that opens tunnels (RFC 9110 section 9.3.6); the heads of the requests that it got.
fn tunnels() -> (SocketAddr, Log) {
    let log = Log::default();
    let seen = log.clone();
    let address = accept(move |mut stream| {
        let Some(head) = read_head(&mut stream) else { return };
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().unwrap().push(head);
        let Ok(server) = TcpStream::connect(&target) else { return };
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut from, mut to) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let (mut from, mut to) = (server, stream);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    (address, log)
}

/// One that answers every request with this.
fn refuses(answer: Vec<u8>) -> SocketAddr {
    accept(move |mut stream| {
        if read_head(&mut stream).is_some() {
            let _ = stream.write_all(&answer);
        }
    })
}

fn through(desk: &Desk, proxy: &str, no_proxy: &str) -> Run {
    let mut command = desk.command("nodes");
    command.env("HTTPS_PROXY", proxy).env("NO_PROXY", no_proxy);
    run(command)
}

#[test]
fn a_proxy_that_opens_the_way() {
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let (proxy, log) = tunnels();
    let done = through(&desk, &format!("http://user:s3cret%40@{proxy}"), "");
    assert_eq!(done.code, 0, "{done}");
    let config = desk.path("config").display().to_string();
    let said = format!("server: {} through proxy http://{proxy} with {config}\n", server.url());
    assert_eq!(done.err, said, "without the password");
    let heads = log.lock().unwrap().clone();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with(&format!("CONNECT {} ", server.address)), "{heads:?}");
    // user:s3cret@
    assert!(heads[0].to_lowercase().contains("proxy-authorization: basic dxnlcjpzm2nyzxra"), "{heads:?}");

    // The kubeconfig's own, which needs no environment.
    let with = server.admin().replace("{server:", &format!("{{proxy-url: \"http://{proxy}\", server:"));
    let desk = Desk::with(&with);
    let done = desk.nodes("");
    assert_eq!(done.code, 0, "{done}");
    assert_eq!(log.lock().unwrap().len(), 2);
    // What it excepts is asked directly.
    let desk = Desk::with(&server.admin());
    let done = through(&desk, &format!("http://{proxy}"), "example.com,127.0.0.0/8");
    assert_eq!((done.code, log.lock().unwrap().len()), (0, 2), "{done}");
    assert!(!done.err.contains("proxy"), "{done}");
}

#[test]
fn a_proxy_that_is_in_the_way() {
    let mut said = String::new();
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let asked = |proxy: SocketAddr| through(&desk, &format!("http://u:s3cret@{proxy}"), "");
    for proxy in [
        closed_port(),
        refuses(http(407, "", b"")),
        refuses(http(403, "", b"<html>blocked</html>")),
        refuses(http(502, "", b"")),
        refuses(b"SSH-2.0-x\r\n".to_vec()),
    ] {
        said += &could_not(&asked(proxy));
    }
    let run = through(&desk, "ftp://127.0.0.1:1", "");
    said += &could_not(&run);
    assert!(server.store().log.is_empty());
    insta::assert_snapshot!(said, @"
    error [not-listening]: cannot list the nodes: connection refused: nothing listens there (https://ADDRESS through proxy http://ADDRESS with DIR/config)
    hint: bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig
    error [unhealthy]: cannot list the nodes: the proxy wants a name and a password (https://ADDRESS through proxy http://ADDRESS with DIR/config)
    hint: bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig
    error [unhealthy]: cannot list the nodes: the proxy refused the connection (https://ADDRESS through proxy http://ADDRESS with DIR/config)
    hint: bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig
    error [unhealthy]: cannot list the nodes: the proxy refused the connection (https://ADDRESS through proxy http://ADDRESS with DIR/config)
    hint: bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig
    error [unhealthy]: cannot list the nodes: the proxy refused the connection (https://ADDRESS through proxy http://ADDRESS with DIR/config)
    hint: bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig
    error [kubeconfig-unusable]: cannot use DIR/config: unusable kubeconfig: the proxy-url is neither http://, https:// nor socks5://
    hint: kuberescue kubeconfig check DIR/config
    ");
}
