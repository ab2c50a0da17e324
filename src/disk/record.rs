//! An entry's attributes as they stand in JSON, shared by the archive's manifest and the journal.

use std::ffi::OsString;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{Attributes, text};

/// The mirror of [`Attributes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttributes {
    /// Permission bits as a number.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change of the content, to the nanosecond.
    pub mtime: Timestamp,
    /// Extended attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<StoredXattr>,
}

/// One extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredXattr {
    /// Its full name, such as `security.selinux`.
    #[serde(with = "text")]
    pub name: OsString,
    /// Its value; base64 in JSON.
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
