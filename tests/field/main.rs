//! Real shapes of nodes, rebuilt from public reports (`testdata/field`): what `recover` makes of each, judged by what the
//! node's components would read afterwards. The judge is not ours: flags, openssl and kubectl decide (`consumer.py`).

#[path = "../common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use common::{Node, Run, is_root, kubectl, run, skip};
use kuberescue::report::SECTIONS;

/// After the youngest of the trees.
const AT: &str = "2026-12-01T00:00:00Z";

/// How a tree's recovery must end, the numbers being exit codes of `recover`.
struct Case {
    tree: &'static str,
    recover: i32,
    /// What a person has to be told, in the words of `recover`.
    says: &'static str,
}

const fn case(tree: &'static str, recover: i32, says: &'static str) -> Case {
    Case { tree, recover, says }
}

const CASES: &[Case] = &[
    case("all_100_years", 0, ""),
    case("apiserver_clientauth_only", 0, "serverAuth"),
    case("backup_manifest_first", 5, "kube-apiserver-2024"),
    case("ca_p521", 5, ""),
    case("ca_rotation_new_old", 0, ""),
    case("ca_same_key_openssl_req", 0, ""),
    case("client_ca_bundle_elsewhere", 0, ""),
    case("conf_anchor", 0, ""),
    case("conf_copied_over_kubelet", 4, "system:node"),
    case("conf_current_other", 4, "kubectl config use-context"),
    case("conf_docs", 0, ""),
    case("conf_duplicate_key", 0, ""),
    case("conf_file_refs", 0, ""),
    case("corporate_serving_expired", 4, ""),
    case("data_disk_links", 0, ""),
    case("etc_kubernetes_many_small", 0, ""),
    case("etcd_client_other_name", 0, ""),
    case("etcd_nonroot_group", 0, ""),
    case("intermediate_ca", 0, ""),
    case("ip_changed", 0, "adds IP:"),
    case("kubelet_config_elsewhere", 0, ""),
    case("kubelet_dir_link_healthy", 0, ""),
    case("kubelet_dropin_dir", 0, ""),
    case("kubelet_pem_pile", 0, ""),
    case("kubelet_pki_named_certs", 0, ""),
    case("kubespray_ssl", 4, "/etc/ssl/etcd/ssl/node-cp-1.pem"),
    case("manifest_docs", 0, ""),
    case("manifest_sidecar_first", 0, ""),
    case("node_renamed", 5, "cp-new"),
    case("rootless_kubeadm", 0, ""),
    case("sni_cert_expired", 5, ""),
];

fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python");
    let ready = Command::new(&python).args(["-c", "import yaml, cryptography"]).output();
    ready.is_ok_and(|ready| ready.status.success()).then_some(python)
}

/// What the components would refuse.
fn faults(node: &Node, python: &Path, kubectl: &Path) -> Vec<String> {
    let mut command = Command::new(python);
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/consumer.py");
    command.arg(judge).arg(node.root()).arg(AT).env("KUBECTL", kubectl);
    let run = run(command);
    assert!(run.out.contains("consumer: "), "{run}");
    run.out.lines().filter(|line| line.starts_with("FAULT ")).map(str::to_owned).collect()
}

/// Whether something after the new certificates says what a person has to see to.
fn says_what_is_left(run: &Run) -> bool {
    let last = run.out.split_once("\nAfter:").map_or(run.out.as_str(), |(_, last)| last);
    last.contains(SECTIONS[0].1) || last.contains("Manual action required:")
}

