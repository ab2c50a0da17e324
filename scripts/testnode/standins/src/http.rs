//! HTTP/1.1 with and without TLS, served and asked.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Failure, Flags, kubeconfig, log, tls};

/// A request, read to its end.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) accept: String,
    pub(crate) body: Bytes,
    /// The client's certificate chain; empty when it showed none.
    pub(crate) client: Vec<CertificateDer<'static>>,
}

pub(crate) type Answer = Response<Full<Bytes>>;

pub(crate) fn answer(code: u16, kind: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = kind.parse() {
        answer.headers_mut().insert("content-type", kind);
    }
    answer
}

pub(crate) fn text(code: u16, body: impl Into<String>) -> Answer {
    answer(code, "text/plain; charset=utf-8", body.into())
}

pub(crate) fn json(code: u16, value: &serde_json::Value) -> Answer {
    answer(code, "application/json", format!("{value:#}\n"))
}

/// Serves until the process ends. Fails at once where the port can't be had.
pub(crate) async fn serve<Handle, Answered>(
    address: String,
    config: Option<Arc<ServerConfig>>,
    handle: Handle,
) -> Result<(), Failure>
where
    Handle: Fn(Asked) -> Answered + Clone + Send + Sync + 'static,
    Answered: Future<Output = Answer> + Send,
{
    let listener = listen(&address).await?;
    let acceptor = config.map(TlsAcceptor::from);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (acceptor, handle) = (acceptor.clone(), handle.clone());
            tokio::spawn(async move {
                // A client that hangs up or fails its handshake is its own affair.
                let _ = connection(stream, acceptor, handle).await;
            });
        }
    });
    Ok(())
}

/// The one before may not have let go of the port yet.
async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let mut last = String::new();
    for _ in 0..20 {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = format!("listen tcp {address}: bind: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(last.into())
}

async fn connection<Handle, Answered>(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    handle: Handle,
) -> Result<(), Failure>
where
    Handle: Fn(Asked) -> Answered + Clone,
    Answered: Future<Output = Answer>,
{
    let Some(acceptor) = acceptor else {
        return converse(TokioIo::new(stream), Vec::new(), handle).await;
    };
    let stream = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await??;
    let client = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let client = client.into_iter().map(CertificateDer::into_owned).collect();
    converse(TokioIo::new(stream), client, handle).await
}

async fn converse<Stream, Handle, Answered>(
    stream: Stream,
    client: Vec<CertificateDer<'static>>,
    handle: Handle,
) -> Result<(), Failure>
where
    Stream: hyper::rt::Read + hyper::rt::Write + Unpin,
    Handle: Fn(Asked) -> Answered + Clone,
    Answered: Future<Output = Answer>,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, handle) = (client.clone(), handle.clone());
        async move {
            let (head, body) = request.into_parts();
            let accept = head.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let asked = Asked {
                accept: accept.to_owned(),
                method: head.method,
                uri: head.uri,
                body: body.collect().await?.to_bytes(),
                client,
            };
            Ok::<_, hyper::Error>(handle(asked).await)
        }
    });
    hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await?;
    Ok(())
}

/// A client of the API server, with the certificate that it had when it was made.
pub(crate) struct Api {
    host: String,
    port: u16,
    config: Arc<ClientConfig>,
}

impl Api {
    pub(crate) fn new(config: kubeconfig::Kubeconfig) -> Result<Self, Failure> {
        let uri: Uri = config.server.parse()?;
        let pair = tls::pair(&config.certificate, &config.key)?;
        Ok(Self {
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(443),
            config: tls::client(&config.authority, pair, b"http/1.1")?,
        })
    }

    /// The status and the body, within three seconds.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, Bytes), Failure> {
        tokio::time::timeout(Duration::from_secs(3), self.exchange(method, path, body)).await?
    }

    async fn exchange(&self, method: Method, path: &str, body: String) -> Result<(u16, Bytes), Failure> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(self.config.clone()).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok((code, body))
    }
}

/// `client --kubeconfig=FILE --path=/readyz`: a small curl for scripts; fails unless the answer is 200.
pub(crate) async fn client(flags: &Flags) -> Result<(), Failure> {
    let api = Api::new(kubeconfig::read(flags.need("kubeconfig")?)?)?;
    let (code, body) = api.ask(Method::GET, flags.get("path").unwrap_or("/readyz"), String::new()).await?;
    log::info("client", &format!("{code} {}", String::from_utf8_lossy(&body)));
    if code == 200 { Ok(()) } else { Err(format!("{code}").into()) }
}
