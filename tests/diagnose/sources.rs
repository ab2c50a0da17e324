//! The same node as a directory, as a tar of it, and as an archive of the tool's own.

use std::path::Path;
use std::process::Command;

use super::breakages::named;
use super::common::{Node, kuberescue, run};
use super::scene::Diagnosis;

fn of_file(path: &Path, time: &str) -> Diagnosis {
    let mut command = kuberescue();
    command.args(["diagnose", "-o", "json", "--at", time, "--root"]).arg(path);
    Diagnosis::of(run(command))
}

fn tar_of(node: &Node, path: &Path) {
    let done = Command::new("tar").arg("-C").arg(node.root()).arg("-cf").arg(path).arg(".").status().unwrap();
    assert!(done.success());
}

/// What an archive can't know: how etcd's data is.
const AROUND: [&str; 2] = ["etcd-data-missing", "etcd-data-broken"];

#[test]
fn an_archive_gives_the_findings_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let some = [
        "all expired",
        "mixed",
        "leaves copied from another node",
        "etcd data missing",
        "backups and copies of keys",
        "kubelet-client-current.pem dangling",
        "a flag's file missing",
        "a flag's file mounted from elsewhere",
        "keys that others can read",
        "external etcd, its client certificate expired",
        "worker, expired",
        "a kubeconfig in a home, expired",
        "a backup among the manifests",
        "kubelet configuration broken",
    ];
    for name in some {
        let scenario = named(name);
        let node = scenario.node();
        let on_disk = Diagnosis::at(&node, scenario.at).set();
        let known = |beyond: bool| {
            let in_it = |(code, _, subject): &&(String, String, String)| {
                // The tool's own archive has what belongs to the node, and nothing that lies about.
                let lies_about = code == "stray-private-key" && !subject.starts_with("/etc/kubernetes/");
                !AROUND.contains(&code.as_str()) && (beyond || !lies_about)
            };
            on_disk.iter().filter(in_it).cloned().collect::<Vec<_>>()
        };
        let plain = directory.path().join("plain.tar");
        tar_of(&node, &plain);
        let of_plain: Vec<_> = of_file(&plain, scenario.at).set().into_iter().collect();
        assert_eq!(of_plain, known(true), "{name}, as a tar");
        let own = directory.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let made = node.run_as_given(&format!("archive create --archive-dir {}", own.display()));
        assert_eq!(made.code, 0, "{made}");
        let file = std::fs::read_dir(&own).unwrap().next().unwrap().unwrap().path();
        let of_own: Vec<_> = of_file(&file, scenario.at).set().into_iter().collect();
        assert_eq!(of_own, known(false), "{name}, as an archive of the tool's own");
        std::fs::remove_dir_all(own).unwrap();
    }
}

/// A copy of some files is no disk: nothing is said of what nobody copied.
#[test]
fn a_copy_without_a_system_is_not_said_to_lack_etcds_data() {
    let node = Node::of("ecdsa-p256");
    assert_eq!(Diagnosis::now(&node).set(), super::scene::set(&[]));
}

#[test]
fn a_copy_of_the_pki_alone_is_no_node_that_lacks_the_rest() {
    let node = Node::of("ecdsa-p256");
    for path in ["/etc/kubernetes/manifests", "/etc/kubernetes/kubelet.conf", "/var"] {
        node.remove(path);
    }
    let found = Diagnosis::now(&node).set();
    assert_eq!(found, super::scene::set(&[]), "{found:?}");
}
