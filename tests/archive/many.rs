//! `archive verify` of many archives: one row each, a total, and what is not READY counts.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use kuberescue::disk::Root;
use kuberescue::disk::archive::{self, About};
use kuberescue::session::input::source::{RootArgs, archived};

use crate::common::screen::steady;
use crate::common::{Node, Run, fixture, kuberescue, run};
use crate::damage;

const AT: &str = "2026-11-24";

/// Writes an archive of a node that was created at this time.
fn made(node: &Node, directory: &Path, name: &str, created: &str) -> PathBuf {
    let args = RootArgs { root: node.root().to_owned(), cert_dir: None };
    let (snapshot, _, _) = args.read_all().unwrap();
    let about = About {
        version: "0.1.0".to_owned(),
        created: created.parse().unwrap(),
        host: "host".to_owned(),
        node: name.to_owned(),
        command: "kuberescue archive create".to_owned(),
        reason: "archive create".to_owned(),
    };
    std::fs::create_dir_all(directory).unwrap();
    let root = Root::open(node.root()).unwrap();
    archive::write(&root, Some(directory), &archived(&snapshot), &about).unwrap().path
}

/// `archive verify` beside a node that was never changed.
fn verify(arguments: &str, columns: &str) -> Run {
    let empty = tempfile::tempdir().unwrap();
    let mut command = kuberescue();
    command.args(["archive", "verify", "--at", AT]).args(arguments.split_whitespace());
    command.arg("--root").arg(empty.path()).env("COLUMNS", columns);
    run(command)
}

/// The screen, with DIR for the directory.
fn shown(directory: &Path, run: &Run) -> String {
    steady(
        &format!("exit {}\n{}{}", run.code, run.out, run.err).replace(directory.to_str().unwrap(), "BACKUPS"),
    )
}

/// A directory as backups lie in it: archives of three nodes in two clusters, and other files.
fn backups() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (good, expired) = (Node::of("ecdsa-p256"), Node::of("expired-all"));
    made(&good, &at.join("east"), "cp-2", "2026-11-20T08:00:00Z");
    made(&good, at, "cp-1", "2026-11-21T08:00:00Z");
    made(&expired, &at.join("east"), "cp-1", "2024-11-20T08:00:00Z");
    damage::cut(&made(&good, at, "cp-3", "2026-11-22T08:00:00Z"), "etc/kubernetes/pki/apiserver.key");
    // One of ours that was cut off while it was copied.
    std::fs::write(at.join("cp-4.tgz"), "").unwrap();
    // A tar of a node's root under another name, and one of something else.
    std::fs::copy(fixture("rsa2048"), at.join("cp-5.backup")).unwrap();
    std::fs::write(at.join("home.tar"), tar_of("home/me/notes", b"notes")).unwrap();
    for (name, start) in [
        ("cp-1.tar.xz", &b"\xfd7zXZ\0"[..]),
        ("cp-2.tar.xz", b"\xfd7zXZ\0"),
        ("cp-1.tar.zst", b"\x28\xb5\x2f\xfd"),
        ("cp-1.tar.bz2", b"BZh91AY&SY"),
        ("cp-1.tar.gz.age", b"age-encryption.org/v1\n"),
    ] {
        std::fs::write(at.join(name), [start, &[0; 64]].concat()).unwrap();
    }
    // No archives: a log, a log in gzip, a file that is being written, what the file system keeps.
    std::fs::write(at.join("backup.log"), "done\n").unwrap();
    std::fs::write(at.join("backup.log.1.gz"), damage::packing(b"done\n").finish().unwrap()).unwrap();
    std::fs::write(at.join(".cp-1.tar.gz.partial"), "").unwrap();
    std::fs::create_dir(at.join("lost+found")).unwrap();
    std::fs::write(at.join("lost+found/cp-1.tar.gz"), "").unwrap();
    std::os::unix::fs::symlink("cp-4.tgz", at.join("latest.tgz")).unwrap();
    directory
}

fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut out = tar::Builder::new(Vec::new());
    out.append_data(&mut header, name, content).unwrap();
    out.into_inner().unwrap()
}

#[test]
fn each_archive_is_one_row() {
    let directory = backups();
    let at = directory.path();
    let run = verify(&at.display().to_string(), "");
    assert_snapshot!(shown(at, &run), @"
    exit 1
    Archives in BACKUPS
    ARCHIVE                             NODE      MADE (UTC)         STATE             WHY
    east/cp-1-TIME.tar.gz   cp-1      2024-11-20 08:00   RECOVERABLE       etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29 (with: kuberescue recover)
    cp-1-TIME.tar.gz        cp-1      2026-11-21 08:00   READY
    east/cp-2-TIME.tar.gz   cp-2      2026-11-20 08:00   READY
    cp-5.backup                         cp-1      -                  READY
    cp-1.tar.bz2                        -         -                  UNREADABLE        compressed with bzip2
    cp-1.tar.gz.age                     -         -                  UNREADABLE        encrypted with age
    cp-1.tar.xz                         -         -                  UNREADABLE        compressed with xz
    cp-1.tar.zst                        -         -                  UNREADABLE        compressed with zstd
    cp-2.tar.xz                         -         -                  UNREADABLE        compressed with xz
    cp-3-TIME.tar.gz        -         -                  DAMAGED           etc/kubernetes/pki/apiserver.key: truncated
    cp-4.tgz                            -         -                  DAMAGED           the file is empty
    home.tar                            -         -                  NOT RECOVERABLE   it holds no kubeadm node: no CA, no kubeconfig, no API server manifest
    12 archives: 3 READY, 1 RECOVERABLE, 1 NOT RECOVERABLE, 2 DAMAGED, 5 UNREADABLE
    hint: kuberescue archive verify BACKUPS/east/cp-1-TIME.tar.gz
    hint: kuberescue explain archive-damaged
    hint: bzip2 -dk BACKUPS/cp-1.tar.bz2
    hint: age -d -i IDENTITY -o BACKUPS/cp-1.tar.gz BACKUPS/cp-1.tar.gz.age
    hint: xz -dk BACKUPS/cp-1.tar.xz
    hint: zstd -d BACKUPS/cp-1.tar.zst
    ");
    // On a narrow terminal the reason stands below.
    let few = format!("{0}/east {0}/cp-1.tar.xz", at.display());
    let run = verify(&few, "80");
    assert_snapshot!(shown(at, &run), @"
    exit 1
    Archives in BACKUPS
    ARCHIVE                             NODE      MADE (UTC)         STATE
                                        WHY
    east/cp-1-TIME.tar.gz   cp-1      2024-11-20 08:00   RECOVERABLE
                                        etcd-server, etcd-peer and 11 more expired
                                        by 2024-12-31; CAs valid until 2033-12-29
                                        (with: kuberescue recover)
    east/cp-2-TIME.tar.gz   cp-2      2026-11-20 08:00   READY
    cp-1.tar.xz                         -         -                  UNREADABLE
                                        compressed with xz
    3 archives: 1 READY, 1 RECOVERABLE, 1 UNREADABLE
    hint: kuberescue archive verify
      BACKUPS/east/cp-1-TIME.tar.gz
    hint: xz -dk BACKUPS/cp-1.tar.xz
    ");
}

#[test]
fn files_and_directories_in_any_mix_are_verified_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let good = Node::of("ecdsa-p256");
    let first = made(&good, &at.join("a"), "cp-1", "2026-11-20T08:00:00Z");
    let second = made(&good, &at.join("b"), "cp-1", "2026-11-19T08:00:00Z");
    let run = verify(&format!("{} {} {}", at.join("b").display(), first.display(), second.display()), "");
    assert_snapshot!(shown(at, &run), @"
    exit 0
    Archives in BACKUPS
    ARCHIVE                          NODE      MADE (UTC)         STATE     WHY
    b/cp-1-TIME.tar.gz   cp-1      2026-11-19 08:00   READY
    a/cp-1-TIME.tar.gz   cp-1      2026-11-20 08:00   READY
    2 archives: 2 READY
    ");
    let same = verify(&format!("--archive-dir {} {}", at.join("b").display(), first.display()), "");
    assert_eq!(shown(at, &same), shown(at, &run));
    // One alone is shown in detail, wherever it was found.
    let run = verify(&format!("--archive-dir {}", at.join("b").display()), "");
    assert_snapshot!(shown(at, &run), @"
    exit 0
    BACKUPS/b/cp-1-TIME.tar.gz: READY
      41 entries, SIZE; every digest matches
      created TIME on node cp-1 (host HOST) by kuberescue 0.1.0: kuberescue archive create
    ");
}

#[test]
fn what_does_not_exist_and_what_holds_no_archive_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let good = made(&Node::of("ecdsa-p256"), at, "cp-1", "2026-11-20T08:00:00Z");
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::write(at.join("empty/notes.txt"), "no archive\n").unwrap();
    let (none, empty) = (at.join("none.tar.gz"), at.join("empty"));
    let run = verify(&format!("{} {} {}", good.display(), none.display(), empty.display()), "");
    assert_snapshot!(shown(at, &run), @"
    exit 2
    error [no-archive]: cannot read the archive BACKUPS/none.tar.gz: not found
    hint: sudo kuberescue archive list
    error [no-archive]: cannot verify: no archive in BACKUPS/empty
    hint: sudo kuberescue archive create --archive-dir BACKUPS/empty
    ");
    let run = verify(&format!("{} {} -o json", good.display(), empty.display()), "");
    let document = run.json();
    assert_eq!((run.code, &document["kind"], &document["code"]), (2, &"Error".into(), &"no-archive".into()));
    let run = verify(&format!("--archive-dir {}", at.join("nowhere").display()), "");
    assert_snapshot!(shown(at, &run), @"
    exit 2
    error [no-archive]: cannot read the archive BACKUPS/nowhere: not found
    hint: sudo kuberescue archive list
    ");
}

#[test]
fn what_another_program_has_packed_is_named_as_that() {
    let directory = backups();
    let at = directory.path();
    std::fs::rename(at.join("cp-2.tar.xz"), at.join("cp-2.bundle.age")).unwrap();
    std::fs::write(at.join("cp-2.bundle.age"), "-----BEGIN AGE ENCRYPTED FILE-----\n").unwrap();
    let mut told = String::new();
    for name in ["cp-1.tar.xz", "cp-1.tar.zst", "cp-1.tar.bz2", "cp-1.tar.gz.age", "cp-2.bundle.age"] {
        told += &shown(at, &verify(&at.join(name).display().to_string(), ""));
    }
    assert_snapshot!(told, @"
    exit 1
    error [archive-packed]: cannot read the archive BACKUPS/cp-1.tar.xz: compressed with xz
    hint: xz -dk BACKUPS/cp-1.tar.xz
    exit 1
    error [archive-packed]: cannot read the archive BACKUPS/cp-1.tar.zst: compressed with zstd
    hint: zstd -d BACKUPS/cp-1.tar.zst
    exit 1
    error [archive-packed]: cannot read the archive BACKUPS/cp-1.tar.bz2: compressed with bzip2
    hint: bzip2 -dk BACKUPS/cp-1.tar.bz2
    exit 1
    error [archive-packed]: cannot read the archive BACKUPS/cp-1.tar.gz.age: encrypted with age
    hint: age -d -i IDENTITY -o BACKUPS/cp-1.tar.gz BACKUPS/cp-1.tar.gz.age
    exit 1
    error [archive-packed]: cannot read the archive BACKUPS/cp-2.bundle.age: encrypted with age
    hint: sudo kuberescue bundle apply BACKUPS/cp-2.bundle.age
    ");
    let node = Node::of("ecdsa-p256");
    let refused = node.run(&format!("archive restore {} --yes", at.join("cp-1.tar.xz").display()));
    assert_eq!(shown(at, &refused), shown(at, &verify(&at.join("cp-1.tar.xz").display().to_string(), "")));
}

#[test]
fn documents_have_one_shape_for_one_and_for_many() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (good, expired) = (Node::of("ecdsa-p256"), Node::of("expired-all"));
    let first = made(&good, at, "cp-1", "2026-11-20T08:00:00Z");
    made(&expired, at, "cp-2", "2024-11-20T08:00:00Z");
    let broken = made(&good, at, "cp-3", "2026-11-22T08:00:00Z");
    damage::cut(&broken, "etc/kubernetes/pki/apiserver.key");
    let many = verify(&format!("{} -o json", at.display()), "");
    let document = many.json();
    assert_eq!(many.code, 1, "{many}");
    let total = serde_json::json!({"archives": 3, "ready": 1, "recoverable": 1, "notRecoverable": 0, "damaged": 1, "unreadable": 0});
    assert_eq!(document["total"], total);
    let one = verify(&format!("{} -o json", first.display()), "");
    assert_eq!((one.code, &one.json()["items"][0]), (0, &document["items"][0]));
    let yaml = verify(&format!("{} -o yaml", at.display()), "");
    assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&yaml.out).unwrap()["items"], document["items"]);
    let failed = &document["items"][2];
    assert_snapshot!(steady(&serde_json::to_string_pretty(failed).unwrap().replace(at.to_str().unwrap(), "BACKUPS")), @r#"
    {
      "error": {
        "code": "archive-damaged",
        "message": "cannot read the archive BACKUPS/cp-3-TIME.tar.gz: etc/kubernetes/pki/apiserver.key: truncated"
      },
      "path": "BACKUPS/cp-3-TIME.tar.gz"
    }
    "#);
    // One that is damaged is no error without a document.
    let one = verify(&format!("{} -o json", broken.display()), "");
    assert_eq!((one.code, &one.json()["items"][0]), (1, failed));
    one.fails(1, "archive-damaged");
}

#[test]
fn recoverable_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let expired = made(&Node::of("expired-all"), directory.path(), "cp-1", "2024-11-20T08:00:00Z");
    let run = verify(&expired.display().to_string(), "");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains(": RECOVERABLE (with: kuberescue recover)"), "{run}");
}

/// The verdict promises nothing that `archive restore` leaves out.
#[test]
fn a_forged_archive_is_not_ready() {
    let node = Node::of("ecdsa-p256");
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let honest = made(&node, at, "cp-1", "2026-11-20T08:00:00Z");
    let config = String::from_utf8(node.read("/var/lib/kubelet/config.yaml")).unwrap();
    let forged = crate::forged(
        &honest,
        &[
            ('f', "/etc/cron.d/evil", 0o644, "* * * * * root id\n"),
            ('f', "/var/lib/kuberescue/journal.json", 0o600, "{}"),
            ('f', "/var/lib/kubelet/config.yaml", 0o4755, &config),
            ('l', "/etc/kubernetes/x", 0o777, "/etc/cron.d"),
            ('f', "/etc/kubernetes/x/evil", 0o644, "* * * * * root id\n"),
        ],
    );
    let run = verify(&forged.display().to_string(), "");
    assert_snapshot!(shown(at, &run), @"
    exit 1
    BACKUPS/forged.tar.gz: NOT RECOVERABLE (it is not as kuberescue wrote it; not restored: /etc/cron.d/evil and 3 more)
      45 entries, SIZE; every digest matches
      created TIME on node cp-1 (host HOST) by kuberescue 0.1.0: kuberescue archive create
    In the archive, and not restored (4):
      /etc/cron.d/evil: nothing that a kubeadm node's credentials depend on
      /etc/kubernetes/x/evil: /etc/kubernetes/x is a link
      /var/lib/kuberescue/journal.json: kuberescue's own directory
      /var/lib/kubelet/config.yaml: mode 4755: nothing that a file of a node has
    ");
    assert_eq!(
        verify(&format!("{} -o json", forged.display()), "").json()["items"][0]["leftOut"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let run = verify(&at.display().to_string(), "");
    assert_snapshot!(shown(at, &run), @"
    exit 1
    Archives in BACKUPS
    ARCHIVE                        NODE      MADE (UTC)         STATE             WHY
    cp-1-TIME.tar.gz   cp-1      2026-11-20 08:00   READY
    forged.tar.gz                  cp-1      2026-11-20 08:00   NOT RECOVERABLE   it is not as kuberescue wrote it; not restored: /etc/cron.d/evil and 3 more
    2 archives: 1 READY, 1 NOT RECOVERABLE
    hint: kuberescue archive verify BACKUPS/forged.tar.gz
    ");
    for changed in [('f', "/etc/cron.d/evil", 0o644), ('f', "/var/lib/kubelet/config.yaml", 0o2755)] {
        let (kind, path, mode) = changed;
        let forged = crate::forged(&honest, &[(kind, path, mode, &config)]);
        let run = verify(&forged.display().to_string(), "");
        assert!(run.out.contains(": NOT RECOVERABLE (it is not as kuberescue wrote it;"), "{path}\n{run}");
    }
}

/// What is really written of nodes of every kind is restored in full.
#[test]
fn what_is_written_is_not_forged() {
    let directory = tempfile::tempdir().unwrap();
    let trees =
        ["rsa2048", "ecdsa-p256", "expired-all", "expired-ca", "external-ca", "mixed", "v120-expired"];
    let mut nodes: Vec<_> = trees.into_iter().map(Node::of).collect();
    let linked = Node::of("ecdsa-p256");
    linked.rename("/etc/kubernetes", "/opt/k8s");
    linked.link("/etc/kubernetes", "/opt/k8s");
    linked.write("/opt/k8s/notes", "mine");
    nodes.push(linked);
    // Broken files where the manifests name them.
    let elsewhere = Node::of("ecdsa-p256");
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    let flags =
        "    - --encryption-provider-config=/srv/encryption.yaml\n    - --oidc-ca-file=/srv/oidc.crt\n";
    elsewhere.replace(manifest, "    - --etcd-servers", &format!("{flags}    - --etcd-servers"));
    elsewhere.write("/srv/oidc.crt", "garbage");
    elsewhere.write("/srv/encryption.yaml", ENCRYPTION);
    nodes.push(elsewhere);
    for (index, node) in nodes.iter().enumerate() {
        made(node, directory.path(), &format!("cp-{index}"), "2026-11-20T08:00:00Z");
    }
    let document = verify(&format!("{} -o json", directory.path().display()), "").json();
    for item in document["items"].as_array().unwrap() {
        assert!(!item["obstacle"].to_string().contains("not as kuberescue wrote"), "{item:#}");
    }
}

const ENCRYPTION: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n";

#[test]
fn a_terminal_shows_how_far_it_is() {
    use std::io::Read as _;
    let directory = tempfile::tempdir().unwrap();
    let first = made(&Node::of("ecdsa-p256"), directory.path(), "cp-1", "2026-11-20T08:00:00Z");
    for copy in 1..30 {
        std::fs::hard_link(&first, directory.path().join(format!("copy-{copy}.tar.gz"))).unwrap();
    }
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut command = kuberescue();
    command.args(["archive", "verify", "--at", AT, "--root"]).arg(directory.path()).arg(directory.path());
    command.env("TERM", "xterm").stdin(std::process::Stdio::null());
    command.stderr(pty.slave).stdout(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut told = Vec::new();
    // The other side is closed once the program has finished: an error on Linux.
    let _ = std::fs::File::from(pty.master).read_to_end(&mut told);
    let done = child.wait_with_output().unwrap();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(done.status.code(), Some(0), "{told}");
    assert!(told.contains("\r[####################                    ] 15 of 30 archives"), "{told}");
    assert!(told.ends_with("] 30 of 30 archives\r\u{1b}[K"), "{told}");
    assert!(String::from_utf8(done.stdout).unwrap().ends_with("30 archives: 30 READY\n"));
    // Nothing of it where nobody looks.
    assert_eq!(verify(&directory.path().display().to_string(), "").err, "");
}
