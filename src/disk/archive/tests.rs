//! Round trips, and archives that are damaged or hostile.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::*;
use crate::disk::{Error, Root};
use crate::state::{Attributes, Content, Entry, Snapshot, Unread};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 5);

fn about() -> About {
    About {
        version: "0.0.0".to_owned(),
        created: NOW,
        host: "host".to_owned(),
        node: "../cp 1".to_owned(),
        command: "kuberescue archive create".to_owned(),
        reason: "test".to_owned(),
    }
}

fn entry(content: Content) -> Entry {
    let mtime = Timestamp::constant(1_700_000_000, 123_456_789);
    Entry {
        content,
        attributes: Attributes { mode: 0o640, uid: 1000, gid: 4_000_000_000, mtime, ..Default::default() },
    }
}

fn file(bytes: &[u8]) -> Entry {
    entry(Content::File(bytes.to_vec().into()))
}

/// One of everything, with names as long and as odd as Linux allows.
fn node() -> Snapshot {
    use std::os::unix::ffi::OsStringExt;
    let odd = std::ffi::OsString::from_vec(b"odd \xff\n\x1b[31m".to_vec());
    let mut snapshot = Snapshot::default();
    snapshot.insert("/", entry(Content::Directory));
    snapshot.insert("/etc/kubernetes/pki", entry(Content::Directory));
    snapshot.insert("/etc/kubernetes/pki/empty", file(b""));
    snapshot.insert(Path::new("/etc").join(&odd), file(b"odd"));
    snapshot.insert(format!("/{}/{}", "d".repeat(200), "n".repeat(255)), file(b"long"));
    snapshot.insert("/etc/link", entry(Content::Link(odd.into())));
    snapshot.insert("/etc/long", entry(Content::Link("x/".repeat(300).into())));
    let mut labelled = file(&[7; 5000]);
    labelled.attributes.mode = 0o4755;
    labelled.attributes.mtime = Timestamp::new(-5, -3).unwrap();
    labelled.attributes.xattrs = [
        ("security.selinux".into(), b"system_u:object_r:cert_t:s0\0".to_vec()),
        ("user.binary".into(), (0..=255).collect()),
    ]
    .into();
    snapshot.insert("/etc/kubernetes/pki/labelled", labelled);
    let unread = [
        Unread::TooLarge { size: 1 << 40, limit: 1 },
        Unread::Special("FIFO"),
        Unread::Failed("permission denied".to_owned()),
    ];
    for (index, why) in unread.into_iter().enumerate() {
        snapshot.insert(format!("/etc/unread{index}"), entry(Content::Unread(why)));
    }
    snapshot
}

struct Archived {
    directory: tempfile::TempDir,
    root: Root,
}

impl Archived {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        Self { directory, root }
    }

    fn bytes(snapshot: &Snapshot) -> Vec<u8> {
        let here = Self::new();
        std::fs::read(write(&here.root, None, snapshot, &about()).unwrap().path).unwrap()
    }
}

fn why(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn unpack(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(archive), &mut tar).unwrap();
    tar
}

fn pack(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn everything_comes_back() {
    let bytes = Archived::bytes(&node());
    let (snapshot, manifest) = read(&bytes[..]).unwrap();
    assert_eq!(snapshot, node());
    let manifest = manifest.unwrap();
    assert_eq!((manifest.host.as_str(), manifest.created), ("host", NOW));
    assert_eq!(bytes, Archived::bytes(&node()), "the same input gives the same bytes");
    // Plain tar is read as well.
    assert_eq!(read(&unpack(&bytes)[..]).unwrap().0, node());
    let verified = verify(&bytes[..]).unwrap();
    assert_eq!((verified.entries, verified.bytes, verified.omitted), (8, 5007, 3));
}

#[test]
fn it_is_private_named_after_the_node_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt;
    let here = Archived::new();
    let names: Vec<_> = (0..3)
        .map(|_| {
            let written = write(&here.root, None, &node(), &about()).unwrap();
            let metadata = std::fs::metadata(&written.path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            assert_eq!(metadata.len(), written.size);
            let bytes = std::fs::read(&written.path).unwrap();
            assert_eq!(crate::state::Digest::of(&bytes), written.sha256);
            written.path.file_name().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let base = "_cp_1-20270115T080000Z";
    assert_eq!(names, [format!("{base}.tar.gz"), format!("{base}-2.tar.gz"), format!("{base}-3.tar.gz")]);
    let state = here.directory.path().join("var/lib/kuberescue");
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 3, "nothing else is left");
    // An unfinished one of a dead process is removed, one that is being written stays.
    let (dead, alive) = (state.join(".n-1.1.partial"), state.join(".n-2.2.partial"));
    std::fs::File::options().create_new(true).write(true).open(&dead).unwrap();
    let alive = std::fs::File::options().create_new(true).write(true).open(alive).unwrap();
    alive.lock().unwrap();
    write(&here.root, None, &node(), &about()).unwrap();
    assert!(!dead.exists());
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 5);
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let bytes = Archived::bytes(&node());
    let mut found = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        // Another encoding of the same content is not checked here (in deflate a run of one byte has
        // several): the digest of the whole file shows it.
        match read(&bytes[..]) {
            Ok((snapshot, _)) => assert_eq!(snapshot, node(), "byte {at}"),
            Err(_) => found += 1,
        }
    }
    assert!(found > bytes.len() / 7 * 9 / 10, "{found}");
    // Without gzip's own checksum: the tar's headers and the manifest's digests.
    let tar = unpack(&bytes);
    let mut unnoticed = Vec::new();
    for at in (0..tar.len()).step_by(11) {
        let mut tar = tar.clone();
        tar[at] ^= 0x10;
        if read(&tar[..]).is_ok_and(|(snapshot, _)| snapshot != node()) {
            unnoticed.push(at);
        }
    }
    // Metadata of the archive (host, command, an unread entry's reason) has no second copy.
    let manifest = 512..unpacked_manifest_end(&tar);
    assert!(unnoticed.iter().all(|at| manifest.contains(at)), "{unnoticed:?}");
}

