//! Reading a node's directory, friendly or hostile: links stay inside, nothing special is opened,
//! nothing is too large, nothing stops the rest.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use kuberescue::disk::{Depth, Error, MAX_FILE, Reader, Root};
use kuberescue::state::{Content, Snapshot, Unread};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::mkfifo;

fn put(root: &Path, path: &str, text: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(root: &Path, path: &str, depth: Depth) -> Snapshot {
    let mut snapshot = Snapshot::default();
    Root::open(root).unwrap().read(&mut snapshot, Path::new(path), depth);
    snapshot
}

fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.iter().map(|(path, _)| path.to_str().unwrap()).collect()
}

fn content(snapshot: &Snapshot, path: &str) -> Content {
    snapshot.get(Path::new(path)).unwrap_or_else(|| panic!("{path}")).content.clone()
}

fn file(text: &[u8]) -> Content {
    Content::File(text.to_vec().into())
}

#[test]
fn roots_that_are_none() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "file", b"");
    let open = |path: &str| Root::open(&directory.path().join(path)).unwrap_err();
    assert!(matches!(open("nothing"), Error::RootNotFound { .. }));
    assert!(matches!(open("file"), Error::RootNotADirectory { .. }));
    assert!(!Root::open(directory.path()).unwrap().is_live());
    assert!(Root::open(Path::new("/")).unwrap().is_live());
    assert_eq!(paths(&read(directory.path(), "/etc/kubernetes", Depth::Tree)), [""; 0]);
}

#[test]
fn a_directory_with_all_that_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    put(at, "etc/k/a", b"a");
    put(at, "etc/k/pki/b", b"b");
    std::fs::File::open(at.join("etc/k/a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    xattr::set(at.join("etc/k/a"), "user.label", b"x").unwrap();
    let snapshot = read(at, "/etc/k", Depth::Tree);
    assert_eq!(paths(&snapshot), ["/etc/k", "/etc/k/a", "/etc/k/pki", "/etc/k/pki/b"]);
    let entry = snapshot.get(Path::new("/etc/k/a")).unwrap();
    assert_eq!(entry.content, file(b"a"));
    assert_eq!(entry.attributes.mtime, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(entry.attributes.xattrs, [("user.label".into(), b"x".to_vec())].into());
    assert_eq!(paths(&read(at, "/etc/k", Depth::File)), ["/etc/k"]);
    assert_eq!(paths(&read(at, "/", Depth::File)), ["/"]);
    assert_eq!(paths(&read(at, "/etc/../etc/./k/a/", Depth::File)), ["/etc/k/a"]);
    assert_eq!(paths(&read(at, "/etc/k/a/b", Depth::File)), [""; 0]);
}

#[test]
fn links_stay_inside_and_are_followed() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "secret", b"of another machine");
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    put(at, "opt/pki/real.pem", b"real");
    put(at, "opt/pki/other.pem", b"other");
    put(at, "etc/k/here", b"");
    let link = |to: &Path, from: &str| symlink(to, at.join(from)).unwrap();
    link(Path::new("/opt/pki/real.pem"), "etc/k/absolute");
    link(Path::new("../../../../../../opt/pki"), "etc/k/directory");
    link(Path::new("/etc/k/loop2"), "etc/k/loop1");
    link(Path::new("loop1"), "etc/k/loop2");
    link(&outside.path().join("secret"), "etc/k/out");
    link(Path::new("/"), "etc/k/top");
    link(Path::new("/etc"), "conf");
    let snapshot = read(at, "/conf/k", Depth::Tree);
    #[rustfmt::skip]
    assert_eq!(paths(&snapshot), [
        "/conf", "/etc/k", "/etc/k/absolute", "/etc/k/directory", "/etc/k/here", "/etc/k/loop1",
        "/etc/k/loop2", "/etc/k/out", "/etc/k/top", "/opt/pki", "/opt/pki/other.pem", "/opt/pki/real.pem",
    ]);
    let resolved = snapshot.resolve(Path::new("/conf/k/absolute")).unwrap();
    assert_eq!(resolved.entry.unwrap().content, file(b"real"));
    let resolved = snapshot.resolve(Path::new("/conf/k/directory/other.pem")).unwrap();
    assert_eq!(resolved.entry.unwrap().content, file(b"other"));
    // One file through a link: the link and the file.
    assert_eq!(paths(&read(at, "/etc/k/absolute", Depth::File)), ["/etc/k/absolute", "/opt/pki/real.pem"]);
    assert_eq!(paths(&read(at, "/etc/k/loop1", Depth::File)), ["/etc/k/loop1", "/etc/k/loop2"]);
}

