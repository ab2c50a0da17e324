//! Differences of two trees, path by path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::state::{Content, Entry, Snapshot, text};

/// A path that differs between the two trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathChange {
    /// Absolute inside the root.
    #[serde(with = "text")]
    pub path: PathBuf,
    #[serde(flatten)]
    pub kind: PathKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PathKind {
    Added {
        /// Permission bits; a link has none that mean anything.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// User and group id.
        owner: (u32, u32),
    },
    Removed,
    Changed {
        aspects: Vec<Aspect>,
    },
    /// It could not be read on one side.
    Unknown {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Aspect {
    /// A file in one, a link or a directory in the other.
    Type,
    Content {
        /// Bytes.
        before: u64,
        after: u64,
    },
    Target {
        /// As written in the link.
        #[serde(with = "text")]
        before: PathBuf,
        #[serde(with = "text")]
        after: PathBuf,
    },
    /// Permission bits.
    Mode { before: u32, after: u32 },
    Owner {
        /// User and group id.
        before: (u32, u32),
        after: (u32, u32),
    },
    /// Extended attributes, including SELinux labels.
    Attributes,
    /// Modification time; of files and links only.
    Time { before: Timestamp, after: Timestamp },
}

/// The paths that differ, in path order, and how many are the same. A directory's time changes with every
/// name in it and is ignored.
pub fn paths(before: &Snapshot, after: &Snapshot) -> (Vec<PathChange>, usize) {
    let all: BTreeSet<&Path> = before.iter().chain(after.iter()).map(|(path, _)| path).collect();
    let count = all.len();
    let changed: Vec<_> = all
        .into_iter()
        .filter_map(|path| {
            let kind = kind(before.get(path), after.get(path))?;
            Some(PathChange { path: path.to_owned(), kind })
        })
        .collect();
    let same = count.saturating_sub(changed.len());
    (changed, same)
}

fn kind(before: Option<&Entry>, after: Option<&Entry>) -> Option<PathKind> {
    let unread = |entry: Option<&Entry>| match entry.map(|entry| &entry.content) {
        Some(Content::Unread(why)) => Some(why.to_string()),
        _ => None,
    };
    match (before, after) {
        _ if before == after => None,
        _ if unread(before).is_some() || unread(after).is_some() => {
            Some(PathKind::Unknown { why: unread(after).or(unread(before)).unwrap_or_default() })
        }
        (None, Some(Entry { content, attributes })) => {
            let is_link = matches!(content, Content::Link(_));
            let mode = (!is_link).then_some(attributes.mode);
            Some(PathKind::Added { mode, owner: (attributes.uid, attributes.gid) })
        }
        (None, None) => None,
        (_, None) => Some(PathKind::Removed),
        (Some(before), Some(after)) => {
            let aspects = aspects(before, after);
            (!aspects.is_empty()).then_some(PathKind::Changed { aspects })
        }
    }
}

fn aspects(before: &Entry, after: &Entry) -> Vec<Aspect> {
    let mut found = Vec::new();
    match (&before.content, &after.content) {
        (Content::File(old), Content::File(new)) if old != new => {
            found.push(Aspect::Content { before: before.size(), after: after.size() });
        }
        (Content::Link(old), Content::Link(new)) if old != new => {
            found.push(Aspect::Target { before: old.clone(), after: new.clone() });
        }
        (Content::File(_), Content::File(_))
        | (Content::Link(_), Content::Link(_))
        | (Content::Directory, Content::Directory) => {}
        _ => found.push(Aspect::Type),
    }
    let (old, new) = (&before.attributes, &after.attributes);
    let is = |entry: &Entry, content: fn(&Content) -> bool| content(&entry.content);
    // A link's own mode means nothing on Linux.
    if old.mode != new.mode && !is(after, |content| matches!(content, Content::Link(_))) {
        found.push(Aspect::Mode { before: old.mode, after: new.mode });
    }
    if (old.uid, old.gid) != (new.uid, new.gid) {
        found.push(Aspect::Owner { before: (old.uid, old.gid), after: (new.uid, new.gid) });
    }
    if old.xattrs != new.xattrs {
        found.push(Aspect::Attributes);
    }
    if old.mtime != new.mtime && !is(after, |content| matches!(content, Content::Directory)) {
        found.push(Aspect::Time { before: old.mtime, after: new.mtime });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Attributes, Unread};

    fn entry(content: Content, mode: u32, second: i64) -> Entry {
        let mtime = Timestamp::from_second(second).unwrap();
        Entry { content, attributes: Attributes { mode, mtime, ..Attributes::default() } }
    }

    fn tree(entries: &[(&str, Entry)]) -> Snapshot {
        entries.iter().map(|(path, entry)| (PathBuf::from(path), entry.clone())).collect()
    }

    fn file(text: &str) -> Content {
        Content::File(text.as_bytes().to_vec().into())
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let before = tree(&[
            ("/same", entry(file("x"), 0o600, 1)),
            ("/dir", entry(Content::Directory, 0o755, 1)),
            ("/gone", entry(file("x"), 0o600, 1)),
            ("/file", entry(file("x"), 0o600, 1)),
            ("/mode", entry(file("x"), 0o644, 1)),
            ("/link", entry(Content::Link("/a".into()), 0o777, 1)),
            ("/type", entry(file("x"), 0o600, 1)),
            ("/unread", entry(file("x"), 0o600, 1)),
        ]);
        let after = tree(&[
            ("/same", entry(file("x"), 0o600, 1)),
            ("/dir", entry(Content::Directory, 0o755, 2)),
            ("/new", entry(file("x"), 0o600, 1)),
            ("/file", entry(file("xyz"), 0o600, 2)),
            ("/mode", entry(file("x"), 0o600, 1)),
            ("/link", entry(Content::Link("/b".into()), 0o700, 1)),
            ("/type", entry(Content::Link("/b".into()), 0o777, 1)),
            ("/unread", entry(Content::Unread(Unread::Special("FIFO")), 0o600, 1)),
        ]);
        let (found, same) = paths(&before, &after);
        let told: Vec<_> = found.iter().map(|change| (change.path.to_str().unwrap(), &change.kind)).collect();
        let time = |second| Timestamp::from_second(second).unwrap();
        let changed = |aspects: &[Aspect]| PathKind::Changed { aspects: aspects.to_vec() };
        let expected = [
            (
                "/file",
                changed(&[
                    Aspect::Content { before: 1, after: 3 },
                    Aspect::Time { before: time(1), after: time(2) },
                ]),
            ),
            ("/gone", PathKind::Removed),
            ("/link", changed(&[Aspect::Target { before: "/a".into(), after: "/b".into() }])),
            ("/mode", changed(&[Aspect::Mode { before: 0o644, after: 0o600 }])),
            ("/new", PathKind::Added { mode: Some(0o600), owner: (0, 0) }),
            ("/type", changed(&[Aspect::Type])),
            ("/unread", PathKind::Unknown { why: "a FIFO, not a file".to_owned() }),
        ];
        assert_eq!(told, expected.iter().map(|(path, kind)| (*path, kind)).collect::<Vec<_>>());
        assert_eq!(same, 2);
    }
}
