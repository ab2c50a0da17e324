//! A small certificate authority, and servers that behave well or badly.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[path = "../../scripts/testnode/standins/src/ask_only.rs"]
mod ask_only;

use ask_only::AskOnly;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::{KeyEncoding, PrivateKey};
use kuberescue::formats::pem;
use kuberescue::issue::{Validity, renew_authority};
use kuberescue::live::https::ClientPair;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A time at which a leaf of [`Authority::leaf`] is valid and one of [`Authority::expired`] is not.
pub const NOW: &str = "2026-11-24T00:00:00Z";

pub struct Authority {
    pub certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

#[derive(Clone)]
pub struct Leaf {
    pub certificate: Certificate,
    pub key: PrivateKey,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::of_years(name, (1975, 4096))
    }

    /// A CA that is valid in these years.
    pub fn of_years(name: &str, years: (i32, i32)) -> Self {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der().to_vec()).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its private key, as PKCS#8.
    pub fn key_pem(&self) -> String {
        pem::encode(pem::Label::PrivateKey, &self.issuer.key().serialize_der()).to_string()
    }

    /// Its certificate reissued with the same key.
    pub fn again(&self, years: (i16, i16)) -> Certificate {
        let time = |year: i16| format!("{year:04}-01-01T00:00:00Z").parse().unwrap();
        let dates = Validity { not_before: time(years.0), not_after: time(years.1) };
        renew_authority(&self.certificate, &private(self.issuer.key()), dates).unwrap()
    }

    /// A leaf from 1975 to 4096, for 127.0.0.1.
    pub fn leaf(&self, name: &str) -> Leaf {
        self.made(name, (1975, 4096))
    }

    /// A leaf that expired in 2016.
    pub fn expired(&self, name: &str) -> Leaf {
        self.made(name, (2015, 2016))
    }

    pub fn made(&self, name: &str, years: (i32, i32)) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: Certificate::from_der(certificate.der().to_vec()).unwrap(), key: private(&key) }
    }
}

fn private(key: &KeyPair) -> PrivateKey {
    PrivateKey::from_der(KeyEncoding::Pkcs8, key.serialize_der().into()).unwrap()
}

impl Leaf {
    pub fn pair(&self) -> ClientPair {
        ClientPair::new(&self.certificate, &self.key).unwrap()
    }

    fn der(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = self.key.to_pkcs8().unwrap().to_vec();
        (self.certificate.der.clone().into(), PrivateKeyDer::Pkcs8(key.into()))
    }
}

/// A kubeconfig with one context `c`, of these two entries in YAML's flow style.
pub fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: \
         u}}\nclusters:\n- name: k\n  cluster: {{{cluster}}}\nusers:\n- name: u\n  user: {{{user}}}\n"
    )
}

/// A cluster entry with this CA.
pub fn cluster(server: &str, authority: &Authority) -> String {
    let pem = authority.certificate.to_pem();
    format!("server: \"{server}\", certificate-authority-data: {}", STANDARD.encode(pem))
}

/// A user entry with this certificate and this key.
pub fn user(certificate: &Leaf, key: &Leaf) -> String {
    format!(
        "client-certificate-data: {}, client-key-data: {}",
        STANDARD.encode(certificate.certificate.to_pem()),
        STANDARD.encode(key.key.to_pem())
    )
}

/// Whom a server lets in.
#[derive(Clone, Copy)]
pub enum Clients<'a> {
    /// It doesn't ask.
    Anyone,
    /// Any certificate, or none: what is answered decides.
    Asked,
    /// A certificate of this authority, or none.
    Known(&'a Authority),
    /// A certificate of this authority.
    Only(&'a Authority),
}

pub const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

pub fn config(
    leaf: &Leaf,
    clients: Clients<'_>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let verifier = |authority: &Authority| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der.clone().into()).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
    };
    let builder = match clients {
        Clients::Anyone => builder.with_no_client_auth(),
        Clients::Asked => builder.with_client_cert_verifier(Arc::new(AskOnly(provider))),
        Clients::Known(authority) => {
            builder.with_client_cert_verifier(verifier(authority).allow_unauthenticated().build().unwrap())
        }
        Clients::Only(authority) => builder.with_client_cert_verifier(verifier(authority).build().unwrap()),
    };
    let (certificate, key) = leaf.der();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// Accepts connections for the rest of the test.
pub fn accept(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || {
                // No server outlives a test by more than this.
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                serve(stream);
            });
        }
    });
    address
}

/// A port where nothing listens, on a loopback address of its own: no other test can be given it meanwhile.
pub fn closed_port() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let [high, low] = GIVEN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap();
    let address = Ipv4Addr::new(127, 1 + process, high, low.saturating_add(1));
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}

/// A request as a server sees it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub certificate: Option<Certificate>,
    /// The common name of that certificate.
    pub client: Option<String>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Reads a request's line and headers.
pub fn read_head(stream: &mut impl std::io::Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Reads a request to its end.
pub fn read_request(stream: &mut impl std::io::Read) -> Option<Request> {
    let head = read_head(stream)?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Request { method, path, headers, body, ..Request::default() })
}

pub fn http(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub type Log = Arc<Mutex<Vec<Request>>>;

/// An HTTPS server that answers each request with the bytes that `answer` gives.
pub fn https(
    config: ServerConfig,
    answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> (SocketAddr, Log) {
    let config = Arc::new(config);
    let log = Log::default();
    let seen = log.clone();
    let address = accept(move |stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let Some(mut request) = read_request(&mut stream) else { return };
        let leaf = stream.conn.peer_certificates().and_then(|chain| chain.first());
        request.certificate = leaf.map(|der| Certificate::from_der(der.to_vec()).unwrap());
        request.client = request.certificate.as_ref().map(|leaf| leaf.common_name().to_owned());
        seen.lock().unwrap().push(request.clone());
        let _ = stream.write_all(&answer(&request));
        stream.conn.send_close_notify();
        let _ = stream.flush();
        // Until the other side has gone: a reset could overtake the answer.
        let _ = stream.sock.shutdown(std::net::Shutdown::Write);
        let _ = stream.sock.read(&mut [0; 64]);
    });
    (address, log)
}
