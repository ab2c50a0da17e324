//! Cluster health beyond the certificates of a node, according to the API server: whether everything works
//! again after a renewal.

mod logs;
mod objects;
mod requests;

use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use self::logs::{ContainerLog, Lines, control_plane, log_refused, read_log};
pub use self::objects::{api_services, nodes, not_ready, pods};
pub use self::requests::requests;
use crate::state::{Code, Severity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    ApiServer,
    Nodes,
    Pods,
    /// Certificate errors in the control plane's logs.
    Logs,
    ApiServices,
    /// Certificate signing requests.
    Requests,
}

impl Part {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// The API server does not serve this kind of object, or has none.
    NotServed,
    /// A pod is being deleted, and its deadline has not passed.
    Terminating,
    NoLog,
    Found(Severity, Code),
}

impl Verdict {
    /// As printed: the code, or a state that is no finding.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotServed => "not-served",
            Self::Terminating => "terminating",
            Self::NoLog => "no-log",
            Self::Found(_, code) => code.as_str(),
        }
    }

    const fn code(self) -> Option<Code> {
        match self {
            Self::Found(_, code) => Some(code),
            _ => None,
        }
    }

    const fn severity(self) -> Option<Severity> {
        match self {
            Self::Found(severity, _) => Some(severity),
            _ => None,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Verdict", 3)?;
        fields.serialize_field("result", self.as_str())?;
        fields.serialize_field("code", &self.code())?;
        fields.serialize_field("severity", &self.severity())?;
        fields.end()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub part: Part,
    /// `NAMESPACE/NAME`, or `NAME` without a namespace. Empty if all objects of this part are meant.
    pub object: String,
    pub node: Option<String>,
    /// In JSON: `result`, `code` and `severity`.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The detail in a sentence.
    pub what: String,
    pub hint: Option<String>,
    /// The lines of a log that show it.
    pub lines: Option<Lines>,
    /// It began so recently that it may be over soon: what has just started is starting.
    #[serde(skip)]
    pub recent: bool,
}

/// For so long a container, a pod or a request is new.
const RECENT: SignedDuration = SignedDuration::from_secs(120);

fn is_recent(began: Option<Timestamp>, now: Timestamp) -> bool {
    began.is_some_and(|began| now.duration_since(began) < RECENT)
}

impl Check {
    pub fn new(part: Part, object: impl Into<String>, verdict: Verdict, what: impl Into<String>) -> Self {
        let (object, what) = (object.into(), what.into());
        Self { part, object, node: None, verdict, what, hint: None, lines: None, recent: false }
    }

    /// No node if the name is empty.
    #[must_use]
    pub fn on(mut self, node: &str) -> Self {
        self.node = Some(node.to_owned()).filter(|node| !node.is_empty());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn recent(mut self, recent: bool) -> Self {
        self.recent = recent;
        self
    }

    /// Whether it is worse than a note. A failed request is a finding too: the state is not known.
    pub fn is_finding(&self) -> bool {
        self.verdict.severity() > Some(Severity::Note)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub time: Timestamp,
    pub server: String,
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether there is no finding.
    pub fn is_green(&self) -> bool {
        self.findings().next().is_none()
    }

    /// Whether waiting may help.
    pub fn may_settle(&self) -> bool {
        self.findings().any(|check| check.recent)
    }

    pub fn findings(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.is_finding())
    }
}
