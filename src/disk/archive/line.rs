//! The lines of a manifest as they are parsed. Derived parsers of flattened structs and tagged enums buffer
//! all fields first, unknown ones too, at many times their size; these don't.

use jiff::Timestamp;
use serde::Deserialize;

use super::manifest::{ManifestEntry, ManifestKind, Omitted, Reason};
use crate::disk::record::{StoredAttributes, StoredXattr, some_xattrs};
use crate::state::Digest;
use crate::state::text::Text;

/// A [`ManifestEntry`].
#[derive(Deserialize)]
pub(super) struct Line {
    path: Text,
    kind: Kind,
    sha256: Option<Digest>,
    size: Option<u64>,
    target: Option<Text>,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Timestamp,
    #[serde(default, deserialize_with = "some_xattrs")]
    xattrs: Vec<StoredXattr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    File,
    Directory,
    Link,
}

impl TryFrom<Line> for ManifestEntry {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { path, kind, sha256, size, target, mode, uid, gid, mtime, xattrs } = line;
        let kind = match kind {
            Kind::Directory => ManifestKind::Directory,
            Kind::Link => ManifestKind::Link { target: target.ok_or("a link without a target")?.0.into() },
            Kind::File => ManifestKind::File {
                sha256: sha256.ok_or("a file without its digest")?,
                size: size.ok_or("a file without its size")?,
            },
        };
        let attributes = StoredAttributes { mode, uid, gid, mtime, xattrs };
        Ok(Self { path: path.0.into(), kind, attributes })
    }
}

/// An [`Omitted`].
#[derive(Deserialize)]
pub(super) struct OmittedLine {
    path: Text,
    reason: Reason,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Timestamp,
    #[serde(default, deserialize_with = "some_xattrs")]
    xattrs: Vec<StoredXattr>,
}

impl From<OmittedLine> for Omitted {
    fn from(line: OmittedLine) -> Self {
        let OmittedLine { path, reason, mode, uid, gid, mtime, xattrs } = line;
        let attributes = StoredAttributes { mode, uid, gid, mtime, xattrs };
        Self { path: path.0.into(), reason, attributes }
    }
}

/// A [`Reason`].
#[derive(Deserialize)]
pub(super) struct Because {
    why: Why,
    size: Option<u64>,
    limit: Option<u64>,
    what: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    TooLarge,
    Special,
    Failed,
}

impl TryFrom<Because> for Reason {
    type Error = &'static str;

    fn try_from(because: Because) -> Result<Self, Self::Error> {
        let Because { why, size, limit, what, text } = because;
        Ok(match why {
            Why::TooLarge => Self::TooLarge {
                size: size.ok_or("too large, without a size")?,
                limit: limit.ok_or("too large, without a limit")?,
            },
            Why::Special => Self::Special { what: what.ok_or("special, without what it is")? },
            Why::Failed => Self::Failed { text: text.ok_or("failed, without a text")? },
        })
    }
}
