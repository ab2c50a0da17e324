//! An entry's attributes in JSON, shared by the archive's manifest and the journal.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{Attributes, text};

/// Limit of extended attributes of one entry; a node's files have one or two.
const MAX_XATTRS: usize = 1_000;

/// A list of at most `N`: a file of the largest size could hold so many small items that they fill the
/// memory.
pub(super) fn at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct AtMost<T, const N: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for AtMost<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut found = Vec::new();
            while let Some(item) = list.next_element()? {
                if found.len() == N {
                    return Err(A::Error::custom(format!("too many entries: more than {N}")));
                }
                found.push(item);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_seq(AtMost::<T, N>(PhantomData))
}

pub(super) fn some_xattrs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StoredXattr>, D::Error> {
    at_most::<_, _, MAX_XATTRS>(deserializer)
}

/// The mirror of [`Attributes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Modification time, to the nanosecond.
    pub mtime: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "some_xattrs")]
    pub xattrs: Vec<StoredXattr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredXattr {
    /// Full name, such as `security.selinux`.
    #[serde(with = "text")]
    pub name: OsString,
    /// Base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub value: Vec<u8>,
}

impl From<&Attributes> for StoredAttributes {
    fn from(attributes: &Attributes) -> Self {
        let Attributes { mode, uid, gid, mtime, ref xattrs } = *attributes;
        let xattrs = xattrs.iter();
        let xattrs = xattrs.map(|(name, value)| StoredXattr { name: name.clone(), value: value.clone() });
        Self { mode, uid, gid, mtime, xattrs: xattrs.collect() }
    }
}

impl From<&StoredAttributes> for Attributes {
    fn from(stored: &StoredAttributes) -> Self {
        let StoredAttributes { mode, uid, gid, mtime, ref xattrs } = *stored;
        let xattrs = xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone()));
        Self { mode, uid, gid, mtime, xattrs: xattrs.collect() }
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_attributes_is_bounded() {
        let parsed = |xattrs: &str| {
            let text =
                format!(r#"{{"mode":1,"uid":2,"gid":3,"mtime":"2026-01-01T00:00:00Z","xattrs":{xattrs}}}"#);
            serde_json::from_str::<StoredAttributes>(&text).map(|stored| stored.xattrs.len())
        };
        let list = |length: usize| format!("[{}]", vec![r#"{"name":"user.a","value":""}"#; length].join(","));
        assert_eq!(parsed(&list(MAX_XATTRS)).unwrap(), MAX_XATTRS);
        let error = parsed(&list(MAX_XATTRS + 1)).unwrap_err().to_string();
        assert_eq!(error.split(" at ").next(), Some("too many entries: more than 1000"));
        let error = parsed("7").unwrap_err().to_string();
        assert_eq!(
            error.split(" at line").next(),
            Some("invalid type: integer `7`, expected a list of at most 1000")
        );
    }
}
