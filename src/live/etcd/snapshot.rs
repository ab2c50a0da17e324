//! etcd's database, as etcd itself streams it: `etcdserverpb.Maintenance/Snapshot` over gRPC. The server's
//! certificate is not verified, as in [`https`](super::super::https): an expired one is no reason to have no
//! snapshot.
//!
//! Must not know what is in the database or where it is written.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::live::clock;
use crate::live::deadline::{Deadline, waited};
use crate::live::fault::Fault;
use crate::live::https::{self, Exchange, Recorder, Transport, configuration};

const METHOD: &str = "/etcdserverpb.Maintenance/Snapshot";

/// Largest accepted message: etcd sends 32 KiB at once (`snapshotSendBufferSize`, etcd
/// `server/etcdserver/api/v3rpc/maintenance.go` v3.5).
const LARGEST_MESSAGE: usize = 1 << 20;

/// How long the connection, and then `/health`, may take.
const CONNECTION: Duration = Duration::from_secs(5);
/// How long etcd may send nothing. It begins with a commit of what it holds in memory.
const SILENCE: Duration = Duration::from_secs(30);
/// How often the waiting looks whether a signal has arrived.
const TICK: Duration = Duration::from_millis(200);

/// Field numbers: etcd `api/etcdserverpb/rpc.proto`, v3.4 to v3.6. The header is not read.
#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotResponse {
    /// How many bytes follow after this message, the digest not counted.
    #[prost(uint64, tag = "2")]
    remaining_bytes: u64,
    #[prost(bytes = "vec", tag = "3")]
    blob: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct SnapshotRequest {}

/// The next bytes of a snapshot.
pub struct Piece<'a> {
    pub bytes: &'a [u8],
    /// How many bytes etcd says will follow, the digest at the end not counted.
    pub remaining: u64,
}

/// Streams the database of the etcd at this address into `take`, until it is complete or `take` breaks: the
/// content, then its SHA-256 digest (32 bytes). Whether they belong together is for the caller to check.
///
/// # Errors
/// etcd can't be reached or rejects the client, says that it can't, or the stream breaks.
pub fn stream(
    address: SocketAddr,
    transport: Transport<'_>,
    deadline: Deadline,
    take: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    // gRPC's own errors say "transport error" for everything: this request finds out why.
    answers(address, transport, deadline)?;
    let event_loop = https::event_loop()?;
    event_loop.block_on(async {
        let mut stream = begin(address, transport, deadline).await?;
        let (mut heard, mut remaining) = (clock::now(), u64::MAX);
        loop {
            match tokio::time::timeout(TICK, stream.message()).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(status)) => return Err(of(&status)),
                Ok(Ok(Some(message))) => {
                    (heard, remaining) = (clock::now(), message.remaining_bytes);
                    if take(Piece { bytes: &message.blob, remaining }).is_break() {
                        return Ok(());
                    }
                }
                Err(_) if waited(heard) >= SILENCE || deadline.left().is_zero() => {
                    return Err(Fault::TimedOut);
                }
                Err(_) => {
                    if take(Piece { bytes: &[], remaining }).is_break() {
                        return Ok(());
                    }
                }
            }
        }
    })
}

/// Whether etcd answers this client at this address, healthy or not.
///
/// # Errors
/// Why it doesn't.
pub fn answers(address: SocketAddr, transport: Transport<'_>, deadline: Deadline) -> Result<(), Fault> {
    match https::get(address, transport, "/health", deadline.at_most(CONNECTION)) {
        Exchange::Connected { reply: Ok(_), .. } => Ok(()),
        Exchange::Connected { reply: Err(fault), .. }
        | Exchange::NoHandshake(_, fault)
        | Exchange::NoConnection(fault) => Err(fault),
    }
}

/// Connects and asks for the snapshot.
async fn begin(
    address: SocketAddr,
    transport: Transport<'_>,
    deadline: Deadline,
) -> Result<Streaming<SnapshotResponse>, Fault> {
    let asked = async {
        let channel = open(address, transport).await?;
        let mut client = Grpc::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        client.ready().await.map_err(|error| Fault::of(&error))?;
        let path = PathAndQuery::from_static(METHOD);
        let codec = ProstCodec::<SnapshotRequest, SnapshotResponse>::default();
        let answer = client.server_streaming(Request::new(SnapshotRequest {}), path, codec).await;
        Ok(answer.map_err(|status| of(&status))?.into_inner())
    };
    match tokio::time::timeout(deadline.at_most(SILENCE).left(), asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::TimedOut),
    }
}

/// Opens a channel. It is never reopened: a stream that breaks off is no snapshot.
async fn open(address: SocketAddr, transport: Transport<'_>) -> Result<Channel, Fault> {
    let tls = match transport {
        Transport::Plain => None,
        Transport::Tls(client) => {
            let mut config =
                configuration(Arc::new(Recorder::new()), client).map_err(|error| Fault::of(&error))?;
            // Go's server speaks HTTP/2 only where it was agreed on.
            config.alpn_protocols = vec![b"h2".to_vec()];
            Some(TlsConnector::from(Arc::new(config)))
        }
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok::<_, io::Error>(TokioIo::new(match tls {
                None => Stream::Plain(stream),
                Some(tls) => {
                    let name = ServerName::IpAddress(address.ip().into());
                    Stream::Tls(Box::new(tls.connect(name, stream).await?))
                }
            }))
        }
    });
    let uri = |scheme| format!("{scheme}://{address}").parse::<Uri>();
    let (plain, real) = match (uri("http"), uri(scheme)) {
        (Ok(plain), Ok(real)) => (plain, real),
        _ => return Err(Fault::Unreachable(format!("{address} is no address of a server"))),
    };
    // The TLS is ours, not the library's: to it the connection is a plain one.
    let endpoint = Endpoint::from(plain).origin(real);
    endpoint.connect_with_connector(connector).await.map_err(|error| Fault::of(&error))
}

/// An error of the connection, or etcd's own answer.
fn of(status: &Status) -> Fault {
    match std::error::Error::source(status) {
        Some(_) => Fault::of(status),
        None => Fault::Answer(format!("etcd says: {} ({:?})", status.message(), status.code())),
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
