//! The result of a probe: values for the report and JSON.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::formats::certificate::CertSummary;
use crate::live::api::Node;
use crate::state::{Code, Severity, text};

/// Names of the checks of addresses that are not this node's own.
pub(super) const ENDPOINT: &str = "endpoint";
pub(super) const KUBELET_ENDPOINT: &str = "kubelet-endpoint";

/// The result of one phase of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum Phase {
    /// It was not reached, or there is no such phase.
    #[default]
    NotTried,
    Ok,
    Failed(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phases {
    pub tcp: Phase,
    pub tls: Phase,
    pub answer: Phase,
}

/// The certificate on the disk that should be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnDisk {
    #[serde(with = "text")]
    pub path: PathBuf,
    /// What it says, where it can be read.
    pub leaf: Option<CertSummary>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name: an endpoint's, or `admin.conf` (`kubelet.conf` on a worker), `node`, `lease`, `endpoint`,
    /// `kubelet-endpoint`.
    pub name: &'static str,
    /// The address that was contacted.
    pub address: Option<String>,
    /// What is wrong; `None` if nothing is.
    pub code: Option<Code>,
    pub severity: Option<Severity>,
    pub what: String,
    pub hint: Option<String>,
    pub phases: Phases,
    /// The certificate that is served.
    pub served: Option<CertSummary>,
    /// The one that should be.
    pub disk: Option<OnDisk>,
}

/// What one part of a check says: [`Check::judged`] makes one result of them. No `Finding`: what it is about and what
/// shows it are the check's own address, certificates and phases, not a file of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) code: Code,
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Verdict {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, severity: Severity::Blocker, what: what.into(), hint: None }
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
    /// The code, or `ok`.
    pub fn result(&self) -> &'static str {
        self.code.map_or("ok", Code::as_str)
    }

    /// Whether it keeps the node from working.
    pub fn is_wrong(&self) -> bool {
        self.severity == Some(Severity::Blocker)
    }

    /// Whether it is of an address that is not this node's own.
    pub fn is_address(&self) -> bool {
        [ENDPOINT, KUBELET_ENDPOINT].contains(&self.name)
    }

    /// A check without a result yet.
    pub(super) fn new(name: &'static str, address: Option<String>) -> Self {
        Self {
            name,
            address,
            code: None,
            severity: None,
            what: String::new(),
            hint: None,
            phases: Phases::default(),
            served: None,
            disk: None,
        }
    }

    /// Adds the result: the most severe verdict sets the code, the first one of equals. `well` is the text if
    /// there is none.
    #[must_use]
    pub(super) fn judged(mut self, mut found: Vec<Verdict>, well: impl FnOnce() -> String) -> Self {
        found.sort_by_key(|verdict| std::cmp::Reverse(verdict.severity));
        match found.first() {
            Some(first) => {
                (self.code, self.severity) = (Some(first.code), Some(first.severity));
                self.hint.clone_from(&first.hint);
                self.what = found.iter().map(|verdict| verdict.what.as_str()).collect::<Vec<_>>().join("; ");
            }
            None => self.what = well(),
        }
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The time of evaluation of certificates.
    pub time: Timestamp,
    /// The checks, etcd first, the cluster last.
    pub checks: Vec<Check>,
    /// The cluster's nodes, if the API server returned them.
    pub nodes: Vec<Node>,
}

impl Report {
    /// Whether nothing is wrong. Warnings don't count.
    pub fn is_green(&self) -> bool {
        self.wrong().next().is_none()
    }

    /// Whether everything that this node serves is healthy, and the address that kubelets use, its own one too, leads to no
    /// healthy API server.
    pub fn is_cut_off(&self) -> bool {
        let is_of_it = |check: &Check| check.is_address() || ["node", "lease"].contains(&check.name);
        self.wrong().any(Check::is_address) && self.wrong().all(is_of_it)
    }

    /// The checks with something wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.is_wrong())
    }
}
