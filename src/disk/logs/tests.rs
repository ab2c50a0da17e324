#![allow(clippy::disallowed_methods, reason = "a test: it writes trees")]

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::state::{Attributes, Entry};

const LINE: &str = "2026-11-23T22:26:58Z stderr F x509: certificate has expired or is not yet valid\n";
const ETCD: &str = "var/log/pods/kube-system_etcd-cp1_1/etcd";

fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn scan(&self, containers: &[&str]) -> Logs {
        let wanted = Wanted { containers: containers.iter().map(|name| (*name).to_owned()).collect() };
        scan_root(&Root::open(self.0.path()).unwrap(), &Matcher::new().unwrap(), &wanted, now())
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Source and count of each known line.
fn counts(logs: &Logs) -> Vec<(&str, u64)> {
    logs.hits().map(|hit| (hit.source.as_str(), hit.count)).collect()
}

fn notes(logs: Logs) -> Vec<String> {
    logs.into_notes()
}

#[test]
fn rotated_and_packed_logs_count_and_links_to_them_do_not() {
    let tree = Tree::new();
    tree.write(&format!("{ETCD}/3.log"), LINE);
    tree.write(&format!("{ETCD}/3.log.20261123-222147"), LINE);
    tree.write(&format!("{ETCD}/3.log.20261123-212147.gz"), gzip(&LINE.repeat(1000)));
    tree.link(
        "var/log/containers/etcd-cp1_kube-system_etcd-0123.log",
        "/var/log/pods/kube-system_etcd-cp1_1/etcd/3.log",
    );
    tree.write("var/log/pods/default_shop_2/shop/0.log", LINE);
    assert_eq!(counts(&tree.scan(&[])), [("etcd", 1002)]);
    assert_eq!(counts(&tree.scan(&["shop"])), [("etcd", 1002), ("shop", 1)]);
    assert_eq!(notes(tree.scan(&[])), Vec::<String>::new());
}

#[test]
fn links_stay_inside() {
    let outside = Tree::new();
    outside.write("0.log", LINE);
    let tree = Tree::new();
    tree.link(&format!("{ETCD}/0.log"), outside.0.path().join("0.log").to_str().unwrap());
    tree.link(&format!("{ETCD}/1.log"), "../../../../../../../../var/lib/docker/containers/a/a-json.log");
    tree.link(&format!("{ETCD}/2.log"), "2.log");
    tree.write(
        "var/lib/docker/containers/a/a-json.log",
        r#"{"log":"x509: certificate has expired or is not yet valid\n","stream":"stderr","time":"2026-11-23T22:26:58Z"}"#,
    );
    let logs = tree.scan(&[]);
    assert_eq!(counts(&logs), [("etcd", 1)]);
    assert_eq!(logs.hits().next().unwrap().first, Some("2026-11-23T22:26:58Z".parse().unwrap()));
}

#[test]
fn special_files_are_not_opened() {
    let tree = Tree::new();
    tree.write(&format!("{ETCD}/0.log"), LINE);
    let fifo = tree.0.path().join(ETCD).join("1.log");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::create_dir(tree.0.path().join(ETCD).join("2.log")).unwrap();
    // A FIFO that nobody writes to would never end.
    assert_eq!(counts(&tree.scan(&[])), [("etcd", 1)]);
}

#[test]
fn damage_is_told_and_what_came_before_counts() {
    let tree = Tree::new();
    let packed = gzip(&(0..2000).map(|n| format!("{n} {LINE}")).collect::<String>());
    tree.write(&format!("{ETCD}/0.log.20261123-212147.gz"), &packed[..packed.len() / 2]);
    tree.write(&format!("{ETCD}/1.log.20261123-212147.zst"), b"x");
    tree.write("var/log/syslog.3.xz", b"x");
    tree.write("var/log/journal/0123/system.journal", b"x");
    let logs = tree.scan(&[]);
    let count = counts(&logs)[0].1;
    assert!((100..2000).contains(&count), "{count}");
    let notes = notes(logs);
    let about = |words: &str| notes.iter().filter(|note| note.contains(words)).count();
    assert_eq!(
        [
            about("0.log.20261123-212147.gz: not read to its end: truncated"),
            about("not with gzip"),
            about("journalctl -u kubelet")
        ],
        [1, 2, 1],
        "{notes:?}"
    );
}

#[test]
fn a_gzip_bomb_ends() {
    // 300 MiB of zero bytes in one line; memory stays at the buffers.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..300 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let tree = Tree::new();
    tree.write(&format!("{ETCD}/0.log.20261123-212147.gz"), encoder.finish().unwrap());
    assert_eq!(counts(&tree.scan(&[])), []);
}

#[test]
fn what_an_operator_gives() {
    let tree = Tree::new();
    tree.write(
        "kubelet-lab-cp1.txt",
        "Nov 23 22:26:53 cp1 kubelet[9]: x509: certificate has expired or is not yet valid\n",
    );
    tree.write("etcd.log.gz", gzip(LINE));
    tree.write("notes", LINE);
    let path = |name: &str| Given::new(&tree.0.path().join(name));
    let matcher = Matcher::new().unwrap();
    let mut logs = Logs::default();
    logs.note(JOURNAL_NOTE);
    let given = [path("kubelet-lab-cp1.txt"), path("etcd.log.gz"), path("notes")];
    scan_given(&given, &matcher, now(), &mut logs).unwrap();
    assert_eq!(counts(&logs), [("etcd", 1), ("kubelet", 1), ("notes", 1)]);
    assert_eq!(notes(logs), Vec::<String>::new());
    for (name, why) in [("nowhere", "not found"), (".", "a directory, not a log")] {
        let error = scan_given(&[path(name)], &matcher, now(), &mut Logs::default()).unwrap_err();
        assert!(error.to_string().to_lowercase().contains(why), "{error}");
    }
    assert_eq!(Given::new(Path::new("-")), Given::Stdin);
}

#[test]
fn logs_in_an_archive() {
    let file =
        |bytes: Vec<u8>| Entry { content: Content::File(bytes.into()), attributes: Attributes::default() };
    let link = Entry {
        content: Content::Link("/var/log/pods/kube-system_etcd-cp1_1/etcd/0.log".into()),
        attributes: Attributes::default(),
    };
    let snapshot: Snapshot = [
        (format!("/{ETCD}/0.log"), file(LINE.into())),
        (format!("/{ETCD}/0.log.20261123-212147.gz"), file(gzip(LINE))),
        ("/var/log/containers/etcd-cp1_kube-system_etcd-0123.log".to_owned(), link),
        ("/var/log/pods/default_shop_2/shop/0.log".to_owned(), file(LINE.into())),
    ]
    .into_iter()
    .map(|(path, entry)| (PathBuf::from(path), entry))
    .collect();
    let logs = scan_snapshot(&snapshot, &Matcher::new().unwrap(), &Wanted::default(), now());
    assert_eq!(counts(&logs), [("etcd", 2)]);
}

#[test]
fn many_logs_give_the_same_on_every_run() {
    let tree = Tree::new();
    for n in 0..60 {
        let line = format!(
            "2026-11-23T22:{n:02}:00Z stderr F x509: certificate has expired or is not yet valid {n}\n"
        );
        tree.write(&format!("{ETCD}/{n}.log"), line.repeat(n + 1));
    }
    let once = tree.scan(&[]);
    let hit = once.hits().next().unwrap();
    assert_eq!((hit.count, hit.sample.ends_with(" 0")), (60 * 61 / 2, true));
    for _ in 0..3 {
        assert!(tree.scan(&[]).hits().eq(once.hits()));
    }
}

#[test]
fn dates_of_etcd() {
    let tree = Tree::new();
    tree.write("var/lib/etcd/member/snap/db", b"secret");
    tree.write("var/lib/etcd/member/snap/0000000000000001-0000000000002711.snap", b"x");
    tree.write("var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal", b"x");
    tree.write("var/lib/etcd/member/wal/0.tmp", b"x");
    let events = etcd_times(&Root::open(tree.0.path()).unwrap());
    let paths: Vec<_> = events.iter().filter_map(|event| event.path.clone()).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths[0].ends_with("snap/db"));
}
