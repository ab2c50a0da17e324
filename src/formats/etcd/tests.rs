//! Databases of real etcds, and each byte of a small one changed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;

use super::*;

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/etcd/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(mut file: &[u8], prefix: &str) -> (Vec<String>, i64) {
    let mut names = Vec::new();
    let mut database = Database::open(&mut file).unwrap();
    let revision = database
        .live(prefix.as_bytes(), &mut |entry| {
            names.push(String::from_utf8(entry.key.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    (names, revision)
}

#[test]
fn three_members() {
    let file = fixture("three-members.db");
    let mut pages = file.as_slice();
    let status = Database::open(&mut pages).unwrap().status().unwrap();
    let member = |id: u64, name: &str, host: u8| Member {
        id: Some(id),
        name: name.to_owned(),
        peer_urls: vec![format!("http://127.0.0.{}:12380", host - 10)],
        client_urls: vec![format!("https://192.168.10.{host}:2379")],
        is_learner: false,
    };
    let expected = Status {
        transaction: 12,
        revision: 9,
        consistent_index: Some(16),
        cluster_version: Some("3.4.0".to_owned()),
        members: vec![
            member(0x3f4e_8b04_c476_b9b3, "cp-3", 13),
            member(0xa595_1ea4_53e3_4a70, "cp-2", 12),
            member(0xd581_1b26_ae26_5d01, "cp-1", 11),
        ],
        ..Status::default()
    };
    assert_eq!(status, expected);
    let expected: Vec<_> = (1..=8).rev().map(|index| format!("/registry/x/{index}")).collect();
    assert_eq!(names(&file, ""), (expected, 9));
    assert_eq!(names(&file, "/registry/x/3"), (vec!["/registry/x/3".to_owned()], 9));
}

/// The same, read forwards into a map.
fn newest(file: &[u8]) -> BTreeMap<Vec<u8>, (i64, Vec<u8>)> {
    let (mut pages, mut keys) = (file, BTreeMap::new());
    let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
    reader
        .scan(b"key", crate::formats::bolt::Order::From(&[]), &mut |at, value| {
            let (at, entry) = (Revision::parse(at).unwrap(), KeyValue::parse(value).unwrap());
            if at.is_tombstone {
                keys.remove(entry.key);
            } else {
                assert_eq!(at.main, entry.mod_revision);
                keys.insert(entry.key.to_vec(), (entry.mod_revision, entry.value.to_vec()));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

#[test]
fn each_live_key_once_with_its_newest_value() {
    let file = fixture("kubernetes-1.20-snapshot.db");
    let expected = newest(&file);
    assert_eq!(expected.len(), 633);
    for most in [keys::MOST_HASHES, 64, 8] {
        let mut pages = file.as_slice();
        let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
        let mut found = BTreeMap::new();
        keys::live_with(&mut reader, b"", 1645, most, &mut |entry| {
            let one = (entry.mod_revision, entry.value.to_vec());
            assert_eq!(found.insert(entry.key.to_vec(), one), None, "twice with {most} hashes");
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(found, expected, "with {most} hashes");
    }
    // As of an older revision.
    let mut pages = file.as_slice();
    let mut reader = crate::formats::bolt::Reader::open(&mut pages).unwrap();
    let mut latest = 0;
    keys::live_with(&mut reader, b"", 1000, 64, &mut |entry| {
        latest = latest.max(entry.mod_revision);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(latest, 1000);
}

/// Everything that is read of a database; what fails must say so.
fn read_all(mut file: &[u8]) -> Result<usize, crate::formats::bolt::ReadError> {
    let mut database = Database::open(&mut file)?;
    let status = database.status()?;
    let mut count = status.members.len();
    database.live(b"", &mut |entry| {
        count += entry.value.len();
        ControlFlow::Continue(())
    })?;
    database.read(|view| view.buckets())?;
    Ok(count)
}

#[test]
fn each_byte_changed() {
    let file = fixture("three-members.db");
    let good = read_all(&file).unwrap();
    let (mut changed, mut refused) = (file.clone(), 0);
    for at in 0..file.len() {
        // Of what is empty one byte in 64 is enough.
        let around = &file[at.saturating_sub(16)..(at + 16).min(file.len())];
        if at % 64 != 0 && around.iter().all(|byte| *byte == 0) {
            continue;
        }
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        refused += usize::from(read_all(&changed).is_err());
        changed[at] = file[at];
    }
    assert_eq!(read_all(&changed).unwrap(), good);
    // Most bytes are free pages or values; the tables and headers are those that count.
    assert!(refused > 300, "{refused}");
}

#[test]
fn cut_at_each_page() {
    for name in ["three-members.db", "kubernetes-1.20-snapshot.db"] {
        let file = fixture(name);
        for end in (0..file.len() / 4096).step_by(file.len() / 4096 / 7) {
            let error = read_all(&file[..end * 4096]).unwrap_err();
            assert!(matches!(error, crate::formats::bolt::ReadError::Head(_)), "{error}");
        }
    }
}

#[test]
fn members_of_the_flag() {
    let members = initial_cluster("a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,a=https://10.1.0.1:2380");
    let names: Vec<_> = members.iter().map(|member| (member.name.as_str(), member.peer_urls.len())).collect();
    assert_eq!(names, [("a", 2), ("b", 1)]);
    assert!(initial_cluster("").is_empty());
}

#[test]
fn members_of_the_gateway() {
    // A real answer of etcd 3.4.23.
    let body = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","raft_term":"2"},"members":[{"ID":"10276657743932975437","name":"default","peerURLs":["http://localhost:2380"],"clientURLs":["http://127.0.0.1:2379"]}]}"#;
    let members = member_list(body).unwrap();
    assert_eq!((members[0].id, members[0].name.as_str()), (Some(10_276_657_743_932_975_437), "default"));
    assert_eq!(members[0].client_urls, ["http://127.0.0.1:2379"]);
    assert!(member_list(b"{}").is_err());
    assert!(member_list(b"<html>").is_err());
}

#[test]
fn health() {
    assert!(is_healthy(br#"{"health":"true"}"#));
    assert!(is_healthy(br#"{"health":"true","reason":""}"#));
    assert!(!is_healthy(br#"{"health":"false","reason":"RAFT NO LEADER"}"#));
    assert!(!is_healthy(b"ok"));
}

#[test]
fn counted_keys() {
    // Real answers of etcd 3.4.23.
    let body = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"13","raft_term":"2"},"count":"12"}"#;
    assert_eq!(super::counted_keys(body), Ok(Keys { count: 12, revision: 13 }));
    assert_eq!(super::counted_keys(br#"{"header":{"revision":"1"}}"#), Ok(Keys { count: 0, revision: 1 }));
    assert!(super::counted_keys(br#"{"error":"etcdserver: no leader","code":14}"#).is_err());
}
