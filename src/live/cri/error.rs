//! What can be wrong with a container runtime: each way as its own variant.

use std::path::PathBuf;
use std::time::Duration;

/// Why the runtime could not be reached, or its error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CriError {
    #[error("cannot connect to {}: no such socket", socket.display())]
    Missing { socket: PathBuf },
    #[error("cannot connect to {}: permission denied", socket.display())]
    Denied { socket: PathBuf },
    /// A file, a directory or something else.
    #[error("cannot connect to {}: not a socket", socket.display())]
    NotASocket {
        /// The path that was given.
        socket: PathBuf,
    },
    /// The socket file exists, but nothing listens on it.
    #[error("cannot connect to {}: connection refused, the container runtime is not running", socket.display())]
    Refused { socket: PathBuf },
    #[error("cannot connect to {}: {why}", socket.display())]
    Connect { socket: PathBuf, why: String },
    /// The connection is accepted, but there is no answer.
    #[error("cannot connect to {}: it accepts the connection, but does not answer within {}", socket.display(), seconds(*waited))]
    Silent { socket: PathBuf, waited: Duration },
    /// The connection is accepted and closed without an answer.
    #[error("cannot connect to {}: it closes the connection without an answer", socket.display())]
    Closed { socket: PathBuf },
    /// It speaks HTTP/1: Docker's own socket, for example.
    #[error("cannot connect to {}: it speaks HTTP/1 and is no CRI socket", socket.display())]
    Http1 { socket: PathBuf },
    /// It speaks an unknown protocol.
    #[error("cannot connect to {}: it does not speak gRPC and is no CRI socket", socket.display())]
    NotGrpc { socket: PathBuf },
    /// A runtime that answers, without CRI: neither `runtime.v1` nor `runtime.v1alpha2`.
    #[error("cannot use the runtime at {}: it answers, but without CRI, neither v1 nor v1alpha2", socket.display())]
    NoCri { socket: PathBuf },
    #[error("cannot call {call} at {}: no answer within {}", socket.display(), seconds(*waited))]
    Deadline {
        socket: PathBuf,
        /// The CRI's name of the call.
        call: &'static str,
        waited: Duration,
    },
    /// The connection broke, or the runtime is starting or stopping.
    #[error("cannot call {call} at {}: the runtime is unavailable: {why}", socket.display())]
    Unavailable { socket: PathBuf, call: &'static str, why: String },
    /// The runtime answered with an error.
    #[error("cannot call {call} at {}: {message} ({code})", socket.display())]
    Answer {
        socket: PathBuf,
        call: &'static str,
        /// gRPC's name of the code: `Internal`.
        code: String,
        message: String,
    },
    /// The operating system provided no event loop.
    #[error("cannot connect to {}: {why}", socket.display())]
    NoLoop { socket: PathBuf, why: String },
}

impl CriError {
    /// Whether the same call may succeed a little later: the runtime is slow, restarting or not yet up.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Refused { .. }
            | Self::Connect { .. }
            | Self::Silent { .. }
            | Self::Closed { .. }
            | Self::Deadline { .. }
            | Self::Unavailable { .. } => true,
            // While containerd starts, its socket answers before its CRI plugin does.
            Self::NoCri { .. } => true,
            Self::Answer { code, .. } => {
                const PASSING: [&str; 5] =
                    ["DeadlineExceeded", "Unknown", "Internal", "ResourceExhausted", "Aborted"];
                PASSING.contains(&code.as_str())
            }
            Self::Denied { .. }
            | Self::NotASocket { .. }
            | Self::Http1 { .. }
            | Self::NotGrpc { .. }
            | Self::NoLoop { .. } => false,
        }
    }
}

/// `1.5 s`, `120 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let tenths = duration.as_millis().div_ceil(100);
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        rest => format!("{}.{rest} s", tenths / 10),
    }
}
