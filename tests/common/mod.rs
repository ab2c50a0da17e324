//! What the stories about the command line have in common: a node to work on, the program, openssl.
//!
//! A node is a tree of `testdata/nodes` in a temporary directory. Its files are as old as when they were packed,
//! and every file that a story writes is dated the same, so that no story depends on the day it is told: the
//! present time is always [`NOW`], given with `--at`.
#![allow(dead_code, reason = "each story uses a part of it")]

pub mod desk;
pub mod mounted;
pub mod screen;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tempfile::TempDir;

/// The present time of every story: some hours after the trees were made, all healthy ones still valid.
pub const NOW: &str = "2026-11-24T00:00:00Z";
/// The date of files that a story writes, 2026-11-23T22:30:00Z.
const WRITTEN: i64 = 1_795_473_000;

/// The trees in which everything can be renewed.
pub const RENEWABLE: [&str; 5] = ["rsa2048", "ecdsa-p256", "expired-all", "v120-expired", "mixed"];

pub const PKI: &str = "/etc/kubernetes/pki";

/// A key pair of age that is used for nothing else.
pub const AGE_IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
pub const AGE_RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/// A leaf in a pair of files: kubeadm's name, its file below the PKI directory, its authority's, and
/// what openssl must find it good for.
pub struct Pair {
    pub name: &'static str,
    pub base: &'static str,
    pub authority: &'static str,
    pub purposes: &'static [&'static str],
}

const fn pair(
    name: &'static str,
    base: &'static str,
    authority: &'static str,
    purposes: &'static [&'static str],
) -> Pair {
    Pair { name, base, authority, purposes }
}

pub const PAIRS: [Pair; 7] = [
    pair("apiserver", "apiserver", "ca", &["sslserver"]),
    pair("apiserver-etcd-client", "apiserver-etcd-client", "etcd/ca", &["sslclient"]),
    pair("apiserver-kubelet-client", "apiserver-kubelet-client", "ca", &["sslclient"]),
    pair("etcd-healthcheck-client", "etcd/healthcheck-client", "etcd/ca", &["sslclient"]),
    pair("etcd-peer", "etcd/peer", "etcd/ca", &["sslserver", "sslclient"]),
    pair("etcd-server", "etcd/server", "etcd/ca", &["sslserver", "sslclient"]),
    pair("front-proxy-client", "front-proxy-client", "front-proxy-ca", &["sslclient"]),
];

pub const KUBECONFIGS: [&str; 4] =
    ["admin.conf", "controller-manager.conf", "scheduler.conf", "super-admin.conf"];

impl Pair {
    pub fn certificate(&self) -> String {
        format!("{PKI}/{}.crt", self.base)
    }

    pub fn key(&self) -> String {
        format!("{PKI}/{}.key", self.base)
    }

    pub fn authority(&self) -> String {
        format!("{PKI}/{}.crt", self.authority)
    }
}

pub fn pair_named(name: &str) -> &'static Pair {
    PAIRS.iter().find(|pair| pair.name == name).unwrap()
}

/// The tree's archive in `testdata/nodes`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/nodes/{name}.tar.gz"))
}

