//! Private keys in kubeadm's formats, PKCS#1, SEC1 or PKCS#8, and their public half.
//!
//! A key has no `Serialize`, and its `Debug` shows nothing. Generating keys and signing belong to the issue
//! layer.

mod names;
mod trial;

use std::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode as _, Encode as _, Sequence};
use serde::Serialize;
use zeroize::Zeroizing;

use super::pem::{self, Label, PemError};
use crate::state::Bytes;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const P224: &str = "EC on curve 1.3.132.0.33";
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Algorithm and size of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    Rsa(usize),
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    /// Anything else, by its object identifier.
    Other(String),
}

impl KeyAlgorithm {
    /// What can be generated here: all that kubeadm can be configured to use.
    const GENERATED: [Self; 5] =
        [Self::Rsa(2048), Self::Rsa(3072), Self::Rsa(4096), Self::EcdsaP256, Self::EcdsaP384];

    /// Whether such a key can be generated here.
    pub fn can_be_generated(&self) -> bool {
        Self::GENERATED.contains(self)
    }

    /// Whether such a key can sign certificates here: all that ring supports.
    pub fn can_sign(&self) -> bool {
        matches!(self, Self::Rsa(2048 | 3072 | 4096) | Self::EcdsaP256 | Self::EcdsaP384 | Self::Ed25519)
    }

    /// Whether Kubernetes accepts what such a key signed (Go crypto/x509, `parsePublicKey`).
    pub fn is_known_to_kubernetes(&self) -> bool {
        !matches!(self, Self::Other(name) if name != P224)
    }

    /// The algorithm of a subject public key info, in DER.
    ///
    /// # Errors
    /// It is not one.
    pub fn of_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let spki = Spki::from_der(spki).map_err(malformed)?;
        Ok(match spki.algorithm.oid {
            RSA => {
                let key = RsaPublicKey::from_der(spki.key.raw_bytes()).map_err(malformed)?;
                Self::Rsa(bits(key.modulus.as_bytes()))
            }
            EC => match spki.algorithm.curve() {
                Some(P256) => Self::EcdsaP256,
                Some(P384) => Self::EcdsaP384,
                Some(P521) => Self::EcdsaP521,
                Some(other) => Self::Other(format!("EC on curve {other}")),
                None => Self::Other("EC with explicit parameters".to_owned()),
            },
            ED25519 => Self::Ed25519,
            other => Self::Other(other.to_string()),
        })
    }
}

/// The encoding of a private key in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum KeyEncoding {
    /// `RSA PRIVATE KEY`.
    #[serde(rename = "PKCS#1")]
    Pkcs1,
    /// `EC PRIVATE KEY`.
    #[serde(rename = "SEC1")]
    Sec1,
    /// `PRIVATE KEY`.
    #[serde(rename = "PKCS#8")]
    Pkcs8,
}

impl KeyEncoding {
    /// The encoding that kubeadm writes for a key of this algorithm.
    pub fn of_kubeadm(algorithm: &KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Rsa(_) => Self::Pkcs1,
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => Self::Sec1,
            KeyAlgorithm::Ed25519 | KeyAlgorithm::Other(_) => Self::Pkcs8,
        }
    }

    pub const fn label(self) -> Label {
        match self {
            Self::Pkcs1 => Label::RsaPrivateKey,
            Self::Sec1 => Label::EcPrivateKey,
            Self::Pkcs8 => Label::PrivateKey,
        }
    }
}

/// Why a private key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key block in the file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The block exists and its content is not a key.
    #[error("not a private key: {0}")]
    Malformed(String),
    /// An EC key without its public point, which Go and OpenSSL always write.
    #[error("the EC key lacks its public point")]
    NoPublicPoint,
}

/// A private key. Zeroized when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    pub algorithm: KeyAlgorithm,
    pub encoding: KeyEncoding,
    der: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm)
    }
}