/// Directories stay open from one path to the next: each counts only as long as its name leads to it.
#[test]
fn a_directory_that_is_swapped_between_two_paths() {
    let directory = tempfile::tempdir().unwrap();
    let at = &directory.path().join("root");
    for path in ["root/a/b/1", "root/a/b/2", "root/c/b/2", "root/c/b/3", "outside/b/4", "outside/b/5"] {
        put(directory.path(), path, path.as_bytes());
    }
    let root = Root::open(at).unwrap();
    let mut reader = Reader::new(&root, None);
    let mut read = |path: &str| reader.read(Path::new(path), Depth::File);
    read("/a/b/1");
    std::fs::rename(at.join("a"), directory.path().join("moved")).unwrap();
    read("/a/b/2");
    std::fs::rename(at.join("c"), at.join("a")).unwrap();
    read("/a/b/2");
    std::fs::remove_dir_all(at.join("a")).unwrap();
    symlink(directory.path().join("outside"), at.join("a")).unwrap();
    read("/a/b/3");
    read("/a/b/4");
    std::fs::remove_file(at.join("a")).unwrap();
    std::fs::rename(directory.path().join("moved"), at.join("a")).unwrap();
    std::fs::write(at.join("a/b/5"), b"back").unwrap();
    read("/a/b/5");
    read("/a/../../a/b/1/../2");
    let snapshot = reader.into_snapshot();
    assert_eq!(paths(&snapshot), ["/a", "/a/b/1", "/a/b/2", "/a/b/5"]);
    assert_eq!(content(&snapshot, "/a/b/1"), file(b"root/a/b/1"));
    assert_eq!(content(&snapshot, "/a/b/2"), file(b"root/c/b/2"));
    assert_eq!(content(&snapshot, "/a/b/5"), file(b"back"));
}

#[test]
fn special_files_are_never_opened() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    put(at, "pki/after", b"still read");
    mkfifo(&at.join("pki/fifo"), Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at.join("pki/socket")).unwrap();
    symlink("fifo", at.join("pki/link")).unwrap();
    let devices = mknod(&at.join("pki/tape"), SFlag::S_IFCHR, Mode::S_IRWXU, 0).is_ok()
        && mknod(&at.join("pki/disk"), SFlag::S_IFBLK, Mode::S_IRWXU, 0).is_ok();
    let special = |what| Content::Unread(Unread::Special(what));
    let snapshot = read(at, "/pki", Depth::Tree);
    assert_eq!(content(&snapshot, "/pki/fifo"), special("FIFO"));
    assert_eq!(content(&snapshot, "/pki/socket"), special("socket"));
    assert_eq!(content(&snapshot, "/pki/after"), file(b"still read"));
    if devices {
        assert_eq!(content(&snapshot, "/pki/tape"), special("character device"));
        assert_eq!(content(&snapshot, "/pki/disk"), special("block device"));
    } else {
        eprintln!("SKIPPED: device nodes can't be made here");
    }
    assert_eq!(content(&read(at, "/pki/link", Depth::File), "/pki/fifo"), special("FIFO"));
}

