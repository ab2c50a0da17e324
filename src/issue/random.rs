//! The operating system's randomness, for the prime search.

use std::convert::Infallible;

use crypto_bigint::rand_core::{TryCryptoRng, TryRng};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroize as _;

use super::IssueError;

/// The system's generator for crypto-primes, whose trait can't fail: a failure is recorded, and callers must
/// check [`SystemRng::check`] before they use the result.
pub(super) struct SystemRng {
    system: SystemRandom,
    failed: bool,
}

impl SystemRng {
    pub(super) fn new() -> Self {
        Self { system: SystemRandom::new(), failed: false }
    }

    /// Whether everything drawn so far was random.
    pub(super) fn check(&self) -> Result<(), IssueError> {
        if self.failed { Err(IssueError::NoRandomness) } else { Ok(()) }
    }
}

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        let value = u64::from_le_bytes(bytes);
        bytes.zeroize();
        Ok(value)
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        if self.system.fill(target).is_err() {
            self.failed = true;
            target.fill(0);
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

/// A serial number: 127 random bits, positive and not zero (RFC 5280 section 4.1.2.2 allows up to 20
/// octets; kubeadm draws 63 bits).
pub(super) fn serial() -> Result<[u8; 16], IssueError> {
    let mut bytes = [0_u8; 16];
    loop {
        SystemRandom::new().fill(&mut bytes).map_err(|_| IssueError::NoRandomness)?;
        if let Some(first) = bytes.first_mut() {
            *first &= 0x7f;
        }
        if bytes != [0; 16] {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn serial_numbers_are_positive_and_differ() {
        let drawn: BTreeSet<_> = (0..64).map(|_| serial().unwrap()).collect();
        assert_eq!(drawn.len(), 64);
        assert!(drawn.iter().all(|serial| serial[0] < 0x80));
    }

    #[test]
    fn a_failure_is_remembered() {
        SystemRng::new().check().unwrap();
        let failed = SystemRng { failed: true, ..SystemRng::new() };
        assert_eq!(failed.check(), Err(IssueError::NoRandomness));
    }
}
