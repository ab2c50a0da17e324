//! Trees of any shape through change, archive and rollback: names of any bytes, modes, attributes, links.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kuberescue::disk::archive::{self, About};
use kuberescue::disk::transaction::{self, ArchiveRef, Context};
use kuberescue::disk::{Depth, Error, Root};
use kuberescue::state::{Attributes, Content, Entry, Invoker, Snapshot};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A name: any bytes but those that no name has.
fn name() -> impl Strategy<Value = OsString> {
    let any = proptest::collection::vec(any::<u8>(), 1..20);
    let long = Just(vec![b'n'; 255]);
    let odd = Just(b"\xff\n \x1b[31m'\"\\".to_vec());
    let hidden = Just(b".x".to_vec());
    let plain = "[a-e]{1,2}".prop_map(String::into_bytes);
    prop_oneof![4 => plain, 3 => any, 1 => long, 1 => odd, 1 => hidden].prop_map(|mut bytes| {
        bytes.iter_mut().filter(|byte| [0, b'/'].contains(byte)).for_each(|byte| *byte = b'_');
        if bytes.iter().all(|byte| *byte == b'.') {
            bytes.push(b'x');
        }
        OsString::from_vec(bytes)
    })
}

fn attributes(modes: &'static [u32]) -> impl Strategy<Value = Attributes> {
    let value = proptest::collection::vec(any::<u8>(), 0..100);
    let xattrs = proptest::collection::btree_map("trusted\\.[a-c]".prop_map(OsString::from), value, 0..3);
    let time = (0_i64..4_000_000_000, 0..1_000_000_000).prop_map(|(s, n)| Timestamp::new(s + 1, n).unwrap());
    (proptest::sample::select(modes), any::<u16>(), any::<u16>(), time, xattrs).prop_map(
        |(mode, uid, gid, mtime, xattrs)| {
            // Without root everything is one's own, and there are no such attributes.
            let root = nix::unistd::geteuid().is_root();
            let (own_uid, own_gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
            Attributes {
                mode,
                uid: if root { uid.into() } else { own_uid },
                gid: if root { gid.into() } else { own_gid },
                mtime,
                xattrs: if root { xattrs } else { Default::default() },
            }
        },
    )
}

fn leaf() -> impl Strategy<Value = Entry> {
    let file = proptest::collection::vec(any::<u8>(), 0..2000).prop_map(|bytes| Content::File(bytes.into()));
    let link = (name(), 1..5_usize).prop_map(|(name, times)| {
        let part: PathBuf = [Path::new(".."), Path::new(&name)].iter().collect();
        Content::Link(std::iter::repeat_n(part, times).collect())
    });
    let file = (file, attributes(&[0o600, 0o644, 0o4755, 0o1777, 0o000, 0o2711]));
    let link = (link, attributes(&[0o777]));
    prop_oneof![3 => file, 1 => link].prop_map(|(content, attributes)| Entry { content, attributes })
}

/// A tree below `/t`, each directory before what is in it.
fn tree() -> impl Strategy<Value = Snapshot> {
    let directory = attributes(&[0o700, 0o755, 0o1777])
        .prop_map(|attributes| Entry { content: Content::Directory, attributes });
    let directory = directory.boxed();
    let entry = prop_oneof![2 => leaf(), 1 => directory.clone()];
    (directory, proptest::collection::vec((any::<proptest::sample::Index>(), name(), entry), 0..12)).prop_map(
        |(top, entries)| {
            let mut snapshot = Snapshot::default();
            snapshot.insert("/t", top);
            let mut directories = vec![PathBuf::from("/t")];
            for (parent, name, entry) in entries {
                let path = directories[parent.index(directories.len())].join(name);
                if snapshot.get(&path).is_some() {
                    continue;
                }
                if entry.content == Content::Directory {
                    directories.push(path.clone());
                }
                snapshot.insert(path, entry);
            }
            snapshot
        },
    )
}

fn about() -> About {
    About {
        version: "0".to_owned(),
        created: NOW,
        host: "h".to_owned(),
        node: "n".to_owned(),
        command: "c".to_owned(),
        reason: "r".to_owned(),
    }
}

fn on_disk(root: &Root) -> Snapshot {
    let mut found = Snapshot::default();
    root.read(&mut found, Path::new("/t"), Depth::Tree);
    found
}

/// Without the times of directories: what is made in one changes it.
fn timeless(snapshot: &Snapshot) -> Snapshot {
    let untimed = |(path, entry): (&Path, &Entry)| {
        let mut entry = entry.clone();
        if entry.content == Content::Directory {
            entry.attributes.mtime = Timestamp::UNIX_EPOCH;
        }
        (path.to_owned(), entry)
    };
    snapshot.iter().map(untimed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn changes_lead_there_and_back(old in tree(), new in tree()) {
        let changes = old.diff(&new, |_| true);
        prop_assert_eq!(old.with(&changes), new.clone());
        prop_assert_eq!(new.with(&changes.inverted()), old.clone());
        prop_assert_eq!(changes.inverted().inverted(), changes);
        prop_assert!(old.diff(&old, |_| true).is_empty());
    }

    /// What a disk holds after a change is the change's tree; what it holds after the rollback is the old one.
    #[test]
    fn a_disk_follows(old in tree(), new in tree()) {
        let place = tempfile::tempdir().unwrap();
        let root = Root::open(place.path()).unwrap();
        let lock = root.lock().unwrap();
        let context = |archive| Context { command: "t".to_owned(), operator: Invoker::default(), archive, now: NOW };
        transaction::apply(&root, &lock, &Snapshot::default().diff(&old, |_| true), &context(None)).unwrap();
        let there = on_disk(&root);
        prop_assert_eq!(timeless(&there), timeless(&old));
        let written = archive::write(&root, None, &there, &about()).unwrap();
        let (archived, _) = archive::open(&written.path).unwrap();
        prop_assert_eq!(&archived, &there);
        let changes = there.diff(&new, |_| true);
        let reference = ArchiveRef { path: written.path, sha256: written.sha256 };
        match transaction::apply(&root, &lock, &changes, &context(Some(reference))) {
            Ok(_) => {
                prop_assert_eq!(timeless(&on_disk(&root)), timeless(&new));
                transaction::rollback(&root, &lock, &archived, transaction::Theirs::Refuse, &Invoker::default(), NOW).unwrap();
            }
            // A directory where a file was, or the other way round.
            Err(error) => prop_assert!(matches!(error, Error::Unsupported { .. }), "{}", error),
        }
        prop_assert_eq!(timeless(&on_disk(&root)), timeless(&there));
    }
}