impl PrivateKey {
    /// What it is, if it can't sign here although it may be intact.
    pub fn unsupported(&self) -> Option<String> {
        let small = || {
            let spki = Spki::from_der(&self.spki).ok()?;
            Some(bits(RsaPublicKey::from_der(spki.key.raw_bytes()).ok()?.exponent.as_bytes()) <= 16)
        };
        match &self.algorithm {
            other if !other.can_sign() => Some(other.to_string()),
            KeyAlgorithm::Rsa(_) if small() == Some(true) => {
                Some(format!("{} with a public exponent below 65537", self.algorithm))
            }
            _ => None,
        }
    }

    /// Reads the first private key of a PEM file.
    ///
    /// # Errors
    /// There is none, or it cannot be parsed.
    pub fn from_pem(data: &[u8]) -> Result<Self, KeyError> {
        let block = pem::private_key(data)?;
        let encoding = match block.label {
            Label::RsaPrivateKey => KeyEncoding::Pkcs1,
            Label::EcPrivateKey => KeyEncoding::Sec1,
            _ => KeyEncoding::Pkcs8,
        };
        Self::from_der(encoding, block.der)
    }

    /// As [`PrivateKey::from_pem`], once for a file that is kept.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`].
    pub fn of(file: &Bytes) -> Result<&Self, &KeyError> {
        file.parsed(Self::from_pem).as_ref()
    }

    /// Reads a private key in the given encoding.
    ///
    /// # Errors
    /// It cannot be parsed.
    pub fn from_der(encoding: KeyEncoding, der: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let spki = match encoding {
            KeyEncoding::Pkcs1 => rsa_spki(&der)?,
            KeyEncoding::Sec1 => ec_spki(&der, None)?,
            KeyEncoding::Pkcs8 => {
                let info = PrivateKeyInfo::from_der(&der).map_err(malformed)?;
                match info.algorithm.oid {
                    RSA => rsa_spki(info.key.as_bytes())?,
                    EC => ec_spki(info.key.as_bytes(), info.algorithm.curve())?,
                    ED25519 => ed25519_spki(&der)?,
                    other => return Err(KeyError::Malformed(format!("unknown algorithm {other}"))),
                }
            }
        };
        Ok(Self { algorithm: KeyAlgorithm::of_spki(&spki)?, encoding, der, spki })
    }

    /// The public half as subject public key info, in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// In its own encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// In its own encoding.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode(self.encoding.label(), &self.der)
    }

    /// The key as PKCS#8 (RFC 5958), for ring.
    ///
    /// # Errors
    /// The key is larger than DER allows, which no real one is.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if self.encoding == KeyEncoding::Pkcs8 {
            return Ok(self.der.clone());
        }
        let spki = Spki::from_der(&self.spki).map_err(malformed)?;
        let key = OctetStringRef::new(&self.der).map_err(malformed)?;
        let info =
            PrivateKeyInfo { version: 0, algorithm: spki.algorithm, key, attributes: None, public: None };
        Ok(Zeroizing::new(info.to_der().map_err(malformed)?))
    }

    /// The same key in another encoding.
    ///
    /// # Errors
    /// The encoding does not fit the key's algorithm.
    pub fn encoded_as(&self, encoding: KeyEncoding) -> Result<Self, KeyError> {
        if encoding == self.encoding {
            return Ok(self.clone());
        }
        let pkcs8 = self.to_pkcs8()?;
        let der = match encoding {
            KeyEncoding::Pkcs8 => pkcs8,
            KeyEncoding::Pkcs1 | KeyEncoding::Sec1 => {
                let info = PrivateKeyInfo::from_der(&pkcs8).map_err(malformed)?;
                if encoding == KeyEncoding::Sec1 && info.algorithm.oid == EC {
                    sec1_with_curve(&info)?
                } else {
                    Zeroizing::new(info.key.as_bytes().to_vec())
                }
            }
        };
        Self::from_der(encoding, der)
    }
}

