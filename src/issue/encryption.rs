//! Encryption of what leaves the machine with private keys in it, in the format of age (age-encryption.org/v1): the tools
//! `age` and `rage` read and write it too.

use std::io::{Read as _, Write as _};

use age::secrecy::SecretString;
use age::{DecryptError, scrypt, x25519};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::IssueError;

/// scrypt with N = 2^17 takes 128 MiB and a fraction of a second (OWASP's minimum); age itself writes 2^18.
const WORK_FACTOR: u8 = 17;
/// What is decrypted needs at most 256 MiB: the file names its own factor, and a node in trouble has little memory.
const MAX_WORK_FACTOR: u8 = 18;
/// RFC 4648 base 32 in lower case: without the digits that look like letters.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 4 bits of 5 would do: 24 characters are 120 bits, which nobody searches.
const PASSPHRASE_CHARS: usize = 24;
const GROUP: usize = 4;

/// Who can decrypt it.
pub enum EncryptTo {
    Passphrase(Zeroizing<String>),
    Recipients(Vec<Recipient>),
}

/// A public key of age: `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

impl std::str::FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed: Result<x25519::Recipient, _> = text.trim().parse();
        parsed.map(Self).map_err(|_| "a public key of age, such as age-keygen prints: age1…".to_owned())
    }
}

/// What decrypts it.
pub enum DecryptWith {
    Passphrase(Zeroizing<String>),
    /// The content of a file of `age-keygen`.
    Identities(Zeroizing<Vec<u8>>),
}

/// Why something cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecrypted {
    #[error("it is not encrypted with age, or was damaged")]
    NotEncrypted,
    #[error("the passphrase is not the right one")]
    WrongPassphrase,
    #[error("none of the identities is that of a recipient")]
    NotForThese,
    #[error("it needs a passphrase, and no identity decrypts it")]
    NeedsPassphrase,
    #[error("it needs an identity, and no passphrase decrypts it")]
    NeedsIdentity,
    #[error("the file of identities holds something else than AGE-SECRET-KEY-1… and comments")]
    NoIdentities,
    #[error(
        "its passphrase needs more memory than is used here (scrypt work factor {0}, at most {MAX_WORK_FACTOR})"
    )]
    TooMuchWork(u8),
    #[error("its content was damaged or cut off")]
    Damaged,
}

/// A random passphrase that can be read aloud: 120 bits in groups of four.
///
/// # Errors
/// There is no randomness.
pub fn new_passphrase() -> Result<Zeroizing<String>, IssueError> {
    let mut bytes = Zeroizing::new([0_u8; PASSPHRASE_CHARS]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| IssueError::NoRandomness)?;
    let mut text = Zeroizing::new(String::with_capacity(PASSPHRASE_CHARS + PASSPHRASE_CHARS / GROUP));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every character is as likely.
        let character = ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied().unwrap_or(b'a');
        text.push(char::from(character));
    }
    Ok(text)
}

/// # Errors
/// There is no recipient, or no randomness.
pub fn encrypt(plain: &[u8], to: &EncryptTo) -> Result<Vec<u8>, IssueError> {
    let failed = |why: String| IssueError::NotEncrypted(why);
    let encryptor = match to {
        EncryptTo::Passphrase(passphrase) => {
            let mut recipient = scrypt::Recipient::new(secret(passphrase));
            recipient.set_work_factor(WORK_FACTOR);
            age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        EncryptTo::Recipients(recipients) => age::Encryptor::with_recipients(
            recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient),
        ),
    };
    let encryptor = encryptor.map_err(|error| failed(error.to_string()))?;
    let mut out = Vec::with_capacity(plain.len() + (1 << 12));
    let mut writer = encryptor.wrap_output(&mut out).map_err(|error| failed(error.to_string()))?;
    writer.write_all(plain).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok(out)
}

/// Whether a passphrase decrypts it; `None` where it is not encrypted with age.
pub fn needs_passphrase(encrypted: &[u8]) -> Option<bool> {
    Some(age::Decryptor::new(encrypted).ok()?.is_scrypt())
}

