//! The search for one prime of an RSA key.
//!
//! ring generates no RSA keys. Candidates are the odd numbers from a random one on. A sieve removes those with a
//! small factor, one exponentiation with base 2 nearly all the rest, and crypto-primes judges what is left, about one
//! number a search.
//!
//! All of it is generic code over integers of fixed size, a third faster than growing ones. It would be compiled into
//! whatever package calls it, with that package's level of optimisation: hence a package of its own.

use std::sync::LazyLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{CheckedAdd as _, Limb, NonZero, Odd, Reciprocal, U1024, U1536, U2048, Uint};
use crypto_primes::{Flavor, is_prime};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::{Zeroize as _, Zeroizing};

/// A prime's magnitude, big endian, of its full length. Zeroized when dropped.
pub type Prime = Zeroizing<Vec<u8>>;

/// Why no prime was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrimeError {
    #[error("the system's random number generator failed")]
    NoRandomness,
    #[error("no search for primes of this size")]
    Size,
}

/// A random prime for an RSA modulus of `modulus_bits` (2048, 3072 or 4096): its two highest bits set, so that the
/// product of two has the full length, and p − 1 coprime to the public exponent, which is a prime (FIPS 186-5
/// appendix A.1.3).
///
/// # Errors
/// No randomness, or a modulus of another size.
pub fn prime(modulus_bits: usize, exponent: u32) -> Result<Prime, PrimeError> {
    match modulus_bits {
        2048 => search(exponent, |candidate: &U1024| is_prime(Flavor::Any, candidate)),
        3072 => search(exponent, |candidate: &U1536| is_prime(Flavor::Any, candidate)),
        4096 => search(exponent, |candidate: &U2048| is_prime(Flavor::Any, candidate)),
        _ => Err(PrimeError::Size),
    }
}

fn search<const LIMBS: usize>(
    exponent: u32,
    is_prime: fn(&Uint<LIMBS>) -> bool,
) -> Result<Prime, PrimeError> {
    let exponent = NonZero::new(Limb::from(exponent)).into_option().ok_or(PrimeError::Size)?;
    loop {
        let mut base = random_odd::<LIMBS>()?;
        let window = Zeroizing::new(composite(&base));
        let candidates = window.iter().zip((0_u32..).step_by(2)).filter(|(composite, _)| !**composite);
        // A sum that overflowed would be even smaller than the two highest bits allow, and is no candidate.
        let mut candidates = candidates.filter_map(|(_, offset)| {
            base.checked_add(&Uint::from(offset)).into_option().and_then(|sum| Odd::new(sum).into_option())
        });
        let found = candidates.find(|candidate| {
            // A prime exponent shares a factor with p − 1 exactly when p ≡ 1.
            candidate.as_ref().rem_limb(exponent) != Limb::ONE
                && may_be_prime(candidate)
                && is_prime(candidate.as_ref())
        });
        base.zeroize();
        if let Some(found) = found {
            let mut found = found.get();
            let prime = Zeroizing::new(found.to_be_bytes().as_ref().to_vec());
            found.zeroize();
            return Ok(prime);
        }
    }
}

/// A random odd number with its two highest bits set.
fn random_odd<const LIMBS: usize>() -> Result<Uint<LIMBS>, PrimeError> {
    let mut bytes = Zeroizing::new(vec![0; LIMBS * Limb::BYTES]);
    SystemRandom::new().fill(&mut bytes).map_err(|_| PrimeError::NoRandomness)?;
    if let Some(first) = bytes.first_mut() {
        *first |= 0b1100_0000;
    }
    if let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    Ok(Uint::from_be_slice(&bytes))
}

/// Fermat's test with base 2, which every prime passes: 2^(n − 1) ≡ 1 (mod n). A multiplication by two is an addition,
/// so that the exponentiation costs its squarings alone.
fn may_be_prime<const LIMBS: usize>(candidate: &Odd<Uint<LIMBS>>) -> bool {
    let params = FixedMontyParams::new_vartime(*candidate);
    let one = FixedMontyForm::one(&params);
    let exponent = candidate.as_ref().wrapping_sub(&Uint::ONE);
    let bits = exponent.bit_width_vartime();
    let (mut power, mut squarings) = (one, 0);
    for bit in (0..bits).rev() {
        squarings += 1;
        if exponent.bit_vartime(bit) {
            power = power.square_repeat_vartime(squarings).double();
            squarings = 0;
        }
    }
    power.square_repeat_vartime(squarings) == one
}

/// How many odd numbers from the random one on are looked at: of ten thousand searches for a prime of 2048 bits 30
/// begin again with another number.
const WINDOW: usize = 8192;

/// The limit of the small factors. Twice as far would save 5 % of the exponentiations, and cost as much.
const SMALL: u32 = 1 << 17;

