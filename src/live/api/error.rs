//! Why a request to an API server failed.

use super::objects::Status;
use crate::formats::json_reason;
use crate::live::fault::{Fault, find};
use crate::state::{Code, os};

/// Why a request to an API server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    #[error("unusable kubeconfig: {0}")]
    Kubeconfig(String),
    /// An exec plug-in, an OIDC provider or a token file provided no credential.
    #[error("no credential: {0}")]
    Credential(String),
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A status other than 200, and the message of its `Status` object.
    #[error("{status}: {message}")]
    Status {
        status: u16,
        /// The message, or the beginning of the body.
        message: String,
    },
    /// Not asked for: Kubernetes allows no such name.
    #[error("\"{name}\" is not a valid name of a {kind}")]
    Name { kind: String, name: String },
    /// An answer that is not what was asked for.
    #[error("unexpected answer: {0}")]
    Unintelligible(String),
}

impl ApiError {
    /// Whether another identity could succeed.
    pub fn is_of_identity(&self) -> bool {
        matches!(
            self,
            Self::Kubeconfig(_)
                | Self::Credential(_)
                | Self::Fault(Fault::ClientCertificateRejected(_))
                | Self::Status { status: 401 | 403, .. }
        )
    }

    /// The same code as in every other command.
    pub const fn code(&self) -> Code {
        match self {
            Self::Kubeconfig(_) => Code::KubeconfigUnusable,
            Self::Credential(_) => Code::NoCredential,
            Self::Fault(fault) => fault.code(),
            Self::Status { status: 401, .. } => Code::Unauthorized,
            Self::Status { status: 403, .. } => Code::Forbidden,
            Self::Status { status: 400..=499, .. } => Code::RequestFailed,
            Self::Name { .. } => Code::Usage,
            Self::Status { .. } | Self::Unintelligible(_) => Code::Unhealthy,
        }
    }

    /// Whether there is no such object, or this API server doesn't know its kind.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }

    /// The error of an answer with a status other than 200.
    pub(super) fn of_answer(status: u16, body: &[u8], retry_after: Option<u64>) -> Self {
        let message = match serde_json::from_slice(body) {
            Ok(Status { message: Some(message) }) => message,
            _ if is_page(body) => PAGE.to_owned(),
            _ => first_line(body),
        };
        let message = match retry_after {
            Some(seconds) => format!("{message} (retry after {seconds} s)"),
            None => message,
        };
        Self::Status { status, message }
    }

    /// Why a request could not be sent: the client's error types are wrapped in each other. `plugin` is the
    /// command that provides the credential.
    pub(super) fn of_sending(error: &kube::Error, plugin: Option<&str>) -> Self {
        match find::<kube::client::AuthError>(error) {
            Some(auth) => Self::of_credential(auth, plugin),
            None => Self::Fault(Fault::of(error)),
        }
    }

    /// Why there is no credential. A plug-in's output, arguments and environment are not shown: each may be a
    /// secret.
    pub(super) fn of_credential(error: &kube::client::AuthError, plugin: Option<&str>) -> Self {
        use kube::client::AuthError as Auth;
        let plugin = format!("the exec plug-in {}", plugin.unwrap_or_default());
        let plugin = plugin.trim_end();
        Self::Credential(match error {
            Auth::AuthExecRun { out, .. } => {
                let exit = match out.status.code() {
                    Some(code) => format!("exited with {code}"),
                    None => "was killed".to_owned(),
                };
                let said = String::from_utf8_lossy(&out.stderr);
                let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
                let colon = if said.is_empty() { "" } else { ": " };
                let said: String = said.chars().take(300).collect();
                format!("{plugin} {exit}{colon}{said}")
            }
            Auth::AuthExecStart(why) => format!("cannot start {plugin}: {}", os::reason(why)),
            Auth::AuthExecParse(_) | Auth::ExecPluginFailed => {
                format!("{plugin} did not print an ExecCredential with a status")
            }
            Auth::InvalidBasicAuth(_) | Auth::InvalidBearerToken(_) => {
                "the token or password has characters that HTTP does not allow".to_owned()
            }
            Auth::ReadTokenFile(why, path) => {
                format!("cannot read the token file {}: {}", path.display(), os::reason(why))
            }
            Auth::MissingCommand | Auth::AuthExec(_) | Auth::AuthExecSerialize(_) => {
                "the exec plug-in cannot be run as the kubeconfig configures it".to_owned()
            }
            Auth::ExecMissingClusterInfo => {
                "the exec plug-in requires information on the cluster (provideClusterInfo)".to_owned()
            }
            Auth::MalformedTokenExpirationDate(_) => {
                format!("{plugin} gave a token with an invalid expiration time")
            }
            Auth::UnrefreshableTokenResponse => "the token cannot be refreshed".to_owned(),
            Auth::Oidc(_) => {
                "the OIDC token is not valid and could not be refreshed: check idp-issuer-url, client-id and \
                 refresh-token"
                    .to_owned()
            }
            Auth::NoValidNativeRootCA(_) => "this machine has no CA certificates".to_owned(),
            _ => "the kubeconfig's credential cannot be used".to_owned(),
        })
    }
}

const PAGE: &str = "an HTML page, from a proxy or a login page instead of an API server";

/// Whether a body is HTML.
fn is_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let starts = |with: &[u8]| start.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    starts(b"<!doctype") || starts(b"<html")
}

/// What is wrong with a body that should have been JSON of a certain shape.
pub(super) fn unintelligible(body: &[u8], error: &serde_json::Error) -> ApiError {
    ApiError::Unintelligible(if is_page(body) {
        PAGE.to_owned()
    } else if error.is_eof() {
        format!("truncated after {} bytes", body.len())
    } else {
        json_reason(error)
    })
}

/// The first line of a body, shortened.
pub(in crate::live) fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..300).unwrap_or(body));
    text.trim().lines().next().unwrap_or("an empty answer").trim().to_owned()
}
