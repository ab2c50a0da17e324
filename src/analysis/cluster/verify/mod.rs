//! What is wrong with a cluster beyond a node's certificates, judged from what its API server says: whether everything
//! came back after they were renewed.

mod logs;
mod objects;
mod requests;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub use self::logs::{Component, Lines, control_plane, log_refused, read_log};
pub use self::objects::{api_services, nodes, not_ready, pods};
pub use self::requests::requests;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Whether the API server is ready.
    ApiServer,
    /// Whether the nodes are.
    Nodes,
    /// How the pods fare.
    Pods,
    /// What the control plane's containers log about certificates.
    Logs,
    /// Whether aggregated APIs answer.
    ApiServices,
    /// Requests for certificates.
    Requests,
}

impl Part {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
            Self::Logs => "logs",
            Self::ApiServices => "api-services",
            Self::Requests => "requests",
        }
    }
}

/// What was found. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It doesn't have that kind of object.
    Unknown,
    /// It couldn't be asked.
    NotAsked,
    /// The API server, a node or a pod isn't ready.
    NotReady,
    /// A pod doesn't run.
    NotRunning,
    /// A pod is being deleted, and has time left for it.
    BeingDeleted,
    /// A pod should be gone.
    NotGone,
    /// A static pod of the control plane isn't there.
    Missing,
    /// A log tells of certificates that were refused.
    TlsErrors,
    /// A log tells of it from when the container had just started, and no more.
    TlsErrorsAtStart,
    /// A log isn't given.
    LogRefused,
    /// There is no log.
    NoLog,
    /// An aggregated API can't be asked.
    Unavailable,
    /// A kubelet's request that waits for approval, and is what it should be.
    Pending,
    /// A kubelet's request that waits for approval, and isn't what it should be.
    Suspicious,
    /// An approved request without a certificate.
    NotIssued,
    /// Requests of others that wait for approval.
    OthersPending,
}

impl Verdict {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::NotAsked => "not-asked",
            Self::NotReady => "not-ready",
            Self::NotRunning => "not-running",
            Self::BeingDeleted => "being-deleted",
            Self::NotGone => "not-gone",
            Self::Missing => "missing",
            Self::TlsErrors => "tls-errors",
            Self::TlsErrorsAtStart => "tls-errors-at-start",
            Self::LogRefused => "log-refused",
            Self::NoLog => "no-log",
            Self::Unavailable => "unavailable",
            Self::Pending => "pending",
            Self::Suspicious => "suspicious",
            Self::NotIssued => "not-issued",
            Self::OthersPending => "others-pending",
        }
    }

    /// Whether it is a finding; what couldn't be asked is one too, because nobody knows.
    pub const fn is_finding(self) -> bool {
        !matches!(
            self,
            Self::Ok
                | Self::Unknown
                | Self::BeingDeleted
                | Self::TlsErrorsAtStart
                | Self::NoLog
                | Self::OthersPending
        )
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What kind of thing.
    pub part: Part,
    /// Which one; `NAMESPACE/NAME` where it has a namespace. Empty where all of them are meant.
    pub object: String,
    /// The node on which it is.
    pub node: Option<String>,
    /// What was found.
    pub verdict: Verdict,
    /// In words.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The lines of a log that tell of it.
    pub lines: Option<Lines>,
}

impl Check {
    /// Of one thing.
    pub fn new(part: Part, object: impl Into<String>, verdict: Verdict, what: impl Into<String>) -> Self {
        Self { part, object: object.into(), node: None, verdict, what: what.into(), hint: None, lines: None }
    }

    /// On this node; nothing where it is empty.
    #[must_use]
    pub fn on(mut self, node: &str) -> Self {
        self.node = Some(node.to_owned()).filter(|node| !node.is_empty());
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When.
    pub time: Timestamp,
    /// URL of the API server.
    pub server: String,
    /// What was found.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_green(&self) -> bool {
        self.findings().next().is_none()
    }

    /// What was found.
    pub fn findings(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict.is_finding())
    }
}
