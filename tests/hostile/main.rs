//! Hostile disks and archives: whatever lies on them, a command ends soon, in little memory, with an exit code and a
//! hint, prints only what a terminal may show, and touches nothing outside of its root.
//!
//! Each command runs below a process of its own (the ignored test here), which is asked how much memory it took.

mod archives;
#[path = "../common/mod.rs"]
mod common;
mod links;
mod measure;
mod properties;
mod read_only;
mod tar_made;
mod terminal;
mod trees;

/// Commands that read a node and change nothing, on a root. Each must be silent to the file system: `read_only`.
pub const READING: &[&str] = &[
    "certs check-expiration",
    "certs check-expiration -o wide",
    "certs check-expiration -o json",
    "certs renew all --dry-run",
    "certs renew all --dry-run -o json --partial --accept-clock",
    "recover --dry-run",
    "recover --dry-run --partial --accept-clock",
    "resume --dry-run",
    "rollback --dry-run",
    "archive list",
    "archive create --dry-run",
    "diagnose",
    "diagnose -v -o json --horizon 2y",
    "diagnose -o html",
    "diagnose -o prometheus",
    "diagnose --trust",
    "diagnose -o dot",
    "diagnose --timeline",
    "probe",
    "kubeconfig new --break-glass --dry-run",
    "kubeconfig new --for-node --dry-run -o json",
];

/// Commands that read an archive of a node, given with `--root`.
pub const READING_ARCHIVES: &[&str] = &[
    "certs check-expiration",
    "certs check-expiration -o json",
    "diagnose -v",
    "diagnose -o json",
    "diagnose --timeline -o json",
    "diagnose -o mermaid",
];

/// Commands that read an archive, given as the last word.
pub const VERIFYING: &[&str] = &["archive verify", "archive verify -o json"];

/// Commands that hold an archive, given as the last word, against this machine.
pub const COMPARING: &[&str] = &["archive diff", "archive restore --dry-run"];

/// Commands that change a node.
pub const WRITING: &[&str] =
    &["certs renew all", "recover --yes --restart=none", "archive create", "kubeconfig new --break-glass"];

/// Not a test: the process whose only child is a measured run.
#[test]
#[ignore = "run by the other tests"]
fn measured_run() {
    measure::inner();
}
