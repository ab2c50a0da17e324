//! The binary that is copied onto a node: static, small, and at work where there is nothing but itself.
//!
//! `KUBERESCUE_STATIC` names it (`make test` builds and sets it). Without the variable nothing is tested here: said
//! loudly on a developer's machine, a failure in CI.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use tempfile::TempDir;

/// The goal for the whole tool.
const LARGEST: u64 = 11 << 20;

/// After the newest file of the tree (2026-11-23), before anything new would end.
const NOW: &str = "2026-11-25T00:00:00Z";
/// A year of 365 days later, in kubeadm's words.
const A_YEAR_LATER: &str = "Nov 25, 2027 00:00 UTC";

#[test]
fn is_static_and_stripped() {
    let Some(binary) = static_binary() else { return };
    let elf = Elf::read(&binary);
    assert!(!elf.has_interpreter(), "{} asks for a dynamic loader", binary.display());
    assert_eq!(elf.libraries_needed(), 0, "{} needs shared libraries", binary.display());
    assert!(!elf.has_symbols(), "{} is not stripped", binary.display());
}

#[test]
fn is_small() {
    let Some(binary) = static_binary() else { return };
    let size = fs::metadata(&binary).expect("the static binary").len();
    assert!(size <= LARGEST, "{} has {size} bytes, the limit is {LARGEST}", binary.display());
}

#[test]
fn shows_an_expired_node_in_an_empty_chroot() {
    let Some(chroot) = Chroot::with("expired-all") else { return };
    let output = chroot.run(&["certs", "check-expiration", "--root", "/node", "--at", NOW]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));

    // Expired leaves look the same at any later time: kubeadm's own table, byte for byte.
    let expected = expected("expired-all/check.text");
    let leaves = expected.split("\n\n").next().expect("kubeadm's first table");
    let stdout = stdout(&output);
    assert!(stdout.starts_with(leaves), "expected to begin with\n{leaves}\n{}", shown(&output));
    assert!(stdout.contains("\nCERTIFICATE AUTHORITY   EXPIRES "), "{}", shown(&output));
}

#[test]
fn recovers_an_expired_node_in_an_empty_chroot() {
    let Some(chroot) = Chroot::with("expired-all") else { return };
    let output = chroot.run(&["recover", "--root", "/node", "--yes", "--at", NOW]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));

    let output = chroot.run(&["certs", "check-expiration", "--root", "/node", "--at", NOW]);
    let stdout = stdout(&output);
    for &name in KUBEADM_LEAVES {
        let row = stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        let row = row.unwrap_or_else(|| panic!("no row for {name}\n{}", shown(&output)));
        assert!(row.contains(A_YEAR_LATER), "{name} was not renewed: {row}\n{}", shown(&output));
    }
    // The kubelet's own serving certificate has expired in this tree as well, and only the kubelet makes a new one:
    // it may be what is left to find, under the heading that follows kubeadm's two tables.
    let kubeadm_tables = stdout.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n");
    assert!(!kubeadm_tables.contains("<invalid>"), "{}", shown(&output));
    match output.status.code() {
        Some(0) => {}
        Some(1) => assert!(stdout[kubeadm_tables.len()..].contains("kubelet"), "{}", shown(&output)),
        _ => panic!("{}", shown(&output)),
    }

    let key = chroot.path("node/etc/kubernetes/pki/apiserver.key");
    let mode = fs::metadata(&key).expect("the new key").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{}", key.display());
    assert_eq!(chroot.names(), ["kuberescue", "node"], "something was written outside of the node's root");
}

const KUBEADM_LEAVES: &[&str] = &[
    "admin.conf",
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "controller-manager.conf",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
    "front-proxy-client",
    "scheduler.conf",
    "super-admin.conf",
];

// ---------------------------------------------------------------------------------------------------------------

fn static_binary() -> Option<PathBuf> {
    let Some(path) = std::env::var_os("KUBERESCUE_STATIC").filter(|path| !path.is_empty()) else {
        not_run("KUBERESCUE_STATIC is not set; `make test` builds the static binary and sets it");
        return None;
    };
    let path = PathBuf::from(path);
    assert!(path.is_file(), "KUBERESCUE_STATIC is {}, and no file is there", path.display());
    Some(path)
}

