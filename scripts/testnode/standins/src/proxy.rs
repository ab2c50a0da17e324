//! A runtime that knows one version of CRI: passes everything on to the real one, and answers Unimplemented where the
//! version isn't its own, as a containerd before 1.6 (`runtime.v1` unknown) or from 2.0 on (`runtime.v1alpha2` unknown).
//!
//! `cri-proxy --listen=SOCKET --to=SOCKET --refuse=runtime.v1`

use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{UnixListener, UnixStream};

use crate::{Failure, Flags};

type Body = Either<Incoming, Empty<Bytes>>;

pub(crate) async fn run(flags: &Flags) -> Result<(), Failure> {
    let (socket, to, refused) = (flags.need("listen")?, flags.need("to")?, flags.need("refuse")?);
    if std::fs::exists(socket)? {
        std::fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (to, refused) = (to.to_owned(), format!("/{refused}."));
        tokio::spawn(async move {
            let service = service_fn(move |request| pass(request, to.clone(), refused.clone()));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // A client that hangs up is its own affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// One connection to the real runtime for each call: slow enough not to hide anything, quick enough for tests.
async fn pass(
    mut request: Request<Incoming>,
    to: String,
    refused: String,
) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    if path.starts_with(&refused) {
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        // As grpc-go answers: trailers only, code 12.
        return Ok(Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "12")
            .header("grpc-message", format!("unknown service {service}"))
            .body(Either::Right(Empty::new()))?);
    }
    let stream = UnixStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    *request.uri_mut() = format!("http://cri{path}").parse()?;
    Ok(sender.send_request(request).await?.map(Either::Left))
}
