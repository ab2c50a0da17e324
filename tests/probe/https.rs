//! One request on one connection, with every kind of server at the other end.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use kuberescue::issue::{KeyRequest, generate};
use kuberescue::live::Fault;
use kuberescue::live::deadline::Deadline;
use kuberescue::live::https::{ClientPair, Exchange, Reply, Transport, get};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

use super::server::{self, Authority, BOTH, Clients, Leaf, accept, closed_port, config, http, read_request};

const PATIENCE: Duration = Duration::from_secs(20);
/// For what must time out.
const SHORT: Duration = Duration::from_millis(300);

fn ask(address: std::net::SocketAddr, transport: Transport<'_>) -> Exchange {
    get(address, transport, "/healthz", Deadline::within(PATIENCE))
}

/// It ends in time, and as a time-out.
fn times_out(address: std::net::SocketAddr, transport: Transport<'_>) -> Exchange {
    let start = Instant::now();
    let exchange = get(address, transport, "/healthz", Deadline::within(SHORT));
    assert!(start.elapsed() >= SHORT, "{exchange:?}");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    exchange
}

fn reply(exchange: Exchange, leaf: &Leaf) -> Result<Reply, Fault> {
    match exchange {
        Exchange::Connected { chain, reply } => {
            assert_eq!(chain, std::slice::from_ref(&leaf.certificate.der));
            reply
        }
        other => panic!("{other:?}"),
    }
}

