//! Hostile trees: things in the place of files, files and directories of any size and number, and ones that change
//! while they are read.

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknod};

use super::common::{Node, PKI, is_root};
use super::measure::{Measured, on_node};
use super::{READING, WRITING};

const FEW: [&str; 5] = [
    "certs check-expiration",
    "recover --dry-run --partial",
    "rollback --dry-run",
    "resume",
    "certs renew all",
];

/// Files that each command reads or uses.
const FILES: [&str; 12] = [
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/apiserver.crt",
    "/etc/kubernetes/pki/etcd/peer.key",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kuberescue",
    "/var/lib/kuberescue/journal.json",
    "/var/lib/kuberescue/lock",
    "/etc/kubernetes/pki",
];

fn run_all(node: &Node, commands: &[&str]) {
    for command in commands {
        on_node(node, command).tame();
    }
}

fn in_the_place_of(inside: &str, make: &dyn Fn(&Path)) -> Node {
    let node = Node::of("ecdsa-p256");
    if node.exists(inside) {
        node.remove(inside);
    }
    let path = node.path(inside);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    make(&path);
    node.settle();
    node
}

#[test]
fn anything_in_the_place_of_a_file() {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let fifo = |path: &Path| nix::unistd::mkfifo(path, mode).unwrap();
    let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    let directory = |path: &Path| std::fs::create_dir_all(path.join("sub/directory")).unwrap();
    // Zeros without an end.
    let device =
        |path: &Path| mknod(path, SFlag::S_IFCHR, mode, makedev(1, 5)).unwrap_or_else(|_| fifo(path));
    let things: [&dyn Fn(&Path); 4] = [&fifo, &socket, &directory, &device];
    for (at, inside) in FILES.iter().enumerate() {
        let thing = things[at % 4];
        run_all(&in_the_place_of(inside, thing), &FEW);
        run_all(&in_the_place_of(inside, things[(at + 1) % 4]), &FEW[..3]);
        let before_and_after = in_the_place_of(inside, things[(at + 2) % 4]);
        let before = before_and_after.state();
        run_all(&before_and_after, &READING[..1]);
        before.assert_identical(&before_and_after.state(), inside);
    }
}

#[test]
fn files_of_any_size() {
    // Nothing is on the disk of these, and all of it could be read for ever.
    for (inside, size) in [
        ("/etc/kubernetes/pki/apiserver.crt", 1_u64 << 42),
        ("/etc/kubernetes/admin.conf", (8 << 20) + 1),
        ("/etc/kubernetes/manifests/etcd.yaml", 8 << 20),
        ("/var/lib/kuberescue/journal.json", 1 << 42),
        ("/var/lib/kuberescue/last.json", 8 << 20),
        ("/var/lib/kuberescue/parked.json", 1 << 20),
        ("/var/lib/kuberescue/lock", 1 << 42),
        ("/var/lib/kuberescue/history.jsonl", 16 << 20),
        ("/var/lib/kuberescue/a.tar.gz", 1 << 42),
    ] {
        let node = Node::of("ecdsa-p256");
        node.write(inside, "x");
        let file = std::fs::File::options().write(true).open(node.path(inside)).unwrap();
        if file.set_len(size).is_err() {
            file.set_len(1 << 33).unwrap();
        }
        node.settle();
        run_all(&node, &FEW);
        run_all(&node, &["archive list", "archive create --dry-run"]);
    }
}

/// As much of a text as fits below the largest size of a file.
fn full(head: &str, part: &str, tail: &str, most: usize) -> String {
    let times = (most - head.len() - tail.len()) / part.len();
    format!("{head}{}{tail}", part.repeat(times))
}