/// Go writes the curve into a SEC1 key and leaves it out inside PKCS#8; SEC1 alone needs it.
fn sec1_with_curve(info: &PrivateKeyInfo<'_>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut key = EcPrivateKey::from_der(info.key.as_bytes()).map_err(malformed)?;
    key.curve = key.curve.or(info.algorithm.curve());
    Ok(Zeroizing::new(key.to_der().map_err(malformed)?))
}

fn rsa_spki(pkcs1: &[u8]) -> Result<Vec<u8>, KeyError> {
    let key = RsaPrivateKey::from_der(pkcs1).map_err(malformed)?;
    let public = RsaPublicKey { modulus: key.modulus, exponent: key.exponent }.to_der().map_err(malformed)?;
    spki(AlgorithmIdentifier { oid: RSA, parameters: Some(AnyRef::NULL) }, &public)
}

fn ec_spki(sec1: &[u8], outer: Option<ObjectIdentifier>) -> Result<Vec<u8>, KeyError> {
    let key = EcPrivateKey::from_der(sec1).map_err(malformed)?;
    let curve =
        key.curve.or(outer).ok_or_else(|| KeyError::Malformed("EC key without its curve".to_owned()))?;
    let point = key.public.ok_or(KeyError::NoPublicPoint)?;
    spki(AlgorithmIdentifier { oid: EC, parameters: Some(AnyRef::from(&curve)) }, point.raw_bytes())
}

fn ed25519_spki(pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
        .map_err(|error| KeyError::Malformed(super::reason::rejected(&error).to_owned()))?;
    spki(AlgorithmIdentifier { oid: ED25519, parameters: None }, pair.public_key().as_ref())
}

fn spki(algorithm: AlgorithmIdentifier<'_>, key: &[u8]) -> Result<Vec<u8>, KeyError> {
    let key = BitStringRef::from_bytes(key).map_err(malformed)?;
    Spki { algorithm, key }.to_der().map_err(malformed)
}

/// The content of a subject public key info's bit string, of which a key identifier is the hash.
///
/// # Errors
/// It is not a subject public key info.
pub fn public_key_bits(spki: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(Spki::from_der(spki).map_err(malformed)?.key.raw_bytes().to_vec())
}

fn malformed(error: der::Error) -> KeyError {
    KeyError::Malformed(super::reason::der(&error).to_owned())
}

fn bits(magnitude: &[u8]) -> usize {
    let leading = magnitude.iter().take_while(|byte| **byte == 0).count();
    let significant = magnitude.get(leading..).unwrap_or_default();
    let top = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len() * 8 - top
}

/// RFC 5280 section 4.1.1.2.
#[derive(Clone, Copy, Sequence)]
struct AlgorithmIdentifier<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

impl AlgorithmIdentifier<'_> {
    fn curve(&self) -> Option<ObjectIdentifier> {
        self.parameters.and_then(|parameters| parameters.decode_as().ok())
    }
}

/// RFC 5280 section 4.1.2.7.
#[derive(Sequence)]
struct Spki<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    key: BitStringRef<'a>,
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// RFC 8017 appendix A.1.2, without other primes.
#[derive(Sequence)]
pub(crate) struct RsaPrivateKey<'a> {
    pub(crate) version: u8,
    pub(crate) modulus: UintRef<'a>,
    pub(crate) exponent: UintRef<'a>,
    pub(crate) private_exponent: UintRef<'a>,
    pub(crate) prime1: UintRef<'a>,
    pub(crate) prime2: UintRef<'a>,
    pub(crate) exponent1: UintRef<'a>,
    pub(crate) exponent2: UintRef<'a>,
    pub(crate) coefficient: UintRef<'a>,
}

/// RFC 5915 section 3.
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    scalar: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    curve: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public: Option<BitStringRef<'a>>,
}

/// RFC 5958 section 2.
#[derive(Sequence)]
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: AlgorithmIdentifier<'a>,
    key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    attributes: Option<der::asn1::SetOfVec<der::asn1::Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    public: Option<BitStringRef<'a>>,
}
