//! The known lines, as a table in two files. The first entry that matches a line names it, so special ones
//! come before general ones.
//!
//! The texts are those of Go's crypto/tls and crypto/x509, etcd 3.4 to 3.6 (capnslog and zap), Kubernetes
//! 1.18 to 1.36, chrony, systemd and Linux. None contains a quotation mark, because JSON forms escape it.

mod certificates;
mod others;

use serde::Serialize;

use crate::state::Code;

/// The subject of a known line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// A certificate or a key was rejected.
    Tls,
    /// The kubelet doesn't start.
    KubeletStart,
    /// A consequence of another failure; no cause by itself.
    FollowUp,
    /// etcd's data, not its certificates.
    EtcdData,
    /// The disk is full or broken.
    Disk,
    /// The clock was wrong.
    Clock,
    /// Out of memory.
    Memory,
    /// An image is missing.
    Image,
    /// Configuration, files, ports, the container runtime.
    Setup,
}

#[derive(Debug)]
pub struct KnownLine {
    pub code: Code,
    /// The program, if only one writes it.
    pub writer: Option<&'static str>,
    pub nature: Nature,
    /// Alternatives; a line must contain every text of one of them.
    pub patterns: &'static [&'static [&'static str]],
}

const fn line(
    code: Code,
    writer: Option<&'static str>,
    nature: Nature,
    patterns: &'static [&'static [&'static str]],
) -> KnownLine {
    KnownLine { code, writer, nature, patterns }
}

/// The texts that logs are searched for: each alternative of each known line contains one of these, and lines
/// without any are skipped. Few enough for the vectorised search, which takes 64, and rare in the logs of a
/// healthy node.
pub(super) static RARE: &[&str] = &[
    "x509: ",
    "tls: ",
    "certificate",
    "bootstrap kubeconfig",
    "swap on is not",
    "ubelet config file",
    "kubelet cgroup driver",
    "run Kubelet",
    "runtime is down",
    "could not connect",
    "unhealthy status",
    "authenticate the request",
    "logged in to the server",
    "snapshot file",
    "crc mismatch",
    "entry size limit",
    "wal: file not found",
    "failed to open database",
    "invalid database",
    "tocommit(",
    "space exceeded",
    "cluster ID",
    "removed from the cluster",
    "space left on device",
    "quota exceeded",
    "nly file system",
    "filesystem read-only",
    "put/output error",
    "Buffer I/O error",
    "EXT4-fs error",
    "ut of memory",
    "oom-kill:",
    "System clock w",
    "Time has been changed",
    "Time jumped",
    "clock drift",
    "clock difference",
    "pull image",
    "unpack image",
    "address already in use",
    "open /etc/kubernetes/",
    "stat /etc/kubernetes/",
    "leaderelection lost",
    "lost lease",
    "etcdserver: no leader",
    "handshake timeout",
    "connection refused",
];

/// A line with one of these is none of the known ones: whoever looks whether a port is open leaves it in the log of a healthy
/// server.
pub(super) static HARMLESS: &[&str] = &["client didn't provide a certificate"];

pub fn known() -> impl Iterator<Item = &'static KnownLine> {
    certificates::LINES.iter().chain(others::LINES)
}
