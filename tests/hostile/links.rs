//! Links that lead out of the root or in circles: what is outside is neither read nor written. That it is not even
//! opened is seen with strace, which says of each open file where it really is.

use std::path::Path;

use super::common::{Node, PKI};
use super::measure::on_node;
use super::read_only::trace;
use super::{READING, WRITING};

const CANARY: &str = "CANARY-OUTSIDE";

/// A copy of a node that is none of our business, with a word in it that must not be seen.
fn outside() -> Node {
    let outside = Node::of("ecdsa-p256");
    outside.write("/shadow", CANARY);
    outside.replace("/etc/kubernetes/manifests/etcd.yaml", "--name=cp-1", &format!("--name={CANARY}"));
    outside
}

/// What is replaced by a link, and where the link leads outside.
const LINKED: &[(&str, &str)] = &[
    ("/etc", "/etc"),
    ("/etc/kubernetes", "/etc/kubernetes"),
    (PKI, "/etc/kubernetes/pki"),
    ("/etc/kubernetes/pki/etcd", "/etc/kubernetes/pki/etcd"),
    ("/etc/kubernetes/manifests", "/etc/kubernetes/manifests"),
    ("/etc/kubernetes/pki/ca.crt", "/shadow"),
    ("/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/ca.key"),
    ("/etc/kubernetes/pki/apiserver.crt", "/shadow"),
    ("/etc/kubernetes/admin.conf", "/etc/kubernetes/admin.conf"),
    ("/var", "/var"),
    ("/var/lib", "/var/lib"),
    ("/var/lib/kubelet", "/var/lib/kubelet"),
    ("/var/lib/kubelet/config.yaml", "/shadow"),
    ("/var/lib/kuberescue", "/"),
    ("/home", "/"),
    ("/root", "/"),
];

fn spoilt(outside: &Node, inside: &str, target: &str, relative: bool) -> Node {
    let node = Node::of("ecdsa-p256");
    if node.exists(inside) {
        node.remove(inside);
    }
    let target = outside.path(target);
    let up = "../".repeat(12);
    let target = if relative {
        format!("{up}{}", &target.to_str().unwrap()[1..])
    } else {
        target.display().to_string()
    };
    node.link(inside, &target);
    node
}

fn never_outside(trace: &str, outside: &Path, what: &str) {
    // `<…>` is where a descriptor leads; a link's target, read, stands in quotes.
    let opened = format!("<{}", outside.display());
    let bad: Vec<_> = trace.lines().filter(|line| line.contains(&opened)).collect();
    assert!(bad.is_empty(), "{what}: outside was opened\n{}", bad.join("\n"));
}

#[test]
fn links_out_of_the_root_at_every_level() {
    let outside = outside();
    let before = outside.state();
    for (at, (inside, target)) in LINKED.iter().enumerate() {
        let node = spoilt(&outside, inside, target, at % 2 == 1);
        let commands =
            [READING[0], READING[2], READING[6], READING[8], READING[10], "certs renew all --partial"];
        for command in commands.into_iter().chain(WRITING[1..].iter().copied()) {
            let (run, trace) = trace(command, node.root());
            never_outside(&trace, outside.root(), &format!("{inside}: {command}"));
            assert!(!format!("{run}").contains(CANARY), "{inside}: {command}\n{run}");
            assert!((0..=5).contains(&run.code), "{inside}: {command}\n{run}");
        }
        before.assert_identical(&outside.state(), inside);
    }
}

#[test]
fn links_in_circles_at_every_level() {
    for (inside, _) in LINKED {
        let node = Node::of("ecdsa-p256");
        if node.exists(inside) {
            node.remove(inside);
        }
        let name = Path::new(inside).file_name().unwrap().to_str().unwrap();
        node.link(&format!("{inside}-other"), name);
        node.link(inside, &format!("{name}-other"));
        for command in [
            "certs check-expiration",
            "recover --dry-run",
            "rollback --dry-run",
            "archive list",
            "certs renew all",
        ] {
            on_node(&node, command).tame();
        }
    }
    // Forty links lead somewhere, as in the kernel; a tree that holds itself ends.
    let node = Node::of("ecdsa-p256");
    node.link(&format!("{PKI}/self"), ".");
    node.link(&format!("{PKI}/up"), "../../..");
    for n in 0..1500 {
        std::os::unix::fs::symlink(format!("l{}", n + 1), node.path(&format!("{PKI}/l{n}"))).unwrap();
        std::os::unix::fs::symlink("..", node.path(&format!("/etc/kubernetes/up{n}"))).unwrap();
    }
    node.settle();
    for command in READING {
        on_node(&node, command).tame();
    }
}
