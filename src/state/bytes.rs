//! The content of a file, and what it was parsed to.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use super::Digest;

/// The bytes of a file. They may hold a private key: zeroized when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct Bytes(Arc<Shared>);

struct Shared {
    bytes: Zeroizing<Vec<u8>>,
    parsed: OnceLock<Box<Parsed>>,
}

/// What bytes were parsed to, one value a type.
struct Parsed {
    value: Box<dyn Any + Send + Sync>,
    next: OnceLock<Box<Self>>,
}

impl Bytes {
    pub fn digest(&self) -> Digest {
        *self.parsed(Digest::of)
    }

    /// What `parse` makes of the bytes, which it is asked only once: the value is kept as long as they are. Each type
    /// has one way to be parsed.
    pub fn parsed<T: Any + Send + Sync>(&self, parse: fn(&[u8]) -> T) -> &T {
        let mut slot = &self.0.parsed;
        loop {
            let parsed =
                slot.get_or_init(|| Box::new(Parsed { value: Box::new(parse(self)), next: OnceLock::new() }));
            match parsed.value.downcast_ref() {
                Some(value) => return value,
                None => slot = &parsed.next,
            }
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Bytes {}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Zeroizing::new(bytes).into()
    }
}

impl From<Zeroizing<Vec<u8>>> for Bytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        // A directory may hold thousands of empty files: they are one in memory.
        static EMPTY: OnceLock<Bytes> = OnceLock::new();
        let new = |bytes| Self(Arc::new(Shared { bytes, parsed: OnceLock::new() }));
        if bytes.is_empty() { EMPTY.get_or_init(|| new(bytes)).clone() } else { new(bytes) }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_parsed_once_to_each_type() {
        let file = Bytes::from(b"12".to_vec());
        let copy = file.clone();
        let number: &u8 = file.parsed(|bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap());
        assert_eq!(*number, 12);
        assert_eq!(*file.parsed(<[u8]>::len), 2);
        assert_eq!(*copy.parsed::<u8>(|_| panic!("parsed again")), 12);
        assert_eq!(*copy.parsed::<usize>(|_| panic!("parsed again")), 2);
    }

    #[test]
    fn bytes_are_not_shown() {
        assert_eq!(format!("{:?}", Bytes::from(b"secret".to_vec())), "Bytes(6 bytes)");
    }
}
