//! The known lines, as one table. The first entry that fits a line names it, so that the special ones stand before the
//! general ones.
//!
//! The texts are those of Go's crypto/tls and crypto/x509, etcd 3.4 to 3.6 (capnslog and zap), Kubernetes 1.18 to 1.36,
//! chrony, systemd and Linux. None holds a quotation mark, because JSON forms escape it.

use serde::Serialize;

/// What a known line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// A certificate or a key was refused.
    Tls,
    /// The kubelet doesn't start.
    KubeletStart,
    /// What follows when something else is down; no cause by itself.
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

impl Nature {
    /// Whether such a line can be what breaks a control plane although every certificate is good.
    pub fn is_no_certificate_problem(self) -> bool {
        !matches!(self, Self::Tls | Self::KubeletStart | Self::FollowUp)
    }
}

/// A known line.
#[derive(Debug)]
pub struct KnownLine {
    /// Stable code, in kebab-case.
    pub code: &'static str,
    /// Who writes it, where only one does.
    pub writer: Option<&'static str>,
    /// What it is about.
    pub nature: Nature,
    /// Alternatives; of one of them every text has to be in the line. The first text is the rare one: lines without any
    /// of these are never looked at.
    pub patterns: &'static [&'static [&'static str]],
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

const fn line(
    code: &'static str,
    writer: Option<&'static str>,
    nature: Nature,
    patterns: &'static [&'static [&'static str]],
    meaning: &'static str,
) -> KnownLine {
    KnownLine { code, writer, nature, patterns, meaning }
}

use Nature::{Clock, Disk, EtcdData, FollowUp, Image, KubeletStart, Memory, Setup, Tls};

const ETCD: Option<&str> = Some("etcd");
const API: Option<&str> = Some("kube-apiserver");
const KUBELET: Option<&str> = Some("kubelet");
const KUBECTL: Option<&str> = Some("kubectl");
const KERNEL: Option<&str> = Some("kernel");

/// Every known line.
pub static KNOWN: &[KnownLine] = &[
    // The kubelet's start.
    line(
        "kubelet-client-expired",
        KUBELET,
        KubeletStart,
        &[&["existing bootstrap client certificate", "is expired"]],
        "the kubelet's client certificate had ended when the kubelet started",
    ),
    line(
        "kubelet-no-bootstrap",
        KUBELET,
        KubeletStart,
        &[&["unable to load bootstrap kubeconfig"]],
        "the kubelet doesn't start: its client certificate is of no use and there is no bootstrap kubeconfig",
    ),
    line(
        "kubelet-client-expired-running",
        KUBELET,
        Tls,
        &[&["currently active client certificate has expired"]],
        "the running kubelet's client certificate ended",
    ),
    line(
        "kubelet-rotation-refused",
        KUBELET,
        Tls,
        &[&["Failed while requesting a signed certificate", "x509: "]],
        "the kubelet can't renew its certificate: a certificate on the way to the API server is refused",
    ),
    line(
        "kubelet-rotation-failed",
        KUBELET,
        FollowUp,
        &[&["Failed while requesting a signed certificate"]],
        "the kubelet can't renew its certificate",
    ),
    line(
        "kubelet-swap",
        KUBELET,
        Setup,
        &[&["running with swap on is not supported"]],
        "the kubelet doesn't start: swap is on",
    ),
    line(
        "kubelet-configuration",
        KUBELET,
        Setup,
        &[&["ailed to load kubelet config file"], &["ailed to load Kubelet config file"]],
        "the kubelet doesn't start: its configuration can't be read",
    ),
    line(
        "kubelet-cgroup-driver",
        KUBELET,
        Setup,
        &[&["misconfiguration: kubelet cgroup driver"]],
        "the kubelet doesn't start: its cgroup driver is not the container runtime's",
    ),
    line(
        "kubelet-runtime",
        KUBELET,
        Setup,
        &[&["ailed to run Kubelet", "runtime"], &["container runtime is down"]],
        "the kubelet doesn't reach the container runtime",
    ),
    line("kubelet-failed", KUBELET, Setup, &[&["ailed to run Kubelet"]], "the kubelet doesn't start"),
    // etcd's certificates.
    line(
        "etcd-peer-refused",
        ETCD,
        Tls,
        &[
            &["could not connect: x509"],
            &["prober detected unhealthy status", "x509: "],
            &["prober detected unhealthy status", "tls: "],
        ],
        "etcd doesn't reach another member: one of the two refuses the other's certificate",
    ),
    line(
        "etcd-certificate-refused",
        ETCD,
        Tls,
        &[&["rejected connection", "remote error: tls: "]],
        "a client or another member refuses etcd's certificate",
    ),
    line(
        "etcd-client-refused",
        ETCD,
        Tls,
        &[&["rejected connection", "x509: "], &["rejected connection", "tls: "]],
        "etcd refuses the certificate of a client or another member",
    ),
    line(
        "etcd-peer-unreachable",
        ETCD,
        FollowUp,
        &[&["prober detected unhealthy status"], &["health check for peer", "could not connect"]],
        "etcd doesn't reach another member",
    ),
    // The API server.
    line(
        "apiserver-loopback-expired",
        API,
        Tls,
        &[&["apiserver-loopback-client", "x509: "]],
        "the API server's certificate for its own requests, made when it starts, ended: it has to be restarted",
    ),
    line(
        "apiserver-client-refused",
        API,
        Tls,
        &[&["Unable to authenticate the request", "x509: "]],
        "the API server refuses a client's certificate",
    ),
    line(
        "apiserver-token-refused",
        API,
        Setup,
        &[&["Unable to authenticate the request"]],
        "the API server refuses a token: it may be old, or signed with another service-account key",
    ),
    line(
        "etcd-handshake-refused",
        API,
        Tls,
        &[&["authentication handshake failed", "x509: "], &["authentication handshake failed", "tls: "]],
        "the API server and etcd don't accept each other's certificates",
    ),
    line(
        "serving-certificate-refused",
        None,
        Tls,
        &[&["TLS handshake error from", "remote error: tls: "]],
        "a client refuses the certificate that is served",
    ),
    line(
        "client-certificate-refused",
        None,
        Tls,
        &[
            &["TLS handshake error from", "x509: "],
            &["TLS handshake error from", "client didn't provide a certificate"],
        ],
        "a client's certificate is refused or missing",
    ),
    // Everyone's clients.
    line(
        "kubectl-refused",
        KUBECTL,
        Tls,
        &[&["Unable to connect to the server: x509: "], &["Unable to connect to the server: tls: "]],
        "kubectl refuses the API server's certificate",
    ),
    line(
        "kubectl-unauthorized",
        KUBECTL,
        Tls,
        &[&["You must be logged in to the server"]],
        "the API server refuses the credential in the kubeconfig",
    ),
    line(
        "watch-refused",
        None,
        Tls,
        &[&["ailed to watch", "x509: "]],
        "a component refuses the API server's certificate, or the API server the component's",
    ),
    line(
        "certificate-not-yet-valid",
        None,
        Tls,
        &[&["certificate has expired or is not yet valid", " is before "]],
        "a certificate that is not valid yet was refused: the clock was wrong, or the certificate was made with a wrong one",
    ),
    line(
        "certificate-expired",
        None,
        Tls,
        &[&["certificate has expired or is not yet valid"]],
        "a certificate that had ended was refused",
    ),
    line(
        "certificate-unknown-authority",
        None,
        Tls,
        &[&["certificate signed by unknown authority"]],
        "a certificate was refused that no trusted CA signed: a new CA, or an old copy of it",
    ),
    line(
        "certificate-wrong-name",
        None,
        Tls,
        &[
            &["x509: certificate is valid for"],
            &["x509: cannot validate certificate for"],
            &["x509: certificate is not valid for any names"],
        ],
        "a certificate was refused because it lacks the name or address that was called",
    ),
    line(
        "certificate-wrong-usage",
        None,
        Tls,
        &[&["certificate specifies an incompatible key usage"]],
        "a certificate was refused because it isn't for this use",
    ),
    line(
        "key-mismatch",
        None,
        Tls,
        &[&["tls: private key does not match public key"]],
        "a key doesn't belong to the certificate beside it",
    ),
    line(
        "pem-unreadable",
        None,
        Tls,
        &[
            &["tls: failed to find any PEM data"],
            &["tls: failed to find certificate PEM data"],
            &["tls: failed to find PEM block"],
        ],
        "a certificate or key file is empty, cut off or no PEM",
    ),
    line(
        "certificate-refused",
        None,
        Tls,
        &[&["x509: "], &["remote error: tls: "]],
        "a certificate was refused",
    ),
    // etcd's data.
    line(
        "etcd-database-snapshot-missing",
        ETCD,
        EtcdData,
        &[&["failed to find database snapshot file"]],
        "etcd doesn't start: its database is older than its log, as after a power cut",
    ),
    line(
        "etcd-snapshot-missing",
        ETCD,
        EtcdData,
        &[&["snap: snapshot file doesn't exist"]],
        "etcd lacks a snapshot of its data, as after a power cut",
    ),
    line(
        "etcd-wal-damaged",
        ETCD,
        EtcdData,
        &[
            &["wal: crc mismatch"],
            &["walpb: crc mismatch"],
            &["wal: max entry size limit exceeded"],
            &["wal: file not found"],
        ],
        "etcd's write-ahead log is damaged",
    ),
    line(
        "etcd-database-damaged",
        ETCD,
        EtcdData,
        &[&["failed to open database"], &["invalid database"], &["tocommit(", "is out of range"]],
        "etcd's database is damaged, or has lost what it had confirmed",
    ),
    line(
        "etcd-space-exceeded",
        ETCD,
        EtcdData,
        &[&["database space exceeded"]],
        "etcd's database has reached its quota, and takes no writes until it is compacted and disarmed",
    ),
    line(
        "etcd-other-cluster",
        ETCD,
        EtcdData,
        &[
            &["cluster ID mismatch"],
            &["request sent was ignored (cluster ID"],
            &["permanently removed from the cluster"],
        ],
        "etcd's data is of another cluster, or its member was removed from this one",
    ),
    // The machine.
    line(
        "disk-full",
        None,
        Disk,
        &[&["no space left on device"], &["No space left on device"], &["disk quota exceeded"]],
        "the disk was full",
    ),
    line(
        "disk-read-only",
        None,
        Disk,
        &[&["read-only file system"], &["Remounting filesystem read-only"], &["Read-only file system"]],
        "a file system was read-only, as after an error of the disk",
    ),
    line(
        "disk-error",
        None,
        Disk,
        &[&["input/output error"], &["Buffer I/O error"], &["EXT4-fs error"], &["Input/output error"]],
        "the disk reported an error",
    ),
    line(
        "out-of-memory",
        KERNEL,
        Memory,
        &[&["Out of memory: Kill"], &["Memory cgroup out of memory"], &["oom-kill:constraint"]],
        "the kernel ended a process because memory was used up",
    ),
    line(
        "clock-stepped",
        None,
        Clock,
        &[
            &["System clock was stepped by"],
            &["System clock wrong by"],
            &["Time has been changed"],
            &["Time jumped backwards"],
        ],
        "the clock was set",
    ),
    line(
        "clock-differs",
        ETCD,
        Clock,
        &[&["prober found high clock drift"], &["the clock difference against peer", "is too high"]],
        "the clocks of two etcd members differ by more than a second",
    ),
    line(
        "image-missing",
        None,
        Image,
        &[&["ailed to pull image"], &["ailed to pull and unpack image"]],
        "an image can't be pulled",
    ),
    line(
        "port-in-use",
        None,
        Setup,
        &[&["bind: address already in use"]],
        "a port is taken by another process",
    ),
    line(
        "credential-file-missing",
        None,
        Setup,
        &[
            &["open /etc/kubernetes/", "no such file or directory"],
            &["stat /etc/kubernetes/", "no such file or directory"],
        ],
        "a file that a component is told to use is missing",
    ),
    // What follows from any of these.
    line(
        "leader-lost",
        None,
        FollowUp,
        &[&["leaderelection lost"], &["lost lease", "leaderelection"]],
        "controller manager or scheduler lost the leader election and ended",
    ),
    line(
        "etcd-no-leader",
        None,
        FollowUp,
        &[&["etcdserver: no leader"]],
        "etcd had no leader: too few members were up",
    ),
    line(
        "handshake-timeout",
        None,
        FollowUp,
        &[&["net/http: TLS handshake timeout"]],
        "a server was too busy or too broken to answer",
    ),
    line(
        "connection-refused",
        None,
        FollowUp,
        &[&["connect: connection refused"]],
        "nobody listened at an address; it follows from whatever is down",
    ),
];
