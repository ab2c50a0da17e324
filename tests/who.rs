//! Who reads, and what is read: users without permission, workers, workstations, nodes of other tools. Each is said
//! to be what it is, before any verdict.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use common::{Node, PKI, Run, is_root, kuberescue, run, skip};
use insta::assert_snapshot;

const NOBODY: &str = "65534";

/// A run as it is on the screen, the root as `ROOT`.
fn screen(node: &Node, run: &Run) -> String {
    let text = format!("exit {}\n{}{}", run.code, run.out, run.err);
    text.replace(node.root().to_str().unwrap(), "ROOT")
}

/// Runs the program as a user without any permission of root; `None` where this can't be done.
fn as_nobody(node: &Node, arguments: &str) -> Option<Run> {
    if !is_root() {
        skip("only root can become another user");
        return None;
    }
    // The binary may be below a directory that only root can enter: a copy is run.
    let copy = tempfile::tempdir().unwrap();
    let program = copy.path().join("kuberescue");
    common::copy_program(&program);
    std::fs::set_permissions(copy.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
    command.args(arguments.split_whitespace()).arg("--root").arg(node.root());
    Some(run(command))
}

fn chmod(node: &Node, inside: &str, mode: u32) {
    std::fs::set_permissions(node.path(inside), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Every command that reads a node, with nothing on the standard output and nothing changed.
#[test]
fn without_permission_there_is_no_verdict() {
    let node = Node::of("rsa2048");
    let before = node.state();
    for arguments in [
        "diagnose",
        "diagnose -o json",
        "diagnose -o html",
        "certs check-expiration",
        "certs check-expiration -o json",
        "certs check-expiration -o yaml",
        "certs renew all",
        "certs renew apiserver --dry-run",
        "recover --yes",
        "recover --dry-run",
        "archive create",
        "archive create --dry-run",
    ] {
        let Some(run) = as_nobody(&node, arguments) else { return };
        let seen = screen(&node, &run);
        let seen = match arguments.split_once(" -o ") {
            // Where stdout is for a document, the error is one; stderr says the same.
            Some((_, "json" | "yaml")) => {
                assert!(run.out.contains("not-root") && run.out.contains("Error"), "{run}");
                seen.replacen(&run.out.replace(node.root().to_str().unwrap(), "ROOT"), "", 1)
            }
            _ => seen,
        };
        let expected = format!(
            "exit 2\nerror [not-root]: cannot read {PKI}/ca.key: permission denied (uid {NOBODY})\n\
             hint: sudo kuberescue {arguments} --root ROOT\n"
        );
        assert_eq!(seen, expected, "{arguments}");
    }
    before.assert_identical(&node.state(), "nobody");
}

#[test]
fn the_running_node_asks_for_root_too() {
    for path in ["PKI", "manifests", "kubelet", "root"] {
        let node = Node::of("rsa2048");
        let closed = match path {
            "PKI" => PKI,
            "manifests" => "/etc/kubernetes",
            "kubelet" => "/var/lib/kubelet",
            _ => "/",
        };
        // Keys that everyone can read are not the point here.
        open_all(&node);
        chmod(&node, closed, 0o700);
        let Some(run) = as_nobody(&node, "diagnose") else { return };
        let seen = screen(&node, &run);
        match path {
            "PKI" => assert_snapshot!(seen, @"
            exit 2
            error [not-root]: cannot read /etc/kubernetes/pki/ca.crt: permission denied (uid 65534)
            hint: sudo kuberescue diagnose --root ROOT
            "),
            "manifests" => assert_snapshot!(seen, @"
            exit 2
            error [not-root]: cannot read /etc/kubernetes/pki/ca.crt: permission denied (uid 65534)
            hint: sudo kuberescue diagnose --root ROOT
            "),
            "kubelet" => assert_snapshot!(seen, @"
            exit 2
            error [not-root]: cannot read /var/lib/kubelet/pki/kubelet-client-current.pem: permission denied (uid 65534)
            hint: sudo kuberescue diagnose --root ROOT
            "),
            _ => assert_snapshot!(seen, @"
            exit 2
            error [not-root]: cannot read ROOT: permission denied (uid 65534)
            hint: sudo kuberescue diagnose --root ROOT
            "),
        }
    }
}

#[test]
fn a_single_key_without_permission_is_enough() {
    let node = Node::of("rsa2048");
    open_all(&node);
    chmod(&node, "/etc/kubernetes/manifests/etcd.yaml", 0o600);
    let Some(run) = as_nobody(&node, "certs check-expiration") else { return };
    assert_snapshot!(screen(&node, &run), @"
    exit 2
    error [not-root]: cannot read /etc/kubernetes/manifests/etcd.yaml: permission denied (uid 65534)
    hint: sudo kuberescue certs check-expiration --root ROOT
    ");
}

#[test]
fn archives_that_may_not_be_read_are_not_absent() {
    let node = Node::of("rsa2048");
    assert_eq!(node.run("archive create").code, 0);
    open_all(&node);
    chmod(&node, "/var/lib/kuberescue", 0o700);
    let Some(run) = as_nobody(&node, "archive verify") else { return };
    assert_snapshot!(screen(&node, &run), @"
    exit 2
    error [not-root]: cannot read /var/lib/kuberescue: permission denied (uid 65534)
    hint: sudo kuberescue archive verify --root ROOT
    ");
}

/// The records of changes are root's: whether one is pending cannot be told without them.
#[test]
fn what_was_changed_is_told_to_nobody_else() {
    let node = Node::of("rsa2048");
    assert_eq!(node.run("archive create").code, 0);
    open_all(&node);
    chmod(&node, "/var/lib/kuberescue", 0o700);
    for arguments in ["resume", "resume --dry-run", "rollback --yes", "rollback --dry-run", "archive list"] {
        let Some(run) = as_nobody(&node, arguments) else { return };
        let expected = format!(
            "exit 2\nerror [not-root]: cannot open /var/lib/kuberescue: permission denied (uid {NOBODY})\n\
             hint: sudo kuberescue {arguments} --root ROOT\n"
        );
        assert_eq!(screen(&node, &run), expected, "{arguments}");
    }
}

/// Homes, logs and times are not of the catalog.
#[test]
fn what_is_not_of_the_catalog_stops_no_command() {
    let node = Node::of("rsa2048");
    node.write("/home/alice/.kube/config", "apiVersion: v1\nkind: Config\n");
    node.write("/root/.kube/config", "apiVersion: v1\nkind: Config\n");
    node.write("/var/log/pods/x/y/0.log", "nothing\n");
    open_all(&node);
    for closed in ["/home/alice", "/root", "/var/log/pods"] {
        chmod(&node, closed, 0o700);
    }
    let Some(run) = as_nobody(&node, "certs check-expiration -o json --at 2026-11-24T00:00:00Z") else {
        return;
    };
    assert_ne!(run.code, 2, "{run}");
    assert!(!run.err.contains("not-root"), "{run}");
}

/// What somebody else could not read when the archive was made says nothing about whoever reads it.
#[test]
fn an_archive_without_a_file_is_not_a_lack_of_permission() {
    let node = Node::of("rsa2048");
    let list = node.root().join("tar.tar");
    let made = Command::new("tar")
        .args(["--exclude=pki/ca.key", "-cf"])
        .arg(&list)
        .arg("-C")
        .arg(node.root())
        .args(["etc", "var"])
        .status();
    assert!(made.unwrap().success());
    let mut command = kuberescue();
    command.args(["certs", "check-expiration", "--at", common::NOW, "--root"]).arg(&list);
    let run = run(command);
    assert_ne!(run.code, 2, "{run}");
}

fn open_all(node: &Node) {
    let done = Command::new("chmod").args(["-R", "a+rX"]).arg(node.root()).status();
    assert!(done.unwrap().success());
}

/// A kubelet, its credentials, and the cluster's CA certificate.
fn worker() -> Node {
    let node = Node::of("rsa2048");
    for file in ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"] {
        node.remove(&format!("/etc/kubernetes/{file}"));
    }
    let ca = node.read(&format!("{PKI}/ca.crt"));
    for path in [PKI, "/etc/kubernetes/manifests"] {
        node.remove(path);
    }
    node.write(&format!("{PKI}/ca.crt"), ca);
    node
}

#[test]
fn a_worker_is_not_repaired_here() {
    let node = worker();
    let before = node.state();
    assert_snapshot!(screen(&node, &node.run("recover --yes")), @"
    exit 2
    error [worker-node]: cannot sign a certificate here: cp-1 is a worker node and has no CA key
    hint: on a control-plane node: sudo kuberescue bundle create --node cp-1
    hint: copy cp-1.bundle.age to cp-1; there: sudo kuberescue bundle apply cp-1.bundle.age
    ");
    assert_snapshot!(screen(&node, &node.run("certs renew all")), @"
    exit 2
    error [worker-node]: cannot sign a certificate here: cp-1 is a worker node and has no CA key
    hint: on a control-plane node: sudo kuberescue bundle create --node cp-1
    hint: copy cp-1.bundle.age to cp-1; there: sudo kuberescue bundle apply cp-1.bundle.age
    ");
    before.assert_same(&node.state(), "a worker");
}

/// What a worker has is listed; nothing that it never had is missing.
#[test]
fn a_worker_has_the_certificates_of_its_kubelet() {
    let node = worker();
    assert_snapshot!(screen(&node, &node.run("certs check-expiration")), @"
    exit 0
    CERTIFICATE   EXPIRES   RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
    ca                      Nov 20, 2036 22:23 UTC   9y              yes     

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt
    note [worker-node]: a worker node has the kubelet's certificates and the CA certificate only
    ");
}

#[test]
fn an_archive_of_a_worker_brings_back_no_control_plane() {
    let node = worker();
    let made = node.must("archive create");
    let run = node.run(&format!("archive verify {}", made.out.trim()));
    assert_snapshot!(screen(&node, &run).replace(made.out.trim(), "ARCHIVE"), @"
    exit 2
    error [worker-node]: cannot bring back a control plane from this archive: cp-1 is a worker node and has no CA key
    hint: on a control-plane node: sudo kuberescue bundle create --node cp-1
    hint: copy cp-1.bundle.age to cp-1; there: sudo kuberescue bundle apply cp-1.bundle.age
    ");
}

/// However little is left of it.
#[test]
fn a_damaged_control_plane_is_no_worker() {
    for kept in ["/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/manifests/etcd.yaml"] {
        let node = worker();
        node.write(kept, "{ damaged");
        let run = node.run("recover --yes");
        assert!(!run.err.contains("[worker-node]"), "{kept}\n{run}");
    }
    for key in ["ca.key", "sa.key", "etcd/ca.key", "front-proxy-ca.key", "apiserver.key", "etcd/peer.crt"] {
        let node = worker();
        node.write(&format!("{PKI}/{key}"), "damaged");
        let run = node.run("recover --yes");
        assert!(!run.err.contains("[worker-node]"), "{key}\n{run}");
    }
    let node = worker();
    std::fs::create_dir_all(node.path("/var/lib/etcd")).unwrap();
    assert!(!node.run("recover --yes").err.contains("[worker-node]"), "etcd's data");
}

#[test]
fn nodes_of_other_tools_are_named() {
    let node = Node::empty();
    std::fs::create_dir_all(node.path("/var/lib/rancher/k3s/server/tls")).unwrap();
    assert_snapshot!(screen(&node, &node.run("recover --yes")), @"
    exit 2
    error [k3s-node]: cannot use --root ROOT: this is a k3s node
    hint: sudo sh -c 'systemctl stop k3s && k3s certificate rotate && systemctl start k3s'
    ");
    let node = Node::empty();
    std::fs::create_dir_all(node.path("/etc/rancher/rke2")).unwrap();
    assert_snapshot!(screen(&node, &node.run("diagnose")), @"
    exit 2
    error [rke2-node]: cannot use --root ROOT: this is an RKE2 node
    hint: sudo sh -c 'systemctl stop rke2-server && rke2 certificate rotate && systemctl start rke2-server'
    ");
    let node = Node::empty();
    node.write("/etc/kubernetes/ssl/kube-ca.pem", "");
    std::fs::create_dir_all(node.path("/var/lib/etcd")).unwrap();
    assert_snapshot!(screen(&node, &node.run("certs check-expiration")), @"
    exit 2
    error [rke1-node]: cannot use --root ROOT: this is an RKE node (first generation)
    hint: where cluster.yml of the cluster is: rke cert rotate --config cluster.yml
    ");
}

#[test]
fn a_workstation_is_no_node() {
    let node = Node::empty();
    node.write("/root/.kube/config", "apiVersion: v1\nkind: Config\n");
    assert_snapshot!(screen(&node, &node.run("diagnose")), @"
    exit 2
    error [workstation]: cannot use --root ROOT: this is a workstation: kubeconfigs of users, no kubelet
    hint: kuberescue kubeconfig check
    ");
    assert_snapshot!(screen(&node, &node.run("certs renew all")), @"
    exit 2
    error [workstation]: cannot use --root ROOT: this is a workstation: kubeconfigs of users, no kubelet
    hint: kuberescue kubeconfig check
    ");
}

#[test]
fn a_directory_inside_a_node_is_not_its_root() {
    let node = Node::of("rsa2048");
    for inside in ["etc/kubernetes", "etc/kubernetes/pki", "etc"] {
        let mut command = kuberescue();
        command.args(["diagnose", "--at", common::NOW, "--root"]).arg(node.root().join(inside));
        let seen = screen(&node, &run(command));
        match inside {
            "etc" => assert_snapshot!(seen, @"
            exit 2
            error [root-inside-node]: cannot use --root ROOT/etc: this is /etc of a node
            hint: kuberescue diagnose --root ROOT
            "),
            "etc/kubernetes" => assert_snapshot!(seen, @"
            exit 2
            error [root-inside-node]: cannot use --root ROOT/etc/kubernetes: this is /etc/kubernetes of a node
            hint: kuberescue diagnose --root ROOT
            "),
            _ => assert_snapshot!(seen, @"
            exit 2
            error [root-inside-node]: cannot use --root ROOT/etc/kubernetes/pki: this is /etc/kubernetes/pki of a node
            hint: kuberescue diagnose --root ROOT
            "),
        }
    }
}

/// When the certificates of the trees have expired.
const EXPIRED: &str = "--at 2028-01-01T00:00:00Z";
const ETCD_POD: &str = "/etc/kubernetes/manifests/etcd.yaml";

/// A node whose etcd runs as uid and gid 2379, which own its directory and all its files but the CA's key. `None` where
/// files can't be given away.
fn etcd_without_root() -> Option<Node> {
    if !is_root() {
        skip("only root can give files to another user");
        return None;
    }
    let node = Node::of("ecdsa-p256");
    node.replace(
        ETCD_POD,
        "  securityContext:\n",
        "  securityContext:\n    runAsUser: 2379\n    runAsGroup: 2379\n",
    );
    for name in ["server.key", "peer.key", "healthcheck-client.key"] {
        own(&node, &format!("{PKI}/etcd/{name}"), 2379, 2379);
    }
    Some(node)
}

fn own(node: &Node, inside: &str, uid: u32, gid: u32) {
    std::os::unix::fs::chown(node.path(inside), Some(uid), Some(gid)).unwrap();
}

fn owner(node: &Node, inside: &str) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(node.path(inside)).unwrap();
    format!("{:04o} {}:{}", data.mode() & 0o7777, data.uid(), data.gid())
}

/// The lines of a plan with these words.
fn lines(run: &Run, words: &str) -> String {
    run.out.lines().filter(|line| line.contains(words)).map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn a_component_that_cannot_read_its_key_is_not_restarted() {
    let Some(node) = etcd_without_root() else { return };
    assert_eq!(node.run(&format!("recover --dry-run {EXPIRED}")).code, 0);
    own(&node, &format!("{PKI}/etcd/server.key"), 0, 0);
    let before = node.state();
    assert_snapshot!(screen(&node, &node.run(&format!("diagnose {EXPIRED}"))), @"
    exit 1
    cp-1 (control-plane node, Kubernetes 1.36) at 2028-01-01 00:00 UTC, read from ROOT

    VERDICT  CANNOT START: a component cannot read a file that its flag names; 13 of 13 certificates expired 38 days ago
    CAUSE    etcd: runs as uid 2379 and cannot read /etc/kubernetes/pki/etcd/server.key: mode 0600 and owner 0:0
    NEXT     kuberescue explain flag-file-denied

    Running pods are not affected, but nothing can be managed until this is repaired.
    Manual action required: etcd: runs as uid 2379 and cannot read /etc/kubernetes/pki/etcd/server.key: mode 0600 and owner 0:0; reissuing certificates does not repair this [flag-file-denied]: Give it access: sudo chown 2379 /etc/kubernetes/pki/etcd/server.key. As which user it ran before is in an archive: kuberescue archive diff ARCHIVE. To go on all the same: --accept flag-file-denied

    Blocking problems (root cause first):
      expired                 9 certificates expired on 2027-11-23 (38 days ago): etcd-server, etcd-peer, apiserver-etcd-client and 6 more
                              → the API server rejects etcd: nothing can be read or written
      flag-file-denied        etcd: runs as uid 2379 and cannot read /etc/kubernetes/pki/etcd/server.key: mode 0600 and owner 0:0
                              → kube-apiserver has no datastore and exits
      kubelet-crash-loop      kubelet: its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
                              → no static pod is started: what is stopped stays down

    Warnings:
      kubelet-serving-expired kubelet-serving: expired on 2027-11-23 (38 days ago)
      expired                 3 certificates expired on 2027-11-23 (38 days ago): admin.conf, super-admin.conf, etcd-healthcheck-client

    NEXT     kuberescue explain flag-file-denied
    ");
    let refused = node.run(&format!("recover --yes {EXPIRED}"));
    assert_eq!(refused.code, 5);
    assert_snapshot!(refused.err, @"
    error [flag-file-denied]: etcd: runs as uid 2379 and cannot read /etc/kubernetes/pki/etcd/server.key: mode 0600 and owner 0:0; reissuing certificates does not repair this
    hint: Give it access: sudo chown 2379 /etc/kubernetes/pki/etcd/server.key. As which user it ran before is in an archive: kuberescue archive diff ARCHIVE. To go on all the same: --accept flag-file-denied
    ");
    before.assert_same(&node.state(), "refused");
    let (dry, real) = (node.run("certs renew all --dry-run"), node.run("certs renew all"));
    assert_eq!((dry.code, real.code), (4, 4), "{dry}{real}");
    assert_eq!(owner(&node, &format!("{PKI}/etcd/server.key")), "0600 0:0");
}

#[test]
fn a_missing_key_is_given_to_its_reader() {
    let Some(node) = etcd_without_root() else { return };
    node.remove(&format!("{PKI}/etcd/server.key"));
    let run = node.run(&format!("recover --yes {EXPIRED}"));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(owner(&node, &format!("{PKI}/etcd/server.key")), "0600 2379:2379");
}

#[test]
fn a_mode_that_is_narrowed_is_a_line_of_the_plan() {
    let Some(node) = etcd_without_root() else { return };
    own(&node, &format!("{PKI}/etcd/server.key"), 0, 2379);
    for (path, mode) in [("etcd/server.key", 0o644), ("etcd/peer.key", 0o640), ("apiserver.key", 0o644)] {
        chmod(&node, &format!("{PKI}/{path}"), mode);
    }
    chmod(&node, "/etc/kubernetes/admin.conf", 0o640);
    let dry = node.run(&format!("recover --dry-run -v {EXPIRED}"));
    assert_snapshot!(lines(&dry, " → "), @"
    mode 0640 → 0600 of /etc/kubernetes/admin.conf (it holds a private key, which no component reads as another user than root)
    mode 0644 → 0600 of /etc/kubernetes/pki/apiserver.key (it holds a private key, which no component reads as another user than root)
    mode 0640 → 0600 of /etc/kubernetes/pki/etcd/peer.key (it holds a private key, which etcd reads as uid 2379)
    mode 0644 → 0640 of /etc/kubernetes/pki/etcd/server.key (it holds a private key, which etcd reads as uid 2379)
    change    admin.conf: mode 0640 → 0600 of /etc/kubernetes/admin.conf (it holds a private key, which no component reads as another user than root)
    change    apiserver: mode 0644 → 0600 of /etc/kubernetes/pki/apiserver.key (it holds a private key, which no component reads as another user than root)
    change    etcd-peer: mode 0640 → 0600 of /etc/kubernetes/pki/etcd/peer.key (it holds a private key, which etcd reads as uid 2379)
    ");
    let json: serde_json::Value =
        serde_json::from_str(&node.run(&format!("recover --dry-run -o json {EXPIRED}")).out).unwrap();
    let steps = json["plan"]["steps"].as_array().unwrap().iter();
    let narrowed: Vec<_> = steps.filter_map(|step| step["narrowed"][0]["path"].as_str()).collect();
    let files = ["admin.conf", "pki/apiserver.key", "pki/etcd/peer.key", "pki/etcd/server.key"];
    assert_eq!(narrowed, files.map(|file| format!("/etc/kubernetes/{file}")));
    let hints = node.run(&format!("diagnose -v {EXPIRED}"));
    assert_snapshot!(lines(&hints, "chmod"), @"
    hint: Close it with chmod 600 /etc/kubernetes/admin.conf, and renew it if someone could have read it.
    hint: Close it with chmod 600 /etc/kubernetes/pki/apiserver.key, and renew it if someone could have read it.
    hint: Close it with chmod 600 /etc/kubernetes/pki/etcd/peer.key, and renew it if someone could have read it.
    hint: Close it with chmod 640 /etc/kubernetes/pki/etcd/server.key, and renew it if someone could have read it.
    ");
    assert_eq!(node.run(&format!("recover --yes {EXPIRED}")).code, 0);
    assert_eq!(owner(&node, &format!("{PKI}/etcd/server.key")), "0640 0:2379");
    assert_eq!(owner(&node, &format!("{PKI}/etcd/peer.key")), "0600 2379:2379");
    assert_eq!(owner(&node, "/etc/kubernetes/admin.conf"), "0600 0:0");
}