/// A test that is left out must not look like one that passed.
fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI this has to run, but {why}");
    // Not eprintln!, which the test runner hides when a test passes.
    let name = std::thread::current().name().unwrap_or("static_binary").to_owned();
    let _ = writeln!(std::io::stderr(), "\n*** NOT RUN: {name}: {why}");
}

/// A directory with the static binary and an unpacked node in it, and nothing else: no libc, /etc, /proc or /tmp.
struct Chroot {
    directory: TempDir,
}

impl Chroot {
    fn with(node: &str) -> Option<Self> {
        let binary = static_binary()?;
        if !nix::unistd::geteuid().is_root() {
            not_run("chroot needs root");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::copy(&binary, directory.path().join("kuberescue")).expect("a copy of the static binary");
        let packed = File::open(testdata(&format!("nodes/{node}.tar.gz"))).expect("a node tree in testdata/");
        let mut archive = tar::Archive::new(GzDecoder::new(packed));
        archive.set_preserve_permissions(true);
        archive.unpack(directory.path().join("node")).expect("the node tree unpacks");
        date_back(&directory.path().join("node"));
        Some(Self { directory })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("chroot")
            .arg(self.directory.path())
            .arg("/kuberescue")
            .args(arguments)
            .env_remove("RUST_BACKTRACE")
            .output()
            .expect("the chroot command")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("the chroot's directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn testdata(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(below)
}

fn expected(below: &str) -> String {
    fs::read_to_string(testdata("expected").join(below)).expect("what kubeadm printed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn shown(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{}\n--- stdout\n{}\n--- stderr\n{stderr}", output.status, stdout(output))
}

// ---------------------------------------------------------------------------------------------------------------

/// As much of a little-endian 64-bit ELF file as the question needs (System V ABI, "Object Files").
struct Elf {
    bytes: Vec<u8>,
}

impl Elf {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("an executable");
        assert_eq!(bytes[..6], [0x7f, b'E', b'L', b'F', 2, 1], "a little-endian 64-bit ELF file");
        Self { bytes }
    }

    fn has_interpreter(&self) -> bool {
        const PT_INTERP: u64 = 3;
        self.program_headers().any(|header| self.number(header, 4) == PT_INTERP)
    }

    fn libraries_needed(&self) -> usize {
        const PT_DYNAMIC: u64 = 2;
        const DT_NEEDED: u64 = 1;
        let dynamic = self.program_headers().filter(|header| self.number(*header, 4) == PT_DYNAMIC);
        dynamic
            .flat_map(|header| {
                let (offset, size) = (self.offset(header + 8), self.offset(header + 32));
                (offset..offset + size).step_by(16)
            })
            .filter(|entry| self.number(*entry, 8) == DT_NEEDED)
            .count()
    }

    fn has_symbols(&self) -> bool {
        const SHT_SYMTAB: u64 = 2;
        self.headers(0x28, 0x3a).any(|header| self.number(header + 4, 4) == SHT_SYMTAB)
    }

    fn program_headers(&self) -> impl Iterator<Item = usize> {
        self.headers(0x20, 0x36)
    }

    /// Where each header of a table begins: the table's offset stands at `offset`, then size and number of entries.
    fn headers(&self, offset: usize, size: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, size, count) = (self.offset(offset), self.number(size, 2), self.number(size + 2, 2));
        (0..count).map(move |n| first + usize::try_from(n * size).expect("a small table"))
    }

    fn offset(&self, at: usize) -> usize {
        usize::try_from(self.number(at, 8)).expect("an offset inside the file")
    }

    fn number(&self, at: usize, length: usize) -> u64 {
        self.bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The reader itself, on a file known to be the opposite: this test is linked to the C library.
#[test]
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
fn tells_a_dynamic_binary() {
    let elf = Elf::read(&std::env::current_exe().expect("this test's own file"));
    assert!(elf.has_interpreter());
    assert!(elf.libraries_needed() > 0);
    assert!(elf.has_symbols());
}

/// Unpacking dates directories to today; the story is told of another day.
fn date_back(directory: &Path) {
    // 2026-11-23T22:30:00Z, after the trees were made.
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_473_000);
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        if entry.file_type().expect("a kind").is_dir() {
            date_back(&entry.path());
        }
    }
    File::open(directory).and_then(|open| open.set_modified(then)).expect("a date");
}
