//! One table of all commands: JSON and YAML hold the same value, with the envelope, in camelCase; an error is a document.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use kuberescue::cli::Cli;
use serde_json::Value;

use crate::common::NOW;
use crate::world::World;

pub struct Case {
    /// As it is found in the parser.
    pub command: &'static str,
    pub arguments: &'static str,
    /// The kind of its document; `kubeadm's` stays as kubeadm has it.
    pub kind: &'static str,
}

const KUBEADMS: &str = "CertificateExpirationInfo";

const fn case(command: &'static str, arguments: &'static str, kind: &'static str) -> Case {
    Case { command, arguments, kind }
}

/// Each command that has a document. None of these changes anything.
pub const CASES: [Case; 66] = [
    case("recover", "--root NODE --dry-run --at AT", "Recovery"),
    case("recover", "--root EMPTY", "Error"),
    case("diagnose", "--root NODE --at AT --horizon 2y", "Diagnosis"),
    case("diagnose", "--root NODE --at AT --trust", "TrustGraph"),
    case("diagnose", "--root NODE --at AT --timeline --log kubelet.log", "Timeline"),
    case("diagnose", "NODE OTHER EMPTY --at AT", "DiagnosisList"),
    case("diagnose", "EMPTY EMPTY", "Error"),
    case("explain", "--list", "CodeList"),
    case("explain", "no-such-code", "Error"),
    case("certs check-expiration", "--root NODE --at AT", KUBEADMS),
    case("certs check-expiration", "--root EMPTY", "Error"),
    case("certs renew", "all --root NODE --dry-run --at AT", "Recovery"),
    case("certs renew", "all --root EMPTY", "Error"),
    case("ca renew", "--root NODE --dry-run --at AT --days 3651", "Recovery"),
    case("ca renew", "--root EMPTY", "Error"),
    case("ca replace", "ca --root NODE --dry-run --at AT", "Recovery"),
    case("ca replace", "ca --root EMPTY", "Error"),
    case("csr export", "requests --reuse-keys --root EXTERNAL --dry-run --at AT", "CertificateRequests"),
    case("csr export", "requests --root OTHER --dry-run --at AT", "Error"),
    case("csr sign", "usb --ca pki --dry-run --at AT", "SignedCertificates"),
    case("csr sign", "usb --ca missing", "Error"),
    case("csr import", "usb --root EXTERNAL --dry-run --at AT", "Recovery"),
    case("csr import", "missing --root EXTERNAL", "Error"),
    case("bundle create", "--node worker-1 --root OTHER --dry-run --at AT", "Bundle"),
    case("bundle create", "--node worker-1 --root EMPTY --dry-run", "Error"),
    case("bundle apply", "bundle.age --identity id --root EMPTY --dry-run --at AT", "BundleApply"),
    case("bundle apply", "missing.age --root EMPTY", "Error"),
    case("archive create", "--root NODE --dry-run", "Archive"),
    case("archive list", "--root CHANGED", "ArchiveList"),
    case("archive verify", "--root CHANGED --at AT", "ArchiveVerification"),
    case("archive verify", "ARCHIVE kubelet.log --root CHANGED --at AT", "ArchiveVerification"),
    case("archive verify", "--root EMPTY", "Error"),
    case("archive diff", "ARCHIVE --root CHANGED", "ArchiveComparison"),
    case("archive diff", "missing.tar.gz --root NODE", "Error"),
    case("archive restore", "ARCHIVE --root CHANGED --dry-run", "ArchiveRestore"),
    case("archive restore", "ARCHIVE --root CHANGED", "Error"),
    case("etcd status", "snapshot.db", "EtcdStatus"),
    case("etcd status", "--root EMPTY", "Error"),
    case("etcd members", "three-members.db", "EtcdMemberList"),
    case("etcd members", "missing.db", "Error"),
    case("etcd get", "/registry/ --db snapshot.db", "EtcdKeyList"),
    case("etcd get", "/registry/secrets/kube-system/ --db snapshot.db --reveal", "EtcdKeyList"),
    case("etcd snapshot status", "snapshot.db", "EtcdSnapshot"),
    case("etcd snapshot status", "config", "Error"),
    case("etcd snapshot verify", "snapshot.db", "EtcdSnapshot"),
    case("etcd snapshot verify", "config", "EtcdSnapshot"),
    case("etcd snapshot save", "etcd.db --root NODE --dry-run", "EtcdSavedSnapshot"),
    case("etcd snapshot save", "etcd.db --root EMPTY", "Error"),
    case("kubeconfig check", "config old --at AT", "KubeconfigCheck"),
    case(
        "kubeconfig fetch",
        "--admin-kubeconfig config --cluster cluster1 --compare old",
        "KubeconfigComparison",
    ),
    case("kubeconfig fetch", "--admin-kubeconfig missing --cluster cluster1 --compare old", "Error"),
    case("kubeconfig new", "--break-glass --root NODE --dry-run --at AT", "NewKubeconfig"),
    case("kubeconfig new", "--break-glass --root EMPTY --dry-run", "Error"),
    case("kubeconfig install", "new --file old --dry-run", "KubeconfigReplacement"),
    case("kubeconfig install", "missing --file old", "Error"),
    case(
        "kubeconfig push",
        "--admin-kubeconfig config --cluster cluster1 --from new --dry-run",
        "KubeconfigReplacement",
    ),
    case("probe", "--root NODE", "Error"),
    case("etcd rescue", "--root NODE", "Error"),
    case("nodes", "--kubeconfig config", "NodeList"),
    case("nodes", "--kubeconfig missing", "Error"),
    case("restart", "--root NODE", "Error"),
    case("verify cluster", "--kubeconfig config --at AT", "ClusterVerification"),
    case("rollout restart", "--kubeconfig config --dry-run", "Rollout"),
    case("rollout restart", "daemonset/missing --kubeconfig config", "Error"),
    case("resume", "--root CHANGED", "ResumeResult"),
    case("rollback", "--root CHANGED --dry-run", "RollbackResult"),
];

