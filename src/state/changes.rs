//! The only way to change a node: a set of paths, each with its content before and after. Applying it to a
//! disk is the transaction's work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Content, Digest, Entry};

/// One path of a [`ChangeSet`]. `None` means that the path doesn't exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Absolute inside the root, free of links.
    pub path: PathBuf,
    /// The required old content; otherwise the change is refused.
    pub before: Option<Entry>,
    /// The new content.
    pub after: Option<Entry>,
}

/// Changes to a node, at most one for each path, in path order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChangeSet {
    changes: BTreeMap<PathBuf, Change>,
}

impl ChangeSet {
    /// Adds the change of one path, replacing an earlier one of the same path.
    pub fn put(&mut self, path: impl Into<PathBuf>, before: Option<Entry>, after: Option<Entry>) {
        let path = path.into();
        self.changes.insert(path.clone(), Change { path, before, after });
    }

    /// The changes in path order: a directory before what is in it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.values()
    }

    pub fn get(&self, path: &Path) -> Option<&Change> {
        self.changes.get(path)
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// This change and then `next`, which begins where this one ends.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        for (path, change) in next.changes {
            let before = self.changes.remove(&path).map_or(change.before, |first| first.before);
            self.changes.insert(path.clone(), Change { path, before, after: change.after });
        }
        self
    }

    /// The change that undoes this one.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let changes = self.changes.iter().map(|(path, change)| {
            let Change { path: at, before, after } = change.clone();
            (path.clone(), Change { path: at, before: after, after: before })
        });
        Self { changes: changes.collect() }
    }
}

/// Identifies an [`Entry`] on disk without its content: enough to distinguish old from new, and safe in a
/// journal. Times are left out: they may differ after a rename or a restored backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", try_from = "Read")]
pub enum Fingerprint {
    /// The path doesn't exist.
    Absent,
    File {
        /// SHA-256 of the content.
        sha256: Digest,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        /// As written in the link.
        #[serde(with = "super::text")]
        target: PathBuf,
    },
    Directory,
    /// Something that was not read.
    Unread,
}

/// A [`Fingerprint`] as it is parsed. A derived parser of a tagged enum buffers all fields first, unknown
/// ones too, at many times their size.
#[derive(Deserialize)]
struct Read {
    kind: Kind,
    sha256: Option<Digest>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    target: Option<super::text::Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Absent,
    File,
    Link,
    Directory,
    Unread,
}

impl TryFrom<Read> for Fingerprint {
    type Error = &'static str;

    fn try_from(read: Read) -> Result<Self, Self::Error> {
        Ok(match read.kind {
            Kind::Absent => Self::Absent,
            Kind::Directory => Self::Directory,
            Kind::Unread => Self::Unread,
            Kind::Link => Self::Link { target: read.target.ok_or("a link without a target")?.0.into() },
            Kind::File => Self::File {
                sha256: read.sha256.ok_or("a file without its digest")?,
                mode: read.mode.ok_or("a file without its mode")?,
                uid: read.uid.ok_or("a file without its owner")?,
                gid: read.gid.ok_or("a file without its group")?,
            },
        })
    }
}

impl Fingerprint {
    pub fn of(entry: Option<&Entry>) -> Self {
        let Some(Entry { content, attributes }) = entry else {
            return Self::Absent;
        };
        match content {
            Content::File(bytes) => Self::File {
                sha256: bytes.digest(),
                mode: attributes.mode,
                uid: attributes.uid,
                gid: attributes.gid,
            },
            Content::Link(target) => Self::Link { target: target.clone() },
            Content::Directory => Self::Directory,
            Content::Unread(_) => Self::Unread,
        }
    }
}
