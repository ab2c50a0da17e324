//! Everything that can be wrong with a container runtime, each with the next step.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the runtime could not be reached, or its error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CriError {
    #[error("{}: there is no such socket", socket.display())]
    Missing { socket: PathBuf },
    #[error("{}: permission denied", socket.display())]
    Denied { socket: PathBuf },
    /// A file, a directory or something else.
    #[error("{}: not a socket", socket.display())]
    NotASocket {
        /// The path that was given.
        socket: PathBuf,
    },
    /// The socket file exists, but nothing listens on it.
    #[error("{}: nobody listens on this socket: the container runtime is not running", socket.display())]
    Refused { socket: PathBuf },
    #[error("cannot connect to {}: {why}", socket.display())]
    Connect { socket: PathBuf, why: String },
    /// The connection is accepted, but there is no answer.
    #[error("{}: accepts connections, but did not answer within {}", socket.display(), seconds(*waited))]
    Silent { socket: PathBuf, waited: Duration },
    /// The connection is accepted and closed without an answer.
    #[error("{}: closes the connection without an answer", socket.display())]
    Closed { socket: PathBuf },
    /// It speaks HTTP/1: Docker's own socket, for example.
    #[error("{}: speaks HTTP/1, so this is no CRI socket", socket.display())]
    Http1 { socket: PathBuf },
    /// It speaks an unknown protocol.
    #[error("{}: does not speak gRPC, so this is no CRI socket", socket.display())]
    NotGrpc { socket: PathBuf },
    /// A runtime that answers, without CRI: neither `runtime.v1` nor `runtime.v1alpha2`.
    #[error("{}: the runtime answers, but without CRI, neither v1 nor v1alpha2", socket.display())]
    NoCri { socket: PathBuf },
    #[error("{}: {call} was not answered within {}", socket.display(), seconds(*waited))]
    Deadline {
        socket: PathBuf,
        /// The CRI's name of the call.
        call: &'static str,
        waited: Duration,
    },
    /// The connection broke, or the runtime is starting or stopping.
    #[error("{}: the runtime went away during {call}: {why}", socket.display())]
    Unavailable { socket: PathBuf, call: &'static str, why: String },
    /// The runtime answered with an error.
    #[error("{}: {call} failed: {message} ({code})", socket.display())]
    Answer {
        socket: PathBuf,
        call: &'static str,
        /// gRPC's name of the code: `Internal`.
        code: String,
        message: String,
    },
    /// The operating system provided no event loop.
    #[error("cannot talk to {}: {why}", socket.display())]
    NoLoop { socket: PathBuf, why: String },
}

impl CriError {
    pub fn hint(&self) -> String {
        const OTHER: &str = "name the runtime's socket with --cri-socket unix:///PATH";
        match self {
            Self::Missing { socket } | Self::Refused { socket } => {
                format!(
                    "start the runtime: systemctl start {}; if its socket is elsewhere, {OTHER}",
                    service(socket)
                )
            }
            Self::Denied { .. } => "run as root".to_owned(),
            Self::Silent { socket, .. } | Self::Closed { socket } | Self::Deadline { socket, .. } => {
                format!("see what the runtime does: journalctl -u {0}; systemctl restart {0} leaves the containers running", service(socket))
            }
            Self::Unavailable { socket, .. } | Self::Answer { socket, .. } => {
                format!("see what the runtime says: journalctl -u {}", service(socket))
            }
            Self::Http1 { .. } => format!(
                "if this is Docker's socket, cri-dockerd's is needed (unix:///var/run/cri-dockerd.sock): {OTHER}"
            ),
            Self::NoCri { .. } => {
                "remove \"cri\" from disabled_plugins in /etc/containerd/config.toml and run systemctl restart containerd; or go without CRI: --restart=manifest".to_owned()
            }
            Self::NotASocket { .. } | Self::Connect { .. } | Self::NotGrpc { .. } | Self::NoLoop { .. } => {
                OTHER.to_owned()
            }
        }
    }

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

/// The systemd unit that creates a socket at this path.
fn service(socket: &Path) -> &'static str {
    let path = socket.to_string_lossy();
    if path.contains("crio") {
        "crio"
    } else if path.contains("cri-dockerd") {
        "cri-docker"
    } else if path.contains("dockershim") {
        "kubelet"
    } else {
        "containerd"
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
