//! The connection to the socket, and the first bytes received on it: gRPC's own errors say "transport error"
//! for everything, so these bytes show what is at the other end.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::error::CriError;
use crate::state::os;

/// How many first bytes are needed: the head of an HTTP/2 frame.
const HEAD: usize = 9;

/// What was received on the newest connection.
#[derive(Debug, Default)]
struct Sight {
    refused: Option<io::Error>,
    head: Vec<u8>,
}

/// What was received on the connections to a socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Sight>>);

impl Seen {
    fn with<T>(&self, look: impl FnOnce(&mut Sight) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the bytes that belong to the head.
    fn keep(&self, bytes: &[u8]) {
        self.with(|sight| {
            let missing = HEAD.saturating_sub(sight.head.len());
            sight.head.extend(bytes.iter().take(missing));
        });
    }

    /// Why the first call failed, from the received bytes. `waited` is set after a timeout. `None`: the other
    /// end does speak HTTP/2.
    pub(super) fn explain(&self, socket: &Path, waited: Option<Duration>) -> Option<CriError> {
        let socket = socket.to_owned();
        self.with(|sight| {
            if let Some(error) = &sight.refused {
                return Some(connect_error(socket, error));
            }
            match (sight.head.as_slice(), waited) {
                ([], Some(waited)) => Some(CriError::Silent { socket, waited }),
                ([], None) => Some(CriError::Closed { socket }),
                (head, _) if head.starts_with(b"HTTP/1") => Some(CriError::Http1 { socket }),
                (head, _) if !is_settings(head) => Some(CriError::NotGrpc { socket }),
                (_, Some(waited)) => Some(CriError::Silent { socket, waited }),
                _ => None,
            }
        })
    }
}

fn connect_error(socket: PathBuf, error: &io::Error) -> CriError {
    match error.kind() {
        io::ErrorKind::NotFound => CriError::Missing { socket },
        io::ErrorKind::PermissionDenied => CriError::Denied { socket },
        // The kernel says "connection refused" for files that are no sockets too.
        io::ErrorKind::ConnectionRefused if !is_socket(&socket) => CriError::NotASocket { socket },
        io::ErrorKind::ConnectionRefused => CriError::Refused { socket },
        _ => CriError::Connect { socket, why: os::reason(error) },
    }
}

pub(super) fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// An HTTP/2 server begins with a SETTINGS frame (RFC 9113, 3.4): type 4 of stream 0, its length a multiple
/// of 6.
fn is_settings(head: &[u8]) -> bool {
    match head {
        [a, b, c, 4, _, 0, 0, 0, 0] => u32::from_be_bytes([0, *a, *b, *c]).is_multiple_of(6),
        _ => false,
    }
}

/// Opens a channel to the socket. A broken connection is reopened at the next call.
pub(super) async fn open(socket: PathBuf, seen: Seen) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let (socket, seen) = (socket.clone(), seen.clone());
        async move {
            seen.with(|sight| *sight = Sight::default());
            match UnixStream::connect(&socket).await {
                Ok(stream) => Ok(TokioIo::new(Watched { stream, seen })),
                Err(error) => {
                    let copy = error.raw_os_error().map(io::Error::from_raw_os_error);
                    seen.with(|sight| sight.refused = Some(copy.unwrap_or_else(|| error.kind().into())));
                    Err(error)
                }
            }
        }
    });
    // The name is never resolved: gRPC requires an authority, and Go's servers reject an unusual one.
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await
}

/// A stream whose first bytes are kept.
struct Watched {
    stream: UnixStream,
    seen: Seen,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.seen.keep(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl Watched {
    /// After a failed write: the other end has closed, perhaps with a message that is still to be read.
    fn last_words(&mut self) {
        let mut buffer = [0; HEAD];
        if let Ok(count) = nix::unistd::read(&self.stream, &mut buffer) {
            self.seen.keep(buffer.get(..count).unwrap_or_default());
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Err(_)) = polled {
            self.last_words();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
