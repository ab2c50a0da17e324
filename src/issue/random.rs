//! The operating system's randomness, for serial numbers.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::IssueError;

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
}
