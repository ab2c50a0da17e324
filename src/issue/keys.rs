//! New private keys: all of a run in parallel, on all cores.
//!
//! Finding the primes takes the time, and each takes a random time. So one queue hands out primes, not keys;
//! the thread that finds the second prime of a key composes the key.

use std::sync::{Mutex, PoisonError};

use kuberescue_primes::Prime;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use zeroize::Zeroizing;

use super::IssueError;
use super::cores::on_all_cores;
use super::rsa;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// Kind and size: RSA 2048, 3072, 4096, ECDSA P-256 or P-384 (kubeadm 1.34 `encryptionAlgorithm`).
    pub algorithm: KeyAlgorithm,
    pub encoding: KeyEncoding,
}

/// Generates keys, in the order of the requests.
///
/// # Errors
/// A kind of key that cannot be generated or an encoding that doesn't fit it, before any work is done; no
/// randomness; a key that fails its check.
pub fn generate(requests: &[KeyRequest]) -> Result<Vec<PrivateKey>, IssueError> {
    requests.iter().try_for_each(check)?;
    let jobs: Vec<Job<'_>> = requests.iter().map(Job::new).collect();
    // An RSA key is two tasks, one for each prime. Large primes first, since they take longest.
    let mut tasks: Vec<&Job<'_>> = jobs.iter().flat_map(|job| vec![job; job.tasks()]).collect();
    tasks.sort_by_key(|job| std::cmp::Reverse(job.rsa_bits()));
    match tasks.iter().any(|job| job.rsa_bits().is_some()) {
        true => on_all_cores(&tasks, |job| job.advance()),
        // A key of a curve takes less time than another thread.
        false => tasks.iter().for_each(|job| job.advance()),
    }
    jobs.into_iter().map(Job::finish).collect()
}

fn check(request: &KeyRequest) -> Result<(), IssueError> {
    let KeyRequest { algorithm, encoding } = request;
    if !algorithm.can_be_generated() {
        return Err(IssueError::UnsupportedKey(algorithm.clone()));
    }
    match (algorithm, encoding) {
        (KeyAlgorithm::Rsa(_), KeyEncoding::Pkcs1 | KeyEncoding::Pkcs8)
        | (KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384, KeyEncoding::Sec1 | KeyEncoding::Pkcs8) => {
            Ok(())
        }
        _ => Err(IssueError::WrongEncoding { algorithm: algorithm.clone(), encoding: *encoding }),
    }
}

/// A key that is being generated.
struct Job<'a> {
    request: &'a KeyRequest,
    state: Mutex<State>,
}

enum State {
    Nothing,
    OnePrime(Prime),
    Done(Result<PrivateKey, IssueError>),
}

impl<'a> Job<'a> {
    fn new(request: &'a KeyRequest) -> Self {
        Self { request, state: Mutex::new(State::Nothing) }
    }

    fn rsa_bits(&self) -> Option<usize> {
        match self.request.algorithm {
            KeyAlgorithm::Rsa(bits) => Some(bits),
            _ => None,
        }
    }

    fn tasks(&self) -> usize {
        if self.rsa_bits().is_some() { 2 } else { 1 }
    }

    /// Does one task of this key. Nothing slow happens under the lock.
    fn advance(&self) {
        let Some(bits) = self.rsa_bits() else {
            return self.set(State::Done(ecdsa_key(self.request)));
        };
        let found = rsa::prime(bits);
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.set(State::Done(Err(error))),
        };
        let first = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match std::mem::replace(&mut *state, State::Nothing) {
                State::Nothing => {
                    *state = State::OnePrime(found);
                    return;
                }
                failed @ State::Done(_) => {
                    *state = failed;
                    return;
                }
                State::OnePrime(first) => first,
            }
        };
        self.set(State::Done(rsa_key(self.request, bits, &first, found)));
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn finish(self) -> Result<PrivateKey, IssueError> {
        match self.state.into_inner().unwrap_or_else(PoisonError::into_inner) {
            State::Done(result) => result,
            State::Nothing | State::OnePrime(_) => Err(IssueError::Generation {
                algorithm: self.request.algorithm.clone(),
                reason: "it was not finished".to_owned(),
            }),
        }
    }
}

