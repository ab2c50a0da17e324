//! The archive's manifest: what was archived, when, where and why, and for each entry what a tar header can't
//! hold. It also lists what existed and could not be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk::limits::MAX_ENTRIES;
use crate::disk::record::{StoredAttributes, StoredXattr, at_most, some_xattrs};
use crate::state::text::{self, Text};
use crate::state::{Attributes, Content, Digest, Entry, Snapshot, Unread};

/// Version of the format that is written and read.
pub(super) const FORMAT: u32 = 1;

/// What the manifest says beside the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Version of the tool.
    pub version: String,
    pub created: Timestamp,
    /// Host name of the machine on which the tool runs.
    pub host: String,
    /// Name of the node; it also names the file.
    pub node: String,
    /// The command line, without secrets.
    pub command: String,
    /// Why it is written: "before certs renew".
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    pub format: u32,
    /// Version of the tool that wrote it.
    pub version: String,
    pub created: Timestamp,
    /// Host name of the machine on which the tool ran.
    pub host: String,
    pub node: String,
    pub command: String,
    pub reason: String,
    /// In path order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ENTRIES>")]
    pub entries: Vec<ManifestEntry>,
    /// What existed and is not in it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_most::<_, _, MAX_ENTRIES>"
    )]
    pub omitted: Vec<Omitted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "Line")]
pub struct ManifestEntry {
    /// Absolute inside the root.
    #[serde(with = "text")]
    pub path: PathBuf,
    #[serde(flatten)]
    pub kind: ManifestKind,
    /// Mode, owner, time, extended attributes.
    #[serde(flatten)]
    pub attributes: StoredAttributes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ManifestKind {
    File {
        sha256: Digest,
        /// Bytes.
        size: u64,
    },
    Directory,
    Link {
        /// As written in the link.
        #[serde(with = "text")]
        target: PathBuf,
    },
}

/// A path that could not be read, and so is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "OmittedLine")]
pub struct Omitted {
    /// Absolute inside the root.
    #[serde(with = "text")]
    pub path: PathBuf,
    pub reason: Reason,
    /// What could be read of it.
    #[serde(flatten)]
    pub attributes: StoredAttributes,
}

/// The mirror of [`Unread`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why", try_from = "Because")]
pub enum Reason {
    TooLarge {
        /// Bytes.
        size: u64,
        /// Bytes.
        limit: u64,
    },
    /// A FIFO, a socket or a device.
    Special {
        what: String,
    },
    Failed {
        text: String,
    },
}

impl From<&Unread> for Reason {
    fn from(unread: &Unread) -> Self {
        match unread {
            Unread::TooLarge { size, limit } => Self::TooLarge { size: *size, limit: *limit },
            Unread::Special(what) => Self::Special { what: (*what).to_owned() },
            Unread::Denied | Unread::TooMany(_) | Unread::NoRoom(_) => {
                Self::Failed { text: unread.to_string() }
            }
            Unread::Failed(text) => Self::Failed { text: text.clone() },
        }
    }
}

impl From<&Reason> for Unread {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::TooLarge { size, limit } => Self::TooLarge { size: *size, limit: *limit },
            Reason::Special { what } => Self::Special(match what.as_str() {
                "FIFO" => "FIFO",
                "socket" => "socket",
                "block device" => "block device",
                "character device" => "character device",
                _ => "special file",
            }),
            Reason::Failed { text } => Self::Failed(text.clone()),
        }
    }
}

impl Manifest {
    pub(super) fn new(snapshot: &Snapshot, about: &About) -> Self {
        let (mut entries, mut omitted) = (Vec::new(), Vec::new());
        for (path, entry) in snapshot.iter() {
            let path = path.to_owned();
            match ManifestEntry::new(&path, entry) {
                Ok(entry) => entries.push(entry),
                Err(unread) => omitted.push(Omitted {
                    path,
                    reason: unread.into(),
                    attributes: (&entry.attributes).into(),
                }),
            }
        }
        Self {
            format: FORMAT,
            version: about.version.clone(),
            created: about.created,
            host: about.host.clone(),
            node: about.node.clone(),
            command: about.command.clone(),
            reason: about.reason.clone(),
            entries,
            omitted,
        }
    }

    /// The entries that were not read, as in the snapshot.
    pub(super) fn unread(&self) -> impl Iterator<Item = (&Path, Entry)> {
        self.omitted.iter().map(|omitted| {
            let attributes = Attributes::from(&omitted.attributes);
            (omitted.path.as_path(), Entry { content: Content::Unread((&omitted.reason).into()), attributes })
        })
    }

    /// The entries by path; the error is a path that occurs twice.
    pub(super) fn by_path(&self) -> Result<BTreeMap<&Path, &ManifestEntry>, &Path> {
        let mut paths = BTreeMap::new();
        for entry in &self.entries {
            if paths.insert(entry.path.as_path(), entry).is_some() {
                return Err(&entry.path);
            }
        }
        match self.omitted.iter().find(|omitted| paths.contains_key(omitted.path.as_path())) {
            Some(omitted) => Err(&omitted.path),
            None => Ok(paths),
        }
    }
}

impl ManifestEntry {
    /// The manifest's entry; an unread one has none.
    pub(super) fn new<'a>(path: &Path, entry: &'a Entry) -> Result<Self, &'a Unread> {
        let kind = match &entry.content {
            Content::File(bytes) => ManifestKind::File { sha256: bytes.digest(), size: bytes.len() as u64 },
            Content::Directory => ManifestKind::Directory,
            Content::Link(target) => ManifestKind::Link { target: target.clone() },
            Content::Unread(unread) => return Err(unread),
        };
        Ok(Self { path: path.to_owned(), kind, attributes: (&entry.attributes).into() })
    }
}

// Its lines as they are read. What derives from flattened structs and enums with tags holds everything that stands there
// first, surplus fields too, at many times their size; these hold what is meant.

/// A [`ManifestEntry`].
#[derive(Deserialize)]
struct Line {
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
struct OmittedLine {
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
struct Because {
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
