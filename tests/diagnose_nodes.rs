//! Several nodes side by side: what they must share, what was copied, who is done, etcd's quorum, and many archives.

mod common;

use common::screen::steady;
use common::{Node, PKI, Run, fixture, kuberescue, run};
use insta::assert_snapshot;

const AT: &str = "2026-11-24";
/// Members of etcd on every node.
const MEMBERS: &str =
    "cp-1=https://192.168.10.11:2380,cp-2=https://192.168.10.12:2380,cp-3=https://192.168.10.13:2380";

/// Node `number` of the cluster of a tree, with leaves of its own.
fn member(tree: &str, number: u8) -> Node {
    let node = Node::of(tree);
    let etcd = "/etc/kubernetes/manifests/etcd.yaml";
    node.replace(
        etcd,
        "--initial-cluster=cp-1=https://192.168.10.11:2380",
        &format!("--initial-cluster={MEMBERS}"),
    );
    if number == 1 {
        return node;
    }
    for file in ["etcd", "kube-apiserver"] {
        let path = format!("/etc/kubernetes/manifests/{file}.yaml");
        node.replace(&path, "192.168.10.11:", &format!("192.168.10.1{number}:"));
    }
    // The list of members names all of them on each node.
    node.replace(etcd, &format!("cp-1=https://192.168.10.1{number}:2380"), "cp-1=https://192.168.10.11:2380");
    node.replace(etcd, "--name=cp-1", &format!("--name=cp-{number}"));
    node.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "--advertise-address=192.168.10.11",
        &format!("--advertise-address=192.168.10.1{number}"),
    );
    node.remove("/var/lib/kubelet/pki");
    node.remove("/etc/kubernetes/kubelet.conf");
    node
}

/// The same with leaves of its own, made by the tool.
fn own(tree: &str, number: u8) -> Node {
    let node = member(tree, number);
    for base in ["apiserver", "etcd/server", "etcd/peer"] {
        node.remove(&format!("{PKI}/{base}.crt"));
        node.remove(&format!("{PKI}/{base}.key"));
    }
    node.must(&format!("certs renew all --at {AT} --accept-clock"));
    node
}

fn diagnose(nodes: &[&Node], more: &[&str]) -> Run {
    let mut command = kuberescue();
    command.arg("diagnose").args(nodes.iter().map(|node| node.root())).args(["--at", AT]).args(more);
    run(command)
}

/// A tree at a path behind those of all other nodes: nodes of one name are shown in the order of their paths.
fn last(tree: &str) -> Node {
    Node::within(tempfile::Builder::new().prefix("z").tempdir().unwrap()).filled(tree)
}

/// What a diagnosis of several nodes says above and below those of the nodes.
fn summary(nodes: &[&Node], run: &Run) -> String {
    let mut text = run.to_string();
    for (index, node) in nodes.iter().enumerate() {
        text = text.replace(node.root().to_str().unwrap(), &format!("NODE-{index}"));
    }
    steady(&text)
}

#[test]
fn nodes_of_one_cluster_are_held_side_by_side() {
    let nodes = [member("rsa2048", 1), own("rsa2048", 2), own("rsa2048", 3)];
    let nodes = nodes.each_ref();
    assert_snapshot!(summary(&nodes, &diagnose(&nodes, &[])), @"
    exit 0
    --- stdout
    Cluster https://192.168.10.11:6443: 3 nodes, 3 in order, 0 to be recovered
    NODE      ROLE            STATE      NEXT EXPIRY                 SOURCE
    cp-1      control-plane   in order   2027-11-23 kubelet-client   NODE-0
    cp-2      control-plane   in order   2027-11-24 admin.conf       NODE-1
    cp-3      control-plane   in order   2027-11-24 admin.conf       NODE-2
    etcd: 3 members, 2 needed; in order: cp-1, cp-2, cp-3; not usable: none: a quorum is possible

    NEXT     nothing to do
    --- stderr
    ");
    let json = diagnose(&nodes, &["-o", "json"]).json();
    let cluster = &json["clusters"][0];
    assert_eq!(cluster["findings"], serde_json::json!([]));
    let names: Vec<_> =
        cluster["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cp-1", "cp-2", "cp-3"]);
}