fn rsa_key(request: &KeyRequest, bits: usize, first: &Prime, found: Prime) -> Result<PrivateKey, IssueError> {
    let mut second = found;
    let pkcs1 = loop {
        match rsa::key(first, &second)? {
            Some(key) => break key,
            None => second = rsa::prime(bits)?,
        }
    };
    checked(request, PrivateKey::from_der(KeyEncoding::Pkcs1, pkcs1)?)
}

fn ecdsa_key(request: &KeyRequest) -> Result<PrivateKey, IssueError> {
    let curve: &EcdsaSigningAlgorithm = match request.algorithm {
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    };
    // ring's document type is not zeroized when dropped. The copy that is kept is.
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new())
        .map_err(|_| IssueError::NoRandomness)?
        .as_ref()
        .to_vec();
    checked(request, PrivateKey::from_der(KeyEncoding::Pkcs8, Zeroizing::new(pkcs8))?)
}

/// The key in the requested encoding, if it is of the requested kind.
fn checked(request: &KeyRequest, key: PrivateKey) -> Result<PrivateKey, IssueError> {
    if key.algorithm != request.algorithm {
        let reason = format!("a key of {} came out", key.algorithm);
        return Err(IssueError::Generation { algorithm: request.algorithm.clone(), reason });
    }
    Ok(key.encoded_as(request.encoding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(algorithm: KeyAlgorithm, encoding: KeyEncoding) -> KeyRequest {
        KeyRequest { algorithm, encoding }
    }

    #[test]
    fn keys_come_in_the_order_and_form_asked_for() {
        let requests = [
            request(KeyAlgorithm::EcdsaP384, KeyEncoding::Sec1),
            request(KeyAlgorithm::Rsa(2048), KeyEncoding::Pkcs1),
            request(KeyAlgorithm::EcdsaP256, KeyEncoding::Pkcs8),
            request(KeyAlgorithm::EcdsaP256, KeyEncoding::Sec1),
            request(KeyAlgorithm::EcdsaP384, KeyEncoding::Pkcs8),
        ];
        let keys = generate(&requests).unwrap();
        for (key, request) in keys.iter().zip(&requests) {
            assert_eq!((&key.algorithm, key.encoding), (&request.algorithm, request.encoding));
            let again = PrivateKey::from_pem(key.to_pem().as_bytes()).unwrap();
            assert_eq!((again.spki(), again.der()), (key.spki(), key.der()));
        }
        assert_ne!(keys[2].spki(), keys[3].spki());
        assert_eq!(generate(&[]).unwrap().len(), 0);
    }

    #[test]
    fn what_cannot_be_made_is_refused_before_any_work() {
        for algorithm in [
            KeyAlgorithm::Rsa(1024),
            KeyAlgorithm::Rsa(2049),
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Other("1.2.3".to_owned()),
        ] {
            let refused = [
                request(KeyAlgorithm::Rsa(4096), KeyEncoding::Pkcs1),
                request(algorithm.clone(), KeyEncoding::Pkcs8),
            ];
            assert_eq!(generate(&refused).err(), Some(IssueError::UnsupportedKey(algorithm)));
        }
        for (algorithm, encoding) in
            [(KeyAlgorithm::Rsa(2048), KeyEncoding::Sec1), (KeyAlgorithm::EcdsaP256, KeyEncoding::Pkcs1)]
        {
            let error = generate(&[request(algorithm.clone(), encoding)]).err();
            assert_eq!(error, Some(IssueError::WrongEncoding { algorithm, encoding }));
        }
    }
}
