//! The archive's manifest: what was archived, when, where and why, and for each entry what a tar header can't
//! hold. It also lists what existed and could not be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::About;
use super::line::{Because, Line, OmittedLine};
use crate::disk::node::MAX_ENTRIES;
use crate::disk::record::{StoredAttributes, at_most};
use crate::state::{Attributes, Content, Digest, Entry, Snapshot, Unread, text};

/// Version of the format that is written and read.
pub(super) const FORMAT: u32 = 1;

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
            Unread::Denied => Self::Failed { text: unread.to_string() },
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
