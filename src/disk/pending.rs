//! The new keys of `csr export`, `csr.json` in the tool's own directory, until the certificates for them are imported. Private
//! keys never leave the node; each is opaque here.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::record::at_most;
use super::state_dir::StateDir;
use super::transaction::Lock;
use super::{Error, Root};
use crate::formats::json_reason;

const RECORD: &str = "csr.json";
const FORMAT: u32 = 1;
const MAX_RECORD: u64 = 1 << 20;
const MAX_KEYS: usize = 64;

/// A key that waits for its certificate.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingKey {
    /// The certificate's name.
    pub name: String,
    /// When its request was exported.
    pub exported: Timestamp,
    /// PEM.
    #[serde(serialize_with = "secret", deserialize_with = "secret_back")]
    pub key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Version of this format.
    format: u32,
    #[serde(deserialize_with = "at_most::<_, _, MAX_KEYS>")]
    keys: Vec<PendingKey>,
}

fn secret<S: Serializer>(key: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key)
}

fn secret_back<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// The keys that wait for their certificates, none where there is no record.
///
/// # Errors
/// The record can't be read or is invalid.
pub fn read(root: &Root) -> Result<Vec<PendingKey>, Error> {
    let Some(state) = StateDir::open(root)? else { return Ok(Vec::new()) };
    let Some(bytes) = state.read(RECORD, MAX_RECORD)?.map(Zeroizing::new) else { return Ok(Vec::new()) };
    let wrong = |why| Error::Journal { path: state.path.join(RECORD), why };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| wrong(json_reason(&error)))?;
    if record.format != FORMAT {
        return Err(wrong("written by another version".to_owned()));
    }
    Ok(record.keys)
}

/// Replaces the record, so that after a crash it is the old or the new one; without keys there is none.
///
/// # Errors
/// The disk cannot be written.
pub fn write(lock: &Lock, keys: Vec<PendingKey>) -> Result<(), Error> {
    if keys.is_empty() {
        return lock.state.remove(RECORD);
    }
    let wrong = |why| Error::Journal { path: lock.state.path.join(RECORD), why };
    // Enough capacity from the start: growing would leave a copy of a key behind.
    let size: usize = keys.iter().map(|key| 2 * key.key.len() + 1024).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    serde_json::to_writer(&mut *bytes, &Record { format: FORMAT, keys })
        .map_err(|error| wrong(json_reason(&error)))?;
    lock.state.replace(RECORD, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As format 1 has it: read for ever.
    const STORED: &str =
        r#"{"format":1,"keys":[{"name":"apiserver","exported":"2026-11-24T00:00:00Z","key":"PEM\n"}]}"#;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays an older version")]
    fn keys_are_kept_until_they_are_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        assert!(read(&root).unwrap().is_empty());
        let lock = root.lock().unwrap();
        let path = directory.path().join("var/lib/kuberescue/csr.json");
        std::fs::write(&path, STORED).unwrap();
        let keys = read(&root).unwrap();
        assert_eq!((keys[0].name.as_str(), keys[0].key.as_str()), ("apiserver", "PEM\n"));
        write(&lock, keys).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), STORED);
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap());
        assert_eq!(mode & 0o7777, 0o600);
        for (from, to) in [("\"format\":1", "\"format\":2"), ("\"key\"", "\"more\"")] {
            std::fs::write(&path, STORED.replace(from, to)).unwrap();
            assert!(read(&root).is_err(), "{to}");
        }
        write(&lock, Vec::new()).unwrap();
        assert!(!path.exists());
        write(&lock, Vec::new()).unwrap();
    }
}