/// The files of a tree of `testdata/nodes`, by path.
pub fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(fixture(name)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let path = format!("/{}", entry.path().unwrap().strip_prefix(".").unwrap().display());
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

/// Unpacks an archive, dates and modes included. Only root can keep its `owners`.
pub fn unpack(archive: &Path, into: &Path, owners: bool) {
    let file = std::fs::File::open(archive).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    archive.set_preserve_mtime(true);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(owners);
    archive.unpack(into).unwrap();
}

/// What kubeadm printed on that tree.
pub fn expected(name: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/expected/{name}/{file}"));
    std::fs::read_to_string(path).unwrap()
}

/// A node's root directory, gone when dropped.
pub struct Node {
    directory: TempDir,
}

impl Node {
    /// A copy of a tree of `testdata/nodes`, dates included.
    pub fn of(name: &str) -> Self {
        Self::empty().filled(name)
    }

    /// An empty node in this directory.
    pub fn within(directory: TempDir) -> Self {
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    /// With a tree of `testdata/nodes`.
    pub fn filled(self, name: &str) -> Self {
        self.unpacked(&fixture(name), false)
    }

    /// With the tree of an archive. Only root can keep its `owners`.
    pub fn unpacked(self, archive: &Path, owners: bool) -> Self {
        unpack(archive, self.root(), owners);
        self.settle();
        self
    }

    /// An empty directory that everyone may enter.
    pub fn empty() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where a path of the node is on this machine.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root().join(inside.trim_start_matches('/'))
    }

    pub fn read(&self, inside: &str) -> Vec<u8> {
        std::fs::read(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    pub fn text(&self, inside: &str) -> String {
        String::from_utf8(self.read(inside)).unwrap()
    }

    pub fn mode(&self, inside: &str) -> u32 {
        std::fs::symlink_metadata(self.path(inside)).unwrap().mode() & 0o7777
    }

    pub fn exists(&self, inside: &str) -> bool {
        self.path(inside).symlink_metadata().is_ok()
    }

    /// Writes a file, with its directories; mode 0600 where it is new.
    pub fn write(&self, inside: &str, bytes: impl AsRef<[u8]>) {
        use std::io::Write as _;
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file =
            std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        drop(file);
        self.settle();
    }

    /// Changes every occurrence of `from` in a file, which must have one.
    pub fn replace(&self, inside: &str, from: &str, to: &str) {
        let text = self.text(inside);
        assert!(text.contains(from), "{inside} has no {from}");
        self.write(inside, text.replace(from, to));
    }

    pub fn remove(&self, inside: &str) {
        let path = self.path(inside);
        if path.symlink_metadata().unwrap().is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        self.settle();
    }

    pub fn rename(&self, from: &str, to: &str) {
        let to = self.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.path(from), to).unwrap();
        self.settle();
    }

    pub fn link(&self, inside: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(inside)).unwrap();
        self.settle();
    }

    /// Dates everything that is newer than the trees themselves back to [`WRITTEN`].
    pub fn settle(&self) {
        walk(self.root(), &mut |path, metadata| {
            if metadata.mtime() > WRITTEN {
                let time = TimeSpec::new(WRITTEN, 0);
                let here = nix::fcntl::AT_FDCWD;
                utimensat(here, path, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
            }
        });
    }

    /// Everything that is below the root.
    pub fn state(&self) -> State {
        let mut entries = BTreeMap::new();
        walk(self.root(), &mut |path, metadata| {
            let kind = metadata.file_type();
            let content = if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(path).unwrap().display()).into_bytes()
            } else if kind.is_file() && metadata.len() < 1 << 20 {
                std::fs::read(path).unwrap_or_default()
            } else {
                metadata.len().to_le_bytes().into()
            };
            let inside = format!("/{}", path.strip_prefix(self.root()).unwrap().display());
            let entry = Entry {
                directory: kind.is_dir(),
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                mtime: (metadata.mtime(), metadata.mtime_nsec()),
                content: if kind.is_dir() { Vec::new() } else { content },
            };
            entries.insert(inside, entry);
        });
        State(entries)
    }

    /// Runs the program on this node, at [`NOW`] where the command has a time.
    pub fn run(&self, arguments: &str) -> Run {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let timeless = ["resume", "rollback"].contains(&words[0]) || words[0] == "archive";
        let at = if timeless || words.contains(&"--at") { "" } else { NOW };
        self.run_as_given(&if at.is_empty() {
            arguments.to_owned()
        } else {
            format!("{arguments} --at {at}")
        })
    }

    /// Runs the program on this node.
    pub fn run_as_given(&self, arguments: &str) -> Run {
        let mut command = kuberescue();
        command.args(arguments.split_whitespace()).arg("--root").arg(self.root());
        run(command)
    }

    /// Runs a command that must end with exit code 0.
    pub fn must(&self, arguments: &str) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments}\n{run}");
        run
    }

    /// Takes the keys of two CAs away, to `/elsewhere`, and lets them sign what the node needs: requests and certificates are
    /// in `/usb`.
    pub fn sign_elsewhere(&self) {
        for ca in ["ca", "etcd/ca"] {
            self.rename(&format!("{PKI}/{ca}.key"), &format!("/elsewhere/{ca}.key"));
            self.write(&format!("/elsewhere/{ca}.crt"), self.read(&format!("{PKI}/{ca}.crt")));
        }
        let [usb, cas] = ["/usb", "/elsewhere"].map(|path| self.path(path).display().to_string());
        self.must(&format!("csr export {usb}"));
        let mut sign = kuberescue();
        sign.args(["csr", "sign", &usb, "--ca", &cas, "--yes", "--at", NOW]);
        let signed = run(sign);
        assert_eq!(signed.code, 0, "{signed}");
        self.settle();
    }

    /// Makes a bundle with all certificates of this node, in `/usb`, beside what decrypts it.
    pub fn make_bundle(&self) {
        self.write("/usb/id", AGE_IDENTITY);
        let (root, out) = (self.root().display(), self.path("/usb/cp-1.bundle.age"));
        let create = format!("bundle create --node cp-1 --from {root} --recipient {AGE_RECIPIENT}");
        self.must(&format!("{create} --out {}", out.display()));
        self.remove("/var/lib/kuberescue");
        self.settle();
    }

    /// Asserts that a command is refused with this code for a reason of safety, says what to do next, and
    /// leaves the node as it was.
    pub fn refuses(&self, arguments: &str, code: &str) -> Run {
        let before = self.state();
        let run = self.run(arguments);
        run.fails(5, code);
        before.assert_same(&self.state(), arguments);
        run
    }
}

