//! Exit codes and failures.

use std::fmt;
use std::io::ErrorKind;

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::node::plan::Refusal;
use crate::disk;
use crate::live::Fault;
use crate::live::api::ApiError;
use crate::state::Code;
use crate::state::time::expired_on;

/// The result of a command. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Fine = 0,
    /// Done, and something is wrong.
    Findings = 1,
    /// Wrong usage, or it could not run; nothing was changed.
    CouldNotRun = 2,
    /// It failed, and the old state was restored.
    RolledBack = 3,
    /// Something was changed, and manual action is required.
    ActionRequired = 4,
    /// Refused for safety; nothing was changed.
    Refused = 5,
}

pub type Outcome = Result<Exit, Error>;

/// The state after a failed command, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something is wrong; nothing was changed.
    Findings,
    /// Wrong usage, or it could not run; nothing was changed.
    CouldNotRun,
    /// It failed, and the old state was restored.
    RolledBack,
    /// Something was changed, and manual action is required.
    ActionRequired,
    /// Refused for safety; nothing was changed.
    Refused,
}

/// Why a command failed: `error [code]: message`, then a `hint:` each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    #[serde(skip)]
    pub kind: Kind,
    /// Its page in `explain`.
    #[serde(skip)]
    pub code: Option<Code>,
    pub message: String,
    /// What to do next, the most specific first.
    pub hints: Vec<String>,
    /// Evidence, such as the last lines of a log.
    pub details: Vec<String>,
}

impl Error {
    pub const fn exit(&self) -> Exit {
        match self.kind {
            Kind::Findings => Exit::Findings,
            Kind::CouldNotRun => Exit::CouldNotRun,
            Kind::RolledBack => Exit::RolledBack,
            Kind::ActionRequired => Exit::ActionRequired,
            Kind::Refused => Exit::Refused,
        }
    }

    fn new(kind: Kind, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self { kind, code: None, message, hints: Vec::new(), details: Vec::new() }
    }

    pub fn could_not_run(message: impl fmt::Display) -> Self {
        Self::new(Kind::CouldNotRun, message)
    }

    /// Refused for safety; nothing was changed.
    pub fn refused(code: Code, message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, message).code(code)
    }

    /// Something was changed, and manual action is required.
    pub fn manual_action(message: impl fmt::Display) -> Self {
        Self::new(Kind::ActionRequired, message)
    }

    /// It failed, and the old state was restored.
    pub fn rolled_back(message: impl fmt::Display) -> Self {
        Self::new(Kind::RolledBack, message)
    }

    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds evidence, one line each.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details = lines.into_iter().collect();
        self
    }

    /// Sets the next command or step, replacing any from a lower layer.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints = vec![hint.into()];
        self
    }
}

impl From<&Refusal> for Error {
    fn from(refusal: &Refusal) -> Self {
        Self::refused(refusal.code, &refusal.what).hint(refusal.hint.clone())
    }
}

impl From<crate::issue::IssueError> for Error {
    fn from(error: crate::issue::IssueError) -> Self {
        Self::could_not_run(error)
    }
}

pub struct ApiFailure<'a> {
    /// Verb and object of the sentence: `list the nodes`.
    pub what: &'a str,
    /// The kubeconfig, as the user named it.
    pub source: &'a str,
    pub server: &'a str,
    pub proxy: Option<&'a str>,
    /// When the client certificate expired, and now.
    pub expired: Option<(Timestamp, Timestamp)>,
    pub error: &'a ApiError,
}

impl From<ApiFailure<'_>> for Error {
    fn from(failed: ApiFailure<'_>) -> Self {
        let ApiFailure { what, source, server, error, .. } = failed;
        let code = error.code();
        let expired = failed
            .expired
            .filter(|_| matches!(code, Some(Code::Unauthorized | Code::ClientCertificateRejected)));
        let expired = expired.map(|(end, now)| format!("; its client certificate {}", expired_on(end, now)));
        let proxy = failed.proxy.map(|proxy| format!(" through proxy {proxy}")).unwrap_or_default();
        let message =
            format!("cannot {what}: {error} ({server}{proxy} with {source}{})", expired.unwrap_or_default());
        let error = Self::could_not_run(message).hint(hint(&failed));
        Self { code, ..error }
    }
}