/// # Errors
/// Why not.
pub fn decrypt(encrypted: &[u8], with: &DecryptWith) -> Result<Zeroizing<Vec<u8>>, NotDecrypted> {
    let decryptor = age::Decryptor::new(encrypted).map_err(|_| NotDecrypted::NotEncrypted)?;
    let is_scrypt = decryptor.is_scrypt();
    let opened = match with {
        DecryptWith::Passphrase(_) if !is_scrypt => return Err(NotDecrypted::NeedsIdentity),
        DecryptWith::Identities(_) if is_scrypt => return Err(NotDecrypted::NeedsPassphrase),
        DecryptWith::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(secret(passphrase));
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        DecryptWith::Identities(text) => {
            let identities = age::IdentityFile::from_buffer(text.as_slice())
                .and_then(|file| file.into_identities().map_err(std::io::Error::other));
            let identities = identities.map_err(|_| NotDecrypted::NoIdentities)?;
            decryptor.decrypt(identities.iter().map(|identity| identity.as_ref() as &dyn age::Identity))
        }
    };
    let mut reader = opened.map_err(|error| match error {
        DecryptError::ExcessiveWork { required, .. } => NotDecrypted::TooMuchWork(required),
        DecryptError::NoMatchingKeys => NotDecrypted::NotForThese,
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed if is_scrypt => {
            NotDecrypted::WrongPassphrase
        }
        _ => NotDecrypted::Damaged,
    })?;
    // As long as it: a buffer that grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(encrypted.len()));
    reader.read_to_end(&mut plain).map_err(|_| NotDecrypted::Damaged)?;
    Ok(plain)
}

fn secret(passphrase: &str) -> SecretString {
    SecretString::from(passphrase.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str =
        "# created: 2026-11-24\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
    const OF_IT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    fn identities(text: &str) -> DecryptWith {
        DecryptWith::Identities(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn passphrase(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn only_its_recipient_decrypts_it() {
        let to = EncryptTo::Recipients(vec![OF_IT.parse().unwrap()]);
        let encrypted = encrypt(b"keys", &to).unwrap();
        assert_eq!(needs_passphrase(&encrypted), Some(false));
        assert_eq!(decrypt(&encrypted, &identities(IDENTITY)).unwrap().as_slice(), b"keys");
        let other = x25519::Identity::generate().to_string();
        let other = age::secrecy::ExposeSecret::expose_secret(&other);
        assert_eq!(decrypt(&encrypted, &identities(other)).unwrap_err(), NotDecrypted::NotForThese);
        assert_eq!(decrypt(&encrypted, &identities("ssh")).unwrap_err(), NotDecrypted::NoIdentities);
        let with = DecryptWith::Passphrase(passphrase("x"));
        assert_eq!(decrypt(&encrypted, &with).unwrap_err(), NotDecrypted::NeedsIdentity);
    }

    #[test]
    fn what_was_damaged_is_not_decrypted() {
        let to = EncryptTo::Recipients(vec![OF_IT.parse().unwrap()]);
        let encrypted = encrypt(&[7; 1000], &to).unwrap();
        for at in (0..encrypted.len()).step_by(7) {
            let mut other = encrypted.clone();
            other[at] ^= 1;
            assert!(decrypt(&other, &identities(IDENTITY)).is_err(), "byte {at}");
            assert!(decrypt(&encrypted[..at], &identities(IDENTITY)).is_err(), "{at} bytes");
        }
        assert_eq!(needs_passphrase(b"-----BEGIN CERTIFICATE-----"), None);
    }

    #[test]
    fn a_passphrase_is_as_long_as_no_one_can_guess() {
        let one = new_passphrase().unwrap();
        assert_eq!(one.len(), PASSPHRASE_CHARS + PASSPHRASE_CHARS / GROUP - 1);
        let groups: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(groups, [GROUP; PASSPHRASE_CHARS / GROUP], "{one:?}");
        assert_ne!(one, new_passphrase().unwrap());
        // Of 24 random characters one is of the last three quarters of the alphabet.
        assert!(one.bytes().any(|character| character > b'h'), "{one:?}");
        let encrypted = encrypt(b"keys", &EncryptTo::Passphrase(one.clone())).unwrap();
        assert_eq!(needs_passphrase(&encrypted), Some(true));
        assert_eq!(decrypt(&encrypted, &DecryptWith::Passphrase(one)).unwrap().as_slice(), b"keys");
        let wrong = DecryptWith::Passphrase(passphrase("wrong"));
        assert_eq!(decrypt(&encrypted, &wrong).unwrap_err(), NotDecrypted::WrongPassphrase);
        assert_eq!(decrypt(&encrypted, &identities(IDENTITY)).unwrap_err(), NotDecrypted::NeedsPassphrase);
    }

    #[test]
    fn a_passphrase_that_needs_too_much_memory_is_refused() {
        let mut encrypted = encrypt(b"keys", &EncryptTo::Passphrase(passphrase("x"))).unwrap();
        let (factor, other) = (format!(" {WORK_FACTOR}\n"), " 30\n");
        let at = encrypted.windows(4).position(|bytes| bytes == factor.as_bytes()).unwrap();
        encrypted.splice(at..at + 4, other.bytes());
        let with = DecryptWith::Passphrase(passphrase("x"));
        assert_eq!(decrypt(&encrypted, &with).unwrap_err(), NotDecrypted::TooMuchWork(30));
    }

    /// As it is told to whom something is encrypted.
    #[test]
    fn a_recipient_is_shown_as_it_was_given() {
        assert_eq!(format!("{:?}", OF_IT.parse::<Recipient>().unwrap()), OF_IT);
    }
}