#[test]
fn sizes_and_numbers_are_capped() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    put(at, "pki/large.crt", b"");
    std::fs::File::options().write(true).open(at.join("pki/large.crt")).unwrap().set_len(1 << 30).unwrap();
    let limit = vec![0; usize::try_from(MAX_FILE).unwrap()];
    put(at, "pki/limit.crt", &limit);
    put(at, "pki/small.crt", b"small");
    let snapshot = read(at, "/pki", Depth::Tree);
    let too_large = Unread::TooLarge { size: 1 << 30, limit: MAX_FILE };
    assert_eq!(content(&snapshot, "/pki/large.crt"), Content::Unread(too_large));
    assert_eq!(content(&snapshot, "/pki/small.crt"), file(b"small"));
    assert_eq!(content(&snapshot, "/pki/limit.crt"), file(&limit));
    for copy in 0..4 {
        put(at, &format!("pki/z{copy}"), &limit);
    }
    put(at, "pki/zz", b"small");
    let snapshot = read(at, "/pki", Depth::Tree);
    // 8 MiB and 5 bytes come before; 24 MiB are allowed.
    assert_eq!(content(&snapshot, "/pki/z0"), file(&limit));
    assert!(matches!(content(&snapshot, "/pki/z1"), Content::Unread(Unread::NoRoom(_))));
    assert_eq!(content(&snapshot, "/pki/zz"), file(b"small"));
}

#[test]
fn a_crowded_and_a_deep_tree_end() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    put(at, "etc/many/0", b"");
    for number in 1..20_500 {
        std::fs::hard_link(at.join("etc/many/0"), at.join(format!("etc/many/{number}"))).unwrap();
    }
    let snapshot = read(at, "/etc", Depth::Tree);
    assert!(snapshot.iter().count() <= 10_000);
    assert_eq!(content(&snapshot, "/etc/many"), Content::Unread(Unread::TooMany(9_500)));
    // The rest of a node is not starved by what a link leads to.
    put(at, "pki/z", b"read");
    symlink("/etc/many", at.join("pki/link")).unwrap();
    let snapshot = read(at, "/pki", Depth::Tree);
    assert!(snapshot.iter().count() < 1_100);
    let deep = format!("deep/{}", "d/".repeat(200));
    put(at, &format!("{deep}file"), b"");
    assert!(read(at, "/deep", Depth::Tree).iter().count() < 100);
    assert_eq!(paths(&read(at, &format!("/{deep}file"), Depth::File)).len(), 1);
}

#[test]
fn what_is_forbidden_is_an_entry_with_the_reason() {
    const INNER: &str = "KUBERESCUE_TEST_UNPRIVILEGED_ROOT";
    if let Ok(root) = std::env::var(INNER) {
        let at = Path::new(&root);
        let refused = Content::Unread(Unread::Denied);
        let snapshot = read(at, "/pki", Depth::Tree);
        assert_eq!(content(&snapshot, "/pki/closed"), refused);
        assert_eq!(content(&snapshot, "/pki/secret"), refused);
        assert_eq!(content(&snapshot, "/pki/open"), file(b"open"));
        assert_eq!(snapshot.get(Path::new("/pki/secret")).unwrap().attributes.mode, 0);
        assert_eq!(content(&read(at, "/pki/closed/in/it", Depth::File), "/pki/closed/in/it"), refused);
        assert!(matches!(Root::open(&at.join("pki/closed")), Err(Error::RootDenied { .. })));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for name in ["pki/open", "pki/secret", "pki/closed/in/it"] {
        put(at, name, b"open");
    }
    let mode = |path: &str, mode| {
        std::fs::set_permissions(at.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Root may read everything, so another user looks; a copy of this program is where it can reach it.
    let program = at.join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode("", 0o755);
    mode("pki/secret", 0);
    mode("pki/closed", 0);
    let mut command = std::process::Command::new(&program);
    command
        .args(["--exact", "what_is_forbidden_is_an_entry_with_the_reason"])
        .env(INNER, at)
        .current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
        for name in ["pki/secret", "pki/closed"] {
            std::os::unix::fs::chown(at.join(name), Some(65534), Some(65534)).unwrap();
        }
    }
    let output = command.output().unwrap();
    mode("pki/closed", 0o755);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
