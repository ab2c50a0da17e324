//! Lines of the kubelet's start, and of refused certificates, keys and credentials.

use super::Nature::{FollowUp, KubeletStart, Setup, Tls};
use super::{KnownLine, line};

const ETCD: Option<&str> = Some("etcd");
const API: Option<&str> = Some("kube-apiserver");
const KUBELET: Option<&str> = Some("kubelet");
const KUBECTL: Option<&str> = Some("kubectl");

/// The kubelet's start, and whatever refuses a certificate.
pub(super) static LINES: &[KnownLine] = &[
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
];