/// What was below a root at a time.
#[derive(Clone, PartialEq, Eq)]
pub struct State(BTreeMap<String, Entry>);

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    directory: bool,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    content: Vec<u8>,
}

impl State {
    /// The paths that differ, in order, by anything but a directory's date. What kuberescue keeps for itself
    /// (its lock, its journal, archives) is left out.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let own = |path: &&String| {
            !path.starts_with("/var/lib/kuberescue") && *path != "/var" && *path != "/var/lib"
        };
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).filter(own).collect();
        let undated = |entry: &Entry| {
            let mut entry = entry.clone();
            if entry.directory {
                entry.mtime = (0, 0);
            }
            entry
        };
        let differs = |path: &&String| self.0.get(*path).map(undated) != other.0.get(*path).map(undated);
        paths.into_iter().filter(differs).cloned().collect()
    }

    /// The paths that differ by anything, what kuberescue keeps for itself included.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let paths: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path)).cloned().collect()
    }

    pub fn assert_same(&self, other: &Self, what: &str) {
        assert_eq!(self.changed(other), Vec::<String>::new(), "{what}: these changed");
    }

    /// Nothing differs, dates of directories and kuberescue's own files included.
    pub fn assert_identical(&self, other: &Self, what: &str) {
        assert_eq!(self.differing(other), Vec::<String>::new(), "{what}: these changed");
    }
}

fn walk(path: &Path, visit: &mut dyn FnMut(&Path, &std::fs::Metadata)) {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    if metadata.is_dir() {
        let mut names: Vec<_> =
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        names.sort();
        for name in names {
            walk(&name, visit);
        }
    }
    visit(path, &metadata);
}

/// How a run of a program finished.
#[derive(Debug)]
pub struct Run {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Run {
    /// Asserts that it finished with this exit code and this error, with a hint.
    pub fn fails(&self, exit: i32, code: &str) -> &Self {
        assert_eq!(self.code, exit, "{self}");
        let told = |start: &str| self.err.lines().any(|line| line.starts_with(start));
        assert!(told(&format!("error [{code}]: ")) && told("hint: "), "[{code}] is expected\n{self}");
        self
    }

    /// The result as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

/// The program under test.
pub fn kuberescue() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kuberescue"))
}

/// Runs a command with nobody at the terminal.
pub fn run(mut command: Command) -> Run {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(!text(&done.stderr).contains("panicked"), "{command:?}\n{}", text(&done.stderr));
    Run { out: text(&done.stdout), err: text(&done.stderr), code: done.status.code().unwrap_or(-1) }
}

/// openssl's answer to a command line, with `input` to read.
pub fn openssl(arguments: &str, input: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is needed: make deps");
    let mut stdin = child.stdin.take().unwrap();
    // It may have read enough before the end.
    let _ = stdin.write_all(input);
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "openssl {arguments}\n{out}\n{err}");
    out.into_owned()
}

