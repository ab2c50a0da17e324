//! One request on one connection, reported phase by phase: TCP, TLS, HTTP. The server's certificates are
//! recorded without validation, because an expired one is what we look for; the proof that the server holds
//! the key is verified.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::deadline::Deadline;
use super::fault::Fault;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::state::os;

/// Bytes. Health checks answer a few kilobytes.
const LONGEST_BODY: usize = 1 << 20;

/// How long to wait for the alert behind a broken connection.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A client certificate and its key, ready for TLS.
#[derive(Clone, Debug)]
pub struct ClientPair(Arc<SingleCertAndKey>);

impl ClientPair {
    /// Accepts all of kubeadm's key encodings.
    ///
    /// # Errors
    /// They don't belong together, or TLS does not support this kind of key.
    pub fn new(certificate: &Certificate, key: &PrivateKey) -> Result<Self, String> {
        if !certificate.is_of(key) {
            return Err("the key is not the certificate's".to_owned());
        }
        let pkcs8 = key.to_pkcs8().map_err(|error| error.to_string())?;
        // Borrowed: no copy of the key is left behind.
        let borrowed = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
        let signer =
            any_supported_type(&borrowed).map_err(|_| "TLS does not support this kind of key".to_owned())?;
        let chain = vec![CertificateDer::from(certificate.der.clone())];
        Ok(Self(Arc::new(CertifiedKey::new(chain, signer).into())))
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    Plain,
    /// TLS, with a client certificate if the server may require one.
    Tls(Option<&'a ClientPair>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// How far a request got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    NoConnection(Fault),
    /// There was no TLS connection. The chain is what the server had sent by then.
    NoHandshake(Vec<Vec<u8>>, Fault),
    /// There was a connection; over plain TCP the chain is empty.
    Connected {
        /// The served chain, leaf certificate first, in DER.
        chain: Vec<Vec<u8>>,
        reply: Result<Reply, Fault>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Request<'a> {
    Get(&'a str),
    Post(&'a str, &'static str),
}

/// Sends one GET request and reads the answer, within the deadline.
pub fn get(address: SocketAddr, transport: Transport<'_>, path: &str, deadline: Deadline) -> Exchange {
    send(address, transport, Request::Get(path), deadline)
}

/// Sends one POST request with a JSON body, as etcd's gateway requires it, and reads the answer, within the
/// deadline.
pub fn post(
    address: SocketAddr,
    transport: Transport<'_>,
    path: &str,
    json: &'static str,
    deadline: Deadline,
) -> Exchange {
    send(address, transport, Request::Post(path, json), deadline)
}

fn send(address: SocketAddr, transport: Transport<'_>, request: Request<'_>, deadline: Deadline) -> Exchange {
    match event_loop() {
        Ok(event_loop) => event_loop.block_on(exchange(address, transport, request, deadline)),
        Err(fault) => Exchange::NoConnection(fault),
    }
}

/// What waits for connections and their deadlines, in this thread.
///
/// # Errors
/// The system has no handles left for it.
pub(super) fn event_loop() -> Result<tokio::runtime::Runtime, Fault> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Fault::Unreachable(os::reason(&error)))
}

async fn exchange(
    address: SocketAddr,
    transport: Transport<'_>,
    asked: Request<'_>,
    deadline: Deadline,
) -> Exchange {
    let stream = match within(deadline, tokio::net::TcpStream::connect(address)).await {
        Ok(stream) => stream,
        Err(fault) => return Exchange::NoConnection(fault),
    };
    let Transport::Tls(client) = transport else {
        return Exchange::Connected {
            chain: Vec::new(),
            reply: request(stream, address, asked, deadline).await,
        };
    };
    let recorder = Arc::new(Recorder::new());
    let config = match configuration(recorder.clone(), client) {
        Ok(config) => config,
        Err(error) => return Exchange::NoHandshake(Vec::new(), Fault::of(&error)),
    };
    let name = ServerName::IpAddress(address.ip().into());
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    match within(deadline, connector.connect(name, stream)).await {
        Ok(stream) => {
            let reply = request(stream, address, asked, deadline).await;
            Exchange::Connected { chain: recorder.chain(), reply }
        }
        Err(fault) => Exchange::NoHandshake(recorder.chain(), fault),
    }
}

/// Waits for an I/O operation until the deadline.
pub(super) async fn within<T>(
    deadline: Deadline,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(deadline.left(), work).await {
        Ok(done) => done.map_err(|error| Fault::of(&error)),
        Err(_) => Err(Fault::TimedOut),
    }
}

async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    asked: Request<'_>,
    deadline: Deadline,
) -> Result<Reply, Fault> {
    let (mut sender, mut connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Fault::of(&error))?;
    let (builder, body) = match asked {
        Request::Get(path) => (hyper::Request::get(path), ""),
        Request::Post(path, json) => {
            (hyper::Request::post(path).header(hyper::header::CONTENT_TYPE, "application/json"), json)
        }
    };
    let request = builder
        .header(hyper::header::HOST, address.to_string())
        .header(hyper::header::USER_AGENT, concat!("kuberescue/", env!("CARGO_PKG_VERSION")))
        .header(hyper::header::CONNECTION, "close")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .map_err(|_| Fault::Answer("HTTP knows no such request".to_owned()))?;
    let reply = async {
        let reply = sender.send_request(request).await.map_err(|error| Fault::of(&error))?;
        let status = reply.status().as_u16();
        let body = Limited::new(reply.into_body(), LONGEST_BODY).collect().await.map_err(|error| {
            match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => Fault::Answer(format!("an answer of more than {LONGEST_BODY} bytes")),
                None => Fault::of(error.as_ref()),
            }
        })?;
        Ok(Reply { status, body: body.to_bytes().to_vec() })
    };
    let answered = {
        let mut reply = pin!(reply);
        let mut closed = None;
        let both = poll_fn(|context| {
            // The connection does the reading and writing; the answer comes out of it.
            if closed.is_none()
                && let Poll::Ready(end) = connection.poll_without_shutdown(context)
            {
                closed = Some(end);
            }
            reply.as_mut().poll(context)
        });
        let answered = tokio::time::timeout(deadline.left(), both).await;
        match (answered, closed) {
            (Err(_), _) => return Err(Fault::TimedOut),
            (Ok(Ok(reply)), _) => return Ok(reply),
            // The connection knows better than the request why it broke.
            (Ok(Err(_)), Some(Err(error))) => Fault::of(&error),
            (Ok(Err(fault)), _) => fault,
        }
    };
    if answered.is_of_tls() {
        return Err(answered);
    }
    // With TLS 1.3 a server rejects a client certificate after the handshake (RFC 8446 section 4.4.2.4), and
    // the request may run into the closed connection before its alert was read.
    let mut stream = connection.into_parts().io.into_inner();
    let last_words = within(deadline.at_most(LAST_WORDS), stream.read(&mut [0])).await;
    Err(last_words.err().filter(Fault::is_of_tls).unwrap_or(answered))
}

pub(super) fn configuration(
    recorder: Arc<Recorder>,
    client: Option<&ClientPair>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(recorder.provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(recorder);
    Ok(match client {
        Some(pair) => builder.with_client_cert_resolver(pair.0.clone()),
        None => builder.with_no_client_auth(),
    })
}

/// Accepts and records every certificate.
#[derive(Debug)]
pub(super) struct Recorder {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { provider: Arc::new(rustls::crypto::ring::default_provider()), chain: Mutex::default() }
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        self.provider.clone()
    }

    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = [leaf].into_iter().chain(others).map(|certificate| certificate.to_vec()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        // It is judged afterwards, against the file on the disk.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