/// Maps by kubeadm's names of CAs, and by what a cluster's objects hold.
const MAPS: [&str; 3] = ["authorities", "labels", "data"];

impl Case {
    pub fn line(&self) -> String {
        format!("{} {}", self.command, self.arguments.replace("--at AT", &format!("--at {NOW}")))
    }
}

/// The commands of the parser that have no commands below them, with their formats.
fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, Vec<String>)>) {
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name()).trim().to_owned();
        if below.has_subcommands() {
            leaves(below, &path, found);
            continue;
        }
        let output = below.get_arguments().find(|argument| argument.get_id() == "output");
        let formats = output.map(clap::Arg::get_possible_values).unwrap_or_default();
        found.push((path, formats.iter().map(|format| format.get_name().to_owned()).collect()));
    }
}

#[test]
fn every_command_with_a_result_has_documents_and_is_in_the_table() {
    let mut found = Vec::new();
    leaves(&Cli::command(), "", &mut found);
    // What they print is of the program itself.
    found.retain(|(command, _)| !["help", "version", "completions", "man"].contains(&command.as_str()));
    for (command, formats) in &found {
        let has = |format: &str| formats.iter().any(|one| one == format);
        assert!(has("table") && has("json") && has("yaml"), "{command} takes {formats:?}");
    }
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, CASES.iter().map(|case| case.command).collect());
}

/// Keys that are not camelCase, as paths.
fn odd_keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let is_map = MAPS.iter().any(|name| path.ends_with(&format!("/{name}")));
            for (key, value) in map {
                let path = format!("{path}/{key}");
                let camel = key.starts_with(|c: char| c.is_ascii_lowercase())
                    && key.chars().all(|c| c.is_ascii_alphanumeric());
                if !camel && !is_map {
                    found.push(path.clone());
                }
                odd_keys(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| odd_keys(item, path, found)),
        _ => {}
    }
}

#[test]
fn json_and_yaml_hold_the_same_document() {
    let world = World::new();
    let before = [world.node.state(), world.changed.state()];
    for case in &CASES {
        let line = case.line();
        let json = world.run(&format!("{line} -o json"));
        let yaml = world.run(&format!("{line} -o yaml"));
        assert_eq!(json.code, yaml.code, "{line}\n{json}\n{yaml}");
        let mut value: Value =
            serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{line}: {error}\n{json}"));
        let mut same: Value =
            serde_saphyr::from_str(&yaml.out).unwrap_or_else(|error| panic!("{line}: {error}\n{yaml}"));
        assert_eq!(value["kind"], case.kind, "{line}\n{json}");
        if case.kind == KUBEADMS {
            assert_eq!(value, same, "{line}");
            continue;
        }
        assert_eq!(value["apiVersion"], "kuberescue/v1", "{line}");
        let time = |document: &mut Value| document.as_object_mut().unwrap().remove("time").unwrap();
        let (first, second) = (time(&mut value), time(&mut same));
        for time in [&first, &second] {
            assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}: {time}");
        }
        assert!(!line.contains("--at") || first == NOW, "{line}: {first}");
        assert_eq!(value, same, "{line}");
        let mut odd = Vec::new();
        odd_keys(&value, "", &mut odd);
        assert_eq!(odd, Vec::<String>::new(), "{line}");
        if case.kind == "Error" {
            assert_eq!(value["exitCode"], json.code, "{line}\n{json}");
            let message = value["message"].as_str().unwrap();
            assert!(json.err.contains(message), "{line}: stderr says it too\n{json}");
        }
    }
    before[0].assert_same(&world.node.state(), "the node");
    before[1].assert_same(&world.changed.state(), "the node that was changed");
}

/// Without `-o` and with it the exit code is the same; short flags may stand in one word.
#[test]
fn the_format_is_what_the_parser_has_read() {
    let world = World::new();
    for arguments in ["-ojson", "-o=json", "--output=json", "--output json", "-yo json", "-yojson"] {
        let run = world.run(&format!("recover --root EMPTY {arguments}"));
        let document: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"));
        assert_eq!(document["kind"], "Error", "{arguments}");
    }
}