/// The next command after an answer of an API server, or after none.
fn hint(failed: &ApiFailure<'_>) -> String {
    let source = failed.source;
    match failed.error {
        ApiError::Kubeconfig(_) | ApiError::Fault(Fault::ClientCertificateRejected(_)) => {
            format!("kuberescue kubeconfig check {source}")
        }
        ApiError::Status { status: 401, .. } => format!("kuberescue kubeconfig check {source}"),
        ApiError::Credential(_) => {
            "kuberescue nodes --kubeconfig /etc/kubernetes/admin.conf (on a control-plane node), or fix the plug-in"
                .to_owned()
        }
        ApiError::Status { status: 403, .. } => {
            "use admin.conf of a control-plane node: --kubeconfig /etc/kubernetes/admin.conf".to_owned()
        }
        ApiError::Status { status: 404, .. } => format!("kuberescue nodes --kubeconfig {source} shows which cluster answers"),
        ApiError::Status { status: 409, .. } => {
            "it was changed by somebody else at the same time; nothing was changed: run the command again".to_owned()
        }
        ApiError::Status { status: 429, .. } => {
            "the API server is overloaded: run the command again later, or with --request-timeout 60s".to_owned()
        }
        ApiError::Status { status: 502..=504, .. } | ApiError::Fault(_) if failed.proxy.is_some() => {
            "bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig".to_owned()
        }
        ApiError::Status { .. } => "on a control-plane node: sudo kuberescue probe".to_owned(),
        ApiError::Fault(Fault::TimedOut) => "check firewalls, or wait longer: --request-timeout 60s".to_owned(),
        ApiError::Fault(Fault::Refused | Fault::Unreachable(_)) => {
            format!("check the address in {source}; on a control-plane node: sudo kuberescue probe")
        }
        ApiError::Fault(Fault::ServerCertificate(_) | Fault::Tls(_) | Fault::Answer(_) | Fault::Proxy(_))
        | ApiError::Unintelligible(_) => format!("kuberescue kubeconfig check --connect {source}"),
    }
}

/// The default hint, wherever the error comes from; a caller with a better one replaces it.
impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        use disk::Error as Disk;
        let failure = Self::could_not_run(&error);
        match &error {
            Disk::AfterCommit { .. } => Self::manual_action(&error)
                .code(Code::InterruptedChange)
                .hint("sudo kuberescue resume completes the change, sudo kuberescue rollback undoes it"),
            Disk::StillParked { .. } => {
                Self::manual_action(&error).code(Code::InterruptedRestart).hint("sudo kuberescue resume")
            }
            Disk::Changed { .. } | Disk::NeedsPerson { .. } | Disk::ArchiveDiffers { .. } => {
                failure.hint("nothing was changed; kuberescue archive diff ARCHIVE shows what differs")
            }
            Disk::Locked { .. } => failure.hint("wait for the other run to end, then run the same command again"),
            Disk::Pending { .. } => {
                failure.code(Code::InterruptedChange).hint("sudo kuberescue resume, or sudo kuberescue rollback")
            }
            Disk::Parked => failure.code(Code::InterruptedRestart).hint("sudo kuberescue resume"),
            Disk::Journal { .. } => failure.hint(
                "that file is damaged or was not written by kuberescue: read it before you move it away; the archives \
                 beside it hold the old states (sudo kuberescue archive list)",
            ),
            Disk::ArchiveFile { .. } => Self::new(Kind::Findings, &error)
                .code(Code::ArchiveDamaged)
                .hint("sudo kuberescue archive list"),
            Disk::NoArchive { .. } => failure.code(Code::NoArchive).hint("sudo kuberescue archive list"),
            Disk::Archive { .. } => failure.hint("nothing was changed; run the same command again"),
            Disk::RootNotFound { .. } | Disk::RootNotADirectory { .. } => failure
                .code(Code::RootUnreadable)
                .hint("--root takes the directory under which the node's /etc/kubernetes is"),
            Disk::RootDenied { .. } => failure.code(Code::NotRoot).hint("run the same command with sudo"),
            Disk::Io { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => {
                    failure.code(Code::NotRoot).hint("run the same command with sudo")
                }
                ErrorKind::NotFound => failure.hint("check the path; nothing was changed"),
                _ => failure.hint("nothing was changed; run the same command again once the cause is gone"),
            },
            Disk::Unsupported { .. } | Disk::ReadBack { .. } | Disk::NotCleaned { .. } => {
                failure.hint("nothing was changed; run the same command again once the cause is gone")
            }
        }
    }
}
