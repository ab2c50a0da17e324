//! A CA that can sign: its certificate and its key.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Encode as _, Sequence};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use super::IssueError;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use crate::formats::reason;

/// RFC 4055 section 5.
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// RFC 5758 section 3.2.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// RFC 5758 section 3.2.
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// RFC 8410 section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A CA with its private key, ready to sign.
pub struct Signer<'a> {
    authority: &'a Certificate,
    key: SigningKey,
}

impl<'a> Signer<'a> {
    /// Takes a CA's certificate and its key. The signature algorithm follows from the key, as in Go's
    /// `x509.CreateCertificate`: SHA-256 with RSA and P-256, SHA-384 with P-384, Ed25519.
    ///
    /// # Errors
    /// The certificate is not a CA's, the key is another one's, or of a kind that cannot sign here: P-521,
    /// RSA below 2048 bits or with an unusual exponent.
    pub fn new(authority: &'a Certificate, key: &PrivateKey) -> Result<Self, IssueError> {
        if !authority.is_ca {
            return Err(IssueError::NotAnAuthority(authority.subject.clone()));
        }
        if !authority.is_of(key) {
            return Err(IssueError::OtherKey(authority.subject.clone()));
        }
        let refused = |reason| IssueError::CannotSign {
            authority: authority.subject.clone(),
            algorithm: key.algorithm.clone(),
            reason,
        };
        Ok(Self { authority, key: SigningKey::of(key, refused)? })
    }

    pub fn authority(&self) -> &'a Certificate {
        self.authority
    }

    /// The signature's AlgorithmIdentifier in DER (RFC 5280 section 4.1.1.2).
    pub(super) fn algorithm(&self) -> &[u8] {
        &self.key.algorithm
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IssueError> {
        self.key.sign(message).ok_or_else(|| IssueError::SignatureFailed(self.authority.subject.clone()))
    }
}

/// A private key, ready to sign.
pub(super) struct SigningKey {
    pair: Pair,
    /// The signature's AlgorithmIdentifier in DER.
    pub(super) algorithm: Vec<u8>,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// # Errors
    /// `refused` with the reason: a kind of key that cannot sign here.
    pub(super) fn of(key: &PrivateKey, refused: impl Fn(String) -> IssueError) -> Result<Self, IssueError> {
        let rejected = |error: ring::error::KeyRejected| refused(reason::rejected(&error).to_owned());
        let (pair, algorithm) = match key.algorithm {
            KeyAlgorithm::Rsa(_) => {
                let pkcs1 = key.encoded_as(KeyEncoding::Pkcs1)?;
                let pair = RsaKeyPair::from_der(pkcs1.der()).map_err(rejected)?;
                (Pair::Rsa(Box::new(pair)), identifier(SHA256_WITH_RSA, Some(AnyRef::NULL))?)
            }
            KeyAlgorithm::EcdsaP256 => {
                let pair = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, key, rejected)?;
                (Pair::Ecdsa(pair), identifier(ECDSA_WITH_SHA256, None)?)
            }
            KeyAlgorithm::EcdsaP384 => {
                let pair = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, key, rejected)?;
                (Pair::Ecdsa(pair), identifier(ECDSA_WITH_SHA384, None)?)
            }
            KeyAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.der()).map_err(rejected)?;
                (Pair::Ed25519(pair), identifier(ED25519, None)?)
            }
            KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Other(_) => {
                return Err(refused("no such signatures are made here".to_owned()));
            }
        };
        Ok(Self { pair, algorithm })
    }

    /// `None` if the signature operation failed.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ecdsa(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// ring takes EC keys only as PKCS#8 of version 1 without attributes: a conversion through SEC1 gives that
/// for every key.
fn ecdsa(
    curve: &'static EcdsaSigningAlgorithm,
    key: &PrivateKey,
    rejected: impl Fn(ring::error::KeyRejected) -> IssueError,
) -> Result<EcdsaKeyPair, IssueError> {
    let pkcs8 = key.encoded_as(KeyEncoding::Sec1)?.to_pkcs8()?;
    EcdsaKeyPair::from_pkcs8(curve, &pkcs8, &SystemRandom::new()).map_err(rejected)
}

fn identifier(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>) -> Result<Vec<u8>, IssueError> {
    Ok(AlgorithmIdentifier { oid, parameters }.to_der()?)
}

/// RFC 5280 section 4.1.1.2.
#[derive(Sequence)]
struct AlgorithmIdentifier<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}
