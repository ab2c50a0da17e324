//! Lines of the kubelet's start, and of rejected certificates, keys and credentials.

use super::Nature::{FollowUp, KubeletStart, Setup, Tls};
use super::{KnownLine, line};
use crate::state::Code;

const ETCD: Option<&str> = Some("etcd");
const API: Option<&str> = Some("kube-apiserver");
const KUBELET: Option<&str> = Some("kubelet");
const KUBECTL: Option<&str> = Some("kubectl");

/// The kubelet's start, and rejected certificates.
pub(super) static LINES: &[KnownLine] = &[
    // The kubelet's start.
    line(
        Code::KubeletClientExpired,
        KUBELET,
        KubeletStart,
        &[&["existing bootstrap client certificate", "is expired"]],
    ),
    line(Code::KubeletNoBootstrap, KUBELET, KubeletStart, &[&["unable to load bootstrap kubeconfig"]]),
    line(
        Code::KubeletClientExpiredRunning,
        KUBELET,
        Tls,
        &[&["currently active client certificate has expired"]],
    ),
    line(
        Code::KubeletRotationRefused,
        KUBELET,
        Tls,
        &[&["Failed while requesting a signed certificate", "x509: "]],
    ),
    line(
        Code::KubeletRotationFailed,
        KUBELET,
        FollowUp,
        &[&["Failed while requesting a signed certificate"]],
    ),
    line(Code::KubeletSwap, KUBELET, Setup, &[&["running with swap on is not supported"]]),
    line(
        Code::KubeletConfiguration,
        KUBELET,
        Setup,
        &[&["ailed to load kubelet config file"], &["ailed to load Kubelet config file"]],
    ),
    line(Code::KubeletCgroupDriver, KUBELET, Setup, &[&["misconfiguration: kubelet cgroup driver"]]),
    line(
        Code::KubeletRuntime,
        KUBELET,
        Setup,
        &[&["ailed to run Kubelet", "runtime"], &["container runtime is down"]],
    ),
    line(Code::KubeletFailed, KUBELET, Setup, &[&["ailed to run Kubelet"]]),
    // etcd's certificates.
    line(
        Code::EtcdPeerRefused,
        ETCD,
        Tls,
        &[
            &["could not connect: x509"],
            &["prober detected unhealthy status", "x509: "],
            &["prober detected unhealthy status", "tls: "],
        ],
    ),
    line(Code::EtcdCertificateRefused, ETCD, Tls, &[&["rejected connection", "remote error: tls: "]]),
    line(
        Code::EtcdClientRefused,
        ETCD,
        Tls,
        &[&["rejected connection", "x509: "], &["rejected connection", "tls: "]],
    ),
    line(
        Code::EtcdPeerUnreachable,
        ETCD,
        FollowUp,
        &[&["prober detected unhealthy status"], &["health check for peer", "could not connect"]],
    ),
    // The API server.
    line(Code::ApiserverLoopbackExpired, API, Tls, &[&["apiserver-loopback-client", "x509: "]]),
    line(Code::ApiserverClientRefused, API, Tls, &[&["Unable to authenticate the request", "x509: "]]),
    line(Code::ApiserverTokenRefused, API, Setup, &[&["Unable to authenticate the request"]]),
    line(
        Code::EtcdHandshakeRefused,
        API,
        Tls,
        &[&["authentication handshake failed", "x509: "], &["authentication handshake failed", "tls: "]],
    ),
    line(Code::ServingCertificateRefused, None, Tls, &[&["TLS handshake error from", "remote error: tls: "]]),
    line(Code::ClientCertificateRefused, None, Tls, &[&["TLS handshake error from", "x509: "]]),
    // Any client.
    line(
        Code::KubectlRefused,
        KUBECTL,
        Tls,
        &[&["Unable to connect to the server: x509: "], &["Unable to connect to the server: tls: "]],
    ),
    line(Code::KubectlUnauthorized, KUBECTL, Tls, &[&["You must be logged in to the server"]]),
    line(Code::WatchRefused, None, Tls, &[&["ailed to watch", "x509: "]]),
    line(
        Code::CertificateNotYetValid,
        None,
        Tls,
        &[&["certificate has expired or is not yet valid", " is before "]],
    ),
    line(Code::CertificateExpired, None, Tls, &[&["certificate has expired or is not yet valid"]]),
    line(Code::CertificateUnknownAuthority, None, Tls, &[&["certificate signed by unknown authority"]]),
    line(
        Code::CertificateWrongName,
        None,
        Tls,
        &[
            &["x509: certificate is valid for"],
            &["x509: cannot validate certificate for"],
            &["x509: certificate is not valid for any names"],
        ],
    ),
    line(Code::CertificateWrongUsage, None, Tls, &[&["certificate specifies an incompatible key usage"]]),
    line(Code::KeyMismatch, None, Tls, &[&["tls: private key does not match public key"]]),
    line(
        Code::PemUnreadable,
        None,
        Tls,
        &[
            &["tls: failed to find any PEM data"],
            &["tls: failed to find certificate PEM data"],
            &["tls: failed to find PEM block"],
        ],
    ),
    line(Code::CertificateRefused, None, Tls, &[&["x509: "], &["remote error: tls: "]]),
];
