//! Hostile archives: none is unpacked, none is believed, each ends soon and in little memory.

use tar::EntryType as Kind;

use super::measure::{self, Measured};
use super::tar_made::{Archive, bomb, entry, file, gzip, header, node, record, with_end};
use super::{READING_ARCHIVES, VERIFYING};

/// Runs everything that reads an archive; how the two main commands finished.
fn read(bytes: &[u8]) -> (Measured, Measured) {
    let archive = Archive::of(bytes);
    let listed = format!("archive list --archive-dir {}", archive.directory().display());
    measure::on(archive.directory(), &listed).tame();
    for command in &READING_ARCHIVES[1..] {
        measure::on(&archive.path(), command).tame();
    }
    for command in &VERIFYING[1..] {
        measure::of(&archive.path(), command).tame();
    }
    let looked = measure::on(&archive.path(), READING_ARCHIVES[0]).tame();
    let verified = measure::of(&archive.path(), VERIFYING[0]).tame();
    assert_eq!(std::fs::read_dir(archive.directory()).unwrap().count(), 1, "something was unpacked");
    (looked, verified)
}

/// As [`refused`], for what takes its time: only the two main commands.
fn bomb_is_refused(what: &str, bytes: &[u8], why: &str) {
    let archive = Archive::of(bytes);
    let looked = measure::on(&archive.path(), READING_ARCHIVES[0]).tame();
    let verified = measure::of(&archive.path(), VERIFYING[0]).tame();
    both_refuse(what, looked, verified, why);
}

fn refused(what: &str, bytes: &[u8], why: &str) {
    let (looked, verified) = read(bytes);
    both_refuse(what, looked, verified, why);
}

fn both_refuse(what: &str, looked: Measured, verified: Measured, why: &str) {
    assert_eq!((looked.code, verified.code), (2, 1), "{what}: {looked}\n{verified}");
    looked.says(why);
    verified.says(why);
}

#[test]
fn entries_that_lead_out_or_lie_are_refused() {
    let node = node();
    for (what, more, why) in [
        ("..", file(b"etc/../../x", b"x"), "leads outside"),
        ("only ..", file(b"..", b"x"), "leads outside"),
        ("twice", file(b"./etc/kubernetes/admin.conf", b"x"), "twice in the archive"),
        ("a hard link out", header(Kind::Link, b"x", b"../../etc/shadow", 0).to_vec(), "leads outside"),
        (
            "a hard link to the host",
            header(Kind::Link, b"x", b"/etc/shadow", 0).to_vec(),
            "hard link to nothing",
        ),
        ("sparse", header(Kind::GNUSparse, b"x", b"", 0).to_vec(), "sparse"),
        (
            "sparse by pax",
            [entry(Kind::XHeader, b"x", &record(b"GNU.sparse.realsize", b"1099511627776")), file(b"x", b"")]
                .concat(),
            "sparse",
        ),
        ("1 TiB", header(Kind::Regular, b"x", b"", 1 << 40).to_vec(), "truncated"),
        ("8 EiB", header(Kind::Regular, b"x", b"", 1 << 63).to_vec(), ""),
        (
            "a size of two",
            [entry(Kind::XHeader, b"x", &record(b"size", b"5")), file(b"x", b"")].concat(),
            "two sizes",
        ),
        ("a pax header of 1 TiB", header(Kind::XHeader, b"x", b"", 1 << 40).to_vec(), ""),
        ("a long name of 1 TiB", header(Kind::GNULongName, b"x", b"", 1 << 40).to_vec(), ""),
        (
            "a pax header of lengths",
            entry(Kind::XHeader, b"x", b"99999999999999999999 a=b\n"),
            "extended header",
        ),
        (
            "a manifest of 1 TiB",
            header(Kind::Regular, b".kuberescue-archive.json", b"", 1 << 40).to_vec(),
            "",
        ),
    ] {
        let tar = with_end(&[&node, &more]);
        refused(what, &gzip(&tar), why);
    }
}

#[test]
fn absolute_paths_and_links_stay_inside() {
    // As an archive of `tar -P`: a node that is read, and whose links lead nowhere.
    let mut tar = node();
    tar.extend(file(b"/etc/absolute", b"x"));
    tar.extend(header(Kind::Symlink, b"etc/kubernetes/pki/x.crt", b"/etc/shadow", 0));
    tar.extend(header(Kind::Symlink, b"etc/kubernetes/pki/y.crt", b"../../../../../../../../etc/shadow", 0));
    tar.extend(header(Kind::Char, b"etc/zero", b"", 0));
    tar.extend(header(Kind::Fifo, b"etc/pipe", b"", 0));
    let (looked, _) = read(&gzip(&with_end(&[&tar])));
    looked.ends_with(0);
}

