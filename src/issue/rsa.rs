//! RSA keys from two primes, which ring doesn't generate. Finding the primes takes the time (`primes/`), the rest of
//! a key almost nothing.

use crypto_bigint::{BoxedUint, ConcatenatingMul as _, Gcd as _, Limb, NonZero, Odd};
use der::Encode as _;
use der::asn1::UintRef;
use kuberescue_primes::{Prime, PrimeError};
use zeroize::{Zeroize as _, Zeroizing};

use super::IssueError;
use crate::formats::key::{KeyAlgorithm, RsaPrivateKey};
use crate::formats::reason;

/// The usual public exponent; itself a prime.
const E: u32 = 65537;

/// A random prime for an RSA modulus of `modulus_bits`.
///
/// # Errors
/// No randomness, or a modulus of another size than 2048, 3072 or 4096 bits.
pub(super) fn prime(modulus_bits: usize) -> Result<Prime, IssueError> {
    kuberescue_primes::prime(modulus_bits, E).map_err(|error| match error {
        PrimeError::NoRandomness => IssueError::NoRandomness,
        PrimeError::Size => IssueError::UnsupportedKey(KeyAlgorithm::Rsa(modulus_bits)),
    })
}

/// The key of two primes, as PKCS#1 (RFC 8017 appendix A.1.2), checked by ring.
///
/// `None` if the primes don't fit: equal, or with the same first 100 bits (FIPS 186-5 appendix A.1.3 step
/// 5.4). That doesn't happen by chance; another one must be drawn.
///
/// # Errors
/// The result is not a key.
pub(super) fn key(one: &Prime, other: &Prime) -> Result<Option<Zeroizing<Vec<u8>>>, IssueError> {
    let (p, q) = if one.as_slice() > other.as_slice() { (one, other) } else { (other, one) };
    let modulus_bits = p.len() * 16;
    let (p, q) = (Secret::new(p), Secret::new(q));
    if p.0.wrapping_sub(&q.0).bit_width() as usize + 100 <= modulus_bits / 2 {
        return Ok(None);
    }
    let failed = |what: &str| failure(modulus_bits, format!("no {what}"));
    let one = BoxedUint::one();
    let (p1, q1) = (Secret(p.0.wrapping_sub(&one)), Secret(q.0.wrapping_sub(&one)));
    let gcd = p1.0.gcd(&q1.0).into_nz().into_option().ok_or_else(|| failed("common divisor"))?;
    let reduced = Secret(p1.0.wrapping_div(&gcd));
    let lcm = Secret(reduced.0.concatenating_mul(&q1.0));
    let d = inverse_of_e(&lcm).ok_or_else(|| failed("private exponent"))?;
    let dp = inverse_of_e(&p1).ok_or_else(|| failed("first exponent"))?;
    let dq = inverse_of_e(&q1).ok_or_else(|| failed("second exponent"))?;
    let odd_p = Odd::new(p.0.clone()).into_option().ok_or_else(|| failed("odd prime"))?;
    let inverse =
        q.0.invert_odd_mod(&odd_p).into_option().map(Secret).ok_or_else(|| failed("coefficient"))?;
    drop(Secret(odd_p.get()));
    let modulus = p.0.concatenating_mul(&q.0);

    let parts =
        [Secret(modulus), d, p, q, dp, dq, inverse].map(|number| Zeroizing::new(number.0.to_be_bytes()));
    let [modulus, private_exponent, prime1, prime2, exponent1, exponent2, coefficient] = &parts;
    let pkcs1 = RsaPrivateKey {
        version: 0,
        modulus: UintRef::new(modulus)?,
        exponent: UintRef::new(&E.to_be_bytes())?,
        private_exponent: UintRef::new(private_exponent)?,
        prime1: UintRef::new(prime1)?,
        prime2: UintRef::new(prime2)?,
        exponent1: UintRef::new(exponent1)?,
        exponent2: UintRef::new(exponent2)?,
        coefficient: UintRef::new(coefficient)?,
    }
    .to_der()
    .map(Zeroizing::new)?;
    ring::signature::RsaKeyPair::from_der(&pkcs1)
        .map_err(|error| failure(modulus_bits, reason::rejected(&error).to_owned()))?;
    Ok(Some(pkcs1))
}

/// A number that is zeroized when dropped.
struct Secret(BoxedUint);

impl Secret {
    fn new(magnitude: &Prime) -> Self {
        Self(BoxedUint::from_be_slice_truncated(magnitude, magnitude.len() as u32 * 8))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// e⁻¹ mod `modulus`. With a small prime e it is (k · modulus + 1) / e for the one k below e that makes
/// the division exact, k ≡ −modulus⁻¹ (mod e): no big inversion is needed.
fn inverse_of_e(modulus: &Secret) -> Option<Secret> {
    let e = nonzero_limb(E)?;
    #[allow(clippy::unnecessary_cast, reason = "a word has 32 bits on other machines")]
    let residue = modulus.0.rem_limb(e).0 as u64;
    if residue == 0 {
        return None;
    }
    let k = u64::from(E) - power_mod_e(residue, E - 2);
    let multiple = Secret(modulus.0.concatenating_mul(&BoxedUint::from(k)));
    let sum = Secret(multiple.0.wrapping_add(BoxedUint::one()));
    let (quotient, rest) = sum.0.div_rem_limb(e);
    let quotient = Secret(quotient);
    (rest == Limb::ZERO).then_some(quotient)
}

/// base^exponent mod e; with e − 2 as exponent the inverse (Fermat).
fn power_mod_e(base: u64, exponent: u32) -> u64 {
    let modulus = u64::from(E);
    (0..u32::BITS).rev().fold(1, |power, bit| {
        let square = power * power % modulus;
        if exponent >> bit & 1 == 1 { square * base % modulus } else { square }
    })
}

fn nonzero_limb(value: u32) -> Option<NonZero<Limb>> {
    NonZero::new(Limb::from(value)).into_option()
}

fn failure(modulus_bits: usize, reason: String) -> IssueError {
    IssueError::Generation { algorithm: KeyAlgorithm::Rsa(modulus_bits), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_inverse_is_the_inverse() {
        for modulus in [65536_u64, 65538, 3 * 65537 + 1, 1 << 40, 999_999_999_988] {
            let inverse = inverse_of_e(&Secret(BoxedUint::from(modulus))).expect("coprime");
            let inverse = inverse.0.to_string_radix_vartime(10).parse::<u128>().unwrap();
            assert_eq!(inverse * u128::from(E) % u128::from(modulus), 1, "{modulus}");
            assert!(inverse < u128::from(modulus));
        }
        assert!(inverse_of_e(&Secret(BoxedUint::from(2 * 65537_u64))).is_none());
    }

    #[test]
    fn primes_that_are_alike_make_no_key() {
        let first = Zeroizing::new(vec![0xff; 128]);
        let mut near = first.clone();
        near[20] = 0;
        assert_eq!(key(&first, &first), Ok(None));
        assert_eq!(key(&near, &first), Ok(None));
        assert_eq!(key(&first, &near), Ok(None));
    }

    #[test]
    fn other_sizes_are_refused() {
        assert_eq!(prime(1024).err(), Some(IssueError::UnsupportedKey(KeyAlgorithm::Rsa(1024))));
    }
}
