//! Why something could not be issued.

use crate::formats::certificate::CertificateError;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, KeyError};
use crate::formats::reason;

/// Why a key or a certificate could not be created. Nothing has been written when this is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The node's files have changed since the plan.
    #[error("{name}: {what} is not there any more")]
    Vanished {
        name: String,
        /// What is missing now.
        what: String,
    },
    /// A kubeconfig whose values cannot be replaced.
    #[error(transparent)]
    Kubeconfig(#[from] crate::formats::kubeconfig::KubeconfigError),
    /// The operating system provided no randomness.
    #[error("the system's random number generator failed")]
    NoRandomness,
    /// A kind of key that kubeadm cannot be configured to use.
    #[error("a new {0} key cannot be generated; RSA 2048, 3072, 4096 and ECDSA P-256, P-384 can")]
    UnsupportedKey(KeyAlgorithm),
    /// An encoding that this kind of key doesn't have.
    #[error("a {algorithm} key cannot be written as {encoding:?}")]
    WrongEncoding { algorithm: KeyAlgorithm, encoding: KeyEncoding },
    /// A new key failed its own check.
    #[error("generating a {algorithm} key failed: {reason}")]
    Generation { algorithm: KeyAlgorithm, reason: String },
    /// A key that cannot be encoded or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate given as a CA is none (RFC 5280 section 4.2.1.9).
    #[error("\"{0}\" is not a certificate authority: no basicConstraints CA:TRUE")]
    NotAnAuthority(String),
    /// The CA's key file belongs to another certificate.
    #[error("the private key is not that of the certificate authority \"{0}\"")]
    OtherKey(String),
    /// A CA whose kind of key cannot sign here.
    #[error("the certificate authority \"{authority}\" cannot sign here: its key is {algorithm}: {reason}")]
    CannotSign { authority: String, algorithm: KeyAlgorithm, reason: String },
    /// A key of a kind that cannot sign its own certificate request here.
    #[error("a key of {algorithm} cannot sign a certificate request here: {reason}")]
    RequestNotSigned { algorithm: KeyAlgorithm, reason: String },
    /// The signature operation itself failed.
    #[error("signing with the key of \"{0}\" failed")]
    SignatureFailed(String),
    /// The old certificate cannot be the template of the new one.
    #[error("the old certificate cannot be renewed: {0}")]
    Template(String),
    /// Something that DER cannot express; nothing that is issued here contains it.
    #[error("writing DER failed: {0}")]
    Encoding(String),
    /// Dates that X.509 cannot express, or notAfter before notBefore.
    #[error("impossible validity from {not_before} to {not_after}: {reason}")]
    Validity { not_before: jiff::Timestamp, not_after: jiff::Timestamp, reason: String },
    /// A name that a certificate cannot hold.
    #[error("the name \"{name}\" cannot stand in a certificate: {reason}")]
    Name { name: String, reason: String },
    /// The new certificate cannot be parsed.
    #[error("the new certificate does not parse: {0}")]
    Unreadable(#[from] CertificateError),
    /// The new certificate differs from what was requested; it is discarded.
    #[error("the new certificate failed its check: {0}")]
    FailedCheck(String),
    /// age found no recipient, or no randomness.
    #[error("encrypting failed: {0}")]
    NotEncrypted(String),
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(reason::der(&error).to_owned())
    }
}