/// What is wrong with how a case finished.
fn judge(case: &Case, python: &Path, kubectl: &Path) -> Vec<String> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/field/{}.tar.gz", case.tree));
    let node = Node::empty().unpacked(&archive, true);
    let before = node.state();
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{}: {what}", case.tree))
        }
    };
    let dry = node.run(&format!("recover --dry-run -v --at {AT}"));
    must(before.changed(&node.state()).is_empty(), "--dry-run changed the node".to_owned());
    let real = node.run(&format!("recover --yes -v --at {AT}"));
    must(real.code == case.recover, format!("exit {}, not {}\n{real}", real.code, case.recover));
    must(dry.code == real.code, format!("--dry-run promised exit {}", dry.code));
    must(real.to_string().contains(case.says), format!("{:?} is not said\n{real}", case.says));
    let changed = !before.changed(&node.state()).is_empty();
    must(!changed || [0, 4].contains(&real.code), format!("exit {} with a changed node", real.code));
    must(
        real.code != 4 || says_what_is_left(&real),
        format!("exit 4 without a word on what is left\n{real}"),
    );
    if real.code == 0 {
        let after = node.run(&format!("diagnose -o json --at {AT}"));
        let mut found = after.json()["findings"].as_array().unwrap().clone();
        found.retain(|finding| finding["severity"] == "blocker");
        must(found.is_empty(), format!("blockers after exit 0\n{found:#?}"));
        let faults = faults(&node, python, kubectl);
        must(faults.is_empty(), format!("refused by its readers: {faults:#?}"));
    }
    if changed {
        let back = node.run("rollback --yes");
        must(back.code == 0, format!("rollback: {back}"));
        must(before.changed(&node.state()).is_empty(), "rollback is not exact".to_owned());
    }
    wrong
}

#[test]
fn each_shape_of_node_ends_as_its_readers_need_it() {
    let (Some(python), Some(kubectl)) = (python(), kubectl()) else {
        return skip("kubectl, or PyYAML and cryptography in target/tools/python, are missing: make deps");
    };
    if !is_root() {
        return skip("only root can keep the owners of the trees");
    }
    let (next, wrong) = (Mutex::new(CASES.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else { return };
                    wrong.lock().unwrap().extend(judge(case, &python, &kubectl));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_credential_of_another_cluster_is_kept() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/field/conf_current_other.tar.gz");
    let node = Node::empty().unpacked(&archive, false);
    let admin = || node.text("/etc/kubernetes/admin.conf");
    let said = |run: &Run| {
        let lines =
            run.out.lines().filter(|line| line.contains("current-context") || line.contains("context \""));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let before = admin();
    let dry = node.run(&format!("recover --dry-run -v --at {AT}"));
    insta::assert_snapshot!(said(&dry), @r#"
      another-cluster         admin.conf: its current-context is another cluster's (https://staging.example.test:6443)
    - renew admin.conf: in /etc/kubernetes/admin.conf, context "kubernetes-admin@kubernetes"
        NOTE: current-context is another cluster's and is not changed; to select this one: kubectl config use-context kubernetes-admin@kubernetes --kubeconfig /etc/kubernetes/admin.conf
      by hand   admin.conf: current-context is another cluster's and is not changed; to select this one: kubectl config use-context kubernetes-admin@kubernetes --kubeconfig /etc/kubernetes/admin.conf
    "#);
    let real = node.run(&format!("recover --yes -v --at {AT}"));
    assert_eq!((dry.code, real.code), (4, 4), "{real}");
    let field = |line: &str| line.split(':').next().unwrap().trim().to_owned();
    let pairs = before.lines().zip(admin().lines().map(str::to_owned).collect::<Vec<_>>());
    let changed: Vec<_> = pairs.filter(|(old, new)| old != new).map(|(old, _)| field(old)).collect();
    assert_eq!(changed, ["client-certificate-data", "client-key-data"]);
    let (after, jane) = (admin(), "- name: jane\n  user:\n");
    assert_eq!(before.split_once(jane).unwrap().1, after.split_once(jane).unwrap().1);
    // Nothing has expired, and nobody else's name is missing in apiserver.crt.
    let again = node.run(&format!("diagnose --at {AT}"));
    insta::assert_snapshot!(again.out.replace(&node.root().display().to_string(), "ROOT"), @"
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-12-01 00:00 UTC, read from ROOT

    VERDICT  NO BLOCKING PROBLEM, 1 WARNING: 13 certificates valid, the first until 2027-12-01 (365 days), CAs valid until 2033-12-29
    CAUSE    admin.conf: its current-context is another cluster's (https://staging.example.test:6443)
    NEXT     kuberescue explain another-cluster

    Warnings:
      another-cluster         admin.conf: its current-context is another cluster's (https://staging.example.test:6443)

    NEXT     kuberescue explain another-cluster
    ");
}

/// Every tree has a case.
#[test]
fn no_tree_is_forgotten() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/field");
    let mut trees: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".tar.gz").to_owned())
        .collect();
    trees.sort();
    let mut cases: Vec<_> = CASES.iter().map(|case| case.tree.to_owned()).collect();
    cases.sort();
    assert_eq!(trees, cases);
}
