//! What `make dist` has made: each file is what its name says, and the binary of the other architecture works as well.
//!
//! `KUBERESCUE_DIST` names the directory (`make dist` sets it). lintian judges the packages, qemu's user mode runs the
//! binary for aarch64.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Node, Run, run};
use serde_json::Value;

const AT: &str = "2026-11-25T00:00:00Z";
const X86_64: &str = "kuberescue-x86_64-linux";
const AARCH64: &str = "kuberescue-aarch64-linux";
const LARGEST: u64 = 11 << 20;

fn dist() -> PathBuf {
    std::env::var_os("KUBERESCUE_DIST").expect("KUBERESCUE_DIST: make dist sets it").into()
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dist());
    command
}

fn must(program: &str, arguments: &[&str]) -> Run {
    let done = run(command(program, arguments));
    assert_eq!(done.code, 0, "{program} {arguments:?}: {done}");
    done
}

fn files(below: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.strip_prefix(dist()).unwrap().display().to_string());
        }
    }
}

#[test]
#[ignore = "needs a release: make dist"]
fn every_file_has_its_sum() {
    let sums = must("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    let summed: BTreeSet<String> =
        sums.out.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect();
    let mut there = BTreeSet::new();
    files(&dist(), &mut there);
    there.remove("SHA256SUMS");
    assert_eq!(summed, there);
    for name in [X86_64, AARCH64, "completions/kuberescue", "man/kuberescue-recover.1", "kuberescue.cdx.json"]
    {
        assert!(there.contains(name), "{name}: {there:?}");
    }
}

/// The same run of the binary for either architecture, each on a node of its own.
fn on_both(node: &[Node; 2], arguments: &[&str]) -> [Run; 2] {
    let of = |program: &str, first: &[&str], node: &Node| {
        let mut command = command(program, first);
        command.args(arguments).arg("--root").arg(node.root());
        run(command)
    };
    let [one, other] = node;
    let binary = dist().join(AARCH64);
    [
        of(&dist().join(X86_64).display().to_string(), &[], one),
        of("qemu-aarch64", &[binary.to_str().unwrap()], other),
    ]
}

#[test]
#[ignore = "needs a release: make dist"]
fn the_other_architecture_says_and_does_the_same() {
    for name in [X86_64, AARCH64] {
        let size = std::fs::metadata(dist().join(name)).unwrap().len();
        assert!(size <= LARGEST, "{name} has {size} bytes, the limit is {LARGEST}");
    }
    let nodes = [Node::of("expired-all"), Node::of("expired-all")];
    let same = |arguments: &[&str], code: i32| {
        let [one, other] = on_both(&nodes, arguments);
        assert_eq!(one.code, code, "{arguments:?}: {one}");
        assert_eq!(other.code, code, "{arguments:?}: {other}");
        (one.out, other.out)
    };
    let (one, other) = same(&["certs", "check-expiration", "--at", AT], 1);
    assert!(one.contains("<invalid>"), "{one}");
    assert_eq!(one, other);
    same(&["recover", "--yes", "--at", AT], 0);
    let (one, other) = same(&["certs", "check-expiration", "--at", AT], 0);
    assert!(!other.contains("<invalid>"), "{other}");
    assert_eq!(one, other);
    // The archive of the old state: with `recover` it is a node again.
    let (_, archives) = same(&["archive", "verify", "--at", AT], 1);
    assert!(archives.contains("RECOVERABLE"), "{archives}");
    let pki = nodes[1].path("/etc/kubernetes/pki");
    let [ca, leaf] = ["ca.crt", "apiserver.crt"].map(|name| pki.join(name).display().to_string());
    must("openssl", &["verify", "-CAfile", &ca, "-attime", "1795651200", &leaf]);
}

#[test]
#[ignore = "needs a release: make dist"]
fn a_package_holds_the_binary_and_lintian_finds_no_error() {
    let mut there = BTreeSet::new();
    files(&dist(), &mut there);
    for (arch, binary) in [("amd64", X86_64), ("arm64", AARCH64)] {
        let package = there.iter().find(|name| name.ends_with(&format!("_{arch}.deb"))).unwrap();
        must("lintian", &["--fail-on", "error", package]);
        let unpacked = tempfile::tempdir().unwrap();
        must("dpkg-deb", &["-x", package, unpacked.path().to_str().unwrap()]);
        let inside = |path: &str| std::fs::read(unpacked.path().join(path)).unwrap();
        assert!(inside("usr/bin/kuberescue") == std::fs::read(dist().join(binary)).unwrap());
        assert!(!inside("usr/share/man/man1/kuberescue-recover.1.gz").is_empty());
        assert!(!inside("usr/share/bash-completion/completions/kuberescue").is_empty());
    }
}

#[test]
#[ignore = "needs a release: make dist"]
fn the_bill_of_materials_names_what_is_in_the_binary() {
    let bill = std::fs::read(dist().join("kuberescue.cdx.json")).unwrap();
    let bill: Value = serde_json::from_slice(&bill).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["name"], "kuberescue");
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["x509-parser", "rcgen", "ring", "walkdir", "tar", "flate2", "clap", "nix"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    // For tests alone.
    assert!(!names.contains("insta"), "{names:?}");
}
