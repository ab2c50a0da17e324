//! What a probe found: values that are shown, serialised and asked whether they are green.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::formats::certificate::Certificate;
use crate::live::api::Node;
use crate::state::{Digest, text};

/// The result of a check. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The file was replaced, and the component still serves what it read when it started.
    OldCertificateStillServed,
    /// The served certificate has ended.
    ExpiredCertificateServed,
    /// The served certificate is not valid yet.
    CertificateNotYetValid,
    /// The served certificate is not the one on the disk, and not an older one either.
    CertificateDiffers,
    /// There is no certificate on the disk to compare with, or none that can be read.
    CertificateFileUnusable,
    /// Nothing listens.
    NotListening,
    /// No answer in time.
    TimedOut,
    /// The address cannot be reached.
    Unreachable,
    /// No TLS connection, or one that clients refuse.
    TlsFailed,
    /// The server refuses the client certificate.
    ClientCertificateRejected,
    /// It answers that it is not well, or nothing that can be understood.
    Unhealthy,
    /// The API server or the kubelet doesn't know the client (401).
    Unauthorized,
    /// The client is known and may not do that (403).
    Forbidden,
    /// A kubeconfig is missing or can't be used.
    KubeconfigUnusable,
    /// The API server doesn't know this node.
    NodeMissing,
    /// The node is not Ready.
    NodeNotReady,
    /// The kubelet does not renew its lease.
    LeaseStale,
    /// A component of this node has no manifest.
    ManifestMissing,
    /// A component's manifest cannot be read.
    ManifestUnreadable,
    /// It doesn't run on this node, and should not.
    NotExpected,
    /// It could not be asked, because of something else that is wrong.
    NotAsked,
}

impl Verdict {
    /// The code, as in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OldCertificateStillServed => "old-certificate-still-served",
            Self::ExpiredCertificateServed => "expired-certificate-served",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateDiffers => "certificate-differs",
            Self::CertificateFileUnusable => "certificate-file-unusable",
            Self::NotListening => "not-listening",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::TlsFailed => "tls-failed",
            Self::ClientCertificateRejected => "client-certificate-rejected",
            Self::Unhealthy => "unhealthy",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::KubeconfigUnusable => "kubeconfig-unusable",
            Self::NodeMissing => "node-missing",
            Self::NodeNotReady => "node-not-ready",
            Self::LeaseStale => "lease-stale",
            Self::ManifestMissing => "manifest-missing",
            Self::ManifestUnreadable => "manifest-unreadable",
            Self::NotExpected => "not-expected",
            Self::NotAsked => "not-asked",
        }
    }
}

/// How much a result matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong.
    Fine,
    /// Worth knowing; the control plane of this node works with it.
    Warning,
    /// Not as it should be.
    Wrong,
}

/// How a phase of a check went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum Phase {
    /// It was not come to, or there is no such phase.
    #[default]
    NotTried,
    /// It went well.
    Ok,
    /// It did not.
    Failed(String),
}

/// The phases of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// The TCP connection.
    pub tcp: Phase,
    /// The TLS handshake.
    pub tls: Phase,
    /// The answer to the request.
    pub answer: Phase,
}

/// A leaf certificate in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaf {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate.
    pub sha256: Digest,
}

impl From<&Certificate> for Leaf {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            sha256: certificate.fingerprint(),
        }
    }
}

/// The certificate on the disk that should be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnDisk {
    /// Its file.
    #[serde(with = "text")]
    pub path: PathBuf,
    /// What it says, where it can be read.
    pub leaf: Option<Leaf>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name: an endpoint's, or `admin.conf`, `node`, `lease`, `endpoint`.
    pub name: &'static str,
    /// Where it was asked.
    pub address: Option<String>,
    /// The result.
    pub verdict: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// The result in a line.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    /// How far the request came.
    pub phases: Phases,
    /// The certificate that is served.
    pub served: Option<Leaf>,
    /// The one that should be.
    pub disk: Option<OnDisk>,
}

/// A finding on the way to a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn wrong(verdict: Verdict, what: impl Into<String>) -> Self {
        Self { verdict, severity: Severity::Wrong, what: what.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

impl Check {
    /// A check of which nothing is known yet.
    pub(super) fn new(name: &'static str, address: Option<String>) -> Self {
        Self {
            name,
            address,
            verdict: Verdict::Ok,
            severity: Severity::Fine,
            what: String::new(),
            hint: None,
            phases: Phases::default(),
            served: None,
            disk: None,
        }
    }

    /// With the verdict of what was found: the gravest finding gives it, and of equals the first. `well` is
    /// what is said where nothing was found.
    #[must_use]
    pub(super) fn judged(mut self, mut found: Vec<Finding>, well: impl FnOnce() -> String) -> Self {
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        match found.first() {
            Some(first) => {
                (self.verdict, self.severity, self.hint) =
                    (first.verdict, first.severity, first.hint.clone());
                self.what = found.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>().join("; ");
            }
            None => self.what = well(),
        }
        self
    }
}

/// All that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The time against which certificates were judged.
    pub time: Timestamp,
    /// The checks, etcd first, the cluster last.
    pub checks: Vec<Check>,
    /// The cluster's nodes, where the API server told them.
    pub nodes: Vec<Node>,
}

impl Report {
    /// Whether nothing is wrong. Warnings don't count.
    pub fn is_green(&self) -> bool {
        self.wrong().next().is_none()
    }

    /// The checks with something wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.severity == Severity::Wrong)
    }
}