/// The fault of a request to a server that shows `leaf`, whichever phase it came in.
fn refused(exchange: Exchange, leaf: &Leaf) -> Fault {
    match exchange {
        Exchange::NoHandshake(chain, fault) | Exchange::Connected { chain, reply: Err(fault) } => {
            assert_eq!(chain, std::slice::from_ref(&leaf.certificate.der), "{fault}");
            fault
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_and_the_certificates() {
    let ca = Authority::new("ca");
    for leaf in [ca.leaf("server"), ca.expired("server")] {
        for version in BOTH {
            let (address, log) =
                server::https(config(&leaf, Clients::Anyone, &[version]), |_| http(200, "", b"ok"));
            let exchange = ask(address, Transport::Tls(None));
            assert_eq!(reply(exchange, &leaf), Ok(Reply { status: 200, body: b"ok".to_vec() }));
            assert_eq!(log.lock().unwrap()[0].path, "/healthz");
        }
    }
}

#[test]
fn kubeadms_certificates_of_every_version_are_seen() {
    for tree in ["rsa2048", "ecdsa-p256", "expired-all", "v120-expired"] {
        let files = crate::common::files(tree);
        for base in [
            "/etc/kubernetes/pki/apiserver",
            "/etc/kubernetes/pki/etcd/server",
            "/etc/kubernetes/pki/etcd/peer",
            "/var/lib/kubelet/pki/kubelet",
        ] {
            let certificate = Certificate::from_pem(&files[&format!("{base}.crt")]).unwrap();
            let key = PrivateKey::from_pem(&files[&format!("{base}.key")]).unwrap();
            let leaf = Leaf { certificate, key };
            for version in BOTH {
                let (address, _) =
                    server::https(config(&leaf, Clients::Anyone, &[version]), |_| http(200, "", b"ok"));
                let reply = reply(ask(address, Transport::Tls(None)), &leaf);
                assert_eq!(reply.map(|reply| reply.status), Ok(200), "{tree} {base}");
            }
        }
    }
}

#[test]
fn a_client_certificate_of_every_encoding_is_shown() {
    let ca = Authority::new("ca");
    let leaf = ca.leaf("server");
    let (address, log) = server::https(config(&leaf, Clients::Only(&ca), &BOTH), |_| http(200, "", b""));
    let pair = ca.leaf("client");
    let sec1 = pair.key.encoded_as(KeyEncoding::Sec1).unwrap();
    for key in [&pair.key, &sec1] {
        let pair = ClientPair::new(&pair.certificate, key).unwrap();
        assert_eq!(
            reply(ask(address, Transport::Tls(Some(&pair))), &leaf).map(|reply| reply.status),
            Ok(200)
        );
    }
    assert!(log.lock().unwrap().iter().all(|request| request.client.as_deref() == Some("client")));

    // kubeadm's own: RSA in PKCS#1. The server of openssl, which checks the signature, is another story's.
    let tree = crate::common::files("rsa2048");
    let file = |name: &str| &tree[&format!("/etc/kubernetes/pki/{name}")];
    let certificate = Certificate::from_pem(file("apiserver-kubelet-client.crt")).unwrap();
    let key = PrivateKey::from_pem(file("apiserver-kubelet-client.key")).unwrap();
    assert_eq!(key.encoding, KeyEncoding::Pkcs1);
    ClientPair::new(&certificate, &key).unwrap();
    let other =
        generate(&[KeyRequest { algorithm: KeyAlgorithm::EcdsaP256, encoding: KeyEncoding::Sec1 }]).unwrap();
    insta::assert_snapshot!(ClientPair::new(&certificate, &other[0]).unwrap_err(), @"the key is not the certificate's");
}

#[test]
fn a_refused_client_certificate_is_told_with_the_chain() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let leaf = ca.leaf("server");
    let (expired, foreign) = (ca.expired("client").pair(), other.leaf("client").pair());
    for version in BOTH {
        let (address, log) =
            server::https(config(&leaf, Clients::Only(&ca), &[version]), |_| http(200, "", b""));
        // Which of the two ends is faster must not matter.
        for _ in 0..20 {
            let tls = |pair| refused(ask(address, Transport::Tls(pair)), &leaf);
            let rejected = |why: &str| Fault::ClientCertificateRejected(why.to_owned());
            assert_eq!(tls(Some(&expired)), rejected("it has expired"));
            assert_eq!(tls(Some(&foreign)), rejected("the server does not know its CA"));
            assert_eq!(tls(None), rejected("none was given"));
        }
        assert!(log.lock().unwrap().is_empty());
    }
}

#[test]
fn nothing_listens() {
    let exchange = ask(closed_port(), Transport::Tls(None));
    assert_eq!(exchange, Exchange::NoConnection(Fault::Refused));
}

#[test]
fn a_server_that_hangs_in_any_phase() {
    let hang = |stream: &mut dyn std::io::Read| while stream.read(&mut [0; 256]).is_ok_and(|n| n > 0) {};
    let silent = accept(move |mut stream| hang(&mut stream));
    assert_eq!(times_out(silent, Transport::Tls(None)), Exchange::NoHandshake(vec![], Fault::TimedOut));
    let plain = times_out(silent, Transport::Plain);
    assert_eq!(plain, Exchange::Connected { chain: vec![], reply: Err(Fault::TimedOut) });

    let leaf = Authority::new("ca").leaf("server");
    let tls = Arc::new(config(&leaf, Clients::Anyone, &BOTH));
    let address = accept(move |stream| {
        let mut stream =
            rustls::StreamOwned::new(rustls::ServerConnection::new(tls.clone()).unwrap(), stream);
        read_request(&mut stream).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ");
        while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(refused(times_out(address, Transport::Tls(None)), &leaf), Fault::TimedOut);

    let tls = Arc::new(config(&leaf, Clients::Anyone, &BOTH));
    let address = accept(move |stream| {
        let mut stream =
            rustls::StreamOwned::new(rustls::ServerConnection::new(tls.clone()).unwrap(), stream);
        read_request(&mut stream).unwrap();
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok").and_then(|()| stream.flush());
        hang(&mut stream);
    });
    assert_eq!(refused(times_out(address, Transport::Tls(None)), &leaf), Fault::TimedOut);
}

#[test]
fn what_speaks_no_tls() {
    for words in [&b"HTTP/1.0 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", &[0; 64], &[0xff; 64]]
    {
        let address = accept(move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(words);
        });
        match ask(address, Transport::Tls(None)) {
            Exchange::NoHandshake(chain, Fault::Tls(why)) => {
                assert_eq!(chain.len(), 0);
                insta::allow_duplicates! { insta::assert_snapshot!(why, @"what answers there does not speak TLS"); }
            }
            other => panic!("{words:?}: {other:?}"),
        }
    }
    // Closed at once.
    match ask(accept(drop), Transport::Tls(None)) {
        Exchange::NoHandshake(_, Fault::Answer(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_speaks_no_http() {
    let leaf = Authority::new("ca").leaf("server");
    let mut said = String::new();
    for words in ["", "220 smtp\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"] {
        let (address, _) = server::https(config(&leaf, Clients::Anyone, &BOTH), move |_| words.into());
        match reply(ask(address, Transport::Tls(None)), &leaf) {
            Err(Fault::Answer(why)) => said += &format!("{words:?}: {why}\n"),
            other => panic!("{words}: {other:?}"),
        }
    }
    insta::assert_snapshot!(said, @r#"
    "": the connection was closed
    "220 smtp\r\n": what answers there does not speak HTTP
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort": the connection was closed
    "#);
}

#[test]
fn an_endless_body_is_not_read_to_its_end() {
    let address = accept(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    match ask(address, Transport::Plain) {
        Exchange::Connected { reply: Err(Fault::Answer(why)), .. } => {
            insta::assert_snapshot!(why, @"an answer of more than 1048576 bytes");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn plain_http() {
    let address = accept(|mut stream| {
        assert_eq!(read_request(&mut stream).unwrap().path, "/healthz");
        let _ = stream.write_all(&http(503, "", b"{\"health\":\"false\"}"));
    });
    let reply = Ok(Reply { status: 503, body: b"{\"health\":\"false\"}".to_vec() });
    assert_eq!(ask(address, Transport::Plain), Exchange::Connected { chain: vec![], reply });
}

/// Shows one leaf and signs with another's key.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[test]
fn a_certificate_without_its_key_is_no_proof() {
    let ca = Authority::new("ca");
    let (shown, signs) = (ca.leaf("server"), ca.leaf("other"));
    let key = PrivateKeyDer::Pkcs8(signs.key.to_pkcs8().unwrap().to_vec().into());
    let certified =
        CertifiedKey::new(vec![shown.certificate.der.clone().into()], any_supported_type(&key).unwrap());
    for version in BOTH {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let impostor = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Impostor(Arc::new(certified.clone()))));
        let (address, _) = server::https(impostor, |_| http(200, "", b"ok"));
        match ask(address, Transport::Tls(None)) {
            Exchange::NoHandshake(_, Fault::ServerCertificate(why)) => {
                insta::allow_duplicates! { insta::assert_snapshot!(why, @"its signature does not fit the CA's key"); }
            }
            other => panic!("{other:?}"),
        }
    }
}
