//! Whether a private key works, by a signature.

use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING};

use super::{KeyAlgorithm, KeyEncoding, PrivateKey};
use crate::state::{Digest, Memo};

/// The keys that were tried: all backups of a node hold the same CA keys, and their signatures take longer than
/// all else that is looked at in an archive.
static TRIED: Memo = Memo::new();

impl PrivateKey {
    /// Whether the key can sign: the numbers of a damaged key may not match, although it can be parsed and
    /// its public half is right. True for keys that can't be used for signing here. The first time it takes as long as a
    /// signature.
    pub fn can_sign(&self) -> bool {
        let digest = Digest::of(self.der());
        TRIED.get(&digest).unwrap_or_else(|| {
            let signs = self.signs();
            TRIED.keep(digest, signs);
            signs
        })
    }

    fn signs(&self) -> bool {
        let random = ring::rand::SystemRandom::new();
        let ecdsa = |curve| {
            let pkcs8 = self.encoded_as(KeyEncoding::Sec1).and_then(|key| key.to_pkcs8());
            pkcs8.is_ok_and(|pkcs8| ring::signature::EcdsaKeyPair::from_pkcs8(curve, &pkcs8, &random).is_ok())
        };
        let rsa = |key: &Self| {
            let pair = ring::signature::RsaKeyPair::from_der(key.der()).ok()?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&ring::signature::RSA_PKCS1_SHA256, &random, b"kuberescue", &mut signature).ok()
        };
        match self.algorithm {
            KeyAlgorithm::Rsa(_) => self.encoded_as(KeyEncoding::Pkcs1).is_ok_and(|key| rsa(&key).is_some()),
            KeyAlgorithm::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyAlgorithm::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            _ => self.algorithm.can_sign(),
        }
    }
}