#[test]
fn formats_that_are_full_of_small_things() {
    const MOST: usize = (8 << 20) - 1;
    let old = Node::of("ecdsa-p256");
    let (ca, admin) = (old.text("/etc/kubernetes/pki/ca.crt"), old.text("/etc/kubernetes/admin.conf"));
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    let pod = old.text("/etc/kubernetes/manifests/kube-apiserver.yaml");
    let pod_start = pod.split("    image:").next().unwrap();
    let json = r#"{"format":1,"id":"a","started":"2026-11-23T00:00:00Z","command":"c","archive":null,"direction":"forward","pid":7,"boot":"b","changes":["#;
    let record =
        r#"{"path":"/a","before":{"kind":"absent"},"after":{"kind":"absent"},"stage":".kuberescue-a"},"#;
    for (what, inside, text) in [
        ("a bundle", "/etc/kubernetes/pki/ca.crt", full(&ca, &ca, "", MOST)),
        ("empty blocks", "/etc/kubernetes/pki/front-proxy-ca.crt", full(&ca, empty, "", MOST)),
        (
            "one long block",
            "/etc/kubernetes/pki/apiserver.crt",
            full("-----BEGIN CERTIFICATE-----\n", "MIIBAAAA\n", "-----END CERTIFICATE-----\n", MOST),
        ),
        ("users", "/etc/kubernetes/admin.conf", full(&admin, "- {}\n", "", MOST)),
        ("names of users", "/etc/kubernetes/admin.conf", full(&admin, "- name: a\n", "", MOST)),
        ("long lists in JSON", "/etc/kubernetes/scheduler.conf", full(r#"{"a":["#, "1,", "1]}", MOST)),
        ("brackets", "/etc/kubernetes/scheduler.conf", full("a: ", "[", "", MOST)),
        (
            "anchors",
            "/etc/kubernetes/scheduler.conf",
            full("a: &a [x,x,x,x,x,x,x,x]\n", "b: [*a,*a,*a,*a]\n", "", MOST),
        ),
        ("comments", "/etc/kubernetes/scheduler.conf", full("a: 1\n", "#\n", "", MOST)),
        (
            "arguments",
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            full(pod_start, "    - --a\n", "", MOST),
        ),
        (
            "flags",
            "/etc/kubernetes/manifests/etcd.yaml",
            full("kind: Pod\nspec: {containers: [{command: [", "--a=b,", "x]}]}\n", MOST),
        ),
        (
            "annotations",
            "/etc/kubernetes/manifests/x.yaml",
            full("kind: Pod\nmetadata:\n  annotations:\n", "    ? a\n", "", MOST),
        ),
        ("words", "/var/lib/kubelet/kubeadm-flags.env", full("A=\"", "-a ", "\"\n", MOST)),
        ("keys", "/var/lib/kubelet/config.yaml", full("kind: x\n", "? a\n", "", MOST)),
        ("a journal", "/var/lib/kuberescue/journal.json", full(json, record, "]}", MOST)),
        ("a last change", "/var/lib/kuberescue/last.json", full(json, record, "]}", MOST)),
        (
            "a surplus list",
            "/var/lib/kuberescue/journal.json",
            full(r#"{"format":1,"id":"#, "[1],", "1]}", MOST),
        ),
        (
            "a path of lists",
            "/var/lib/kuberescue/journal.json",
            full(r#"{"changes":[{"path":["#, "1,", "1]}]}", MOST),
        ),
        (
            "a fingerprint of much",
            "/var/lib/kuberescue/journal.json",
            full(r#"{"changes":[{"path":"/a","before":{"kind":"absent""#, r#","a":1"#, "}}]}", MOST),
        ),
    ] {
        let node = Node::of("ecdsa-p256");
        node.write(inside, text);
        for command in ["certs check-expiration", "recover --dry-run --partial", "rollback --dry-run"] {
            let run: Measured = on_node(&node, command);
            let what = format!("{what}: {}", run.what);
            Measured { what, ..run }.tame();
        }
    }
}

/// All that may be read, and all of it of the kind that takes the most room once it is understood.
#[test]
fn everything_at_its_largest_at_once() {
    const MOST: usize = (8 << 20) - 1;
    let node = Node::of("ecdsa-p256");
    for (ca, most) in [("ca.crt", MOST), ("etcd/ca.crt", MOST), ("front-proxy-ca.crt", 5 << 20)] {
        let inside = format!("{PKI}/{ca}");
        let text = node.text(&inside);
        node.write(&inside, full(&text, &text, "", most));
    }
    let text = node.text("/etc/kubernetes/admin.conf");
    node.write("/etc/kubernetes/admin.conf", full(&text, "- {}\n", "", (2 << 20) - 1));
    let json = r#"{"format":1,"id":"a","started":"2026-11-23T00:00:00Z","command":"c","archive":null,"direction":"forward","pid":7,"boot":"b","changes":["#;
    let record =
        r#"{"path":"/a","before":{"kind":"absent"},"after":{"kind":"absent"},"stage":".kuberescue-a"},"#;
    node.write("/var/lib/kuberescue/last.json", full(json, record, "]}", MOST));
    for n in 0..9_500 {
        std::fs::write(node.path(&format!("{PKI}/{n:0150}")), "").unwrap();
    }
    node.settle();
    run_all(&node, READING);
    run_all(&node, &WRITING[..2]);
}

#[test]
fn a_hundred_thousand_files_beside_the_credentials() {
    let node = Node::of("ecdsa-p256");
    for (directory, files) in [
        (PKI, 100_000),
        ("/var/lib/kubelet/pki", 100_000),
        ("/home", 10_000),
        ("/var/lib/kuberescue", 30_000),
    ] {
        std::fs::create_dir_all(node.path(directory)).unwrap();
        let mut first = node.path(&format!("{directory}/junk-0.tar.gz"));
        std::fs::write(&first, "x").unwrap();
        for n in 1..files {
            // A name more is cheaper than a file more, as long as the file system lets it have one.
            let name = node.path(&format!("{directory}/junk-{n}.crt"));
            if std::fs::hard_link(&first, &name).is_err() {
                std::fs::write(&name, "x").unwrap();
                first = name;
            }
        }
    }
    run_all(&node, READING);
    run_all(&node, &WRITING[..2]);
}

#[test]
fn directories_of_any_depth() {
    let node = Node::of("ecdsa-p256");
    // Two thousand short names, and as many long ones as are read: no path in one piece leads there.
    let here = Mode::S_IRWXU;
    for (start, name, levels) in
        [(PKI, "d".to_owned(), 1900), ("/etc/kubernetes/manifests", "l".repeat(250), 70)]
    {
        let mut at = std::fs::File::open(node.path(start)).unwrap();
        for level in 0..levels {
            mkdirat(&at, name.as_str(), here).unwrap();
            let flags = nix::fcntl::OFlag::O_DIRECTORY;
            let next = nix::fcntl::openat(&at, name.as_str(), flags, Mode::empty()).unwrap();
            at = next.into();
            if level == 60 {
                // The longest paths there are, again and again.
                for n in 0..3000 {
                    let flags = nix::fcntl::OFlag::O_CREAT;
                    nix::fcntl::openat(&at, format!("f{n}").as_str(), flags, here).unwrap();
                }
            }
        }
    }
    // The node is whole all the same, but for what can't be archived.
    for command in READING.iter().chain(&WRITING[..2]) {
        on_node(&node, command).tame();
    }
    // Deeper than the removal of the temporary directory has handles.
    assert!(std::process::Command::new("rm").arg("-rf").arg(node.path("/etc")).status().unwrap().success());
}

#[test]
fn extended_attributes_do_not_add_up() {
    if !is_root() {
        return super::common::skip("only root may set these attributes");
    }
    let node = Node::of("ecdsa-p256");
    for n in 0..3000 {
        let inside = node.path(&format!("{PKI}/x{n}"));
        std::fs::write(&inside, "").unwrap();
        if xattr::set(&inside, "trusted.a", &[b'x'; 3000]).is_err() {
            return super::common::skip("this file system has no such attributes");
        }
    }
    node.settle();
    run_all(&node, READING);
}

#[test]
fn what_changes_while_it_is_read() {
    let node = Node::of("ecdsa-p256");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let grows = |inside: &str| {
                let options = std::fs::File::options().append(true).create(true).mode(0o600).to_owned();
                options.open(node.path(inside)).unwrap()
            };
            use std::io::Write as _;
            let (mut log, mut leaf) =
                (grows("/etc/kubernetes/pki/grows"), grows("/etc/kubernetes/pki/sa.pub"));
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                log.write_all(&[b'x'; 4096]).unwrap();
                leaf.write_all(b"\n").unwrap();
                let (directory, file) =
                    (node.path(&format!("{PKI}/comes-{n}")), node.path("/etc/kubernetes/pki/goes"));
                std::fs::create_dir(&directory).unwrap();
                std::fs::write(&file, "x").unwrap();
                std::fs::remove_dir(&directory).unwrap();
                std::fs::remove_file(&file).unwrap();
            }
        });
        let runs = (0..3).flat_map(|_| READING[..8].iter().chain(&WRITING[..1]).copied());
        let found =
            std::panic::catch_unwind(|| runs.for_each(|command| drop(on_node(&node, command).tame())));
        done.store(true, Ordering::Relaxed);
        found.unwrap();
    });
}

#[test]
fn a_root_that_disappears() {
    for round in 0..12 {
        let node = Node::of("ecdsa-p256");
        std::fs::set_permissions(node.root(), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(round * 2));
                let _ = std::fs::remove_dir_all(node.path("/etc"));
                let _ = std::fs::remove_dir_all(node.path("/var"));
            });
            let command =
                READING.iter().chain(&WRITING[..2]).nth(round as usize % (READING.len() + 2)).unwrap();
            on_node(&node, command).tame();
        });
    }
}