fn unpacked_manifest_end(tar: &[u8]) -> usize {
    let header = tar::Header::from_byte_slice(&tar[..512]);
    512 + usize::try_from(header.entry_size().unwrap()).unwrap()
}

#[test]
fn a_changed_file_is_named() {
    let tar = unpack(&Archived::bytes(&node()));
    let at = tar.windows(4).rposition(|part| part == [7; 4]).unwrap();
    let mut tar = tar;
    tar[at] = 8;
    assert_eq!(
        why(&pack(&tar)),
        "cannot use the archive: etc/kubernetes/pki/labelled: its content is not what the manifest's digest says"
    );
}

#[test]
fn truncation_is_found_at_any_length() {
    let bytes = Archived::bytes(&node());
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
    let tar = unpack(&bytes);
    for end in (0..tar.len() - 512).step_by(256) {
        assert!(read(&tar[..end]).is_err(), "{end}");
        assert!(read(&pack(&tar[..end])[..]).is_err(), "{end}");
    }
    assert!(why(&[&bytes[..], b"x"].concat()).contains("follows after its end"));
    assert!(why(&pack(&[&tar[..], b"x"].concat())).contains("follows after its end"));
    assert!(why(&[&bytes[..], &bytes[..]].concat()).contains("follows after its end"));
}

/// Name, kind, link, size in the header, content.
type Raw<'a> = (&'a [u8], Kind, &'a [u8], u64, &'a [u8]);

