//! PEM (RFC 7468): finding the blocks in a file and writing new ones as Go's `encoding/pem` does.
//!
//! Reading is as lenient as kubeadm: unknown blocks are skipped, and blocks before a broken one count. If
//! nothing usable is found, the reason distinguishes an empty file from a truncated one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{Error as SectionError, PemObject as _, SectionKind};
use zeroize::Zeroizing;

/// Columns of base64 in a line (RFC 7468 section 2).
const COLUMNS: usize = 64;

/// The kinds of blocks in a node's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// An X.509 certificate.
    Certificate,
    /// RSA private key, PKCS#1 (RFC 8017 appendix A.1.2).
    RsaPrivateKey,
    /// EC private key, SEC1 (RFC 5915).
    EcPrivateKey,
    /// Private key of any kind, PKCS#8 (RFC 5958).
    PrivateKey,
    /// Subject public key info (RFC 5280 section 4.1).
    PublicKey,
    /// Certificate signing request, PKCS #10 (RFC 2986).
    Request,
}

impl Label {
    /// The text between `-----BEGIN` and the dashes.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::RsaPrivateKey => "RSA PRIVATE KEY",
            Self::EcPrivateKey => "EC PRIVATE KEY",
            Self::PrivateKey => "PRIVATE KEY",
            Self::PublicKey => "PUBLIC KEY",
            Self::Request => "CERTIFICATE REQUEST",
        }
    }
}

pub struct Block {
    pub label: Label,
    /// Decoded content, zeroized when dropped.
    pub der: Zeroizing<Vec<u8>>,
}

/// Why no usable block was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The file has no bytes, or only white space.
    #[error("the file is empty")]
    Empty,
    /// Nothing looks like PEM.
    #[error("not PEM: no -----BEGIN line")]
    NotPem,
    /// A block starts and does not end.
    #[error("truncated: a PEM block starts and does not end")]
    Truncated,
    /// A block's base64 or its dashes are broken.
    #[error("broken PEM: {0}")]
    Malformed(String),
    /// There are blocks, but none of the wanted kind.
    #[error("PEM without a {0} block")]
    Missing(&'static str),
    /// A private key that needs a passphrase.
    #[error("the private key is encrypted; kubeadm keys never are")]
    Encrypted,
}

/// The blocks of `data` before the first broken one.
///
/// # Errors
/// Only broken blocks, or no block at all.
pub fn blocks(data: &[u8]) -> Result<Vec<Block>, PemError> {
    if data.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty);
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(data) {
        match section {
            Ok((kind, der)) => {
                let der = Zeroizing::new(der);
                if let Some(label) = label(kind) {
                    found.push(Block { label, der });
                }
            }
            Err(error) if found.is_empty() => return Err(reason(&error)),
            Err(_) => break,
        }
    }
    if found.is_empty() && !contains(data, b"-----BEGIN ") {
        return Err(PemError::NotPem);
    }
    Ok(found)
}

/// The DER of every certificate in `data`, in order.
///
/// # Errors
/// There is none.
pub fn certificates(data: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let found: Vec<_> = blocks(data)?
        .into_iter()
        .filter(|block| block.label == Label::Certificate)
        .map(|block| block.der.to_vec())
        .collect();
    if found.is_empty() { Err(PemError::Missing(Label::Certificate.text())) } else { Ok(found) }
}

/// The first private key in `data`. Blocks before it, such as `EC PARAMETERS`, are skipped.
///
/// # Errors
/// There is none, or it is encrypted.
pub fn private_key(data: &[u8]) -> Result<Block, PemError> {
    if contains(data, b"ENCRYPTED") {
        return Err(PemError::Encrypted);
    }
    let key =
        |block: &Block| matches!(block.label, Label::RsaPrivateKey | Label::EcPrivateKey | Label::PrivateKey);
    blocks(data)?.into_iter().find(key).ok_or(PemError::Missing("PRIVATE KEY"))
}

/// The first public key in `data`, as subject public key info in DER.
///
/// # Errors
/// There is none.
pub fn public_key(data: &[u8]) -> Result<Vec<u8>, PemError> {
    let key = blocks(data)?.into_iter().find(|block| block.label == Label::PublicKey);
    key.map(|block| block.der.to_vec()).ok_or(PemError::Missing(Label::PublicKey.text()))
}

/// One block as PEM: 64 columns, LF, newline at the end.
pub fn encode(label: Label, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Enough capacity from the start: growing would leave a copy of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / COLUMNS + 80));
    text.push_str("-----BEGIN ");
    text.push_str(label.text());
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text.push_str("-----END ");
    text.push_str(label.text());
    text.push_str("-----\n");
    text
}

fn label(kind: SectionKind) -> Option<Label> {
    Some(match kind {
        SectionKind::Certificate => Label::Certificate,
        SectionKind::RsaPrivateKey => Label::RsaPrivateKey,
        SectionKind::EcPrivateKey => Label::EcPrivateKey,
        SectionKind::PrivateKey => Label::PrivateKey,
        SectionKind::PublicKey => Label::PublicKey,
        SectionKind::Csr => Label::Request,
        _ => return None,
    })
}

fn reason(error: &SectionError) -> PemError {
    match error {
        SectionError::MissingSectionEnd { .. } => PemError::Truncated,
        SectionError::Base64Decode(_) => PemError::Malformed("bad base64".to_owned()),
        SectionError::IllegalSectionStart { .. } => PemError::Malformed("bad -----BEGIN line".to_owned()),
        _ => PemError::Malformed("unreadable block".to_owned()),
    }
}

fn contains(data: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(data, needle).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let der: Vec<u8> = (0..=200).collect();
        let text = encode(Label::Certificate, &der);
        assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----\n"));
        assert_eq!(certificates(text.as_bytes()), Ok(vec![der]));
    }

    #[test]
    fn each_way_of_being_unusable_has_its_reason() {
        let whole = encode(Label::Certificate, &[1; 90]);
        let cut = &whole.as_bytes()[..60];
        let cases: [(&[u8], PemError); 6] = [
            (b"", PemError::Empty),
            (b"\n \n", PemError::Empty),
            (b"\x30\x82\x01\x02garbage", PemError::NotPem),
            (cut, PemError::Truncated),
            (
                b"-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n",
                PemError::Malformed("bad base64".into()),
            ),
            (
                b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                PemError::Missing("CERTIFICATE"),
            ),
        ];
        for (data, expected) in cases {
            assert_eq!(certificates(data), Err(expected));
        }
    }

    #[test]
    fn a_good_block_before_a_broken_one_counts() {
        let mut data = encode(Label::Certificate, &[7; 10]).to_string();
        data.push_str("-----BEGIN CERTIFICATE-----\nAAAA");
        assert_eq!(certificates(data.as_bytes()), Ok(vec![vec![7; 10]]));
    }

    #[test]
    fn an_encrypted_key_is_called_so() {
        let data = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(private_key(data).err(), Some(PemError::Encrypted));
    }
}
