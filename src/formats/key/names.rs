//! kubeadm's names of key algorithms, as `encryptionAlgorithm` has them.

use std::fmt;
use std::str::FromStr;

use super::KeyAlgorithm;

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
            Self::EcdsaP256 => f.write_str("ECDSA-P256"),
            Self::EcdsaP384 => f.write_str("ECDSA-P384"),
            Self::EcdsaP521 => f.write_str("ECDSA-P521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// By kubeadm's name of it (`encryptionAlgorithm`), in any case.
impl FromStr for KeyAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::GENERATED.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(text));
        known.ok_or_else(|| {
            let names = Self::GENERATED.map(|known| known.to_string().to_lowercase());
            format!("one of {}", names.join(", "))
        })
    }
}

impl From<KeyAlgorithm> for String {
    fn from(algorithm: KeyAlgorithm) -> Self {
        algorithm.to_string()
    }
}