#[test]
fn who_is_done_and_what_etcd_needs_is_told() {
    let nodes = [member("expired-all", 1), own("expired-all", 2), member("expired-all", 3)];
    let all = nodes.each_ref();
    assert_snapshot!(summary(&all, &diagnose(&all, &[])), @"
    exit 1
    --- stdout
    Cluster https://192.168.10.11:6443: 3 nodes, 1 in order, 2 to be recovered
    NODE      ROLE            STATE                     NEXT EXPIRY             SOURCE
    cp-1      control-plane   10 blocking, 4 warnings   2033-12-29 ca           NODE-0
    cp-2      control-plane   in order                  2027-11-24 admin.conf   NODE-1
    cp-3      control-plane   11 blocking, 3 warnings   2033-12-29 ca           NODE-2
      nodes-copied           11 certificates on cp-1, cp-3 are the same, so they were copied: admin.conf, apiserver, apiserver-etcd-client and 8 more
    etcd: 3 members, 2 needed; in order: cp-2; not usable: cp-1, cp-3: no quorum until 1 more are recovered

    cp-1, read from NODE-0
      VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
      CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29
      NEXT     sudo kuberescue recover

    cp-3, read from NODE-2
      VERDICT  CANNOT START: 11 of 11 certificates expired 693 days ago
      CAUSE    etcd-server, etcd-peer and 9 more expired on 2024-12-31; CAs valid until 2033-12-29
      NEXT     kuberescue explain names-of-another-node

    NEXT     kuberescue explain several-nodes
    --- stderr
    ");
    assert_snapshot!(summary(&all, &diagnose(&all[1..], &[])), @"
    exit 1
    --- stdout
    Cluster https://192.168.10.11:6443: 2 nodes, 1 in order, 1 to be recovered
    NODE      ROLE            STATE                     NEXT EXPIRY             SOURCE
    cp-2      control-plane   in order                  2027-11-24 admin.conf   NODE-1
    cp-3      control-plane   11 blocking, 3 warnings   2033-12-29 ca           NODE-2
    etcd: 3 members, 2 needed; in order: cp-2; not usable: cp-3, not looked at: cp-1: whether a quorum is possible hangs on those that were not looked at

    cp-3, read from NODE-2
      VERDICT  CANNOT START: 11 of 11 certificates expired 693 days ago
      CAUSE    etcd-server, etcd-peer and 9 more expired on 2024-12-31; CAs valid until 2033-12-29
      NEXT     kuberescue explain names-of-another-node

    NEXT     on cp-3: kuberescue explain names-of-another-node
    --- stderr
    ");
}

#[test]
fn copied_leaves_and_other_keys_are_told_with_their_nodes() {
    // The third node got the first one's PKI directory, the second one another pair of sa.
    let nodes = [member("rsa2048", 1), own("rsa2048", 2), member("rsa2048", 3)];
    nodes[1].write(&format!("{PKI}/sa.key"), Node::of("expired-all").text(&format!("{PKI}/sa.key")));
    nodes[1].write(&format!("{PKI}/sa.pub"), Node::of("expired-all").text(&format!("{PKI}/sa.pub")));
    let all = nodes.each_ref();
    assert_snapshot!(summary(&all, &diagnose(&all, &[])), @"
    exit 1
    --- stdout
    Cluster https://192.168.10.11:6443: 3 nodes, 2 in order, 1 to be recovered
    NODE      ROLE            STATE        NEXT EXPIRY                 SOURCE
    cp-1      control-plane   in order     2027-11-23 kubelet-client   NODE-0
    cp-2      control-plane   in order     2027-11-24 admin.conf       NODE-1
    cp-3      control-plane   3 blocking   2027-11-23 admin.conf       NODE-2
      nodes-sa-differs       sa is another pair on some nodes than on others: cp-1, cp-3 | cp-2
      nodes-copied           11 certificates on cp-1, cp-3 are the same, so they were copied: admin.conf, apiserver, apiserver-etcd-client and 8 more
    etcd: 3 members, 2 needed; in order: cp-1, cp-2; not usable: cp-3: a quorum is possible

    cp-3, read from NODE-2
      VERDICT  CANNOT START: etcd-server, etcd-peer, apiserver no longer work
      CAUSE    etcd-server, etcd-peer, apiserver: a certificate is another node's
      NEXT     kuberescue explain names-of-another-node

    NEXT     on cp-3: kuberescue explain names-of-another-node
    --- stderr
    ");
    // A node that was set up again with kubeadm reset and init.
    let other = last("ecdsa-p256");
    let all = [&nodes[0], &nodes[1], &other];
    assert_snapshot!(summary(&all, &diagnose(&all, &[])), @"
    exit 1
    --- stdout
    Cluster https://192.168.10.11:6443: 3 nodes, 3 in order, 0 to be recovered
    NODE      ROLE            STATE      NEXT EXPIRY                 SOURCE
    cp-1      control-plane   in order   2027-11-23 kubelet-client   NODE-0
    cp-1      control-plane   in order   2027-11-23 kubelet-client   NODE-2
    cp-2      control-plane   in order   2027-11-24 admin.conf       NODE-1
      nodes-ca-differs       ca has another key on some nodes than on others: cp-1 (NODE-0), cp-2 | cp-1 (NODE-2)
      nodes-ca-differs       etcd-ca has another key on some nodes than on others: cp-1 (NODE-0), cp-2 | cp-1 (NODE-2)
      nodes-ca-differs       front-proxy-ca has another key on some nodes than on others: cp-1 (NODE-0), cp-2 | cp-1 (NODE-2)
      nodes-sa-differs       sa is another pair on some nodes than on others: cp-1 (NODE-0) | cp-1 (NODE-2) | cp-2
    etcd: 3 members, 2 needed; in order: cp-1, cp-2; not usable: none, not looked at: cp-3: a quorum is possible

    NEXT     kuberescue explain nodes-ca-differs
    --- stderr
    ");
}

#[test]
fn api_servers_that_encrypt_with_other_keys() {
    let nodes = [member("rsa2048", 1), own("rsa2048", 2), own("rsa2048", 3)];
    let file = "/etc/encryption/config.yaml";
    let encrypts = |node: &Node, text: Option<&str>| {
        let flag = format!("    - --allow-privileged=true\n    - --encryption-provider-config={file}\n");
        node.replace(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    - --allow-privileged=true\n",
            &flag,
        );
        text.into_iter().for_each(|text| node.write(file, text));
    };
    let all = nodes.each_ref();
    let told = || {
        let run = diagnose(&all, &[]);
        let lines =
            run.out.lines().map(str::trim).filter(|line| line.starts_with("nodes-encryption-differs"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_snapshot!(told(), @"");
    encrypts(all[0], Some("a"));
    encrypts(all[1], Some("a"));
    assert_snapshot!(told(), @"nodes-encryption-differs --encryption-provider-config is another file, or none, on some nodes than on others: cp-1, cp-2 | cp-3");
    encrypts(all[2], Some("b"));
    assert_snapshot!(told(), @"nodes-encryption-differs --encryption-provider-config is another file, or none, on some nodes than on others: cp-1, cp-2 | cp-3");
    all[2].write(file, "a");
    assert_snapshot!(told(), @"");
    // What isn't there is a finding of its node.
    all[2].remove(file);
    assert_snapshot!(told(), @"");
}

#[test]
fn clusters_are_kept_apart_and_what_is_no_node_is_named() {
    let (here, there) = (Node::of("rsa2048"), last("ecdsa-p256"));
    for file in [
        "admin.conf",
        "super-admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
        "manifests/etcd.yaml",
    ] {
        there.replace(&format!("/etc/kubernetes/{file}"), "192.168.10.11", "192.168.20.11");
    }
    let empty = Node::empty();
    let all = [&here, &there, &empty];
    assert_snapshot!(summary(&all, &diagnose(&all, &[])), @"
    exit 1
    --- stdout
    Cluster https://192.168.10.11:6443: 1 node, 1 in order, 0 to be recovered
    NODE      ROLE            STATE      NEXT EXPIRY                 SOURCE
    cp-1      control-plane   in order   2027-11-23 kubelet-client   NODE-0
    etcd: 1 member, 1 needed; in order: cp-1; not usable: none: a quorum is possible

    Cluster https://192.168.20.11:6443: 1 node, 0 in order, 1 to be recovered
    NODE      ROLE            STATE        NEXT EXPIRY                 SOURCE
    cp-1      control-plane   1 blocking   2027-11-23 kubelet-client   NODE-1
    etcd: 1 member, 1 needed; in order: cp-1; not usable: none: a quorum is possible

    cp-1, read from NODE-1
      VERDICT  CANNOT START: apiserver no longer works
      CAUSE    apiserver: not valid for 192.168.20.11 (/etc/kubernetes/admin.conf server)
      NEXT     sudo kuberescue recover

    Not read (1):
      NODE-2: cannot use --root NODE-2: not a kubeadm node: no CA in /etc/kubernetes/pki, no kubeconfig in /etc/kubernetes, no API server manifest

    NEXT     on cp-1: sudo kuberescue recover
    --- stderr
    ");
    assert_snapshot!(summary(&[&empty], &diagnose(&[&empty, &empty], &[])), @"
    exit 2
    --- stdout
    --- stderr
    error [root-unreadable]: cannot diagnose NODE-0: cannot use --root NODE-0: not a kubeadm node: no CA in /etc/kubernetes/pki, no kubeconfig in /etc/kubernetes, no API server manifest
    error [root-unreadable]: cannot diagnose NODE-0: cannot use --root NODE-0: not a kubeadm node: no CA in /etc/kubernetes/pki, no kubeconfig in /etc/kubernetes, no API server manifest
    error [root-unreadable]: cannot diagnose: none of these is a node that can be read
    hint: name root directories of nodes, or archives of them (tar, tar.gz)
    ");
}

#[test]
fn two_archives_of_one_node_are_no_copies() {
    let file = fixture("rsa2048");
    let mut command = kuberescue();
    command.arg("diagnose").args([&file, &file]).args(["--at", AT]);
    assert_snapshot!(run(command).to_string().replace(file.to_str().unwrap(), "FILE"), @"
    exit 0
    --- stdout
    Cluster https://192.168.10.11:6443: 1 node in 2 states, 1 in order, 0 to be recovered
    NODE             ROLE            STATE      NEXT EXPIRY                 AS OF                  SOURCE
    cp-1             control-plane   in order   2027-11-23 kubelet-client   2026-11-23 22:24 UTC   FILE
    cp-1 (earlier)   control-plane   in order   2027-11-23 kubelet-client   2026-11-23 22:24 UTC   FILE
    etcd: 1 member, 1 needed; in order: cp-1; not usable: none: a quorum is possible

    NEXT     nothing to do
    --- stderr
    ");
}

/// An old copy of a node says how it was, not how it is.
#[test]
fn copies_of_one_node_are_its_states_in_time() {
    let (old, new) = (Node::of("expired-all"), Node::of("expired-all"));
    new.must(&format!("certs renew all --kubelet --at {AT} --accept-clock"));
    // The newest one counts, whatever the order of the arguments.
    for nodes in [[&old, &new], [&new, &old]] {
        let run = diagnose(&nodes, &[]);
        assert_eq!(run.code, 0, "{run}");
        let lines: Vec<_> = run.out.lines().collect();
        assert_eq!(
            lines[0],
            "Cluster https://192.168.10.11:6443: 1 node in 2 states, 1 in order, 0 to be recovered"
        );
        assert!(lines[1].contains("AS OF"), "{run}");
        assert!(lines[2].starts_with("cp-1   ") && lines[2].ends_with(new.root().to_str().unwrap()), "{run}");
        assert!(
            lines[3].starts_with("cp-1 (earlier)") && lines[3].contains("10 blocking, 4 warnings"),
            "{run}"
        );
        assert!(lines[3].ends_with(old.root().to_str().unwrap()), "{run}");
        assert_eq!(lines.last(), Some(&"NEXT     nothing to do"));
        let json = diagnose(&nodes, &["-o", "json"]).json();
        assert_eq!(json["items"].as_array().unwrap().len(), 2);
        let states = json["clusters"][0]["nodes"].as_array().unwrap();
        assert_eq!(
            states.iter().map(|state| state["latest"].as_bool().unwrap()).collect::<Vec<_>>(),
            [false, true]
        );
        assert_eq!(states[0]["source"], old.root().to_str().unwrap());
    }
}

#[test]
fn several_nodes_in_one_page() {
    let nodes = [member("expired-all", 1), own("expired-all", 2), member("expired-all", 3)];
    let page = diagnose(&nodes.each_ref(), &["-o", "html"]).out;
    assert!(page.contains("<title>3 nodes – kuberescue</title>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<article id=").count(), 3);
    assert!(page.contains("Next</span> <span>kuberescue explain several-nodes</span>"));
    // Each part has one name, and each link leads to one.
    let names: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(unique.contains(link), "{link}");
    }
    for node in &nodes {
        assert!(page.contains(node.root().to_str().unwrap()));
    }
    assert!(page.contains("CANNOT START: 13 of 13 certificates expired"), "{page}");
}

#[test]
fn a_thousand_archives_in_bounded_memory() {
    let file = fixture("ecdsa-p256");
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..1000)
        .map(|number| {
            let path = directory.path().join(format!("{number}.tar.gz"));
            std::os::unix::fs::symlink(&file, &path).unwrap();
            path
        })
        .collect();
    let mut command = std::process::Command::new("/usr/bin/env");
    // The shell's own limit of address space: 512 MiB hold stacks and maps of all threads, not a thousand nodes.
    command.args([
        "sh",
        "-c",
        "ulimit -v 524288; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_kuberescue"),
        "diagnose",
    ]);
    command.args(&files).args(["--at", AT, "-o", "json"]);
    let run = run(command);
    assert_eq!(run.code, 0, "{}", run.err);
    let json = run.json();
    assert_eq!(json["clusters"][0]["nodes"].as_array().unwrap().len(), 1000);
}