/// What a certificate says, without what renewing changes: serial, dates, key, key identifiers, signature.
pub fn kept_fields(certificate: &[u8]) -> String {
    let text = openssl(
        "x509 -noout -text -nameopt RFC2253 -certopt no_serial,no_validity,no_pubkey,no_sigdump",
        certificate,
    );
    let mut kept = String::new();
    let mut skipping = false;
    for line in text.lines() {
        let deep = line.starts_with("                ");
        // The subject's identifier is that of its key; kubeadm's leaves have none.
        let identifier = ["X509v3 Authority Key Identifier", "X509v3 Subject Key Identifier"]
            .iter()
            .any(|name| line.contains(name));
        skipping = identifier || (skipping && deep);
        if !skipping {
            let _ = writeln!(kept, "{line}");
        }
    }
    kept
}

/// What a certificate says of itself to others: subject, names, purposes; not in which order or how critical.
pub fn identity(certificate: &[u8]) -> String {
    let mut text = openssl("x509 -noout -subject -nameopt RFC2253", certificate);
    for extension in ["subjectAltName", "extendedKeyUsage", "keyUsage", "basicConstraints"] {
        text.push_str(&openssl(&format!("x509 -noout -ext {extension}"), certificate));
    }
    text
}

pub fn end_of(certificate: &[u8]) -> String {
    openssl("x509 -noout -enddate -dateopt iso_8601", certificate).trim().replace("notAfter=", "")
}

pub fn start_of(certificate: &[u8]) -> String {
    openssl("x509 -noout -startdate -dateopt iso_8601", certificate).trim().replace("notBefore=", "")
}

pub fn public_key_of_certificate(certificate: &[u8]) -> String {
    openssl("x509 -noout -pubkey", certificate)
}

pub fn public_key_of_key(key: &[u8]) -> String {
    openssl("pkey -pubout", key)
}

/// The value of a field of a kubeconfig that stands on one line, decoded.
pub fn embedded(kubeconfig: &str, field: &str) -> Vec<u8> {
    let start =
        kubeconfig.find(&format!("{field}: ")).unwrap_or_else(|| panic!("no {field}")) + field.len() + 2;
    let value = kubeconfig[start..].lines().next().unwrap().trim().trim_matches('"');
    base64::engine::general_purpose::STANDARD.decode(value).unwrap()
}

pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// What base64 stands for.
pub fn decoded(base64: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}

/// A database of a real etcd: testdata/etcd/README.md.
pub fn etcd_database(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/etcd/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Certificate and key in a kubeconfig.
pub fn credential(kubeconfig: &str) -> (Vec<u8>, Vec<u8>) {
    (embedded(kubeconfig, "client-certificate-data"), embedded(kubeconfig, "client-key-data"))
}

/// `$KUBECTL`, what `make deps` installs, or the machine's own.
pub fn kubectl() -> Option<PathBuf> {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/kubectl");
    let named = std::env::var_os("KUBECTL").map(PathBuf::from);
    let candidates = named.into_iter().chain([installed, PathBuf::from("kubectl")]);
    candidates.into_iter().find(|path| {
        Command::new(path).args(["version", "--client"]).output().is_ok_and(|done| done.status.success())
    })
}

/// Puts a copy of the program there. Another thread's child would keep a file busy that this process had open for writing.
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_kuberescue")).arg(to).status();
    assert!(copied.unwrap().success());
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A part of a story that this machine can't play: in CI that is a failure, elsewhere it is said loudly.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "not possible here: {why}");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("\n*** SKIPPED {name}: {why} ***\n");
}

/// The codes that the check of a kubeconfig can give, by its sources: the names of `Code` there, as they are printed.
pub fn codes_of_kubeconfigs() -> BTreeSet<String> {
    let source = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/analysis").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let table = source("../state/code/mod.rs");
    let printed = |name: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(&format!("{name} \"")));
        line.and_then(|line| line.split('"').nth(1))
            .unwrap_or_else(|| panic!("{name} is in no table"))
            .to_owned()
    };
    // Those of a connection are the faults that every command has.
    let files = ["workstation/mod.rs", "workstation/credential.rs", "../live/fault.rs"].map(source);
    let named = files.iter().flat_map(|text| text.split("Code::").skip(1));
    let codes: BTreeSet<_> = named
        .map(|rest| printed(rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()))
        .collect();
    assert!(codes.len() > 15, "{codes:?}");
    codes
}
