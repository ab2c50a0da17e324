//! Why a connection failed, in words for the user. TLS reports alerts, the system reports error numbers, and
//! both are wrapped in the errors of several libraries.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::state::{Code, os};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing listens on the port.
    #[error("connection refused: nothing listens there")]
    Refused,
    #[error("no answer in time")]
    TimedOut,
    /// The address cannot be reached, or its name not resolved.
    #[error("{0}")]
    Unreachable(String),
    /// The server rejected the client certificate, or requires one.
    #[error("client certificate rejected: {0}")]
    ClientCertificateRejected(String),
    /// The server's certificate was not accepted.
    #[error("the server's certificate is not accepted: {0}")]
    ServerCertificate(String),
    /// The server's certificate has expired: it is the right one, and its node is to be recovered.
    #[error("the server's certificate is not accepted: {0}")]
    ServerExpired(String),
    #[error("{0}")]
    Proxy(String),
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// The answer was incomplete or invalid.
    #[error("{0}")]
    Answer(String),
}

impl Fault {
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused => Code::NotListening,
            Self::TimedOut => Code::TimedOut,
            Self::Unreachable(_) => Code::Unreachable,
            Self::ClientCertificateRejected(_) => Code::ClientCertificateRejected,
            Self::ServerExpired(_) => Code::ExpiredCertificateServed,
            Self::ServerCertificate(_) | Self::Tls(_) => Code::TlsFailed,
            Self::Answer(_) | Self::Proxy(_) => Code::Unhealthy,
        }
    }

    /// The fault behind an error of any of the libraries.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(fault) = find::<rustls::Error>(error).and_then(of_tls) {
            return fault;
        }
        match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::TimedOut) => Self::TimedOut,
            Some(io::ErrorKind::UnexpectedEof) => Self::Answer("the connection was closed".to_owned()),
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                Self::Answer("the connection was reset".to_owned())
            }
            Some(_) => Self::Unreachable(why_unreachable(error)),
            None => Self::of_tunnel(&innermost(error)).unwrap_or_else(|| Self::of_http(error)),
        }
    }

    /// The client's error type for a proxy tunnel is not public: only its message is.
    fn of_tunnel(words: &str) -> Option<Self> {
        let why = match words.strip_prefix("tunnel error: ")? {
            "proxy authorization required" => "the proxy wants a name and a password",
            "unsuccessful" => "the proxy refused the connection",
            "unexpected end of file" => "the proxy closed the connection",
            _ => "the proxy did not open a connection",
        };
        Some(Self::Proxy(why.to_owned()))
    }

    /// An error of HTTP itself.
    fn of_http(error: &(dyn Error + 'static)) -> Self {
        let why = match find::<hyper::Error>(error) {
            Some(error) if error.is_parse() => "what answers there does not speak HTTP",
            Some(error) if error.is_incomplete_message() => "the connection was closed",
            Some(error) if error.is_timeout() => return Self::TimedOut,
            _ => "the connection broke",
        };
        Self::Answer(why.to_owned())
    }

    /// Whether TLS is the cause.
    pub(super) fn is_of_tls(&self) -> bool {
        matches!(
            self,
            Self::ClientCertificateRejected(_)
                | Self::ServerCertificate(_)
                | Self::ServerExpired(_)
                | Self::Tls(_)
        )
    }
}

fn of_tls(error: &rustls::Error) -> Option<Fault> {
    use rustls::Error as Tls;
    Some(match error {
        Tls::AlertReceived(alert) => match rejection(*alert) {
            Some(why) => Fault::ClientCertificateRejected(why.to_owned()),
            None => Fault::Tls(format!("the server closed it: {}", of_alert(*alert))),
        },
        Tls::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Fault::ServerExpired(of_certificate(why))
            }
            _ => Fault::ServerCertificate(of_certificate(why)),
        },
        Tls::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::UnexpectedMessage(_),
        ) => Fault::Tls("what answers there does not speak TLS".to_owned()),
        other => Fault::Tls(
            match other {
                Tls::InvalidMessage(_) | Tls::InappropriateMessage { .. } => {
                    "the server sent an invalid message"
                }
                Tls::InappropriateHandshakeMessage { .. } | Tls::PeerMisbehaved(_) => {
                    "the server does not follow the protocol"
                }
                Tls::PeerIncompatible(_) => "the server supports no version or cipher suite that is safe",
                Tls::NoCertificatesPresented => "the server showed no certificate",
                Tls::DecryptError => "what the server sent cannot be decrypted",
                Tls::PeerSentOversizedRecord => "the server sent too large a record",
                Tls::HandshakeNotComplete => "the handshake was not completed",
                Tls::FailedToGetRandomBytes => "the system's random number generator failed",
                _ => "the handshake failed",
            }
            .to_owned(),
        ),
    })
}

/// The other alerts (RFC 8446 section 6.2). Servers before TLS 1.3 send the first one for a client certificate that
/// they reject too.
fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure => {
            "it has no cipher suite in common, or requires another client certificate"
        }
        AlertDescription::ProtocolVersion => "it supports no version of TLS from 1.2 on",
        AlertDescription::InsufficientSecurity => "it requires stronger cipher suites",
        AlertDescription::UnrecognisedName => "it does not serve this name",
        AlertDescription::InternalError => "it had an internal error",
        AlertDescription::DecryptError => "it could not check a signature",
        AlertDescription::UserCanceled | AlertDescription::CloseNotify => "it gave up",
        _ => "it did not accept the handshake",
    }
}

/// The alerts that reject a client certificate (RFC 8446 section 6.2).
fn rejection(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnknownCA => "the server does not know its CA",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => "none was given",
        AlertDescription::UnsupportedCertificate => "the server does not support its kind",
        AlertDescription::AccessDenied => "access denied",
        // Go's servers before 1.21 sent this for an expired one too.
        AlertDescription::BadCertificate => "the server calls it bad",
        AlertDescription::CertificateUnknown => "the server could not check it",
        _ => return None,
    })
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => "it does not stem from the expected CA".to_owned(),
        CertificateError::NotValidForName => "it is not valid for this name or address".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("it is not valid for {}", expected.to_str())
        }
        CertificateError::BadSignature => "its signature does not fit the CA's key".to_owned(),
        CertificateError::BadEncoding => "it cannot be read".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        CertificateError::UnhandledCriticalExtension => {
            "it has a critical extension that is not known here".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is not supported".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for servers".to_owned()
        }
        _ => "TLS does not accept it".to_owned(),
    }
}

/// Why an address could not be reached. The resolver's errors have no number, and a text of the C library.
fn why_unreachable(error: &(dyn Error + 'static)) -> String {
    match find::<io::Error>(error) {
        Some(error) if error.raw_os_error().is_some() => os::reason(error),
        Some(error) if error.get_ref().is_none() => error.kind().to_string(),
        _ if innermost(error).starts_with("failed to lookup address") => {
            "the host name cannot be resolved".to_owned()
        }
        _ => "the connection broke".to_owned(),
    }
}

/// The first error of this type in the chain. An `io::Error` hides the error it carries from `source`.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref::<T>() {
        // Of two nested I/O errors the inner one knows the kind.
        return inner(error).and_then(|inner| find::<T>(inner)).or(Some(found));
    }
    inner(error).and_then(|inner| find::<T>(inner))
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match carried {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    match inner(error) {
        Some(inner) => innermost(inner),
        None => error.to_string(),
    }
}