/// For each of the odd numbers from `base` on whether it has a small factor.
fn composite<const LIMBS: usize>(base: &Uint<LIMBS>) -> Vec<bool> {
    let mut composite = vec![false; WINDOW];
    for group in SMALL_PRIMES.iter() {
        #[allow(clippy::unnecessary_cast, reason = "a word has 32 bits on other machines")]
        let rest = base.rem_limb_with_reciprocal(&group.product).0 as u64;
        for prime in &group.primes {
            let rest = (rest % u64::from(*prime)) as usize;
            let prime = *prime as usize;
            // base + 2k is a multiple from the k on for which 2k ≡ −base.
            let missing = if rest == 0 { 0 } else { prime - rest };
            let first = if missing % 2 == 0 { missing / 2 } else { (missing + prime) / 2 };
            composite.iter_mut().skip(first).step_by(prime).for_each(|number| *number = true);
        }
    }
    composite
}

/// Odd primes whose product fits a word: one division of the long number serves all of them.
struct Group {
    product: Reciprocal,
    primes: Vec<u32>,
}

static SMALL_PRIMES: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let mut groups = Vec::new();
    let (mut product, mut primes) = (1, Vec::new());
    for prime in odd_primes(SMALL) {
        match Limb::MAX.0.checked_div(product) {
            Some(room) if room >= prime.into() => {}
            _ => groups.extend(group(std::mem::replace(&mut product, 1), std::mem::take(&mut primes))),
        }
        product *= Limb::from(prime).0;
        primes.push(prime);
    }
    groups.extend(group(product, primes));
    groups
});

fn group(product: crypto_bigint::Word, primes: Vec<u32>) -> Option<Group> {
    let product = Reciprocal::new(NonZero::new(Limb(product)).into_option()?);
    Some(Group { product, primes })
}

/// The sieve of Eratosthenes, over odd numbers.
fn odd_primes(limit: u32) -> Vec<u32> {
    let mut composite = vec![false; limit as usize / 2];
    let mut primes = Vec::new();
    for number in (3..limit).step_by(2) {
        if composite.get(number as usize / 2).is_some_and(|composite| !composite) {
            let multiples = composite.iter_mut().skip(number as usize / 2).step_by(number as usize);
            multiples.for_each(|number| *number = true);
            primes.push(number);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_primes_are_all() {
        assert_eq!(odd_primes(30), [3, 5, 7, 11, 13, 17, 19, 23, 29]);
        // OEIS A007053: 12251 primes are below 2^17, of which one is even.
        assert_eq!(SMALL_PRIMES.iter().map(|group| group.primes.len()).sum::<usize>(), 12_250);
    }

    #[test]
    fn the_sieve_removes_what_has_a_small_factor_and_nothing_else() {
        let base = random_odd::<{ U1024::LIMBS }>().unwrap();
        for (composite, offset) in composite(&base).into_iter().zip((0_u32..).step_by(2)).step_by(97) {
            let number = base.wrapping_add(&Uint::from(offset));
            let divides =
                |prime: u32| number.rem_limb(NonZero::new(Limb::from(prime)).unwrap()) == Limb::ZERO;
            assert_eq!(odd_primes(SMALL).into_iter().any(divides), composite, "{number} by {offset}");
        }
    }

    #[test]
    fn a_prime_passes_and_a_composite_does_not() {
        let of = |number: Uint<{ U1024::LIMBS }>| may_be_prime(&Odd::new(number).unwrap());
        // 2^521 − 1 and 2^607 − 1 are primes of Mersenne, 2^523 − 1 is none.
        let mersenne = |exponent: u32| Uint::ONE.shl_vartime(exponent).wrapping_sub(&Uint::ONE);
        assert!(of(mersenne(521)) && of(mersenne(607)));
        assert!(!of(mersenne(523).wrapping_sub(&Uint::from(2_u32))));
        // A pseudoprime to base 2 passes this one: hence the second judge.
        assert!(of(Uint::from(341_u32)) && !is_prime(Flavor::Any, &Uint::<{ U1024::LIMBS }>::from(341_u32)));
    }

    #[test]
    fn primes_have_their_length_and_fit_the_exponent() {
        for bits in [2048, 3072, 4096] {
            let prime = prime(bits, 65537).unwrap();
            assert_eq!((prime.len(), prime[0] >> 6, prime[prime.len() - 1] & 1), (bits / 16, 3, 1));
        }
        // With 3 as exponent every other prime is one too many.
        for _ in 0..8 {
            let prime = Uint::<{ U1024::LIMBS }>::from_be_slice(&prime(2048, 3).unwrap());
            assert_ne!(prime.rem_limb(NonZero::new(Limb::from(3_u32)).unwrap()), Limb::ONE);
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        assert_eq!(prime(1024, 65537), Err(PrimeError::Size));
    }
}