/// A foreign tar of raw entries.
fn tar_of(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, link, size, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(*size);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

use tar::EntryType as Kind;

#[test]
fn a_foreign_tar_of_a_node_is_read_leniently() {
    let tar = tar_of(&[
        (b"./", Kind::Directory, b"", 0, b""),
        (b"./etc/", Kind::Directory, b"", 0, b""),
        (b"./etc/a", Kind::Regular, b"", 1, b"a"),
        (b"/etc/absolute", Kind::Regular, b"", 1, b"b"),
        (b"./etc/hard", Kind::Link, b"./etc/a", 0, b""),
        (b"./etc/zero", Kind::Char, b"", 0, b""),
        (b"./etc/large", Kind::Regular, b"", 9 << 20, &vec![1; 9 << 20]),
        (b"./etc/l", Kind::Symlink, b"../../../shadow", 0, b""),
    ]);
    for bytes in [pack(&tar), tar] {
        let (snapshot, manifest) = read(&bytes[..]).unwrap();
        assert_eq!(manifest, None);
        let get = |path: &str| snapshot.get(Path::new(path)).unwrap().content.clone();
        assert_eq!(get("/etc/hard"), get("/etc/a"));
        assert_eq!(get("/etc/zero"), Content::Unread(Unread::Special("character device")));
        assert_eq!(get("/etc/large"), Content::Unread(Unread::TooLarge { size: 9 << 20, limit: 8 << 20 }));
        assert_eq!(get("/etc/l"), Content::Link("../../../shadow".into()));
        assert_eq!(snapshot.count(), 7);
    }
}

#[test]
fn hostile_tars_are_refused_and_say_why() {
    let own = |path: &[u8], kind, link: &[u8]| {
        // A manifest that lists nothing, followed by an entry.
        let manifest = serde_json::to_vec(&super::Manifest::new(&Snapshot::default(), &about())).unwrap();
        let size = manifest.len() as u64;
        tar_of(&[(MANIFEST.as_bytes(), Kind::Regular, b"", size, &manifest), (path, kind, link, 0, b"")])
    };
    for (tar, why_not) in [
        (tar_of(&[(b"etc/../../x", Kind::Regular, b"", 0, b"")]), "leads outside"),
        (tar_of(&[(b"a", Kind::Regular, b"", 0, b""), (b"./a", Kind::Regular, b"", 0, b"")]), "twice"),
        (tar_of(&[(b"a", Kind::Link, b"../../etc/shadow", 0, b"")]), "leads outside"),
        (tar_of(&[(b"a", Kind::Link, b"/etc/shadow", 0, b"")]), "hard link to nothing"),
        (tar_of(&[(b"a", Kind::Regular, b"", 1 << 62, b"")]), ""),
        (tar_of(&[(b"a", Kind::Regular, b"", 4 << 20, b"short")]), "truncated"),
        (tar_of(&[(b"a", Kind::GNUSparse, b"", 0, b"")]), "sparse"),
        (tar_of(&[(b"x", Kind::XHeader, b"", 3, b"bad")]), "extended header"),
        (tar_of(&[(b"x", Kind::XHeader, b"", 1 << 20, &vec![b'1'; 1 << 20])]), "a header of more than"),
        (tar_of(&[(b"L", Kind::GNULongName, b"", 1 << 20, &vec![b'1'; 1 << 20])]), "a header of more than"),
        (own(b"/etc/a", Kind::Regular, b""), "an absolute path"),
        (own(b"./etc/a", Kind::Regular, b""), "not plain"),
        (own(b"etc/a", Kind::Regular, b""), "not in the manifest"),
        (own(b"etc/a", Kind::Link, b"etc/b"), "a hard link"),
        (own(b"etc/a", Kind::Char, b""), "kind '3'"),
        (b"not an archive at all".to_vec(), ""),
        (Vec::new(), "empty"),
        (vec![0x1f, 0x8b], "truncated"),
    ] {
        let found = why(&tar);
        assert!(found.contains(why_not), "{found} / {why_not}");
    }
}

#[test]
fn a_bomb_ends() {
    // 1.5 GiB of zeros in an entry that is skipped, packed to 1.5 MB.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(Kind::Regular);
    header.set_path("etc/bomb").unwrap();
    header.set_size(1 << 41);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..1536 {
        gzip.write_all(&zeros).unwrap();
    }
    let found = why(&gzip.finish().unwrap());
    assert!(found.contains("more than 1024 MiB"), "{found}");
    // Many files, each within its limit.
    let content = vec![0; 8 << 20];
    let names: Vec<String> = (0..5).map(|n| format!("f{n}")).collect();
    let entries: Vec<_> =
        names.iter().map(|n| (n.as_bytes(), Kind::Regular, &b""[..], 8 << 20, &content[..])).collect();
    assert!(why(&pack(&tar_of(&entries))).contains("more than 20 MiB"));
    let names: Vec<String> = (0..10_001).map(|n| format!("f{n}")).collect();
    let entries: Vec<_> =
        names.iter().map(|n| (n.as_bytes(), Kind::Regular, &b""[..], 0, &b""[..])).collect();
    assert!(why(&pack(&tar_of(&entries))).contains("too many entries"));
}

#[test]
fn hard_links_count_as_the_copies_that_they_are() {
    let content = vec![7; 6 << 20];
    let links: Vec<String> = (0..4).map(|n| format!("l{n}")).collect();
    let mut entries = vec![(&b"f"[..], Kind::Regular, &b""[..], 6 << 20, &content[..])];
    entries.extend(links.iter().take(2).map(|name| (name.as_bytes(), Kind::Link, &b"f"[..], 0, &b""[..])));
    let tar = tar_of(&entries);
    let snapshot = read(&tar[..]).unwrap().0;
    assert_eq!(verify(&tar[..]).unwrap().bytes, snapshot.size());
    assert_eq!(read(&Archived::bytes(&snapshot)[..]).unwrap().0, snapshot);
    entries.push((links[2].as_bytes(), Kind::Link, b"f", 0, b""));
    assert!(why(&tar_of(&entries)).contains("more than 20 MiB"));
}

#[test]
fn an_archive_that_cannot_be_written_leaves_nothing() {
    use crate::disk::effect::fault::{self, Fault};
    for at in 0.. {
        let here = Archived::new();
        fault::set(at, Fault::Once(nix::errno::Errno::ENOSPC));
        let written = write(&here.root, None, &node(), &about());
        let calls = fault::clear();
        match written {
            Ok(_) if calls <= at => break,
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, Error::Io { .. }), "{error}");
                assert!(error.to_string().ends_with("no space left on the device"), "{error}");
                let state = here.directory.path().join("var/lib/kuberescue");
                let left: Vec<_> = std::fs::read_dir(state).into_iter().flatten().flatten().collect();
                // Synced and named, and only the directory's sync failed: it is intact.
                let whole = |file: &std::fs::DirEntry| open(&file.path()).is_ok();
                assert!(left.iter().all(whole), "{left:?}");
            }
        }
    }
}