#[test]
fn a_truncated_archive_is_refused_wherever_it_ends() {
    let whole = std::fs::read(super::common::fixture("ecdsa-p256")).unwrap();
    for length in [0, 1, 2, 9, 10, 11, 500, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let (looked, verified) = read(&whole[..length]);
        looked.ends_with(2);
        verified.ends_with(1);
    }
}

#[test]
fn ten_gibibytes_of_zeros_end() {
    let zeros = vec![0; 1 << 20];
    let start = [&node()[..], &header(Kind::Regular, b"etc/zeros", b"", 10 << 30)].concat();
    bomb_is_refused("one file", &bomb(&start, &zeros, 10 << 10), "unpacks to more than");
    // After the tar's end.
    bomb_is_refused("nothing", &bomb(&node(), &zeros, 10 << 10), "unpacks to more than");
}

#[test]
fn millions_of_entries_end() {
    // Ten million of them. A directory may come again.
    let again: Vec<u8> = (0..2048).flat_map(|_| header(Kind::Directory, b"etc/", b"", 0)).collect();
    bomb_is_refused("one directory", &bomb(&node(), &again, 5000), "more than 2 MiB of names");
    let many: Vec<u8> =
        (0..25_000).flat_map(|n| header(Kind::Regular, format!("f{n}").as_bytes(), b"", 0)).collect();
    refused("many files", &gzip(&with_end(&[&node(), &many])), "too many entries");
    let global = entry(Kind::XGlobalHeader, b"g", &record(b"comment", b"x")).repeat(1024);
    bomb_is_refused("global headers", &bomb(&node(), &global, 5000), "unpacks to more than");
}

#[test]
fn extended_headers_do_not_add_up() {
    let value = vec![b'v'; 200 << 10];
    let one = entry(Kind::XHeader, b"x", &record(b"SCHILY.xattr.user.a", &value));
    // Again and again before one entry, and one before each of many.
    refused("before one entry", &bomb(&node(), &one, 2000), "");
    let mut many = node();
    for n in 0..400 {
        many.extend_from_slice(&one);
        many.extend(file(format!("f{n}").as_bytes(), b""));
    }
    refused("before each", &gzip(&with_end(&[&many])), "");
    let mut many = node();
    for n in 0..400 {
        let path = [format!("{n}/").as_bytes(), &b"d/".repeat(100 << 10)].concat();
        many.extend(entry(Kind::XHeader, b"x", &record(b"path", &path)));
        many.extend(file(b"x", b""));
    }
    refused("long names", &gzip(&with_end(&[&many])), "");
    let mut many = node();
    for n in 0..400 {
        many.extend(entry(Kind::GNULongLink, b"L", &value));
        many.extend(header(Kind::Symlink, format!("l{n}").as_bytes(), b"", 0));
    }
    refused("long links", &gzip(&with_end(&[&many])), "");
}

/// A manifest whose text has a small part again and again.
fn with_manifest(head: &str, part: &str, tail: &str, bytes: usize) -> Vec<u8> {
    let mut text = String::from(
        r#"{"format":1,"version":"1","created":"2026-11-23T00:00:00Z","host":"h","node":"n","command":"c","reason":"r","#,
    );
    text.push_str(head);
    let times = bytes / (part.len() + 1);
    for n in 0..times {
        text.push_str(part);
        text.push_str(if n + 1 == times { "" } else { "," });
    }
    text.push_str(tail);
    gzip(&with_end(&[&file(b".kuberescue-archive.json", text.as_bytes()), &file(b"etc/a", b"x")]))
}

#[test]
fn a_manifest_of_the_largest_size_is_held_in_little_memory() {
    let bare = r#"{"path":"/","kind":"directory","mode":0,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z"}"#;
    let omitted = r#"{"path":"/","reason":{"why":"special","what":""},"mode":0,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z"}"#;
    let xattrs = r#""entries":[{"path":"/etc/a","kind":"directory","mode":0,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z","xattrs":["#;
    for bytes in [4 << 20, 15 << 20, 40 << 20] {
        refused("entries", &with_manifest(r#""entries":["#, bare, "]}", bytes), "");
        refused("omitted", &with_manifest(r#""entries":[],"omitted":["#, omitted, "]}", bytes), "");
        refused("xattrs", &with_manifest(xattrs, r#"{"name":"","value":""}"#, "]}]}", bytes), "");
    }
}

#[test]
fn an_archive_as_large_as_may_be_fits() {
    // Files of just under 7 MiB, and names up to the limit.
    let mut tar = node();
    let mut noise = vec![0; (20 << 20) / 3 - (64 << 10)];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    for n in 0..3 {
        tar.extend(file(format!("etc/kubernetes/pki/{n}.bin").as_bytes(), &noise));
    }
    for n in 0..9_900 {
        tar.extend(file(format!("etc/kubernetes/pki/d/{n:065}").as_bytes(), b""));
    }
    let (looked, verified) = read(&with_end(&[&tar]));
    looked.ends_with(0);
    verified.ends_with(0).says("not created by kuberescue");
}
