//! Why something could not be issued, in words for the operator.

use crate::formats::certificate::CertificateError;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, KeyError};

/// Why a key or a certificate could not be made. Nothing has been written when this is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The node's files are not what they were when it was planned.
    #[error("{name}: {what} is not there any more")]
    Vanished {
        /// kubeadm's name.
        name: String,
        /// What is gone.
        what: String,
    },
    /// A kubeconfig whose values cannot be replaced.
    #[error(transparent)]
    Kubeconfig(#[from] crate::formats::kubeconfig::KubeconfigError),
    /// The operating system gave no randomness.
    #[error("the system's random number generator failed")]
    NoRandomness,
    /// A kind of key that kubeadm cannot be configured to use.
    #[error("a new {0} key cannot be generated; RSA 2048, 3072, 4096 and ECDSA P-256, P-384 can")]
    UnsupportedKey(KeyAlgorithm),
    /// A wrapping that this kind of key doesn't have.
    #[error("a {algorithm} key cannot be written as {encoding:?}")]
    WrongEncoding {
        /// Kind of key.
        algorithm: KeyAlgorithm,
        /// The wrapping asked for.
        encoding: KeyEncoding,
    },
    /// A fresh key failed its own check.
    #[error("generating a {algorithm} key failed: {reason}")]
    Generation {
        /// Kind of key.
        algorithm: KeyAlgorithm,
        /// What the check said.
        reason: String,
    },
    /// A key that cannot be wrapped or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate offered as a signing authority is none (RFC 5280 section 4.2.1.9).
    #[error("\"{0}\" is not a certificate authority: no basicConstraints CA:TRUE")]
    NotAnAuthority(String),
    /// The authority's key file belongs to another certificate.
    #[error("the private key is not that of the certificate authority \"{0}\"")]
    OtherKey(String),
    /// An authority whose kind of key cannot sign here.
    #[error("the certificate authority \"{authority}\" cannot sign here: its key is {algorithm}: {reason}")]
    CannotSign {
        /// Subject of the authority.
        authority: String,
        /// Its kind of key.
        algorithm: KeyAlgorithm,
        /// Why.
        reason: String,
    },
    /// The signature operation itself failed.
    #[error("signing with the key of \"{0}\" failed")]
    SignatureFailed(String),
    /// The old certificate cannot serve as the template of the new one.
    #[error("the old certificate cannot be renewed: {0}")]
    Template(String),
    /// Something that DER cannot express, which nothing that is issued here contains.
    #[error("writing DER failed: {0}")]
    Encoding(String),
    /// Dates that X.509 cannot express, or an end before the start.
    #[error("impossible validity from {not_before} to {not_after}: {reason}")]
    Validity {
        /// Start asked for.
        not_before: jiff::Timestamp,
        /// End asked for.
        not_after: jiff::Timestamp,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that a certificate cannot carry.
    #[error("the name \"{name}\" cannot stand in a certificate: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The new certificate was made and is not one.
    #[error("the new certificate does not parse: {0}")]
    Unreadable(#[from] CertificateError),
    /// The new certificate was made and is not what was asked for; it is thrown away.
    #[error("the new certificate failed its check: {0}")]
    FailedCheck(String),
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}
